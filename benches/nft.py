#!/usr/bin/env python3
"""The firewall, side by side in one run: the port, libnftables through `nft -j`, and the kernel alone.

usage: nft.py PORT FLOOR ECHO   (in a network namespace of its own; PORT and ECHO as an ordinary user, FLOOR and nft as root)
Each figure is the median of several runs; the ratio is what counts, as machines differ and are never idle."""
import json
import os
import statistics
import struct
import subprocess
import sys
import time

PORT, FLOOR, ECHO = sys.argv[1].split(), sys.argv[2], sys.argv[3].split()
RUNS = 7


class Atom(str):
    """An atom; other text is a binary."""


def term(value):
    """External Term Format, as much of it as requests need."""
    if isinstance(value, Atom):
        text = value.encode()
        return b"w" + bytes([len(text)]) + text
    if value is None:
        return term(Atom("null"))
    if isinstance(value, bool):
        return term(Atom("true" if value else "false"))
    if isinstance(value, int):
        if 0 <= value < 256:
            return b"a" + bytes([value])
        return b"b" + struct.pack(">i", value)
    if isinstance(value, str):
        text = value.encode()
        return b"m" + struct.pack(">I", len(text)) + text
    if isinstance(value, tuple):
        return b"h" + bytes([len(value)]) + b"".join(map(term, value))
    if isinstance(value, list):
        if not value:
            return b"j"
        return b"l" + struct.pack(">I", len(value)) + b"".join(map(term, value)) + b"j"
    pairs = b"".join(term(key) + term(item) for key, item in value.items())
    return b"t" + struct.pack(">I", len(value)) + pairs


class Client:
    """A program that speaks frames on its standard descriptors."""

    def __init__(self, command, greets=True):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.held = b""
        self.id = 0
        if greets and b"hello" not in self.frame()[:16]:
            sys.exit("the port refused")

    def frame(self):
        while len(self.held) < 4 or len(self.held) < 4 + struct.unpack(">I", self.held[:4])[0]:
            read = os.read(self.process.stdout.fileno(), 1 << 20)
            if not read:
                sys.exit("the program ended")
            self.held += read
        size = struct.unpack(">I", self.held[:4])[0]
        frame, self.held = self.held[4 : 4 + size], self.held[4 + size :]
        return frame

    def write(self, body):
        data = memoryview(struct.pack(">I", len(body)) + body)
        while data:
            data = data[os.write(self.process.stdin.fileno(), data) :]

    def request(self, operation, args, millis=60000):
        """The bytes of a request."""
        self.id += 1
        return b"\x83" + term((Atom("req"), self.id, Atom(operation), args, millis))

    def answer(self, body):
        """Sends it and reads up to its last frame; credit for what is long."""
        self.write(body)
        chunks = 0
        while True:
            frame = self.frame()
            tag = frame[5 : 5 + frame[4]] if frame[1:2] == b"h" else b""
            if tag == b"rows":
                chunks += 1
                if chunks % 8 == 0:
                    self.write(b"\x83" + term((Atom("credit"), self.id, 8)))
            elif tag == b"ok":
                return frame
            else:
                sys.exit(f"an error: {frame[:300]!r}")

    def call(self, operation, args):
        return self.answer(self.request(operation, {Atom(key): item for key, item in args.items()}))

    def memory(self):
        """VmHWM and VmRSS in bytes, of the process that serves."""
        pid = self.process.pid
        while True:
            children = open(f"/proc/{pid}/task/{pid}/children").read().split()
            if not children:
                break
            pid = int(children[0])
        lines = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
        return int(lines["VmHWM"].split()[0]) * 1024


def median(work, runs=RUNS, before=None):
    times = []
    for _ in range(runs):
        if before:
            before()
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def nft(text, as_json=False):
    command = ["nft", "-j", "-f", "-"] if as_json else ["nft", "-f", "-"]
    subprocess.run(command, input=text, text=True, check=True, stdout=subprocess.DEVNULL)


def flush():
    nft("flush ruleset")


def floor(what):
    """What the kernel takes by itself, in milliseconds."""
    out = subprocess.run([FLOOR, what], capture_output=True, text=True, check=True).stdout
    return float(out.split()[0])


