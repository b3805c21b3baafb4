/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The messages as field tables. What a table cannot say (which members a verb needs) is checked
 * after reading, from the table of verbs.
 *
 * An error travels as a sub-object with the kind's stable word; a reader turns the word back
 * into the kind, and an unknown one into ERR_INTERNAL.
 */
#include "supervise/protocol.h"

#include <signal.h>

#include "json/desc.h"

enum { PATH_MAX_BYTES = 4000, NAME_MAX_BYTES = 63, ID_MAX_BYTES = 127, GIB = 1 << 30 };

static int check_id(struct str s, struct err *e)
{
	size_t slash = str_find_char(s, '/');
	if (!supervise_is_name(str_sub(s, 0, slash)) ||
	    !supervise_is_name(str_sub(s, slash + 1, s.n)))
		return err_fail(e, ERR_INVALID, "is not PARTITION/NAME in small letters");
	return 0;
}

static int check_partition(struct str s, struct err *e)
{
	return supervise_is_name(s) ? 0 : err_fail(e, ERR_INVALID, "is not a partition's name");
}

static int check_path(struct str s, struct err *e)
{
	if (s.n && (s.p[0] != '/' || str_find_char(s, 0) < s.n))
		return err_fail(e, ERR_INVALID, "is not an absolute path");
	return 0;
}

static int check_signal(struct str s, struct err *e)
{
	return s.n == 0 || supervise_signal_number(s)
		       ? 0
		       : err_fail(e, ERR_INVALID, "is not the name of a signal");
}

/* clang-format off */
static const struct json_word verbs[] = {
	{"hello", SUPERVISE_HELLO},	{"start", SUPERVISE_START},
	{"stop", SUPERVISE_STOP},	{"signal", SUPERVISE_SIGNAL},
	{"restart", SUPERVISE_RESTART},	{"remove", SUPERVISE_REMOVE},
	{"kill_partition", SUPERVISE_KILL_PARTITION}, {"run", SUPERVISE_RUN},
	{"list", SUPERVISE_LIST},	{"usage", SUPERVISE_USAGE},
	{"subscribe", SUPERVISE_SUBSCRIBE}, {"shutdown", SUPERVISE_SHUTDOWN}, {NULL, 0},
};
static const struct json_word outcomes[] = {
	{"done", SUPERVISE_DONE},	    {"started", SUPERVISE_STARTED},
	{"unchanged", SUPERVISE_UNCHANGED}, {"restarted", SUPERVISE_RESTARTED},
	{"stopped", SUPERVISE_STOPPED},	    {"removed", SUPERVISE_REMOVED}, {NULL, 0},
};
static const struct json_word states[] = {
	{"down", SUPERVISE_DOWN},	{"starting", SUPERVISE_STARTING}, {"up", SUPERVISE_UP},
	{"backoff", SUPERVISE_BACKOFF}, {"stopping", SUPERVISE_STOPPING}, {NULL, 0},
};
static const struct json_word events[] = {
	{"started", SUPERVISE_EVENT_STARTED},	  {"exited", SUPERVISE_EVENT_EXITED},
	{"respawned", SUPERVISE_EVENT_RESPAWNED}, {"backoff", SUPERVISE_EVENT_BACKOFF},
	{"failed", SUPERVISE_EVENT_FAILED},	  {"stopped", SUPERVISE_EVENT_STOPPED},
	{"adopted", SUPERVISE_EVENT_ADOPTED},	  {NULL, 0},
};

