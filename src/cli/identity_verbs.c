/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The verbs about who one is: login, join, logout, token, key, cert, domain. */
#include "cli/identity.h"

#define CUSTOMER(text) \
	{ \
		.name = "customer", .argument = "NAME", .help = text \
	}
#define REASON \
	{ \
		.name = "reason", .argument = "WORD", .initial = "unspecified", \
		.choices = "unspecified key-compromise superseded ceased", .help = "Why." \
	}
#define KEY_KIND(default_) \
	{ \
		.name = "key", .argument = "KIND", .initial = default_, \
		.choices = "p256 ed25519", .help = "Kind of the key." \
	}

static const struct cli_option login_options[] = {
	{.name = "token-file",
	 .argument = "FILE",
	 .help = "Take the token from there: a command line is seen by others."},
	KEY_KIND("p256"),
	{.name = "title",
	 .argument = "TEXT",
	 .help = "Where the key is kept; the name of this machine if left out."},
	{.name = NULL}};
static const struct cli_option logout_options[] = {
	{.name = "local-only", .help = "Do not revoke the key at the master."},
	{.name = "all",
	 .help = "Also remove the key that opens sealed secrets: what is sealed to it alone is "
		 "lost."},
	{.name = NULL}};
static const struct cli_option token_options[] = {
	{.name = "role",
	 .argument = "ROLE",
	 .is_repeated = true,
	 .choices = "publisher accountant auditor operator",
	 .help = "What a new person is in the cloud."},
	CUSTOMER("A new person is in this customer."),
	{.name = "owner", .help = "As its owner; else as a member."},
	{.name = "output", .argument = "FILE", .help = "Write the token there (0600)."},
	{.name = NULL}};
static const struct cli_option key_list_options[] = {
	{.name = "person", .argument = "NAME", .help = "Of that person; else the own."},
	{.name = "node", .argument = "NAME", .help = "Of that node."},
	{.name = NULL}};
static const struct cli_option reason_options[] = {REASON, {.name = NULL}};
static const struct cli_option renew_options[] = {
	{.name = "new-key", .help = "Make another key, and revoke this one."},
	KEY_KIND(NULL),
	{.name = NULL}};
static const struct cli_option split_options[] = {
	{.name = "need",
	 .argument = "M",
	 .is_required = true,
	 .help = "So many shares give the key back; fewer tell nothing."},
	{.name = "of", .argument = "N", .is_required = true, .help = "So many are made."},
	{.name = "into",
	 .argument = "DIR",
	 .is_required = true,
	 .help = "share-1 … share-N are written there (0600)."},
	{.name = NULL}};
static const struct cli_option domain_options[] = {
	CUSTOMER("Whose; the only one that you are in if left out."), {.name = NULL}};

static const char group[] = "Who you are (keys, tokens, domains)";

#define EXITS_LOGIN \
	"4 an identity is there already\n5 the server is not the one that the token names, " \
	"or " \
	"the token is not good\n10 the master does not answer"

