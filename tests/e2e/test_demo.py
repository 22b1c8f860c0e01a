"""The chain and the captures of `make demo`, on the CPU and on PoCL."""

import json
import runpy
from collections import Counter

import bundle
import frames as f
import pcap
import pytest
from harness import EXAMPLES, run
from scapy.layers.inet import ICMP, IP

CHAIN = EXAMPLES / "site-gateway.yaml"
JAIL = bytes.fromhex("020000000066")
CLASSES = {"inbound", "bulk", "outbound", "mirror", "quarantine"}


@pytest.fixture(scope="module")
def sent():
    """The frames of the example captures."""
    return {port: pcap.read(EXAMPLES / "demo" / f"{port}.pcap") for port in ("lan", "wan")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, sent):
    """One run without and one with the GPU."""
    return {gpu: run(tmp_path_factory.mktemp(gpu), CHAIN, sent, gpu=gpu) for gpu in ("none", "opencl")}


@pytest.fixture(params=["none", "opencl"])
def done(request, runs):
    """Each of the two."""
    return runs[request.param]


def clear(result):
    """What left, by port, with ESP opened; each as (Ethernet addresses, packet bytes)."""
    peer = f.peer()
    left = {}
    for port, content in result.out.items():
        left[port] = []
        for frame in content:
            packet = f.ip_of(frame)
            inner = bytes(peer.decrypt(packet)) if packet.proto == 50 else frame[14:]
            left[port].append((frame[:12], inner))
    return left


def traffic(part):
    """Packets and bytes of a part of the report, by name."""
    return {name: (entry["packets"], entry["bytes"]) for name, entry in part.items()}


def flow_of(packet):
    """The 5-tuple of a packet."""
    packet = IP(packet) if isinstance(packet, bytes) else packet
    layer = packet.payload
    return packet.src, packet.dst, packet.proto, getattr(layer, "sport", 0), getattr(layer, "dport", 0)


def test_cpu_and_gpu_let_the_same_packets_out(runs):
    for port in ("lan", "wan"):
        assert Counter(clear(runs["none"])[port]) == Counter(clear(runs["opencl"])[port])


def test_cpu_and_gpu_drop_and_alert_alike(runs):
    cpu, gpu = runs["none"], runs["opencl"]
    assert cpu.drops == gpu.drops
    for part in ("classes", "functions"):
        assert traffic(cpu.report[part]) == traffic(gpu.report[part])

    def key(alert):
        return json.dumps({name: value for name, value in alert.items() if name != "time"}, sort_keys=True)

    assert Counter(map(key, cpu.alerts)) == Counter(map(key, gpu.alerts))
    assert cpu.alerts


def test_the_report_says_where_each_function_ran(runs):
    gpu = {"encrypt", "decrypt", "ids"}
    for name in gpu | {"route", "jail"}:
        assert runs["none"].report["functions"][name]["compute"] == "CPU"
        assert runs["opencl"].report["functions"][name]["compute"] == ("GPU" if name in gpu else "CPU")


def test_every_class_has_traffic_and_the_report_counts_it(done, sent):
    classes = done.report["classes"]
    assert set(classes) == CLASSES
    assert traffic(classes)["quarantine"] == (0, 0), "nobody is classified there"
    for name in CLASSES - {"quarantine"}:
        assert classes[name]["packets"] > 0 and classes[name]["bytes"] > 0
    icmp = [frame for frame in sent["lan"] if len(frame) > 42 and IP in (p := f.ip_of(frame)) and p.proto == 1]
    assert classes["mirror"]["packets"] == len(icmp)
    for function in done.report["functions"].values():
        assert function["packets"] > 0
        latency = function["latency_us"]
        assert 0 <= latency["p50"] <= latency["p99"] <= latency["p999"]


def test_alerts_say_what_matched_where(done):
    for alert in done.alerts:
        assert alert["sid"] > 0 and alert["msg"] and alert["time"]
        assert alert["class"] in ("outbound", "inbound")
    assert {alert["class"] for alert in done.alerts} == {"outbound", "inbound"}
    captures = runpy.run_path(str(EXAMPLES / "demo" / "make-captures.py"))
    sids = [sid for *_packet, sids in captures["HOSTILE"] for sid in sids]
    inbound = captures["HOSTILE"][0][3]
    assert Counter(alert["sid"] for alert in done.alerts) == Counter(sids + inbound)


def test_what_matched_goes_to_quarantine_and_nowhere_else(done):
    jailed = [f.ip_of(frame) for frame in done.out["lan"] if frame[:6] == JAIL]
    assert len(jailed) == done.report["functions"]["jail"]["packets"] > 0
    assert {packet.src for packet in jailed} == {"10.1.0.66", "10.2.0.66"}
    for port in ("lan", "wan"):
        for addresses, inner in clear(done)[port]:
            assert addresses[:6] == JAIL or IP(inner).src not in ("10.1.0.66", "10.2.0.66")


def test_mirrored_frames_leave_as_they_came(done, sent):
    def icmp(content):
        return [frame for frame in content if len(frame) > 34 and frame[12:14] == b"\x08\x00" and ICMP in f.ip_of(frame)]

    assert icmp(done.out["wan"]) == icmp(sent["lan"]) != []


def test_every_flow_leaves_in_the_order_it_came(done, sent):
    came = {}
    for port in ("lan", "wan"):
        opener = f.peer(
            spi=4097, tunnel={"source": "198.51.100.1", "destination": "192.0.2.1"},
            cipher=b"decrypt-demo-key", integrity=b"decrypt-demo-icv-key",
        )  # fmt: skip
        for frame in sent[port]:
            if len(frame) < 34 or frame[12:14] != b"\x08\x00":
                continue
            packet = f.ip_of(frame)
            if packet.proto == 50 and packet.payload.spi == 4097:
                try:
                    packet = opener.decrypt(packet)
                except Exception:  # Scapy refuses the forgeries, each in its way.
                    continue
            came.setdefault(flow_of(packet), []).append(packet.id)
    left = {}
    for content in clear(done).values():
        for _addresses, inner in content:
            packet = IP(inner)
            left.setdefault(flow_of(packet), []).append(packet.id)
    assert len(left) > 10
    for flow, numbers in left.items():
        waiting = iter(came[flow])
        assert all(number in waiting for number in numbers), f"{flow} left out of order: {numbers}"


def test_esp_leaves_in_sequence_with_ivs_of_its_own(done):
    sealed = [f.ip_of(frame) for frame in done.out["wan"] if f.ip_of(frame).proto == 50]
    numbers = [packet.payload.seq for packet in sealed]
    assert numbers == sorted(set(numbers))
    # A packet that its egress port then finds too large has had its number.
    assert numbers[-1] - len(numbers) == done.drops["mtu_exceeded"]
    assert {(packet.src, packet.dst, packet.payload.spi) for packet in sealed} == {("192.0.2.1", "198.51.100.1", 4096)}
    assert len({bytes(packet.payload.data[:16]) for packet in sealed}) == len(sealed)


def test_the_forgeries_are_counted_each_under_its_reason(done):
    for reason in ("bad_icv", "replayed", "unknown_spi", "sa_selector_mismatch", "mtu_exceeded"):
        assert done.drops.get(reason) == 1, done.drops


def test_keys_of_the_manifest_are_the_keys_of_the_tests():
    text = CHAIN.read_text()
    assert bundle.CIPHER_KEY.decode() in text and bundle.INTEGRITY_KEY.decode() in text
