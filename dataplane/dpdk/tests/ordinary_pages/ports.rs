//! Devices: those of DPDK alone, and kernel interfaces in a network namespace of the test's own.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use dpdk::{
    Burst, Error, EthDev, FrameAlignment, Mbuf, PacketPool, PoolConfig, PortConfig, PrivateArea, Region,
    RxQueue, Started, TxQueue, Vdev,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::common::{eal, region};

#[repr(C)]
#[derive(Clone, Copy)]
struct Meta {
    number: u32,
}

// SAFETY: a plain integer.
unsafe impl PrivateArea for Meta {}

/// An EtherType for experiments (IEEE 802): the kernel's own packets have others.
const ETHERTYPE: [u8; 2] = [0x88, 0xb5];

fn pool(config: &PoolConfig) -> (Region, PacketPool<Meta>) {
    let region = region(PacketPool::<Meta>::size_for(config).unwrap());
    let pool = PacketPool::new(eal(), &region, config).unwrap();
    (region, pool)
}

/// Broadcast frames of `length` bytes; the payload tells the number.
fn frames(pool: &PacketPool<Meta>, count: usize, length: usize) -> Burst<Meta> {
    let mut burst = Burst::<Meta>::new();
    assert_eq!(pool.alloc_burst(&mut burst, count), count);
    for (number, packet) in burst.iter_mut().enumerate() {
        packet.private_mut().number = number as u32;
        let frame = packet.append(length).unwrap();
        frame.fill(number as u8);
        frame[..6].fill(0xff);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        frame[12..14].copy_from_slice(&ETHERTYPE);
    }
    burst
}

/// Sends 32 frames and receives until all have come, in packets of the pool; gives their numbers.
fn exchange(
    tx: &mut TxQueue<Meta>,
    rx: &mut RxQueue<Meta>,
    pool: &PacketPool<Meta>,
    length: usize,
) -> Vec<u8> {
    let count = 32;
    let mut out = frames(pool, count, length);
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut numbers = Vec::new();
    let mut burst = Burst::<Meta>::new();
    while numbers.len() < count {
        assert!(Instant::now() < deadline, "{} of {count} frames came", numbers.len());
        tx.tx_burst(&mut out);
        rx.rx_burst(&mut burst);
        for packet in burst.drain() {
            assert!(packet.is_contiguous() && pool.contains(packet.data_address()));
            if packet.data()[12..14] == ETHERTYPE {
                assert_eq!(packet.len(), length);
                let number = packet.data()[14];
                assert!(packet.data()[14..].iter().all(|&byte| byte == number));
                numbers.push(number);
            }
        }
        thread::yield_now();
    }
    numbers
}

