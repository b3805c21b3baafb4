/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "stage.h"

#include "trust/cert.h"

void stage_begin(struct stage *s, struct cloud *c)
{
	cloud_stage(c, 4);
	trusted_begin(&s->t, c);
	s->op = trusted_person(&s->t, "op", "operator", NULL, false);
	s->ann = trusted_person(&s->t, "ann", "", "shop", true);
	s->bob = trusted_person(&s->t, "bob", "", "shop", false);
	s->mallory = trusted_person(&s->t, "mallory", "", "evil", true);
	s->n1 = trusted_node(&s->t, "n1");
}

/* A text as it stands within quotes of JSON. */
static const char *escaped(struct cloud *c, struct str s)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(100000);
	json_write_str(s, &b);
	return arena_cstr(c->a, str_sub(buf_str(&b), 1, b.n - 2));
}

const char *stage_csr(struct stage *s, const struct key *k)
{
	struct err e = ERR_INIT;
	struct str pem;
	const struct cert_names none = {.count = 0};
	if (cert_request_make(k, S("whatever"), &none, s->t.c->a, &pem, &e) < 0)
		fail_msg("%s", e.text);
	return escaped(s->t.c, pem);
}

void stage_refused(struct stage *s, int status, const char *words)
{
	struct cloud *c = s->t.c;
	if (c->status != status || !strstr(c->text, words))
		fail_msg("%d %s: %s; wanted %d \"%s\"", c->status, c->field, c->text, status,
			 words);
}

const char *stage_key_name(struct stage *s, const struct key *k)
{
	char hex[HASH_TEXT_SIZE];
	struct hash h = key_name(k);
	hash_text(&h, hex);
	return text(s->t.c, "%s", hex);
}

struct who stage_as(struct stage *s, const char *kind, const char *name, struct key *k)
{
	return (struct who){
		.kind = kind, .name = name, .key = k, .key_name = stage_key_name(s, k)};
}

struct key *stage_key(enum key_kind kind)
{
	struct err e = ERR_INIT;
	struct key *k;
	assert_int_equal(key_make(kind, &k, &e), 0);
	return k;
}

struct json *stage_renew(struct stage *s, struct who *w, const struct key *k)
{
	return trusted_call(&s->t, w, "POST", "/v1/renew",
			    text(s->t.c, "{'csr': '%s'}", stage_csr(s, k)));
}

struct str stage_crl(struct stage *s, const char *authority)
{
	(void)trusted_call(&s->t, NULL, "GET", text(s->t.c, "/v1/ca/%s/crl", authority), "");
	assert_int_equal(s->t.c->status, 200);
	assert_string_equal(s->t.c->out.content_type, "application/pkix-crl");
	return arena_dup(s->t.c->a, s->t.c->out.body);
}

const char *stage_serial(struct stage *s, const char *pem)
{
	struct err e = ERR_INIT;
	struct cert *chain = NULL;
	size_t n = 0;
	if (cert_chain_read(str_from(pem), s->t.c->a, &chain, &n, &e) < 0)
		fail_msg("%s", e.text);
	return text(s->t.c, "%s", chain[0].serial);
}

struct json *stage_enrol(struct stage *s, const char *token, const struct key *k)
{
	return trusted_call(&s->t, NULL, "POST", "/v1/enrol",
			    text(s->t.c, "{'token': '%s', 'csr': '%s', 'title': 'laptop'}",
				 token, stage_csr(s, k)));
}
