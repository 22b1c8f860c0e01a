//! The row protocol: workgroup sizes, rings, counters, lease and leaving.

mod common;

use common::scene::{Scene, Slot};
use common::{MAX_GROUPS, Rig, Shape, check_rows, scene};
use hummingbird_kernels::layout::KernelId::{self, EspDecrypt, EspEncrypt, Match};
use hummingbird_kernels::layout::{DONE, outcome_offset};

/// Rows of all kernels in turn, from full to empty.
fn mixed(scene: &mut Scene, rows: usize, items: usize) -> Vec<(KernelId, Vec<Slot>)> {
    let sa = scene.random_sa(true);
    let set = scene.patterns(&["ab", "b", "\0"]);
    (0..rows)
        .map(|row| {
            let kernel = [EspEncrypt, EspDecrypt, Match][row % 3];
            let slots = (0..items - row % (items + 1).min(5))
                .map(|n| match kernel {
                    EspEncrypt => scene.plain(sa, 16 * (n % 5), 4 * n % 64),
                    EspDecrypt => {
                        scene.cipher(sa, 16 * (n % 5), 4 * n % 64, (n % 4 == 3).then_some(n as u32))
                    }
                    Match => scene.payload(set, &b"xAbab\0cbB"[..n % 10], n % 64),
                })
                .collect();
            (kernel, slots)
        })
        .collect()
}

#[test]
fn any_workgroup_size_works_on_any_row() {
    for (items, local) in [(1, 1), (2, 2), (64, 1), (64, 16), (32, 128), (256, 256)] {
        let mut scene = Scene::new(20);
        let rows = mixed(&mut scene, 7, items);
        check_rows(Shape { items, local, ..Shape::default() }, &scene, &rows);
    }
}

#[test]
fn rings_of_every_depth_and_several_groups() {
    for depth in [1, 2, 4, 8] {
        for groups in [1, MAX_GROUPS] {
            let mut scene = Scene::new(21);
            let rows = mixed(&mut scene, 50, 64);
            check_rows(Shape { groups, depth, ..Shape::default() }, &scene, &rows);
        }
    }
}

#[test]
fn counters_wrap() {
    let mut scene = Scene::new(22);
    let rows = mixed(&mut scene, 20, 64);
    check_rows(Shape { first_row: u32::MAX - 9, ..Shape::default() }, &scene, &rows);
}

#[test]
fn a_row_for_no_function_is_done_unchanged_and_a_wrong_count_stays_in_its_row() {
    let mut scene = Scene::new(23);
    let sa = scene.random_sa(false);
    let slots: Vec<Slot> = (0..64).map(|_| scene.plain(sa, 32, 0)).collect();
    let mut rig = Rig::new(Shape::default(), &scene);
    rig.launch();
    let mut unknown = scene::row(EspEncrypt, 64, &slots);
    unknown[0] = 99;
    rig.publish(0, &unknown);
    assert!(rig.harvest(0, 0) == unknown);
    assert!(rig.packets() == scene.packets);
    let row = scene::row(EspEncrypt, 64, &slots);
    let mut too_many = row.clone();
    too_many[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    rig.publish(0, &too_many);
    let done = rig.harvest(0, 1);
    assert!((0..64).all(|item| done[outcome_offset(64, item)..][..4] == DONE.to_le_bytes()));
    assert_eq!(rig.gpu_index(0), 2);
}

#[test]
fn an_idle_group_leaves_and_a_relaunch_goes_on_where_it_was() {
    let mut scene = Scene::new(24);
    let sa = scene.random_sa(false);
    let slots = [[scene.plain(sa, 64, 0)], [scene.plain(sa, 64, 4)]];
    let mut expected = scene.packets.clone();
    let mut rig = Rig::new(Shape { groups: 2, lease_polls: 1000, ..Shape::default() }, &scene);
    for (launch, slots) in slots.iter().enumerate() {
        let mut row = scene::row(EspEncrypt, 64, slots);
        // Published before the launch, so that no lease can run out before it.
        rig.publish(1, &row);
        rig.launch();
        scene.oracle.run_row(&mut row, 64, &mut expected);
        assert!(rig.harvest(1, launch as u32) == row);
        rig.finish();
        assert!(rig.left(0) && rig.left(1));
        assert_eq!((rig.gpu_index(0), rig.gpu_index(1)), (0, launch as u32 + 1));
        assert_eq!((rig.alive(0), rig.alive(1)), (launch as u32 + 1, launch as u32 + 1));
    }
    assert!(rig.packets() == expected);
}

#[test]
fn rows_published_against_a_short_lease_are_never_lost() {
    let mut scene = Scene::new(25);
    let set = scene.patterns(&["b"]);
    let slot = scene.payload(set, b"abc", 0);
    let mut rig = Rig::new(Shape { depth: 8, lease_polls: 20, ..Shape::default() }, &scene);
    rig.launch();
    let mut launches = 1;
    let row = scene::row(Match, 64, &[slot]);
    for index in 0..2000 {
        rig.publish(0, &row);
        // The host's half of the handshake: its store of cpuIndex is behind it.
        if rig.left(0) {
            rig.order_leave(true);
            rig.finish();
            rig.launch();
            launches += 1;
        }
        // Some rows find the group polling, some leaving, some gone.
        if index % 3 == 0 {
            rig.harvest(0, index);
        }
        rig.wait_until("the ring has room", |rig| rig.cpu_index(0).wrapping_sub(rig.gpu_index(0)) < 8);
    }
    rig.harvest(0, 1999);
    rig.order_leave(true);
    rig.finish();
    assert_eq!((rig.gpu_index(0), rig.alive(0)), (2000, launches));
}

#[test]
fn an_order_to_leave_comes_before_the_next_row() {
    let mut scene = Scene::new(26);
    let set = scene.patterns(&["b"]);
    let slots = vec![scene.payload(set, b"abc", 0)];
    let mut rig = Rig::new(Shape { groups: 2, ..Shape::default() }, &scene);
    rig.launch();
    rig.wait_until("both groups are alive", |rig| rig.alive(0) == 1 && rig.alive(1) == 1);
    assert!(!rig.left(0) && !rig.left(1), "without a lease a group stays");
    rig.order_leave(true);
    rig.finish();
    assert!(rig.left(0) && rig.left(1));

    // The order stands from the start, so no row may be taken.
    rig.publish(0, &scene::row(Match, 64, &slots));
    rig.launch_with_order(true);
    rig.finish();
    assert_eq!((rig.alive(0), rig.gpu_index(0), rig.left(0)), (2, 0, true));

    rig.launch();
    let row = rig.harvest(0, 0);
    assert_eq!(row[outcome_offset(64, 0)..][..8], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rig.alive(0), 3);
}
