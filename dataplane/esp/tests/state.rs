//! SA state across generations, stops and starts, and disks that refuse.

mod common;

use std::{
    collections::HashSet,
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{Ends, IV, Ip, TUNNEL, header, identity};
use hummingbird_esp::{
    Damage, Direction, EspDrop, OutboundSa, OwnedFrame, Persistence, Refused, Sa, SaIdentity, SaStates,
    StateError, StateOptions, encapsulate,
};

const SMALL: StateOptions = StateOptions { outbound_block: 40, inbound_margin: 40, number_space: None };

fn open(dir: &Path) -> SaStates {
    SaStates::open_with(dir, SMALL).unwrap()
}

fn send(sa: &OutboundSa) -> Result<u64, EspDrop> {
    let frame = Ip::udp(3).frame();
    let job = encapsulate(sa, &Sa::new(1, TUNNEL), &mut OwnedFrame::new(&frame), &header(&frame), IV);
    job.map(|job| job.sequence)
}

/// Tries again for as long as the state is not durable, for a minute at most.
fn patiently<T>(mut step: impl FnMut() -> Result<T, EspDrop>) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        match step() {
            Ok(done) => return done,
            Err(EspDrop::StateUnavailable) if Instant::now() < end => std::thread::yield_now(),
            Err(reason) => panic!("{reason}"),
        }
    }
}

fn file(dir: &Path, identity: &SaIdentity) -> std::path::PathBuf {
    dir.join(format!("{identity}.sa"))
}

#[test]
fn an_sa_that_was_away_finds_its_numbers_again() {
    for states in [SaStates::volatile(), open(tempfile::tempdir().unwrap().path())] {
        let outbound = identity(Direction::Outbound);
        for number in 1..=5 {
            // Each turn is a generation that takes the SA up and lets it go.
            assert_eq!(send(&states.outbound(&outbound, false).unwrap()), Ok(number));
        }
        assert_eq!(states.outbound_sas()[0].number_use().last, 5);
        let inbound = identity(Direction::Inbound);
        states.inbound(&inbound, false, 64).unwrap().commit(9).unwrap();
        let again = states.inbound(&inbound, false, 1024).unwrap();
        assert_eq!(again.check(9), Err(Refused::Replayed));
        assert_eq!(again.replay_window(), 1024);
    }
}

#[test]
fn a_clean_stop_skips_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (outbound, inbound) = (identity(Direction::Outbound), identity(Direction::Inbound));
    for turn in 0..3 {
        let states = open(dir.path());
        assert_eq!(states.persistence(), Persistence::Durable);
        let (out, inn) =
            (states.outbound(&outbound, false).unwrap(), states.inbound(&inbound, false, 64).unwrap());
        assert_eq!(inn.check(turn as u32 * 100), Err(Refused::TooOld), "from before the stop");
        for number in turn * 100 + 1..=turn * 100 + 100 {
            assert_eq!(patiently(|| send(&out)), number);
            patiently(|| inn.commit(number));
        }
        drop((out, inn));
        states.close().unwrap();
    }
}

#[test]
fn an_sa_in_use_goes_on_behind_its_reserve() {
    let dir = tempfile::tempdir().unwrap();
    let states = open(dir.path());
    let out = states.outbound(&identity(Direction::Outbound), false).unwrap();
    let inn = states.inbound(&identity(Direction::Inbound), false, 64).unwrap();
    assert_eq!(send(&out), Ok(1));
    inn.commit(1).unwrap();
    // Still held: more could follow, so nothing is given back.
    drop(states);
    let states = open(dir.path());
    assert_eq!(send(&states.outbound(&identity(Direction::Outbound), false).unwrap()), Ok(41));
    let inn = states.inbound(&identity(Direction::Inbound), false, 64).unwrap();
    assert_eq!(inn.check(1), Err(Refused::TooOld));
    assert_eq!(inn.check(40), Err(Refused::TooOld));
    assert_eq!(inn.check(41), Ok(41));
}

