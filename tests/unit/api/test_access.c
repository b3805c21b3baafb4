/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The permission matrix, cell by cell: every operation by every role with what is one's own, what
 * is somebody else's and what is not there. What is expected comes from the letters of the
 * row; what belongs to others has to be answered as what does not exist, to the byte, but for
 * the names that were asked for. The page in docs/ has to be the program's.
 */
#include "trusted.h"

#include "access_rows.h"
#include "api/access.h"
#include "api/permissions.h"
#include "base/file.h"
#include "store/certificate.h"
#include "store/customer.h"

enum whose { MINE, THEIRS, NOBODYS, WHOSE };
enum { BODY_MAX = 1 << 20, PAGE_MAX = 1 << 20 };

/* ---- the stage: acme's instance on node n1, beta's on n2 ----------------------------------- */

struct stage {
	struct cloud *cloud;
	struct trusted trusted;
	struct who *callers[ROLES], *zoe;
	const char *guids[WHOSE], *invoices[WHOSE], *requests[ROLES];
};

static const char *const customers[WHOSE] = {"acme", "beta", "nobody"};
static const char *const titles[WHOSE] = {"shop", "mill", "void"};
static const char *const nodes[WHOSE] = {"n1", "n2", "n9"};

static const char *const serials[WHOSE] = {"5e01", "5e02", "5e09"};

static void furnish(struct stage *s, enum whose w)
{
	struct cloud *c = s->cloud;
	struct json *j = OK_POST(
		c, "/v1/instances",
		text(c,
		     "{'release': 'web', 'title': '%s', 'type': 'host', 'customer': '%s', "
		     "'where': {'node': '%s'}}",
		     titles[w], customers[w], nodes[w]));
	s->guids[w] = at(c, j, "guid");
	assert_at(c, j, "node", nodes[w]);
	cloud_report(c, s->guids[w], "started");
	OK_POST(c, text(c, "/v1/nodes/%s/promises", nodes[w]),
		text(c, "{'results': [{'instance': '%s', 'name': 'http', 'state': 'kept'}]}",
		     s->guids[w]));
	OK_POST(c, text(c, "/v1/nodes/%s/usage", nodes[w]),
		text(c,
		     "{'events': [{'id': 'u1', 'instance': '%s', 'metric': 'cpu_seconds', "
		     "'quantity': '1', 'from': '2026-11-16T00:00:00Z', 'to': "
		     "'2026-11-16T01:00:00Z'}]}",
		     s->guids[w]));
	j = OK_POST(c, "/v1/invoices",
		    text(c, "{'customer': '%s', 'from': '2026-11-16', 'to': '2026-11-17'}",
			 customers[w]));
	s->invoices[w] = at(c, j, "number");
}

/* A certificate of a service of that customer; which one is not looked at. */
static int add_service(struct db_tx *tx, void *user, struct err *e)
{
	struct stage *s = user;
	struct arena *a = s->cloud->a;
	for (int w = MINE; w < NOBODYS; w++) {
		struct customer owner;
		struct certificate x;
		if (store_certificate_newest(tx, a, str_from(s->zoe->key_name), &x, e) <= 0 ||
		    store_customer_find(tx, a, str_from(customers[w]), &owner, e) <= 0)
			return -1;
		x.serial = str_from(serials[w]);
		x.authority = S("services");
		x.kind = S("service");
		x.owner = str_from(s->guids[w]);
		x.customer_id = owner.id;
		if (store_certificate_add(tx, &x, e) < 0)
			return -1;
	}
	return 0;
}

/* A request for a certificate of the caller's key, for a body. */
static const char *request_of(const struct stage *s, const struct who *w)
{
	struct err e = ERR_INIT;
	const struct cert_names none = {.count = 0};
	struct buf b CLEAN(buf_fini) = BUF_INIT(BODY_MAX);
	struct str pem;
	if (cert_request_make(w->key, S(""), &none, s->cloud->a, &pem, &e) < 0)
		fail_msg("%s", e.text);
	json_write_str(pem, &b);
	return arena_cstr(s->cloud->a, str_sub(buf_str(&b), 1, b.n - 2));
}

