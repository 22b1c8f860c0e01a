"""The control socket and the metrics of a run under load."""

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
import time

import bundle
import frames as f
import pcap
import pytest
import yaml
from bundle import WAN_MAC, chain, encrypt, path, router
from harness import BINARY, LIMIT, ROOT, check_sums

CHAIN = chain([encrypt(compute="GPU"), router()], [path("encrypt", "route")])


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, target):
        super().__init__("localhost", timeout=30)
        self.target = str(target)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.target)


def ask(target, method, url, body=None, kind="application/yaml"):
    """Status and body of one request."""
    connection = UnixConnection(target)
    headers = {"Content-Type": kind} if body is not None else {}
    connection.request(method, url, body=body, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


class Running:
    """A run under load, and its control socket."""

    def __init__(self, folder, gpu, *args, rate=",rate=5000"):
        self.control, self.report = folder / "control.sock", folder / "report.json"
        pcap.write(folder / "trace.pcap", [f.udp(number, size=20 + number % 1300) for number in range(500)])
        command = [
            BINARY, "run", "--chain", bundle.write(folder / "chain.yaml", CHAIN), "--gpu", gpu,
            "--port", f"lan=trace:{folder}/trace.pcap{rate}", "--port", "wan=null",
            "--control", self.control, "--report", self.report, *args,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            [str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def __enter__(self):
        self.until(lambda: self.control.exists() and self.status()["tx"]["packets"] > 100)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def until(self, condition):
        """Waits for `condition`; the run must live on meanwhile."""
        end = time.monotonic() + LIMIT
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.05)

    def status(self):
        code, text = ask(self.control, "GET", "/v1/status")
        assert code == 200, text
        return json.loads(text)

    def ended(self):
        """The report of a run that ends by itself now."""
        log = self.process.communicate(timeout=LIMIT)[0]
        assert self.process.returncode == 0, log
        assert not self.control.exists(), "the socket file is left behind"
        report = json.loads(self.report.read_text())
        check_sums(report)
        return report


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_a_drain_by_the_socket_ends_the_run(tmp_path, gpu):
    with Running(tmp_path, gpu) as run:
        assert stat.S_IMODE(os.stat(run.control).st_mode) == 0o600
        seen = run.status()
        assert ask(run.control, "POST", "/v1/drain")[0] == 202
        assert run.ended()["rx"]["packets"] >= seen["rx"]["packets"]


def test_a_live_port_is_drained_on_sigterm(tmp_path):
    with Running(tmp_path, "opencl") as run:
        run.process.send_signal(signal.SIGTERM)
        assert run.ended()["tx"]["packets"] > 100


def test_wrong_requests_are_told_what_is_right(tmp_path):
    with Running(tmp_path, "none") as run:
        code, text = ask(run.control, "GET", "/v1/nothing")
        assert code == 404 and "/v1/status" in text
        code, text = ask(run.control, "GET", "/v1/drain")
        assert code == 405 and "POST" in text
        code, text = ask(run.control, "PUT", "/v1/tables", body="{}", kind="text/plain")
        assert code == 415 and "application/yaml" in text


def test_the_metrics_are_those_of_the_document(tmp_path):
    with Running(tmp_path, "none") as run:
        code, text = ask(run.control, "GET", "/metrics")
        assert code == 200
    rows = re.findall(r"^\| `(hummingbird_\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows)) > 20
    source = (ROOT / "dataplane" / "src" / "control" / "metrics.rs").read_text()
    suffix = {"Counter": "_total", "Gauge": "", "Info": "_info"}
    listed = {name + suffix[kind] for name, kind in re.findall(r'name: "(hummingbird_\w+)",\s*kind: Kind::(\w+)', source)}
    assert set(rows) == listed
    exposed = set(re.findall(r"^(hummingbird_\w+)[ {]", text, re.MULTILINE))
    assert exposed and exposed <= set(rows)


def test_prometheus_reads_the_metrics_address(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with Running(tmp_path, "none", "--metrics", f"127.0.0.1:{port}"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200 and text.endswith("# EOF\n")
        [received] = re.findall(r'^hummingbird_port_receive_packets_total\{port="lan"\} (\d+)$', text, re.MULTILINE)
        assert int(received) > 100


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_tables_change_under_load_and_nothing_is_lost(tmp_path, gpu):
    changed = chain([encrypt(compute="GPU"), router(("0.0.0.0/0", "lan", WAN_MAC))], [path("encrypt", "route")])
    with Running(tmp_path, gpu, rate="") as run:
        code, text = ask(run.control, "PUT", "/v1/tables", body=yaml.safe_dump_all(changed))
        assert (code, json.loads(text)) == (200, {"generation": 2})
        run.until(lambda: run.status()["ports"]["lan"]["tx"]["packets"] > 100)
        broken = chain([encrypt(compute="GPU"), router()], [path("nobody")])
        code, text = ask(run.control, "PUT", "/v1/tables", body=yaml.safe_dump_all(broken))
        assert code == 422 and "nobody" in text
        structural = chain([encrypt(compute="GPU"), router()], [path("encrypt", "route")], mtu=9000)
        code, text = ask(run.control, "PUT", "/v1/tables", body=yaml.safe_dump_all(structural))
        assert code == 409 and json.loads(text)["reason"] == "RequiresRestart"
        assert run.status()["generation"] == 2
        assert ask(run.control, "POST", "/v1/drain")[0] == 202
        report = run.ended()
    assert sum(report["drops"].values()) == 0
    assert report["ports"]["wan"]["tx"]["packets"] > 100
