#!/usr/bin/env bash
# The site-gateway chain over the example captures: scripts/demo.sh BINARY
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
binary=$1
rm -rf out
mkdir -p out
say "chain examples/site-gateway.yaml: lan.pcap and wan.pcap in, out/lan.pcap and out/wan.pcap out"
"$binary" run --chain examples/site-gateway.yaml \
  --port lan=pcap:examples/demo/lan.pcap,out/lan.pcap \
  --port wan=pcap:examples/demo/wan.pcap,out/wan.pcap \
  --report out/report.json --alerts out/alerts.jsonl --gpu opencl
say "$(wc -l <out/alerts.jsonl) alerts in out/alerts.jsonl, the report in out/report.json"
say "what left: out/wan.pcap (encrypted) and out/lan.pcap (decrypted); read them with tshark -r FILE"
