"""Live change: tables are swapped while packets flow, as one generation or not at all."""

import base64
import collections
import gzip
import signal
import struct
import threading
import time

import frames as f
import pcap
import pytest
from bundle import ANY, LAN_MAC, WAN_MAC, association, chain, encrypt, nids, path, router
from harness import LIMIT, ROOT
from live import Live, captured, encoded, looped

SHARED = ROOT.parent / "shared" / "data"
RULES = SHARED / "rules" / "emerging-bsd.rules.gz"
ROUTES = SHARED / "routes" / "ipv4-20140513.prefixes.gz"
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
        open_before, memory_before, threads_before = collections.Counter(live.descriptors()), live.resident(), live.threads()
        begun = time.monotonic()
        for swap in range(1000):
            live.change(marked(swap % MARKS))
        took = time.monotonic() - begun
        settled(live)
        grown = live.resident() - memory_before
        status = live.status()
        print(f"1000 swaps in {took:.1f} s, {status['tx']['packets']} packets, {grown >> 10} KiB more")
        # A connection of before may still have been closing, one of now may be.
        live.until(lambda: collections.Counter(live.descriptors()) <= open_before, "descriptors closed")
        live.until(lambda: live.threads() <= threads_before, "threads ended")
        assert grown < 16 << 20, f"{grown >> 20} MiB more after 1000 swaps"
        # Bounded, also where other work takes most of the machine.
        assert took < 3 * LIMIT
        report = live.stop()
    assert report["generation"] == 1000 + 2 * MARKS + 1
    assert sum(report["drops"].values()) == 0, report["drops"]


def settled(live):
    """Waits until the generation that runs is the only one left."""
    # A further change frees those whose last packet has left; the end of the
    # last one shows in the table memory of a GPU only, so give it packets.
    sent = live.status()["tx"]["packets"]
    live.until(lambda: live.status()["tx"]["packets"] > sent + 1000, "more packets")


def ids_over(a, b, sealing=0, rules_b=HIT):
    """Two NIDS functions on the GPU with `a` and `b` workgroups, and perhaps a GPU function that encrypts."""
    functions = [nids(HIT, compute="GPU", size=a, name="ids-a"), nids(rules_b, compute="GPU", size=b, name="ids-b"), router()]
    last = ["route"]
    if sealing:
        functions.append(encrypt(compute="GPU", size=sealing, name="seal"))
        last = ["seal", "route"]
    functions[1]["nids"]["rulesFrom"] = functions[0]["nids"]["rulesFrom"]
    classes = [
        path("ids-a", *last, name="a", match={"sourcePorts": 1000}),
        path("ids-b", *last, name="b"),
    ]
    return chain(functions, classes)


def two_flows(count=400):
    """Half of it is class a of `ids_over`, half class b."""
    return [f.udp(number, sport=1000 + number % 2) for number in range(count)]


def flows_on(live, *functions):
    """Waits until packets have passed each of the functions anew."""
    before = live.status()["functions"]

    def passed():
        now = live.status()["functions"]
        return all(now[name]["packets"] > before[name]["packets"] for name in functions)

    live.until(passed, f"packets through {functions}")


def test_workgroups_move_between_functions_and_a_gpu_function_comes_and_goes(tmp_path):
    with Live(tmp_path, ids_over(3, 1), f"lan={looped(tmp_path, two_flows())}", "wan=null", gpu="opencl") as live:
        live.ready(100)
        tables = live.status()["memory"]["table_bytes"]
        for a, b, sealing in [(1, 3, 0), (2, 2, 0), (1, 2, 1), (1, 1, 2), (3, 1, 0), (2, 1, 1), (1, 3, 0)] * 3:
            live.change(ids_over(a, b, sealing))
            flows_on(live, "ids-a", "ids-b", *(["seal"] if sealing else []))
            functions = live.status()["functions"]
            assert (functions["ids-a"]["units"], functions["ids-b"]["units"]) == (a, b)
        status, answer = live.put(ids_over(3, 2))
        assert status == 409 and answer["reason"] == "RequiresRestart", answer
        flows_on(live, "ids-a", "ids-b")
        live.change(ids_over(3, 1))
        live.until(lambda: live.status()["memory"]["table_bytes"] == tables, "table memory of one generation")
        report = live.stop()
    assert sum(report["drops"].values()) == 0, report["drops"]
    assert report["memory"]["table_bytes"] <= tables