#define SPEC struct supervise_spec
static const struct json_field spec_fields[] = {
	JSON_STR(SPEC, id, "id", 3, ID_MAX_BYTES, JSON_REQUIRED, "PARTITION/NAME.", .check = check_id),
	JSON_STR(SPEC, bundle, "bundle", 1, PATH_MAX_BYTES, JSON_REQUIRED, "Directory of config.json.", .check = check_path),
	JSON_STR(SPEC, netns, "netns", 0, PATH_MAX_BYTES, JSON_OMIT_EMPTY, "Network namespace.", .check = check_path),
	JSON_STR(SPEC, log, "log", 0, PATH_MAX_BYTES, JSON_OMIT_EMPTY, "File for its output.", .check = check_path),
	JSON_I64(SPEC, log_max_bytes, "log_max_bytes", 0, GIB, JSON_OMIT_EMPTY, "Size at which the older half goes."),
	JSON_I64(SPEC, log_uid, "log_uid", 0, UINT32_MAX - 1, JSON_OMIT_EMPTY, "Owner of a new log file."),
	JSON_STR(SPEC, stop_signal, "stop_signal", 0, 16, JSON_OMIT_EMPTY, "Asks it to end.", .check = check_signal),
	JSON_I64(SPEC, stop_seconds, "stop_seconds", 0, 3600, JSON_OMIT_EMPTY, "Then it is killed."),
	JSON_I64(SPEC, backoff_min_ms, "backoff_min_ms", 0, 3600000, JSON_OMIT_EMPTY, "Before the second respawn in a row."),
	JSON_I64(SPEC, backoff_max_ms, "backoff_max_ms", 0, 3600000, JSON_OMIT_EMPTY, "The longest wait."),
	JSON_I64(SPEC, steady_ms, "steady_ms", 0, 86400000, JSON_OMIT_EMPTY, "Having run so long is health."),
	JSON_BOOL(SPEC, standby, "standby", JSON_OMIT_EMPTY, "A created container waits for the next respawn."),
};
const struct json_desc supervise_spec_desc = JSON_DESC(SPEC, spec_fields, "Service", "A service to keep running.");

#define RUN struct supervise_run_spec
static const struct json_field run_fields[] = {
	JSON_STR(RUN, partition, "partition", 1, NAME_MAX_BYTES, JSON_REQUIRED, "Where it counts.", .check = check_partition),
	JSON_STR(RUN, bundle, "bundle", 1, PATH_MAX_BYTES, JSON_REQUIRED, "Directory of config.json.", .check = check_path),
	JSON_STR(RUN, netns, "netns", 0, PATH_MAX_BYTES, JSON_OMIT_EMPTY, "Network namespace.", .check = check_path),
	JSON_I64(RUN, timeout_ms, "timeout_ms", 1, 3600000, JSON_REQUIRED, "Then it is killed."),
	JSON_I64(RUN, output_max_bytes, "output_max_bytes", 0, SUPERVISE_OUTPUT_MAX, 0, "The end of the output is kept."),
	JSON_STR(RUN, log, "log", 0, PATH_MAX_BYTES, JSON_OMIT_EMPTY, "The output goes there as well.", .check = check_path),
};
static const struct json_desc run_desc = JSON_DESC(RUN, run_fields, "Run", "A command to run once.");

#define RQ struct supervise_request
static const struct json_field request_fields[] = {
	JSON_I64(RQ, serial, "serial", 0, INT64_MAX, 0, "Comes back with the reply."),
	JSON_ENUM(RQ, verb, "verb", verbs, JSON_REQUIRED, "What to do."),
	JSON_STRUCT_PTR(RQ, service, SPEC, "service", &supervise_spec_desc, JSON_OMIT_EMPTY, "For start."),
	JSON_STRUCT_PTR(RQ, run, RUN, "run", &run_desc, JSON_OMIT_EMPTY, "For run."),
	JSON_STR(RQ, id, "id", 3, ID_MAX_BYTES, JSON_OMIT_EMPTY, "Which service.", .check = check_id),
	JSON_STR(RQ, partition, "partition", 1, NAME_MAX_BYTES, JSON_OMIT_EMPTY, "Which partition.", .check = check_partition),
	JSON_STR(RQ, signal, "signal", 1, 16, JSON_OMIT_EMPTY, "For signal.", .check = check_signal),
	JSON_BOOL(RQ, stop_services, "stop_services", JSON_OMIT_EMPTY, "For shutdown."),
};
static const struct json_desc request_desc = JSON_DESC(RQ, request_fields, "Request", "A request.");

#define HELLO struct supervise_hello
static const struct json_field hello_fields[] = {
	JSON_I64(HELLO, version, "version", 0, INT64_MAX, 0, "Of this protocol."),
	JSON_I64(HELLO, pid, "pid", 0, INT32_MAX, 0, "Of the supervisor."),
	JSON_I64(HELLO, started_at_ms, "started_at_ms", 0, INT64_MAX, 0, "Since when."),
	JSON_STR(HELLO, capabilities, "capabilities", 0, 1000, 0, "What this host gives."),
	JSON_STR(HELLO, crun, "crun", 0, 200, 0, "Version of crun."),
};
static const struct json_desc hello_desc = {.name = "Hello", .bytes = sizeof(HELLO), .fields = hello_fields,
	.n_fields = ARRAY_LEN(hello_fields), .is_open = true};