static void stage_open(struct stage *s, struct cloud *c)
{
	struct err e = ERR_INIT;
	struct trusted *t = &s->trusted;
	*s = (struct stage){.cloud = c};
	cloud_stage(c, 4);
	cloud_node(c, "n2", 4);
	cloud_supply(c, "web", "n2");
	OK_PUT(c, "/v1/prices/default",
	       "{'currency': 'EUR', 'components': [{'kind': 'usage', 'metric': 'cpu_seconds', "
	       "'tiers': [{'unit_price': '1'}]}], 'vats': [{'country': 'FR', 'rate': '20'}]}");
	furnish(s, MINE);
	furnish(s, THEIRS);
	s->guids[NOBODYS] = "inst-00000000000000000000";
	s->invoices[NOBODYS] = "HOC-2001-000001";
	trusted_begin(t, c);
	s->callers[ROLE_MEMBER] = trusted_person(t, "mem", "", "acme", false);
	s->callers[ROLE_OWNER] = trusted_person(t, "own", "", "acme", true);
	s->callers[ROLE_PUBLISHER] = trusted_person(t, "pub", "publisher", NULL, false);
	s->callers[ROLE_ACCOUNTANT] = trusted_person(t, "acc", "accountant", NULL, false);
	s->callers[ROLE_AUDITOR] = trusted_person(t, "aud", "auditor", NULL, false);
	s->callers[ROLE_OPERATOR] = trusted_person(t, "ope", "operator", NULL, false);
	s->callers[ROLE_NODE] = trusted_node(t, "n1");
	s->zoe = trusted_person(t, "zoe", "", "beta", true);
	if (db_write(c->db, add_service, s, &e) < 0)
		fail_msg("%s", e.text);
	s->requests[ROLE_ANYONE] = request_of(s, s->zoe);
	for (int r = ROLE_MEMBER; r < ROLES; r++)
		s->requests[r] = request_of(s, s->callers[r]);
}

/* ---- texts of requests --------------------------------------------------------------------- */

/* What a letter in braces stands for. */
static const char *value_of(const struct stage *s, char letter, enum role r, enum whose w)
{
	static const char no_key[] =
		"00000000000000000000000000000000ffffffffffffffffffffffffffffffff";
	const struct who *self =
		s->callers[r] && r != ROLE_NODE ? s->callers[r] : s->callers[ROLE_MEMBER];
	const struct who *caller = s->callers[r] ? s->callers[r] : self;
	const char *const values[][WHOSE + 1] = {
		{"c", customers[MINE], customers[THEIRS], customers[NOBODYS]},
		{"i", s->guids[MINE], s->guids[THEIRS], s->guids[NOBODYS]},
		{"I", s->guids[MINE], s->guids[MINE], s->guids[MINE]},
		{"t", titles[MINE], titles[THEIRS], titles[NOBODYS]},
		{"n", nodes[MINE], nodes[THEIRS], nodes[NOBODYS]},
		{"v", s->invoices[MINE], s->invoices[THEIRS], s->invoices[NOBODYS]},
		{"w", self->name, "zoe", "ghost"},
		{"m", "mem", "zoe", "zoe"},
		{"k", caller->key_name, s->zoe->key_name, no_key},
		{"s", serials[MINE], serials[THEIRS], serials[NOBODYS]},
	};
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (values[i][0][0] == letter)
			return values[i][1 + w];
	fail_msg("{%c}", letter);
	return "";
}

/* The letter for a parameter of a path: "{customer}" is {c}. */
static char letter_of(struct str name)
{
	static const struct {
		const char *name;
		char letter;
	} letters[] = {
		{"customer", 'c'}, {"instance", 'i'}, {"node", 'n'},   {"number", 'v'},
		{"person", 'w'},   {"key", 'k'},      {"serial", 's'},
	};
	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (str_is(name, letters[i].name))
			return letters[i].letter;
	return name.n == 1 ? name.p[0] : 0;
}

static void add_web_hash(struct buf *b)
{
	for (size_t i = 0; i < 64; i++)
		buf_add_c(b, "0123456789abcdef"[(unsigned char)"web"[i % 3] % 16]);
}

static const char *fill(const struct stage *s, const char *form, enum role r, enum whose w)
{
	static const char web[] = "@web@", csr[] = "@csr@";
	struct buf b CLEAN(buf_fini) = BUF_INIT(BODY_MAX);
	for (const char *p = form; *p; p++) {
		struct str name = str_of(p + 1, *p == '{' ? strcspn(p, "}") - 1 : 0);
		char letter = name.n < 12 ? letter_of(name) : 0;
		if (letter) {
			buf_add(&b, str_from(value_of(s, letter, r, w)));
			p += name.n + 1;
		} else if (strncmp(p, web, strlen(web)) == 0) {
			add_web_hash(&b);
			p += strlen(web) - 1;
		} else if (strncmp(p, csr, strlen(csr)) == 0) {
			buf_add(&b, str_from(s->requests[r]));
			p += strlen(csr) - 1;
		} else {
			buf_add_c(&b, *p == '\'' ? '"' : *p);
		}
	}
	return arena_cstr(s->cloud->a, buf_str(&b));
}

/* ---- one request, rolled back -------------------------------------------------------------- */

