"""Packets that a rule file's rules should match, made from the rules.

For each rule the contents are laid out in order, each at the first place that
its modifiers allow, and the headers are set as the keywords ask. That is
enough for most rules; a rule that needs more gets no witness, no wrong one.
"""

import re

from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, raw
from scapy.layers.inet import IPOption_LSRR, IPOption_RR, IPOption_SSRR

RULE = re.compile(r"^\w+ (\S+) (\S+) (\S+) (?:->|<>) (\S+) (\S+) \((.*)\)\s*$")
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "2": 64, "1": 128}
IP_OPTIONS = {"rr": IPOption_RR, "lsrr": IPOption_LSRR, "ssrr": IPOption_SSRR}


def content(value):
    """The bytes of a content's value."""
    parts = re.split(r"\|([^|]*)\|", value)
    return b"".join(
        bytes.fromhex(part) if index % 2 else re.sub(r"\\(.)", r"\1", part).encode("latin-1")
        for index, part in enumerate(parts)
    )


def number(text):
    """A number that a comparison such as >5 or 3<>9 holds for."""
    for sign, step in ((">=", 0), ("<=", 0), (">", 1), ("<", -1), ("!", 1)):
        if text.startswith(sign):
            return int(text[len(sign):], 0) + step
    return int(text.split("<>")[0], 0) + (1 if "<>" in text else 0)


def port(text, default):
    text = {"any": str(default), "$HTTP_PORTS": "80", "$ORACLE_PORTS": "1521", "$DNP3_PORTS": "20000"}.get(text, text)
    return 4001 if text.startswith("!") or text == "$SHELLCODE_PORTS" else int(re.search(r"\d+", text)[0])


class Payload:
    """A payload while contents are put into it."""

    def __init__(self):
        self.bytes = bytearray()
        self.cursor = 0

    def put(self, data, at):
        self.bytes.extend(b"." * (at + len(data) - len(self.bytes)))
        self.bytes[at : at + len(data)] = data

    def content(self, data, modifiers):
        if "distance" in modifiers or "within" in modifiers:
            at = max(0, self.cursor + int(modifiers.get("distance", 0)))
        elif "offset" in modifiers or "depth" in modifiers or "startswith" in modifiers:
            at = int(modifiers.get("offset", 0))
        else:
            at = len(self.bytes)
        self.put(data, at)
        self.cursor = at + len(data)

    def byte_test(self, value):
        count, operator, wanted, offset, *flags = [part.strip() for part in value.split(",")]
        count, wanted, offset = int(count), int(wanted, 0), int(offset)
        if operator.startswith("!"):
            return
        wanted += {">": 1, "<": -1}.get(operator, 0)
        at = offset + (self.cursor if "relative" in flags else 0)
        self.put(wanted.to_bytes(count, "little" if "little" in flags else "big"), at)


def options(text):
    """The options as (name, value); a content's modifiers are joined to it."""
    found = []
    for option in re.findall(r'((?:[^;\\"]|\\.|"(?:[^"\\]|\\.)*")+);', text):
        name, _, value = option.strip().partition(":")
        if name in ("nocase", "offset", "depth", "startswith", "endswith", "distance", "within", "fast_pattern"):
            found[-1][2][name] = value
        else:
            found.append((name, value.strip(), {}))
    return found


def witness(line, index):
    """A frame for a rule, or None."""
    match = RULE.match(line)
    if not match:
        return None
    protocol, source, sport, destination, dport, text = match.groups()
    payload, size, end = Payload(), None, False
    ip, layer4, ip_options, seen = {"ttl": 64}, {}, [], {}
    for name, value, modifiers in options(text):
        seen[name] = value
        if name == "content" and not value.startswith("!"):
            payload.content(content(value.strip('"')), modifiers)
            end |= "endswith" in modifiers
        elif name == "byte_test":
            payload.byte_test(value)
        elif name == "isdataat" and not value.startswith("!"):
            base = payload.cursor if "relative" in value else 0
            payload.put(b"", base + int(value.split(",")[0]) + 1)
        elif name == "dsize":
            size = number(value)
        elif name == "flags":
            layer4["flags"] = sum(FLAGS.get(letter, 0) for letter in value.split(",")[0])
        elif name in ("seq", "ack", "window"):
            layer4[name] = int(value)
        elif name in ("itype", "icode", "icmp_id", "icmp_seq"):
            layer4[{"itype": "type", "icode": "code", "icmp_id": "id", "icmp_seq": "seq"}[name]] = number(value)
        elif name in ("ttl", "tos"):
            ip[name] = number(value)
        elif name == "ip_proto" and value[0] not in "!<":
            ip["proto"] = number(value)
        elif name == "ipopts":
            ip_options.append(IP_OPTIONS[value](routers=["192.0.2.99"]))
        elif name == "fragbits":
            ip["flags"] = {"+R": 4 | 2, "+MD": 1 | 2 | 4}[value]
        elif name == "fragoffset":
            ip["frag"] = number(value)
    if size is not None and len(payload.bytes) < size:
        payload.put(b"", size)
    if not end and size is None and payload.bytes:
        payload.put(b"", len(payload.bytes) + 8)

    home, outside = f"10.0.{index // 200}.{10 + index % 200}", f"203.0.{index // 200}.{10 + index % 200}"
    ip["src"] = home if source == "$HOME_NET" else outside
    ip["dst"] = home if destination == "$HOME_NET" and source != "$HOME_NET" else "198.51.100.9"
    if "sameip" in seen:
        ip["src"] = ip["dst"]
    ports = {"sport": port(sport, 20000 + index), "dport": port(dport, 4001)}
    body = Raw(bytes(payload.bytes))
    if protocol == "tcp-pkt":
        body = TCP(**ports, **({"flags": "PA"} | layer4)) / body
    elif protocol == "icmp":
        body = ICMP(**({"type": 8} | layer4)) / body
    elif protocol == "udp" or "proto" not in ip and "frag" not in ip:
        body = UDP(**ports) / body
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x0800)
    return Ether(raw(frame / IP(options=ip_options, id=index + 1, **ip) / body))


def witnesses(path):
    """Frames for the rules of a file, and how many rules there are."""
    lines = [line for line in open(path) if line.strip() and not line.startswith("#")]
    frames = [witness(line, index) for index, line in enumerate(lines)]
    return [frame for frame in frames if frame], len(lines)