#define USAGE struct supervise_usage
static const struct json_field usage_fields[] = {
	JSON_I64(USAGE, cpu_usec, "cpu_usec", 0, INT64_MAX, 0, "Processor time used."),
	JSON_I64(USAGE, memory_bytes, "memory_bytes", 0, INT64_MAX, 0, "Memory in use."),
	JSON_I64(USAGE, processes, "processes", 0, INT64_MAX, 0, "Processes."),
	JSON_STR(USAGE, source, "source", 0, 40, 0, "Where the numbers come from."),
};
static const struct json_desc usage_desc = {.name = "Usage", .bytes = sizeof(USAGE), .fields = usage_fields,
	.n_fields = ARRAY_LEN(usage_fields), .is_open = true};

#define RESULT struct supervise_result
static const struct json_field result_fields[] = {
	JSON_I64(RESULT, exit_code, "exit_code", -1, 255, 0, "-1: by a signal."),
	JSON_I64(RESULT, signal, "signal", 0, 128, JSON_OMIT_EMPTY, "Its number."),
	JSON_BOOL(RESULT, timed_out, "timed_out", JSON_OMIT_EMPTY, "It was killed for time."),
	JSON_BOOL(RESULT, is_cut, "is_cut", JSON_OMIT_EMPTY, "The beginning of the output is missing."),
	JSON_STR(RESULT, output, "output", 0, 6 * SUPERVISE_OUTPUT_MAX, 0, "Output and errors."),
	JSON_I64(RESULT, took_ms, "took_ms", 0, INT64_MAX, 0, "How long."),
};
static const struct json_desc result_desc = {.name = "Result", .bytes = sizeof(RESULT), .fields = result_fields,
	.n_fields = ARRAY_LEN(result_fields), .is_open = true};

#define STATUS struct supervise_status
static const struct json_field status_fields[] = {
	JSON_STR(STATUS, id, "id", 0, ID_MAX_BYTES, 0, "PARTITION/NAME."),
	JSON_ENUM(STATUS, state, "state", states, 0, "Now."),
	JSON_I64(STATUS, pid, "pid", 0, INT32_MAX, 0, "0: none."),
	JSON_I64(STATUS, started_at_ms, "started_at_ms", 0, INT64_MAX, 0, "Of the present process."),
	JSON_I64(STATUS, respawns, "respawns", 0, INT64_MAX, 0, "Since the last start by request."),
	JSON_I64(STATUS, exit_code, "exit_code", -1, 255, 0, "Of the last end."),
	JSON_I64(STATUS, signal, "signal", 0, 128, 0, "Of the last end."),
	JSON_BOOL(STATUS, adopted, "adopted", 0, "It survived an earlier supervisor."),
	JSON_BOOL(STATUS, standby, "standby", JSON_OMIT_EMPTY, "A created container waits."),
	JSON_STR(STATUS, message, "message", 0, ERR_TEXT_MAX, JSON_OMIT_EMPTY, "Why the last start failed."),
};
static const struct json_desc status_desc = {.name = "Status", .bytes = sizeof(STATUS), .fields = status_fields,
	.n_fields = ARRAY_LEN(status_fields), .is_open = true};

struct wire_error {
	struct str kind, field, text;
};
#define ERROR struct wire_error
static const struct json_field error_fields[] = {
	JSON_STR(ERROR, kind, "kind", 0, 40, JSON_REQUIRED, "Stable word."),
	JSON_STR(ERROR, field, "field", 0, ERR_FIELD_MAX, JSON_OMIT_EMPTY, "Place in the request."),
	JSON_STR(ERROR, text, "text", 0, 4 * ERR_TEXT_MAX, JSON_REQUIRED, "A sentence."),
};
static const struct json_desc error_desc = {.name = "Error", .bytes = sizeof(ERROR), .fields = error_fields,
	.n_fields = ARRAY_LEN(error_fields), .is_open = true};

