/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* TLS of server and client: who is who, what is refused, what changes while it runs. */
#include "base/file.h"
#include "http/client.h"
#include "hub.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

/* Who showed what, and how often this connection has been asked. */
static void who(struct http_call *c, void *user UNUSED)
{
	const struct cert *chain = NULL;
	size_t count = 9;
	struct err e = ERR_INIT;
	struct arena *a = http_call_arena(c);
	if (http_call_certificate(c, &chain, &count, &e) < 0) {
		http_reply_err(c, &e);
		return;
	}
	http_reply_json(c, 200,
			arena_fmt(a, "%d %zu %.*s %u", http_call_is_tls(c), count,
				  STR_A(count ? chain->name : S("-")), (*http_call_mark(c))++));
}

struct house {
	struct certs *certs;
	struct tls_server *shown;
	struct http_server *server;
	struct arena *arena;
};

static int house_open(void **state)
{
	struct err e = ERR_INIT;
	struct house *h = calloc(1, sizeof *h);
	h->certs = certs_new();
	h->shown = certs_server(h->certs, "server");
	struct http_server_options o = {.threads = 2, .request_timeout_s = 1, .tls = h->shown};
	h->server = server_start(o, who, NULL);
	assert_int_equal(arena_new(1 << 20, &h->arena, &e), 0);
	*state = h;
	return 0;
}

static int house_close(void **state)
{
	struct house *h = *state;
	(void)http_server_close(h->server);
	(void)tls_server_free(h->shown);
	certs_free(h->certs);
	(void)arena_free(h->arena);
	free(h);
	return 0;
}

static struct http_client *client_of(struct house *h, const char *server, const char *host,
				     const char *name)
{
	char base[128], pem[80], key[80];
	struct err e = ERR_INIT;
	struct http_client *c = NULL;
	(void)snprintf(base, sizeof base, "https://%s%s", host, strrchr(server, ':'));
	(void)snprintf(pem, sizeof pem, "%s.pem", name);
	(void)snprintf(key, sizeof key, "%s.key", name);
	struct http_client_options o = {.base = base,
					.ca_file = certs_path(h->certs, "root.pem")};
	if (name[0]) {
		o.cert_file = certs_path(h->certs, pem);
		o.key_file = certs_path(h->certs, key);
	}
	assert_int_equal(http_client_open(&o, &c, &e), 0);
	return c;
}

static int fetch(struct house *h, struct http_client *c, struct http_response *out,
		 struct err *e)
{
	*e = (struct err)ERR_INIT;
	return http_fetch(c, &(struct http_request){.target = S("/x?secret=1")}, h->arena, out,
			  e);
}

static void expect(struct house *h, struct http_client *c, const char *want)
{
	struct http_response r;
	struct err e;
	if (fetch(h, c, &r, &e) != 0)
		fail_msg("%s", e.text);
	if (!str_is(r.body, want))
		fail_msg("got %.*s", STR_A(r.body));
}

static void both_sides_know_each_other(void **state)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1"};
	struct house *h = *state;
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct http_client *c =
			client_of(h, http_server_address(h->server), hosts[i], "client");
		expect(h, c, "1 1 ann 0");
		expect(h, c, "1 1 ann 1");
		(void)http_client_close(c);
	}
	struct http_client *nobody =
		client_of(h, http_server_address(h->server), "localhost", "");
	expect(h, nobody, "1 0 - 0");
	(void)http_client_close(nobody);
}

/* The server only says who came; that is for its handler to judge. */
static void bad_certificates_of_clients_reach_the_handler(void **state)
{
	static const char *const names[] = {"client-expired", "client-foreign",
					    "server-elsewhere"};
	struct house *h = *state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct http_client *c =
			client_of(h, http_server_address(h->server), "localhost", names[i]);
		expect(h, c, i == 2 ? "1 1 m 0" : "1 1 ann 0");
		(void)http_client_close(c);
	}
}

static void bad_servers_are_named(void **state)
{
	static const struct {
		const char *name, *host, *says;
	} cases[] = {
		{"server-expired", "localhost", "has expired"},
		{"server-future", "localhost", "not valid yet"},
		{"server-foreign", "localhost", "no authority that we trust"},
		{"server-elsewhere", "localhost", "other names"},
		{"server-elsewhere", "127.0.0.1", "other names"},
		{"server-purpose", "localhost", "not one of a server"},
	};
	struct house *h = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_server *t = certs_server(h->certs, cases[i].name);
		struct http_server *s =
			server_start((struct http_server_options){.tls = t}, who, NULL);
		struct http_client *c =
			client_of(h, http_server_address(s), cases[i].host, "client");
		struct http_response r;
		struct err e;
		if (fetch(h, c, &r, &e) != -1 || e.kind != ERR_UNREACHABLE ||
		    !strstr(e.text, cases[i].says) || strstr(e.text, "secret"))
			fail_msg("%s: %d %s", cases[i].name, e.kind, e.text);
		(void)http_client_close(c);
		assert_int_equal(http_server_counts(s).requests, 0);
		(void)http_server_close(s);
		(void)tls_server_free(t);
	}
}

