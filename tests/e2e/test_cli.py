"""validate, compile, explain and devices; and bundles that must be refused."""

import copy
import json

import bundle
import frames as f
import pcap
import pytest
from bundle import ANY, association, chain, decrypt, encrypt, nids, path, router
from harness import EXAMPLES, check_sums, cli, rejected, run

GOOD = chain([encrypt(), router()], [path("encrypt", "route")])
RULES = 'alert tcp any any -> any any (msg:"evil"; content:"evil"; sid:42; rev:1;)\n'


def output(*args):
    """The JSON that a call prints; it must succeed."""
    done = cli(*args, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda example: example.name)
def test_the_examples_are_valid(example):
    done = cli("validate", "--chain", example)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "warning" not in (done.stdout + done.stderr).lower(), done.stdout + done.stderr


def test_compile_gives_the_papers_route_table(tmp_path):
    text = json.dumps(output("compile", "--chain", EXAMPLES / "site-gateway.yaml"))
    assert bundle.INTEGRITY_KEY.decode() not in text and "hummingbird-demo" not in text, "a key is printed"
    for row in ("inbound,rx,decrypt", "inbound,decrypt,ids", "inbound,ids,route", "bulk,rx,encrypt", "quarantine,rx,jail"):
        assert row in text, f"{row} is not in {text[:2000]}"


def edited(change):
    """The good bundle with `change` applied to its spec."""
    documents = copy.deepcopy(GOOD)
    change(documents[0]["spec"])
    return documents


def sa(spec):
    return spec["functions"][0]["ipsec"]["securityAssociations"]


