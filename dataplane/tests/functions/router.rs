//! The Router: what it does to a packet, and its look-ups against a naive one.

use std::net::Ipv4Addr;

use hummingbird_crds::tables::{PortId, Route};
use hummingbird_dataplane::{
    DropReason,
    forward::Verdict,
    nf::{FunctionData, router::RouterData},
};
use hummingbird_packet::{Frame, Prefix, checksum, parse};

use crate::{
    bench::{Bench, alone, eal},
    frames::{Random, ipv4},
};

const PORT_MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 9, 0], [2, 0, 0, 0, 9, 1]];

fn route(prefix: &str, port: u16, next_hop: [u8; 6]) -> Route {
    Route { prefix: prefix.parse().unwrap(), port: PortId(port), next_hop }
}

fn to(destination: Ipv4Addr, ttl: u8) -> Vec<u8> {
    ipv4(17, ttl, Ipv4Addr::new(192, 0, 2, 1), destination, &[0; 8])
}

#[test]
fn a_routed_packet_has_one_ttl_less_and_the_next_hops_address() {
    let mut bench = Bench::cpu();
    let routes = [route("10.0.0.0/8", 1, [6; 6]), route("10.1.0.0/16", 0, [7; 6])];
    let data = RouterData::build(eal(), &routes, &PORT_MACS).unwrap();
    let mut half = data.on_cpu().unwrap();
    let tables = alone(Box::new(data));
    let near = Ipv4Addr::new(10, 1, 2, 3);
    let far = Ipv4Addr::new(10, 2, 2, 3);
    let frames = [
        to(far, 0),
        to(far, 1),
        to(far, 2),
        to(near, 255),
        to(Ipv4Addr::new(11, 0, 0, 1), 64),
        to(Ipv4Addr::new(11, 0, 0, 1), 1),
        vec![0; 20],
    ];

    let mut packets = bench.packets(&frames);
    let verdicts = bench.on_cpu(&mut *half, &tables, &mut packets);
    assert_eq!(
        verdicts,
        [
            Verdict::Drop(DropReason::TtlExpired),
            Verdict::Drop(DropReason::TtlExpired),
            Verdict::Pass,
            Verdict::Pass,
            Verdict::Drop(DropReason::NoRoute),
            Verdict::Drop(DropReason::NoRoute),
            Verdict::Drop(DropReason::NoRoute),
        ]
    );
    for (at, ttl, port, next_hop) in [(2, 1, 1, [6; 6]), (3, 254, 0, [7; 6])] {
        let frame = packets[at].data();
        assert_eq!(frame[..6], next_hop);
        assert_eq!(frame[6..12], PORT_MACS[usize::from(port)]);
        assert_eq!(frame[22], ttl);
        assert_eq!(checksum::of(&frame[14..34]), 0);
        assert_eq!(packets[at].private().out_port, PortId(port));
        assert_eq!(frame[34..], frames[at][34..]);
    }
    for at in [0, 1, 4, 5, 6] {
        assert_eq!(packets[at].data(), frames[at], "a dropped packet is as it came");
    }
    drop((packets, tables));
    bench.close();
}

#[test]
fn the_checksum_is_right_for_every_ttl_and_sum() {
    let mut bench = Bench::cpu();
    let data = RouterData::build(eal(), &[route("0.0.0.0/0", 0, [6; 6])], &PORT_MACS).unwrap();
    let mut half = data.on_cpu().unwrap();
    let tables = alone(Box::new(data));
    let mut random = Random(3);
    let frames: Vec<_> = (2..=255)
        .flat_map(|ttl| [to(Ipv4Addr::from(random.below(1 << 31) as u32), ttl), to(Ipv4Addr::BROADCAST, ttl)])
        .collect();
    let mut packets = bench.packets(&frames);
    let verdicts = bench.on_cpu(&mut *half, &tables, &mut packets);
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Pass));
    for (packet, before) in packets.iter().zip(&frames) {
        assert!(matches!(parse(packet.data()), Ok(Frame::Ipv4(header)) if header.ttl == before[22] - 1));
    }
    drop((packets, tables));
    bench.close();
}

#[test]
fn look_ups_are_those_of_a_naive_table() {
    let mut bench = Bench::cpu();
    let mut random = Random(5);
    let mut routes: Vec<Route> = Vec::new();
    for number in 0..800u16 {
        // Shorter ones would hold every address; /0 has the test above.
        let len = 8 + random.below(25) as u8;
        // Few different first bytes, so that prefixes lie within each other.
        let address = (random.below(4) as u32) << 24 | random.below(1 << 24) as u32;
        let prefix = Prefix::of(address.into(), len);
        if routes.iter().all(|route| route.prefix != prefix) {
            let [high, low] = number.to_be_bytes();
            routes.push(Route { prefix, port: PortId(number % 2), next_hop: [2, 0, 0, 0, high, low] });
        }
    }
    let data = RouterData::build(eal(), &routes, &PORT_MACS).unwrap();
    let mut half = data.on_cpu().unwrap();
    let tables = alone(Box::new(data));
    let mut routed = 0;
    for _ in 0..10 {
        let frames: Vec<_> = (0..1000)
            .map(|at| {
                let near = u32::from(routes[at % routes.len()].prefix.address());
                let far = (random.below(6) as u32) << 24 | random.below(1 << 24) as u32;
                let address = if random.below(2) == 0 { near ^ (1 << random.below(12)) } else { far };
                to(address.into(), 64)
            })
            .collect();
        let mut packets = bench.packets(&frames);
        let verdicts = bench.on_cpu(&mut *half, &tables, &mut packets);
        for ((packet, verdict), frame) in packets.iter().zip(verdicts).zip(&frames) {
            let destination = Ipv4Addr::new(frame[30], frame[31], frame[32], frame[33]);
            let longest = routes
                .iter()
                .filter(|route| route.prefix.contains(destination))
                .max_by_key(|route| route.prefix.len());
            match longest {
                None => assert_eq!(verdict, Verdict::Drop(DropReason::NoRoute), "{destination}"),
                Some(route) => {
                    assert_eq!(verdict, Verdict::Pass, "{destination}");
                    assert_eq!(packet.data()[..6], route.next_hop, "{destination}");
                    assert_eq!(packet.private().out_port, route.port);
                    routed += 1;
                }
            }
        }
    }
    assert!((1000..10_000).contains(&routed), "{routed}");
    drop(tables);
    bench.close();
}