/* A reply with its error as it travels. */
struct answer {
	struct supervise_reply reply;
	struct wire_error *error;
};
static const struct json_field reply_fields[] = {
	JSON_I64(struct answer, reply.serial, "serial", 0, INT64_MAX, 0, "Of the request."),
	JSON_ENUM(struct answer, reply.outcome, "outcome", outcomes, 0, "What was done."),
	JSON_I64(struct answer, reply.pid, "pid", 0, INT32_MAX, JSON_OMIT_EMPTY, "Of the service."),
	JSON_STRUCT_PTR(struct answer, reply.hello, HELLO, "hello", &hello_desc, JSON_OMIT_EMPTY, "For hello."),
	JSON_STRUCT_PTR(struct answer, reply.usage, USAGE, "usage", &usage_desc, JSON_OMIT_EMPTY, "For usage."),
	JSON_STRUCT_PTR(struct answer, reply.result, RESULT, "result", &result_desc, JSON_OMIT_EMPTY, "For run."),
	JSON_STRUCTS(struct answer, reply.services, reply.service_count, STATUS, "services", &status_desc, 0, SUPERVISE_SERVICES_MAX, JSON_OMIT_EMPTY, "For list."),
	JSON_STRUCT_PTR(struct answer, error, ERROR, "error", &error_desc, JSON_OMIT_EMPTY, "Why not."),
};
static const struct json_desc reply_desc = {.name = "Reply", .bytes = sizeof(struct answer), .fields = reply_fields,
	.n_fields = ARRAY_LEN(reply_fields), .is_open = true};

#define EVENT struct supervise_event
static const struct json_field event_fields[] = {
	JSON_ENUM(EVENT, kind, "event", events, JSON_REQUIRED, "What happened."),
	JSON_STR(EVENT, id, "id", 0, ID_MAX_BYTES, 0, "To which service."),
	JSON_I64(EVENT, pid, "pid", 0, INT32_MAX, JSON_OMIT_EMPTY, "Which process."),
	JSON_I64(EVENT, exit_code, "exit_code", -1, 255, 0, "-1: none.", .initial = -1),
	JSON_I64(EVENT, signal, "signal", 0, 128, JSON_OMIT_EMPTY, "That ended it."),
	JSON_I64(EVENT, after_ms, "after_ms", 0, INT64_MAX, JSON_OMIT_EMPTY, "A span."),
	JSON_I64(EVENT, at_ms, "at_ms", 0, INT64_MAX, 0, "When."),
	JSON_STR(EVENT, message, "message", 0, 4 * ERR_TEXT_MAX, JSON_OMIT_EMPTY, "Why."),
};
static const struct json_desc event_desc = {.name = "Event", .bytes = sizeof(EVENT), .fields = event_fields,
	.n_fields = ARRAY_LEN(event_fields), .is_open = true};

/* What each verb cannot do without. */
enum { NEEDS_SERVICE = 1, NEEDS_RUN = 2, NEEDS_ID = 4, NEEDS_PARTITION = 8, NEEDS_SIGNAL = 16 };
static const unsigned needs[SUPERVISE_VERBS] = {
	[SUPERVISE_START] = NEEDS_SERVICE,
	[SUPERVISE_STOP] = NEEDS_ID,
	[SUPERVISE_SIGNAL] = NEEDS_ID | NEEDS_SIGNAL,
	[SUPERVISE_RESTART] = NEEDS_ID,
	[SUPERVISE_REMOVE] = NEEDS_ID,
	[SUPERVISE_KILL_PARTITION] = NEEDS_PARTITION,
	[SUPERVISE_RUN] = NEEDS_RUN,
	[SUPERVISE_USAGE] = NEEDS_PARTITION,
};

static const struct {
	const char *name;
	int number;
} signals[] = {
	{"SIGHUP", SIGHUP},   {"SIGINT", SIGINT},     {"SIGQUIT", SIGQUIT}, {"SIGABRT", SIGABRT},
	{"SIGKILL", SIGKILL}, {"SIGUSR1", SIGUSR1},   {"SIGUSR2", SIGUSR2}, {"SIGALRM", SIGALRM},
	{"SIGTERM", SIGTERM}, {"SIGCONT", SIGCONT},   {"SIGSTOP", SIGSTOP}, {"SIGWINCH", SIGWINCH},
	{"SIGPWR", SIGPWR},   {"SIGRTMIN", 34},
};
/* clang-format on */

