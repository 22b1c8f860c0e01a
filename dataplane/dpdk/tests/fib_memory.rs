//! What FIBs take from the EAL heap. Alone in its process, so that nobody else uses the heap.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use dpdk::{Eal, EalOptions, Error, Fib, FibPlan, Memory, Route};

/// The EAL, for one test at a time.
fn eal() -> MutexGuard<'static, Eal> {
    static EAL: OnceLock<Mutex<Eal>> = OnceLock::new();
    let start = || {
        // That a table does not fit is the point here: DPDK need not say so.
        let log_sink: dpdk::LogSink = Box::new(|_, _| ());
        let options = EalOptions {
            memory: Memory::NoHuge { megabytes: 512 },
            log_sink: Some(log_sink),
            ..EalOptions::default()
        };
        Mutex::new(Eal::init(options).expect("the EAL starts without hugepages"))
    };
    EAL.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner)
}

/// xorshift64: the same routes in every run, most of them /16 to /24, some longer.
fn routes(count: usize) -> Vec<Route> {
    let mut state = 88_172_645_463_325_252u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 16
    };
    let one = |n| {
        let depth = if n % 16 == 0 { 25 + (next() % 8) as u8 } else { 16 + (next() % 9) as u8 };
        Route { prefix: next() as u32, depth, next_hop: n as u64 }
    };
    (0..count).map(one).collect()
}

#[test]
fn a_fib_takes_what_its_plan_says() {
    let eal = eal();
    for count in [0, 1, 100, 10_000, 200_000] {
        let plan = FibPlan::new(routes(count), 0).unwrap();
        let before = eal.heap().allocated;
        let fib = Fib::from_plan(&eal, &plan).unwrap();
        let taken = eal.heap().allocated - before;
        drop(fib);
        assert_eq!(eal.heap().allocated, before, "all of it comes back");
        let planned = plan.bytes();
        println!("{count} routes: {taken} bytes taken, {planned} planned");
        assert!(taken <= planned, "{count} routes: {taken} taken, {planned} planned");
        assert!(
            planned - taken < planned / 16 + (1 << 20),
            "{count} routes: {taken} taken, {planned} planned"
        );
    }
}

#[test]
fn a_fib_that_does_not_fit_says_what_it_needs() {
    let eal = eal();
    // 128 MiB each, for next hops of 63 bits.
    let route = Route { prefix: 10 << 24, depth: 8, next_hop: u64::MAX >> 1 };
    let plan = FibPlan::new([route], 0).unwrap();
    assert!(plan.contiguous_bytes() > 128 << 20 && plan.bytes() > plan.contiguous_bytes());
    let mut alive = Vec::new();
    let refused = loop {
        match Fib::from_plan(&eal, &plan) {
            Ok(fib) => alive.push(fib),
            Err(refused) => break refused,
        }
        assert!(alive.len() < 4, "more than the heap holds");
    };
    assert_eq!(alive.len(), 3);
    let Error::FibMemory { needed, free, contiguous } = refused else { panic!("{refused}") };
    assert_eq!(needed, plan.bytes());
    assert!(contiguous <= free && contiguous < plan.contiguous_bytes());
    drop(alive.pop());
    let again = Fib::from_plan(&eal, &plan).expect("a freed table makes room for another");
    assert_eq!(again.lookup(10 << 24), u64::MAX >> 1);
}

#[test]
fn nodes_that_do_not_fit_say_so_too() {
    let eal = eal();
    // The tables fit, the tree does not: 32 MiB and some 700.
    let many = (0..3_000_000u32).map(|n| Route { prefix: n << 10, depth: 22, next_hop: u64::from(n % 100) });
    let plan = FibPlan::new(many, 0).unwrap();
    let before = eal.heap().allocated;
    let refused = Fib::from_plan(&eal, &plan).map(drop).unwrap_err();
    assert!(matches!(refused, Error::FibMemory { .. }), "{refused}");
    assert_eq!(eal.heap().allocated, before, "nothing is left behind");
}
