#!/bin/bash
# SPDX-License-Identifier: AGPL-3.0-or-later
# A private PostgreSQL cluster for tests: a unix socket only, durable (fsync=on), trust inside its
# own directory. Prints the URL of an empty database.
#
#   pg-cluster.sh start DIR    makes DIR if needed and starts it; a stopped one starts again
#   pg-cluster.sh stop DIR     stops it as a crash would; the data stays in DIR
#
# HOC_PG_TEMPLATE=PATH: an initdb made once and copied from then on. PG_BIN: its programs.
# Root may not run PostgreSQL: then user postgres (or nobody) does, and owns DIR.
set -eu

bin=${PG_BIN:-/usr/lib/postgresql/15/bin}
usage() { sed -n '3,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -eq 2 ] || usage
verb=$1 dir=$2
[ -x "$bin/initdb" ] || { echo "no PostgreSQL in $bin" >&2; exit 1; }

as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
	owner=postgres
	id "$owner" >/dev/null 2>&1 || owner=nobody
	as() { setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups env -C / "$@"; }
fi

# Makes a data directory at $1.
init() {
	as "$bin/initdb" -D "$1" -U hoc --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
	cat >>"$1/postgresql.conf" <<-CONF
		listen_addresses = ''
		fsync = on
		synchronous_commit = on
		full_page_writes = on
		max_connections = 100
		shared_buffers = 32MB
		log_min_messages = fatal
	CONF
}

own() { [ "$(id -u)" != 0 ] || chown "$owner" "$1"; }

make_data() {
	local template=${HOC_PG_TEMPLATE:-}
	if [ -z "$template" ]; then
		init "$dir/data"
		return
	fi
	if [ ! -f "$template/PG_VERSION" ]; then
		local fresh
		fresh=$(mktemp -d "$dir/template.XXXXXX")
		own "$fresh"
		init "$fresh"
		# Two at once may both get here: the first to move wins.
		mv -T "$fresh" "$template" 2>/dev/null || rm -rf "$fresh"
	fi
	cp -a "$template" "$dir/data"
}

start() {
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	own "$dir"
	chmod 0700 "$dir"
	[ -f "$dir/data/PG_VERSION" ] || make_data
	as "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 -s \
		-o "-c unix_socket_directories='$dir'" start >/dev/null || {
		tail -5 "$dir/server.log" >&2
		exit 1
	}
	as "$bin/psql" -X -q -h "$dir" -U hoc -d postgres -Atc \
		"SELECT 1 FROM pg_database WHERE datname = 'hoc'" | grep -q 1 ||
		as "$bin/createdb" -h "$dir" -U hoc hoc
	echo "postgresql:///hoc?host=$dir&user=hoc"
}

case $verb in
start) start ;;
stop) as "$bin/pg_ctl" -D "$(cd "$dir" && pwd)/data" -m immediate -w -s stop ;;
*) usage ;;
esac
