/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* rooms: api */
/*
 * Every operation of the API, with each of its statements, rows and allocations failing once,
 * and its commit: in memory and in a file.
 *
 * A request is first run so that its transaction is rolled back in the end, with step 1, 2, 3…
 * failing, until a run comes to that end; then for good, with the commit failing; then
 * untouched; then once more. After each failure all tables are as they were and the error has
 * the kind of what was made to fail; after the success what must always hold still holds, and
 * the request repeated is answered alike (a request twice is a request).
 */
#include "fault.h"

#include "api_rows.h"
#include "base/file.h"

enum kind { FAULT_STATEMENT_, FAULT_STEP_, FAULT_ALLOCATION_, FAULT_COMMIT_, FAULT_KINDS_ };

static const struct {
	const char *name;
	enum err_kind expected;
	enum db_fault where;
} kinds[FAULT_KINDS_] = {
	[FAULT_STATEMENT_] = {"statement", ERR_IO, DB_FAULT_STATEMENT},
	[FAULT_STEP_] = {"row", ERR_IO, DB_FAULT_STEP},
	[FAULT_ALLOCATION_] = {"allocation", ERR_MEMORY, DB_FAULTS},
	[FAULT_COMMIT_] = {"commit", ERR_IO, DB_FAULT_COMMIT},
};

#define THREE_WEEKS_MS INT64_C(1814400000)

/* One operation under test. */
struct trial {
	struct cloud *cloud;
	const struct row *row;
	const char *by;
	struct buf before, after;
	unsigned long failed;
};

static unsigned long arm(struct cloud *c, enum kind k, unsigned long n)
{
	return k == FAULT_ALLOCATION_ ? mem_fail_after(n)
				      : db_fail_after(c->db, n, kinds[k].where);
}

static bool complain(const struct trial *t, const char *what, const struct err *e)
{
	printf("    %s %s %s\n    %s (%s %s: %s)\n", t->row->method, t->row->target,
	       t->row->body, what, err_kind_info(e->kind)->name, e->field, e->text);
	return false;
}

static bool is_unchanged(struct trial *t, struct err *e)
{
	cloud_dump(t->cloud, &t->after);
	if (str_eq(buf_str(&t->before), buf_str(&t->after)))
		return true;
	cloud_difference(buf_str(&t->before), buf_str(&t->after));
	return complain(t, "something was left behind", e);
}

/* What a failed run says and leaves. */
static bool judge_failure(struct trial *t, enum kind k, unsigned long n,
			  struct cloud_call *call, struct err *e)
{
	char what[80];
	(void)snprintf(what, sizeof what, "%s %lu failing: wrong error", kinds[k].name, n);
	if (e->kind != kinds[k].expected || !e->text[0])
		return complain(t, what, e);
	if (!call->a && arena_new(API_ARENA_BYTES, &call->a, &(struct err)ERR_INIT) < 0)
		return complain(t, "no memory", e);
	api_refuse(call->cloud->api, &call->req, e, call->a, &call->out);
	if (call->out.status != (kinds[k].expected == ERR_MEMORY ? 503 : 500))
		return complain(t, "wrong status", e);
	t->failed++;
	return is_unchanged(t, e);
}

/* Runs with step n failing. 1: it failed as it should; 0: it came to its end; -1: wrong. */
static int run_failing(struct trial *t, enum kind k, unsigned long n, bool keeps)
{
	struct cloud_call call;
	struct err e = ERR_INIT;
	cloud_ask(t->cloud, &call, t->row->method, t->row->target, t->row->body);
	cloud_by(&call, t->by);
	call.keeps = keeps;
	(void)arm(t->cloud, k, n);
	int rc = cloud_run(&call, &e);
	bool was_met = arm(t->cloud, k, 0) >= n;
	bool is_end = rc >= 0 || (!keeps && e.kind == ERR_USAGE);
	int verdict = 0;
	if (!is_end && !was_met)
		verdict = complain(t, "failed although nothing was made to fail", &e) - 1;
	else if (!is_end)
		verdict = judge_failure(t, k, n, &call, &e) ? 1 : -1;
	else if (!keeps && was_met) /* it had another way */
		verdict = is_unchanged(t, &e) ? 1 : -1;
	cloud_done(&call);
	return verdict;
}

static bool run_all_failing(struct trial *t, enum kind k)
{
	int rc = 1;
	for (unsigned long n = 1; rc > 0 && n < FAULT_STEPS_MAX; n++)
		rc = run_failing(t, k, n, false);
	return rc == 0;
}

/* Runs it untouched; its answer goes into *out. */
static bool run_well(struct trial *t, struct buf *out, struct err *e)
{
	struct cloud_call call;
	cloud_ask(t->cloud, &call, t->row->method, t->row->target, t->row->body);
	cloud_by(&call, t->by);
	int rc = cloud_run(&call, e);
	buf_clear(out);
	if (rc >= 0) {
		buf_addf(out, "%s ", call.out.content_type);
		buf_add(out, call.out.body);
	}
	cloud_done(&call);
	/* An ACME client is refused by an answer. */
	if (rc >= 0 && call.out.status >= 400)
		return err_fail(e, ERR_INVALID, "status %d", call.out.status) == 0;
	return rc >= 0 && buf_check(out, e) == 0;
}

