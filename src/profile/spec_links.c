/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a table cannot see: names that must exist, programs that must be absolute paths, files
 * that stand in each other's way, services that wait for each other for ever.
 */
#include <stdarg.h>

#include "profile/spec_impl.h"

struct place {
	char text[ERR_FIELD_MAX];
};

static struct place place(const char *format, ...) PRINTF(1, 2);
static struct place place(const char *format, ...)
{
	struct place p;
	va_list args;
	va_start(args, format);
	(void)vsnprintf(p.text, sizeof p.text, format, args);
	va_end(args);
	return p;
}

static int check_command(const struct spec_list *exec, const char *path, struct err *e)
{
	if (exec->count && !str_starts(exec->items[0], S("/")))
		return err_field(e, place("%s[0]", path).text, "must be an absolute path");
	return 0;
}

static int check_service_name(const struct profile_spec *s, struct str name, const char *path,
			      struct err *e)
{
	if (!profile_spec_service(s, name))
		return err_field(e, path, "there is no service \"%" STR_F "\"", STR_A(name));
	return 0;
}

static int check_file_services(const struct profile_spec *s, const struct spec_file *f,
			       struct err *e)
{
	for (size_t i = 0; i < f->services.count; i++) {
		struct str name = f->services.items[i];
		struct place p =
			place("files[\"%" STR_F "\"].services[%zu]", STR_A(f->path), i);
		if (check_service_name(s, name, p.text, e) < 0)
			return -1;
		if (f->reload == SPEC_RELOAD_SIGNAL &&
		    !profile_spec_service(s, name)->reload_signal)
			return err_field(e, p.text, "\"%" STR_F "\" has no reload_signal",
					 STR_A(name));
	}
	return 0;
}

/* "a" and "a/b" cannot both be files. */
static int check_file_places(const struct profile_spec *s, const struct spec_file *f,
			     struct err *e)
{
	for (size_t i = 0; i < s->file_count; i++) {
		struct str other = s->files[i].path;
		if (other.n > f->path.n && str_starts(other, f->path) &&
		    other.p[f->path.n] == '/')
			return err_field(e, place("files[\"%" STR_F "\"]", STR_A(f->path)).text,
					 "is a file and the folder of \"%" STR_F "\"",
					 STR_A(other));
	}
	return 0;
}

static int check_files(const struct profile_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->file_count; i++)
		if (check_file_services(s, &s->files[i], e) < 0 ||
		    check_file_places(s, &s->files[i], e) < 0)
			return -1;
	return 0;
}

/* ---- certificates -------------------------------------------------------------------------- */

/* The files of a certificate: `which` 0 … 2; "" if it has none. */
static struct str certificate_file(const struct spec_certificate *c, size_t which,
				   const char **word)
{
	static const char *const words[] = {"key", "chain", "roots"};
	*word = words[which];
	return which == 0 ? c->key : which == 1 ? c->chain : c->roots;
}

/* The same, or one the folder of the other. */
static bool are_in_the_way(struct str a, struct str b)
{
	struct str low = a.n < b.n ? a : b, high = a.n < b.n ? b : a;
	return str_starts(high, low) && (low.n == high.n || high.p[low.n] == '/');
}

/* Before it stand the files, certificates 0 … `at`, and of its own files those before `which`. */
static bool is_free(const struct profile_spec *s, size_t at, size_t which, struct str path)
{
	const char *word;
	for (size_t i = 0; i < s->file_count; i++)
		if (are_in_the_way(s->files[i].path, path))
			return false;
	for (size_t i = 0; i <= at; i++)
		for (size_t k = 0; k < (i < at ? 3 : which); k++) {
			struct str other = certificate_file(&s->certificates[i], k, &word);
			if (other.n && are_in_the_way(other, path))
				return false;
		}
	return true;
}

