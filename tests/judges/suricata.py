#!/usr/bin/python3
"""Suricata 7 as the judge of our rule evaluator.

The same rules and the same capture go through Suricata and through
`crds/rules/examples/evaluate.rs`; both must name the same sids for the same
packets. The captures are made here with Scapy: for each keyword packets on
both sides of its condition, random contents over random payloads, and a
hostile payload. Then the example rules run over packets made from them and
over the real captures in ../shared/data/pcap, where there are any.

usage: suricata.py [--evaluate COMMAND] [--suricata COMMAND]
Exits with 1 on any difference that EXPLAINED does not explain.
"""

import argparse
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile

from scapy.all import ICMP, IP, TCP, UDP, Ether, Raw, raw, rdpcap, wrpcap
from scapy.layers.inet import IPOption_LSRR, IPOption_NOP, IPOption_RR

sys.dont_write_bytecode = True
from suricata_witness import witnesses  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
CAPTURES = ROOT.parent / "shared" / "data" / "pcap"

CONFIG = """%YAML 1.1
---
vars:
  address-groups:
    HOME_NET: "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"
    EXTERNAL_NET: "!$HOME_NET"
  port-groups:
    HTTP_PORTS: "80"
    SHELLCODE_PORTS: "!80"
    ORACLE_PORTS: 1521
    SSH_PORTS: 22
    DNP3_PORTS: 20000
    MODBUS_PORTS: 502
    FILE_DATA_PORTS: "[$HTTP_PORTS,110,143]"
    FTP_PORTS: 21
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [alert]}
exception-policy: ignore
packet-alert-max: 255
classification-file: %(etc)s/classification.config
reference-config-file: %(etc)s/reference.config
threshold-file: %(etc)s/threshold.config
"""

# A relative content whose content before is a negated one.
AFTER_NEGATED = re.compile(
    r'content:!"[^"]*";(?: (?!content)[^;]*;)* content:!?"[^"]*";(?: (?!content)[^;]*;)* (?:distance|within)'
)

# Where we differ on purpose: why, and a test of where it applies, given the
# sid, the frame and the rule. A rule of `tcp` or `ip` also looks into
# Suricata's reassembled stream; no rule here with a content is of that kind
# and meets TCP, so it is not among them.
EXPLAINED = [
    (
        "negated endswith: Suricata judges by the first occurrence only and takes an "
        "earlier one for proof that none is at the end; we look at the end",
        lambda sid, frame, text: sid == 1045,
    ),
    (
        "ipopts:any: Suricata asks for every option at once, so it never matches; we ask for any",
        lambda sid, frame, text: sid == 1081,
    ),
    (
        "flags:*SF: Suricata tries rules whose flags name S on SYN packets only; we try them on all",
        lambda sid, frame, text: sid == 1097,
    ),
    (
        "relative after negated: Suricata narrows the place of such a content by the length of the "
        "negated one, which is not there; we count from the last match",
        lambda sid, frame, text: sid >= RANDOM and AFTER_NEGATED.search(text),
    ),
    (
        "fragments: Suricata evaluates the reassembled datagram and shows its last fragment; we have "
        "no reassembly, and evaluate each fragment alone by rules that ask for no port and no place",
        lambda sid, frame, text: IP in frame and (frame[IP].flags.MF or frame[IP].frag),
    ),
    ("IPv6: we evaluate IPv4 only", lambda sid, frame, text: IP not in frame),
]

def rule(sid, options, header="udp any any -> any any", action="alert"):
    return f'{action} {header} (msg:"judge {sid}"; {options} sid:{sid}; rev:1;)'


