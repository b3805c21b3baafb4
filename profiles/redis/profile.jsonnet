// SPDX-License-Identifier: AGPL-3.0-or-later
// Redis: one server with a password, every write kept in an append-only file.
local hoc = import 'hoc.libsonnet';

hoc.profile {
  name: 'redis',
  title: 'Redis',
  category: 'database',
  description: 'A Redis server with a password and an append-only file.',
  homepage: 'https://redis.io/',
  software: hoc.debian(['redis-server']),

  types: {
    default: {
      title: 'Server',
      parameters: hoc.object({
        memory_mib: {
          type: 'integer',
          minimum: 1,
          maximum: 1048576,
          default: 64,
          description: 'Memory for data.',
        },
        eviction: {
          type: 'string',
          enum: ['noeviction', 'allkeys-lru', 'allkeys-lfu', 'volatile-lru', 'volatile-lfu', 'volatile-ttl'],
          default: 'noeviction',
          description: 'What happens when the memory is used up.',
        },
        fsync: {
          type: 'string',
          enum: ['always', 'everysec', 'no'],
          default: 'everysec',
          description: 'When writes reach the disk.',
        },
      }),
      connection: hoc.object({
        // redis-cli and other clients do not read IPv6 addresses in URLs.
        url: { type: 'string', secret: true, description: 'Address with password, over IPv4.' },
        url_ipv6: { type: 'string', secret: true, description: 'The same over IPv6.' },
      }, ['url']),
      secrets: { password: { length: 32 } },

      instance(i):: {
        local p = i.parameters,
        local ip = i.partition,
        local url(host) = 'redis://default:' + i.secrets.password + '@' + hoc.bracket(host) + ':6379/0',

        files: {
          'etc/redis.conf': hoc.keyValue({
            bind: ip.ipv4 + ' ' + ip.ipv6,
            port: 6379,
            requirepass: i.secrets.password,
            daemonize: 'no',
            dir: '/hoc/var',
            appendonly: 'yes',
            appendfsync: p.fsync,
            maxmemory: p.memory_mib + 'mb',
            'maxmemory-policy': p.eviction,
            loglevel: 'notice',
            logfile: '""',
            'always-show-logo': 'no',
          }),
          // Read by the promise: the password stands on no command line.
          'etc/password': { reload: 'none', text: i.secrets.password },
        },

        services: {
          redis: {
            exec: ['/usr/bin/redis-server', '/hoc/etc/redis.conf'],
            ready: { tcp: { port: 6379 } },
            stop_seconds: 30,
          },
        },

        promises: {
          answers: hoc.promise.tcp(6379),
          pings: hoc.promise.exec(hoc.shell(
            'REDISCLI_AUTH=$(cat /hoc/etc/password) redis-cli --no-auth-warning -h "$1" ping | grep -qx PONG',
            [ip.ipv4]
          )),
        },

        publish: { url: url(ip.ipv4), url_ipv6: url(ip.ipv6) },
        ports: { redis: { port: 6379, protocol: 'tcp' } },
      },
    },
  },
}
