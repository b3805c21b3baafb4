/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of the client's verbs. */
#include "cli/verbs.h"

#define CUSTOMER \
	{ \
		.name = "customer", .argument = "NAME", \
		.help = "Whose; left out: the only customer you are in, or \"local\"." \
	}
#define WAIT \
	{ \
		.name = "wait", .argument = "SECONDS", .is_value_optional = true, \
		.help = "Wait until it is so: every promise kept, stopped, or gone. 600 s " \
			"without a value." \
	}

static const struct cli_option customer_options[] = {CUSTOMER, {.name = NULL}};
static const struct cli_option state_options[] = {CUSTOMER, WAIT, {.name = NULL}};
static const struct cli_option show_options[] = {
	CUSTOMER,
	{.name = "reveal", .help = "Unseal the secrets that you can read, and print them."},
	{.name = NULL}};
static const struct cli_option list_options[] = {
	CUSTOMER,
	{.name = "node", .argument = "NODE", .help = "On one node only."},
	{.name = NULL}};
static const struct cli_option request_options[] = {
	{.name = "type", .argument = "T", .help = "Software type; \"default\" if left out."},
	{.name = "param",
	 .argument = "KEY=VALUE",
	 .is_repeated = true,
	 .help = "A parameter; the value is JSON if it reads as JSON, else text."},
	{.name = "secret",
	 .argument = "NAME[=@FILE]",
	 .is_repeated = true,
	 .help = "A secret parameter: asked for on the terminal, or read from FILE (@-: from "
		 "standard input), without the line end. Sealed here, so that only the node "
		 "and "
		 "you can read it."},
	{.name = "params-file",
	 .argument = "FILE",
	 .help = "Parameters as a JSON object; --param goes over it."},
	{.name = "where",
	 .argument = "KEY=VALUE",
	 .is_repeated = true,
	 .choices = "node= region= network= capability= instance= retention_delay=",
	 .help = "Where it may be placed: node, region, network, capability (NAME or "
		 "NAME=VALUE, "
		 "several with commas), instance (the host of a shared one), or how many days "
		 "it is kept after destruction: retention_delay."},
	{.name = "shared", .help = "To be hosted by an instance that is there."},
	{.name = "state",
	 .argument = "STATE",
	 .choices = "started stopped",
	 .help = "started or stopped; as it is if left out, started at first."},
	CUSTOMER,
	WAIT,
	{.name = NULL}};
static const struct cli_option promise_options[] = {
	{.name = "history", .help = "Also how each promise moved."}, {.name = NULL}};
static const struct cli_option log_options[] = {
	CUSTOMER,
	{.name = "node",
	 .argument = "DIR",
	 .help = "Directory of the node; else $HOC_NODE, else the settings file."},
	{.name = "service",
	 .argument = "NAME",
	 .help = "Which service; the first if left out."},
	{.name = "follow", .letter = 'f', .help = "Go on with what is appended."},
	{.name = "all", .help = "From the beginning; else the last 64 KiB."},
	{.name = NULL}};
static const struct cli_option usage_options[] = {
	CUSTOMER,
	{.name = "instance",
	 .argument = "GUID",
	 .help = "Of one instance only: its guid, as hoc show prints it."},
	{.name = "from", .argument = "TIME", .help = "Begin: a date or RFC 3339."},
	{.name = "to", .argument = "TIME", .help = "End, exclusive."},
	{.name = NULL}};
static const struct cli_option invoice_options[] = {
	{.name = "from",
	 .argument = "TIME",
	 .help = "Begin of the period: a date or RFC 3339.",
	 .is_required = true},
	{.name = "to",
	 .argument = "TIME",
	 .help = "Its end, exclusive; not in the future.",
	 .is_required = true},
	{.name = "prices", .argument = "NAME", .help = "Price list; \"default\" if left out."},
	{.name = NULL}};
static const struct cli_option customer_set_options[] = {
	{.name = "address", .argument = "TEXT", .help = "Lines of the address."},
	{.name = "country", .argument = "CC", .help = "ISO 3166-1 alpha-2."},
	{.name = "vat-number", .argument = "NUMBER", .help = "VAT number of a business."},
	{.name = NULL}};
static const struct cli_option dir_options[] = {{.name = "dir",
						 .argument = "DIR",
						 .help = "Where packages and builds are kept.",
						 .is_required = true},
						{.name = NULL}};
static const struct cli_option lock_options[] = {
	{.name = "dir",
	 .argument = "DIR",
	 .help = "Where package lists are kept.",
	 .is_required = true},
	{.name = "output", .argument = "FILE", .help = "Write the lock there."},
	{.name = NULL}};
