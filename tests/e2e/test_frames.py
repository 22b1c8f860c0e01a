"""Frames of every kind: what is broken is counted, what is good goes through."""

import frames as f
import pytest
from bundle import ANY, LAN_MAC, WAN_MAC, association, chain, encrypt, nids, path, router
from harness import run
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

ROUTED = chain([router()], [path("route")])
RULES = 'alert udp any any -> any any (msg:"never"; content:"no such bytes"; sid:1;)\n'


def with_byte(frame, at, value):
    """`frame` with one byte replaced."""
    return frame[:at] + bytes([value]) + frame[at + 1 :]


def with_checksum(frame):
    """`frame` with the checksum of its (20-byte) IPv4 header made right."""
    total = sum(int.from_bytes(frame[at : at + 2], "big") for at in range(14, 34, 2) if at != 24)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return frame[:24] + (total ^ 0xFFFF).to_bytes(2, "big") + frame[26:]


def broken():
    """One malformed frame of every kind: its name, the reason of its drop, its bytes."""
    good = f.udp(99)
    yield "empty frame", "truncated_ethernet", b""
    yield "one byte", "truncated_ethernet", good[:1]
    yield "ends inside the Ethernet header", "truncated_ethernet", good[:13]
    yield "Ethernet header alone", "truncated_ipv4", good[:14]
    yield "ends inside the IPv4 header", "truncated_ipv4", good[:30]
    yield "version 5", "bad_ip_version", with_checksum(with_byte(good, 14, 0x55))
    yield "header of 16 bytes", "bad_ip_header_length", with_checksum(with_byte(good, 14, 0x44))
    yield "header of 60 bytes in a shorter packet", "truncated_ipv4", with_byte(good, 14, 0x4F)[:50]
    yield "total length below the header's", "bad_ip_total_length", with_checksum(with_byte(with_byte(good, 16, 0), 17, 19))
    yield "total length beyond the frame", "bad_ip_total_length", with_checksum(with_byte(with_byte(good, 16, 4), 17, 0))
    yield "wrong header checksum", "bad_ip_checksum", with_byte(good, 24, good[24] ^ 0xFF)


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_malformed_frames_at_the_head_do_not_hurt_the_good_ones(tmp_path, gpu):
    bad = [frame for _name, _reason, frame in broken()]
    good = [f.udp(number) for number in range(100)]
    documents = chain(
        [nids(RULES, compute="GPU"), encrypt(compute="GPU"), router()], [path("ids", "encrypt", "route")]
    )
    result = run(tmp_path, documents, {"lan": bad + good, "wan": []}, gpu=gpu)
    assert sum(result.drops.values()) == len(bad), result.drops
    inner = [packet for _seq, packet in f.opened(f.peer(), result.out["wan"])]
    assert [f.number_of(packet) for packet in inner] == list(range(100))


@pytest.mark.parametrize("name,reason,frame", list(broken()), ids=[name for name, *_rest in broken()])
def test_each_malformed_frame_is_dropped_for_its_reason(tmp_path, name, reason, frame):
    result = run(tmp_path, ROUTED, {"lan": [frame], "wan": []})
    assert result.drops == {reason: 1}, name
    assert result.out["wan"] == []


def test_layer_4_headers_cut_short_are_carried_where_no_class_asks_for_ports(tmp_path):
    cut = [
        f.ether(IP(src=f.SRC, dst=f.DST, proto=17) / Raw(b"\x01\x02")),
        f.ether(IP(src=f.SRC, dst=f.DST, proto=6) / Raw(b"\x01\x02\x03\x04")),
        f.ether(IP(src=f.SRC, dst=f.DST, proto=1)),
    ]
    result = run(tmp_path, ROUTED, {"lan": cut, "wan": []})
    assert len(result.out["wan"]) + sum(result.drops.values()) == 3


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_an_empty_capture_ends_with_a_report_of_zeros(tmp_path, gpu):
    documents = chain([encrypt(compute="GPU"), router()], [path("encrypt", "route")])
    result = run(tmp_path, documents, {"lan": [], "wan": []}, gpu=gpu)
    report = result.report
    assert report["generation"] == 1
    assert report["rx"] == report["tx"] == {"packets": 0, "bytes": 0}
    assert result.drops == {} and result.alerts == []
    assert result.out == {"lan": [], "wan": []}
    assert (report["classes"]["all"]["packets"], report["classes"]["all"]["bytes"]) == (0, 0)
    for function in ("encrypt", "route"):
        assert report["functions"][function]["packets"] == 0
        for percentile in ("p50", "p99", "p999"):
            assert isinstance(report["functions"][function]["latency_us"][percentile], (int, float))