static int check_certificate(const struct profile_spec *s, size_t at, struct err *e)
{
	const struct spec_certificate *c = &s->certificates[at];
	const char *word;
	for (size_t k = 0; k < 3; k++) {
		struct str path = certificate_file(c, k, &word);
		struct place p = place("certificates.%" STR_F ".%s", STR_A(c->name), word);
		if (path.n && !is_free(s, at, k, path))
			return err_field(e, p.text, "\"%" STR_F "\" is another file's place",
					 STR_A(path));
	}
	for (size_t i = 0; i < c->services.count; i++) {
		struct place p =
			place("certificates.%" STR_F ".services[%zu]", STR_A(c->name), i);
		struct str name = c->services.items[i];
		if (check_service_name(s, name, p.text, e) < 0)
			return -1;
		if (c->reload == SPEC_RELOAD_SIGNAL &&
		    !profile_spec_service(s, name)->reload_signal)
			return err_field(e, p.text, "\"%" STR_F "\" has no reload_signal",
					 STR_A(name));
	}
	return 0;
}

static int check_certificates(const struct profile_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->certificate_count; i++)
		if (check_certificate(s, i, e) < 0)
			return -1;
	return 0;
}

static int check_setup(const struct profile_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->step_count; i++) {
		if (check_command(&s->setup[i].exec, place("setup[%zu].exec", i).text, e) < 0)
			return -1;
		for (size_t k = 0; k < i; k++)
			if (str_eq(s->setup[k].name, s->setup[i].name))
				return err_field(e, place("setup[%zu].name", i).text,
						 "is the name of an earlier step");
	}
	return 0;
}

/* Takes away services whose predecessors are all gone; what is left goes in a circle. */
static int check_order(const struct profile_spec *s, struct err *e)
{
	bool is_gone[SPEC_SERVICES_MAX] = {false};
	bool has_moved = true;
	while (has_moved) {
		has_moved = false;
		for (size_t i = 0; i < s->service_count; i++) {
			const struct spec_service *v = &s->services[i];
			bool is_free = !is_gone[i];
			for (size_t k = 0; k < v->after.count; k++)
				is_free = is_free &&
					  is_gone[profile_spec_service(s, v->after.items[k]) -
						  s->services];
			is_gone[i] = is_gone[i] || is_free;
			has_moved = has_moved || is_free;
		}
	}
	for (size_t i = 0; i < s->service_count; i++)
		if (!is_gone[i])
			return err_field(
				e,
				place("services.%" STR_F ".after", STR_A(s->services[i].name))
					.text,
				"waits for itself in a circle");
	return 0;
}

static int check_services(const struct profile_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->service_count; i++) {
		const struct spec_service *v = &s->services[i];
		struct place exec = place("services.%" STR_F ".exec", STR_A(v->name));
		struct place ready = place("services.%" STR_F ".ready.exec", STR_A(v->name));
		if (check_command(&v->exec, exec.text, e) < 0 ||
		    check_command(&v->ready.exec, ready.text, e) < 0)
			return -1;
		for (size_t k = 0; k < v->after.count; k++) {
			struct place p =
				place("services.%" STR_F ".after[%zu]", STR_A(v->name), k);
			if (check_service_name(s, v->after.items[k], p.text, e) < 0)
				return -1;
		}
	}
	return check_order(s, e);
}

static int check_promises(const struct profile_spec *s, struct err *e)
{
	for (size_t i = 0; i < s->promise_count; i++) {
		const struct spec_promise *p = &s->promises[i];
		struct str name = p->name;
		if (check_command(&p->command,
				  place("promises.%" STR_F ".exec.command", STR_A(name)).text,
				  e) < 0)
			return -1;
		if (p->kind == SPEC_PROMISE_PROCESS &&
		    check_service_name(
			    s, p->service,
			    place("promises.%" STR_F ".process.service", STR_A(name)).text,
			    e) < 0)
			return -1;
		if (p->repair_restart.n &&
		    check_service_name(
			    s, p->repair_restart,
			    place("promises.%" STR_F ".repair.restart", STR_A(name)).text,
			    e) < 0)
			return -1;
	}
	return 0;
}

MUST int spec_check_links(const struct profile_spec *s, struct err *e)
{
	if (check_files(s, e) < 0 || check_setup(s, e) < 0 || check_services(s, e) < 0 ||
	    check_certificates(s, e) < 0)
		return -1;
	return check_promises(s, e);
}