# Options of payload keywords on UDP, from sid 1001 on.
PAYLOAD = [
    'content:"needle";',
    'content:"NeEdLe"; nocase;',
    'content:"|6e 65|edle";',
    r'content:"a\;b\:c\\d\"e";',
    'content:!"needle";',
    'content:"head"; startswith;',
    'content:"head"; depth:4;',
    'content:"head"; depth:8;',
    'content:"head"; offset:4;',
    'content:"head"; offset:2; depth:6;',
    'content:"tail"; endswith;',
    'content:"ta"; endswith;',
    'content:"one"; content:"two";',
    'content:"two"; content:"one";',
    'content:"one"; content:"two"; distance:0;',
    'content:"one"; content:"two"; distance:2;',
    'content:"one"; content:"two"; distance:-6;',
    'content:"one"; content:"two"; within:3;',
    'content:"one"; content:"two"; within:8;',
    'content:"one"; content:"two"; distance:1; within:4;',
    'content:"one"; content:"two"; within:6; content:"six"; within:6;',
    'content:"one"; content:!"two"; within:6;',
    'content:"one"; content:!"two"; distance:0;',
    'content:"one"; content:!"two"; within:6; content:"six";',
    'content:"one"; isdataat:5,relative;',
    'content:"one"; isdataat:!5,relative;',
    'content:"one"; isdataat:!1,relative;',
    'isdataat:20;',
    'isdataat:!20;',
    'content:"one"; fast_pattern; content:"longest here";',
    'content:"one"; content:"longest here"; fast_pattern:only;',
    'content:"longest here"; fast_pattern:2,4; content:"one";',
    'dsize:0;',
    'dsize:8;',
    'dsize:!8;',
    'dsize:<8;',
    'dsize:>8;',
    'dsize:>=8;',
    'dsize:<=8;',
    'dsize:6<>9;',
    'content:"|00 00 00|";',
    'content:"|00|";',
    'content:!"|00|";',
    'content:"one"; content:"two"; distance:0; nocase; content:"SIX"; nocase; within:9; endswith;',
    'content:!"tail"; endswith;',
    'byte_test:1,=,104,0;',
    'byte_test:1,>,104,0;',
    'byte_test:2,<,0x6a00,0;',
    'byte_test:1,!=,104,0;',
    'byte_test:1,&,1,0;',
    'byte_test:1,!&,1,0;',
    'byte_test:1,^,104,0;',
    'byte_test:2,>=,25960,1,little;',
    'content:"len="; byte_test:3,>,100,0,relative,string,dec;',
    'content:"len="; byte_test:3,<=,0x80,0,relative,string,hex;',
    'byte_test:2,=,6,0,bitmask 0x0f00;',
    'content:"jump"; byte_jump:1,0,relative; content:"two"; within:3;',
    'content:"jump"; byte_jump:1,0,relative,multiplier 2; content:"two"; within:3;',
    'content:"jump"; byte_jump:1,0,relative,align; content:"two"; within:3;',
    'byte_jump:1,4,from_beginning; content:"two"; within:3;',
    'content:"jump"; byte_jump:1,0,relative,post_offset -1; content:"two"; within:3;',
    'byte_jump:0,0,from_end,post_offset -4; content:"tail"; within:4;',
    'content:"aab"; content:"aac"; distance:-3; within:6;',
    'content:"ab"; content:"ab"; distance:0; content:"ab"; distance:0; content:"xy"; within:2;',
]
# Options of header keywords, from sid 1070 on, with their protocol.
HEADER = [
    ("ip", "ttl:7; ip_proto:17;"),
    ("ip", "ttl:<7;"),
    ("ip", "ttl:>200;"),
    ("ip", "ttl:60<>63;"),
    ("ip", "id:4242;"),
    ("ip", "tos:16;"),
    ("ip", "tos:!0;"),
    ("ip", "ip_proto:132;"),
    ("ip", "ip_proto:>130; ip_proto:!132;"),
    ("ip", "ipopts:rr;"),
    ("ip", "ipopts:lsrr;"),
    ("ip", "ipopts:any;"),
    ("ip", "sameip;"),
    ("ip", "fragbits:D;"),
    ("ip", "fragbits:!D;"),
    ("ip", "fragbits:*DR;"),
    ("ip", "fragbits:+D;"),
    ("ip", "fragoffset:0; ttl:9;"),
    ("icmp", "itype:8;"),
    ("icmp", "itype:>8;"),
    ("icmp", "icode:1;"),
    ("icmp", "icmp_id:77;"),
    ("icmp", "icmp_seq:5;"),
    ("icmp", 'content:"ping"; startswith;'),
    ("tcp-pkt", "flags:S;"),
    ("tcp-pkt", "flags:S,12;"),
    ("tcp-pkt", "flags:+S;"),
    ("tcp-pkt", "flags:*SF;"),
    ("tcp-pkt", "flags:!A;"),
    ("tcp-pkt", "flags:0;"),
    ("tcp-pkt", "seq:1234567;"),
    ("tcp-pkt", "ack:7654321;"),
    ("tcp-pkt", "window:55808;"),
    ("tcp-pkt", "window:!8192;"),
    ("tcp-pkt", 'content:"GET /"; startswith; content:"HTTP/1.1"; distance:1;'),
]
# Headers: protocol, nets, ports, directions; each over any payload with "head".
NETS = [
    "udp $HOME_NET any -> $EXTERNAL_NET any",
    "udp $EXTERNAL_NET any -> $HOME_NET any",
    "udp [10.0.0.0/8,!10.1.0.0/16] any -> any any",
    "udp ![10.0.0.0/8,!10.1.0.0/16] any -> any any",
    "udp !$HOME_NET any -> any any",
    "udp 192.0.2.7 any -> any any",
    "udp 192.0.2.0-192.0.2.9 any -> any any",
    "udp 192.0.2.0/255.255.255.0 any -> any any",
    "udp any any -> any 53",
    "udp any any -> any [53,60:70,!65]",
    "udp any any -> any !53",
    "udp any any -> any 60:",
    "udp any any -> any :60",
    "udp any any -> any $FILE_DATA_PORTS",
    "udp any any -> any !$HTTP_PORTS",
    "udp any 53 <> any any",
    "udp 192.0.2.7 any <> any 80",
    "ip any any -> any 80",
    "tcp-pkt any any -> any any",
    "icmp any any -> any any",
    "ip any any -> any any",
]
# Random rules start here.
RANDOM = 5000

