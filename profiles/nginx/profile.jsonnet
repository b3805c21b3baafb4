// SPDX-License-Identifier: AGPL-3.0-or-later
// nginx: a static site of one page.
local hoc = import 'hoc.libsonnet';

hoc.profile {
  name: 'nginx',
  title: 'Static site (nginx)',
  category: 'web',
  description: 'A web server with one page whose title and text are parameters.',
  homepage: 'https://nginx.org/',
  software: hoc.debian(['nginx']),

  types: {
    default: {
      title: 'Site',
      parameters: hoc.object({
        title: {
          type: 'string',
          minLength: 1,
          maxLength: 200,
          default: 'Hello',
          description: 'Title and heading of the page.',
        },
        text: {
          type: 'string',
          maxLength: 20000,
          default: 'This page is served by its owner.',
          description: 'Text below the heading; empty lines separate paragraphs.',
        },
      }),
      connection: hoc.object({
        url: { type: 'string', description: 'Address of the site, over IPv6.' },
        url_ipv4: { type: 'string', description: 'The same over IPv4.' },
      }, ['url']),

      instance(i):: {
        local p = i.parameters,
        local ip = i.partition,
        local title = hoc.html(p.title),

        files: {
          'etc/nginx.conf': {
            reload: 'signal',
            services: ['nginx'],
            text: hoc.nginx([
              ['daemon', 'off'],
              ['worker_processes', 1],
              ['pid', '/hoc/run/nginx.pid'],
              ['error_log', 'stderr', 'warn'],
              ['events', [['worker_connections', 1024]]],
              ['http', [
                ['include', '/etc/nginx/mime.types'],
                ['default_type', 'application/octet-stream'],
                ['charset', 'utf-8'],
                ['sendfile', 'on'],
                ['server_tokens', 'off'],
                ['access_log', 'off'],
              ] + [
                [kind + '_temp_path', '/tmp/' + kind]
                for kind in ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
              ] + [
                ['server', [
                  ['listen', ip.ipv4 + ':80'],
                  ['listen', hoc.bracket(ip.ipv6) + ':80'],
                  ['root', '/hoc/var/www'],
                  ['index', 'index.html'],
                ]],
              ]],
            ]),
          },
          // nginx reads the page at each request: a change of it needs nothing else.
          'var/www/index.html': {
            reload: 'none',
            mode: '0644',
            text: |||
                    <!DOCTYPE html>
                    <html lang="en">
                    <head>
                    <meta charset="utf-8">
                    <meta name="viewport" content="width=device-width, initial-scale=1">
                  ||| + '<title>' + title + '</title>\n</head>\n<body>\n<h1>' + title + '</h1>\n'
                  + std.join('', ['<p>' + hoc.html(part) + '</p>\n' for part in hoc.paragraphs(p.text)])
                  + '</body>\n</html>\n',
          },
        },

        services: {
          nginx: {
            exec: ['/usr/sbin/nginx', '-e', 'stderr', '-c', '/hoc/etc/nginx.conf'],
            ready: { tcp: { port: 80 } },
            reload_signal: 'SIGHUP',
            stop_signal: 'SIGQUIT',
          },
        },

        promises: {
          answers: hoc.promise.tcp(80),
          shows_title: hoc.promise.http('http://' + ip.ipv4 + '/', contains='<h1>' + title + '</h1>'),
        },

        publish: {
          url: 'http://' + hoc.bracket(ip.ipv6) + '/',
          url_ipv4: 'http://' + ip.ipv4 + '/',
        },
        ports: { http: { port: 80, protocol: 'tcp' } },
      },
    },
  },
}
