/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The pages /login and /passkey: one document, one script, one style, as they stand beside this
 * file. They load nothing from others, hold no script of their own, and stand in nobody's frame.
 */
#include "api/passkey.h"

#define INCLUDE_FILE(name, path) \
	__asm__(".section .rodata\n" \
		"page_" #name ": .incbin \"" path "\"\n" \
		"page_" #name "_end: .byte 0\n" \
		".previous\n"); \
	extern const char page_##name[], page_##name##_end[]

INCLUDE_FILE(html, "src/api/passkey.html");
INCLUDE_FILE(js, "src/api/passkey.js");
INCLUDE_FILE(css, "src/api/passkey.css");

static void head(struct api_call *c, const char *name, struct str value)
{
	struct api_response *out = c->out;
	out->headers[out->header_count++] = (struct api_header){name, value};
}

MUST static int answer(struct api_call *c, const char *from, const char *to, struct err *e)
{
	head(c, "Cache-Control", S("no-cache"));
	head(c, "Referrer-Policy", S("no-referrer"));
	head(c, "Cross-Origin-Resource-Policy", S("same-origin"));
	return call_answer_text(c, 200, c->op->media,
				arena_dup(c->a, str_of(from, (size_t)(to - from))), e);
}

MUST int passkey_page(struct api_call *c, struct err *e)
{
	head(c, "Content-Security-Policy",
	     S("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
	       "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	       "require-trusted-types-for 'script'"));
	head(c, "Cross-Origin-Opener-Policy", S("same-origin"));
	head(c, "Permissions-Policy",
	     S("publickey-credentials-get=(self), publickey-credentials-create=(self)"));
	return answer(c, page_html, page_html_end, e);
}

MUST int passkey_page_script(struct api_call *c, struct err *e)
{
	return answer(c, page_js, page_js_end, e);
}

MUST int passkey_page_style(struct api_call *c, struct err *e)
{
	return answer(c, page_css, page_css_end, e);
}
