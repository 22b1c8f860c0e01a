"""ESP with Scapy as the other end: both directions, both computes, and forgeries."""

import frames as f
import pytest
from bundle import LAN_MAC, TUNNEL, association, chain, decrypt, encrypt, path, router
from harness import run
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.ipsec import ESP
from scapy.packet import Raw

GPU = pytest.mark.parametrize("gpu", ["none", "opencl"])
HOME = router(("0.0.0.0/0", "lan", LAN_MAC))


def opening(*associations, size=1):
    """A chain that decrypts what arrives at wan and routes it to lan."""
    return chain([decrypt(*associations, compute="GPU", size=size), HOME], [path("decrypt", "route")])


def packets(count, sizes=(0, 1, 13, 14, 15, 64, 1000, 1400)):
    """Numbered UDP packets (IP) of sizes around the cipher's block."""
    return [f.ip_of(f.udp(number, size=4 + sizes[number % len(sizes)])) for number in range(count)]


def routed(packet):
    """What a Router makes of the packet: its TTL one lower."""
    packet = packet.copy()
    packet.ttl -= 1
    del packet.chksum
    return bytes(packet)


@GPU
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("esn", [False, True])
def test_scapy_opens_what_we_seal(tmp_path, gpu, mode, esn):
    tunnel = TUNNEL if mode == "tunnel" else None
    documents = chain([encrypt(association(tunnel=tunnel, esn=esn), compute="GPU"), router()], [path("encrypt", "route")])
    sent = packets(64)
    result = run(tmp_path, documents, {"lan": [f.ether(packet) for packet in sent], "wan": []}, gpu=gpu)
    got = f.opened(f.peer(tunnel=tunnel, esn=esn), result.out["wan"])
    assert [seq for seq, _packet in got] == list(range(1, 65))
    expected = [bytes(packet) if tunnel else routed(packet) for packet in sent]
    assert [bytes(packet) for _seq, packet in got] == expected
    ivs = {bytes(f.ip_of(frame)[ESP].data[:16]) for frame in result.out["wan"]}
    assert len(ivs) == 64


@GPU
@pytest.mark.parametrize("mode", ["tunnel", "transport"])
@pytest.mark.parametrize("esn", [False, True])
def test_we_open_what_scapy_seals(tmp_path, gpu, mode, esn):
    tunnel = TUNNEL if mode == "tunnel" else None
    sa, sent = f.peer(tunnel=tunnel, esn=esn), packets(64)
    arriving = [f.esp_frame(sa, packet, 1 + number) for number, packet in enumerate(sent)]
    result = run(tmp_path, opening(association(tunnel=tunnel, esn=esn)), {"lan": [], "wan": arriving}, gpu=gpu)
    assert result.drops == {}
    assert [frame[14:] for frame in result.out["lan"]] == [routed(packet) for packet in sent]


@GPU
def test_forged_and_broken_esp_is_dropped_each_for_its_reason(tmp_path, gpu):
    sa = f.peer()
    inner = packets(40)
    good = [f.esp_frame(sa, packet, 1 + number) for number, packet in enumerate(inner)]
    frame = f.esp_frame(sa, inner[0], 1000)
    wrong_icv = frame[:-1] + bytes([frame[-1] ^ 1])
    changed = frame[:60] + bytes([frame[60] ^ 1]) + frame[61:]
    stranger = f.esp_frame(f.peer(spi=9999), inner[0], 1)
    elsewhere = f.esp_frame(f.peer(tunnel={**TUNNEL, "destination": "198.51.100.2"}), inner[0], 1)
    other_source = f.esp_frame(f.peer(tunnel={**TUNNEL, "source": "192.0.2.200"}), inner[0], 1001)
    outside = f.esp_frame(sa, f.ip_of(f.udp(src="172.16.0.1")), 1002)
    bad = [wrong_icv, changed, stranger, elsewhere, other_source, outside, good[3], good[3]]
    documents = opening(association(selector={"source": "10.1.0.0/16"}))
    result = run(tmp_path, documents, {"lan": [], "wan": good + bad}, gpu=gpu)
    assert [f.number_of(frame) for frame in result.out["lan"]] == list(range(40))
    assert sum(result.drops.values()) == len(bad)
    assert result.drops["bad_icv"] == 2
    assert result.drops["replayed"] == 2
    assert result.drops["sa_selector_mismatch"] == 1
    assert result.drops["tunnel_source_mismatch"] == 1
    assert result.drops["unknown_spi"] == 2