PAYLOADS = [
    b"", b"needle", b"a needle here", b"NEEDLE", b"nedle", b'a;b:c\\d"e', b"head", b"head and tail",
    b"xxhead", b"xxxxhead", b"xxxxxheadxxx", b"tail", b"beta", b"tail tail", b"a tail in it", b"one two", b"two one",
    b"onetwo", b"one  two six", b"one one two six", b"one xxxxxxxxx one two six", b"one xxxxxxxxxxx two six",
    b"one six", b"one then six", b"one two xx six", b"twone", b"the longest here", b"one longest here",
    b"12345678", b"1234567", b"123456789", b"1" * 21, b"1" * 20, b"\0\0\0", b"\0", b"h\0\0\0\0x",
    b"one TWO six", b"one two SIX", b"help", b"ihelp", b"jelp", b"len=128", b"len=099", b"len=07f", b"len=zz",
    b"jump\x02xxtwo", b"jump\x01xxtwo", b"jump\x03xxtwo", b"jump\x08xxxtwo", b"jump\x00two", b"jump\x09two",
    b"aac aab aac", b"aacaab", b"aabaac", b"aab aac", b"ab ab xy ab abxy", b"ababab", b"abababxy", b"f\x06",
    b"aaaab" * 30, b"nothing at all to see", b"tail at first, then at the end: tail", b"one one two xone six",
]


def random_rules(rng, count):
    """Contents over a small alphabet, so that rules and payloads meet."""
    rules = []
    while len(rules) < count:
        options = []
        for number in range(rng.randint(1, 4)):
            text = "".join(rng.choice("abAc") for _ in range(rng.randint(1, 3)))
            negated = rng.random() < 0.2
            options.append(f'content:{"!" if negated else ""}"{text}";')
            kind = rng.randint(0, 2)
            if kind == 1:
                if rng.random() < 0.6:
                    options.append(f"offset:{rng.randint(0, 8)};")
                if rng.random() < 0.6:
                    options.append(f"depth:{len(text) + rng.randint(0, 8)};")
            if kind == 2 and number > 0:
                if rng.random() < 0.7:
                    options.append(f"distance:{rng.randint(-3, 5)};")
                if rng.random() < 0.6:
                    options.append(f"within:{len(text) + rng.randint(0, 5)};")
            if rng.random() < 0.4:
                options.append("nocase;")
            if rng.random() < 0.1 and not negated:
                options.append("endswith;")
            if rng.random() < 0.15:
                options.append(rng.choice(["isdataat:3,relative;", "isdataat:!4,relative;", "isdataat:6;"]))
        # The first content must not be the one that only `!` speaks of: such
        # rules match nearly everything and hide the others.
        if any('content:"' in option for option in options):
            rules.append(" ".join(options))
    return [rule(RANDOM + index, options) for index, options in enumerate(rules)]


class Frames:
    """Packets, each of a flow of its own: Suricata keeps state by flow."""

    def __init__(self):
        self.list = []

    def add(self, layer4, source=None, destination="198.51.100.9", options=(), **fields):
        number = len(self.list)
        source = source or f"192.0.{2 + number // 200}.{10 + number % 200}"
        ip = IP(src=source, dst=destination, id=fields.pop("id", 1), options=list(options), **fields)
        frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x0800) / ip / layer4
        self.list.append(Ether(raw(frame)))

    def udp(self, payload, sport=None, dport=4001, **fields):
        sport = sport or 10000 + len(self.list)
        self.add(UDP(sport=sport, dport=dport) / Raw(payload), **fields)

    def tcp(self, payload=b"", flags="PA", **fields):
        ip = {key: fields.pop(key) for key in ("ttl", "source") if key in fields}
        self.add(TCP(sport=10000 + len(self.list), dport=8080, flags=flags, **fields) / Raw(payload), **ip)


