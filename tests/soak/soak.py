#!/usr/bin/python3
"""The soak: the real binary under everything at once, for some minutes.

    tests/soak/soak.py [--minutes M] [--seed S]

Random tables, good and bad, over the control socket and by SIGHUP; random and
malformed traffic; workgroups starved by other load; clients that hang; polls.
At the end the sums must agree and nothing may be left behind.
"""

import argparse
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.request
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parents[1] / "e2e")]

import tables
import traffic
from live import Live, looped

# The process's own memory may grow by this much after the warm-up, bytes.
GROWTH = 32 << 20
# The control socket's threads for work that blocks come and go.
IDLE_THREADS = 4
# Spins in the kernel's normal class, as a neighbour on the same machine does.
NEIGHBOUR = [sys.executable, "-c", "while True: pass"]


class Soak:
    """What the workers share."""

    def __init__(self, live, metrics, seed):
        self.live, self.metrics, self.seed = live, metrics, seed
        self.over = threading.Event()
        self.failures = []
        self.counts = {}
        self.lock = threading.Lock()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def worker(self, number, step):
        """A thread that repeats `step(soak, chance)` until the end or a failure."""
        chance = random.Random(f"{self.seed}/{number}/{step.__name__}")

        def work():
            try:
                while not self.over.is_set():
                    step(self, chance)
            except Exception:
                self.failures.append(f"{step.__name__}:\n{traceback.format_exc()}")
                self.over.set()

        return threading.Thread(target=work, name=step.__name__, daemon=True)


def change(soak, chance):
    """One PUT, whose answer must be the one that its tables deserve."""
    kind = chance.choices(["good", "bad", "structural"], [6, 3, 1])[0]
    content = getattr(tables, kind)(chance)
    status, answer = soak.live.put(content)
    # Too many generations draining, where packets are slow to leave: try again later.
    expected = {"good": {200, 503}, "bad": {400, 422}, "structural": {409}}[kind]
    assert status in expected, f"{kind} tables: {status} {answer}\n{content}"
    soak.count(f"{kind} {status}")
    time.sleep(chance.choice([0, 0, 0.01, 0.1]))


def hang_up(soak, chance):
    """A changed file and SIGHUP, or only SIGHUP, or a file that is none."""
    match chance.randrange(3):
        case 0:
            soak.live.rewrite(tables.good(chance))
        case 1:
            soak.live.rewrite(chance.randbytes(500))
    for _ in range(chance.choice([1, 1, 20])):
        soak.live.hang_up()
    soak.count("SIGHUP")
    time.sleep(chance.random())


def hang(soak, chance):
    """A client that says half a request, or nothing, and goes, or does not."""
    said = chance.choice(
        [
            b"",
            b"GET /v1/sta",
            b"PUT /v1/tables HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\nContent-Length: 1000\r\n\r\nspec:",
            b"PUT /v1/tables HTTP/1.1\r\nHost: x\r\nContent-Type: application/yaml\r\nContent-Length: 99999999999\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n",
        ]
    )
    client = socket.socket(socket.AF_UNIX)
    try:
        client.settimeout(5)
        client.connect(str(soak.live.socket))
        client.sendall(said)
        time.sleep(chance.random() * 2)
    except (BlockingIOError, BrokenPipeError, ConnectionError, TimeoutError):
        pass
    finally:
        client.close()
    soak.count("client that hangs")


def poll(soak, chance):
    """Reads the report and the metrics: figures only grow, and agree."""
    before, after = soak.live.status(), soak.live.status()
    assert after["generation"] >= before["generation"]
    for direction in ("rx", "tx"):
        assert after[direction]["packets"] >= before[direction]["packets"]
    assert all(after["drops"][reason] >= count for reason, count in before["drops"].items())
    assert after["memory"]["packets_outside_shared_region"] == 0
    with urllib.request.urlopen(f"http://{soak.metrics}/metrics", timeout=60) as answer:
        assert b"# EOF" in answer.read()
    soak.count("poll")
    time.sleep(chance.random() / 2)


