/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Each step leaves its files whole or not at all and is skipped when they are there, so an init
 * that was cut off is run again. The certificate and the token are made last, by the api, in the
 * database: they stand in the audit chain and the transparency log like all others.
 */
#include "master/init.h"

#include "api/enrol.h"
#include "base/file.h"
#include "master/master_impl.h"
#include "store/person.h"
#include "trust/wipe.h"

/* A label of a DNS name: it goes into subjects, URIs and names. */
MUST static int check_label(const char *field, const char *text, struct err *e)
{
	struct str s = str_from(text);
	bool is_good = s.n >= 1 && s.n <= 63 && s.p[0] != '-' && s.p[s.n - 1] != '-';
	for (size_t i = 0; i < s.n && is_good; i++)
		is_good = (s.p[i] >= 'a' && s.p[i] <= 'z') ||
			  (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '-';
	return is_good ? 0
		       : err_field(e, field,
				   "has 1 to 63 of a-z, 0-9 and '-', not at its ends");
}

MUST static int check(const struct master_init *i, struct err *e)
{
	if (check_label("cloud", i->cloud, e) < 0)
		return -1;
	if (i->name_count == 0 || i->name_count > MASTER_NAMES_MAX)
		return err_field(e, "name", "give 1 to %d host names or addresses",
				 MASTER_NAMES_MAX);
	if (i->token_uri && (!str_starts(str_from(i->token_uri), S("pkcs11:")) ||
			     strstr(i->token_uri, "object=") || strchr(i->token_uri, '?')))
		return err_field(
			e, "token",
			"is a PKCS #11 URI of a token: pkcs11:token=NAME, no object in it");
	return 0;
}

MUST static int make_authority(struct master *m, const struct master_init *i, enum ca_kind kind,
			       const struct master_secrets *s, struct err *e)
{
	const char *word = ca_kind_word(kind);
	struct ca_make make = {
		.dir = arena_fmt(m->a, "%s/ca/%s", i->data, word).p,
		.kind = kind,
		.cloud = str_from(i->cloud),
		.passphrase = s->passphrase,
		.pin = s->pin,
		.key_kind = KEY_P256,
		.now_ms = clock_now_ms(clock_system()),
	};
	if (i->token_uri)
		make.token_uri =
			arena_fmt(m->a, "%s;object=hoc-%s-%s", i->token_uri, i->cloud, word).p;
	if (i->root_dir)
		make.root_dir = arena_fmt(m->a, "%s/%s", i->root_dir, word).p;
	if (arena_check(m->a, e) < 0)
		return -1;
	const char *made = arena_fmt(m->a, "%s/issuer.pem", make.dir).p;
	if (arena_check(m->a, e) < 0 || file_exists(made))
		return arena_check(m->a, e);
	if (file_mkdirs(master_path(m, "ca"), 0700, e) < 0 ||
	    (i->root_dir && file_mkdirs(i->root_dir, 0700, e) < 0))
		return -1;
	return ca_make(&make, e) < 0 ? err_in(e, "authority %s", word) : 0;
}

MUST static int make_key(struct master *m, const struct master_secrets *s, struct err *e)
{
	struct key *k CLEAN(key_freep) = NULL;
	const char *plain = master_path(m, "identity/key.pem"),
		   *sealed = master_path(m, "identity/key.age");
	if (arena_check(m->a, e) < 0 || file_mkdirs(master_path(m, "identity"), 0700, e) < 0)
		return -1;
	if (file_exists(plain) || file_exists(sealed))
		return 0;
	if (!s->passphrase.n)
		return key_open(plain, KEY_P256, &k, e);
	if (key_make(KEY_P256, &k, e) < 0)
		return -1;
	return key_seal(k, s->passphrase, sealed, e);
}

MUST static int make_eab(struct master *m, struct err *e)
{
	char bytes[MASTER_EAB_BYTES];
	const char *path = master_path(m, "eab.key");
	if (arena_check(m->a, e) < 0)
		return -1;
	if (file_exists(path))
		return 0;
	trust_random(bytes, sizeof bytes);
	int rc = file_write(path, str_of(bytes, sizeof bytes), 0600, e);
	trust_wipe(bytes, sizeof bytes);
	return rc;
}

MUST static int make_files(struct master *m, const struct master_init *i, struct err *e)
{
	struct master_secrets s = {.passphrase = S("")};
	struct str was = m->settings.cloud;
	if (was.n && !str_is(was, i->cloud))
		return err_fail(e, ERR_CONFLICT, "%s is a master of the cloud %.*s already",
				i->data, STR_A(was));
	int rc = master_secrets_read(i->passphrase_file, i->pin_file, m->a, &s, e);
	for (int kind = 0; rc == 0 && kind < CA_KINDS; kind++)
		rc = make_authority(m, i, (enum ca_kind)kind, &s, e);
	if (rc == 0)
		rc = make_key(m, &s, e);
	if (rc == 0)
		rc = make_eab(m, e);
	master_secrets_wipe(&s);
	if (rc < 0)
		return -1;
	const char *path = master_path(m, "master.json");
	if (arena_check(m->a, e) < 0 ||
	    master_settings_name(path, str_from(i->cloud), str_from(i->zone), i->names,
				 i->name_count, m->a, e) < 0)
		return -1;
	return master_settings_read(path, m->a, &m->settings, e);
}

struct invite {
	struct master *m;
	struct str person, token;
};

/* A person who is there already gets a further key; his roles are for operators to change. */
static int invite_run(struct db_tx *tx, void *user, struct err *e)
{
	struct invite *v = user;
	struct arena *a = v->m->job_arena;
	struct person p;
	struct enrol_order o = {.name = v->person,
				.made_by = S("master init"),
				.root = ca_root_fingerprint(v->m->identity.users)};
	arena_clear(a);
	int rc = store_person_find(tx, a, v->person, &p, e);
	if (rc < 0)
		return -1;
	if (rc == 0)
		o.roles = S("operator");
	else if (str_find(p.roles, S("operator")) == p.roles.n || !p.is_active)
		return err_fail(e, ERR_CONFLICT,
				"person %.*s is there and is no operator: name another",
				STR_A(v->person));
	return enrol_token_make(v->m->api, tx, &o, a, &v->token, e);
}

MUST static int run(struct master *m, const struct master_init *i, struct arena *a,
		    struct str *out_token, struct err *e)
{
	struct invite v = {.m = m, .person = str_from(i->operator_name)};
	if (master_open_data(m, e) < 0 || make_files(m, i, e) < 0 ||
	    master_open_identity(m, e) < 0 || master_open_database(m, e) < 0 ||
	    master_open_api(m, e) < 0 || master_certify(m, e) < 0 ||
	    db_write(m->db, invite_run, &v, e) < 0)
		return -1;
	*out_token = arena_dup(a, v.token);
	trust_wipe_str(&v.token);
	return arena_check(a, e);
}

MUST int master_init(const struct master_init *i, struct arena *a, struct str *out_token,
		     struct err *e)
{
	const struct master_options options = {
		.data = i->data,
		.db = i->db,
		.program = i->program,
		.passphrase_file = i->passphrase_file,
		.pin_file = i->pin_file,
	};
	struct master m = {.options = &options, .lock_fd = -1};
	if (check(i, e) < 0)
		return -1;
	int rc = run(&m, i, a, out_token, e);
	master_close(&m);
	return rc;
}
