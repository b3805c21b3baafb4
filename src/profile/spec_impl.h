/* SPDX-License-Identifier: AGPL-3.0-or-later */
#pragma once
/* Checks of single texts that manifest.c, spec.c, spec_links.c and lock.c share. */
#include "profile/spec.h"

/* The checks have the form that json/desc.h asks for. */
MUST int spec_check_name(struct str s, struct err *e);	     /* [a-z0-9][a-z0-9_-]* */
MUST int spec_check_path(struct str s, struct err *e);	     /* relative, no ".." */
MUST int spec_check_env_name(struct str s, struct err *e);   /* [A-Za-z_][A-Za-z0-9_]* */
MUST int spec_check_url(struct str s, struct err *e);	     /* http:// or https:// */
MUST int spec_check_package(struct str s, struct err *e);    /* Debian policy 5.6.1 */
MUST int spec_check_suite(struct str s, struct err *e);	     /* [a-z][a-z0-9-]* */
MUST int spec_check_address(struct str s, struct err *e);    /* digits of an IP address */
MUST int spec_check_host(struct str s, struct err *e);	     /* DNS name, *.name, or address */
MUST int spec_check_octal_mode(struct str s, struct err *e); /* "0640" */
/* SIGHUP → 1; 0 if there is no such name. */
int spec_signal_number(struct str name);
MUST int spec_check_signal(struct str s, struct err *e);

/* References between services, files and promises (spec_links.c). */
MUST int spec_check_links(const struct profile_spec *s, struct err *e);
