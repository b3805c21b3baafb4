/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Certificates of an instance while no master answers: the node's own issuer, and a clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/authority.h"
#include "agent/certs.h"
#include "base/file.h"
#include "cloud_kit.h"

static const int64_t day_ms = 86400000;

struct scene {
	struct kit k;
	struct ca *services;
	struct ndb *ndb;
	struct keys *keys;
	struct clock clock;
	struct part part;
	struct deploy d;
	struct machine_wish w;
	struct str names[3];
	int64_t now_ms;
};

static int64_t told_now(void *user)
{
	return ((struct scene *)user)->now_ms;
}

static const char spec_text[] =
	"{\"certificates\":{\"web\":{\"roots\":\"etc/tls/roots.pem\"}}}";

/* An issuer for these names in node/identity. */
static void delegate(struct scene *s, const struct cert_names *names)
{
	struct err e = ERR_INIT;
	struct key *k CLEAN(key_freep) = NULL;
	char serial[CERT_SERIAL_SIZE];
	struct str der, pem, above = ca_chain(s->services);
	assert_int_equal(
		key_open(kit_path(&s->k, "node/identity/issuer.key"), KEY_P256, &k, &e), 0);
	assert_int_equal(ca_delegate(s->services, S("n1"), key_public(k), names, s->now_ms,
				     s->k.a, &der, serial, &e),
			 0);
	pem = arena_fmt(s->k.a, "%.*s%.*s", STR_A(cert_pem(der, s->k.a)), STR_A(above));
	assert_int_equal(file_write(kit_path(&s->k, "node/identity/issuer.pem"), pem, 0644, &e),
			 0);
	assert_int_equal(file_write(kit_path(&s->k, "node/identity/services.pem"),
				    ca_roots(s->services), 0644, &e),
			 0);
}

static void set_owner(struct scene *s, struct recipients *r)
{
	*r = (struct recipients){
		.customer = S("shop"),
		.zone = S("zone.test"),
		.names = s->names,
		.name_count = 2,
	};
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	struct scene *s = calloc(1, sizeof *s);
	const struct netns_plan net = {.bridge = "hoctest"};
	struct recipients owner;
	kit_open(&s->k);
	s->now_ms = s->k.now_ms;
	s->clock = (struct clock){.now_ms = told_now, .mono_ms = told_now, .user = s};
	const struct ca_make m = {.dir = kit_path(&s->k, "services"),
				  .kind = CA_SERVICES,
				  .cloud = S("acme"),
				  .key_kind = KEY_P256,
				  .now_ms = s->now_ms};
	assert_int_equal(ca_make(&m, &e), 0);
	assert_int_equal(ca_open(m.dir, S(""), &s->services, &e), 0);
	s->keys = kit_keys(&s->k);
	assert_int_equal(ndb_open(kit_path(&s->k, "node"), &s->ndb, &e), 0);
	s->names[0] = S("shop.zone.test");
	s->names[1] = S("example.com");
	s->names[2] = S("evil.zone.test");
	delegate(s, &(struct cert_names){s->names, 3});
	/* Files are given to their owner: here, to us. */
	const struct ndb_partition row = {.name = S("p0"),
					  .uid_base = (int64_t)getuid() - DEPLOY_UID,
					  .ipv4 = S("10.0.0.2"),
					  .ipv6 = S("fd00::2")};
	assert_int_equal(file_mkdirs(kit_path(&s->k, "node/partitions/p0"), 0711, &e), 0);
	assert_int_equal(part_init(&s->part, kit_path(&s->k, "node"), &row, &net, &e), 0);
	s->w = (struct machine_wish){
		.guid = S("inst-1"), .title = S("web"), .type = S("default")};
	s->d = (struct deploy){.node_dir = kit_path(&s->k, "node"),
			       .node = "n1",
			       .ndb = s->ndb,
			       .keys = s->keys,
			       .clock = &s->clock};
	set_owner(s, &owner);
	assert_int_equal(
		ndb_save_readers(s->ndb, s->w.guid, recipients_text(&owner, s->k.a), S(""), &e),
		0);
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *s = *state;
	part_fini(&s->part);
	ndb_close(s->ndb);
	keys_free(s->keys);
	ca_free(s->services);
	kit_close(&s->k);
	free(s);
	return 0;
}