struct shot {
	struct api *api;
	struct api_request req;
	struct arena *a;
	int status;
	struct str body;
};

static int shoot(struct db_tx *tx, void *user, struct err *e)
{
	struct shot *t = user;
	struct api_response out;
	struct err why = ERR_INIT;
	if (api_handle(t->api, &t->req, tx, t->a, &out, &why) < 0)
		api_refuse(t->api, &t->req, &why, t->a, &out);
	t->status = out.status;
	t->body = out.body;
	return err_fail(e, ERR_USAGE, "rolled back");
}

/* In the whole text, `from` becomes @. */
static struct str without(struct arena *a, struct str in, const char *from)
{
	struct buf b CLEAN(buf_fini) = BUF_INIT(BODY_MAX);
	while (in.n) {
		size_t at_ = str_find(in, str_from(from));
		buf_add(&b, str_sub(in, 0, at_));
		if (at_ == in.n)
			break;
		buf_add_c(&b, '@');
		in = str_sub(in, at_ + strlen(from), in.n);
	}
	return arena_dup(a, buf_str(&b));
}

struct answer {
	int status;
	struct str body; /* the names that were asked for are @ */
	struct str said;
};

static struct answer ask(struct stage *s, const struct api_op_info *op, const struct sample *x,
			 enum role r, enum whose w)
{
	static const char names[] = "citnvwks";
	struct err e = ERR_INIT;
	const char *body = fill(s, x->body, r, w);
	const char *target = fill(s, x->target ? x->target : op->path, r, w);
	struct str media = str_starts(str_from(op->path), S("/acme/"))
				   ? S("application/jose+json")
				   : S("application/json");
	struct who *caller = s->callers[r];
	struct shot t = {.api = s->cloud->api,
			 .a = s->cloud->a,
			 .req = {
				 .method = str_from(op->method),
				 .target = str_from(target),
				 .content_type = body[0] ? media : S(""),
				 .accept = S("*/*"),
				 .body = str_from(body),
				 .nonce = S("AAAAAAAAAAAAAAAAAAAAAA"),
			 }};
	if (caller)
		t.req.caller = (struct api_caller){
			.kind = r == ROLE_NODE ? API_NODE : API_PERSON,
			.name = str_from(caller->name),
			.key = key_name(caller->key),
		};
	if (r == ROLE_NODE && op->is_write)
		t.req.report = str_from(
			trusted_report(&s->trusted, caller, op->method, target, body, 1));
	if (db_write(s->cloud->db, shoot, &t, &e) == 0 || e.kind != ERR_USAGE)
		fail_msg("%s: %s", op->id, e.text);
	struct answer out = {.status = t.status, .body = t.body, .said = t.body};
	for (const char *n = names; *n; n++)
		out.body = without(t.a, out.body, value_of(s, *n, r, w));
	return out;
}

/* ---- a cell -------------------------------------------------------------------------------- */

struct cell {
	struct stage *stage;
	const struct api_op_info *op;
	const struct sample *sample;
	enum role role;
	unsigned *failures;
};

static void complain(const struct cell *k, enum whose w, const struct answer *got,
		     const char *what)
{
	static const char *const words[WHOSE] = {"own", "another's", "no"};
	print_error("%s %s by %s with %s object: %s: %d %.300s\n", k->op->id,
		    k->sample->target ? k->sample->target : k->op->path,
		    access_role_word(k->role), words[w], what, got->status,
		    arena_cstr(k->stage->cloud->a, got->said));
	++*k->failures;
}

static char letter_for(const struct api_op_info *op, enum role r)
{
	char own = op->may[r], any = op->may[ROLE_ANYONE];
	return own == 'a' || any == 'a' ? 'a' : own == 'o' || any == 'o' ? 'o' : '-';
}

/* Was the caller let through to the operation, which may have its own reasons? */
static bool is_allowed(const struct cell *k, const struct answer *a)
{
	bool is_v0 = strncmp(k->op->path, "/slapos.", 8) == 0;
	int flags = k->sample->flags;
	if (flags & REFUSES)
		return a->status == 403 && str_find(a->said, S("not here")) < a->said.n;
	if (a->status == 403 && (flags & OWN_RULE))
		return str_find(a->said, S("you may not")) == a->said.n;
	if (a->status == 404)
		return (flags & MAY_MISS) != 0;
	if (a->status == 401 || a->status == 403 || a->status >= 500)
		return a->status == 501;
	return !is_v0 || a->status == 200;
}

static void try_refused(const struct cell *k)
{
	int expected = k->role == ROLE_ANYONE ? 401 : 403;
	const char *says = k->role == ROLE_ANYONE ? "show a certificate" : "you may not";
	for (int w = 0; w < WHOSE; w++) {
		struct answer a = ask(k->stage, k->op, k->sample, k->role, (enum whose)w);
		if (a.status != expected || str_find(a.said, str_from(says)) == a.said.n)
			complain(k, (enum whose)w, &a, "should be refused");
	}
}

