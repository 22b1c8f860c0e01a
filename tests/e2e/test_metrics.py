"""The metrics of a real run, over TCP and over the control socket."""

import json
import re
import urllib.error
import urllib.request

import frames as f
import pcap
import pytest
from bundle import chain, path, router
from control import running
from harness import ROOT


def scraped(text):
    """Values by series, as `name{labels}`."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines)}


def test_metrics_are_those_of_the_report_and_of_the_page(tmp_path):
    pcap.write(tmp_path / "lan.pcap", [f.udp(number, size=100) for number in range(64)])
    ports = {"lan": f"trace:{tmp_path}/lan.pcap,rate=20000", "wan": "null"}
    documents = chain([router()], [path("route")])
    with running(tmp_path, documents, ports, "--metrics", "127.0.0.1:0") as dataplane:
        [url] = re.findall(r"http://127\.0\.0\.1:\d+/metrics", dataplane.log.read_text())
        before = dataplane.await_status(lambda report: report["tx"]["packets"] > 100)
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
            text = answer.read().decode()
        after = dataplane.status()
        values = scraped(text)
        received = values['hummingbird_port_receive_packets_total{port="lan"}']
        assert before["rx"]["packets"] <= received <= after["rx"]["packets"]
        assert values['hummingbird_function_packets_total{function="route",compute="CPU"}'] > 100
        assert values["hummingbird_outside_shared_region_packets_total"] == 0
        page = (ROOT / "docs" / "metrics.md").read_text()
        unknown = {name for name in (series.split("{")[0] for series in values) if f"| `{name}` |" not in page}
        assert not unknown
        code, _, body = dataplane.ask("GET", "/metrics")
        assert code == 200 and set(scraped(body.decode())) == set(values)
        for path_ in ("/v1/status", "/v1/drain"):
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(url.replace("/metrics", path_), timeout=60)
            assert error.value.code == 404 and json.loads(error.value.read())["errors"]
        dataplane.ask("POST", "/v1/drain")
        dataplane.finish()