def purpose_made():
    rules = [rule(1001 + index, options) for index, options in enumerate(PAYLOAD)]
    rules += [
        rule(1070 + index, options, f"{protocol} any any -> any any")
        for index, (protocol, options) in enumerate(HEADER)
    ]
    rules += [rule(1200 + index, 'content:"head";', header) for index, header in enumerate(NETS)]
    rules.append(rule(1300, 'content:"let me pass"; nocase;', action="pass"))
    rules.append(rule(1301, 'content:"let me";'))
    rules.append(rule(1302, 'content:"let me"; startswith;', action="drop"))
    rules.append(rule(1303, 'content:"let me"; depth:20;', "udp any any -> any 4002", "pass"))

    frames = Frames()
    for payload in PAYLOADS:
        frames.udp(payload)
    for source, sport, dport in [
        ("10.1.2.3", 999, 53), ("10.2.2.3", 999, 65), ("192.0.2.7", 999, 80), ("192.0.2.9", 53, 66),
        ("192.168.7.7", 1000, 60), ("8.8.8.8", 1000, 143), ("203.0.113.1", 80, 79), ("192.0.2.7", 80, 110),
    ]:
        frames.udp(b"the head", sport, dport, source=source)
        frames.udp(b"the head", sport, dport, source=source, destination="10.9.9.9")
    frames.udp(b"let me pass")
    frames.udp(b"let me in")
    frames.udp(b"so let me in")
    frames.udp(b"let me in", dport=4002)

    frames.udp(b"x", ttl=7)
    frames.udp(b"x", ttl=5)
    frames.udp(b"x", ttl=9)
    frames.udp(b"x", ttl=255)
    frames.udp(b"x", ttl=61)
    frames.udp(b"x", id=4242)
    frames.udp(b"x", tos=16)
    frames.udp(b"x", source="192.0.2.1", destination="192.0.2.1")
    frames.udp(b"x", flags="DF")
    frames.udp(b"x", flags=6)
    frames.udp(b"x", flags=4)
    frames.udp(b"x", options=[IPOption_RR(routers=["1.2.3.4"])])
    frames.udp(b"x", options=[IPOption_NOP(), IPOption_LSRR(routers=["1.2.3.4"])])
    frames.add(Raw(b"x" * 40), proto=200)
    frames.add(Raw(b"\x10\x00\x20\x00" + bytes(36)), proto=132)
    for kind, code, number, sequence in [(8, 0, 77, 5), (0, 0, 77, 6), (3, 1, 0, 0), (13, 0, 1, 5), (11, 1, 77, 5)]:
        # A fresh inner packet for the errors, so that they decode.
        inner = raw(IP(src="198.51.100.9", dst="192.0.2.1") / UDP(sport=1, dport=2) / b"xxxxxxxx")
        payload = inner if kind in (3, 11) else bytes(12) if kind == 13 else b"ping head"
        frames.add(ICMP(type=kind, code=code, id=number, seq=sequence) / Raw(payload))
    for flags in ["S", "SEC", "SA", "F", "A", "", "SF", "R", "PA"]:
        frames.tcp(flags=flags)
    frames.tcp(flags="S", seq=1234567)
    frames.tcp(flags="A", ack=7654321)
    frames.tcp(flags="S", window=55808)
    frames.tcp(b"GET / HTTP/1.1\r\nhead")
    frames.tcp(b"GET /HTTP/1.1\r\n")
    return rules, frames.list


def random_made():
    rng = random.Random(20140513)
    frames = Frames()
    for _ in range(250):
        frames.udp(bytes(rng.choice(b"abAc") for _ in range(rng.randint(1, 24))))
    # What an attacker sends to make backtracking costly.
    frames.udp(b"ab" * 700)
    frames.udp(b"a" * 1400)
    return random_rules(rng, 400), frames.list