static const struct cli_option demo_options[] = {
	{.name = "dir",
	 .argument = "DIR",
	 .help = "Everything of the demo is in there.",
	 .initial = ".demo"},
	{.name = "profiles",
	 .argument = "DIR",
	 .help = "Folder of the profiles.",
	 .initial = "profiles"},
	{.name = "report", .argument = "FILE", .help = "Write all steps as JSON there."},
	{.name = "stop",
	 .help = "Stop the cloud at the end; without a terminal it is always stopped."},
	{.name = "keep", .help = "Let the cloud run at the end even without a terminal."},
	{.name = "down", .help = "Only stop the cloud, and end."},
	{.name = "clean", .help = "Remove every trace of the demo, and end."},
	{.name = NULL}};

/* Exit codes of verbs that ask the master; each ends without a newline. */
#define EXITS_ASK "10 the master does not answer"
#define EXITS_FIND "3 there is no such instance\n" EXITS_ASK
#define EXITS_WAIT \
	"3 there is no such instance\n" \
	"9 --wait: it was not so in time; the text says what it is instead\n" EXITS_ASK
#define EXITS_PROFILE "3 there is no such profile"

#define PROFILE_IS \
	"PROFILE is a Jsonnet file, or a folder that holds profile.jsonnet. It may import " \
	"files of its own folder and of ../lib beside it."

static const char try_it[] = "Try it", orders[] = "Orders", looking[] = "Looking at what runs",
		  catalogue[] = "Catalogue", publishing[] = "Writing profiles",
		  commerce[] = "Commerce", program[] = "This program";

