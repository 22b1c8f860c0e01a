"""SA state that outlives the process: crashes, replays, foreign files, full and read-only disks."""

import os
import random
import shutil
import struct
import subprocess
import sys
import time

import frames as f
import pcap
import pytest
from bundle import LAN_MAC, association, chain, decrypt, encrypt, path, router
from harness import LIMIT, ROOT, rejected, run
from live import Live, captured, encoded, looped

SEALED = chain([encrypt(), router()], [path("encrypt", "route")])
HOME = router(("0.0.0.0/0", "lan", LAN_MAC))
OPENED = chain([decrypt(), HOME], [path("decrypt", "route")])
# The test of a full disk runs itself inside a mount namespace.
INSIDE = "HUMMINGBIRD_TEST_MOUNTS"


def readable(capture):
    """The frames of a capture that a kill may have cut inside a frame."""
    data = capture.read_bytes()
    frames, at = [], 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        if at + 16 + length > len(data):
            break
        frames.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return frames


def numbers(frames):
    """SPI and sequence number of every ESP frame."""
    return [struct.unpack_from(">II", frame, 34) for frame in frames]


def marks(folder):
    """SPI and mark of every state file: each number up to the mark counts as used."""
    files = [file.read_bytes() for file in folder.glob("*.sa")]
    return {struct.unpack_from("<I", data, 16)[0]: struct.unpack_from("<Q", data, 56)[0] for data in files}


def only_state(folder):
    """The one SA's file of a state directory."""
    [file] = folder.glob("*.sa")
    return file


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_a_peer_goes_on_through_crashes_at_any_moment(tmp_path, gpu):
    seed = 20260101
    chance = random.Random(seed)
    rounds = 8 if gpu == "none" else 4
    compute = "CPU" if gpu == "none" else "GPU"
    both = [association(spi=7001, selector={"destination": "10.2.0.0/17"}), association(spi=7002)]
    # A class of its own for a port whose capture takes for ever: a run over captures ends with them.
    documents = chain(
        [encrypt(*both, compute=compute), router()],
        [path("encrypt", "route", match={"port": "lan"}), path("route", name="rest")],
        ports=("lan", "wan", "slow"),
    )
    frames = [f.udp(number, dst="10.2.0.9" if number % 3 else "10.2.200.9") for number in range(300)]
    peers = {spi: f.peer(spi=spi) for spi in (7001, 7002)}
    windows = {spi: f.ReplayWindow(64) for spi in peers}
    seen = {spi: 0 for spi in peers}
    for life in range(rounds):
        folder = tmp_path / str(life)
        folder.mkdir()
        lan = looped(folder, frames, 20_000)
        slow, _ = captured(folder, "slow", [f.udp(0)] * 10_000, 1)
        wan, out = captured(folder, "wan", [])
        ports = [f"lan={lan}", f"wan={wan}", f"slow={slow}"]
        with Live(folder, documents, *ports, gpu=gpu, args=["--state", tmp_path / "state"]) as live:
            live.until(lambda: out.exists() and out.stat().st_size > 1000, "packets in the capture")
            time.sleep(chance.random() * 0.3)
            live.kill()
        sealed = [frame for frame in readable(out) if frame[23] == 50]
        assert sealed, f"seed {seed}, life {life}: nothing was captured"
        for spi, seq in numbers(sealed):
            assert seq > seen[spi], f"seed {seed}, life {life}: SPI {spi} gave {seq} after {seen[spi]}"
            assert windows[spi].accepts(seq)
            seen[spi] = seq
        # Also what the kill kept from the capture was below the mark, and the next life begins behind it.
        for spi, mark in marks(tmp_path / "state").items():
            assert seen[spi] <= mark
            seen[spi] = mark
        for frame in (sealed[0], sealed[-1]):
            spi = numbers([frame])[0][0]
            assert f.number_of(f.opened(peers[spi], [frame])[0][1]) < 300


def test_replays_from_before_a_crash_stay_refused(tmp_path):
    sa = f.peer()
    state = tmp_path / "state"
    documents = chain([decrypt(), HOME], [path("decrypt", "route", match={"port": "wan"})])
    sent = []
    for life in range(3):
        folder = tmp_path / str(life)
        folder.mkdir()
        # What was sent so far comes again, and then what is new, behind the
        # margin of 2^15 numbers that a crash costs and within the next one.
        fresh = [f.esp_frame(sa, f.ip_of(f.udp(number)), 40_000 * life + 1 + number) for number in range(500)]
        lan, _ = captured(folder, "lan", [f.udp(0)] * 10_000, 1)
        wan, _ = captured(folder, "wan", sent + fresh)
        with Live(folder, documents, f"lan={lan}", f"wan={wan}", args=["--state", state]) as live:
            live.ready(len(fresh))
            drops = {reason: count for reason, count in live.status()["drops"].items() if count and reason != "unclassified"}
            assert set(drops) <= {"replayed", "replay_too_old"} and sum(drops.values()) == len(sent), drops
            live.kill()
        sent += fresh


