"""Live change: tables are swapped while packets flow, as one generation or not at all."""

import collections
import signal
import struct
import threading
import time

import frames as f
import pcap
import pytest
from bundle import ANY, LAN_MAC, WAN_MAC, association, chain, encrypt, nids, path, router
from harness import LIMIT
from live import Live, captured, encoded, looped

GPU = pytest.mark.parametrize("gpu", ["none", "opencl"])
# Generations are told apart modulo this: so the SAs of each are away and come back.
MARKS = 16
HIT = 'alert udp any any -> any any (msg:"hit"; content:"....."; sid:1;)'
MISS = 'alert udp any any -> any any (msg:"miss"; content:"no such thing"; sid:2;)'


def marked(mark, compute="CPU"):
    """Tables that leave their mark in a packet at every step.

    Even ones send every packet by a transition to another class, whose SA is
    another one; the route's MAC says the mark, too.
    """
    even = mark % 2 == 0
    functions = [
        nids(HIT if even else MISS, compute=compute),
        encrypt(association(spi=4096 + 2 * mark), name="seal-plain", compute=compute),
        encrypt(association(spi=4097 + 2 * mark), name="seal-hit", compute=compute),
        router((ANY, "wan", f"02:00:00:00:{mark:02x}:01")),
    ]
    classes = [
        path("ids", "seal-plain", "route", name="plain"),
        {"name": "hit", "match": {"source": "192.168.77.77/32"}, "path": ["seal-hit", "route"]},
    ]
    return chain(functions, classes, transitions=[{"function": "ids", "verdict": "Match", "class": "hit"}])


def marks_of(frame):
    """What a packet of `marked` says of its way: mark of the MAC, mark of the SA, whether it was a hit."""
    assert frame[23] == 50, "not encrypted"
    spi, _seq = struct.unpack_from(">II", frame, 34)
    return frame[4], (spi - 4096) // 2, spi % 2 == 1


@GPU
def test_every_packet_goes_its_whole_way_under_one_generation(tmp_path, gpu):
    rate, swaps = (10_000, 200) if gpu == "none" else (2_000, 60)
    compute = "CPU" if gpu == "none" else "GPU"
    lan, _ = captured(tmp_path, "lan", [f.udp(number, size=64) for number in range(1000)] * (rate // 1000) * 60, rate)
    wan, out = captured(tmp_path, "wan", [])
    with Live(tmp_path, marked(0, compute), f"lan={lan}", f"wan={wan}", gpu=gpu) as live:
        live.ready()
        first = live.status()["generation"]
        for swap in range(1, swaps + 1):
            assert live.change(marked(swap % MARKS, compute)) == first + swap
            assert live.status()["generation"] == first + swap
            if swap % 4 == 0:
                # Packets of this generation, too, have been under way.
                sent = live.status()["tx"]["packets"]
                live.until(lambda: live.status()["tx"]["packets"] > sent, "more packets")
        report = live.stop()
    assert sum(report["drops"].values()) == 0, report["drops"]
    frames = pcap.read(out)
    assert len(frames) == report["rx"]["packets"]
    seen, last = collections.Counter(), {}
    for frame in frames:
        mac, association_mark, hit = marks_of(frame)
        assert mac == association_mark, "a packet went its way under two generations"
        assert hit == (mac % 2 == 0), "a packet met the rules of another generation"
        seen[mac] += 1
        spi, seq = struct.unpack_from(">II", frame, 34)
        assert seq > last.get(spi, 0), f"SPI {spi} gave {seq} after {last[spi]}"
        last[spi] = seq
    assert len(seen) >= MARKS // 2, seen
    # Numbers of an SA that was away went on without a gap: nothing was lost.
    assert sum(last.values()) == len(frames)


@pytest.mark.parametrize("rate", [None, 20_000], ids=["full rate", "paced"])
def test_a_thousand_swaps_lose_nothing_and_leave_nothing(tmp_path, rate):
    lan = looped(tmp_path, [f.udp(number) for number in range(500)], rate)
    with Live(tmp_path, marked(0), f"lan={lan}", "wan=null") as live:
        live.ready(1000)
        for swap in range(2 * MARKS):
            live.change(marked(swap % MARKS))
        settled(live)
        open_before, memory_before, threads_before = live.descriptors(), live.resident(), live.threads()
        begun = time.monotonic()
        for swap in range(1000):
            live.change(marked(swap % MARKS))
        took = time.monotonic() - begun
        settled(live)
        grown = live.resident() - memory_before
        status = live.status()
        print(f"1000 swaps in {took:.1f} s, {status['tx']['packets']} packets, {grown >> 10} KiB more")
        assert live.descriptors() == open_before
        assert live.threads() <= threads_before
        assert grown < 48 << 20, f"{grown >> 20} MiB more after 1000 swaps"
        assert took < LIMIT
        report = live.stop()
    assert report["generation"] == 1000 + 2 * MARKS + 1
    assert sum(report["drops"].values()) == 0, report["drops"]


def settled(live):
    """Waits until the generation that runs is the only one left."""
    # A further change frees those whose last packet has left; the end of the
    # last one shows in the table memory of a GPU only, so give it packets.
    sent = live.status()["tx"]["packets"]
    live.until(lambda: live.status()["tx"]["packets"] > sent + 1000, "more packets")
