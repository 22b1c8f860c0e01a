"""A running dataplane and its control socket."""

import http.client
import json
import socket
import subprocess
import time
from contextlib import contextmanager

import harness


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("chain", timeout=harness.LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Dataplane:
    """One process; `ask` talks to it, `finish` waits for its end."""

    def __init__(self, folder, process):
        self.socket = folder / "control.sock"
        self.report = folder / "report.json"
        self.log = folder / "log.txt"
        self.process = process

    def ask(self, method, path, body=None, kind=None):
        """Status, headers and body of an answer."""
        connection = Connection(self.socket)
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def status(self):
        code, headers, body = self.ask("GET", "/v1/status")
        assert code == 200 and headers["Content-Type"] == "application/json", body
        return json.loads(body)

    def await_status(self, holds):
        """The first report for which `holds` is true."""
        end = time.monotonic() + harness.LIMIT / 2
        while time.monotonic() < end:
            report = self.status()
            if holds(report):
                return report
            time.sleep(0.02)
        raise AssertionError(f"not in time: {report}")

    def finish(self):
        """The last report; the exit code must be 0 and the sums agree."""
        code = self.process.wait(harness.LIMIT)
        assert code == 0, f"exit {code}\n{self.log.read_text()}"
        report = json.loads(self.report.read_text())
        harness.check_sums(report)
        return report


def answers(path):
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


@contextmanager
def running(folder, chain, ports, *args, gpu="none"):
    """A dataplane whose control socket answers; killed if the test fails."""
    command = [
        harness.BINARY, "run", "--chain", harness.chain_file(folder, chain), "--gpu", gpu,
        "--control", folder / "control.sock", "--report", folder / "report.json", *args,
    ]  # fmt: skip
    for name, binding in ports.items():
        command += ["--port", f"{name}={binding}"]
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(
            [str(word) for word in command], cwd=harness.ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    dataplane = Dataplane(folder, process)
    try:
        end = time.monotonic() + harness.LIMIT / 2
        while not answers(dataplane.socket):
            assert process.poll() is None, dataplane.log.read_text()
            assert time.monotonic() < end, "the control socket did not appear"
            time.sleep(0.02)
        yield dataplane
    finally:
        process.kill()
        process.wait()
