//! Tables and frames for unit tests.

use std::{net::Ipv4Addr, sync::Arc};

use hummingbird_crds::tables::{
    Class, ClassId, Classifier, Compute, Egress, Function, Generation, NfId, NonIpv4, Port, PortBinding,
    RouteTable, Tables, Work,
};
use hummingbird_packet::checksum;

/// Tables of some ports, functions and classes; a class is its path, as
/// indices of functions, and its egress. The first class is everybody's.
pub fn tables(ports: usize, functions: &[Compute], classes: &[(&[u16], Egress)]) -> Tables {
    let paths: Vec<Vec<NfId>> =
        classes.iter().map(|(path, _)| path.iter().map(|nf| NfId(*nf)).collect()).collect();
    let borrowed: Vec<&[NfId]> = paths.iter().map(Vec::as_slice).collect();
    Tables {
        generation: Generation(1),
        chain: "default/test".into(),
        ports: (0..ports)
            .map(|port| Port { name: format!("port-{port}"), binding: PortBinding::PciSelector, mtu: 1500 })
            .collect(),
        functions: functions
            .iter()
            .enumerate()
            .map(|(nf, compute)| Function {
                name: format!("nf-{nf}"),
                compute: *compute,
                work: Work::Router(Arc::default()),
            })
            .collect(),
        route_table: RouteTable::new(functions.len(), &borrowed, &[]),
        classes: classes
            .iter()
            .zip(&paths)
            .enumerate()
            .map(|(index, ((_, egress), path))| Class {
                name: format!("class-{index}"),
                path: path.clone(),
                egress: *egress,
            })
            .collect(),
        classifier: Classifier { rules: Vec::new(), default: (!classes.is_empty()).then_some(ClassId(0)) },
        non_ipv4: NonIpv4::Drop,
        max_row_delay_us: 50,
    }
}

/// An Ethernet frame of an IPv4 packet. `flags` are the flags and offset of fragmentation.
pub fn frame(protocol: u8, flags: u16, source: u32, body: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + body.len() as u16).to_be_bytes());
    header.extend([0, 1]);
    header.extend(flags.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(Ipv4Addr::from(source).octets());
    header.extend([10, 0, 0, 1]);
    let sum = checksum::of(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&[2; 12][..], &[0x08, 0x00], &header, body].concat()
}
