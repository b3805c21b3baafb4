/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cloud_kit.h"

#include <stdlib.h>

#include "base/file.h"
#include "json/json.h"
#include "trust/join.h"
#include "trust/jose.h"

#define MUST_BE_0(call) ASSERT((call) == 0)

const char *kit_path(struct kit *k, const char *name)
{
	return arena_fmt(k->a, "%s/%s", k->dir, name).p;
}

static void name_of(const struct key *key, char out[static HASH_TEXT_SIZE])
{
	struct hash h = key_name(key);
	hash_text(&h, out);
}

static struct ca *authority(struct kit *k, const char *name)
{
	struct err e = ERR_INIT;
	struct ca *ca = NULL;
	const struct ca_make m = {.dir = kit_path(k, name),
				  .kind = CA_USERS,
				  .cloud = str_from(name),
				  .key_kind = KEY_P256,
				  .now_ms = k->now_ms};
	MUST_BE_0(ca_make(&m, &e));
	MUST_BE_0(ca_open(m.dir, S(""), &ca, &e));
	return ca;
}

struct str kit_certificate(struct kit *k, const struct ca *ca, enum cert_kind kind,
			   const char *name, const struct key *key, int64_t now_ms)
{
	struct err e = ERR_INIT;
	char serial[CERT_SERIAL_SIZE];
	struct str der, host = S("master.example");
	const struct ca_leaf leaf = {
		.kind = kind,
		.name = str_from(name),
		.names = {.items = &host, .count = kind == CERT_MASTER},
		.public = key_public(key),
		.is_server = kind == CERT_MASTER,
		.now_ms = now_ms,
	};
	MUST_BE_0(ca_sign(ca, &leaf, k->a, &der, serial, &e));
	struct str pem = cert_pem(der, k->a), chain = ca_chain(ca);
	return arena_fmt(k->a, "%" STR_F "%" STR_F, STR_A(pem), STR_A(chain));
}

static void join_node(struct kit *k)
{
	struct err e = ERR_INIT;
	struct age_identity *seal CLEAN(age_identity_freep) = NULL;
	MUST_BE_0(file_mkdirs(kit_path(k, "node/identity"), 0700, &e));
	MUST_BE_0(key_open(kit_path(k, "node/identity/key.pem"), KEY_P256, &k->node, &e));
	MUST_BE_0(age_identity_open(kit_path(k, "node/identity/seal.age"), &seal, &e));
	MUST_BE_0(file_write(kit_path(k, "node/identity/roots.pem"), ca_roots(k->users), 0644,
			     &e));
	struct str certificate =
		kit_certificate(k, k->users, CERT_NODE, "n1", k->node, k->now_ms);
	MUST_BE_0(file_write(kit_path(k, "node/identity/cert.pem"), certificate, 0644, &e));
	name_of(k->node, k->node_name);
}

void kit_open(struct kit *k)
{
	struct err e = ERR_INIT;
	*k = (struct kit){.dir = "/tmp/hoc-cloud-XXXXXX"};
	k->now_ms = clock_now_ms(clock_system());
	ASSERT(mkdtemp(k->dir));
	MUST_BE_0(arena_new(64 << 20, &k->a, &e));
	k->users = authority(k, "acme");
	k->foreign = authority(k, "other");
	MUST_BE_0(key_make(KEY_P256, &k->master, &e));
	name_of(k->master, k->master_name);
	join_node(k);
}

void kit_close(struct kit *k)
{
	struct err e = ERR_INIT;
	ca_free(k->users);
	ca_free(k->foreign);
	key_free(k->master);
	key_free(k->node);
	arena_free(k->a);
	MUST_BE_0(file_remove_tree(k->dir, &e));
}

struct keys *kit_keys(struct kit *k)
{
	struct err e = ERR_INIT;
	struct keys *keys = NULL;
	MUST_BE_0(keys_open(kit_path(k, "node"), &keys, &e));
	return keys;
}