def test_an_sa_that_was_away_goes_on(tmp_path):
    """For generations in one life, and for a whole life in between."""
    other = chain([encrypt(association(spi=5005)), router()], [path("encrypt", "route")])
    last = {}
    for life in range(3):
        folder = tmp_path / str(life)
        folder.mkdir()
        lan, _ = captured(folder, "lan", [f.udp(number) for number in range(500)] * 100, 5000)
        wan, out = captured(folder, "wan", [])
        first = other if life == 1 else SEALED
        with Live(folder, first, f"lan={lan}", f"wan={wan}", args=["--state", tmp_path / "state"]) as live:
            live.ready(10)
            for documents in [] if life == 1 else [other, other, SEALED, other, SEALED]:
                live.change(documents)
                sent = live.status()["tx"]["packets"]
                live.until(lambda: live.status()["tx"]["packets"] > sent + 10, "more packets")
            assert live.stop()["saState"] == "durable"
        for spi, seq in numbers(pcap.read(out)):
            # A clean end and an absence waste no number.
            assert seq == last.get(spi, 0) + 1
            last[spi] = seq
    assert set(last) == {4096, 5005}


def spoiled(file, how):
    """Spoils a state file."""
    data = file.read_bytes()
    file.write_bytes(
        {
            "cut": data[:40],
            "empty": b"",
            "a flipped bit": data[:57] + bytes([data[57] ^ 4]) + data[58:],
            "foreign": b"x" * len(data),
            "longer": data + b"\0",
        }[how]
    )


def start_is_refused(folder, documents, state, *args):
    """A start that must fail; its message."""
    ports = ["--port", "lan=null", "--port", "wan=null"]
    chain_file = folder / "chain.yaml"
    chain_file.write_bytes(encoded(documents))
    return rejected("run", "--chain", chain_file, *ports, "--gpu", "none", "--state", state, "--duration", "1s", *args)


@pytest.mark.parametrize("how", ["cut", "empty", "a flipped bit", "foreign", "longer"])
def test_a_damaged_file_is_named_and_nothing_starts_from_1(tmp_path, how):
    state = tmp_path / "state"
    run(tmp_path, SEALED, {"lan": [f.udp(number) for number in range(20)], "wan": []}, args=["--state", state])
    file = only_state(state)
    good = file.read_bytes()
    spoiled(file, how)
    message = start_is_refused(tmp_path, SEALED, state)
    assert str(file) in message and "encrypt" in message, message
    file.write_bytes(good)
    result = run(tmp_path, SEALED, {"lan": [f.udp()], "wan": []}, args=["--state", state])
    assert numbers(result.out["wan"]) == [(4096, 21)]


def test_the_state_of_another_sa_is_refused(tmp_path):
    state = tmp_path / "state"
    run(tmp_path, SEALED, {"lan": [f.udp()], "wan": []}, args=["--state", state])
    mine = only_state(state)
    other = chain([encrypt(association(spi=5005)), router()], [path("encrypt", "route")])
    run(tmp_path, other, {"lan": [f.udp()], "wan": []}, args=["--state", state])
    [theirs] = set(state.glob("*.sa")) - {mine}
    shutil.copy(mine, theirs)
    message = start_is_refused(tmp_path, other, state)
    assert str(theirs) in message and "another SA" in message


def test_a_damaged_file_refuses_a_live_change_too(tmp_path):
    state = tmp_path / "state"
    other = chain([encrypt(association(spi=5005)), router()], [path("encrypt", "route")])
    run(tmp_path, other, {"lan": [f.udp()], "wan": []}, args=["--state", state])
    spoiled(only_state(state), "a flipped bit")
    lan = looped(tmp_path, [f.udp(number) for number in range(100)])
    with Live(tmp_path, SEALED, f"lan={lan}", "wan=null", args=["--state", state]) as live:
        live.ready(100)
        status, answer = live.put(other)
        assert status == 422 and ".sa" in str(answer), answer
        sent = live.status()["tx"]["packets"]
        live.until(lambda: live.status()["tx"]["packets"] > sent, "packets under the old tables")
        assert live.stop()["generation"] == 1


def test_two_processes_do_not_share_a_state_folder(tmp_path):
    state = tmp_path / "state"
    lan = looped(tmp_path, [f.udp()], 1000)
    with Live(tmp_path, SEALED, f"lan={lan}", "wan=null", args=["--state", state]) as live:
        live.ready()
        second = tmp_path / "second"
        second.mkdir()
        message = start_is_refused(second, SEALED, state)
        assert "in use by another process" in message and str(state) in message
        live.kill()
    run(second, SEALED, {"lan": [f.udp()], "wan": []}, args=["--state", state])


