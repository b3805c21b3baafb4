// SPDX-License-Identifier: AGPL-3.0-or-later
// A page behind busybox: the smallest service that answers, so that the time is the cloud's.
local hoc = import 'hoc.libsonnet';

hoc.profile {
  name: 'tiny',
  title: 'A page',
  category: 'test',
  software: hoc.debian(['busybox-static']),

  types: {
    default: {
      parameters: hoc.object({ text: { type: 'string', maxLength: 1000, default: 'hello' } }),
      connection: hoc.object({ url: { type: 'string' } }),
      instance(i):: {
        local address = i.partition.ipv4,
        local url = 'http://%s/' % address,

        files: { 'www/index.html': { reload: 'none', text: i.parameters.text } },
        services: {
          page: {
            exec: ['/bin/busybox', 'httpd', '-f', '-p', address + ':80', '-h', '/hoc/www'],
            ready: { tcp: { port: 80 } },
            stop_seconds: 2,
          },
        },
        promises: {
          answers: hoc.promise.tcp(80),
          page: hoc.promise.http(url, i.parameters.text),
        },
        publish: { url: url },
        ports: { page: { port: 80, protocol: 'tcp' } },
      },
    },
  },
}