#[test]
fn two_processes_cannot_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let second = SaStates::open(dir.path()).unwrap_err();
    assert!(matches!(&second, StateError::Locked { .. }), "{second}");
    assert!(second.to_string().contains(dir.path().to_str().unwrap()));
    drop(first);
    open(dir.path());
}

#[test]
fn a_file_that_cannot_be_trusted_keeps_its_sa_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let (outbound, inbound) = (identity(Direction::Outbound), identity(Direction::Inbound));
    let states = open(dir.path());
    drop((states.outbound(&outbound, false).unwrap(), states.inbound(&inbound, false, 64).unwrap()));
    states.close().unwrap();
    let sound = fs::read(file(dir.path(), &outbound)).unwrap();
    let mut flipped = sound.clone();
    flipped[56] ^= 1;
    let foreign = fs::read(file(dir.path(), &inbound)).unwrap();
    for (bytes, wanted) in [
        (&sound[..20], Damage::Length(20)),
        (&[][..], Damage::Length(0)),
        (&flipped, Damage::Checksum),
        (&foreign, Damage::Foreign),
    ] {
        fs::write(file(dir.path(), &outbound), bytes).unwrap();
        let states = open(dir.path());
        let refused = states.outbound(&outbound, false).unwrap_err();
        assert!(matches!(&refused, StateError::Damaged { damage, .. } if *damage == wanted), "{refused}");
        states.inbound(&inbound, false, 64).expect("another SA is none the worse");
    }
    fs::write(file(dir.path(), &outbound), sound).unwrap();
    assert_eq!(send(&open(dir.path()).outbound(&outbound, false).unwrap()), Ok(1));
}

#[test]
fn a_write_that_a_crash_cut_short_is_swept_away() {
    let dir = tempfile::tempdir().unwrap();
    let outbound = identity(Direction::Outbound);
    let half = file(dir.path(), &outbound).with_extension("new");
    fs::write(&half, b"HBSA").unwrap();
    let states = open(dir.path());
    assert!(!half.exists());
    assert_eq!(send(&states.outbound(&outbound, false).unwrap()), Ok(1));
}

#[test]
fn keys_keep_their_kind_of_numbers_and_their_direction() {
    let dir = tempfile::tempdir().unwrap();
    let (outbound, inbound) = (identity(Direction::Outbound), identity(Direction::Inbound));
    let states = open(dir.path());
    let held = (states.outbound(&outbound, false).unwrap(), states.inbound(&inbound, true, 64).unwrap());
    let changed = |states: &SaStates| {
        assert!(matches!(states.outbound(&outbound, true), Err(StateError::EsnChanged { .. })));
        assert!(matches!(states.inbound(&inbound, false, 64), Err(StateError::EsnChanged { .. })));
    };
    changed(&states);
    assert!(matches!(states.outbound(&inbound, true), Err(StateError::Direction(_))));
    assert!(matches!(states.inbound(&outbound, false, 0), Err(StateError::Direction(_))));
    for (window, wanted) in [(65_537, 65_536), (5000, 4096)] {
        match states.inbound(&inbound, true, window) {
            Err(StateError::WindowTooLarge { most, .. }) => assert_eq!(most, wanted),
            other => panic!("{other:?}"),
        }
    }
    drop(held);
    drop(states);
    changed(&open(dir.path()));
}