struct str kit_ca_body(struct kit *k, const struct key *master, struct str certificate)
{
	char name[HASH_TEXT_SIZE];
	struct json *o = json_object_new(k->a), *users = json_object_new(k->a),
		    *one = json_object_new(k->a), *masters = json_array_new(k->a);
	name_of(master, name);
	json_set_str(k->a, users, S("chain"), ca_chain(k->users));
	json_set_str(k->a, one, S("key"), str_from(name));
	json_set_str(k->a, one, S("certificate"), certificate);
	json_add(k->a, masters, one);
	json_set(k->a, o, S("users"), users);
	json_set(k->a, o, S("masters"), masters);
	return json_text(o, k->a);
}

void kit_reader_open(struct kit *k, const char *kind, const char *name, struct kit_reader *out)
{
	struct err e = ERR_INIT;
	enum cert_kind cert;
	char recipient[AGE_RECIPIENT_SIZE], key[HASH_TEXT_SIZE];
	struct str signature;
	*out = (struct kit_reader){.kind = kind, .name = name};
	MUST_BE_0(cert_kind_read(str_from(kind), &cert, &e));
	MUST_BE_0(key_make(KEY_P256, &out->key, &e));
	MUST_BE_0(age_identity_make(&out->seal, &e));
	age_identity_recipient(out->seal, recipient);
	name_of(out->key, key);
	out->recipient = arena_dup(k->a, str_from(recipient));
	out->key_name = arena_dup(k->a, str_from(key));
	out->certificate = kit_certificate(k, k->users, cert, name, out->key, k->now_ms);
	struct str said = join_statement(str_from(kind), str_from(name), out->recipient, k->a);
	MUST_BE_0(key_sign(out->key, said, k->a, &signature, &e));
	out->statement = base64url(signature, k->a);
}

void kit_reader_close(struct kit_reader *r)
{
	r->key = key_free(r->key);
	r->seal = age_identity_free(r->seal);
}

struct str kit_recipients(struct kit *k, const char *mode, int64_t rotation,
			  const struct kit_reader *readers, size_t count)
{
	struct json *o = json_object_new(k->a), *list = json_array_new(k->a);
	for (size_t i = 0; i < count; i++) {
		const struct kit_reader *r = &readers[i];
		struct json *one = json_object_new(k->a);
		json_set_str(k->a, one, S("kind"), str_from(r->kind));
		json_set_str(k->a, one, S("name"), str_from(r->name));
		json_set_str(k->a, one, S("key"), r->key_name);
		json_set_str(k->a, one, S("seal_key"), r->recipient);
		json_set_str(k->a, one, S("statement"), r->statement);
		json_set_str(k->a, one, S("certificate"), r->certificate);
		json_add(k->a, list, one);
	}
	json_set_str(k->a, o, S("mode"), str_from(mode));
	json_set_i64(k->a, o, S("rotation"), rotation);
	json_set(k->a, o, S("recipients"), list);
	return json_text(o, k->a);
}

struct str kit_state(struct kit *k, const struct key *key, const struct proof_ask *ask,
		     int status, int64_t sequence, struct str body)
{
	struct err e = ERR_INIT;
	struct buf text CLEAN(buf_fini) = BUF_INIT(SIGNED_TEXT_MAX);
	struct buf header CLEAN(buf_fini) = BUF_INIT(SIGNED_HEADER_MAX);
	char hex[HASH_TEXT_SIZE], name[HASH_TEXT_SIZE];
	struct hash h = hash_of(body);
	struct str signature;
	hash_text(&h, hex);
	name_of(key, name);
	const struct signed_state s = {.node = ask->node,
				       .method = ask->method,
				       .target = ask->target,
				       .nonce = ask->nonce,
				       .status = status,
				       .sequence = sequence,
				       .at_ms = k->now_ms,
				       .body_hash = str_from(hex)};
	MUST_BE_0(signed_state_text(&s, &text, &e));
	MUST_BE_0(key_sign(key, buf_str(&text), k->a, &signature, &e));
	const struct signed_mark mark = {.sequence = sequence,
					 .at_ms = k->now_ms,
					 .key = str_from(name),
					 .signature = base64url(signature, k->a)};
	signed_state_header(&mark, &header);
	MUST_BE_0(buf_check(&header, &e));
	return arena_dup(k->a, buf_str(&header));
}