static const struct cli_cmd verbs[] = {
	{.name = "login",
	 .arguments = "URL [TOKEN]",
	 .min_args = 1,
	 .max_args = 2,
	 .group = group,
	 .options = login_options,
	 .fn = verb_login,
	 .help = "Come into a cloud with a token: makes a key here and gets a certificate.",
	 .details =
		 "TOKEN may be - for standard input. The token carries the fingerprint of the "
		 "cloud's root: a server that does not show it gets nothing, not even the "
		 "token. The private key is made in the identity's directory and never "
		 "leaves it; the certificate is renewed by whatever hoc is asked to do past "
		 "two thirds of its 30 days.\n"
		 "The same token again with the same key gives a certificate again; with "
		 "another key it is refused.",
	 .example = "hoc login https://master.example:8443 -\n"
		    "hoc login https://master.example:8443 --token-file token --key ed25519",
	 .exits = EXITS_LOGIN},
	{.name = "join",
	 .arguments = "URL [TOKEN]",
	 .min_args = 1,
	 .max_args = 2,
	 .group = group,
	 .options = login_options,
	 .fn = verb_login,
	 .help = "The same as login, for who does not know what the token is for.",
	 .details = "A token for a node is not used up here: what to run on the node is said "
		    "instead.",
	 .example = "hoc join https://master.example:8443 -",
	 .exits = EXITS_LOGIN},
	{.name = "logout",
	 .group = group,
	 .options = logout_options,
	 .fn = verb_logout,
	 .help = "Revoke the own key and remove it from this machine.",
	 .details = "What opens sealed secrets (seal.age) stays, unless --all is said: a later "
		    "login on this machine goes on with it.",
	 .example = "hoc logout",
	 .exits = "3 there is no identity"},
	{.name = "token make",
	 .arguments = "KIND NAME",
	 .min_args = 2,
	 .max_args = 2,
	 .group = group,
	 .options = token_options,
	 .fn = verb_token_make,
	 .help = "Let in a person or a node: a token, for one key, good for a day.",
	 .details = "KIND is person or node. For a person who is there already it lets in a "
		    "further key (a second machine, or instead of a lost one); only operators "
		    "and the person himself may do that. Owners of a customer may invite new "
		    "people into it. Where nobody can log in: hoc master "
		    "init once more, on the master's machine.",
	 .example = "hoc token make person ann --role operator\n"
		    "hoc token make person bob --customer shop --owner --output bob.token\n"
		    "hoc token make node n1"},
	{.name = "token list",
	 .group = group,
	 .fn = verb_token_list,
	 .help = "Tokens that have not expired; never their text.",
	 .example = "hoc token list"},
	{.name = "key list",
	 .group = group,
	 .options = key_list_options,
	 .fn = verb_key_list,
	 .help = "Keys of a person or node, revoked ones too.",
	 .example = "hoc key list\nhoc key list --node n1"},
	{.name = "key revoke",
	 .arguments = "KEY",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = reason_options,
	 .fn = verb_key_revoke,
	 .help = "Revoke a key and its certificates, at once and for ever.",
	 .details =
		 "One's own, or as an operator anybody's. The last key of a person: he needs "
		 "a token again.",
	 .example = "hoc key revoke "
		    "4f0c1d2e3b4a59687766554433221100ffeeddccbbaa99887766554433221100 --reason "
		    "key-compromise",
	 .exits = "3 no such key, or not yours"},
	{.name = "key renew",
	 .group = group,
	 .options = renew_options,
	 .fn = verb_key_renew,
	 .help = "Get a certificate now, for the same key or a new one.",
	 .details = "Nobody needs to: certificates are renewed in passing. With --new-key the "
		    "old key is revoked once the new one holds.",
	 .example = "hoc key renew\nhoc key renew --new-key --key ed25519"},
	{.name = "key split",
	 .group = group,
	 .options = split_options,
	 .fn = verb_key_split,
	 .help = "Make shares of what opens sealed secrets, for the day it is lost.",
	 .example = "hoc key split --need 2 --of 3 --into /media/stick",
	 .exits = "3 there is no sealing key\n4 a share is there already"},
	{.name = "key join",
	 .arguments = "FILE...",
	 .min_args = 2,
	 .max_args = CLI_ARGUMENTS_MAX,
	 .group = group,
	 .fn = verb_key_join,
	 .help = "Bring back what opens sealed secrets from its shares.",
	 .example = "hoc key join share-1 share-3",
	 .exits = "4 a sealing key is there"},
	{.name = "cert show",
	 .arguments = "[SERIAL]",
	 .max_args = 1,
	 .group = group,
	 .fn = verb_cert_show,
	 .help = "The own certificate, or how one stands with the master.",
	 .example = "hoc cert show\nhoc cert show 00d1f2"},
	{.name = "cert revoke",
	 .arguments = "SERIAL",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = reason_options,
	 .fn = verb_cert_revoke,
	 .help = "Revoke a certificate of a service; of persons and nodes, keys are revoked.",
	 .example = "hoc cert revoke 00d1f2 --reason superseded",
	 .exits = "3 no such certificate, or not yours\n4 it is a person's or node's"},
	{.name = "domain add",
	 .arguments = "NAME",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = domain_options,
	 .fn = verb_domain_add,
	 .help = "List a name as the customer's, with all below it.",
	 .details =
		 "Certificates for services are only made for names of their customer. A name "
		 "belongs to one customer.",
	 .example = "hoc domain add example.com --customer shop",
	 .exits = "4 it belongs to another customer"},
	{.name = "domain remove",
	 .arguments = "NAME",
	 .min_args = 1,
	 .max_args = 1,
	 .group = group,
	 .options = domain_options,
	 .fn = verb_domain_remove,
	 .help = "Take a name off the list; certificates that were made stay until they end.",
	 .example = "hoc domain remove example.com"},
	{.name = "domain list",
	 .group = group,
	 .options = domain_options,
	 .fn = verb_domain_list,
	 .help = "Names of a customer.",
	 .example = "hoc domain list --customer shop"},
};

const struct cli_table cli_identity_commands = {verbs, ARRAY_LEN(verbs)};