def test_jumbo_frames_pass_where_the_mtu_says_so_and_zero_length_ones_are_counted(tmp_path):
    sizes = (64, 1472, 1473, 4000, 8972, 9216 - 28)
    jumbo = [f.udp(number, size=size) for number, size in enumerate(sizes)]
    documents = chain([router()], [path("route")], mtu=9216)
    result = run(tmp_path, documents, {"lan": [b"", *jumbo, b""], "wan": []})
    assert [len(frame) for frame in result.out["wan"]] == [len(frame) for frame in jumbo]
    assert [f.number_of(frame) for frame in result.out["wan"]] == list(range(len(sizes)))
    assert result.drops == {"truncated_ethernet": 2}


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_jumbo_frames_are_encrypted(tmp_path, gpu):
    jumbo = [f.udp(number, size=size) for number, size in enumerate((1500, 4001, 8900))]
    documents = chain([encrypt(compute="GPU"), router()], [path("encrypt", "route")], mtu=9216)
    result = run(tmp_path, documents, {"lan": jumbo, "wan": []}, gpu=gpu)
    inner = [packet for _seq, packet in f.opened(f.peer(), result.out["wan"])]
    assert [bytes(packet) for packet in inner] == [frame[14:] for frame in jumbo]


def test_a_frame_beyond_the_mtu_is_dropped_and_counted(tmp_path):
    result = run(tmp_path, ROUTED, {"lan": [f.udp(0, size=1472), f.udp(1, size=1473), f.udp(2, size=8000)], "wan": []})
    assert [f.number_of(frame) for frame in result.out["wan"]] == [0]
    assert sum(result.drops.values()) == 2, result.drops


def test_esp_that_would_not_fit_the_egress_mtu_is_dropped(tmp_path):
    documents = chain([encrypt(), router()], [path("encrypt", "route")])
    result = run(tmp_path, documents, {"lan": [f.udp(0, size=1400), f.udp(1, size=1472)], "wan": []})
    assert result.drops == {"mtu_exceeded": 1}
    assert len(result.out["wan"]) == 1


def test_the_router_lowers_ttl_fixes_the_checksum_and_writes_addresses(tmp_path):
    frames = [f.udp(number, ttl=ttl) for number, ttl in enumerate((0, 1, 2, 64, 255))]
    result = run(tmp_path, ROUTED, {"lan": frames, "wan": []})
    assert result.drops == {"ttl_expired": 2}
    out = result.out["wan"]
    assert [f.ip_of(frame).ttl for frame in out] == [1, 63, 254]
    for before, after in zip(frames[2:], out):
        packet = f.ip_of(after)
        given = packet.chksum
        del packet.chksum
        assert IP(bytes(packet)).chksum == given
        assert after[:6] == bytes.fromhex(WAN_MAC.replace(":", "")) and after[12:14] == b"\x08\x00"
        assert after[34:] == before[34:]


def test_the_longest_prefix_decides_and_no_address_is_special(tmp_path):
    routes = [
        (ANY, "wan", WAN_MAC),
        ("10.2.0.0/16", "lan", LAN_MAC),
        ("10.2.0.9/32", "wan", "02:00:00:00:02:32"),
        ("127.0.0.0/8", "lan", "02:00:00:00:01:7f"),
        ("224.0.0.0/4", "lan", "02:00:00:00:01:e0"),
    ]
    expected = {
        "10.2.0.9": ("wan", "02:00:00:00:02:32"),
        "10.2.0.8": ("lan", LAN_MAC),
        "0.1.2.3": ("wan", WAN_MAC),
        "127.0.0.1": ("lan", "02:00:00:00:01:7f"),
        "224.0.0.5": ("lan", "02:00:00:00:01:e0"),
        "250.1.1.1": ("wan", WAN_MAC),
        "255.255.255.255": ("wan", WAN_MAC),
    }
    result = run(
        tmp_path,
        chain([router(*routes)], [path("route")]),
        {"lan": [f.udp(number, dst=dst) for number, dst in enumerate(expected)], "wan": []},
    )
    found = {
        f.ip_of(frame).dst: (port, ":".join(f"{byte:02x}" for byte in frame[:6]))
        for port, content in result.out.items()
        for frame in content
    }
    assert found == expected


def test_a_destination_without_a_route_is_counted(tmp_path):
    documents = chain([router(("10.2.0.0/16", "wan", WAN_MAC))], [path("route")])
    result = run(tmp_path, documents, {"lan": [f.udp(0), f.udp(1, dst="10.3.0.1")], "wan": []})
    assert len(result.out["wan"]) == 1 and result.drops == {"no_route": 1}


