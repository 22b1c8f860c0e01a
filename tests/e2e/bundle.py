"""Bundles for tests: an NfChain and the Secrets that it names."""

import yaml

CIPHER_KEY = b"hummingbird-demo"
INTEGRITY_KEY = b"hummingbird-icv-demo"
LAN_MAC = "02:00:00:00:01:01"
WAN_MAC = "02:00:00:00:02:01"
TUNNEL = {"source": "192.0.2.1", "destination": "198.51.100.1"}
ANY = "0.0.0.0/0"


def _compute(compute, size):
    return {"compute": compute, "workgroups" if compute == "GPU" else "cores": size}


def association(spi=4096, tunnel=TUNNEL, selector=None, **more):
    """One SA with the keys above; no tunnel means transport mode."""
    sa = {
        "name": f"sa-{spi}",
        "spi": spi,
        "mode": "Tunnel" if tunnel else "Transport",
        "cipher": "AES-128-CBC",
        "integrity": "HMAC-SHA1-96",
        "keysFrom": {"secretRef": {"name": "keys"}},
        "selector": selector or {"destination": ANY},
        **more,
    }
    if tunnel:
        sa["tunnel"] = tunnel
    return sa


def encrypt(*associations, compute="CPU", size=1, name="encrypt"):
    """An IPsec function that encrypts."""
    block = {"direction": "Encrypt", "securityAssociations": list(associations) or [association()]}
    return {"name": name, "type": "IPsec", **_compute(compute, size), "ipsec": block}


def decrypt(*associations, compute="CPU", size=1, name="decrypt"):
    """An IPsec function that decrypts."""
    block = {"direction": "Decrypt", "securityAssociations": list(associations) or [association()]}
    return {"name": name, "type": "IPsec", **_compute(compute, size), "ipsec": block}


def nids(rules, compute="CPU", size=1, name="ids", **more):
    """A NIDS over `rules`, a text."""
    block = {"rulesFrom": {"configMapRef": {"name": "rules", "key": "local.rules"}}, **more}
    return {"name": name, "type": "NIDS", **_compute(compute, size), "nids": block, "_rules": rules}


def router(*routes, cores=1, name="route"):
    """A Router on the CPU; each route is (prefix, port, MAC)."""
    routes = routes or ((ANY, "wan", WAN_MAC),)
    table = [{"prefix": prefix, "port": port, "nextHopMac": mac} for prefix, port, mac in routes]
    return {"name": name, "type": "Router", "compute": "CPU", "cores": cores, "router": {"routes": table}}


def path(*functions, name="all", **more):
    """A class without a condition of its own, unless `match` gives one."""
    return {"name": name, "match": {"destination": ANY}, "path": list(functions), **more}


def chain(functions, classes, ports=("lan", "wan"), mtu=1500, secrets=None, **spec):
    """The documents of a bundle. `secrets` replaces the one called `keys`."""
    functions = [dict(function) for function in functions]
    rules = [function.pop("_rules") for function in functions if "_rules" in function]
    documents = [
        {
            "apiVersion": "hummingbird.dev/v1alpha1",
            "kind": "NfChain",
            "metadata": {"name": "test", "namespace": "default"},
            "spec": {
                "ports": [
                    {"name": name, "pci": {"address": f"0000:00:{3 + number:02x}.0"}, "mtu": mtu}
                    for number, name in enumerate(ports)
                ],
                "functions": functions,
                "classes": classes,
                **spec,
            },
        }
    ]
    keys = {"cipherKey": CIPHER_KEY.decode(), "integrityKey": INTEGRITY_KEY.decode()}
    for name, data in (secrets or {"keys": keys}).items():
        documents.append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, "stringData": data}
        )
    if rules:
        documents.append(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "rules", "namespace": "default"},
                "data": {"local.rules": rules[0]},
            }
        )
    return documents


def write(target, documents):
    """Writes the bundle and returns its path."""
    target.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return target
