// SPDX-License-Identifier: AGPL-3.0-or-later
// What profiles are made of. An instance waits while its profile is evaluated: + and strReplace are
// fast, % and findSubstr take milliseconds. A profile is `hoc.profile { … }`; see profiles/README.md for the words.
{
  // The frame: what every profile must say. A missing field is named when the profile is read.
  profile:: {
    name: error 'the profile needs a name',
    title: error 'the profile needs a title',
    category: error 'the profile needs a category',
    description: '',
    software: error 'the profile needs software, e.g. hoc.debian([...])',
    types: error 'the profile needs types',
  },

  // Packages of a Debian suite. `files`: {path: text} that exist before the packages are installed.
  debian(packages, suite='bookworm', files={}):: {
    debian: { suite: suite, packages: packages } + (if files == {} then {} else { files: files }),
  },

  // JSON Schema: an object with these properties, closed.
  object(properties, required=[]):: {
    type: 'object',
    properties: properties,
    required: required,
    additionalProperties: false,
  },

  // Promises. Add options with +: hoc.promise.tcp(80) + { period_seconds: 10 }.
  promise:: {
    // A connection to the port is accepted; without host on the partition's IPv4 address.
    tcp(port, host=null):: { tcp: { port: port } + (if host == null then {} else { host: host }) },
    // The page answers with the status, and its body contains the text.
    http(url, contains=null, status=200):: {
      http: { url: url, status: status } + (if contains == null then {} else { contains: contains }),
    },
    // The command, run inside the instance, exits with 0.
    exec(command):: { exec: { command: command } },
    // The file (relative to /hoc) exists, and contains the text.
    file(path, contains=null):: {
      file: { path: path } + (if contains == null then {} else { contains: contains }),
    },
    // The service runs.
    process(service):: { process: { service: service } },
  },

  // What a child published, or null while it has not: hoc.child(i, 'db').
  child(i, name)::
    if std.objectHas(i.children, name) then i.children[name] else null,

  // An address as URLs want it: [IPv6].
  bracket(ip):: if std.strReplace(ip, ':', '') == ip then ip else '[' + ip + ']',

  // A command of the shell. Arguments follow as $1, $2…
  shell(script, args=[]):: ['/bin/sh', '-c', script, 'sh'] + args,

  // A text with each @NAME@ replaced. For scripts: the values must not be texts of customers. (The
  // operator % is a hundred times slower than this: it is written in Jsonnet.)
  fill(text, values):: std.foldl(
    function(t, name) std.strReplace(t, '@' + name + '@', values[name]),
    std.objectFields(values),
    text
  ),

  // Text for a page.
  html(text):: std.foldl(
    function(s, r) std.strReplace(s, r[0], r[1]),
    [['&', '&amp;'], ['<', '&lt;'], ['>', '&gt;'], ['"', '&quot;'], ["'", '&#39;']],
    text
  ),

  // A text in parts: what empty lines separate. (std.split takes a single character.)
  paragraphs(text):: std.split(std.strReplace(text, '\n\n', '\u0001'), '\u0001'),

  // ---- writers of configuration ----

  local scalar(v) = if std.isString(v) then v else if std.isBoolean(v) then (if v then 'yes' else 'no') else '' + v,

  // One line a field, sorted: {a: 1, b: [2, 3]} gives "a 1", "b 2", "b 3". null is left out.
  keyValue(fields, separator=' ', quote=function(v) v):: std.join('', [
    key + separator + quote(scalar(v)) + '\n'
    for key in std.objectFields(fields)
    for v in (if std.isArray(fields[key]) then fields[key] else if fields[key] == null then [] else [fields[key]])
  ]),

  // {section: {key: value}} as [section] and key = value; fields outside of sections stand first.
  ini(sections)::
    $.keyValue({ [k]: sections[k] for k in std.objectFields(sections) if !std.isObject(sections[k]) }, ' = ')
    + std.join('', [
      '[' + name + ']\n' + $.keyValue(sections[name], ' = ')
      for name in std.objectFields(sections)
      if std.isObject(sections[name])
    ]),

  // nginx: a list of [word…] for a line and [word…, [list]] for a block.
  nginx(lines, indent=''):: std.join('', [
    local last = line[std.length(line) - 1];
    indent + std.join(' ', [scalar(w) for w in line if !std.isArray(w)])
    + (if std.isArray(last) then ' {\n' + $.nginx(last, indent + '  ') + indent + '}\n' else ';\n')
    for line in lines
  ]),
}
