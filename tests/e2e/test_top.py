"""`top` over a real run: as text, and on a terminal."""

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import threading
import time

import frames as f
import pcap
import pytest
from bundle import chain, path, router
from control import running
from harness import BINARY, LIMIT, cli, rejected


@pytest.fixture
def dataplane(tmp_path):
    pcap.write(tmp_path / "lan.pcap", [f.udp(number, size=100) for number in range(64)])
    ports = {"lan": f"trace:{tmp_path}/lan.pcap,rate=20000", "wan": "null"}
    with running(tmp_path, chain([router()], [path("route")]), ports) as process:
        process.await_status(lambda report: report["tx"]["packets"] > 100)
        yield process


def row(text, name):
    [line] = [line for line in text.splitlines() if line.split()[:1] == [name]]
    return line.split()[1:]


def test_once_prints_rates_or_totals(dataplane):
    before = dataplane.status()
    done = cli("top", "--control", dataplane.socket, "--once", "--interval", "0s")
    after = dataplane.status()
    assert done.returncode == 0, done.stderr
    assert "default/test" in done.stdout and "generation 1" in done.stdout
    received, size, *_ = map(int, row(done.stdout, "lan"))
    assert before["ports"]["lan"]["rx"]["packets"] <= received <= after["ports"]["lan"]["rx"]["packets"]
    assert size >= received * 100
    assert row(done.stdout, "route")[:2] == ["CPU", "x1"]
    done = cli("top", "--control", dataplane.socket, "--once", "--interval", "200ms")
    assert done.returncode == 0 and "rx pps" in done.stdout
    assert int(row(done.stdout, "lan")[0]) > 0


def test_the_live_screen_runs_on_a_terminal_and_q_ends_it(dataplane):
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [BINARY, "top", "--control", dataplane.socket, "--interval", "100ms"]
    top = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm"})
    os.close(terminal)
    seen, end, quits = b"", time.monotonic() + LIMIT / 2, False
    try:
        while top.poll() is None and time.monotonic() < end:
            if select.select([main], [], [], 0.1)[0]:
                try:
                    seen += os.read(main, 65536)
                except OSError:  # The terminal closes with its last user.
                    break
            if not quits and b"FUNCTION" in seen and b"pps" in seen:
                os.write(main, b"q")
                quits = True
        assert top.wait(LIMIT / 2) == 0, seen
        # It drew on the other screen and went back.
        assert b"\x1b[?1049h" in seen and b"\x1b[?1049l" in seen
        assert b"default/test" in seen
    finally:
        top.kill()
        os.close(main)


def test_errors_say_what_is_wrong(tmp_path):
    path_ = tmp_path / "control.sock"
    assert "there is no socket" in rejected("top", "--control", path_, "--once")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path_))
        assert "nobody listens" in rejected("top", "--control", path_, "--once")
        listener.listen()
        stranger = threading.Thread(target=lambda: listener.accept()[0].sendall(b"SSH-2.0-OpenSSH_9\r\n"))
        stranger.start()
        message = rejected("top", "--control", path_, "--once")
        stranger.join()
        assert "no hummingbird-dataplane" in message or "cannot ask" in message
    assert "terminal" in rejected("top", "--control", path_)
    assert "--once" in rejected("top", "--control", path_, "--interval", "0s")
