//! Pools, mbufs and bursts in external memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::common::{eal, map, region};
use dpdk::{
    Burst, Error, FrameAlignment, HEADROOM, HUGEPAGE_BYTES, Mbuf, PacketPool, PoolConfig, PrivateArea,
    Region, free_bulk,
};

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Meta {
    class: u32,
    stamp: u64,
    tail: [u8; 12],
}

// SAFETY: plain integers.
unsafe impl PrivateArea for Meta {}

fn pool_of(count: u32, mtu: u16) -> (Region, PacketPool<Meta>) {
    let config = PoolConfig::for_mtu(count, mtu);
    let region = region(PacketPool::<Meta>::size_for(&config).unwrap());
    let pool = PacketPool::new(eal(), &region, &config).unwrap();
    (region, pool)
}

#[test]
fn every_packet_lies_in_the_region_and_is_aligned_and_zeroed() {
    for mtu in [1500, 9216] {
        let (region, pool) = pool_of(511, mtu);
        let mut packets = Vec::new();
        while let Some(packet) = pool.alloc() {
            assert!(packet.is_contiguous() && packet.is_empty());
            assert_eq!(packet.headroom(), HEADROOM);
            assert!(packet.tailroom() >= usize::from(mtu) + 14 + 128);
            assert_eq!((packet.data_address() + 14) % 16, 0, "the IPv4 header");
            assert!(region.contains(packet.data_address()) && pool.contains(packet.data_address()));
            let end = packet.data_address() + packet.tailroom();
            assert!(pool.contains(end - 1));
            assert_eq!(*packet.private(), Meta { class: 0, stamp: 0, tail: [0; 12] });
            assert_eq!(std::ptr::from_ref(packet.private()).align_offset(align_of::<Meta>()), 0);
            packets.push(packet);
        }
        assert_eq!(packets.len(), 511);
        assert_eq!((pool.available(), pool.in_use()), (0, 511));
        // No two share a byte: each is filled with its own number, private area and all rooms.
        for (number, packet) in packets.iter_mut().enumerate() {
            let byte = number as u8;
            packet.private_mut().tail = [byte; 12];
            let tail = packet.tailroom();
            packet.append(tail).unwrap().fill(byte);
            packet.prepend(HEADROOM).unwrap().fill(byte);
            assert_eq!((packet.headroom(), packet.tailroom()), (0, 0));
        }
        for (number, packet) in packets.iter().enumerate() {
            assert_eq!(packet.private().tail, [number as u8; 12]);
            assert!(packet.data().iter().all(|&byte| byte == number as u8), "packet {number}");
        }
        free_bulk(&mut packets);
        assert_eq!((pool.available(), pool.in_use()), (511, 0));
    }
}