static bool repeat(struct trial *t, struct str first, struct buf *answer)
{
	struct err e = ERR_INIT;
	cloud_dump(t->cloud, &t->before);
	bool is_fine = run_well(t, answer, &e);
	if (is_fine != (t->row->again != AGAIN_FAILS))
		return complain(t, "repeated", &e);
	if (t->row->again != AGAIN_SAME)
		return true;
	if (!str_eq(first, buf_str(answer))) {
		printf("    first:  %" STR_F "\n    second: %" STR_F "\n", STR_A(first),
		       STR_A(buf_str(answer)));
		return complain(t, "repeated, it answers differently", &e);
	}
	return is_unchanged(t, &e);
}

static bool run_trial(struct trial *t)
{
	struct err e = ERR_INIT;
	struct buf first CLEAN(buf_fini) = BUF_INIT(API_ARENA_BYTES);
	struct buf second CLEAN(buf_fini) = BUF_INIT(API_ARENA_BYTES);
	bool is_write = strcmp(t->row->method, "GET") != 0;
	cloud_dump(t->cloud, &t->before);
	for (enum kind k = FAULT_STATEMENT_; k < FAULT_COMMIT_; k++)
		if (!run_all_failing(t, k))
			return false;
	/* A call that turns out to read has no commit. */
	if (is_write && run_failing(t, FAULT_COMMIT_, 1, true) < 0)
		return false;
	if (!run_well(t, &first, &e))
		return complain(t, "fails although nothing is wrong any more", &e);
	return cloud_holds(t->cloud) && repeat(t, buf_str(&first), &second) &&
	       cloud_holds(t->cloud);
}

static bool try_row(const struct row *row, const char *by, const char *url,
		    struct profile_eval *eval)
{
	struct cloud cloud;
	cloud_open(&cloud, url, eval);
	if (strcmp(row->method, "JOB") == 0)
		cloud.now_ms += THREE_WEEKS_MS; /* nodes fell silent, invoices are due */
	struct trial t = {
		.cloud = &cloud,
		.row = row,
		.by = by,
		.before = BUF_INIT(1 << 20),
		.after = BUF_INIT(1 << 20),
	};
	bool is_ok = run_trial(&t);
	buf_fini(&t.before);
	buf_fini(&t.after);
	cloud_close(&cloud);
	if (is_ok && (t.failed < 2 || FAULT_LEAKS())) {
		printf("    %s %s: %s\n", row->method, row->target,
		       t.failed < 2 ? "has no step that could fail" : "leaked");
		is_ok = false;
	}
	printf("%s %s %s%s%s: %lu steps failed, one at a time\n", is_ok ? "ok " : "FAILED",
	       row->method, row->target, by ? " by " : "", by ? by : "", t.failed);
	return is_ok;
}

/* ---- the table is complete ----------------------------------------------------------------- */

/* Does the path of a row of the table, "/v1/nodes/{node}", stand for this target? */
static bool is_path_of(const char *path, const char *target)
{
	for (; *path && *target && *target != '?'; path++, target++) {
		if (*path == '{') {
			target += strcspn(target, "/?");
			path += strcspn(path, "}");
			target--;
		} else if (*path != *target) {
			return false;
		}
	}
	return !*path && (!*target || *target == '?');
}

static bool is_covered(const struct api_op_info *op)
{
	const struct row *row;
	const char *by;
	for (size_t i = 0; (row = row_at(i, &by)); i++)
		if (strcmp(row->method, op->method) == 0 && is_path_of(op->path, row->target))
			return true;
	return false;
}

/* Every operation has a row, but those that only say that they are not here. */
static bool all_are_covered(void)
{
	struct api_op_info op;
	bool is_ok = true;
	for (size_t i = 0; api_op_info(i, &op); i++) {
		if (is_covered(&op) || strncmp(op.help, "Not here:", 9) == 0)
			continue;
		printf("    no row for %s %s\n", op.method, op.path);
		is_ok = false;
	}
	printf("%s every operation of the table has a row\n", is_ok ? "ok " : "FAILED");
	return is_ok;
}

/* ---- both places --------------------------------------------------------------------------- */

static char folder[] = "/tmp/hoc-fault-api-XXXXXX";

static size_t try_in_file(const struct row *row, const char *by, struct profile_eval *eval)
{
	char url[sizeof folder + 32];
	struct err e = ERR_INIT;
	if (file_mkdirs(folder, 0700, &e) < 0)
		abort();
	(void)snprintf(url, sizeof url, "sqlite:%s/hoc.db", folder);
	bool is_ok = try_row(row, by, url, eval);
	if (file_remove_tree(folder, &e) < 0)
		abort();
	return is_ok;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct profile_eval *eval = NULL;
	size_t passed = 0;
	if (argc == 2 && strcmp(argv[1], PROFILE_EVAL_VERB) == 0)
		return profile_eval_child_main(0, 1);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (!mkdtemp(folder) || profile_eval_new(NULL, &eval, &e) < 0)
		return EXIT_FAILURE;
	passed += all_are_covered();
	const struct row *row;
	const char *by;
	size_t all = 1;
	for (size_t i = 0; (row = row_at(i, &by)); i++, all += 2) {
		if (argc == 2 && !strstr(row->target, argv[1]))
			continue;
		passed += try_row(row, by, "sqlite::memory:", eval);
		passed += try_in_file(row, by, eval);
	}
	eval = profile_eval_free(eval);
	printf("%zu passed, %zu failed\n", passed, all - passed);
	return passed == all ? EXIT_SUCCESS : EXIT_FAILURE;
}
