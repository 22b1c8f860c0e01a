"""The documents say what is there."""

import re
import subprocess
from urllib.parse import urlparse

import pytest
import yaml
from harness import ROOT, cli

DOCUMENTS = [
    ROOT / path
    for path in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        url = urlparse(target)
        if not url.scheme and url.path:
            assert (document.parent / url.path).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize("document", ["docs/architecture.md", "docs/architecture.svg", "docs/paper.md", "README.md"])
def test_folders_that_the_documents_name_are_there(document):
    text = (ROOT / document).read_text()
    known = r"(?:crds|dataplane|kernels|examples|tests|operator|node-agent|charts|images|patches|scripts|e2e)"
    for path in set(re.findall(rf"(?<![\w/.-]){known}/[\w/.-]*", text)):
        assert (ROOT / path.rstrip(".")).exists(), f"{document}: {path}"


def test_every_drop_reason_is_explained_and_no_other():
    source = (ROOT / "crds" / "src" / "drop_reason.rs").read_text()
    names = set(re.findall(r'^    \w+ = "([a-z0-9_]+)",$', source, re.MULTILINE))
    rows = re.findall(r"^\| `([a-z0-9_]+)` \|", (ROOT / "docs" / "drop-reasons.md").read_text(), re.MULTILINE)
    assert names and len(rows) == len(set(rows))
    assert set(rows) == names


def fields(schema):
    """The names of the fields of an OpenAPI schema, at any depth."""
    for name, child in schema.get("properties", {}).items():
        yield name
        yield from fields(child)
    if isinstance(schema.get("items"), dict):
        yield from fields(schema["items"])


def test_every_field_of_the_schema_is_in_the_manifests_document():
    [path] = (ROOT / "crds").glob("*nfchain*.yaml")
    [version] = yaml.safe_load(path.read_text())["spec"]["versions"]
    text = (ROOT / "docs" / "manifest.md").read_text()
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    missing = {name for name in fields(spec) if not re.search(rf"\b{name}\b", text)}
    assert not missing


def test_the_readme_shows_what_the_demo_prints_now():
    shown = (ROOT / "README.md").read_text().partition("<!-- demo: begin -->")[2].partition("<!-- demo: end -->")[0]
    assert shown.count("```") == 2
    for word in ("inbound", "bulk", "outbound", "mirror", "encrypt", "decrypt", "ids", "route", "jail", "out/wan.pcap"):
        assert word in shown, f"{word} is not in the README's output of make demo"


def test_the_help_of_every_command_can_be_read():
    for command in ("run", "validate", "compile", "explain", "devices"):
        done = cli(command, "--help")
        assert done.returncode == 0 and "--" in done.stdout