static const struct cli_cmd cmds[] = {
	{.name = "demo",
	 .group = try_it,
	 .options = demo_options,
	 .fn = verb_demo,
	 .help = "A whole cloud on this machine, from order to invoice, shown step by step.",
	 .details = "Needs root. Starts a master and a node in one folder, publishes the "
		    "profiles, orders three services for a demo customer, proves each by a "
		    "real client, kills and changes things, bills. The second run finds the "
		    "software built.",
	 .example = "hoc demo --report demo.json\nhoc demo --down\nhoc demo --clean",
	 .exits = "1 a step failed"},

	{.name = "request",
	 .group = orders,
	 .arguments = "RELEASE TITLE",
	 .min_args = 2,
	 .max_args = 2,
	 .options = request_options,
	 .fn = verb_request,
	 .help = "Order an instance, or change one: the same words again change nothing.",
	 .details = "RELEASE is NAME (the newest published), NAME@HEXPREFIX or the whole URI "
		    "that hoc publish printed. TITLE names the instance, one of its kind per "
		    "customer.\n"
		    "Parameters are checked against the profile; all of them are said each "
		    "time: what is left out goes back to its default.\n"
		    "Without --wait the answer is what the master knows at once: if nothing "
		    "fits, the reasons stand in it, and the order waits until something does.",
	 .example =
		 "hoc request redis cache --wait\n"
		 "hoc request postgresql shop --param database=shop --param memory_mib=512\n"
		 "hoc request wiki notes --secret password\n"
		 "hoc request nginx site --params-file site.json --where region=eu --wait=60",
	 .exits = "9 --wait: it was not so in time; the text says what it is "
		  "instead\n" EXITS_ASK},
	{.name = "list",
	 .group = orders,
	 .options = list_options,
	 .fn = verb_list,
	 .help = "Show the instances.",
	 .details = "STATUS is waiting, allocated, building, starting, running (every promise "
		    "kept), broken, stopping, stopped, destroying or destroyed.",
	 .example = "hoc list\nhoc list --customer acme --json",
	 .exits = EXITS_ASK},
	{.name = "show",
	 .group = orders,
	 .arguments = "TITLE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = show_options,
	 .fn = verb_show,
	 .help = "Show an instance: state, promises, parameters, connection.",
	 .details = "TITLE may also be the guid of any instance. Of a secret it says who can "
		    "read it; with --reveal what you can read is printed: mind who looks over "
		    "your shoulder. Secrets of a local master, and those that a customer keeps "
		    "in clear, are always printed.",
	 .example = "hoc show shop\nhoc show shop --reveal\n"
		    "hoc show shop --json | jq -r .connection.url",
	 .exits = EXITS_FIND},
	{.name = "start",
	 .group = orders,
	 .arguments = "TITLE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = state_options,
	 .fn = verb_start,
	 .help = "Have a stopped instance run again.",
	 .example = "hoc start shop --wait",
	 .exits = EXITS_WAIT},
	{.name = "stop",
	 .group = orders,
	 .arguments = "TITLE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = state_options,
	 .fn = verb_stop,
	 .help = "Have an instance's services stopped; its data and its place stay.",
	 .example = "hoc stop shop --wait=60",
	 .exits = EXITS_WAIT},
	{.name = "destroy",
	 .group = orders,
	 .arguments = "TITLE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = state_options,
	 .fn = verb_destroy,
	 .help = "Have an instance and its children destroyed: processes, files, data.",
	 .details = "There is no way back. The title is free again once it is gone.",
	 .example = "hoc destroy shop --wait",
	 .exits = EXITS_WAIT},

	{.name = "promise",
	 .group = looking,
	 .arguments = "TITLE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = promise_options,
	 .fn = verb_promise,
	 .help = "Show the promises of an instance, a node or a customer.",
	 .details = "Kept, broken or unknown, since when, and what the last look found. The "
		    "exit code does not depend on it: scripts read --json.",
	 .example = "hoc promise shop\nhoc promise shop --history\nhoc promise n1",
	 .exits = EXITS_ASK},
	{.name = "log",
	 .group = looking,
	 .arguments = "TITLE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = log_options,
	 .fn = verb_log,
	 .help = "Show the log of a service of an instance on the local node.",
	 .details = "Logs stay on the node that runs the instance: this verb reads them in "
		    "the node's directory, so it works there. The text is that of the "
		    "service, also with --json.",
	 .example = "hoc log shop --node /var/lib/hoc/node\n"
		    "hoc log shop --service postgres -f",
	 .exits = "3 there is no such instance, or it is not on that node\n" EXITS_ASK},
	{.name = "nodes",
	 .group = looking,
	 .fn = verb_nodes,
	 .help = "Show the nodes: contact, free partitions, region, network.",
	 .example = "hoc nodes\nhoc nodes --json",
	 .exits = EXITS_ASK},

	{.name = "catalog",
	 .group = catalogue,
	 .fn = verb_catalog,
	 .help = "Show what is published.",
	 .example = "hoc catalog",
	 .exits = EXITS_ASK},
	{.name = "publish",
	 .group = catalogue,
	 .arguments = "PROFILE",
	 .min_args = 1,
	 .max_args = 1,
	 .fn = verb_publish,
	 .help = "Publish a profile, with all it imports, by the hash of its content.",
	 .details = PROFILE_IS "\nThe same content again changes nothing. What is published "
			       "stays: an instance keeps the release it was ordered with.",
	 .example = "hoc publish profiles/redis\nhoc publish profiles/redis/profile.jsonnet",
	 .exits = EXITS_PROFILE "\n" EXITS_ASK},
	{.name = "supply",
	 .group = catalogue,
	 .arguments = "RELEASE NODE",
	 .min_args = 2,
	 .max_args = 2,
	 .fn = verb_supply,
	 .help = "Have a release built on a node, so that it can be ordered there.",
	 .details = "Returns at once; the node builds as soon as it hears of it. How far it "
		    "is: hoc node status, on the node.",
	 .example = "hoc supply redis n1",
	 .exits = EXITS_ASK},
	{.name = "unsupply",
	 .group = catalogue,
	 .arguments = "RELEASE NODE",
	 .min_args = 2,
	 .max_args = 2,
	 .fn = verb_unsupply,
	 .help = "Have a release removed from a node, once nothing uses it there.",
	 .example = "hoc unsupply redis@0123abcd n1",
	 .exits = EXITS_ASK},

	{.name = "profile check",
	 .group = publishing,
	 .arguments = "PROFILE",
	 .min_args = 1,
	 .max_args = 1,
	 .fn = verb_profile_check,
	 .help = "Check a profile: does it evaluate, is it complete, does an instance make "
		 "sense?",
	 .details = PROFILE_IS "\nAn instance of each type is evaluated with its default "
			       "parameters, or the first of the schema's examples.",
	 .example = "hoc profile check profiles/redis",
	 .exits = "1 it has errors; each is printed with its place\n" EXITS_PROFILE},
	{.name = "profile show",
	 .group = publishing,
	 .arguments = "PROFILE",
	 .min_args = 1,
	 .max_args = 1,
	 .fn = verb_profile_show,
	 .help = "Show what a profile says of itself: software, types, parameters.",
	 .details = PROFILE_IS,
	 .example = "hoc profile show profiles/redis --json",
	 .exits = EXITS_PROFILE},
	{.name = "profile lock",
	 .group = publishing,
	 .arguments = "PROFILE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = lock_options,
	 .fn = verb_profile_lock,
	 .help = "Resolve a profile's software to exact packages and hashes.",
	 .details = PROFILE_IS "\nWrites the lock, which is JSON, to standard output or to "
			       "FILE. Asks the mirrors of Debian that apt of this machine "
			       "uses; nothing of that apt is changed.",
	 .example = "hoc profile lock profiles/redis --dir /var/tmp/hoc --output redis.lock",
	 .exits = EXITS_PROFILE
	 "\n11 apt or a mirror failed; the text names the package or command"},
	{.name = "profile build",
	 .group = publishing,
	 .arguments = "PROFILE",
	 .min_args = 1,
	 .max_args = 1,
	 .options = dir_options,
	 .fn = verb_profile_build,
	 .help = "Build a profile's software on this machine. Needs root.",
	 .details = PROFILE_IS "\nWhat was built before is found again; a build that was "
			       "interrupted goes on. Packages are kept by content in "
			       "DIR/cache.",
	 .example = "hoc profile build profiles/redis --dir /var/lib/hoc/node",
	 .exits = EXITS_PROFILE "\n8 another process builds it at this moment\n"
				"11 a package or a command failed; the text names it"},

	{.name = "usage",
	 .group = commerce,
	 .options = usage_options,
	 .fn = verb_usage,
	 .help = "Show what instances used, in the units in which it is sold.",
	 .example = "hoc usage\nhoc usage --customer acme --from 2026-10-01 --to 2026-11-01",
	 .exits = EXITS_ASK},
	{.name = "price set",
	 .group = commerce,
	 .arguments = "NAME FILE",
	 .min_args = 2,
	 .max_args = 2,
	 .fn = verb_price_set,
	 .help = "Set a price list from a JSON file.",
	 .details = "The list is replaced as a whole; invoices that are final stay as they "
		    "are. The list \"default\" is used where no other is named.",
	 .example = "hoc price set default prices.json",
	 .exits = "3 there is no such file\n" EXITS_ASK},
	{.name = "price list",
	 .group = commerce,
	 .fn = verb_price_list,
	 .help = "Show the price lists.",
	 .example = "hoc price list",
	 .exits = EXITS_ASK},
	{.name = "customer set",
	 .group = commerce,
	 .arguments = "NAME",
	 .min_args = 1,
	 .max_args = 1,
	 .options = customer_set_options,
	 .fn = verb_customer_set,
	 .help = "Say who a customer is: what stands on invoices.",
	 .example = "hoc customer set acme --address \"1 Main Street, Lille\" --country FR",
	 .exits = EXITS_ASK},
	{.name = "invoice run",
	 .group = commerce,
	 .arguments = "CUSTOMER",
	 .min_args = 1,
	 .max_args = 1,
	 .options = invoice_options,
	 .fn = verb_invoice_run,
	 .help = "Bill a period: the same period twice gives the same invoice.",
	 .example = "hoc invoice run acme --from 2026-10-01 --to 2026-11-01",
	 .exits = "4 the period shares time with an invoice that is there\n" EXITS_ASK},
	{.name = "invoice list",
	 .group = commerce,
	 .options = customer_options,
	 .fn = verb_invoice_list,
	 .help = "Show the invoices.",
	 .example = "hoc invoice list --customer acme",
	 .exits = EXITS_ASK},
	{.name = "invoice show",
	 .group = commerce,
	 .arguments = "NUMBER",
	 .min_args = 1,
	 .max_args = 1,
	 .fn = verb_invoice_show,
	 .help = "Show an invoice as a page, or with --json as a document.",
	 .example = "hoc invoice show NUMBER\nhoc invoice show NUMBER --json",
	 .exits = "3 there is no such invoice\n" EXITS_ASK},

};

