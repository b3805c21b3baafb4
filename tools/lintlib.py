# SPDX-License-Identifier: AGPL-3.0-or-later
"""The frame of every check: which files there are, how findings are told, how a check is tried.

A check is a function of a Tree that yields findings "path:line: what is wrong". Each brings
samples: small trees with the finding they must give (or None), so that a check which can no
longer fail is itself a failure: `tools/check-x --self-test`.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIP = {".git", "out", ".demo", "__pycache__", "generated", ".pytest_cache"}


class Tree:
    """The files below a folder, without what was built."""

    def __init__(self, root):
        self.root = pathlib.Path(root)

    def files(self, *suffixes, under=""):
        """Paths relative to the root, sorted; all files if no suffix is named."""
        found = []
        for folder, names, files in os.walk(self.root / under):
            names[:] = sorted(n for n in names if n not in SKIP)
            for name in files:
                if not suffixes or name.endswith(suffixes):
                    found.append(os.path.relpath(os.path.join(folder, name), self.root))
        return sorted(found)

    def text(self, path):
        return (self.root / path).read_text(encoding="utf-8", errors="replace")

    def lines(self, path):
        return list(enumerate(self.text(path).splitlines(), 1))

    def has(self, path):
        return (self.root / path).exists()


def without_comments(text, keep_strings=True):
    """C text with comments (and string contents) blanked, line numbers kept."""

    def blank(match):
        found = match.group(0)
        if found.startswith("/"):
            return re.sub(r"[^\n]", " ", found)
        return found if keep_strings else found[0] + " " * (len(found) - 2) + found[-1]

    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def c_flags():
    """What the compiler is told in every flavour, foreign headers included."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    packages = " ".join(re.findall(r"^PKG_\w+\s*:=(.*)$", makefile, re.M)).split()
    found = subprocess.run(["pkg-config", "--cflags", *packages], capture_output=True, text=True, check=True)
    return ["-std=gnu17", "-D_GNU_SOURCE", "-Isrc", *found.stdout.split()]


def try_samples(check, samples):
    """Runs the check on each sample; returns what went wrong."""
    wrong = []
    for name, files, want in samples:
        with tempfile.TemporaryDirectory() as folder:
            for path, content in files.items():
                target = pathlib.Path(folder) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content, encoding="utf-8")
            found = list(check(Tree(folder)))
        if want is None and found:
            wrong.append(f"sample “{name}” must be clean, but: {found[0]}")
        if want is not None and not any(want in f for f in found):
            wrong.append(f"sample “{name}” must give “{want}”, gave {found or 'nothing'}")
    if not any(want for _, _, want in samples):
        wrong.append("no sample fails: nothing proves that the check can")
    return wrong


def main(check, samples):
    wrong = try_samples(check, samples)
    if "--self-test" not in sys.argv and not wrong:
        wrong = list(check(Tree(ROOT)))
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)