def test_a_cpu_function_comes_and_goes(tmp_path):
    plain = chain([router()], [path("route")])
    watched = chain([nids(HIT, size=2), router()], [path("ids", "route")])
    with Live(tmp_path, plain, f"lan={looped(tmp_path, two_flows())}", "wan=null") as live:
        live.ready(100)
        for _turn in range(5):
            live.change(watched)
            flows_on(live, "ids", "route")
            live.change(plain)
            flows_on(live, "route")
        seen = live.until(lambda: stands_still(live), "the last packet through the function that is gone")
        report = live.stop()
    assert report["functions"]["ids"]["packets"] == seen
    assert sum(report["drops"].values()) == 0, report["drops"]


def stands_still(live):
    """What passed `ids`, if nothing does any more while others pass."""
    before = live.status()["functions"]["ids"]["packets"]
    flows_on(live, "route")
    return before if live.status()["functions"]["ids"]["packets"] == before else None


def test_a_bundle_that_does_not_fit_changes_nothing(tmp_path):
    """One MiB of table memory; rules whose automaton wants more."""
    small = chain([nids(HIT, compute="GPU"), router()], [path("ids", "route")])
    many = "\n".join(
        f'alert udp any any -> any any (msg:"m"; content:"{number * 2654435761 % 2**32:08x}and some more text"; sid:{number + 1};)'
        for number in range(5000)
    )
    large = chain([nids(many, compute="GPU"), router()], [path("ids", "route")])
    lan = looped(tmp_path, [f.udp(number) for number in range(100)])
    with Live(tmp_path, small, f"lan={lan}", "wan=null", gpu="opencl", args=["--table-memory", "1"]) as live:
        live.ready(100)
        before = live.status()
        for _turn in range(5):
            status, answer = live.put(large)
            assert status == 422 and "does not fit" in str(answer), answer
        flows_on(live, "ids", "route")
        after = live.status()
        assert after["generation"] == before["generation"]
        assert after["memory"]["table_bytes"] == before["memory"]["table_bytes"]
        assert live.change(small) == before["generation"] + 1
        report = live.stop()
    assert sum(report["drops"].values()) == 0, report["drops"]


def structural_changes():
    """Each kind of change that wants a restart: what it is, the tables, the field that is named."""
    functions = [encrypt(), nids(HIT, compute="GPU", size=2), router()]
    classes = [path("encrypt", "ids", "route")]
    base = chain(functions, classes)
    ports = chain(functions, classes, ports=("lan", "wan", "dmz"), defaultClass="all")
    names = chain(functions, classes, ports=("left", "wan"))
    sizes = chain(functions, classes, mtu=9000)
    device = chain(functions, classes)
    device[0]["spec"]["ports"][0]["pci"]["address"] = "0000:00:1f.0"
    moved = chain([encrypt(), nids(HIT, compute="CPU", size=2), router()], classes)
    cores = chain([encrypt(size=2), nids(HIT, compute="GPU", size=2), router()], classes)
    groups = chain([encrypt(), nids(HIT, compute="GPU", size=3), router()], classes)
    kind = chain([nids(HIT, name="encrypt"), nids(HIT, compute="GPU", size=2), router()], classes)
    return base, {
        "a port more": (ports, "spec.ports"),
        "a port's name": (names, "spec.ports[0].name"),
        "an MTU": (sizes, "spec.ports[0].mtu"),
        "a device": (device, "spec.ports[0].binding"),
        "from GPU to CPU": (moved, "spec.functions[1].compute"),
        "more cores": (cores, "spec.functions[0].cores"),
        "more workgroups": (groups, "spec.functions"),
        "another type": (kind, "spec.functions[0].type"),
    }


