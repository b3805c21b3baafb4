/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Reads the host's apt sources (sources.list(5): one-line and deb822 formats) and writes those of
 * one suite as deb822. A source of another distribution or suite on the host must not slip
 * into a release, so a suite counts only if it is SUITE, SUITE-updates or SUITE-security.
 */
#include <dirent.h>

#include "base/file.h"
#include "profile/lock_impl.h"

enum { SOURCES_MAX_BYTES = 256 << 10, FILES_MAX = 64 };

struct source {
	struct str types, uris, suites, components;
	struct str
		signed_by; /* may have several lines, each after the first begins with a space */
	bool is_off, is_trusted;
};

struct host {
	struct str suite;
	struct arena *a;
	struct buf out;
};

static bool next_word(struct str *rest, struct str *word)
{
	*rest = str_trim(*rest);
	size_t n = 0;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t' && rest->p[n] != '\n')
		n++;
	*word = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n, rest->n);
	return n > 0;
}

static bool has_word(struct str list, const char *want)
{
	struct str word;
	while (next_word(&list, &word))
		if (str_is(word, want))
			return true;
	return false;
}

static bool is_of_suite(struct str word, struct str suite)
{
	struct str tail = str_sub(word, suite.n, word.n);
	return str_starts(word, suite) &&
	       (!tail.n || str_is(tail, "-updates") || str_is(tail, "-security") ||
		str_is(tail, "/updates"));
}

/* Appends the source if it has packages of the suite; others leave no trace. */
static void add_source(struct host *h, const struct source *s)
{
	struct buf suites CLEAN(buf_fini) = BUF_INIT(4096);
	struct str rest = s->suites, word;
	if (s->is_off || !has_word(s->types, "deb") || !has_word(s->components, "main"))
		return;
	while (next_word(&rest, &word))
		if (is_of_suite(word, h->suite))
			buf_addf(&suites, "%s%" STR_F, suites.n ? " " : "", STR_A(word));
	if (!suites.n)
		return;
	struct str uris = str_trim(s->uris);
	buf_addf(&h->out, "Types: deb\nURIs: %" STR_F "\nSuites: ", STR_A(uris));
	buf_add(&h->out, buf_str(&suites));
	buf_add(&h->out, S("\nComponents: main\n"));
	if (s->signed_by.n)
		buf_addf(&h->out, "Signed-By: %" STR_F "\n", STR_A(s->signed_by));
	if (s->is_trusted)
		buf_add(&h->out, S("Trusted: yes\n"));
	buf_add_c(&h->out, '\n');
}

/* deb [option=value …] uri suite component … */
static void read_line(struct host *h, struct str line)
{
	struct source s = {.is_off = false};
	struct str word;
	line = str_sub(line, 0, str_find_char(line, '#'));
	if (!next_word(&line, &s.types) || !str_is(s.types, "deb"))
		return;
	line = str_trim(line);
	if (str_starts(line, S("["))) {
		size_t end = str_find_char(line, ']');
		struct str options = str_sub(line, 1, end - 1);
		line = str_sub(line, end + 1, line.n);
		while (next_word(&options, &word)) {
			if (str_starts(word, S("signed-by=")))
				s.signed_by = str_sub(word, 10, word.n);
			s.is_trusted = s.is_trusted || str_is(word, "trusted=yes");
		}
	}
	if (!next_word(&line, &s.uris) || !next_word(&line, &s.suites))
		return;
	s.components = line;
	add_source(h, &s);
}

/* The value of a field goes on in lines that begin with white space. */
static void read_stanza(struct host *h, struct str stanza)
{
	struct source s = {.is_off = false};
	size_t at = 0;
	while (at < stanza.n) {
		size_t end = at;
		do {
			end += str_find_char(str_sub(stanza, end, stanza.n), '\n') + 1;
		} while (end < stanza.n && (stanza.p[end] == ' ' || stanza.p[end] == '\t'));
		struct str field = str_sub(stanza, at, MIN_OF(end, stanza.n) - at);
		struct str key = str_sub(field, 0, str_find_char(field, ':'));
		struct str value = str_trim(str_sub(field, key.n + 1, field.n));
		at = end;
		if (str_is(key, "Types"))
			s.types = value;
		else if (str_is(key, "URIs"))
			s.uris = value;
		else if (str_is(key, "Suites"))
			s.suites = value;
		else if (str_is(key, "Components"))
			s.components = value;
		else if (str_is(key, "Signed-By"))
			s.signed_by = value;
		else if (str_is(key, "Enabled"))
			s.is_off = str_is(value, "no") || str_is(value, "false");
		else if (str_is(key, "Trusted"))
			s.is_trusted = str_is(value, "yes") || str_is(value, "true");
	}
	add_source(h, &s);
}

static void read_stanzas(struct host *h, struct str text)
{
	struct buf stanza CLEAN(buf_fini) = BUF_INIT(SOURCES_MAX_BYTES);
	struct str line;
	while (str_split(&text, '\n', &line)) {
		if (str_starts(line, S("#")))
			continue;
		if (str_trim(line).n) {
			buf_add(&stanza, line);
			buf_add_c(&stanza, '\n');
			continue;
		}
		read_stanza(h, buf_str(&stanza));
		buf_clear(&stanza);
	}
	read_stanza(h, buf_str(&stanza));
}

static int read_sources_file(struct host *h, const char *path, struct err *e)
{
	struct str text, line;
	int rc = file_read(path, SOURCES_MAX_BYTES, h->a, &text, e);
	if (rc)
		return rc < 0 ? -1 : 0;
	if (str_ends(str_from(path), S(".sources"))) {
		read_stanzas(h, text);
		return 0;
	}
	while (str_split(&text, '\n', &line))
		read_line(h, line);
	return 0;
}

static int is_sources(const struct dirent *d)
{
	struct str name = str_from(d->d_name);
	return str_ends(name, S(".list")) || str_ends(name, S(".sources"));
}

MUST int sources_of_host(const char *etc, struct str suite, struct arena *a, struct str *out,
			 struct err *e)
{
	struct host h = {.suite = suite, .a = a, .out = BUF_INIT(SOURCES_MAX_BYTES)};
	struct dirent **names = NULL;
	const char *parts = arena_fmt(a, "%s/sources.list.d", etc).p;
	int rc = read_sources_file(&h, arena_fmt(a, "%s/sources.list", etc).p, e);
	int n = scandir(parts, &names, is_sources, alphasort);
	for (int i = 0; i < n; i++) {
		if (rc == 0 && i < FILES_MAX)
			rc = read_sources_file(
				&h, arena_fmt(a, "%s/%s", parts, names[i]->d_name).p, e);
		free(names[i]);
	}
	free(names);
	if (rc == 0)
		rc = buf_check(&h.out, e);
	if (rc == 0)
		*out = arena_dup(a, buf_str(&h.out));
	buf_fini(&h.out);
	return rc < 0 ? -1 : arena_check(a, e);
}