/* What is told to who owns something must not name anything of others. */
static void check_silence(const struct cell *k, const struct answer *a)
{
	const struct stage *s = k->stage;
	const char *const others[] = {customers[THEIRS],
				      titles[THEIRS],
				      s->guids[THEIRS],
				      s->invoices[THEIRS],
				      "zoe",
				      k->role == ROLE_NODE ? "\"n2\"" : "\"zoe\""};
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (str_find(a->said, str_from(others[i])) < a->said.n)
			complain(k, MINE, a, others[i]);
}

static void try_own(const struct cell *k)
{
	struct answer own = ask(k->stage, k->op, k->sample, k->role, MINE);
	if (!is_allowed(k, &own))
		complain(k, MINE, &own, "should be allowed");
	if (!strstr(k->sample->target ? k->sample->target : "", "zoe"))
		check_silence(k, &own);
	if (!(k->sample->flags & NAMES))
		return;
	struct answer other = ask(k->stage, k->op, k->sample, k->role, THEIRS);
	struct answer none = ask(k->stage, k->op, k->sample, k->role, NOBODYS);
	if (other.status != none.status || !str_eq(other.body, none.body)) {
		complain(k, THEIRS, &other, "can be told");
		complain(k, NOBODYS, &none, "from this");
	}
}

static void try_all(const struct cell *k)
{
	int last = k->sample->flags & NAMES ? THEIRS : MINE;
	for (int w = MINE; w <= last; w++) {
		struct answer a = ask(k->stage, k->op, k->sample, k->role, (enum whose)w);
		if (!is_allowed(k, &a))
			complain(k, (enum whose)w, &a, "should be allowed");
	}
}

static bool is_for(const struct sample *x, enum role r)
{
	if (x->flags & PEOPLE)
		return r != ROLE_NODE;
	return !(x->flags & NODES) || r == ROLE_NODE;
}

static void try_cell(const struct cell *k)
{
	char letter = letter_for(k->op, k->role);
	if (letter == '-')
		try_refused(k);
	else if (letter == 'o')
		try_own(k);
	else
		try_all(k);
}

/* ---- the cases ----------------------------------------------------------------------------- */

static unsigned try_row(struct stage *s, const struct api_op_info *op)
{
	unsigned failures = 0;
	for (int r = 0; r < ROLES; r++) {
		bool is_tried = false;
		for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
			struct cell k = {s, op, &samples[i], (enum role)r, &failures};
			if (strcmp(samples[i].id, op->id) != 0 ||
			    !is_for(&samples[i], (enum role)r))
				continue;
			try_cell(&k);
			is_tried = true;
		}
		if (!is_tried) {
			print_error("%s has no sample for %s in access_rows.h\n", op->id,
				    access_role_word((enum role)r));
			failures++;
		}
	}
	return failures;
}

static void every_cell_is_as_the_table_says(struct cloud *c)
{
	struct stage s;
	struct api_op_info op;
	unsigned failures = 0;
	stage_open(&s, c);
	for (size_t i = 0; api_op_info(i, &op); i++) {
		assert_int_equal(strlen(op.may), ROLES);
		assert_int_equal(strspn(op.may, "-oa"), ROLES);
		failures += try_row(&s, &op);
	}
	trusted_end(&s.trusted);
	assert_int_equal(failures, 0);
}

static void samples_are_of_operations(struct cloud *c UNUSED)
{
	for (size_t k = 0; k < ARRAY_LEN(samples); k++) {
		struct api_op_info op;
		bool is_known = false;
		for (size_t i = 0; !is_known && api_op_info(i, &op); i++)
			is_known = strcmp(op.id, samples[k].id) == 0;
		if (!is_known)
			fail_msg("there is no operation %s", samples[k].id);
	}
}

static void the_page_is_the_program(struct cloud *c)
{
	struct err e = ERR_INIT;
	struct str page;
	assert_int_equal(file_read("docs/permissions.md", PAGE_MAX, c->a, &page, &e), 0);
	if (!str_eq(page, permissions_page(c->a)))
		fail_msg("docs/permissions.md is old: hoc docs permissions "
			 ">docs/permissions.md");
}

int main(int argc, char **argv)
{
	static const struct cloud_case cases[] = {
		{"every cell is as the table says", every_cell_is_as_the_table_says},
		{"samples are of operations", samples_are_of_operations},
		{"the page is the program", the_page_is_the_program},
	};
	return cloud_run(argc, argv, cases, ARRAY_LEN(cases));
}