/// A device that is always full, or a folder, in the place of the temporary
/// file: every write fails, even root's.
#[test]
fn a_disk_that_refuses_stops_the_sa_and_only_for_as_long() {
    fn full(at: &Path) {
        std::os::unix::fs::symlink("/dev/full", at).unwrap();
    }
    fn folder(at: &Path) {
        fs::create_dir(at).unwrap();
    }
    fn clear(at: &Path) {
        fs::remove_file(at).or_else(|_| fs::remove_dir(at)).unwrap();
    }
    for (refuse, text) in [(full as fn(&Path), "No space left on device"), (folder, "Is a directory")] {
        let dir = tempfile::tempdir().unwrap();
        let outbound = identity(Direction::Outbound);
        let states = open(dir.path());
        let obstacle = file(dir.path(), &outbound).with_extension("new");
        refuse(&obstacle);
        let refused = states.outbound(&outbound, false).unwrap_err().to_string();
        assert!(refused.contains("cannot write") && refused.contains(text), "{refused}");
        clear(&obstacle);

        let sa = states.outbound(&outbound, false).unwrap();
        refuse(&obstacle);
        for number in 1..=40 {
            assert_eq!(send(&sa), Ok(number), "what is reserved may be used");
        }
        let end = Instant::now() + Duration::from_secs(60);
        while states.problem().is_none() {
            assert_eq!(send(&sa), Err(EspDrop::StateUnavailable));
            assert!(Instant::now() < end, "the problem is told");
            std::thread::yield_now();
        }
        let problem = states.problem().unwrap();
        assert!(problem.contains(&outbound.to_string()) && problem.contains(text), "{problem}");
        clear(&obstacle);
        assert_eq!(patiently(|| send(&sa)), 41, "nothing is skipped, nothing used twice");
        while states.problem().is_some() {
            assert!(Instant::now() < end, "and so is its end");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    fs::write(&blocked, b"").unwrap();
    let refused = SaStates::open(&blocked.join("state")).unwrap_err();
    assert!(refused.to_string().contains("create the state directory"), "{refused}");
}

#[test]
fn a_jump_beyond_the_margin_waits_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let states = open(dir.path());
    let inn = states.inbound(&identity(Direction::Inbound), false, 64).unwrap();
    assert_eq!(inn.commit(1_000_000), Err(EspDrop::StateUnavailable));
    patiently(|| inn.commit(1_000_000));
    assert_eq!(inn.commit(1_000_000), Err(EspDrop::Replayed));
    assert_eq!(inn.check(1), Err(Refused::TooOld));
}

#[test]
fn several_cores_never_share_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let states = open(dir.path());
    let sa = states.outbound(&identity(Direction::Outbound), true).unwrap();
    let numbers: Vec<u64> = std::thread::scope(|scope| {
        let cores: Vec<_> = (0..3)
            .map(|_| {
                let sa = Arc::clone(&sa);
                scope.spawn(move || (0..500).map(|_| patiently(|| send(&sa))).collect::<Vec<_>>())
            })
            .collect();
        cores.into_iter().flat_map(|core| core.join().unwrap()).collect()
    });
    let distinct: HashSet<u64> = numbers.iter().copied().collect();
    assert_eq!(distinct, (1..=1500).collect());
}

#[test]
fn a_used_up_number_space_stays_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let options = StateOptions { number_space: Some(50), ..SMALL };
    let outbound = identity(Direction::Outbound);
    let states = SaStates::open_with(dir.path(), options).unwrap();
    let sa = states.outbound(&outbound, false).unwrap();
    (1..=50).for_each(|number| assert_eq!(patiently(|| send(&sa)), number));
    assert_eq!(send(&sa), Err(EspDrop::SequenceExhausted));
    drop(sa);
    drop(states);
    let states = SaStates::open_with(dir.path(), options).unwrap();
    assert_eq!(send(&states.outbound(&outbound, false).unwrap()), Err(EspDrop::SequenceExhausted));
}

#[test]
fn both_ends_with_state_and_a_restart_of_each() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut before: Vec<Vec<u8>> = vec![];
    for _ in 0..3 {
        let (sending, receiving) = (open(here.path()), open(there.path()));
        let ends = Ends {
            sa: Sa::new(common::SPI, TUNNEL),
            outbound: sending.outbound(&identity(Direction::Outbound), true).unwrap(),
            inbound: receiving.inbound(&identity(Direction::Inbound), true, 64).unwrap(),
        };
        for replay in &before {
            assert!(matches!(ends.receive(replay), Err(EspDrop::ReplayTooOld)));
        }
        for len in 0..30 {
            let frame = Ip::udp(len).frame();
            let sealed = patiently(|| ends.send(&frame));
            assert_eq!(patiently(|| ends.receive(&sealed)), frame);
            before.push(sealed);
        }
    }
}
