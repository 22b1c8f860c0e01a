#!/usr/bin/python3
"""Judge of whole runs: tshark decrypts, verifies and dissects what left.

The demo's chain (tunnel mode) and the paper's static chain (transport mode)
run on the CPU and on PoCL. tshark knows the keys; every ICV must be good,
every IPv4 and layer-4 checksum right, nothing malformed, and what is inside
must be what was sent.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import bundle  # noqa: E402
import frames as f  # noqa: E402
import harness  # noqa: E402
import pcap  # noqa: E402

FIELDS = ("esp.spi", "esp.icv_good", "ip.src", "ip.dst", "ip.checksum.status", "tcp.checksum.status", "udp.checksum.status",
          "tcp.srcport", "udp.srcport", "_ws.malformed")  # fmt: skip
GOOD = "1"


def dissected(path, *associations):
    """What tshark says of each frame: {field: [values, outermost first]}."""
    options = [
        "esp.enable_encryption_decode:TRUE", "esp.enable_authentication_check:TRUE", "ip.check_checksum:TRUE",
        "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE", "ip.defragment:FALSE",
    ]  # fmt: skip
    cipher, integrity = bundle.CIPHER_KEY.hex(), bundle.INTEGRITY_KEY.hex()
    for source, destination, spi in associations:
        options.append(
            f'uat:esp_sa:"IPv4","{source}","{destination}","0x{spi:08x}","AES-CBC [RFC3602]","0x{cipher}",'
            f'"HMAC-SHA-1-96 [RFC2404]","0x{integrity}","32-bit"'
        )
    command = ["tshark", "-r", path, "-T", "fields", "-E", "occurrence=a", "-E", "separator=/t"]
    for option in options:
        command += ["-o", option]
    for field in FIELDS:
        command += ["-e", field]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=True)
    for line in done.stdout.splitlines():
        values = line.split("\t")
        yield {field: value.split(",") if value else [] for field, value in zip(FIELDS, values)}


def judge(name, chain, sent, gpu, port, association, expected, innermost):
    """One run; the number of complaints."""
    with tempfile.TemporaryDirectory() as folder:
        result = harness.run(Path(folder), chain, sent, gpu=gpu)
        frames = list(dissected(Path(folder) / f"{port}.out.pcap", association))
    complaints = []
    inner = Counter()
    for number, frame in enumerate(frames, start=1):
        if not frame["esp.spi"]:
            continue
        checks = frame["ip.checksum.status"] + frame["tcp.checksum.status"] + frame["udp.checksum.status"]
        if frame["esp.icv_good"] != [GOOD]:
            complaints.append(f"frame {number}: the ICV is not good")
        if any(status != GOOD for status in checks):
            complaints.append(f"frame {number}: a checksum is wrong: {checks}")
        if frame["_ws.malformed"]:
            complaints.append(f"frame {number}: malformed")
        source = frame["tcp.srcport"] or frame["udp.srcport"]
        inner[frame["ip.src"][innermost], frame["ip.dst"][innermost], *source] += 1
    if inner != expected:
        complaints.append(f"inside was {inner - expected} too much and {expected - inner} too little")
    if len(frames) != len(result.out[port]):
        complaints.append(f"tshark sees {len(frames)} frames of {len(result.out[port])}")
    print(f"{name}, --gpu {gpu}: {sum(inner.values())} ESP packets, {len(complaints)} complaints")
    for complaint in complaints[:10]:
        print(f"  {complaint}")
    return len(complaints)


def flows(frames):
    """Packets by (source, destination, source port)."""
    packets = [f.ip_of(frame) for frame in frames]
    return Counter((packet.src, packet.dst, str(packet.sport)) for packet in packets)


def main():
    complaints = 0
    demo = {port: pcap.read(ROOT / "examples" / "demo" / f"{port}.pcap") for port in ("lan", "wan")}
    # What the demo's gateway encrypts: TCP and UDP of the flows that are in order.
    ordered = [
        frame for frame in demo["lan"]
        if len(frame) >= 42 and frame[12:14] == b"\x08\x00" and frame[23] in (6, 17)
        and f.ip_of(frame).src.startswith(("10.1.0.1", "10.1.1.1"))
    ]  # fmt: skip
    # Ports that tshark knows no protocol of.
    static = [f.udp(number, size=30 + number % 1400, dst="10.2.0.9", sport=50000 + number % 20, dport=50100) for number in range(400)]
    for gpu in ("none", "opencl"):
        complaints += judge(
            "site-gateway", harness.EXAMPLES / "site-gateway.yaml", demo, gpu, "wan",
            ("192.0.2.1", "198.51.100.1", 4096), flows(ordered), 1,
        )  # fmt: skip
        complaints += judge(
            "paper-static", harness.EXAMPLES / "paper-static.yaml", {"lan": static, "wan": []}, gpu, "wan",
            (f.SRC, "10.2.0.9", 4096), flows(static), 0,
        )  # fmt: skip
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
