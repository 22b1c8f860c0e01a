#!/usr/bin/python3
"""Makes lan.pcap and wan.pcap, the traffic that `make demo` runs.

The same bytes each time: no clock and no chance is in them. A test makes them
anew and compares.

    examples/demo/make-captures.py [FOLDER]     (default: its own folder)

lan.pcap   what the site sends: several flows of each class of
           site-gateway.yaml, some packets that match a rule, some broken ones
wan.pcap   what arrives from outside: ESP of the other site, made by Scapy with
           the manifest's keys, and forgeries that the gateway must refuse
"""

import struct
import sys
from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

HOSTS, GATEWAY, OUTSIDE = "02:00:00:00:0a:01", "02:00:00:00:00:01", "02:00:00:00:02:01"
# Sizes that a flow's packets take in turn: short, odd, around a block, long.
SIZES = (12, 64, 333, 700, 1024, 1380)
TEXT = b"The quick brown fox jumps over the lazy dog. "


def lan(packet):
    """A frame from the site's hosts to the gateway."""
    return bytes(Ether(src=HOSTS, dst=GATEWAY) / packet)


def wan(packet):
    """A frame from outside to the gateway."""
    return bytes(Ether(src=OUTSIDE, dst=GATEWAY) / packet)


def payload(flow, number):
    """Harmless text of a size that changes with `number`; says whose it is."""
    size = SIZES[(flow + number) % len(SIZES)]
    return (b"flow %d packet %d " % (flow, number) + TEXT * 40)[:size]


def web(flow, number, source, destination):
    """A segment of an HTTP answer."""
    return (
        IP(src=source, dst=destination, id=number)
        / TCP(sport=20000 + flow, dport=8080, seq=1 + 1400 * number, ack=1, flags="PA")
        / Raw(payload(flow, number))
    )


def outbound(flows=6, packets=40):
    """Class `outbound`: TCP to hosts of the other site."""
    for number in range(packets):
        for flow in range(flows):
            yield lan(web(flow, number, f"10.1.0.{10 + flow}", f"10.2.0.{20 + flow}"))


def bulk(flows=3, packets=80):
    """Class `bulk`: UDP to ports 4000-4999, which the NIDS does not see."""
    for number in range(packets):
        for flow in range(flows):
            head = IP(src=f"10.1.1.{10 + flow}", dst=f"10.2.1.{flow}", id=number, tos=0x28)
            yield lan(head / UDP(sport=30000, dport=4000 + 300 * flow) / Raw(payload(flow, number)))


def mirror(packets=24):
    """Class `mirror`: ICMP to the world, short frames padded by other hands."""
    for number in range(packets):
        data = b"ping" if number % 2 else b"p" * 56
        frame = lan(IP(src="10.1.0.77", dst="203.0.113.9", id=number) / ICMP(type=8, id=77, seq=number) / Raw(data))
        yield frame.ljust(60, b"\xa5")


def attack(number, source, destination):
    """The packet of one row of HOSTILE."""
    protocol, port, data, _sids = HOSTILE[number]
    layer4 = protocol(sport=40000 + number, dport=port)
    if protocol is TCP:
        layer4.flags, layer4.seq, layer4.ack = "PA", 1, 1
    return IP(src=source, dst=destination, id=number) / layer4 / Raw(data)


def hostile():
    """Packets that match rules of examples/rules/local.rules: class `quarantine`."""
    for number in range(len(HOSTILE)):
        yield lan(attack(number, "10.1.0.66", "10.2.0.80"))


def refused():
    """Packets that the gateway drops, each for a reason of its own."""
    plain = lan(web(90, 0, "10.1.0.90", "10.2.0.90"))
    yield plain[:20]  # ends inside the IPv4 header
    yield plain[:-5]  # shorter than its IPv4 header says
    yield plain[:24] + b"\0\0" + plain[26:]  # wrong header checksum
    yield plain[:14] + b"\x43" + plain[15:]  # a header of 12 bytes
    yield lan(ARP(psrc="10.1.0.90", pdst="10.1.0.1"))  # not IPv4
    yield lan(IP(src="10.1.0.90", dst="192.0.2.77") / UDP(sport=9, dport=9999) / Raw(b"no SA for it"))
    big = IP(src="10.1.0.90", dst="10.2.0.90", flags="DF") / UDP(sport=9, dport=4000) / Raw(b"x" * 1472)
    yield lan(big)  # 1,500 bytes, and ESP needs more


