//! A chain as a test writes it, and a run of it.

use std::{path::PathBuf, process::Command};

use hummingbird_dataplane::ports::{CaptureReader, CaptureWriter};
use hummingbird_packet::checksum;
use serde_json::Value;
use tempfile::TempDir;

/// A port's MAC address as the next hop behind it, `0` for lan and `1` for wan.
const ROUTES: &str = "[{prefix: 10.0.0.0/8, port: wan, nextHopMac: '02:00:00:00:02:01'}, {prefix: 0.0.0.0/0, port: lan, nextHopMac: '02:00:00:00:01:01'}]";

/// Documents that all chains name.
const DOCUMENTS: &str = "---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: default}
stringData: {cipherKey: hummingbird-demo, integrityKey: hummingbird-icv-demo}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: rules, namespace: default}
data:
  r: |
    alert udp any any -> any any (msg:\"every fifth\"; content:\"fifth\"; sid:1;)
";

/// `CPU x2` or `GPU x2` as a manifest has it.
fn compute(place: &str) -> String {
    let (compute, size) = place.split_once(" x").expect("like CPU x2");
    let word = if compute == "GPU" { "workgroups" } else { "cores" };
    format!("compute: {compute}, {word}: {size}")
}

pub fn nids(name: &str, place: &str) -> String {
    format!(
        "  - {{name: {name}, type: NIDS, {}, nids: {{rulesFrom: {{configMapRef: {{name: rules, key: r}}}}}}}}\n",
        compute(place)
    )
}

pub fn router(cores: u16) -> String {
    format!("  - {{name: route, type: Router, compute: CPU, cores: {cores}, router: {{routes: {ROUTES}}}}}\n")
}

pub fn ipsec(direction: &str, place: &str, more: &str) -> String {
    format!(
        "  - {{name: esp, type: IPsec, {}, ipsec: {{direction: {direction}, securityAssociations: [{{name: sa, spi: 4096, \
         mode: Tunnel, tunnel: {{source: 192.0.2.1, destination: 10.255.0.1}}, cipher: AES-128-CBC, \
         integrity: HMAC-SHA1-96, keysFrom: {{secretRef: {{name: keys}}}}, selector: {{}}{more}}}]}}}}\n",
        compute(place)
    )
}

/// A chain of `functions`, all of which every packet passes: `path`.
pub fn chain(functions: &[String], path: &str) -> String {
    format!(
        "apiVersion: hummingbird.dev/v1alpha1\nkind: NfChain\nmetadata: {{name: edge, namespace: default}}\nspec:\n  \
         ports:\n  - {{name: lan, pci: {{address: '0000:00:03.0'}}}}\n  - {{name: wan, pci: {{address: '0000:00:04.0'}}}}\n  \
         functions:\n{}  classes:\n  - {{name: all, path: [{path}]}}\n  defaultClass: all\n{DOCUMENTS}",
        functions.concat()
    )
}

/// What a run left.
pub struct Outcome {
    pub report: Value,
    pub lan: Vec<Vec<u8>>,
    pub wan: Vec<Vec<u8>>,
}

impl Outcome {
    pub fn number(&self, pointer: &str) -> u64 {
        self.report
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("{pointer} is a number"))
    }

    pub fn drops(&self) -> u64 {
        let drops = self.report["drops"].as_object().expect("drops is a map");
        drops.values().map(|packets| packets.as_u64().expect("a number")).sum()
    }
}

/// Runs a chain over two captures; what holds of every run is asserted here.
pub fn run(chain: &str, lan: &[Vec<u8>], wan: &[Vec<u8>], arguments: &[&str]) -> Outcome {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("chain.yaml"), chain).unwrap();
    write(path("lan-in.pcap"), lan);
    write(path("wan-in.pcap"), wan);
    let port = |name: &str| {
        let (input, output) = (path(&format!("{name}-in.pcap")), path(&format!("{name}-out.pcap")));
        format!("{name}=pcap:{},{}", input.display(), output.display())
    };
    let done = Command::new(env!("CARGO_BIN_EXE_hummingbird-dataplane"))
        .arg("run")
        .arg("--chain")
        .arg(path("chain.yaml"))
        .args(["--port", &port("lan"), "--port", &port("wan"), "--no-huge"])
        .arg("--report")
        .arg(path("report.json"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    let report = serde_json::from_slice(&std::fs::read(path("report.json")).unwrap()).unwrap();
    let outcome = Outcome { report, lan: read(path("lan-out.pcap")), wan: read(path("wan-out.pcap")) };
    assert_eq!(outcome.number("/rx/packets"), (lan.len() + wan.len()) as u64, "{arguments:?}");
    assert_eq!(
        outcome.number("/tx/packets"),
        (outcome.lan.len() + outcome.wan.len()) as u64,
        "{arguments:?}"
    );
    assert_eq!(
        outcome.number("/rx/packets"),
        outcome.number("/tx/packets") + outcome.drops(),
        "{arguments:?}: {}",
        outcome.report["drops"]
    );
    assert_eq!(outcome.number("/mbufs/leaked"), 0, "{arguments:?}");
    assert_eq!(outcome.number("/memory/packets_outside_shared_region"), 0, "{arguments:?}");
    outcome
}

fn write(path: PathBuf, frames: &[Vec<u8>]) {
    let mut writer = CaptureWriter::create(&path).unwrap();
    frames.iter().for_each(|frame| writer.append(frame).unwrap());
    writer.flush().unwrap();
}

fn read(path: PathBuf) -> Vec<Vec<u8>> {
    let mut reader = CaptureReader::open(&path).unwrap();
    std::iter::from_fn(|| reader.next_frame(<[u8]>::to_vec).unwrap()).collect()
}

/// Where a numbered packet's payload begins in its frame.
const PAYLOAD: usize = 14 + 20 + 8;

/// Packet `number` of `flow`, to 10.0.0.0/8 or, `back`, to elsewhere; every
/// fifth matches the rule. Lengths differ from packet to packet.
pub fn numbered(flow: u16, number: u32, back: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.extend(flow.to_be_bytes());
    payload.extend(number.to_be_bytes());
    payload.extend(if number.is_multiple_of(5) { b"fifth" } else { b"other" });
    payload.resize(16 + (usize::from(flow) * 7 + number as usize * 13) % 300, b'.');
    let (source, destination) = ([172, 16, 0, flow as u8], [if back { 11 } else { 10 }, 0, 0, 1]);
    let mut ip = vec![0x45, 0];
    ip.extend((28 + payload.len() as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(source);
    ip.extend(destination);
    let sum = checksum::of(&ip);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![2, 0, 0, 0, 9, 1, 2, 0, 0, 0, 9, 2, 8, 0];
    frame.extend(ip);
    frame.extend((1000 + flow).to_be_bytes());
    frame.extend([0x0f, 0xa0]);
    frame.extend((8 + payload.len() as u16).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// Flow and number of such a packet.
pub fn number_of(frame: &[u8]) -> (u16, u32) {
    let bytes = &frame[PAYLOAD..PAYLOAD + 6];
    (u16::from_be_bytes([bytes[0], bytes[1]]), u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]))
}

/// `count` packets over `flows` flows, in turn.
pub fn capture(flows: u16, count: u32, back: bool) -> Vec<Vec<u8>> {
    (0..count).map(|at| numbered((at % u32::from(flows)) as u16, at / u32::from(flows), back)).collect()
}
