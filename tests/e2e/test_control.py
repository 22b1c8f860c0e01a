"""The control socket of a real run: status, changes, drain."""

import json
import os
import signal
import socket
import stat

import frames as f
import pcap
import pytest
import yaml
from bundle import WAN_MAC, chain, encrypt, path, router
from control import answers, running
from harness import EXAMPLES, rejected

RATE = 20000


def ports(folder):
    """lan gets an endless stream, wan swallows."""
    pcap.write(folder / "lan.pcap", [f.udp(number, size=100) for number in range(64)])
    return {"lan": f"trace:{folder}/lan.pcap,rate={RATE}", "wan": "null"}


def documents(name="all", **spec):
    return chain([router()], [path("route", name=name)], **spec)


def as_yaml(content):
    return yaml.safe_dump_all(content).encode()


def flows(report):
    return report["rx"]["packets"] > 100


def test_status_is_the_report_and_drain_ends_the_run(tmp_path):
    with running(tmp_path, documents(), ports(tmp_path)) as dataplane:
        assert stat.S_IMODE(os.stat(dataplane.socket).st_mode) == 0o600
        report = dataplane.await_status(flows)
        assert report["chain"] == "default/test" and report["generation"] == 1
        assert report["uptimeSeconds"] > 0
        assert report["functions"]["route"]["compute"] == "CPU"
        code, _, body = dataplane.ask("POST", "/v1/drain")
        assert (code, json.loads(body)) == (202, {"draining": True})
        last = dataplane.finish()
        assert last["rx"]["packets"] >= report["rx"]["packets"]
        assert last["inFlight"] == 0
        assert all(function["waiting"] == 0 for function in last["functions"].values())
        assert set(last) == set(report), "status and --report have the same fields"
        assert not dataplane.socket.exists()


def test_a_change_shows_in_the_status_when_it_is_answered(tmp_path):
    with running(tmp_path, documents("before"), ports(tmp_path)) as dataplane:
        dataplane.await_status(flows)
        code, _, body = dataplane.ask("PUT", "/v1/tables", as_yaml(documents("after")), "application/yaml")
        assert (code, json.loads(body)) == (200, {"generation": 2})
        assert dataplane.status()["generation"] == 2
        dataplane.await_status(lambda report: report["classes"]["after"]["packets"] > 100)
        # The same as JSON: a generation of its own without a number, none with the running one.
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": documents("after")})
        code, _, body = dataplane.ask("PUT", "/v1/tables", listed, "application/json")
        assert (code, json.loads(body)) == (200, {"generation": 3})
        code, _, body = dataplane.ask("PUT", "/v1/tables?generation=3", listed, "application/json")
        assert (code, json.loads(body)) == (200, {"generation": 3})
        dataplane.ask("POST", "/v1/drain")
        report = dataplane.finish()
        assert report["drops"]["unclassified"] == 0
        by_class = sum(one["packets"] for one in report["classes"].values())
        assert by_class == report["rx"]["packets"]


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_tables_change_at_full_rate_and_nothing_is_lost(tmp_path, gpu):
    def through(port, way=("encrypt", "route"), **spec):
        return chain([encrypt(compute="GPU"), router(("0.0.0.0/0", port, WAN_MAC))], [path(*way)], **spec)

    source = {"lan": ports(tmp_path)["lan"].partition(",rate")[0], "wan": "null"}
    with running(tmp_path, through("wan"), source, gpu=gpu) as dataplane:
        dataplane.await_status(lambda report: report["ports"]["wan"]["tx"]["packets"] > 100)
        code, _, body = dataplane.ask("PUT", "/v1/tables", as_yaml(through("lan")), "application/yaml")
        assert (code, json.loads(body)) == (200, {"generation": 2})
        dataplane.await_status(lambda report: report["ports"]["lan"]["tx"]["packets"] > 100)
        for refused, code in [(through("lan", ["nobody"]), 422), (through("lan", mtu=9000), 409)]:
            assert dataplane.ask("PUT", "/v1/tables", as_yaml(refused), "application/yaml")[0] == code
        dataplane.process.send_signal(signal.SIGTERM)
        report = dataplane.finish()
    assert report["generation"] == 2 and sum(report["drops"].values()) == 0


@pytest.mark.parametrize(
    "query, content, kind, code, field",
    [
        ("", documents(), None, 415, "Content-Type"),
        ("", documents(), "text/plain", 415, "Content-Type"),
        ("?generation=first", documents(), "application/yaml", 400, "generation"),
        ("?generation=1", documents("other"), "application/yaml", 409, "generation"),
        ("", chain([router()], [path("rout")]), "application/yaml", 422, "spec.classes[0].path[0]"),
        ("", [], "application/yaml", 422, None),
        ("", documents(mtu=9000), "application/yaml", 409, None),
    ],
)
def test_what_is_refused_changes_nothing(tmp_path, query, content, kind, code, field):
    with running(tmp_path, documents(), ports(tmp_path)) as dataplane:
        dataplane.await_status(flows)
        got, headers, body = dataplane.ask("PUT", f"/v1/tables{query}", as_yaml(content), kind)
        answer = json.loads(body)
        assert got == code, answer
        assert headers["Content-Type"] == "application/json"
        assert answer["errors"] and all(error["reason"] for error in answer["errors"])
        if field:
            assert field in [error["field"] for error in answer["errors"]]
        if code == 409:
            assert answer["running"] == 1 and answer["reason"] in ("NotNewer", "RequiresRestart")
        assert dataplane.status()["generation"] == 1
        dataplane.ask("POST", "/v1/drain")
        assert set(dataplane.finish()["classes"]) == {"all"}


def test_a_kill_leaves_a_socket_that_the_next_start_replaces(tmp_path):
    with running(tmp_path, documents(), ports(tmp_path)) as dataplane:
        dataplane.process.send_signal(signal.SIGKILL)
        dataplane.process.wait()
        assert dataplane.socket.exists() and not answers(dataplane.socket)
    with running(tmp_path, documents(), ports(tmp_path)) as dataplane:
        message = rejected(
            "run", "--chain", EXAMPLES / "site-gateway.yaml", "--port", "lan=null", "--port", "wan=null",
            "--gpu", "none", "--control", dataplane.socket,
        )  # fmt: skip
        assert "another process answers" in message
        assert dataplane.status()["generation"] == 1
        dataplane.process.send_signal(signal.SIGTERM)
        dataplane.finish()


def test_hung_clients_do_not_hold_up_the_drain(tmp_path):
    with running(tmp_path, documents(), ports(tmp_path)) as dataplane:
        hung = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        for client in hung:
            client.connect(str(dataplane.socket))
            client.sendall(b"PUT /v1/tables HTTP/1.1\r\nHost: chain\r\nContent-Ty")
        dataplane.await_status(flows)
        assert dataplane.ask("POST", "/v1/drain")[0] == 202
        dataplane.finish()
        for client in hung:
            client.close()