def free_address():
    """A TCP address that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def at_rest(live):
    """Back to the first tables, waits until nothing else is left; table memory, descriptors, memory, threads."""
    live.rewrite(tables.first())
    live.until(lambda: live.put(tables.first())[0] == 200, "the first tables")
    resting = []

    def stands_still():
        status = live.status()
        # A SIGHUP from before may still be at work: then other tables run.
        if live.put(tables.first(), generation=status["generation"])[0] != 200:
            live.put(tables.first())
        resting.append((status["generation"], status["memory"]["table_bytes"], live.descriptors()))
        return len(resting) >= 20 and all(state == resting[-1] for state in resting[-20:])

    live.until(stands_still, "a rest")
    _generation, table_bytes, descriptors = resting[-1]
    return table_bytes, descriptors, live.resident(), live.threads()


def phase(folder, seed, gpu, seconds):
    """One life of the binary under everything; what was counted."""
    chance = random.Random(f"{seed}/{gpu}")
    lan = looped(folder, traffic.frames(chance, 2000))
    (folder / "far").mkdir()
    wan = looped(folder / "far", traffic.frames(chance, 500), 2000)
    metrics = free_address()
    args = ["--metrics", metrics, "--state", folder / "state", "--lease-polls", "50", "--syncers", "2"]
    neighbours = [subprocess.Popen(NEIGHBOUR) for _ in range(2)]
    try:
        with Live(folder, tables.first(), f"lan={lan}", f"wan={wan}", gpu=gpu, args=args) as live:
            live.ready(100)
            soak = Soak(live, metrics, f"{seed}/{gpu}")
            everything = [change, change, hang_up, hang, hang, hang, poll]
            # The warm-up meets every kind of work, so that what stays is known.
            run_workers(soak, everything, max(5, seconds / 5))
            before = at_rest(live)
            soak.over.clear()
            run_workers(soak, everything, seconds)
            after = at_rest(live)
            report = live.stop()
    finally:
        for neighbour in neighbours:
            neighbour.kill()
            neighbour.wait()
    slack = {"memory": GROWTH, "threads": IDLE_THREADS}
    for name, was, now in zip(("table memory", "descriptors", "memory", "threads"), before, after):
        assert now <= was + slack[name] if name in slack else now == was, f"{name}: {now} after {was}"
    assert report["mbufs"]["leaked"] == 0
    grown = (after[2] - before[2]) >> 10
    counted = ", ".join(f"{number} {what}" for what, number in sorted(soak.counts.items()))
    print(f"{gpu}: {report['generation']} generations, {report['rx']['packets']} packets in, {report['tx']['packets']} out,")
    print(f"  {sum(report['drops'].values())} dropped, {grown} KiB more memory; {counted}", flush=True)


def run_workers(soak, steps, seconds):
    """Lets all workers work for so long; their failure is ours."""
    workers = [soak.worker(number, step) for number, step in enumerate(steps)]
    for worker in workers:
        worker.start()
    soak.over.wait(seconds)
    soak.over.set()
    for worker in workers:
        worker.join(120)
        assert not worker.is_alive(), f"{worker.name} hangs:\n{soak.live.log[-4000:]}"
    assert not soak.failures, f"the log's end:\n{soak.live.log[-4000:]}\n" + "\n".join(soak.failures)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    given = arguments.parse_args()
    print(f"soak: {given.minutes:g} minutes, seed {given.seed}", flush=True)
    for gpu, share in (("opencl", 0.6), ("none", 0.2)):
        with tempfile.TemporaryDirectory() as folder:
            phase(Path(folder), given.seed, gpu, given.minutes * 60 * share)
    print("soak: nothing lost, nothing left behind")


if __name__ == "__main__":
    main()