static void files_that_cannot_be_used_are_named(void **state)
{
	struct house *h = *state;
	struct http_response r;
	struct err e = ERR_INIT;
	struct http_client *c = NULL;
	char base[128];
	(void)snprintf(base, sizeof base, "https://localhost%s",
		       strrchr(http_server_address(h->server), ':'));
	struct http_client_options o = {.base = base,
					.ca_file = certs_path(h->certs, "root.pem"),
					.cert_file = certs_path(h->certs, "client.pem"),
					.key_file = certs_path(h->certs, "server.key")};
	assert_int_equal(http_client_open(&o, &c, &e), 0);
	assert_int_equal(fetch(h, c, &r, &e), -1);
	if (e.kind != ERR_BROKEN || !strstr(e.text, "client.pem"))
		fail_msg("%d %s", e.kind, e.text);
	(void)http_client_close(c);
	static const char *const roots[] = {"client.key", "nothing-there"};
	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		o = (struct http_client_options){.base = base,
						 .ca_file = certs_path(h->certs, roots[i])};
		assert_int_equal(http_client_open(&o, &c, &e), 0);
		assert_int_equal(fetch(h, c, &r, &e), -1);
		if (e.kind != ERR_BROKEN || !strstr(e.text, roots[i]))
			fail_msg("%d %s", e.kind, e.text);
		(void)http_client_close(c);
	}
	o.cert_file = "/x";
	assert_int_equal(http_client_open(&o, &c, &e), -1);
	assert_string_equal(e.field, "key_file");
}

/* What was made for one server is not shown to another. */
static void the_identity_is_for_the_base_alone(void **state)
{
	struct house *h = *state;
	struct err e = ERR_INIT;
	struct http_client *c =
		client_of(h, http_server_address(h->server), "127.0.0.1", "client");
	struct str other = arena_fmt(h->arena, "https://localhost%s/x",
				     strrchr(http_server_address(h->server), ':'));
	struct str own = arena_fmt(h->arena, "https://127.0.0.1%s/x",
				   strrchr(http_server_address(h->server), ':'));
	struct http_response r;
	assert_int_equal(http_fetch(c, &(struct http_request){.target = own}, h->arena, &r, &e),
			 0);
	assert_true(str_starts(r.body, S("1 1 ann")));
	/* Another host is judged by what the machine trusts, which our root is not. */
	assert_int_equal(
		http_fetch(c, &(struct http_request){.target = other}, h->arena, &r, &e), -1);
	assert_int_equal(e.kind, ERR_UNREACHABLE);
	(void)http_client_close(c);
}

static void copy_file(struct house *h, const char *from, const char *to)
{
	struct str text = S("");
	struct err e = ERR_INIT;
	assert_int_equal(file_read(certs_path(h->certs, from), 65536, h->arena, &text, &e), 0);
	assert_int_equal(file_write(certs_path(h->certs, to), text, 0600, &e), 0);
}

static void a_renewed_identity_is_used_at_once(void **state)
{
	struct house *h = *state;
	copy_file(h, "client.pem", "mine.pem");
	copy_file(h, "client.key", "mine.key");
	struct http_client *c =
		client_of(h, http_server_address(h->server), "localhost", "mine");
	expect(h, c, "1 1 ann 0");
	expect(h, c, "1 1 ann 1");
	copy_file(h, "client-renewed.key", "mine.key");
	copy_file(h, "client-renewed.pem", "mine.pem");
	expect(h, c, "1 1 ann2 0");
	expect(h, c, "1 1 ann2 1");
	(void)http_client_close(c);
}

static void a_renewed_server_keeps_its_connections(void **state)
{
	struct house *h = *state;
	char first[65], second[65];
	struct raw_answer a;
	over_tls = h->certs;
	struct raw *old = raw_open(http_server_address(h->server));
	raw_ask(old, GET("/"), &a);
	assert_true(str_is(a.body, "1 1 ann 0"));
	certs_renew(h->certs, h->shown, "server-renewed");
	struct raw *young = raw_open(http_server_address(h->server));
	raw_ask(young, GET("/"), &a);
	assert_true(str_is(a.body, "1 1 ann 0"));
	raw_ask(old, GET("/"), &a);
	assert_true(str_is(a.body, "1 1 ann 1"));
	certs_shown(old->session, first);
	certs_shown(young->session, second);
	assert_string_not_equal(first, second);
	raw_close(old);
	raw_close(young);
	over_tls = NULL;
}