def test_structural_changes_want_a_restart_each_by_its_field(tmp_path):
    base, changes = structural_changes()
    with Live(tmp_path, base, f"lan={looped(tmp_path, two_flows())}", "wan=null", gpu="opencl") as live:
        live.ready(100)
        before = live.status()["generation"]
        for what, (documents, field) in changes.items():
            status, answer = live.put(documents)
            assert status == 409 and answer["reason"] == "RequiresRestart", f"{what}: {status} {answer}"
            assert field in [error["field"] for error in answer["errors"]], f"{what}: {answer}"
        flows_on(live, "encrypt", "ids", "route")
        assert live.status()["generation"] == before
        report = live.stop()
    assert sum(report["drops"].values()) == 0, report["drops"]


def test_an_unknown_function_is_refused_under_load(tmp_path):
    good = marked(0)
    wrong = marked(1)
    wrong[0]["spec"]["classes"][0]["path"] = ["ids", "teleport", "route"]
    with Live(tmp_path, good, f"lan={looped(tmp_path, two_flows())}", "wan=null") as live:
        live.ready(100)
        for _turn in range(20):
            status, answer = live.put(wrong)
            assert status == 422, answer
            assert any("path" in error["field"] and "teleport" in error["reason"] for error in answer["errors"]), answer
        assert live.put(good, generation=1)[0] == 200, "a repeat of what runs"
        assert live.put(marked(1), generation=1)[0] == 409
        assert live.put(marked(1), generation=7) == (200, {"generation": 7})
        report = live.stop()
    assert report["generation"] == 7
    assert sum(report["drops"].values()) == 0, report["drops"]


def test_a_storm_of_signals_ends_with_the_newest_file(tmp_path):
    with Live(tmp_path, marked(0), f"lan={looped(tmp_path, two_flows())}", "wan=null") as live:
        live.ready(100)
        for turn in range(100):
            live.rewrite(marked(1 + turn % (MARKS - 1)) if turn % 10 else b"apiVersion: [")
            live.hang_up()
        # Which of them were read, and so refused, is a matter of luck.
        live.rewrite(marked(3))
        live.hang_up()
        live.until(lambda: runs(live, marked(3)), "the newest file's content")
        generation = live.status()["generation"]
        live.rewrite(b"apiVersion: [")
        live.hang_up()
        live.until(lambda: "the tables stay" in live.log, "the last file's refusal")
        assert live.status()["generation"] == generation
        report = live.stop()
    assert 2 <= report["generation"] <= 103
    assert sum(report["drops"].values()) == 0, report["drops"]


def runs(live, documents):
    """Whether the running generation is of that content: only then may its number be asked for again."""
    generation = live.status()["generation"]
    return live.put(documents, generation=generation) == (200, {"generation": generation})


def test_a_drain_during_a_change_ends_cleanly(tmp_path):
    for turn in range(6):
        folder = tmp_path / str(turn)
        folder.mkdir()
        with Live(folder, marked(0), f"lan={looped(folder, two_flows())}", "wan=null") as live:
            live.ready(100)
            answers = []
            pusher = threading.Thread(target=push_until_refused, args=(live, answers))
            pusher.start()
            live.until(lambda: len(answers) > turn, "some changes")
            if turn % 2:
                live.process.send_signal(signal.SIGTERM)
            else:
                assert live.request("POST", "/v1/drain")[0] in (200, 202)
            report = live.end()
            pusher.join(LIMIT)
        assert not pusher.is_alive()
        taken = [answer for answer in answers if answer[0] == 200]
        assert set(status for status, _answer in answers) <= {200, 503}, answers
        assert report["generation"] >= 1 + len(taken)
        assert sum(report["drops"].values()) == 0, report["drops"]


def push_until_refused(live, answers):
    """Changes tables without a pause until the other side is gone or says no."""
    mark = 0
    while not answers or answers[-1][0] == 200:
        mark = (mark + 1) % MARKS
        try:
            answers.append(live.put(marked(mark)))
        except (OSError, ConnectionError):
            return


