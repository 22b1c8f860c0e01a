"""Runs the dataplane's binary as a user does, and reads what it leaves."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import bundle
import pcap

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "hummingbird-dataplane"
EXAMPLES = ROOT / "examples"
# No run of a test may take longer, whatever else the machine does, seconds.
LIMIT = 120


@dataclass
class Run:
    """What one run left behind."""

    report: dict
    alerts: list
    out: dict
    stderr: str

    @property
    def drops(self):
        """Drop reasons with a count above zero."""
        return {reason: count for reason, count in self.report["drops"].items() if count}


def cli(*args, env=None, limit=LIMIT):
    """Runs the binary to its end, whatever its exit code."""
    return subprocess.run(
        [BINARY, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=limit,
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        check=False,
    )


def rejected(*args, env=None):
    """A call that must fail with a message and not by a crash; the message."""
    done = cli(*args, env=env)
    assert done.returncode > 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "panicked" not in done.stderr, done.stderr
    return done.stderr


def check_sums(report):
    """What holds for every run: nothing is lost, leaked or outside shared memory."""
    assert report["rx"]["packets"] == report["tx"]["packets"] + sum(report["drops"].values()), report
    assert report["mbufs"]["leaked"] == 0, report
    assert report["memory"]["packets_outside_shared_region"] == 0, report
    for direction in ("rx", "tx"):
        by_port = sum(port[direction]["packets"] for port in report["ports"].values())
        assert report[direction]["packets"] == by_port, report


def chain_file(folder, chain):
    """The path of a bundle that is given as documents or as a path."""
    return chain if isinstance(chain, Path) else bundle.write(folder / "chain.yaml", chain)


def run(folder, chain, frames, gpu="none", args=(), env=None):
    """Runs `chain` over captures of `frames` {port: [bytes]} to their end.

    The exit code must be 0 and the sums must agree.
    """
    ports = []
    for name, content in frames.items():
        pcap.write(folder / f"{name}.in.pcap", content)
        ports += ["--port", f"{name}=pcap:{folder}/{name}.in.pcap,{folder}/{name}.out.pcap"]
    report, alerts = folder / "report.json", folder / "alerts.jsonl"
    done = cli(
        "run", "--chain", chain_file(folder, chain), *ports,
        "--report", report, "--alerts", alerts, "--gpu", gpu, *args, env=env,
    )  # fmt: skip
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    result = Run(
        report=json.loads(report.read_text()),
        alerts=[json.loads(line) for line in alerts.read_text().splitlines()],
        out={name: pcap.read(folder / f"{name}.out.pcap") for name in frames},
        stderr=done.stderr,
    )
    check_sums(result.report)
    assert result.report["rx"]["packets"] == sum(map(len, frames.values()))
    assert result.report["tx"]["packets"] == sum(map(len, result.out.values()))
    return result