static void older_protocols_and_weak_suites_are_refused(void **state)
{
	static const struct {
		const char *priority;
		bool is_taken;
	} cases[] = {
		{"NORMAL:-VERS-ALL:+VERS-TLS1.3", true},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.2", false},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0", false},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-CCM", false},
		{"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-FFDHE2048", false},
	};
	struct house *h = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct raw *r = raw_open(http_server_address(h->server)); /* plain */
		r->session = certs_connect(h->certs, r->fd, "client", cases[i].priority);
		if ((r->session != NULL) != cases[i].is_taken)
			fail_msg("%s", cases[i].priority);
		raw_close(r);
	}
}

static int64_t cpu_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Half a handshake, a byte, nothing at all, plain HTTP: none may stay, none may cost a processor
 * while it does. */
static void handshakes_have_a_deadline(void **state)
{
	static const struct str starts[] = {
		S_INIT(""),
		S_INIT("\x16"),
		S_INIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
	};
	struct house *h = *state;
	struct raw *r[ARRAY_LEN(starts)];
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		r[i] = raw_open(http_server_address(h->server));
		assert_true(raw_send(r[i], starts[i]));
	}
	int64_t before_ms = cpu_ms();
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		while (raw_more(r[i])) /* an alert */
			continue;
		raw_close(r[i]);
	}
	assert_in_range(cpu_ms() - before_ms, 0, 400); /* of the second that it took */
	assert_int_equal(http_server_counts(h->server).cut, ARRAY_LEN(starts));
	struct raw *plain = raw_open(http_server_address(h->server));
	assert_true(raw_send(plain, S(GET("/"))));
	while (raw_more(plain))
		continue;
	assert_true(plain->n < 32); /* no answer in clear */
	raw_close(plain);
	assert_int_equal(http_server_counts(h->server).requests, 0);
}

static void a_unix_socket_stays_plain(void **state)
{
	struct house *h = *state;
	char address[128];
	struct raw_answer a;
	(void)snprintf(address, sizeof address, "unix:%s", certs_path(h->certs, "socket"));
	struct http_server *s = server_start(
		(struct http_server_options){.listen = address, .tls = h->shown}, who, NULL);
	struct raw *r = raw_open(address);
	raw_ask(r, GET("/"), &a);
	assert_true(str_is(a.body, "0 0 - 0"));
	raw_close(r);
	(void)http_server_close(s);
}

/* The certificate outlives the connection for who holds a parked call. */
static void park_with_name(struct http_call *c, void *user)
{
	const struct cert *chain;
	size_t count;
	struct err e = ERR_INIT;
	assert_int_equal(http_call_certificate(c, &chain, &count, &e), 0);
	hub_park(c, user);
}

static void a_parked_call_keeps_its_certificate(void **state)
{
	struct house *h = *state;
	struct hub hub;
	hub_init(&hub);
	hub.is_deaf = true;
	over_tls = h->certs;
	struct http_server *s = server_start(
		(struct http_server_options){.threads = 2, .drain_ms = 50, .tls = h->shown},
		park_with_name, &hub);
	struct raw *r = raw_open(http_server_address(s));
	assert_true(raw_send(r, S(GET("/wait"))));
	hub_await(&hub, &hub.count, 1);
	raw_close(r);
	(void)http_server_close(s); /* abandons the call, ends the connection */
	struct http_call *c = hub_take(&hub);
	const struct cert *chain = NULL;
	size_t count = 0;
	struct err e = ERR_INIT;
	assert_int_equal(http_call_certificate(c, &chain, &count, &e), 0);
	assert_true(str_is(chain->name, "ann"));
	http_reply_json(c, 200, S("1"));
	over_tls = NULL;
	hub_fini(&hub);
}

#define IN_HOUSE(fn) cmocka_unit_test_setup_teardown(fn, house_open, house_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOUSE(both_sides_know_each_other),
		IN_HOUSE(bad_certificates_of_clients_reach_the_handler),
		IN_HOUSE(bad_servers_are_named),
		IN_HOUSE(files_that_cannot_be_used_are_named),
		IN_HOUSE(the_identity_is_for_the_base_alone),
		IN_HOUSE(a_renewed_identity_is_used_at_once),
		IN_HOUSE(a_renewed_server_keeps_its_connections),
		IN_HOUSE(older_protocols_and_weak_suites_are_refused),
		IN_HOUSE(handshakes_have_a_deadline),
		IN_HOUSE(a_unix_socket_stays_plain),
		IN_HOUSE(a_parked_call_keeps_its_certificate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