@GPU
def test_bad_padding_is_dropped_after_a_right_icv(tmp_path, gpu):
    """Scapy's own parts, put together with padding that RFC 4303 does not allow."""
    sa = f.peer()
    packet = packets(1)[0]
    frames = []
    for seq, trailer in enumerate((b"\x09\x09\x02\x04", b"\x01\x02\xff\x04"), start=1):
        # 4: the payload is an IPv4 packet; the pad length lies just before it.
        text = bytes(packet)
        text += b"\0" * (-(len(text) + len(trailer)) % 16) + trailer
        esp = sealed_text(sa, text, seq)
        frames.append(f.ether(IP(src=TUNNEL["source"], dst=TUNNEL["destination"], proto=50) / Raw(esp)))
    frames.append(f.esp_frame(sa, packet, 3))
    result = run(tmp_path, opening(), {"lan": [], "wan": frames}, gpu=gpu)
    assert len(result.out["lan"]) == 1
    assert result.drops == {"bad_padding": 2}


def sealed_text(sa, text, seq):
    """ESP header, IV, cipher text of exactly `text`, and a right ICV."""
    import hmac
    import struct

    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    iv = b"\x5a" * 16
    encryptor = Cipher(algorithms.AES(sa.crypt_key), modes.CBC(iv)).encryptor()
    body = struct.pack(">II", sa.spi, seq) + iv + encryptor.update(text) + encryptor.finalize()
    return body + hmac.new(sa.auth_key, body, "sha1").digest()[:12]


@GPU
def test_esp_cut_short_is_dropped(tmp_path, gpu):
    sa = f.peer()
    whole = f.ip_of(f.esp_frame(sa, packets(1)[0], 1))
    body = bytes(whole.payload)
    cut = [
        f.ether(IP(src=TUNNEL["source"], dst=TUNNEL["destination"], proto=50) / Raw(body[:length]))
        for length in (0, 4, 7, 8, 24, 35, 36, 47, len(body) - 1, len(body) - 16)
    ]
    result = run(tmp_path, opening(), {"lan": [], "wan": [*cut, f.ether(whole)]}, gpu=gpu)
    assert len(result.out["lan"]) == 1
    assert sum(result.drops.values()) == len(cut)


@GPU
@pytest.mark.parametrize("window", [0, 64, 1024])
def test_the_replay_window_takes_what_a_receiver_may_take(tmp_path, gpu, window):
    sa = f.peer()
    order = [1, 2, 5, 4, 3, 3, 100, 40, 36, 37, 99, 100, 2000, 977, 976, 1500, 1500, 2001]
    arriving = [f.esp_frame(sa, f.ip_of(f.udp(number)), seq) for number, seq in enumerate(order)]
    result = run(tmp_path, opening(association(replayWindow=window)), {"lan": [], "wan": arriving}, gpu=gpu)
    receiver = f.ReplayWindow(window)
    expected = [number for number, seq in enumerate(order) if window == 0 or receiver.accepts(seq)]
    assert [f.number_of(frame) for frame in result.out["lan"]] == expected


@GPU
def test_one_sa_over_four_workgroups_and_two_router_cores_stays_in_sequence(tmp_path, gpu):
    documents = chain([encrypt(compute="GPU", size=4), router(cores=2)], [path("encrypt", "route")])
    sent = [f.udp(number, size=16 + 37 * number % 1200, sport=1000 + number % 50) for number in range(3000)]
    result = run(tmp_path, documents, {"lan": sent, "wan": []}, gpu=gpu)
    window = f.ReplayWindow(64)
    refused = [seq for seq in (f.ip_of(frame)[ESP].seq for frame in result.out["wan"]) if not window.accepts(seq)]
    assert refused == []
    assert len(result.out["wan"]) == 3000


@GPU
def test_flows_stay_in_order_through_encrypt_decrypt_and_several_instances(tmp_path, gpu):
    documents = chain(
        [encrypt(compute="GPU", size=3), decrypt(compute="CPU", size=2), router(cores=2)],
        [path("encrypt", "decrypt", "route")],
    )
    flows = 40
    sent = [f.udp(number, size=8 + 91 * number % 1300, sport=2000 + number % flows) for number in range(2000)]
    result = run(tmp_path, documents, {"lan": sent, "wan": []}, gpu=gpu)
    assert result.drops == {}
    last = {}
    for frame in result.out["wan"]:
        packet = f.ip_of(frame)
        number = f.number_of(packet)
        assert last.get(packet[UDP].sport, -1) < number
        last[packet[UDP].sport] = number
    assert len(result.out["wan"]) == 2000