@pytest.mark.parametrize("policy,expected", [(None, 0), ("Drop", 0), ("Forward", 4)])
def test_frames_that_are_no_ipv4(tmp_path, policy, expected):
    others = [
        f.arp(),
        f.ether(IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP() / Raw(b"six")),
        b"\xff" * 12 + b"\x88\xcc" + b"lldp" * 5,
        b"\xff" * 12 + b"\x81\x00\x00\x05\x08\x00" + f.udp()[14:],
    ]
    spec = {"nonIPv4": policy} if policy else {}
    documents = chain([router()], [path("route")], **spec)
    result = run(tmp_path, documents, {"lan": others, "wan": others[:1]})
    assert len(result.out["wan"]) == expected
    if policy == "Forward":
        assert result.out == {"lan": others[:1], "wan": others}
        assert result.drops == {}
    else:
        assert result.drops == {"non_ipv4": 5}


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_egress_leaves_the_frame_as_it_came_padding_included(tmp_path, gpu):
    short = f.ether(IP(src=f.SRC, dst=f.DST, ttl=1) / ICMP(type=8) / Raw(b"x"))
    frames = [
        short,  # under 60 bytes, and stays so
        short.ljust(60, b"\xa5"),
        short + bytes(range(200)),  # a long trailer
        f.ping(1, size=1400),
        f.ether(IP(src=f.SRC, dst=f.DST, options=[]) / TCP(flags="S")),
    ]
    documents = chain(
        [nids(RULES, compute="GPU")], [{"name": "all", "match": {"port": "lan"}, "path": ["ids"], "egress": "wan"}]
    )
    result = run(tmp_path, documents, {"lan": frames, "wan": []}, gpu=gpu)
    assert result.out["wan"] == frames


def test_without_egress_a_frame_leaves_by_the_other_port_of_two(tmp_path):
    documents = chain([nids(RULES)], [path("ids")])
    result = run(tmp_path, documents, {"lan": [f.udp(1)], "wan": [f.udp(2)]})
    assert result.out == {"lan": [f.udp(2)], "wan": [f.udp(1)]}


def test_ethernet_padding_is_not_encrypted(tmp_path):
    frame = f.ping(3, size=1)
    documents = chain([encrypt(), router()], [path("encrypt", "route")])
    result = run(tmp_path, documents, {"lan": [frame.ljust(60, b"\xa5")], "wan": []})
    [(_seq, packet)] = f.opened(f.peer(), result.out["wan"])
    assert bytes(packet) == frame[14:]


def fragments(size=3000):
    """A UDP datagram in fragments of 1,000 bytes, as frames."""
    whole = IP(src=f.SRC, dst=f.DST, id=77) / UDP(sport=1000, dport=2000) / Raw(bytes(range(250)) * (size // 250))
    return [f.ether(part) for part in fragment(whole, fragsize=1000)]


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_fragments_stay_in_order_and_never_match_ports(tmp_path, gpu):
    parts = fragments()
    assert len(parts) > 2
    documents = chain(
        [encrypt(compute="GPU"), router()],
        [
            {"name": "by-port", "match": {"protocol": "UDP", "destinationPorts": "2000"}, "path": ["route"]},
            path("encrypt", "route", name="rest"),
        ],
    )
    result = run(tmp_path, documents, {"lan": [f.udp(5), *parts], "wan": []}, gpu=gpu)
    assert result.report["classes"]["by-port"]["packets"] == 1
    assert result.report["classes"]["rest"]["packets"] == len(parts)
    sealed = [frame for frame in result.out["wan"] if f.ip_of(frame).proto == 50]
    assert [bytes(packet) for _seq, packet in f.opened(f.peer(), sealed)] == [part[14:] for part in parts]


def test_transport_mode_drops_fragments(tmp_path):
    parts = fragments()
    documents = chain([encrypt(association(tunnel=None)), router()], [path("encrypt", "route")])
    result = run(tmp_path, documents, {"lan": [f.udp(5), *parts], "wan": []})
    assert result.drops == {"transport_fragment": len(parts)}
    assert len(result.out["wan"]) == 1


def test_packets_of_no_class_are_dropped_unless_there_is_a_default(tmp_path):
    classes = [{"name": "web", "match": {"protocol": "TCP"}, "path": ["route"]}]
    for name, spec, expected in (("no", {}, 1), ("yes", {"defaultClass": "web"}, 2)):
        folder = tmp_path / name
        folder.mkdir()
        result = run(folder, chain([router()], classes, **spec), {"lan": [f.tcp(b"x"), f.udp()], "wan": []})
        assert len(result.out["wan"]) == expected
        assert result.report["classes"]["web"]["packets"] == expected
        assert result.drops == ({} if spec else {"unclassified": 1})
