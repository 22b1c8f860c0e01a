"""Frames for tests, made by Scapy, and Scapy as ESP's other end."""

import hmac
import struct

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from bundle import CIPHER_KEY, INTEGRITY_KEY, TUNNEL

SRC_MAC = "02:00:00:00:0a:01"
DST_MAC = "02:00:00:00:0a:02"
SRC = "10.1.0.5"
DST = "10.2.0.9"


def ether(packet, **more):
    """The bytes of `packet` in an Ethernet frame."""
    return bytes(Ether(src=SRC_MAC, dst=DST_MAC, **more) / packet)


def udp(number=0, size=64, src=SRC, dst=DST, sport=1000, dport=2000, **ip):
    """A UDP frame whose payload of `size` bytes starts with `number`."""
    payload = struct.pack(">I", number).ljust(size, b".")[:size]
    return ether(IP(src=src, dst=dst, **ip) / UDP(sport=sport, dport=dport) / Raw(payload))


def tcp(payload, src=SRC, dst=DST, sport=1000, dport=80):
    """A TCP segment with `payload`."""
    return ether(IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, flags="PA") / Raw(payload))


def ping(number=0, size=56, **ip):
    """An ICMP echo request."""
    return ether(IP(src=SRC, dst=DST, **ip) / ICMP(type=8, id=7, seq=number) / Raw(b"p" * size))


def arp():
    """An ARP request."""
    return ether(ARP(psrc=SRC, pdst=DST))


def ip_of(frame):
    """The IPv4 packet of a frame, dissected anew."""
    return IP(frame[14:])


def number_of(frame):
    """The number that `udp` put into the frame."""
    packet = frame if isinstance(frame, IP) else ip_of(frame)
    return struct.unpack(">I", bytes(packet[UDP].payload)[:4])[0]


def peer(spi=4096, tunnel=TUNNEL, esn=False, cipher=CIPHER_KEY, integrity=INTEGRITY_KEY):
    """The other end of an SA with the tests' keys: Scapy, or with ESN what it lacks and Scapy."""
    header = IP(src=tunnel["source"], dst=tunnel["destination"]) if tunnel else None
    auth = {} if esn else {"auth_algo": "HMAC-SHA1-96", "auth_key": integrity}
    scapy = SecurityAssociation(ESP, spi=spi, crypt_algo="AES-CBC", crypt_key=cipher, tunnel_header=header, **auth)
    return ExtendedPeer(scapy, integrity) if esn else scapy


class ExtendedPeer:
    """Scapy's end with the ICV of extended sequence numbers (RFC 4303, section 2.2.1).

    Scapy leaves the high half out of the ICV where the cipher has none of its own.
    """

    def __init__(self, scapy, key):
        self.scapy, self.key = scapy, key

    def _icv(self, body, high):
        return hmac.new(self.key, body + struct.pack(">I", high), "sha1").digest()[:12]

    def encrypt(self, packet, seq_num, iv):
        """As Scapy's; `seq_num` has 64 bits."""
        sealed = self.scapy.encrypt(packet, seq_num=seq_num & 0xFFFFFFFF, iv=iv)
        body = bytes(sealed[ESP])
        return _with_payload(sealed, body + self._icv(body, seq_num >> 32))

    def decrypt(self, packet, high=0):
        """As Scapy's; `high` is what the receiver knows of the number."""
        body, icv = bytes(packet[ESP])[:-12], bytes(packet[ESP])[-12:]
        assert icv == self._icv(body, high), "wrong ICV"
        return self.scapy.decrypt(_with_payload(packet, body))


def _with_payload(packet, payload):
    """The IP packet with other bytes behind its header."""
    header = packet.copy()
    header.remove_payload()
    del header.len, header.chksum
    return IP(bytes(header / Raw(payload)))


def esp_frame(sa, packet, seq, iv=None):
    """`packet` (IP) encrypted by Scapy, as a frame; the IV is of the sequence number."""
    iv = iv or struct.pack(">QQ", 0x1122334455667788, seq)
    return ether(sa.encrypt(packet, seq_num=seq, iv=iv))


def opened(sa, frames):
    """What Scapy's end gets out of `frames`, each checked: (sequence number, packet)."""
    found = []
    for frame in frames:
        outer = ip_of(frame)
        assert outer.proto == 50, outer.summary()
        found.append((outer[ESP].seq, sa.decrypt(outer)))
    return found


class ReplayWindow:
    """A receiver's anti-replay window (RFC 4303, section 3.4.3), naive and ours to read."""

    def __init__(self, size):
        self.size, self.top, self.seen = size, 0, set()

    def accepts(self, seq):
        """Whether the receiver would take `seq` now; remembers it if so."""
        if seq == 0 or seq in self.seen or seq + self.size <= self.top:
            return False
        self.seen.add(seq)
        self.top = max(self.top, seq)
        return True
