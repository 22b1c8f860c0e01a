"""Captures and rules of the real world, where ../shared has them."""

import base64
import json
import re
import time
from collections import Counter

import bundle
import pcap
import pytest
from bundle import chain, nids
from harness import EXAMPLES, ROOT, cli, run

SHARED = ROOT.parent / "shared" / "data"
CAPTURES = sorted((SHARED / "pcap").glob("*.pcap"))
RULES = SHARED / "rules" / "emerging-bsd.rules.gz"

pytestmark = pytest.mark.skipif(not RULES.exists(), reason="../shared/data is not there")


def inspection(rules, key, **block):
    """A chain that only looks: what comes in at lan leaves at wan as it is."""
    documents = chain(
        [nids("", compute="GPU", size=2, variables={"HOME_NET": ["any"], "EXTERNAL_NET": ["any"]}, **block)],
        [{"name": "all", "match": {"port": "lan"}, "path": ["ids"], "egress": "wan"}],
        mtu=9216,
    )
    documents[0]["spec"]["functions"][0]["nids"]["rulesFrom"] = {"configMapRef": {"name": "rules", "key": key}}
    documents[-1] = {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rules", "namespace": "default"},
        "binaryData": {key: base64.b64encode(rules).decode()},
    }  # fmt: skip
    return documents


def alerts_of(result):
    """Alerts without their time, counted."""
    return Counter(
        json.dumps({name: value for name, value in alert.items() if name != "time"}, sort_keys=True)
        for alert in result.alerts
    )


@pytest.mark.parametrize("rules", ["ours", "theirs"])
@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name[:30])
def test_cpu_and_gpu_see_the_same_in_real_traffic(tmp_path, capture, rules):
    if rules == "ours":
        documents = inspection((EXAMPLES / "rules" / "local.rules").read_bytes(), "local.rules")
    else:
        documents = inspection(RULES.read_bytes(), "emerging.rules.gz", unsupported="ContentOnly")
    sent = pcap.read(capture)
    results = {}
    for gpu in ("none", "opencl"):
        folder = tmp_path / gpu
        folder.mkdir()
        results[gpu] = run(folder, documents, {"lan": sent, "wan": []}, gpu=gpu)
    cpu, gpu = results["none"], results["opencl"]
    assert alerts_of(cpu) == alerts_of(gpu)
    assert cpu.drops == gpu.drops
    arrived = Counter(sent)
    for result in results.values():
        assert not Counter(result.out["wan"]) - arrived, "a frame was changed"


def test_the_large_rule_set_loads_in_seconds_and_says_what_it_could_not_use(tmp_path):
    documents = inspection(RULES.read_bytes(), "emerging.rules.gz", unsupported="ContentOnly")
    chain_file = bundle.write(tmp_path / "chain.yaml", documents)
    begun = time.monotonic()
    done = cli("validate", "--chain", chain_file)
    took = time.monotonic() - begun
    assert done.returncode == 0, done.stderr
    assert took < 60, f"{took:.0f} s"
    told = done.stdout + done.stderr
    [counts] = re.findall(r"(\d+) rules loaded, (\d+) approximate, (\d+) skipped", told)
    assert sum(map(int, counts)) == 18290 and int(counts[0]) > 1000
    for option in ("pcre", "flow", "http_uri"):
        assert re.search(rf"^ *{option} +\d+ +\d+$", told, re.MULTILINE), f"nothing is said of {option}"