#[test]
fn null_swallows_or_gives_without_end() {
    let (_region, pool) = pool(&PoolConfig::for_mtu(2047, 1500));
    let mut silent = EthDev::create(eal(), &Vdev::Null { receive: None })
        .unwrap()
        .start(&PortConfig::default(), &pool)
        .unwrap();
    assert_eq!(silent.port.driver().unwrap(), "net_null");
    let mut burst = Burst::<Meta>::new();
    assert_eq!(silent.rx[0].rx_burst(&mut burst), 0);
    let mut out = frames(&pool, 32, 100);
    assert_eq!(silent.tx[0].tx_burst(&mut out), 32);
    assert!(out.is_empty());
    let stats = silent.port.stats().unwrap();
    assert_eq!((stats.tx_packets, stats.rx_packets), (32, 0));
    drop(silent);

    let mut endless = EthDev::create(eal(), &Vdev::Null { receive: Some(60) })
        .unwrap()
        .start(&PortConfig::default(), &pool)
        .unwrap();
    assert_eq!(endless.rx[0].rx_burst(&mut burst), 32);
    assert_eq!(endless.rx[0].rx_burst(&mut burst), 0, "the burst is full");
    assert!(burst.iter().all(|packet| packet.len() == 60 && pool.contains(packet.data_address())));
    burst.clear();
    drop(endless);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_ring_gives_back_what_it_took_and_the_burst_keeps_the_rest_in_order() {
    let (_region, pool) = pool(&PoolConfig::for_mtu(4095, 1500));
    let Started { port, mut rx, mut tx } =
        EthDev::create(eal(), &Vdev::Ring).unwrap().start(&PortConfig::default(), &pool).unwrap();
    assert!(port.link_up().unwrap());
    let mut sent = 0;
    let rest = loop {
        let mut out = frames(&pool, 32, 60);
        for packet in out.iter_mut() {
            packet.private_mut().number += sent;
        }
        let taken = tx[0].tx_burst(&mut out);
        sent += taken as u32;
        if taken < 32 {
            break out;
        }
    };
    assert!(!rest.is_empty(), "the ring is full in the midst of a burst");
    let left: Vec<u32> = rest.iter().map(|packet| packet.private().number).collect();
    assert_eq!(left, (sent..sent + left.len() as u32).collect::<Vec<_>>());
    drop(rest);
    let mut burst = Burst::<Meta>::new();
    let mut expected = 0;
    while rx[0].rx_burst(&mut burst) > 0 {
        for packet in burst.drain() {
            assert_eq!(packet.private().number, expected, "order, and the private area, survive");
            expected += 1;
        }
    }
    assert_eq!(expected, sent);
    drop((port, rx, tx));
    assert_eq!(pool.in_use(), 0);
}

/// A packet of two segments, as a driver with scattered receive would hand over.
fn chain(pool: &PacketPool<Meta>, first: usize, second: usize) -> Mbuf<Meta> {
    let mut segments = [first, second].map(|length| {
        let mut packet = pool.alloc().unwrap();
        packet.append(length).unwrap().fill(length as u8);
        packet
    });
    segments[0].private_mut().number = 7;
    let [mut head, tail] = segments.map(Mbuf::into_raw);
    // SAFETY: both are ours, and the tail is only reached through the head from here on. The head is
    // made an `Mbuf` only to be handed to a ring, which looks at nothing.
    unsafe {
        head.as_mut().next = tail.as_ptr();
        head.as_mut().nb_segs = 2;
        head.as_mut().pkt_len = (first + second) as u32;
        Mbuf::from_raw(head)
    }
}

#[test]
fn segments_are_joined_or_the_packet_is_dropped_and_counted() {
    let (_region, pool) = pool(&PoolConfig::for_mtu(1023, 1500));
    let mut ring = EthDev::create(eal(), &Vdev::Ring).unwrap().start(&PortConfig::default(), &pool).unwrap();
    let mut out = Burst::<Meta>::new();
    out.push(chain(&pool, 1000, 500)).unwrap();
    out.push(chain(&pool, 2000, 1500)).unwrap();
    out.push(chain(&pool, 64, 65)).unwrap();
    assert_eq!(ring.tx[0].tx_burst(&mut out), 3);
    let mut burst = Burst::<Meta>::new();
    assert_eq!(ring.rx[0].rx_burst(&mut burst), 2, "the second does not fit into one mbuf");
    assert_eq!(ring.rx[0].dropped_too_long(), 1);
    for (packet, (first, second)) in burst.iter().zip([(1000, 500), (64, 65)]) {
        assert!(packet.is_contiguous());
        let (head, tail) = packet.data().split_at(first);
        assert!(head.iter().all(|&byte| byte == first as u8));
        assert!(tail.len() == second && tail.iter().all(|&byte| byte == second as u8));
        assert_eq!(packet.private().number, 7);
    }
    burst.clear();
    drop(ring);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn queues_go_to_other_threads_and_the_device_ends_with_the_last() {
    let (region, pool) = pool(&PoolConfig::for_mtu(1023, 1500));
    let device = EthDev::create(eal(), &Vdev::Null { receive: Some(64) }).unwrap();
    let Started { port, rx, mut tx } = device.start(&PortConfig::default(), &pool).unwrap();
    port.dma_map(&region).unwrap();
    drop((port, region));
    let receivers: Vec<_> = rx
        .into_iter()
        .map(|mut queue| {
            thread::spawn(move || {
                let _lcore = eal().register_thread().unwrap();
                let mut burst = Burst::<Meta, 16>::new();
                assert_eq!(queue.rx_burst(&mut burst), 16);
                burst
            })
        })
        .collect();
    for receiver in receivers {
        assert_eq!(tx[0].tx_burst(&mut receiver.join().unwrap()), 16);
    }
    drop(tx);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn what_a_device_cannot_do_is_refused_with_its_limits() {
    let (_region, pool) = pool(&PoolConfig::for_mtu(255, 1500));
    let create = || EthDev::create(eal(), &Vdev::Ring).unwrap();
    let queues = PortConfig { rx_queues: 2000, ..PortConfig::default() };
    assert!(matches!(create().start(&queues, &pool), Err(Error::TooManyQueues { rx: 2000, .. })));
    let jumbo = PortConfig { mtu: 9000, ..PortConfig::default() };
    let refused = create().start(&jumbo, &pool).map(drop).unwrap_err();
    assert!(matches!(refused, Error::PoolTooSmall { mtu: 9000, needed: 9014, .. }), "{refused}");
    let nowhere = Vdev::AfPacket { interface: "no-such-if".into(), queues: 1, mtu: 1500 };
    assert!(
        matches!(EthDev::create(eal(), &nowhere), Err(Error::NoSuchInterface(name)) if name == "no-such-if")
    );
    assert!(EthDev::open_pci(eal(), "0000:ff:1f.7").is_err(), "PCI is off");
}

/// Runs `test` on a thread with a network namespace of its own, where `ip` has run `setup`.
/// Without the privilege or the tool it says so and does nothing.
fn in_namespace(setup: &'static [&'static str], test: impl FnOnce() + Send + 'static) {
    let inside = move || {
        // SAFETY: this thread alone gets another network namespace; it shares no file descriptors anew.
        if let Err(error) = unsafe { unshare_unsafe(UnshareFlags::NEWNET) } {
            println!("skipped: no network namespace for this user: {error}");
            return;
        }
        for line in setup {
            match Command::new("ip").args(line.split(' ')).output() {
                Ok(output) if output.status.success() => {}
                outcome => return println!("skipped: ip {line}: {outcome:?}"),
            }
        }
        test();
    };
    thread::spawn(inside).join().unwrap();
}

const JUMBO_VETH: &[&str] =
    &["link add hb-a mtu 9216 type veth peer name hb-b mtu 9216", "link set hb-a up", "link set hb-b up"];

/// XDP in native mode takes no larger MTU on a veth.
const VETH: &[&str] = &["link add hb-a type veth peer name hb-b", "link set hb-a up", "link set hb-b up"];

#[test]
fn af_packet_carries_frames_over_a_veth_pair_jumbo_ones_too() {
    in_namespace(JUMBO_VETH, || {
        for mtu in [1500, 9216] {
            let (_region, pool) = pool(&PoolConfig::for_mtu(4095, mtu));
            let start = |interface: &str| {
                let vdev = Vdev::AfPacket { interface: interface.into(), queues: 1, mtu };
                let config = PortConfig { mtu, ..PortConfig::default() };
                EthDev::create(eal(), &vdev).unwrap().start(&config, &pool).unwrap()
            };
            let (mut a, mut b) = (start("hb-a"), start("hb-b"));
            assert_ne!(a.port.mac().unwrap(), b.port.mac().unwrap());
            for length in [60, usize::from(mtu) + 14] {
                let numbers = exchange(&mut a.tx[0], &mut b.rx[0], &pool, length);
                assert_eq!(numbers, (0..32).collect::<Vec<u8>>(), "MTU {mtu}, {length} bytes");
            }
            drop((a, b));
            assert_eq!(pool.in_use(), 0);
        }
        let (_region, pool) = pool(&PoolConfig::for_mtu(255, 9216));
        let small = Vdev::AfPacket { interface: "hb-a".into(), queues: 1, mtu: 1500 };
        let config = PortConfig { mtu: 9000, ..PortConfig::default() };
        let refused = EthDev::create(eal(), &small).unwrap().start(&config, &pool).map(drop);
        assert!(matches!(refused, Err(Error::MtuTooLarge { mtu: 9000, max: 1500, .. })));
    });
}

#[test]
fn a_tap_interface_is_made_used_and_removed() {
    in_namespace(&["link set lo up"], || {
        if !std::path::Path::new("/dev/net/tun").exists() {
            return println!("skipped: there is no /dev/net/tun");
        }
        let (_region, pool) = pool(&PoolConfig::for_mtu(4095, 1500));
        let mut tap = EthDev::create(eal(), &Vdev::Tap { interface: "hb-tap".into() })
            .unwrap()
            .start(&PortConfig::default(), &pool)
            .unwrap();
        assert!(Command::new("ip").args(["link", "set", "hb-tap", "up"]).status().unwrap().success());
        // The kernel's end of the same interface.
        let vdev = Vdev::AfPacket { interface: "hb-tap".into(), queues: 1, mtu: 1500 };
        let mut kernel = EthDev::create(eal(), &vdev).unwrap().start(&PortConfig::default(), &pool).unwrap();
        let all: Vec<u8> = (0..32).collect();
        assert_eq!(exchange(&mut tap.tx[0], &mut kernel.rx[0], &pool, 1514), all);
        assert_eq!(exchange(&mut kernel.tx[0], &mut tap.rx[0], &pool, 1514), all);
        let jumbo = PortConfig { mtu: 9000, ..PortConfig::default() };
        let other = EthDev::create(eal(), &Vdev::Tap { interface: "hb-tap2".into() }).unwrap();
        assert!(matches!(other.start(&jumbo, &pool), Err(Error::MtuTooLarge { mtu: 9000, max: 1504, .. })));
        drop((tap, kernel));
        assert_eq!(pool.in_use(), 0);
        let gone = Command::new("ip").args(["link", "show", "hb-tap"]).output().unwrap();
        assert!(!gone.status.success(), "the interface is still there");
    });
}

#[test]
fn af_xdp_takes_its_packets_from_the_region() {
    in_namespace(VETH, || {
        let config = PoolConfig { alignment: FrameAlignment::AfterHeader, ..PoolConfig::for_mtu(8191, 1500) };
        let (_region, pool) = pool(&config);
        let vdev = Vdev::AfXdp { interface: "hb-a".into(), queues: 1 };
        let started = EthDev::create(eal(), &vdev).and_then(|dev| dev.start(&PortConfig::default(), &pool));
        let mut xdp = match started {
            Ok(started) => started,
            Err(error) => return println!("skipped: AF_XDP does not work here: {error}"),
        };
        let vdev = Vdev::AfPacket { interface: "hb-b".into(), queues: 1, mtu: 1500 };
        let mut peer = EthDev::create(eal(), &vdev).unwrap().start(&PortConfig::default(), &pool).unwrap();
        let all: Vec<u8> = (0..32).collect();
        assert_eq!(exchange(&mut xdp.tx[0], &mut peer.rx[0], &pool, 1000), all);
        assert_eq!(exchange(&mut peer.tx[0], &mut xdp.rx[0], &pool, 1000), all);
    });
}