MISTAKES = {
    "an unknown function in a path": (lambda spec: spec["classes"][0].update(path=["nobody", "route"]), ["path", "nobody"]),
    "a function twice in a path": (
        lambda spec: spec["classes"][0].update(path=["encrypt", "encrypt", "route"]),
        ["path", "encrypt"],
    ),
    "a router before the end": (lambda spec: spec["classes"][0].update(path=["route", "encrypt"]), ["path", "route"]),
    "an unknown default class": (lambda spec: spec.update(defaultClass="ghost"), ["defaultClass", "ghost"]),
    "an unknown port": (lambda spec: spec["classes"][0].update(match={"port": "dmz"}), ["port", "dmz"]),
    "a bad prefix": (
        lambda spec: spec["functions"][1]["router"]["routes"][0].update(prefix="10.0.0.0/33"),
        ["routes[0].prefix", "/33"],
    ),
    "a bad MAC address": (
        lambda spec: spec["functions"][1]["router"]["routes"][0].update(nextHopMac="02:00"),
        ["nextHopMac", "02:00"],
    ),
    "a route to an unknown port": (
        lambda spec: spec["functions"][1]["router"]["routes"][0].update(port="dmz"),
        ["port", "dmz"],
    ),
    "the same SPI and destination twice": (lambda spec: sa(spec).append(association(name="twin")), ["spi", "4096"]),
    "a reserved SPI": (lambda spec: sa(spec)[0].update(spi=255), ["spi", "255"]),
    "a tunnel without addresses": (lambda spec: sa(spec)[0].pop("tunnel"), ["tunnel"]),
    "an unknown cipher": (lambda spec: sa(spec)[0].update(cipher="ROT-13"), ["cipher", "ROT-13"]),
    "a Secret that is not there": (
        lambda spec: sa(spec)[0].update(keysFrom={"secretRef": {"name": "missing"}}),
        ["keysFrom", "missing"],
    ),
    "a replay window on Encrypt": (lambda spec: sa(spec)[0].update(replayWindow=64), ["replayWindow"]),
    "cores for a GPU function": (
        lambda spec: spec["functions"][0].update(compute="GPU"),
        ["functions[0].cores", "workgroups"],
    ),
    "a port bound in two ways": (lambda spec: spec["ports"][0].update(kernel={"interface": "eth9"}), ["ports", "pci"]),
    "a port range upside down": (
        lambda spec: spec["classes"][0].update(match={"protocol": "UDP", "destinationPorts": "9-3"}),
        ["destinationPorts", "9-3"],
    ),
    "two functions of one name": (lambda spec: spec["functions"][1].update(name="encrypt"), ["name", "encrypt"]),
    "a misspelt field": (lambda spec: spec.update(defualtClass="all"), ["defualtClass"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_by_its_field(tmp_path, name):
    change, words = MISTAKES[name]
    message = rejected("validate", "--chain", bundle.write(tmp_path / "chain.yaml", edited(change)))
    for word in words:
        assert word in message, f"'{word}' is not in: {message}"


def test_a_run_refuses_a_bad_bundle_before_it_opens_a_port(tmp_path):
    def change(spec):
        spec["classes"][0]["path"] = ["nobody"]

    chain_file = bundle.write(tmp_path / "chain.yaml", edited(change))
    pcap.write(tmp_path / "in.pcap", [f.udp()])
    message = rejected(
        "run", "--chain", chain_file, "--port", f"lan=pcap:{tmp_path}/in.pcap,{tmp_path}/out.pcap", "--port", "wan=null"
    )
    assert "nobody" in message
    assert not (tmp_path / "out.pcap").exists()


def test_all_mistakes_are_told_at_once(tmp_path):
    def change(spec):
        for name in ("an unknown function in a path", "a bad prefix", "an unknown default class"):
            MISTAKES[name][0](spec)

    message = rejected("validate", "--chain", bundle.write(tmp_path / "chain.yaml", edited(change)))
    for word in ("nobody", "/33", "ghost"):
        assert word in message


def test_keys_of_the_wrong_length_are_refused_with_a_hint_and_never_printed(tmp_path):
    secret = "0123456789abcdef0123456789abcdef"
    for cipher, words in (("short-key", ["cipherKey", "16"]), (secret, ["cipherKey", "looks like hex"])):
        documents = chain(
            [encrypt(), router()],
            [path("encrypt", "route")],
            secrets={"keys": {"cipherKey": cipher, "integrityKey": bundle.INTEGRITY_KEY.decode()}},
        )
        message = rejected("validate", "--chain", bundle.write(tmp_path / "chain.yaml", documents))
        for word in words:
            assert word in message
        assert cipher not in message


def test_a_cycle_of_transitions_is_refused(tmp_path):
    documents = chain(
        [nids(RULES, name="a"), nids(RULES, name="b"), router()],
        [path("a", "route", name="one"), path("b", "route", name="two")],
        transitions=[
            {"function": "a", "verdict": "Match", "class": "two"},
            {"function": "b", "verdict": "Match", "class": "one"},
        ],
    )
    message = rejected("validate", "--chain", bundle.write(tmp_path / "chain.yaml", documents))
    assert "transitions" in message and "cycle" in message


def test_a_transition_beside_on_match_drop_is_refused(tmp_path):
    documents = chain(
        [nids(RULES, onMatch="Drop"), router()],
        [path("ids", "route"), {"name": "jail", "path": ["route"]}],
        transitions=[{"function": "ids", "verdict": "Match", "class": "jail"}],
    )
    message = rejected("validate", "--chain", bundle.write(tmp_path / "chain.yaml", documents))
    assert "onMatch" in message


def test_the_same_sa_in_an_encrypt_and_a_decrypt_function_is_allowed(tmp_path):
    documents = chain([encrypt(), decrypt(), router()], [path("encrypt", "decrypt", "route")])
    done = cli("validate", "--chain", bundle.write(tmp_path / "chain.yaml", documents))
    assert done.returncode == 0, done.stderr


def test_documents_that_the_chain_does_not_name_are_ignored_with_a_note(tmp_path):
    documents = GOOD + [{"apiVersion": "example.org/v1", "kind": "Whatever", "metadata": {"name": "odd"}, "spec": {"a": [1]}}]
    done = cli("validate", "--chain", bundle.write(tmp_path / "chain.yaml", documents))
    assert done.returncode == 0, done.stderr
    assert "document 3" in done.stdout + done.stderr and "ignored" in done.stdout + done.stderr


@pytest.mark.parametrize("text", ["", "not: a chain\n", "spec: [\n", "\0\1\2", "--- \n---\n", "&a [*a]\n"])
def test_files_that_are_no_bundle_are_refused(tmp_path, text):
    (tmp_path / "chain.yaml").write_text(text)
    rejected("validate", "--chain", tmp_path / "chain.yaml")


def test_a_chain_file_that_is_not_there_is_named(tmp_path):
    assert "nowhere.yaml" in rejected("validate", "--chain", tmp_path / "nowhere.yaml")


def test_more_workgroups_than_the_device_holds_are_refused_by_run_alone(tmp_path):
    documents = chain([encrypt(compute="GPU", size=17), router()], [path("encrypt", "route")])
    chain_file = bundle.write(tmp_path / "chain.yaml", documents)
    assert cli("validate", "--chain", chain_file).returncode == 0
    message = rejected("run", "--chain", chain_file, "--port", "lan=null", "--port", "wan=null", "--duration", "1s", "--gpu", "opencl")
    assert "workgroups" in message and "17" in message and "16" in message


def test_ports_of_the_command_line_must_be_ports_of_the_manifest(tmp_path):
    chain_file = bundle.write(tmp_path / "chain.yaml", GOOD)
    assert "dmz" in rejected("run", "--chain", chain_file, "--port", "dmz=null", "--gpu", "none")
    assert "tape:x" in rejected("run", "--chain", chain_file, "--port", "lan=tape:x", "--port", "wan=null", "--gpu", "none")
    missing = rejected("run", "--chain", chain_file, "--port", f"lan=pcap:{tmp_path}/no.pcap,{tmp_path}/o.pcap", "--port", "wan=null", "--gpu", "none")
    assert "no.pcap" in missing


def test_an_input_that_is_no_capture_is_refused(tmp_path):
    chain_file = bundle.write(tmp_path / "chain.yaml", GOOD)
    for name, data in (("text", b"hello, world" * 5), ("empty", b""), ("short", b"\xd4\xc3\xb2\xa1\x02\x00")):
        (tmp_path / name).write_bytes(data)
        message = rejected("run", "--chain", chain_file, "--port", f"lan=pcap:{tmp_path}/{name},{tmp_path}/o.pcap", "--port", "wan=null", "--gpu", "none")
        assert name in message


def test_explain_tells_what_a_run_then_does(tmp_path):
    documents = chain(
        [nids(RULES), encrypt(association(selector={"destination": "10.2.0.0/16"})), router(), router((ANY, "lan", bundle.LAN_MAC), name="jail")],
        [
            {"name": "web", "match": {"protocol": "TCP"}, "path": ["ids", "encrypt", "route"]},
            {"name": "rest", "match": {"protocol": "UDP"}, "path": ["encrypt", "route"]},
            {"name": "quarantine", "path": ["jail"]},
        ],
        transitions=[{"function": "ids", "verdict": "Match", "class": "quarantine"}],
    )
    sent = [f.tcp(b"harmless"), f.tcp(b"this is evil"), f.udp(), f.udp(dst="10.9.0.1"), f.ping()]
    pcap.write(tmp_path / "sent.pcap", sent)
    chain_file = bundle.write(tmp_path / "chain.yaml", documents)
    done = cli("explain", "--chain", chain_file, "--packet", tmp_path / "sent.pcap", "--output", "json")
    assert done.returncode == 0, done.stderr
    text = done.stdout.splitlines()
    assert [json.loads(line)["packet"] for line in text] == [1, 2, 3, 4, 5]
    assert "web" in text[0] and "sa-4096" in text[0] and "42" not in text[0]
    assert "quarantine" in text[1] and "42" in text[1] and "jail" in text[1]
    assert "rest" in text[2] and "sa-4096" in text[2]
    result = run(tmp_path, documents, {"lan": sent, "wan": []})
    for reason in result.drops:
        assert reason in text[3] + text[4]
    assert len(result.out["lan"]) == 1 and len(result.out["wan"]) == 2


def test_devices_lists_pocl_and_says_whether_a_chain_can_run():
    [pocl] = [device for device in output("devices") if "pthread" in json.dumps(device)]
    assert pocl["usable"] is True
    assert pocl["workgroupCapacity"] == 16
    assert "pthread" in cli("devices").stdout


def test_help_names_every_command():
    text = cli("--help").stdout
    for command in ("run", "validate", "compile", "explain", "devices"):
        assert command in text


def test_rules_with_errors_on_some_lines_still_load(tmp_path):
    rules = "this is no rule\n" + RULES + 'alert tcp any any -> any any (msg:"cut\n' + "# a comment\n\n"
    documents = chain([nids(rules), router()], [path("ids", "route")])
    done = cli("validate", "--chain", bundle.write(tmp_path / "chain.yaml", documents))
    assert done.returncode == 0, done.stderr
    assert "local.rules:1" in done.stdout and "local.rules:3" in done.stdout
    result = run(tmp_path, documents, {"lan": [f.tcp(b"evil"), f.tcp(b"good")], "wan": []})
    assert [alert["sid"] for alert in result.alerts] == [42]


def test_a_rule_file_without_any_usable_rule_is_refused(tmp_path):
    documents = chain([nids("nonsense\n# nothing\n"), router()], [path("ids", "route")])
    assert "rules" in rejected("validate", "--chain", bundle.write(tmp_path / "chain.yaml", documents))


@pytest.mark.parametrize("gpu", ["none", "opencl"])
def test_on_match_drop_drops_and_pass_rules_are_honoured(tmp_path, gpu):
    rules = RULES + 'pass tcp any any -> any any (content:"evil but known"; sid:43;)\n'
    documents = chain([nids(rules, compute="GPU", onMatch="Drop"), router()], [path("ids", "route")])
    result = run(tmp_path, documents, {"lan": [f.tcp(b"evil"), f.tcp(b"evil but known"), f.tcp(b"good")], "wan": []}, gpu=gpu)
    assert result.drops == {"nids_drop": 1}
    assert len(result.out["wan"]) == 2
    assert [alert["sid"] for alert in result.alerts] == [42]
    check_sums(result.report)