def rules(count):
    commands = [
        {"add": {"table": {"family": "inet", "name": "b"}}},
        {"add": {"chain": {"family": "inet", "table": "b", "name": "c"}}},
    ]
    for i in range(count):
        source = {"payload": {"protocol": "ip", "field": "saddr"}}
        port = {"payload": {"protocol": "tcp", "field": "dport"}}
        expr = [
            {"match": {"op": "==", "left": source, "right": f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"}},
            {"match": {"op": "==", "left": port, "right": 1 + i % 65000}},
            {"counter": None},
            {"accept": None},
        ]
        rule = {"family": "inet", "table": "b", "chain": "c", "comment": f"rule {i}", "expr": expr}
        commands.append({"add": {"rule": rule}})
    return commands


def elements(count, step):
    numbers = (0x0A000000 + i * step for i in range(count))
    return [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in numbers]


def show(what, ours, other, name, bound):
    ratio = ours / other
    print(f"{what:58} {ours:10.3f} ms   {name:22} {other:10.3f} ms   ratio {ratio:7.2f}   {bound}", flush=True)


def main():
    port = Client(PORT)
    echo = Client(ECHO, greets=False)
    commands = rules(10_000)
    document = json.dumps({"nftables": commands})
    request = port.request("nft_apply", {Atom("commands"): commands})
    adding = median(lambda: port.answer(request), before=flush)
    show("add 10,000 rules: port, kernel alone", adding, median_of_floor("add"), "kernel", "<= 1.3")
    libnftables = median(lambda: nft(document, True), runs=3, before=flush)
    show("add 10,000 rules: port, nft -j", adding, libnftables, "nft -j", "")
    flush()
    port.answer(request)
    listing = median(lambda: port.call("nft_list", {}))
    print_json = median(lambda: subprocess.run(["nft", "-j", "list", "ruleset"], stdout=subprocess.DEVNULL, check=True))
    show("list 10,000 rules: port, bare dump", listing, median_of_floor("list"), "bare dump", "<= 1.4")
    show("list 10,000 rules: nft -j, port", print_json, listing, "port", ">= 6")
    flush()
    crowd(port, echo)


def median_of_floor(what):
    return statistics.median(floor(what) for _ in range(RUNS))


def crowd(port, echo):
    """Sets of a hundred thousand elements."""
    head = [
        {"add": {"table": {"family": "inet", "name": "b"}}},
        {"add": {"set": {"family": "inet", "table": "b", "name": "s", "type": "ipv4_addr"}}},
    ]
    port.call("nft_apply", {"commands": head})
    fresh = Client(PORT)
    add = {"add": {"element": {"family": "inet", "table": "b", "name": "s", "elem": elements(100_000, 37)}}}
    request = fresh.request("nft_apply", {Atom("commands"): [add]})
    before = fresh.memory()
    start = time.perf_counter()
    fresh.answer(request)
    took = (time.perf_counter() - start) * 1e3
    peak = fresh.memory()
    print(f"add 100,000 elements {took:.1f} ms; frame {len(request)} bytes, peak memory {peak} ({peak / len(request):.2f} x; <= 6), before {before}")
    fresh.process.kill()
    pause = bytes(64)
    floor_of = median(lambda: (echo.write(pause), echo.frame()), runs=2000)
    tables = median(lambda: port.call("nft_list", {"what": Atom("tables")}), runs=2000)
    show("list tables beside 100,000 elements: port, echo", tables, floor_of, "echo", "<= 5")
    point = {"element": {"family": "inet", "table": "b", "name": "s", "elem": ["10.0.0.0"]}}
    found = median(lambda: port.call("nft_list", {"what": point}), runs=500)
    show("one element of 100,000: port, echo", found, floor_of, "echo", "")
    flush()
    ranges = ",".join(f"{address}/28" for address in elements(100_000, 32))
    nft(f"table inet b {{ set s {{ type ipv4_addr; flags interval; elements = {{ {ranges} }}; }}; }}")
    values = iter(range(100))

    def one():
        prefix = {"prefix": {"addr": f"192.168.{next(values)}.0", "len": 24}}
        add = {"add": {"element": {"family": "inet", "table": "b", "name": "s", "elem": [prefix]}}}
        port.call("nft_apply", {"commands": [add]})

    print(f"one interval into 100,000: {median(one, runs=20):.3f} ms (<= 20)")


main()