def test_a_state_folder_that_is_a_file_is_refused(tmp_path):
    state = tmp_path / "state"
    state.write_text("no folder")
    assert str(state) in start_is_refused(tmp_path, SEALED, state)


def test_without_a_folder_the_report_says_volatile(tmp_path):
    result = run(tmp_path, SEALED, {"lan": [f.udp()], "wan": []})
    assert result.report["saState"] == "volatile"
    durable = run(tmp_path, SEALED, {"lan": [f.udp()], "wan": []}, args=["--state", tmp_path / "state"])
    assert durable.report["saState"] == "durable"


def in_mounts(*command):
    """Runs a command where it may mount what vanishes with it."""
    unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
    return subprocess.run(
        [*unshare, *map(str, command)], capture_output=True, text=True, timeout=LIMIT * 2, cwd=ROOT, check=False,
        env={**os.environ, INSIDE: "1"},
    )  # fmt: skip


def mount(*options):
    subprocess.run(["mount", *map(str, options)], check=True, timeout=30)


def immutable(flag, folder):
    """What a running process sees of a disk that turned read-only: it can make no file any more.
    (The kernel refuses a real remount while the process holds its lock.)"""
    subprocess.run(["chattr", flag, str(folder)], check=True, timeout=30)


def fill(folder):
    """Takes every free byte and file of a file system, as another program would."""
    with open(folder / "ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"\0" * 4096)
        except OSError:
            pass


@pytest.mark.parametrize("case", ["full", "read-only", "fills up", "refuses"])
def test_a_disk_that_takes_nothing_never_costs_a_number(tmp_path, case):
    (tmp_path / "probe").mkdir()
    try_out = 'mount -t tmpfs none "$0" && mkdir "$0/a"' + (' && chattr +i "$0/a"' if case == "refuses" else "")
    probe = in_mounts("sh", "-c", try_out, tmp_path / "probe")
    if probe.returncode:
        pytest.skip(f"no such disk in a namespace: {probe.stderr.strip()}")
    done = in_mounts(sys.executable, __file__, tmp_path, case)
    assert done.returncode == 0, done.stdout + done.stderr


def on_a_small_disk(folder, case):
    """Inside the namespace: a tmpfs of its own for the state."""
    disk, state = folder / "disk", folder / "disk" / "state"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=64k,nr_inodes=100", "none", disk)
    run(folder, SEALED, {"lan": [f.udp(number) for number in range(20)], "wan": []}, args=["--state", state])
    spend, free = {
        "full": (lambda: fill(disk), lambda: (disk / "ballast").unlink()),
        "fills up": (lambda: fill(disk), lambda: (disk / "ballast").unlink()),
        "read-only": (lambda: mount("-o", "remount,ro", disk), lambda: mount("-o", "remount,rw", disk)),
        "refuses": (lambda: immutable("+i", state), lambda: immutable("-i", state)),
    }[case]
    if case in ("full", "read-only"):
        spend()
        message = start_is_refused(folder, SEALED, state)
        assert {"full": "No space left", "read-only": "Read-only"}[case] in message and "state" in message, message
        free()
        result = run(folder, SEALED, {"lan": [f.udp()], "wan": []}, args=["--state", state])
        assert numbers(result.out["wan"])[0][1] > 20
        return
    lan = looped(folder, [f.udp(number) for number in range(500)])
    with Live(folder, SEALED, f"lan={lan}", "wan=null", args=["--state", state]) as live:
        live.ready(100)
        spend()
        live.until(lambda: live.status()["drops"]["state_unavailable"] > 1000, "the reserve's end")
        status = live.status()
        assert any(str(state) in warning for warning in status["warnings"]), status["warnings"]
        assert "SAs stop when their reserved numbers are used up" in live.log
        [sa] = status["securityAssociations"]
        refused = status["drops"]["state_unavailable"]
        live.until(lambda: live.status()["drops"]["state_unavailable"] > refused + 1000, "more refusals")
        assert live.status()["securityAssociations"] == [sa], "a number was used that no disk accounts for"
        free()
        live.until(lambda: live.status()["securityAssociations"][0]["last"] > sa["last"], "numbers again")
        assert "can be written again" in live.log
        assert live.status()["warnings"] == []
        spent = live.status()["securityAssociations"][0]["last"]
        live.kill()
    result = run(folder, SEALED, {"lan": [f.udp()], "wan": []}, args=["--state", state])
    assert numbers(result.out["wan"])[0][1] > spent


if __name__ == "__main__" and os.environ.get(INSIDE):
    from pathlib import Path

    on_a_small_disk(Path(sys.argv[1]), sys.argv[2])