/* What an apply of that spec does about certificates. */
static int apply(struct scene *s, const char *text, struct deploy_plan *plan, struct err *e)
{
	*plan = (struct deploy_plan){.spec_text = str_from(text)};
	set_owner(s, &plan->readers);
	if (profile_spec_read(plan->spec_text, s->k.a, &plan->spec, e) < 0)
		fail_msg("%s: %s", e->field, e->text);
	if (certs_apply(&s->d, &s->part, &s->w, plan, s->k.a, e) < 0)
		return -1;
	assert_int_equal(certs_told(&s->part, &s->w, &plan->spec, s->k.a, e), 0);
	assert_int_equal(part_take_spec(&s->part, &s->w, plan->spec_text, s->now_ms, e), 0);
	return 0;
}

static void applied(struct scene *s, const char *text)
{
	struct err e = ERR_INIT;
	struct deploy_plan plan;
	if (apply(s, text, &plan, &e) < 0)
		fail_msg("%s", e.text);
}

static const char *home(struct scene *s, const char *name)
{
	return kit_path(&s->k, arena_fmt(s->k.a, "node/partitions/p0/home/%s", name).p);
}

static struct str content(struct scene *s, const char *name)
{
	struct err e = ERR_INIT;
	struct str text;
	assert_int_equal(file_read(home(s, name), 1 << 20, s->k.a, &text, &e), 0);
	return text;
}

/* How the chain in the home stands for a host, under the roots beside it. */
static enum cert_fault stands(struct scene *s, const char *host, struct cert *leaf)
{
	struct err e = ERR_INIT;
	struct cert_trust *trust CLEAN(cert_trust_freep) = NULL;
	struct cert *chain;
	size_t n;
	assert_int_equal(cert_trust_new(content(s, "etc/tls/roots.pem"), &trust, &e), 0);
	assert_int_equal(cert_chain_read(content(s, "etc/tls/web.pem"), s->k.a, &chain, &n, &e),
			 0);
	*leaf = chain[0];
	return cert_check(trust, chain, n, s->now_ms, true, str_from(host));
}

/* Rows of that kind in the outbox. */
static size_t rows(struct scene *s, const char *kind, struct str *last)
{
	struct err e = ERR_INIT;
	struct ndb_row *list;
	size_t n, found = 0;
	assert_int_equal(ndb_outbox_peek(s->ndb, 100, s->k.a, &list, &n, &e), 0);
	for (size_t i = 0; i < n; i++)
		if (str_is(list[i].kind, kind)) {
			*last = list[i].body;
			found++;
		}
	return found;
}

static bool has(struct str text, const char *what)
{
	return str_find(text, str_from(what)) < text.n;
}