def test_the_first_sa_whose_selector_matches_is_used(tmp_path):
    documents = chain(
        [
            encrypt(
                association(spi=5001, selector={"destination": "10.2.0.9/32", "protocol": "TCP"}),
                association(spi=5002, selector={"destination": "10.2.0.0/16"}),
                association(spi=5003, selector={"source": "10.1.0.0/16", "destination": "10.0.0.0/8"}),
            ),
            router(),
        ],
        [path("encrypt", "route")],
    )
    sent = [f.tcp(b"x"), f.udp(), f.udp(dst="10.9.0.1"), f.udp(src="10.8.0.1", dst="10.9.0.1")]
    result = run(tmp_path, documents, {"lan": sent, "wan": []})
    assert [f.ip_of(frame)[ESP].spi for frame in result.out["wan"]] == [5001, 5002, 5003]
    assert result.drops == {"no_sa": 1}


@GPU
def test_the_outer_header_follows_the_rules(tmp_path, gpu):
    sent = [
        IP(src=f.SRC, dst=f.DST, ttl=9, tos=0xB8 | 2, flags="DF", id=5) / UDP() / Raw(b"a"),
        IP(src=f.SRC, dst=f.DST, ttl=200, tos=0x28 | 1, id=6) / TCP() / Raw(b"b"),
        IP(src=f.SRC, dst=f.DST, ttl=2, tos=3, id=7) / ICMP() / Raw(b"c"),
    ]
    documents = chain([encrypt(compute="GPU"), router()], [path("encrypt", "route")])
    result = run(tmp_path, documents, {"lan": [f.ether(packet) for packet in sent], "wan": []}, gpu=gpu)
    outer = [f.ip_of(frame) for frame in result.out["wan"]]
    assert [packet.ttl for packet in outer] == [63] * 3  # 64, and one Router
    assert [packet.tos for packet in outer] == [0xBA, 0x29, 0x03]
    assert [bool(packet.flags.DF) for packet in outer] == [True, False, False]
    assert outer[0].id == 0 and outer[1].id != outer[2].id
    assert [bytes(packet) for _seq, packet in f.opened(f.peer(), result.out["wan"])] == [bytes(p) for p in sent]


@GPU
def test_congestion_marks_of_the_outer_header_reach_the_inner_one(tmp_path, gpu):
    """RFC 6040, section 4.2: (inner, outer) to what leaves; None is a drop."""
    table = {(0, 3): None, (1, 3): 3, (2, 3): 3, (2, 1): 1, (2, 0): 2, (3, 0): 3, (1, 0): 1, (0, 0): 0}
    sa = f.peer()
    arriving = []
    for seq, (inner, outer) in enumerate(table, start=1):
        frame = f.esp_frame(sa, IP(src=f.SRC, dst=f.DST, tos=inner) / UDP() / Raw(b"%d" % seq), seq)
        packet = f.ip_of(frame)
        packet.tos = outer
        del packet.chksum
        arriving.append(f.ether(packet))
    result = run(tmp_path, opening(), {"lan": [], "wan": arriving}, gpu=gpu)
    assert [f.ip_of(frame).tos & 3 for frame in result.out["lan"]] == [mark for mark in table.values() if mark is not None]
    assert sum(result.drops.values()) == 1


def test_number_spaces_survive_with_a_state_folder(tmp_path):
    documents = chain([encrypt(), router()], [path("encrypt", "route")])
    state = tmp_path / "state"
    state.mkdir()
    seen = []
    for turn in range(3):
        folder = tmp_path / str(turn)
        folder.mkdir()
        sent = {"lan": [f.udp(number) for number in range(20)], "wan": []}
        result = run(folder, documents, sent, args=["--state", state])
        seen += [f.ip_of(frame)[ESP].seq for frame in result.out["wan"]]
    assert len(seen) == 60
    assert all(before < after for before, after in zip(seen, seen[1:])), "a number was used twice"


def test_a_replay_is_refused_after_a_restart_with_a_state_folder(tmp_path):
    sa = f.peer()
    arriving = [f.esp_frame(sa, packet, 1 + number) for number, packet in enumerate(packets(20))]
    state = tmp_path / "state"
    state.mkdir()
    results = []
    for turn in ("first", "again"):
        folder = tmp_path / turn
        folder.mkdir()
        results.append(run(folder, opening(), {"lan": [], "wan": arriving}, args=["--state", state]))
    assert len(results[0].out["lan"]) == 20
    assert results[1].out["lan"] == []
    assert set(results[1].drops) <= {"replayed", "replay_too_old"} and sum(results[1].drops.values()) == 20
