#!/usr/bin/python3
"""Judge of the Router: a naive longest-prefix match over half a million prefixes.

Each prefix has a next hop of its own. Packets to addresses at and around the
prefixes' edges, and to some at random, go through the dataplane; where each
one left, and to which MAC address, must be what walking the prefix lengths
from /32 down to /0 says.

The prefixes are made up, of every length; where ../shared/data/routes is there,
a real table of the Internet is judged as well.
"""

import base64
import gzip
import ipaddress
import random
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import bundle  # noqa: E402
import frames as f  # noqa: E402
import harness  # noqa: E402

REAL = ROOT.parent / "shared" / "data" / "routes" / "ipv4-20140513.prefixes.gz"
PACKETS = 20_000
# How many of the made-up prefixes have each length; the rest are /24.
LENGTHS = {0: 1, 1: 1, 7: 20, 8: 100, 12: 500, 16: 15_000, 20: 40_000, 22: 60_000, 25: 2_000, 28: 2_000, 30: 2_000, 31: 500, 32: 3_000}


def made_up(chance, count=500_000):
    """`count` distinct prefixes as (address, length), of every length."""
    lengths = {length: LENGTHS.get(length, 50) for length in range(33)}
    found = set()
    for length, number in lengths.items():
        for _ in range(number):
            found.add((chance.getrandbits(length) << (32 - length) if length else 0, length))
    while len(found) < count:
        found.add((chance.getrandbits(24) << 8, 24))
    return sorted(found)


def real():
    """The prefixes of a router of the Internet, 2014, and a default route."""
    with gzip.open(REAL, "rt") as lines:
        networks = (line.strip().split("/") for line in lines)
        found = {(int(ipaddress.IPv4Address(address)), int(length)) for address, length in networks}
    return sorted(found | {(0, 0)})


def next_hop(number):
    """The MAC address of the prefix with that number."""
    return f"02:{number >> 32 & 255:02x}:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def port(number):
    """The port of the prefix with that number."""
    return "wan" if number % 3 else "lan"


def naive(table, address):
    """The number of the longest prefix that holds `address`, or None."""
    for length in range(32, -1, -1):
        number = table.get((address >> (32 - length) << (32 - length), length))
        if number is not None:
            return number
    return None


def destinations(chance, prefixes):
    """Edges of prefixes, their neighbours, and addresses at random."""
    chosen = []
    for address, length in chance.sample(prefixes, PACKETS // 5):
        last = address | ((1 << (32 - length)) - 1)
        chosen += [address, last, (address - 1) % (1 << 32), (last + 1) % (1 << 32)]
    chosen += [chance.getrandbits(32) for _ in range(PACKETS - len(chosen))]
    return chosen


def judge(name, prefixes, chance):
    """Runs the packets and compares; the number of packets."""
    table = {prefix: number for number, prefix in enumerate(prefixes)}
    rows = [
        f"{ipaddress.IPv4Address(address)}/{length},{port(number)},{next_hop(number)}"
        for number, (address, length) in enumerate(prefixes)
    ]
    csv = gzip.compress("\n".join(["prefix,port,nextHopMac", *rows, ""]).encode(), compresslevel=1, mtime=0)
    router = {
        "name": "route", "type": "Router", "compute": "CPU", "cores": 1,
        "router": {"routesFrom": {"configMapRef": {"name": "routes", "key": "routes.csv.gz"}}},
    }  # fmt: skip
    documents = bundle.chain([router], [bundle.path("route")])
    documents.append(
        {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "routes", "namespace": "default"},
            "binaryData": {"routes.csv.gz": base64.b64encode(csv).decode()},
        }
    )  # fmt: skip
    chosen = destinations(chance, prefixes)
    template = f.udp(0, size=8)
    sent = [addressed(template, number, address) for number, address in enumerate(chosen)]
    with tempfile.TemporaryDirectory() as folder:
        result = harness.run(Path(folder), documents, {"lan": sent, "wan": []})
    left = {}
    for where, content in result.out.items():
        for frame in content:
            left[int.from_bytes(frame[42:46], "big")] = (where, frame[:6].hex(":"))
    wrong = 0
    for number, address in enumerate(chosen):
        expected = naive(table, address)
        wanted = None if expected is None else (port(expected), next_hop(expected))
        if left.get(number) != wanted:
            wrong += 1
            if wrong <= 10:
                print(f"{name}: {ipaddress.IPv4Address(address)} went {left.get(number)}, naive says {wanted}")
    print(f"{name}: {len(prefixes)} prefixes, {len(chosen)} packets, {wrong} wrong")
    return wrong


def addressed(template, number, address):
    """The template frame with another number and destination, its checksums right."""
    frame = bytearray(template)
    frame[24:26] = b"\0\0"
    frame[30:34] = address.to_bytes(4, "big")
    total = sum(int.from_bytes(frame[at : at + 2], "big") for at in range(14, 34, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    frame[24:26] = (total ^ 0xFFFF).to_bytes(2, "big")
    frame[40:42] = b"\0\0"
    frame[42:46] = number.to_bytes(4, "big")
    return bytes(frame)


def main():
    chance = random.Random(20140513)
    wrong = judge("made up", made_up(chance), chance)
    if REAL.exists():
        wrong += judge("Internet", real(), chance)
    else:
        print("Internet: skipped, ../shared/data/routes is not there")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