def run_suricata(command, rules, capture, folder):
    etc = pathlib.Path(command).resolve().parent / "root" / "etc" / "suricata"
    config = folder / "suricata.yaml"
    config.write_text(CONFIG.replace("%(etc)s", str(etc)))
    arguments = [command, "-c", config, "-S", rules, "-r", capture, "-l", folder, "-k", "none"]
    done = subprocess.run(
        arguments + ["--runmode", "single", "--init-errors-fatal"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"Suricata failed on {capture}:\n{done.stdout}{done.stderr}")
    found = set()
    for line in (folder / "eve.json").read_text().splitlines():
        event = json.loads(line)
        # Packets that Suricata takes out of others, such as those in a GRE
        # tunnel, have no number; we evaluate the packets that are received.
        if "pcap_cnt" in event:
            found.add((event["pcap_cnt"], event["alert"]["signature_id"]))
    (folder / "eve.json").unlink()
    return found


def run_ours(command, rules, capture):
    done = subprocess.run([*command, rules, capture], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"evaluate failed on {capture}:\n{done.stderr}")
    report = done.stderr.splitlines()[0]
    if "0 approximate, 0 skipped" not in done.stderr:
        sys.exit(f"not every rule is evaluated exactly:\n{done.stderr}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {(line["packet"], line["sid"]) for line in lines}, report


def compare(name, rules, capture, arguments, folder):
    theirs = run_suricata(arguments.suricata, rules, capture, folder)
    ours, report = run_ours(arguments.evaluate, rules, capture)
    frames = rdpcap(str(capture))
    texts = {line.split("sid:")[1].split(";")[0]: line for line in open(rules) if "sid:" in line}
    explained, unexplained = {}, []
    for packet, sid in sorted(theirs ^ ours):
        frame, text = frames[packet - 1], texts[str(sid)].strip()
        reason = next((reason for reason, applies in EXPLAINED if applies(sid, frame, text)), None)
        if reason:
            explained[reason] = explained.get(reason, 0) + 1
        else:
            side = "Suricata alone" if (packet, sid) in theirs else "we alone"
            unexplained.append(f"  packet {packet}: {side}: {text}\n    {frame!r}")
    print(f"{name}: {len(frames)} packets; {report.strip()}; {len(theirs & ours)} matches agree")
    for reason, count in explained.items():
        print(f"  {count} differ, explained: {reason}")
    print("\n".join(unexplained[:20]), end="\n" if unexplained else "")
    return len(unexplained), theirs | ours


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suricata", help="default: what suricata-install.sh gives")
    parser.add_argument("--evaluate", help="default: the crate's example, by cargo")
    arguments = parser.parse_args()
    if not arguments.suricata:
        installer = pathlib.Path(__file__).with_name("suricata-install.sh")
        arguments.suricata = subprocess.check_output([installer], text=True).splitlines()[-1]
    cargo = ["cargo", "run", "--quiet", "--release", "-p", "hummingbird-rules", "--example", "evaluate", "--"]
    arguments.evaluate = [arguments.evaluate] if arguments.evaluate else cargo

    differences = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for title, (rules, frames) in {"keywords": purpose_made(), "random": random_made()}.items():
            file, capture = folder / f"{title}.rules", folder / f"{title}.pcap"
            file.write_text("\n".join(rules) + "\n")
            wrpcap(str(capture), frames, linktype=1)
            count, found = compare(title, file, capture, arguments, folder)
            differences += count
            if title == "keywords":
                seen = {sid for _, sid in found}
                silent = [line for line in rules if "alert" in line and int(line.split("sid:")[1].split(";")[0]) not in seen]
                if silent:
                    differences += 1
                    print("rules that no packet matches, so that they prove nothing:", *silent, sep="\n  ")
        example = ROOT / "examples" / "rules" / "local.rules"
        capture = folder / "witnesses.pcap"
        frames, count = witnesses(example)
        wrpcap(str(capture), frames, linktype=1)
        differing, found = compare("witnesses of the example rules", example, capture, arguments, folder)
        differences += differing
        matched = {sid for _, sid in found}
        print(f"  {len(matched)} of {count} example rules match a packet")
        if len(matched) < 147:
            differences += 1
            print("  fewer than 147, so that the rest prove nothing")
        for capture in sorted(CAPTURES.glob("*.pcap")) if CAPTURES.is_dir() else []:
            differences += compare(capture.name, example, capture, arguments, folder)[0]
        if not CAPTURES.is_dir():
            print(f"skipped: {CAPTURES} is absent")
    if differences:
        sys.exit(f"{differences} differences are not explained")
    print("no unexplained difference")


if __name__ == "__main__":
    main()
