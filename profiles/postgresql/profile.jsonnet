// SPDX-License-Identifier: AGPL-3.0-or-later
// PostgreSQL 15: one server, one database with its owner, password over the network (SCRAM).
local hoc = import 'hoc.libsonnet';

local bin = '/usr/lib/postgresql/15/bin/';
local data = '/hoc/var/data';

// A value in postgresql.conf; quotes are doubled.
local quoted(v) = "'" + std.strReplace(v, "'", "''") + "'";

// The name of a role or database: short enough for the name of a setup step, needs no quoting.
local identifier(default, description) = {
  type: 'string',
  pattern: '^[a-z][a-z0-9_]{0,23}$',
  default: default,
  description: description,
};

hoc.profile {
  name: 'postgresql',
  title: 'PostgreSQL',
  category: 'database',
  description: 'A PostgreSQL 15 server with one database and its owner.',
  homepage: 'https://www.postgresql.org/',
  // Without this file the package would make a server of its own while the release is built.
  software: hoc.debian(
    ['postgresql-15'],
    files={ 'etc/postgresql-common/createcluster.conf': 'create_main_cluster = false\n' }
  ),

  types: {
    default: {
      title: 'Server',
      parameters: hoc.object({
        database: identifier('app', 'Name of the database.'),
        user: identifier('app', 'Name of its owner.'),
        memory_mib: {
          type: 'integer',
          minimum: 64,
          maximum: 1048576,
          default: 256,
          description: 'Memory the server is tuned for.',
        },
        max_connections: {
          type: 'integer',
          minimum: 5,
          maximum: 5000,
          default: 100,
          description: 'Connections at the same time.',
        },
      }),
      connection: hoc.object({
        url: { type: 'string', secret: true, description: 'Address with user and password, over IPv6.' },
        url_ipv4: { type: 'string', secret: true, description: 'The same over IPv4.' },
      }, ['url']),
      secrets: { password: { length: 24 }, superuser: { length: 32 } },

      instance(i):: {
        local p = i.parameters,
        local ip = i.partition,
        local url(host) =
          'postgresql://' + p.user + ':' + i.secrets.password + '@' + hoc.bracket(host) + ':5432/' + p.database,

        files: {
          'etc/postgresql.conf': {
            services: ['postgres'],
            text: hoc.keyValue({
              data_directory: data,
              hba_file: '/hoc/etc/pg_hba.conf',
              ident_file: '/hoc/etc/pg_ident.conf',
              listen_addresses: ip.ipv4 + ',' + ip.ipv6,
              port: 5432,
              unix_socket_directories: '/hoc/run',
              max_connections: p.max_connections,
              shared_buffers: std.max(16, std.floor(p.memory_mib / 4)) + 'MB',
              effective_cache_size: std.floor(p.memory_mib * 3 / 4) + 'MB',
              maintenance_work_mem: std.max(8, std.floor(p.memory_mib / 16)) + 'MB',
              // After a crash one flush of the file system, not of a thousand files one by one.
              recovery_init_sync_method: 'syncfs',
              dynamic_shared_memory_type: 'sysv',
              password_encryption: 'scram-sha-256',
              log_destination: 'stderr',
              log_line_prefix: '%m %u@%d ',
            }, ' = ', quoted),
          },
          'etc/pg_hba.conf': {
            reload: 'signal',
            services: ['postgres'],
            text: |||
              local all postgres peer map=hoc
              local all all scram-sha-256
              host all postgres all reject
              host all all all scram-sha-256
            |||,
          },
          'etc/pg_ident.conf': { reload: 'signal', services: ['postgres'], text: 'hoc hoc postgres\n' },
          // Read by promises: the password stands on no command line.
          'etc/pgpass': { reload: 'none', text: '*:*:*:*:' + i.secrets.password + '\n' },
          'etc/superuser': { reload: 'none', text: i.secrets.superuser + '\n' },
          // A half made cluster is never taken for a whole one: it gets its name at the end.
          'etc/initdb.sh': {
            reload: 'none',
            text: hoc.fill(|||
              set -eu
              if [ -d @data@ ]; then exit 0; fi
              rm -rf @data@.new
              @bin@initdb -D @data@.new -U postgres -E UTF8 --locale=C.UTF-8 \
                --auth=scram-sha-256 --pwfile=/hoc/etc/superuser >/hoc/log/initdb.log 2>&1 || {
                tail -n 5 /hoc/log/initdb.log >&2
                exit 1
              }
              mv @data@.new @data@
              sync -f @data@
            |||, { data: data, bin: bin }),
          },
          // Who holds run/lock is the server, wherever its process is counted. Without a server the
          // statements are run by PostgreSQL's single-user mode.
          'etc/database.sh': {
            reload: 'none',
            text: hoc.fill(|||
              set -eu
              exec 9>/hoc/run/lock
              run() {
                if flock -n 9; then
                  rm -f @data@/postmaster.pid
                  @bin@postgres --single -c config_file=/hoc/etc/postgresql.conf \
                    -c exit_on_error=true -c log_min_messages=fatal postgres
                else
                  @bin@psql -X -q -v ON_ERROR_STOP=1 -h /hoc/run -U postgres -d postgres
                fi
              }
              found=$(run </hoc/etc/role.sql)
              case "$found" in
                *database-is-there*) ;;
                *) echo 'CREATE DATABASE "@database@" OWNER "@user@";' | run >/dev/null ;;
              esac
            |||, { bin: bin, data: data, database: p.database, user: p.user }),
          },
          // One statement a line, as the single-user mode wants it.
          'etc/role.sql': {
            reload: 'none',
            text: hoc.fill(|||
              DO $$BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '@user@') THEN ALTER ROLE "@user@" LOGIN PASSWORD '@password@'; ELSE CREATE ROLE "@user@" LOGIN PASSWORD '@password@'; END IF; END$$;
              SELECT 'database-' || 'is-there' FROM pg_database WHERE datname = '@database@';
            |||, { user: p.user, password: i.secrets.password, database: p.database }),
          },
        },

        setup: [
          { name: 'initdb', exec: ['/bin/sh', '/hoc/etc/initdb.sh'], once: true },
          {
            name: 'database-' + p.user + '-' + p.database,
            exec: ['/bin/sh', '/hoc/etc/database.sh'],
            once: true,
          },
        ],

        services: {
          postgres: {
            exec: [
              '/usr/bin/flock',
              '--nonblock',
              '--no-fork',
              '/hoc/run/lock',
              bin + 'postgres',
              '-c',
              'config_file=/hoc/etc/postgresql.conf',
            ],
            // The port is open before the server answers: recovery after a crash takes its time.
            ready: { exec: [bin + 'pg_isready', '-q', '-t', '1', '-h', ip.ipv4, '-p', '5432'] },
            reload_signal: 'SIGHUP',
            stop_signal: 'SIGINT',
            stop_seconds: 30,
          },
        },

        promises: {
          answers: hoc.promise.tcp(5432),
          queries: hoc.promise.exec([
            bin + 'psql',
            'host=' + ip.ipv4 + ' port=5432 dbname=' + p.database + ' user=' + p.user
            + ' passfile=/hoc/etc/pgpass connect_timeout=4',
            '-X',
            '-q',
            '-c',
            'SELECT 1',
          ]),
        },

        publish: { url: url(ip.ipv6), url_ipv4: url(ip.ipv4) },
        ports: { postgresql: { port: 5432, protocol: 'tcp' } },
      },
    },
  },
}