/* About the program itself; these stand last in the overview. */
static const struct cli_cmd own[] = {
	{.name = "version",
	 .group = program,
	 .fn = verb_version,
	 .help = "Say which version this is; also hoc --version.",
	 .example = "hoc version"},
	{.name = "docs man",
	 .group = program,
	 .arguments = "DIR",
	 .min_args = 1,
	 .max_args = 1,
	 .fn = verb_docs_man,
	 .help = "Write the man pages into a directory.",
	 .example = "hoc docs man /usr/local/share/man/man1"},
	{.name = "docs completion",
	 .group = program,
	 .fn = verb_docs_completion,
	 .help = "Print the completion for bash.",
	 .example = "source <(hoc docs completion)"},
	{.name = "docs verbs",
	 .group = program,
	 .fn = verb_docs_verbs,
	 .help = "Print the manuals of all verbs as a page.",
	 .example = "hoc docs verbs >verbs.md"},
	{.name = "docs events",
	 .group = program,
	 .fn = verb_docs_events,
	 .help = "Print the events of the log: meaning, what to do.",
	 .example = "hoc docs events >events.md"},
	{.name = "docs errors",
	 .group = program,
	 .fn = verb_docs_errors,
	 .help = "Print the kinds of errors with their codes.",
	 .example = "hoc docs errors >errors.md"},
};

const struct cli_table cli_commands = {cmds, ARRAY_LEN(cmds)};
const struct cli_table cli_own_commands = {own, ARRAY_LEN(own)};
