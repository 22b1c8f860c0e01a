"""Random traffic for the soak: well-formed packets, malformed ones, ESP of all sorts."""

import frames as f
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw


def frames(chance, count):
    """`count` frames, about a third of them with something wrong."""
    sealing = [f.peer(spi=7000 + number) for number in range(8)]
    made = []
    for number in range(count):
        size = chance.choice([4, 20, 64, 300, 1000, 1400])
        frame = f.udp(
            number, size=size, src=f"10.{chance.randrange(4)}.0.5", dst=f"10.{chance.randrange(256)}.{chance.randrange(256)}.9",
            sport=chance.randrange(1, 65536), dport=chance.choice([53, 80, 1500, 60000]), ttl=chance.choice([0, 1, 2, 64, 255]),
        )  # fmt: skip
        match chance.randrange(12):
            case 0:
                frame = frame[: chance.randrange(len(frame))]
            case 1:
                at = chance.randrange(len(frame))
                frame = frame[:at] + bytes([frame[at] ^ (1 << chance.randrange(8))]) + frame[at + 1 :]
            case 2:
                frame = frame[:14] + chance.randbytes(chance.randrange(200))
            case 3:
                frame = f.esp_frame(chance.choice(sealing), IP(src=f.SRC, dst=f.DST) / UDP() / Raw(b"x" * size), number + 1)
            case 4:
                frame = f.esp_frame(chance.choice(sealing), IP(frame[14:]), number + 1)
                frame = frame[:-4] + chance.randbytes(4)
            case 5:
                frame = f.ether(IP(src=f.SRC, dst=f.DST, flags="MF", frag=chance.randrange(100)) / Raw(b"f" * 64))
            case 6:
                frame = f.arp()
            case 7:
                frame = f.tcp(chance.choice([b"GET / HTTP/1.1\r\n", b"cmd.exe", b"/etc/passwd", b"root"]))
        made.append(frame)
    return made