def other_site():
    """Scapy's end of the SA `gw-in`."""
    return SecurityAssociation(
        ESP, spi=4097, crypt_algo="AES-CBC", crypt_key=b"decrypt-demo-key",
        auth_algo="HMAC-SHA1-96", auth_key=b"decrypt-demo-icv-key",
        tunnel_header=IP(src="198.51.100.1", dst="192.0.2.1"),
    )  # fmt: skip


def sealed(sa, packet, sequence):
    """`packet` as ESP with a number for its IV: good for a file, not for a network."""
    return wan(sa.encrypt(packet, seq_num=sequence, iv=struct.pack(">QQ", 0x6465_6D6F, sequence)))


def inbound(flows=3, packets=40):
    """Class `inbound`: ESP that is in order, and ESP that is not."""
    sa = other_site()
    sequence, frames = 0, []
    for number in range(packets):
        for flow in range(flows):
            sequence += 1
            frames.append(sealed(sa, web(flow, number, f"10.2.0.{20 + flow}", f"10.1.{7 * (flow % 2)}.{10 + flow}"), sequence))
    yield from frames
    yield frames[10]  # replayed
    forged = sealed(sa, web(5, 0, "10.2.0.5", "10.1.0.5"), sequence + 1)
    yield forged[:-1] + bytes([forged[-1] ^ 1])  # wrong ICV
    stranger = SecurityAssociation(
        ESP, spi=4099, crypt_algo="AES-CBC", crypt_key=b"k" * 16, auth_algo="HMAC-SHA1-96", auth_key=b"i" * 20,
        tunnel_header=IP(src="198.51.100.1", dst="192.0.2.1"),
    )  # fmt: skip
    yield sealed(stranger, web(5, 1, "10.2.0.5", "10.1.0.5"), 1)  # unknown SPI
    yield sealed(sa, web(5, 2, "172.16.0.5", "10.1.0.5"), sequence + 2)  # inside, somebody else's address
    yield sealed(sa, attack(0, "10.2.0.66", "10.1.0.10"), sequence + 3)  # genuine, and matches a rule


def mixed(*streams):
    """The streams' frames, one of each in turn until all have ended."""
    streams = [iter(stream) for stream in streams]
    while streams:
        for stream in list(streams):
            try:
                yield next(stream)
            except StopIteration:
                streams.remove(stream)


def write(path, frames):
    """A classic pcap, its frames 100 microseconds apart."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            second, microsecond = divmod(100 * number, 1_000_000)
            out.write(struct.pack("<IIII", 1_700_000_000 + second, microsecond, len(frame), len(frame)))
            out.write(frame)


# Protocol, destination port, payload, and the rules of local.rules that match.
HOSTILE = (
    (TCP, 21, b"SITE CPFR /etc/shadow\r\n", [9000105]),
    (TCP, 21, b"USER guest:)\r\n", [9000106]),
    (TCP, 25, b"VRFY root\r\n", [9000111]),
    (TCP, 23, b"xc3511\r\n", [9000114]),
    (TCP, 23, b"cd /tmp; /bin/busybox WGET\r\n", [9000115]),
    (TCP, 9100, b"\x7fELF\x01\x01\x01" + bytes(9) + b"\x02\x00\x28\x00" + bytes(32), [9000167]),
    (UDP, 69, b"\0\1../../etc/passwd\0octet\0", [9000078, 9000079]),
)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    write(folder / "lan.pcap", mixed(outbound(), bulk(), mirror(), hostile(), refused()))
    write(folder / "wan.pcap", inbound())


if __name__ == "__main__":
    main()