static void a_key_is_made_and_a_chain_put(void **state)
{
	struct scene *s = *state;
	struct cert leaf, again;
	struct stat st;
	struct key *k CLEAN(key_freep) = NULL;
	struct err e = ERR_INIT;
	struct str row = S("");
	applied(s, spec_text);
	assert_int_equal(stands(s, "web.shop.zone.test", &leaf), CERT_GOOD);
	assert_int_equal(stands(s, "shop.zone.test", &leaf), CERT_WRONG_NAME);
	assert_int_equal(stat(home(s, "etc/tls/web.key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(key_load(home(s, "etc/tls/web.key"), &k, &e), 0);
	struct hash own = key_name(k);
	assert_memory_equal(&own, &leaf.key, sizeof own);
	/* What was issued waits for the master. */
	assert_int_equal(rows(s, "issued", &row), 1);
	assert_true(has(row, "inst-1") && has(row, "BEGIN CERTIFICATE") &&
		    !has(row, "PRIVATE"));
	/* The same again changes nothing, also if the tenant did. */
	assert_int_equal(unlink(home(s, "etc/tls/web.pem")), 0);
	assert_int_equal(symlink("/etc/passwd", home(s, "etc/tls/web.pem")), 0);
	applied(s, spec_text);
	assert_int_equal(stands(s, "web.shop.zone.test", &again), CERT_GOOD);
	assert_string_equal(leaf.serial, again.serial);
	assert_int_equal(rows(s, "issued", &row), 1);
	/* Gone from the spec, gone from the home. */
	applied(s, "{}");
	assert_int_equal(access(home(s, "etc/tls/web.key"), F_OK), -1);
	assert_int_equal(access(home(s, "etc/tls/web.pem"), F_OK), -1);
	assert_true(certs_due_ms(&s->part) == PLAN_NEVER);
}

static void services_are_told_of_a_fresh_one_once(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct deploy_plan plan;
	static const char text[] =
		"{\"services\":{\"a\":{\"exec\":[\"/a\"],\"reload_signal\":\"SIGHUP\"},"
		"\"b\":{\"exec\":[\"/b\"]}},\"certificates\":{\"web\":{\"reload\":\"signal\","
		"\"services\":[\"a\"]}}}";
	assert_int_equal(apply(s, text, &plan, &e), 0);
	assert_int_equal(plan.touch[0], DEPLOY_SIGNAL);
	assert_int_equal(plan.touch[1], DEPLOY_LEAVE);
	assert_int_equal(apply(s, text, &plan, &e), 0);
	assert_int_equal(plan.touch[0], DEPLOY_LEAVE);
}

static void it_is_renewed_after_two_thirds(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct cert first, second;
	struct str row;
	applied(s, spec_text);
	assert_int_equal(stands(s, "web.shop.zone.test", &first), CERT_GOOD);
	int64_t due_ms = certs_due_ms(&s->part);
	assert_in_range(due_ms, s->now_ms + 19 * day_ms, s->now_ms + 22 * day_ms);
	s->now_ms = due_ms - 1;
	assert_int_equal(certs_renew(&s->d, &s->part, &s->w, s->k.a, &e), 0);
	assert_int_equal(rows(s, "issued", &row), 1);
	s->now_ms = due_ms;
	assert_int_equal(certs_renew(&s->d, &s->part, &s->w, s->k.a, &e), 0);
	assert_int_equal(rows(s, "issued", &row), 2);
	assert_int_equal(stands(s, "web.shop.zone.test", &second), CERT_GOOD);
	assert_string_not_equal(first.serial, second.serial);
	assert_memory_equal(&first.key, &second.key, sizeof first.key);
	assert_true(certs_due_ms(&s->part) > due_ms + 19 * day_ms);
	/* An agent that started anew knows it from its files. */
	s->part.certs_due_ms = 0;
	assert_int_equal(certs_renew(&s->d, &s->part, &s->w, s->k.a, &e), 0);
	assert_int_equal(rows(s, "issued", &row), 2);
	assert_true(certs_due_ms(&s->part) > due_ms + 19 * day_ms);
}

static void what_cannot_be_renewed_stays_and_is_told(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct cert first, now;
	struct str row;
	int64_t pause_ms = 0;
	const char *issuer = kit_path(&s->k, "node/identity/issuer.pem"),
		   *aside = kit_path(&s->k, "aside");
	applied(s, spec_text);
	assert_int_equal(stands(s, "web.shop.zone.test", &first), CERT_GOOD);
	assert_int_equal(rename(issuer, aside), 0);
	s->now_ms = certs_due_ms(&s->part);
	assert_int_equal(certs_renew(&s->d, &s->part, &s->w, s->k.a, &e), 1);
	assert_int_equal(rows(s, "promise", &row), 1);
	assert_true(has(row, "broken") && has(row, "\"certificates\"") && has(row, "web"));
	for (int i = 0; i < 4; i++) {
		assert_true(certs_due_ms(&s->part) - s->now_ms > pause_ms);
		pause_ms = certs_due_ms(&s->part) - s->now_ms;
		s->now_ms = certs_due_ms(&s->part);
		assert_int_equal(certs_renew(&s->d, &s->part, &s->w, s->k.a, &e), 0);
	}
	assert_true(pause_ms <= 3600000);
	assert_int_equal(rows(s, "promise", &row), 1);
	assert_int_equal(stands(s, "web.shop.zone.test", &now), CERT_GOOD);
	assert_string_equal(first.serial, now.serial);
	/* An apply does not fail for what is only due. */
	applied(s, spec_text);
	assert_int_equal(rename(aside, issuer), 0);
	s->now_ms = certs_due_ms(&s->part);
	assert_int_equal(certs_renew(&s->d, &s->part, &s->w, s->k.a, &e), 1);
	assert_int_equal(rows(s, "promise", &row), 2);
	assert_true(has(row, "withdrawn"));
	assert_int_equal(stands(s, "web.shop.zone.test", &now), CERT_GOOD);
	assert_string_not_equal(first.serial, now.serial);
}

static void without_any_the_step_says_why(void **state)
{
	struct scene *s = *state;
	static const struct {
		const char *names, *title;
		enum err_kind kind;
		const char *words;
	} cases[] = {
		/* within the issuer, but another tenant's */
		{"[\"www.evil.zone.test\"]", "web", ERR_FORBIDDEN,
		 "not a name of this customer"},
		{"[\"notexample.com\"]", "web", ERR_FORBIDDEN, "notexample.com"},
		{"[\"10.0.0.2\"]", "web", ERR_FORBIDDEN, "10.0.0.2"},
		{"[\"ok.example.com\",\"*.example.org\"]", "web", ERR_FORBIDDEN,
		 "*.example.org"},
		{"[]", "My Page", ERR_INVALID, "has to say the names"},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = ERR_INIT;
		struct deploy_plan plan;
		struct str row;
		s->w.title = str_from(cases[i].title);
		const char *text =
			arena_fmt(s->k.a, "{\"certificates\":{\"web\":{\"names\":%s}}}",
				  cases[i].names)
				.p;
		assert_int_equal(apply(s, text, &plan, &e), -1);
		if (e.kind != cases[i].kind || !strstr(e.text, cases[i].words) ||
		    !strstr(e.text, "certificate web"))
			fail_msg("%s: %d %s", cases[i].names, (int)e.kind, e.text);
		assert_int_equal(rows(s, "issued", &row), 0);
	}
	/* The customer's, but not within what was delegated. */
	struct err e = ERR_INIT;
	struct deploy_plan plan;
	delegate(s, &(struct cert_names){s->names, 1});
	static const char outside[] =
		"{\"certificates\":{\"web\":{\"names\":[\"www.example.com\"]}}}";
	assert_int_equal(apply(s, outside, &plan, &e), -1);
	assert_int_equal(e.kind, ERR_INVALID);
	assert_non_null(strstr(e.text, "may not sign"));
	/* Nothing is delegated; a master that is local. */
	err_clear(&e);
	assert_int_equal(unlink(kit_path(&s->k, "node/identity/issuer.pem")), 0);
	assert_int_equal(apply(s, outside, &plan, &e), -1);
	assert_int_equal(e.kind, ERR_UNSUPPORTED);
	err_clear(&e);
	s->d.keys = NULL;
	assert_int_equal(apply(s, outside, &plan, &e), -1);
	assert_non_null(strstr(e.text, "local"));
}

static void a_wildcard_and_other_names_are_signed(void **state)
{
	struct scene *s = *state;
	struct cert leaf;
	applied(s, "{\"certificates\":{\"web\":{\"names\":[\"example.com\",\"*.example.com\"],"
		   "\"roots\":\"etc/tls/roots.pem\"}}}");
	assert_int_equal(stands(s, "www.example.com", &leaf), CERT_GOOD);
	assert_int_equal(stands(s, "example.com", &leaf), CERT_GOOD);
	assert_int_equal(leaf.names.count, 2);
	/* Other names are another certificate, of the same key. */
	struct hash key = leaf.key;
	applied(s, spec_text);
	assert_int_equal(stands(s, "web.shop.zone.test", &leaf), CERT_GOOD);
	assert_int_equal(stands(s, "example.com", &leaf), CERT_WRONG_NAME);
	assert_memory_equal(&key, &leaf.key, sizeof key);
}

static void sixty_days_are_always_left(void **state)
{
	struct scene *s = *state;
	struct err e = ERR_INIT;
	struct str pem;
	struct cert *chain;
	size_t n;
	assert_int_equal(file_read(kit_path(&s->k, "node/identity/issuer.pem"), 1 << 20, s->k.a,
				   &pem, &e),
			 0);
	assert_int_equal(cert_chain_read(pem, s->k.a, &chain, &n, &e), 0);
	assert_true(chain[0].to_ms - authority_due_ms(&chain[0]) >= 60 * day_ms);
}

int main(void)
{
#define TRY(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TRY(a_key_is_made_and_a_chain_put),
		TRY(services_are_told_of_a_fresh_one_once),
		TRY(it_is_renewed_after_two_thirds),
		TRY(what_cannot_be_renewed_stays_and_is_told),
		TRY(without_any_the_step_says_why),
		TRY(a_wildcard_and_other_names_are_signed),
		TRY(sixty_days_are_always_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
