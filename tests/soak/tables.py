"""Random tables for the soak: good ones, bad ones, and ones that want a restart."""

import copy
import random

import bundle

GPU_GROUPS = 4
WORDS = ["GET /", "....", "no such thing", "root", "cmd.exe", "passwd", "zzzz"]
CLASSES = ["red", "green", "blue", "white"]
MATCHES = [
    {"destination": bundle.ANY},
    {"port": "lan"},
    {"port": "wan"},
    {"source": "10.1.0.0/16"},
    {"destination": "10.2.0.0/16", "protocol": "UDP"},
    {"destinationPorts": "1000-3000", "protocol": "UDP"},
]


def first():
    """The tables of the start: all workgroups in use, so that all are reserved."""
    functions = [
        bundle.nids(rules(random.Random(1)), compute="GPU", size=2, name="ids-gpu"),
        bundle.encrypt(bundle.association(spi=6000), compute="GPU", size=2, name="seal-gpu"),
        bundle.router(),
    ]
    return bundle.chain(functions, [bundle.path("ids-gpu", "seal-gpu", "route")])


def rules(chance):
    """A few content rules."""
    lines = [
        f'{chance.choice(["alert", "drop"])} udp any any -> any any (msg:"m{number}"; content:"{chance.choice(WORDS)}"; sid:{number};)'
        for number in range(1, chance.randint(2, 40))
    ]
    return "\n".join(lines)


def good(chance):
    """Tables that must be taken. A name always stands for the same kind and place of work."""
    sealing = bundle.association(spi=6000 + chance.randrange(8))
    opening = bundle.association(spi=7000 + chance.randrange(8), replayWindow=chance.choice([0, 64]))
    groups = chance.randint(1, GPU_GROUPS - 1)
    rules_text = rules(chance)
    pool = {
        "ids-cpu": bundle.nids(rules_text, name="ids-cpu"),
        "ids-gpu": bundle.nids(rules_text, compute="GPU", size=groups, name="ids-gpu"),
        "seal-cpu": bundle.encrypt(sealing, name="seal-cpu"),
        "seal-gpu": bundle.encrypt(sealing, compute="GPU", size=chance.randint(1, GPU_GROUPS - groups), name="seal-gpu"),
        "open-cpu": bundle.decrypt(opening, name="open-cpu"),
        "route": bundle.router(*routes(chance)),
    }
    # One of the two that encrypt: an SA has one sender.
    pool.pop(chance.choice(["seal-cpu", "seal-gpu"]))
    names = [name for name in pool if name != "route"]
    classes = []
    for name in chance.sample(CLASSES, chance.randint(1, len(CLASSES))):
        steps = chance.sample(names, chance.randint(0, min(3, len(names))))
        classes.append(bundle.path(*steps, "route", name=name, match=chance.choice(MATCHES)))
    used = {step for entry in classes for step in entry["path"]}
    spec = {"transitions": transition} if (transition := transitions(chance, classes)) else {}
    return bundle.chain([function for name, function in pool.items() if name in used], classes, **spec)


def transitions(chance, classes):
    """Perhaps a way from a NIDS to another class whose path it is not part of."""
    watching = sorted({step for entry in classes for step in entry["path"] if step.startswith("ids")})
    for function in watching:
        targets = [entry["name"] for entry in classes if not any(step.startswith("ids") for step in entry["path"])]
        if targets and chance.random() < 0.7:
            return [{"function": function, "verdict": "Match", "class": chance.choice(targets)}]
    return []


def routes(chance):
    """A default route and some others."""
    rows = [(bundle.ANY, "wan", bundle.WAN_MAC)]
    chosen = {(chance.randrange(256), chance.randrange(256)) for _ in range(chance.randint(0, 300))}
    rows += [(f"10.{a}.{b}.0/24", chance.choice(["lan", "wan"]), f"02:00:00:00:{a:02x}:{b:02x}") for a, b in sorted(chosen)]
    return rows


def bad(chance):
    """What no validation may let pass: documents or bytes."""
    documents = good(chance)
    spec = documents[0]["spec"]
    spoil = chance.choice(
        [
            lambda: spec["classes"][0].update(path=["teleport", "route"]),
            lambda: spec["classes"][0].update(match={"destination": "10.0.0.0/33"}),
            lambda: spec["functions"][-1]["router"].update(routes=[{"prefix": "10.0.0.0/8", "port": "moon", "nextHopMac": "x"}]),
            lambda: spec["functions"].append(copy.deepcopy(spec["functions"][0])),
            lambda: spec["functions"][-1].update(cores=0),
            lambda: spec.update(surprise=True),
            lambda: spec.pop("classes"),
            lambda: documents.clear(),
        ]
    )
    if chance.random() < 0.3:
        return chance.choice([b"", b"\0" * 1000, b"{" * 500, b"a: [1, 2", b"\xff\xfe\xfd", chance.randbytes(5000)])
    spoil()
    return documents


def structural(chance):
    """Good tables, but for another process."""
    documents = first()
    spec = documents[0]["spec"]
    chance.choice(
        [
            lambda: [port.update(mtu=9000) for port in spec["ports"]],
            lambda: spec["ports"][0]["pci"].update(address="0000:00:1e.0"),
            lambda: spec["ports"].reverse(),
            lambda: spec["functions"][-1].update(cores=3),
        ]
    )()
    return documents
