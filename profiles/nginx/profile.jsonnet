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
        tls: {
          type: 'boolean',
          default: false,
          description: 'Serve over HTTPS too, with a certificate of the cloud for TITLE.CUSTOMER.ZONE or the names below.',
        },
        names: {
          type: 'array',
          maxItems: 20,
          default: [],
          items: { type: 'string', minLength: 1, maxLength: 253 },
          description: 'Names of the customer that the certificate is for.',
        },
      }),
      connection: hoc.object({
        url: { type: 'string', description: 'Address of the site, over IPv6.' },
        url_ipv4: { type: 'string', description: 'The same over IPv4.' },
        url_tls: { type: 'string', description: 'Its address over HTTPS, if that was asked for.' },
      }, ['url']),

      instance(i):: {
        local p = i.parameters,
        local ip = i.partition,
        local title = hoc.html(p.title),
        local names = if std.length(p.names) > 0 then p.names else [i.title + '.' + i.customer + '.' + i.zone],

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
                ] + (if !p.tls then [] else [
                       ['listen', ip.ipv4 + ':443', 'ssl'],
                       ['listen', hoc.bracket(ip.ipv6) + ':443', 'ssl'],
                       ['ssl_certificate', '/hoc/etc/tls/site.pem'],
                       ['ssl_certificate_key', '/hoc/etc/tls/site.key'],
                       ['ssl_protocols', 'TLSv1.2', 'TLSv1.3'],
                     ]) + [
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

        // The key is made in the partition; a fresh chain needs a signal only.
        certificates: if !p.tls then {} else {
          site: { names: p.names, roots: 'etc/tls/roots.pem', reload: 'signal', services: ['nginx'] },
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
        } + (if p.tls then { answers_tls: hoc.promise.tcp(443) } else {}),

        publish: {
          url: 'http://' + hoc.bracket(ip.ipv6) + '/',
          url_ipv4: 'http://' + ip.ipv4 + '/',
        } + (if p.tls then { url_tls: 'https://' + names[0] + '/' } else {}),
        ports: { http: { port: 80, protocol: 'tcp' } }
               + (if p.tls then { https: { port: 443, protocol: 'tcp' } } else {}),
      },
    },
  },
}
