"""A dataplane that runs while a test speaks to it: control socket, signals, /proc."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time

import pcap
from harness import BINARY, LIMIT, ROOT, check_sums


def encoded(documents):
    """A bundle as YAML whose documents are JSON: large ones are written in no time."""
    return "\n---\n".join(json.dumps(document) for document in documents).encode()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Live:
    """One run of the binary. Leaving the `with` block kills what still runs."""

    def __init__(self, folder, documents, *ports, gpu="none", args=(), **more):
        self.folder = folder
        self.chain = folder / "chain.yaml"
        self.report_file = folder / "report.json"
        self.socket = folder / "control.sock"
        self.log_file = folder / "log.txt"
        self.report_file.unlink(missing_ok=True)
        self.chain.write_bytes(encoded(documents))
        command = [BINARY, "run", "--chain", self.chain, "--report", self.report_file, "--gpu", gpu]
        command += ["--control", self.socket, "--alerts", folder / "alerts.jsonl"]
        for port in ports:
            command += ["--port", port]
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in [*command, *args]], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more
            )

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()

    @property
    def log(self):
        """What the process said so far."""
        return self.log_file.read_text(errors="replace")

    def until(self, condition, what, limit=LIMIT):
        """Waits until `condition` holds; the process must live on meanwhile."""
        end = time.monotonic() + limit
        while not (result := condition()):
            assert self.process.poll() is None, f"ended while waiting for {what}:\n{self.log}"
            assert time.monotonic() < end, f"no {what} within {limit} s:\n{self.log}"
            time.sleep(0.01)
        return result

    def request(self, method, target, body=None, kind="application/yaml"):
        """One request; status and what its JSON says."""
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, target, body, {"Content-Type": kind} if body is not None else {})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if text else None

    def ready(self, packets=1):
        """Waits until the control socket answers and that many packets have left."""
        self.until(self.answers, "control socket")
        self.until(lambda: self.status()["tx"]["packets"] >= packets, f"{packets} packets")
        return self

    def answers(self):
        """Whether somebody listens at the socket: a killed run may have left its file there."""
        try:
            return self.request("GET", "/v1/status")
        except (ConnectionRefusedError, FileNotFoundError):
            return None

    def status(self):
        """The report of now."""
        status, report = self.answers() or (None, self.log)
        assert status == 200, report
        return report

    def put(self, documents, generation=None):
        """Pushes tables: status and answer, whatever they are."""
        query = "" if generation is None else f"?generation={generation}"
        body = documents if isinstance(documents, bytes) else encoded(documents)
        return self.request("PUT", f"/v1/tables{query}", body)

    def change(self, documents):
        """Pushes tables that must be taken; their generation."""
        status, answer = self.put(documents)
        assert status == 200, f"{status}: {answer}\n{self.log}"
        return answer["generation"]

    def rewrite(self, documents):
        """Replaces the chain's file as a careful editor does: at once."""
        fresh = self.chain.with_suffix(".new")
        fresh.write_bytes(documents if isinstance(documents, bytes) else encoded(documents))
        fresh.rename(self.chain)

    def hang_up(self):
        """SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def kill(self):
        """SIGKILL, and waits for the end."""
        self.process.kill()
        self.process.wait(timeout=LIMIT)

    def end(self, expected=0):
        """Waits for the end; the report, whose sums must agree."""
        try:
            code = self.process.wait(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end:\n{self.log}") from None
        assert code == expected, f"exit {code}\n{self.log}"
        assert "panicked" not in self.log, self.log
        report = json.loads(self.report_file.read_text())
        check_sums(report)
        return report

    def stop(self):
        """SIGTERM, then as `end`."""
        self.process.send_signal(signal.SIGTERM)
        return self.end()

    def descriptors(self):
        """What the process has open, by target; sockets and the like without their number."""
        folder = f"/proc/{self.process.pid}/fd"
        found = []
        for number in os.listdir(folder):
            try:
                found.append(os.readlink(f"{folder}/{number}").split(":[")[0])
            except FileNotFoundError:
                continue
        return sorted(found)

    def resident(self):
        """Bytes of the process's own memory. DPDK's heap is not counted: it is a
        file of a fixed size, whose pages come as FIBs take places in it."""
        with open(f"/proc/{self.process.pid}/status") as source:
            return next(int(line.split()[1]) << 10 for line in source if line.startswith("RssAnon:"))

    def threads(self):
        """How many threads it has."""
        return len(os.listdir(f"/proc/{self.process.pid}/task"))


def looped(folder, frames, rate=None):
    """A `trace` binding over `frames`."""
    target = folder / "trace.pcap"
    pcap.write(target, frames)
    return f"trace:{target}" + (f",rate={rate}" if rate else "")


def captured(folder, name, frames, rate=None):
    """A `pcap` binding over `frames`, and where it writes what it sends."""
    source, target = folder / f"{name}.in.pcap", folder / f"{name}.out.pcap"
    pcap.write(source, frames)
    return f"pcap:{source},{target}" + (f",rate={rate}" if rate else ""), target
