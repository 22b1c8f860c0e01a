"""The examples are what their generators make, and the paper's chains run."""

import subprocess
import sys

import frames as f
import pytest
from harness import EXAMPLES, ROOT, run
from scapy.layers.ipsec import ESP


def test_the_captures_are_what_the_script_makes(tmp_path):
    subprocess.run([sys.executable, EXAMPLES / "demo" / "make-captures.py", tmp_path], check=True, timeout=120)
    for name in ("lan.pcap", "wan.pcap"):
        assert (tmp_path / name).read_bytes() == (EXAMPLES / "demo" / name).read_bytes(), f"{name} differs"


def test_the_bundles_hold_the_example_rules():
    done = subprocess.run([ROOT / "scripts" / "bundle-examples", "--check"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_the_papers_static_chain(tmp_path, gpu):
    sent = [f.udp(number, size=64 + number % 1300, dst=f"10.{number % 7}.0.9") for number in range(500)]
    result = run(tmp_path, EXAMPLES / "paper-static.yaml", {"lan": sent, "wan": []}, gpu=gpu)
    assert result.drops == {}
    assert result.report["classes"]["all"]["packets"] == 500
    for name in ("ipsec", "nids", "router"):
        assert result.report["functions"][name]["packets"] == 500
    opened = f.opened(f.peer(tunnel=None), result.out["wan"])
    assert len(opened) + len(result.out["lan"]) == 500
    assert {packet.dst for _seq, packet in opened} == {f"10.{number}.0.9" for number in (0, 2, 3, 4, 5, 6)}


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_the_papers_dynamic_chain(tmp_path, gpu):
    sent = [f.udp(number, size=300, dst="10.2.2.2" if number % 15 == 0 else "10.2.1.1") for number in range(600)]
    result = run(tmp_path, EXAMPLES / "paper-dynamic.yaml", {"lan": sent, "wan": []}, gpu=gpu)
    assert result.drops == {}
    assert {name: counts["packets"] for name, counts in result.report["classes"].items()} == {"f1": 560, "f2": 40}
    functions = result.report["functions"]
    assert [functions[name]["packets"] for name in ("ipsec", "nids", "router")] == [600, 560, 600]
    for destination in ("10.2.1.1", "10.2.2.2"):
        numbers = [f.ip_of(frame)[ESP].seq for frame in result.out["wan"] if f.ip_of(frame).dst == destination]
        assert numbers == sorted(numbers)
