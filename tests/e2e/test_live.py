"""Live ports over the kernel: a veth pair and a tap device."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import bundle
import frames as f
import pytest
from bundle import ANY, LAN_MAC, WAN_MAC, chain, path, router
from harness import BINARY, LIMIT, ROOT, check_sums

ETH_P_ALL = 3
COUNT = 200
# As many as surely fit the receive buffer of a raw socket.
BATCH = 20

# The test runs itself inside a network namespace that ends with the process,
# so that no interface is left behind whatever happens.
INSIDE = "HUMMINGBIRD_TEST_NAMESPACE"


def in_namespace(*command, **more):
    """Runs a command in a new network namespace, as root of a user namespace where we are none."""
    unshare = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    return subprocess.run([*unshare, *command], capture_output=True, text=True, timeout=LIMIT, cwd=ROOT, check=False, **more)


def kernel_refuses(*probe):
    """Why a probe fails in a namespace; empty where it does not."""
    done = in_namespace(*probe)
    return done.stderr.strip() if done.returncode else ""


def ip(*args):
    subprocess.run(["ip", *args], check=True, timeout=30)


def opened(interface):
    """A raw socket on an interface, which is made up and quiet first."""
    with open(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6", "w") as quiet:
        quiet.write("1")
    ip("link", "set", interface, "up")
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    raw.bind((interface, 0))
    raw.settimeout(0.2)
    return raw


def collect(raw, wanted, process):
    """Numbered frames that arrive until `wanted` of them have, or the time is up."""
    got, end = [], time.monotonic() + 10
    while len(got) < wanted and time.monotonic() < end and process.poll() is None:
        try:
            frame, address = raw.recvfrom(65536)
        except TimeoutError:
            continue
        if address[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00":
            got.append(frame)
    return got


def wait_for_traffic(send, receive, process):
    """Sends a probe until one comes through: then the ports are up."""
    end = time.monotonic() + LIMIT / 2
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[0]
        send.send(f.udp(0, sport=999))
        try:
            while True:
                frame, address = receive.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING and frame[12:14] == b"\x08\x00":
                    return
        except TimeoutError:
            continue
    raise AssertionError("no packet came through")


def drained(raw):
    """Reads what is left over of the probes."""
    try:
        while True:
            raw.recv(65536)
    except TimeoutError:
        return


def start(folder, *ports):
    """The dataplane with a Router that sends everything to wan."""
    documents = chain([router((ANY, "wan", WAN_MAC), ("10.1.0.0/16", "lan", LAN_MAC))], [path("route")], nonIPv4="Drop")
    command = [BINARY, "run", "--chain", bundle.write(folder / "chain.yaml", documents), "--report", folder / "report.json"]
    for port in ports:
        command += ["--port", port]
    return subprocess.Popen(
        [str(word) for word in command] + ["--gpu", "none"], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(folder, process):
    """Ends the run by SIGTERM and checks its report."""
    process.send_signal(signal.SIGTERM)
    log = process.communicate(timeout=LIMIT)[0]
    assert process.returncode == 0, log
    report = json.loads((folder / "report.json").read_text())
    check_sums(report)
    return report


def exchange(folder, process, lan, wan):
    """Numbered packets from lan to wan, all of which must arrive in order."""
    wait_for_traffic(lan, wan, process)
    drained(wan)
    got = []
    for first in range(0, COUNT, BATCH):
        for number in range(first, first + BATCH):
            lan.send(f.udp(number, size=20 + number * 5))
        got += collect(wan, BATCH, process)
    report = finish(folder, process)
    assert [f.number_of(frame) for frame in got] == list(range(COUNT))
    assert all(frame[:6] == bytes.fromhex(WAN_MAC.replace(":", "")) for frame in got)
    assert report["ports"]["lan"]["rx"]["packets"] >= COUNT


def over_veth(folder, binding):
    for name in ("lan", "wan"):
        ip("link", "add", name, "type", "veth", "peer", "name", f"{name}-far")
    raw = {name: opened(name) for name in ("lan", "wan", "lan-far", "wan-far")}
    raw.pop("lan").close()
    raw.pop("wan").close()
    process = start(folder, f"lan={binding}:lan", f"wan={binding}:wan")
    try:
        exchange(folder, process, raw["lan-far"], raw["wan-far"])
    finally:
        process.kill()


def over_tap(folder):
    process = start(folder, "lan=tap:hb-lan", "wan=tap:hb-wan")
    try:
        end = time.monotonic() + LIMIT / 2
        while not {"hb-lan", "hb-wan"} <= {name for _index, name in socket.if_nameindex()}:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, "the tap devices did not appear"
            time.sleep(0.05)
        exchange(folder, process, opened("hb-lan"), opened("hb-wan"))
    finally:
        process.kill()


def inside(tmp_path, *case):
    """Runs one case of this file in a namespace of its own."""
    done = in_namespace(sys.executable, __file__, str(tmp_path), *case, env={**os.environ, INSIDE: "1"})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("binding", ["af_packet", "af_xdp"])
def test_packets_cross_a_veth_pair(tmp_path, binding):
    refusal = kernel_refuses("ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
    if refusal:
        pytest.skip(f"no veth pair in a namespace: {refusal}")
    if binding == "af_xdp" and os.geteuid() != 0:
        pytest.skip("AF_XDP wants root")
    inside(tmp_path, "veth", binding)


def test_packets_cross_tap_devices(tmp_path):
    refusal = kernel_refuses("ip", "tuntap", "add", "probe0", "mode", "tap")
    if refusal:
        pytest.skip(f"no tap device in a namespace: {refusal}")
    inside(tmp_path, "tap")


def test_a_missing_interface_is_named(tmp_path):
    process = start(tmp_path, "lan=af_packet:nosuchif0", "wan=null")
    log = process.communicate(timeout=LIMIT)[0]
    assert process.returncode > 0
    assert "nosuchif0" in log and "panicked" not in log


if __name__ == "__main__" and os.environ.get(INSIDE):
    from pathlib import Path

    if sys.argv[2] == "veth":
        over_veth(Path(sys.argv[1]), sys.argv[3])
    else:
        over_tap(Path(sys.argv[1]))