static const char *word_of(const struct json_word *words, int value)
{
	for (; words->word; words++)
		if (words->value == value)
			return words->word;
	return "?";
}

const char *supervise_state_name(enum supervise_state s)
{
	return word_of(states, (int)s);
}

const char *supervise_event_name(enum supervise_event_kind k)
{
	return word_of(events, (int)k);
}

const char *supervise_outcome_name(enum supervise_outcome o)
{
	return word_of(outcomes, (int)o);
}

int supervise_signal_number(struct str name)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (str_is(name, signals[i].name))
			return signals[i].number;
	int64_t n;
	struct err ignored;
	if (str_starts(name, S("SIGRTMIN+")) &&
	    str_to_i64(str_sub(name, 9, name.n), 0, 30, &n, &ignored) == 0)
		return 34 + (int)n;
	return 0;
}

bool supervise_is_name(struct str s)
{
	if (s.n == 0 || s.n > NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool is_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!is_word && (i == 0 || (c != '_' && c != '.' && c != '-')))
			return false;
	}
	return true;
}

struct str supervise_partition_of(struct str id)
{
	return str_sub(id, 0, str_find_char(id, '/'));
}

void supervise_request_write(const struct supervise_request *rq, struct buf *out)
{
	json_write_struct(&request_desc, rq, out);
}

static int require(unsigned need, unsigned bit, bool is_there, const char *field, struct err *e)
{
	if ((need & bit) && !is_there)
		return err_field(e, field, "is missing");
	return 0;
}

static int check_request(const struct supervise_request *rq, struct err *e)
{
	unsigned need = needs[rq->verb];
	if (require(need, NEEDS_SERVICE, rq->service, "service", e) < 0 ||
	    require(need, NEEDS_RUN, rq->run, "run", e) < 0 ||
	    require(need, NEEDS_ID, rq->id.n, "id", e) < 0 ||
	    require(need, NEEDS_PARTITION, rq->partition.n, "partition", e) < 0 ||
	    require(need, NEEDS_SIGNAL, rq->signal.n, "signal", e) < 0)
		return -1;
	return 0;
}

MUST int supervise_request_read(struct str line, struct arena *a, struct supervise_request *out,
				struct err *e)
{
	struct supervise_request rq;
	if (json_read(&request_desc, line, a, &rq, e) < 0 || check_request(&rq, e) < 0)
		return -1;
	*out = rq;
	return 0;
}

void supervise_reply_write(const struct supervise_reply *r, struct buf *out)
{
	struct answer w = {.reply = *r};
	struct wire_error error;
	if (r->error.kind != ERR_NONE) {
		error = (struct wire_error){
			.kind = str_from(err_kind_info(r->error.kind)->name),
			.field = str_from(r->error.field),
			.text = str_from(r->error.text)};
		w.error = &error;
	}
	json_write_struct(&reply_desc, &w, out);
}

void supervise_event_write(const struct supervise_event *ev, struct buf *out)
{
	json_write_struct(&event_desc, ev, out);
}

static enum err_kind kind_of(struct str word)
{
	for (int k = ERR_NONE + 1; k < ERR_KINDS; k++)
		if (str_is(word, err_kind_info((enum err_kind)k)->name))
			return (enum err_kind)k;
	return ERR_INTERNAL;
}

MUST int supervise_answer_read(struct str line, struct arena *a, struct supervise_reply *reply,
			       struct supervise_event *event, struct err *e)
{
	struct json *tree;
	if (json_parse(line, a, &tree, e) < 0)
		return -1;
	if (json_get(tree, S("event")))
		return json_read_tree(&event_desc, tree, S(""), a, event, e) < 0 ? -1 : 1;
	struct answer w;
	if (json_read_tree(&reply_desc, tree, S(""), a, &w, e) < 0)
		return -1;
	*reply = w.reply;
	err_clear(&reply->error);
	if (w.error) {
		(void)err_fail(&reply->error, kind_of(w.error->kind), "%" STR_F,
			       STR_A(w.error->text));
		(void)snprintf(reply->error.field, sizeof reply->error.field, "%" STR_F,
			       STR_A(w.error->field));
	}
	return 0;
}