def test_a_kill_during_a_change_leaves_nothing_that_stops_the_next(tmp_path):
    for turn in range(3):
        with Live(tmp_path, marked(0), f"lan={looped(tmp_path, two_flows())}", "wan=null") as live:
            live.ready(100)
            answers = []
            pusher = threading.Thread(target=push_until_refused, args=(live, answers))
            pusher.start()
            live.until(lambda: len(answers) > turn, "some changes")
            live.kill()
            pusher.join(LIMIT)
            assert not pusher.is_alive()
    with Live(tmp_path, marked(1), f"lan={looped(tmp_path, two_flows())}", "wan=null") as live:
        live.ready(100)
        live.change(marked(2))
        assert sum(live.stop()["drops"].values()) == 0


def stored(name, key, data):
    """A ConfigMap of one compressed key."""
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
        "binaryData": {key: base64.b64encode(data).decode()},
    }  # fmt: skip


def of_real_size(mark, name):
    """Half a million routes and 18,290 rules; `name` is the class."""
    rows = (f"{prefix},wan,02:00:00:00:{mark:02x}:{number % 200:02x}" for number, prefix in enumerate(prefixes()))
    csv = gzip.compress("\n".join(["prefix,port,nextHopMac", "0.0.0.0/0,wan,02:00:00:00:00:01", *rows, ""]).encode(), 1)
    ids = nids("", variables={"HOME_NET": ["any"], "EXTERNAL_NET": ["any"]}, unsupported="ContentOnly")
    ids["nids"]["rulesFrom"] = {"configMapRef": {"name": "emerging", "key": "rules.gz"}}
    route = router()
    route["router"] = {"routesFrom": {"configMapRef": {"name": "routes", "key": "routes.csv.gz"}}}
    documents = chain([ids, route], [path("ids", "route", name=name)])
    documents[-1] = stored("emerging", "rules.gz", RULES.read_bytes())
    return [*documents, stored("routes", "routes.csv.gz", csv)]


def prefixes():
    """The real table's, but for its default route."""
    return [line for line in gzip.decompress(ROUTES.read_bytes()).decode().split() if not line.endswith("/0")]


@pytest.mark.skipif(not (RULES.exists() and ROUTES.exists()), reason="../shared/data is not there")
def test_tables_of_real_size_are_swapped_in_while_packets_flow(tmp_path):
    """Also that ordinary pages hold several generations of half a million routes."""
    plain = {name: chain([nids(MISS), router()], [path("ids", "route", name=name)]) for name in ("before", "during")}
    lan = looped(tmp_path, [f.udp(number) for number in range(500)], 20_000)
    with Live(tmp_path, plain["before"], f"lan={lan}", "wan=null", args=["--no-huge"]) as live:
        live.ready(20_000)
        live.change(plain["during"])
        begun = time.monotonic()
        live.change(of_real_size(1, "after-1"))
        took = time.monotonic() - begun
        # Classes keep their figures apart: what "during" shows fell into this change.
        shown = live.status()["classes"]
        for turn in (2, 3, 4):
            live.change(of_real_size(turn, f"after-{turn}"))
        live.change(plain["before"])
        flows_on(live, "ids", "route")
        report = live.stop()
    for name in ("before", "during"):
        print(f"{name}: {shown[name]['packets']} packets, latency {shown[name]['latency_us']} us")
    print(f"512,621 routes and 18,290 rules took {took:.1f} s")
    assert shown["during"]["packets"] > 1000 and took < LIMIT
    # What a live port may lose where compilation takes a core of a small
    # machine away is counted; nothing else may be lost.
    lost = {reason: count for reason, count in report["drops"].items() if count}
    assert set(lost) <= {"entry_backpressure"}, lost
    print("lost:", lost)
    assert sum(lost.values()) < report["rx"]["packets"] / 100
    assert report["generation"] == 7
