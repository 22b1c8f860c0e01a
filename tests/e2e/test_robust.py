"""What goes wrong around the process: no device, no disk, signals, crashes."""

import json
import os
import resource
import signal
import subprocess
import time

import bundle
import frames as f
import pcap
import pytest
from bundle import chain, encrypt, path, router
from harness import BINARY, LIMIT, ROOT, check_sums, cli, rejected, run

SEALED = chain([encrypt(compute="GPU"), router()], [path("encrypt", "route")])


def started(folder, documents, *args, **more):
    """A run as a process of its own, its report in folder/report.json."""
    chain_file = bundle.write(folder / "chain.yaml", documents)
    command = [BINARY, "run", "--chain", chain_file, "--report", folder / "report.json", *args]
    return subprocess.Popen(
        [str(word) for word in command], cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more,
    )  # fmt: skip


def until(condition, process, what):
    """Waits for `condition`; the process must live on meanwhile."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert process.poll() is None, f"ended while waiting for {what}: {process.communicate()[0]}"
        assert time.monotonic() < end, f"no {what} within {LIMIT} s"
        time.sleep(0.05)


def trace(folder, count=500):
    """A capture to loop."""
    target = folder / "trace.pcap"
    pcap.write(target, [f.udp(number, size=20 + number % 1300) for number in range(count)])
    return target


def carried(out, at_least):
    """Whether the output capture has grown to some size: packets do flow."""
    return lambda: out.exists() and out.stat().st_size > at_least


def test_without_an_opencl_device_the_message_is_clear_and_cpu_works(tmp_path):
    nothing = tmp_path / "vendors"
    nothing.mkdir()
    env = {"OCL_ICD_VENDORS": str(nothing) + "/"}
    chain_file = bundle.write(tmp_path / "chain.yaml", SEALED)
    message = rejected("run", "--chain", chain_file, "--port", "lan=null", "--port", "wan=null", "--gpu", "opencl", env=env)
    assert "OpenCL" in message and "--gpu none" in message
    result = run(tmp_path, SEALED, {"lan": [f.udp()], "wan": []}, gpu="none", env=env)
    assert len(result.out["wan"]) == 1
    assert cli("devices", env=env).returncode == 0


def endless(folder):
    """A capture that, read at a rate, outlasts every test: a run ends when its captures are through."""
    path = folder / "endless.pcap"
    if not path.exists():
        pcap.write(path, [f.udp(1, size=1000)] * 100_000)
    return path


@pytest.mark.parametrize("gpu", ["none", "opencl"])
@pytest.mark.parametrize("source", ["trace", "paced"])
def test_sigterm_under_load_drains_and_the_sums_agree(tmp_path, gpu, source):
    out = tmp_path / "wan.out.pcap"
    lan = f"trace:{trace(tmp_path)}"
    if source == "paced":
        lan = f"pcap:{endless(tmp_path)},{tmp_path}/lan.out.pcap,rate=800"
    process = started(
        tmp_path, SEALED, "--port", f"lan={lan}", "--port", f"wan=pcap:{endless(tmp_path)},{out},rate=1", "--gpu", gpu
    )
    try:
        until(carried(out, 200_000), process, "packets")
        process.send_signal(signal.SIGTERM)
        log = process.communicate(timeout=LIMIT)[0]
    finally:
        process.kill()
    assert process.returncode == 0, log
    report = json.loads((tmp_path / "report.json").read_text())
    check_sums(report)
    assert report["rx"]["packets"] > 0
    assert report["ports"]["wan"]["tx"]["packets"] == len(pcap.read(out))
    assert sum(report["drops"].values()) == 0, report["drops"]


def test_a_duration_ends_the_run(tmp_path):
    process = started(
        tmp_path, SEALED, "--port", f"lan=trace:{trace(tmp_path)}", "--port", "wan=null", "--gpu", "none", "--duration", "2s"
    )
    log = process.communicate(timeout=LIMIT)[0]
    assert process.returncode == 0, log
    report = json.loads((tmp_path / "report.json").read_text())
    check_sums(report)
    assert report["tx"]["packets"] > 1000
    assert len(log.splitlines()) < 200, "the log must not grow with the packets"


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_nothing_that_a_killed_run_leaves_stops_the_next(tmp_path, gpu):
    out, control = tmp_path / "killed.pcap", tmp_path / "control.sock"
    process = started(
        tmp_path, SEALED, "--port", f"lan=trace:{trace(tmp_path)}",
        "--port", f"wan=pcap:{endless(tmp_path)},{out},rate=1", "--gpu", gpu, "--control", control,
    )  # fmt: skip
    try:
        until(carried(out, 100_000), process, "packets")
    finally:
        process.kill()
        process.communicate(timeout=LIMIT)
    result = run(tmp_path, SEALED, {"lan": [f.udp(1)], "wan": []}, gpu=gpu, args=["--control", control])
    assert len(result.out["wan"]) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this kernel has no /dev/full")
def test_a_full_disk_is_an_error_and_not_silence(tmp_path):
    pcap.write(tmp_path / "in.pcap", [f.udp(number, size=1000) for number in range(500)])
    chain_file = bundle.write(tmp_path / "chain.yaml", SEALED)
    message = rejected(
        "run", "--chain", chain_file, "--port", f"lan=pcap:{tmp_path}/in.pcap,{tmp_path}/lan.pcap",
        "--port", f"wan=pcap:{tmp_path}/in.pcap,/dev/full", "--gpu", "none",
    )  # fmt: skip
    assert "No space left" in message and "/dev/full" in message


def test_a_disk_that_fills_up_during_the_run_is_an_error_too(tmp_path):
    """A file size limit stands for the disk: it needs no right to mount one."""
    pcap.write(tmp_path / "in.pcap", [f.udp(number, size=1000) for number in range(3000)])
    pcap.write(tmp_path / "none.pcap", [])

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    process = started(
        tmp_path, SEALED, "--port", f"lan=pcap:{tmp_path}/in.pcap,{tmp_path}/lan.pcap",
        "--port", f"wan=pcap:{tmp_path}/none.pcap,{tmp_path}/wan.pcap", "--gpu", "none", preexec_fn=limit,
    )  # fmt: skip
    log = process.communicate(timeout=LIMIT)[0]
    assert process.returncode > 0, log
    assert "wan.pcap" in log and "panicked" not in log


def test_an_output_folder_that_is_not_there_is_named(tmp_path):
    pcap.write(tmp_path / "in.pcap", [f.udp()])
    chain_file = bundle.write(tmp_path / "chain.yaml", SEALED)
    message = rejected(
        "run", "--chain", chain_file, "--port", f"lan=pcap:{tmp_path}/in.pcap,{tmp_path}/no/where.pcap",
        "--port", "wan=null", "--gpu", "none",
    )  # fmt: skip
    assert "where.pcap" in message


@pytest.mark.parametrize("args", [[], ["--no-huge"]], ids=["as it comes", "--no-huge"])
def test_ordinary_pages_are_enough(tmp_path, args):
    result = run(tmp_path, SEALED, {"lan": [f.udp(number) for number in range(10)], "wan": []}, args=args)
    assert len(result.out["wan"]) == 10


@pytest.mark.parametrize("cores", ["0", "0,1", "1"])
def test_roles_share_whatever_cores_there_are(tmp_path, cores):
    allowed = {str(cpu) for cpu in os.sched_getaffinity(0)}
    if not set(cores.split(",")) <= allowed:
        pytest.skip(f"this machine has no cores {cores}")
    sent = [f.udp(number) for number in range(300)]
    documents = chain([encrypt(compute="GPU", size=2), router(cores=3)], [path("encrypt", "route")])
    result = run(tmp_path, documents, {"lan": sent, "wan": []}, gpu="opencl", args=["--cores", cores])
    assert len(result.out["wan"]) == 300


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    processes = []
    for folder in folders:
        folder.mkdir()
        pcap.write(folder / "in.pcap", [f.udp(number) for number in range(200)])
        processes.append(
            started(
                folder, SEALED, "--port", f"lan=pcap:{folder}/in.pcap,{folder}/lan.pcap", "--port", "wan=null", "--gpu", "none"
            )
        )
    for folder, process in zip(folders, processes):
        log = process.communicate(timeout=LIMIT)[0]
        assert process.returncode == 0, log
        assert json.loads((folder / "report.json").read_text())["tx"]["packets"] == 200