#[test]
fn without_shift_the_buffer_follows_the_header() {
    let config = PoolConfig { alignment: FrameAlignment::AfterHeader, ..PoolConfig::for_mtu(64, 1500) };
    let region = region(PacketPool::<Meta>::size_for(&config).unwrap());
    let pool = PacketPool::<Meta>::new(eal(), &region, &config).unwrap();
    let packet = pool.alloc().unwrap();
    let data = packet.data_address();
    let raw = packet.into_raw();
    assert_eq!(data, raw.as_ptr() as usize + 128 + size_of::<Meta>() + HEADROOM);
    // SAFETY: the very packet from above.
    drop(unsafe { Mbuf::<Meta>::from_raw(raw) });
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn frames_grow_and_shrink_at_both_ends() {
    let (_region, pool) = pool_of(64, 1500);
    let mut packet = pool.alloc().unwrap();
    packet.append(100).unwrap().copy_from_slice(&[7; 100]);
    packet.prepend(20).unwrap().fill(1);
    assert_eq!((packet.len(), packet.headroom()), (120, HEADROOM - 20));
    assert_eq!(packet.data()[19..21], [1, 7]);
    assert!(packet.trim_front(30));
    assert_eq!((packet.len(), packet.data()[0]), (90, 7));
    assert!(packet.trim_end(89));
    assert_eq!(packet.data(), [7]);
    // What does not fit changes nothing.
    let before = (packet.len(), packet.headroom(), packet.tailroom());
    assert!(!packet.trim_front(2) && !packet.trim_end(2));
    let (head, tail) = (packet.headroom(), packet.tailroom());
    assert!(packet.prepend(head + 1).is_none());
    assert!(packet.append(tail + 1).is_none());
    assert!(packet.append(usize::MAX).is_none() && packet.prepend(usize::MAX).is_none());
    assert_eq!((packet.len(), packet.headroom(), packet.tailroom()), before);
    // Trimming to nothing is fine, and so is growing again.
    assert!(packet.trim_front(1));
    assert!(packet.is_empty());
    assert_eq!(packet.append(3).unwrap().len(), 3);
}

#[test]
fn a_new_life_starts_at_the_headroom_with_the_old_private_area() {
    let config = PoolConfig { cache: 0, ..PoolConfig::for_mtu(1, 1500) };
    let region = region(PacketPool::<Meta>::size_for(&config).unwrap());
    let pool = PacketPool::<Meta>::new(eal(), &region, &config).unwrap();
    let mut packet = pool.alloc().unwrap();
    packet.private_mut().stamp = 42;
    packet.append(60).unwrap();
    packet.prepend(60).unwrap();
    drop(packet);
    let packet = pool.alloc().unwrap();
    assert_eq!((packet.len(), packet.headroom(), packet.private().stamp), (0, HEADROOM, 42));
}

#[test]
fn bursts_keep_order_and_leak_nothing() {
    let (_region, pool) = pool_of(255, 1500);
    let mut burst = Burst::<Meta, 32>::new();
    assert!(burst.is_empty() && burst.pop().is_none());
    assert_eq!(pool.alloc_burst(&mut burst, 100), 32, "as many as fit");
    assert!(burst.is_full() && burst.capacity() == 32);
    assert_eq!(pool.alloc_burst(&mut burst, 1), 0);
    for (number, packet) in burst.iter_mut().enumerate() {
        packet.private_mut().class = number as u32;
    }
    let extra = pool.alloc().unwrap();
    assert!(burst.push(extra).is_err(), "full: the packet comes back, and is freed here");
    assert_eq!(pool.in_use(), 32);
    assert_eq!(burst.pop().unwrap().private().class, 31);
    assert_eq!(burst[3].private().class, 3);
    let mut drain = burst.drain();
    assert_eq!(drain.len(), 31);
    assert_eq!(drain.next().unwrap().private().class, 0);
    let second = drain.next().unwrap();
    drop(drain);
    assert_eq!((burst.len(), pool.in_use()), (0, 1), "the drain freed what it had not given");
    burst.push(second).unwrap();
    assert_eq!(burst.iter().map(|packet| packet.private().class).collect::<Vec<_>>(), [1]);
    burst.clear();
    assert_eq!(pool.in_use(), 0);
    assert_eq!(pool.alloc_burst(&mut burst, 5), 5);
    drop(burst);
    assert_eq!(pool.in_use(), 0, "a dropped burst frees its packets");
}

#[test]
fn an_exhausted_pool_gives_nothing_rather_than_some() {
    let config = PoolConfig { cache: 0, ..PoolConfig::for_mtu(40, 1500) };
    let region = region(PacketPool::<()>::size_for(&config).unwrap());
    let pool = PacketPool::<()>::new(eal(), &region, &config).unwrap();
    let (mut first, mut second) = (Burst::<(), 32>::new(), Burst::<(), 32>::new());
    assert_eq!(pool.alloc_burst(&mut first, 32), 32);
    assert_eq!(pool.alloc_burst(&mut second, 32), 0);
    assert_eq!(pool.alloc_burst(&mut second, 8), 8);
    assert!(pool.alloc().is_none());
}

#[test]
fn registered_threads_share_a_pool_through_their_caches() {
    let (_region, pool) = pool_of(2047, 1500);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let pool = pool.clone();
            thread::spawn(move || {
                let guard = eal().register_thread().unwrap();
                assert!(guard.is_owner());
                assert!(!eal().register_thread().unwrap().is_owner(), "twice does no harm");
                let mut burst = Burst::<Meta, 64>::new();
                for _ in 0..1000 {
                    assert_eq!(pool.alloc_burst(&mut burst, 64), 64);
                    burst.clear();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn regions_are_shared_out_and_checked() {
    let config = PoolConfig::for_mtu(255, 1500);
    let bytes = PacketPool::<Meta>::size_for(&config).unwrap();
    let region = region(2 * bytes);
    let first = PacketPool::<Meta>::new(eal(), &region, &config).unwrap();
    let second = PacketPool::<Meta>::new(eal(), &region, &config).unwrap();
    let (a, b) = (first.alloc().unwrap(), second.alloc().unwrap());
    assert!(first.contains(a.data_address()) && !first.contains(b.data_address()));
    assert!(second.contains(b.data_address()) && !second.contains(a.data_address()));
    let third = PacketPool::<Meta>::new(eal(), &region, &config);
    assert!(matches!(third, Err(Error::RegionFull { left: 0, .. })));

    let (base, mapping) = map(2 * HUGEPAGE_BYTES);
    let off = base.as_ptr().wrapping_add(4096);
    // SAFETY: refused for its alignment before anything else.
    let result = unsafe { Region::new(eal(), std::ptr::NonNull::new(off).unwrap(), HUGEPAGE_BYTES, ()) };
    assert!(matches!(result, Err(Error::RegionAlignment { .. })));
    // SAFETY: refused for its length before anything else.
    let result = unsafe { Region::new(eal(), base, 4096, mapping) };
    assert!(matches!(result, Err(Error::RegionAlignment { length: 4096, .. })));
}

/// Says when it is dropped.
struct Witness(Arc<AtomicBool>, crate::common::Mapping);

impl Drop for Witness {
    fn drop(&mut self) {
        assert!(!self.0.swap(true, Ordering::SeqCst));
        let _ = &self.1;
    }
}

#[test]
fn memory_is_released_after_the_last_packet_and_never_under_one() {
    let config = PoolConfig::for_mtu(63, 1500);
    let bytes = PacketPool::<()>::size_for(&config).unwrap();
    for leak in [false, true] {
        let (base, mapping) = map(bytes);
        let released = Arc::new(AtomicBool::new(false));
        let owner = Witness(Arc::clone(&released), mapping);
        // SAFETY: the mapping lives in the owner.
        let region = unsafe { Region::new(eal(), base, bytes, owner) }.unwrap();
        let pool = PacketPool::<()>::new(eal(), &region, &config).unwrap();
        let mut packet = pool.alloc().unwrap();
        drop(region);
        assert!(!released.load(Ordering::SeqCst), "the pool needs it");
        if leak {
            drop(pool);
            packet.append(10).unwrap().fill(1);
            assert!(!released.load(Ordering::SeqCst), "the packet needs it");
            drop(packet);
        } else {
            drop(packet);
            drop(pool);
            assert!(released.load(Ordering::SeqCst));
        }
    }
}
