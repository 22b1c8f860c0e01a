#!/usr/bin/python3
"""Judge of ESP: Scapy, tshark and Python's own hmac against dataplane/esp.

The crate's example `espcat` encrypts and decrypts captures with the product's
header logic and either cipher (intel-ipsec-mb, RustCrypto). Here Scapy opens
what it seals and it opens what Scapy seals, tshark finds every ICV good and the
same text, and packets that must be refused are, each for the right reason.

Scapy and tshark 4.0 know no extended sequence numbers with HMAC: these are
judged by hmac and AES from Python's libraries.
"""

import hashlib
import hmac
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.layers.l2 import Ether
from scapy.packet import Raw

ROOT = Path(__file__).resolve().parents[2]
CIPHER_KEY, INTEGRITY_KEY = bytes(range(16)), bytes(range(100, 120))
SPI = 0x1000
TUNNEL = {"source": "192.0.2.1", "destination": "198.51.100.1"}
IV = bytes(range(200, 216))


def espcat_binary():
    """Builds the example and says where it is."""
    cargo = shutil.which("cargo") or str(Path.home() / ".cargo" / "bin" / "cargo")
    build = [cargo, "build", "--release", "--locked", "--quiet", "-p", "hummingbird-esp", "--example", "espcat"]
    subprocess.run(build, cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "examples" / "espcat"


def write_pcap(path, frames):
    """A classic Ethernet capture; Scapy's own writer would rewrite headers."""
    with open(path, "wb") as out:
        out.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            out.write(struct.pack("=IIII", number, 0, len(frame), len(frame)) + frame)


def read_pcap(path):
    """The frames of such a capture."""
    data, at, frames = path.read_bytes(), 24, []
    while at < len(data):
        length = struct.unpack_from("=I", data, at + 8)[0]
        frames.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return frames


class Espcat:
    """The example, run on frames: what it says of each, and what came out."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder

    def __call__(self, direction, cipher, frames, tunnel=True, **more):
        sa = {"direction": direction, "cipher": cipher, "spi": SPI, **more}
        sa |= {"cipherKey": CIPHER_KEY.hex(), "integrityKey": INTEGRITY_KEY.hex()} | (TUNNEL if tunnel else {})
        source, target = self.folder / "in.pcap", self.folder / "out.pcap"
        write_pcap(source, frames)
        done = subprocess.run(
            [self.binary, json.dumps(sa), source, target], check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout.split(), read_pcap(target)


def ether(packet):
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet)


def peer(tunnel):
    """Scapy's end of the SA."""
    return SecurityAssociation(
        ESP, spi=SPI, crypt_algo="AES-CBC", crypt_key=CIPHER_KEY, auth_algo="HMAC-SHA1-96", auth_key=INTEGRITY_KEY,
        tunnel_header=IP(src=TUNNEL["source"], dst=TUNNEL["destination"]) if tunnel else None,
    )  # fmt: skip


def of_size(size, number):
    """An IPv4 packet of exactly `size` bytes: protocols, DF, TOS and TTL vary, and some have options."""
    header = IP(src="10.1.0.5", dst="10.2.0.9", id=number, ttl=1 + number % 255, tos=number & 0xFC)
    header.flags = "DF" if number % 2 else 0
    if number % 7 == 3 and size >= 64:
        header.options = [IPOption(b"\x94\x04\x00\x00")]  # router alert, RFC 2113
    layer4 = [UDP(sport=30000, dport=30001), TCP(sport=30000, dport=30001), ICMP()][number % 3]
    packet = header / layer4
    if len(packet) > size:
        header.proto = 253  # for experiments, RFC 3692: no layer 4 that would have to fit
        packet = header
    rest = bytes((number + at) & 0xFF for at in range(size - len(packet)))
    packet = IP(bytes(packet / Raw(rest)))
    assert len(packet) == packet.len == size
    return packet


PACKETS = [of_size(size, number) for number, size in enumerate(range(20, 1501))]


def seal(text, sequence=1, high=None, outer=None, spi=SPI):
    """ESP by hand: `text` with its trailer, whatever it says."""
    encryptor = Cipher(algorithms.AES(CIPHER_KEY), modes.CBC(IV)).encryptor()
    covered = struct.pack(">II", spi, sequence) + IV + encryptor.update(text) + encryptor.finalize()
    esn = b"" if high is None else struct.pack(">I", high)
    icv = hmac.new(INTEGRITY_KEY, covered + esn, hashlib.sha1).digest()[:12]
    return ether((outer or IP(src=TUNNEL["source"], dst=TUNNEL["destination"], proto=50)) / Raw(covered + icv))


def trailer(payload, next_header=4, padding=None):
    """A payload with RFC 4303's trailer, or another padding."""
    pad = bytes(range(1, 1 + -(len(payload) + 2) % 16)) if padding is None else padding
    return payload + pad + bytes([len(pad), next_header])


def unseal(frame, high):
    """Sequence number and text by hand; the ICV must cover `high`."""
    esp = frame[34:]
    covered, icv = esp[:-12], esp[-12:]
    assert hmac.new(INTEGRITY_KEY, covered + struct.pack(">I", high), hashlib.sha1).digest()[:12] == icv
    decryptor = Cipher(algorithms.AES(CIPHER_KEY), modes.CBC(covered[8:24])).decryptor()
    return struct.unpack(">I", esp[4:8])[0], decryptor.update(covered[24:]) + decryptor.finalize()


def tshark(capture, fields):
    """What tshark says of each frame. Ports that no dissector claims: one that
    finds the inside malformed would keep tshark from telling of the ICV."""
    sa = [
        "IPv4", "*", "*", f"0x{SPI:08x}", "AES-CBC [RFC3602]", f"0x{CIPHER_KEY.hex()}",
        "HMAC-SHA-1-96 [RFC2404]", f"0x{INTEGRITY_KEY.hex()}",
    ]  # fmt: skip
    command = [
        "tshark", "-r", capture, "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
        "-o", "uat:esp_sa:" + ",".join(f'"{field}"' for field in sa), "-T", "fields", "-E", "occurrence=f",
        *(word for field in fields for word in ("-e", field)),
    ]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


# The judgements. Each takes espcat and the name of a cipher.


def scapy_opens_ours(espcat, cipher):
    for tunnel in (True, False):
        said, sealed = espcat("encrypt", cipher, [ether(packet) for packet in PACKETS], tunnel)
        assert said == ["ok"] * len(PACKETS)
        for number, (frame, packet) in enumerate(zip(sealed, PACKETS, strict=True)):
            outer = IP(frame[14:])
            assert outer[ESP].seq == number + 1
            assert bytes(peer(tunnel).decrypt(outer)) == bytes(packet), f"{len(packet)} bytes"
            if tunnel:
                assert (outer.ttl, outer.tos, outer.src, outer.dst) == (64, packet.tos, *TUNNEL.values())
                assert outer.flags.DF == packet.flags.DF and (outer.id == 0 or not packet.flags.DF)
            assert frame[14:34] == rebuilt(IP(frame[14:]))[:20], "checksum"
        assert len({frame[-12:] for frame in sealed}) == len(sealed)


def rebuilt(packet):
    """The packet's bytes with a checksum of Scapy's."""
    packet = packet.copy()
    del packet.chksum
    return bytes(packet)


def tshark_finds_ours_good(espcat, cipher):
    for tunnel in (True, False):
        _said, sealed = espcat("encrypt", cipher, [ether(packet) for packet in PACKETS], tunnel)
        capture = espcat.folder / "out.pcap"
        fields = ["esp.icv_good", "esp.sequence", "esp.contained_data"]
        for number, (row, packet) in enumerate(zip(tshark(capture, fields), PACKETS, strict=True)):
            good, sequence, text = row
            assert good in ("1", "True"), f"{len(packet)} bytes: {row}"
            assert int(sequence) == number + 1
            expected = bytes(packet) if tunnel else bytes(packet)[packet.ihl * 4 :]
            assert bytes.fromhex(text.replace(":", "")) == expected, f"{len(packet)} bytes"
        forged = [frame[:-1] + bytes([frame[-1] ^ 1]) for frame in sealed[:20]]
        write_pcap(capture, forged)
        assert {row[0] for row in tshark(capture, ["esp.icv_good"])} <= {"0", "False"}, "tshark does not look"


def we_open_scapys(espcat, cipher):
    for tunnel in (True, False):
        sa = peer(tunnel)
        sealed = [ether(sa.encrypt(packet, seq_num=number + 1)) for number, packet in enumerate(PACKETS)]
        said, opened = espcat("decrypt", cipher, sealed, tunnel, replayWindow=64)
        assert said == ["ok"] * len(PACKETS)
        for frame, packet in zip(opened, PACKETS, strict=True):
            assert frame[14:] == bytes(packet), f"{len(packet)} bytes"


def extended_numbers(espcat, cipher):
    some = PACKETS[::40]
    for last in (0, 2**32 - 10, 5 * 2**32 + 7):
        said, sealed = espcat("encrypt", cipher, [ether(packet) for packet in some], esn=True, lastSequence=last)
        assert said == ["ok"] * len(some)
        for number, (frame, packet) in enumerate(zip(sealed, some, strict=True)):
            whole = last + 1 + number
            sequence, text = unseal(frame, whole >> 32)
            assert sequence == whole & 0xFFFFFFFF and text.startswith(bytes(packet))
        by_hand = [
            seal(trailer(bytes(packet)), (last + 1 + number) & 0xFFFFFFFF, (last + 1 + number) >> 32)
            for number, packet in enumerate(some)
        ]
        for frames in (sealed, by_hand):
            said, opened = espcat("decrypt", cipher, frames, esn=True, replayWindow=64, lastSequence=last)
            assert said == ["ok"] * len(some)
            assert [frame[14:] for frame in opened] == [bytes(packet) for packet in some]
        wrong = [seal(trailer(bytes(some[0])), (last + 1) & 0xFFFFFFFF, (last + 1 >> 32) + 1)]
        assert espcat("decrypt", cipher, wrong, esn=True, replayWindow=64, lastSequence=last)[0] == ["bad_icv"]


def refusals(espcat, cipher):
    inner = bytes(of_size(100, 1))
    right, unseen = seal(trailer(inner), 10), seal(trailer(inner), 9)
    outer = {"src": TUNNEL["source"], "dst": TUNNEL["destination"], "proto": 50}

    def flipped(at):
        return unseen[:at] + bytes([unseen[at] ^ 0x20]) + unseen[at + 1 :]

    def cut(length):
        return ether(IP(**outer) / Raw(right[34 : 34 + length]))

    broken_checksum = inner[:10] + bytes([inner[10] ^ 1]) + inner[11:]
    not_ect = inner[:1] + b"\0" + inner[2:10] + b"\0\0" + inner[12:]
    not_ect = rebuilt(IP(not_ect))
    numbers = iter(range(11, 10_000))
    cases = [
        (right, "ok"),
        (right, "replayed"),
        *((flipped(at), "bad_icv") for at in (42, 57, 58, 100, len(right) - 12, len(right) - 1)),
        *((cut(length), "esp_too_short") for length in (8, 24, 36, 51, 53, len(right) - 35)),
        (seal(trailer(inner, padding=b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x09"), next(numbers)), "bad_padding"),
        (seal(trailer(inner, padding=bytes(10)), next(numbers)), "bad_padding"),
        (seal(inner[:14] + b"\xff\x04", next(numbers)), "bad_padding"),
        (seal(trailer(inner, 59), next(numbers)), "esp_dummy"),
        (seal(trailer(inner, 41), next(numbers)), "bad_next_header"),
        (seal(trailer(broken_checksum), next(numbers)), "bad_inner"),
        (seal(trailer(inner[:60]), next(numbers)), "bad_inner"),
        (seal(trailer(b""), next(numbers)), "bad_inner"),
        (seal(trailer(not_ect), next(numbers), outer=IP(**outer, tos=3)), "ecn_congestion_lost"),
        (seal(trailer(inner), next(numbers), outer=IP(**{**outer, "src": "192.0.2.9"})), "tunnel_source_mismatch"),
        (seal(trailer(inner), next(numbers), outer=IP(**outer, flags="MF")), "esp_fragment"),
        (seal(trailer(inner + bytes(500)), next(numbers)), "ok"),
        (seal(trailer(inner), 500), "ok"),
        (seal(trailer(inner), 400), "replay_too_old"),
        (seal(trailer(inner), 437), "ok"),
        (seal(trailer(inner), 0), "replay_too_old"),
    ]
    # A burst is checked as a whole before any of it is committed. So that each
    # case finds the window as the one before left it, each has its own burst,
    # filled up with packets of a stranger.
    frames, wanted = [], []
    filler = iter(range(100_000))
    for frame, reason in cases:
        frames.append(frame)
        wanted.append(reason)
        for _ in range(63):
            frames.append(seal(trailer(inner), 1, spi=next(filler) & 0xFF, outer=IP(**{**outer, "src": "192.0.2.8"})))
            wanted.append("tunnel_source_mismatch")
    said, opened = espcat("decrypt", cipher, frames, replayWindow=64)
    for at, (got, expected) in enumerate(zip(said, wanted, strict=True)):
        assert got == expected, f"case {at // 64}: {got} and not {expected}"
    assert [frame[14:] for frame in opened] == [inner] * wanted.count("ok")
    fragment = of_size(200, 1)
    fragment.flags = "MF"
    said, _sealed = espcat("encrypt", cipher, [ether(IP(rebuilt(fragment)))], tunnel=False)
    assert said == ["transport_fragment"]


def main():
    binary = espcat_binary()
    judgements = [scapy_opens_ours, tshark_finds_ours_good, we_open_scapys, extended_numbers, refusals]
    with tempfile.TemporaryDirectory() as folder:
        espcat = Espcat(binary, Path(folder))
        for cipher in ("ipsec-mb", "rust"):
            for judgement in judgements:
                judgement(espcat, cipher)
                print(f"ok: {judgement.__name__.replace('_', ' ')}, {cipher}", flush=True)
    print(f"{len(PACKETS)} packets of 20 to 1500 bytes, two modes, two ciphers: all agree")


if __name__ == "__main__":
    sys.exit(main())
