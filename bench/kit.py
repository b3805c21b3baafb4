# SPDX-License-Identifier: AGPL-3.0-or-later
"""What the benchmarks share: a table, percentiles, what /proc tells, processes that are ended."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Not /tmp, which may be memory: a flush must reach a disk.
PLACE = "/var/tmp"


class Trouble(Exception):
    """A measurement could not be made; the text says why."""


class Table:
    """Rows are printed as they come; texts and numbers are laid out by their size."""
    HEAD = ("what", "ours", "rival", "ratio", "unit", "aim")
    WIDTHS = (58, 13, 23, 8, 10, 10)

    def __init__(self):
        self.line(self.HEAD)
        self.line(["-" * w for w in self.WIDTHS])

    def line(self, cells):
        print("  ".join(f"{cell:<{w}}" for cell, w in zip(cells, self.WIDTHS)).rstrip(), flush=True)

    def row(self, what, ours, unit, rival=None, rival_name="", aim="", ratio=None):
        """Numbers, or pairs (p50, p99). Ratio: ours to the rival's, of the first number."""
        if rival is not None and ratio is None:
            ratio = first(ours) / first(rival) if first(rival) else None
        self.line((what, shown(ours), f"{shown(rival)} {rival_name}" if rival is not None else "-",
                   f"{shown(ratio)}x" if ratio is not None else "-", unit, aim or "-"))

    def note(self, text):
        print(f"  {text}", flush=True)


def first(value):
    return value[0] if isinstance(value, tuple) else value


def shown(value):
    if isinstance(value, tuple):
        return " / ".join(shown(v) for v in value)
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def percentiles(values):
    """(p50, p99) by the nearest rank."""
    ordered = sorted(values)
    return tuple(ordered[min(len(ordered) - 1, int(len(ordered) * p))] for p in (0.5, 0.99))


def cpu_seconds(pid):
    """Of all threads of a process, to the nanosecond: the clock that the kernel keeps for it."""
    return time.clock_gettime((~pid << 3) | 2)


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def pid_with_words(*words):
    """The process whose command line has all these words."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                line = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if all(word in line for word in words):
            return int(entry)
    raise Trouble(f"no process {' '.join(words)}")


def await_(look, seconds, what):
    """What `look` gives once it gives something."""
    deadline = time.monotonic() + seconds
    while True:
        got = look()
        if got:
            return got
        if time.monotonic() > deadline:
            raise Trouble(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Place:
    """A folder on disk, and the things in it that must be ended, last first."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="hoc-bench-", dir=PLACE)
        os.chmod(self.path, 0o755)
        self.ends = []

    def folder(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(path, exist_ok=True)
        return path

    def start(self, name, argv, **options):
        """A process; its errors go to NAME.log."""
        with open(os.path.join(self.path, name + ".log"), "ab") as log:
            options.setdefault("stdout", log)
            p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=log, **options)
        self.ends.append(lambda: end(p))
        return p

    def log(self, name):
        with open(os.path.join(self.path, name + ".log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def close(self):
        for stop in reversed(self.ends):
            try:
                stop()
            except (OSError, Trouble, subprocess.SubprocessError) as e:
                print(f"  not ended in order: {e}")
        self.ends = []
        shutil.rmtree(self.path, ignore_errors=True)


def end(process, seconds=20):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Programs:
    """The programs that make built: hoc, load, slow_disk, respawn."""

    def __init__(self, hoc, paths):
        self.original = self.hoc = hoc
        self.paths = {os.path.basename(p): os.path.abspath(p) for p in paths}

    def settle(self, place):
        """Works on a copy of hoc: nobody builds it anew under a running cloud."""
        self.hoc = shutil.copy(self.original, os.path.join(place.path, "hoc"))

    def __getitem__(self, name):
        if name not in self.paths:
            raise Trouble(f"bench/run was not given the program {name}: use make bench")
        return self.paths[name]

    def load(self, address, path, method="GET", body=None, clients=64, seconds=4, first=0, most=0):
        argv = [self["load"], "-c", clients, "-t", seconds, "-n", most, "-f", first, "-m", method]
        argv += ["-b", json.dumps(body, separators=(",", ":"))] if body is not None else []
        done = subprocess.run([str(a) for a in argv + [address, path]], capture_output=True, text=True)
        if done.returncode:
            raise Trouble(done.stderr.strip())
        return json.loads(done.stdout)

    def under_slow_disk(self, delay_us, count_file, argv):
        return [self["slow_disk"], str(delay_us), count_file] + argv


def flushes(count_file):
    with open(count_file, "rb") as f:
        return int.from_bytes(f.read(8), "little")
