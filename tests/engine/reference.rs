//! What the machine says that it follows.

use crate::world::*;
use clockbox::engine::Engine;
use clockbox::engine::clock::Reading;
use clockbox::engine::config::Config;
use clockbox::engine::local;
use clockbox::engine::local::LocalConfig;
use clockbox::engine::reference::Origin;
use clockbox::engine::sim::Peer;
use clockbox::proto::packet::Leap;
use clockbox::proto::refid::RefId;

fn end(peers: Vec<Peer>, hours: f64, change: impl FnOnce(&mut Config)) -> (Engine, Reading, f64) {
    let scenario = scenario(peers, hours);
    let mut config = scenario.config();
    change(&mut config);
    let (record, engine, now) = scenario.run_to_end(config, 1);
    (engine, now, record.errors.last().copied().unwrap())
}

#[test]
fn the_reference_is_the_best_source_with_its_distance() {
    let mut peers = wan(4);
    for peer in &mut peers {
        peer.server.stratum = 3;
        peer.server.root = (5e-3, 2e-3);
    }
    let (engine, now, error) = end(peers, 1.0, |_| {});
    let reference = engine.reference(now);
    let Origin::Source(best) = reference.origin else {
        panic!("{reference:?}");
    };
    assert_eq!(Some(best), engine.vote.best);
    assert_eq!(reference.stratum, 4);
    assert_eq!(reference.refid, RefId([192, 168, 123, best as u8 + 1]));
    assert_eq!(reference.leap, Leap::None);
    assert!(
        (0.045..0.05).contains(&reference.root_delay),
        "{reference:?}"
    );
    assert!(
        (2e-3..4e-3).contains(&reference.root_dispersion),
        "{reference:?}"
    );
    assert!(error.abs() < reference.distance_at(now.raw));
    assert!((reference.frequency_ppm + 10.0).abs() < 1.0);
    assert!(reference.rms_offset > 0.0 && reference.rms_offset < 2e-3);
    assert!(reference.update_interval > 1.0 && reference.since.is_some());
}

#[test]
fn without_sources_the_dispersion_grows_until_nobody_may_believe_it() {
    let outage = |hours: f64, ppm: f64| {
        let mut peers = wan(4);
        for peer in &mut peers {
            peer.up.outages = vec![(HOUR, 1e9)];
        }
        let (engine, now, error) = end(peers, hours, |c| c.max_clock_error = ppm);
        (engine.reference(now), now, error)
    };
    let (early, ..) = outage(1.0, 30.0);
    let (late, now, error) = outage(10.0, 30.0);
    assert!(late.is_synchronised());
    // Nine hours of 30 ppm.
    assert!(late.root_dispersion - early.root_dispersion > 0.9);
    assert!(error.abs() < late.distance_at(now.raw));
    let (gone, ..) = outage(40.0, 30.0);
    assert_eq!(gone.origin, Origin::Nowhere);
    assert_eq!((gone.stratum, gone.leap), (0, Leap::Unsynchronised));
}

#[test]
fn sources_that_come_to_disagree_are_not_passed_on() {
    let mut peers = wan(2);
    peers[1].server.steps = vec![(HOUR, 5.0)];
    let (engine, now, _) = end(peers, 2.0, |_| {});
    assert_eq!(engine.reference(now).origin, Origin::Nowhere);
}

#[test]
fn the_clock_is_its_own_reference_when_and_as_configured() {
    let local = |hours: f64, change: &dyn Fn(&mut LocalConfig)| {
        let mut peers = wan(1);
        peers[0].up.outages = vec![(HOUR, 1e9)];
        let (engine, now, _) = end(peers, hours, |c| {
            let mut local = LocalConfig {
                distance: 0.5,
                ..LocalConfig::default()
            };
            change(&mut local);
            c.local = Some(local);
            c.max_clock_error = 30.0;
        });
        engine.reference(now)
    };
    assert!(local(1.0, &|_| {}).is_synchronised());
    let own = local(8.0, &|l| l.stratum = 7);
    assert_eq!(
        (own.origin, own.stratum, own.refid),
        (Origin::Local, 7, local::REFID)
    );
    assert_eq!((own.leap, own.root_delay), (Leap::None, 0.0));
    // Not yet.
    assert!(!matches!(
        local(8.0, &|l| l.wait_synced = 8.0 * HOUR).origin,
        Origin::Local
    ));
    // The distance of 20 ms is there from the start, one of 2 ms never.
    assert_eq!(local(8.0, &|l| l.activate = 0.2).origin, Origin::Local);
    assert_ne!(local(8.0, &|l| l.activate = 2e-3).origin, Origin::Local);
}

#[test]
fn before_any_source_was_heard_the_clock_waits_as_long_as_it_was_told() {
    for (wait, origin) in [(100.0, Origin::Local), (4000.0, Origin::Nowhere)] {
        let mut peers = wan(1);
        peers[0].up.outages = vec![(0.0, 1e9)];
        let (engine, now, _) = end(peers, 1.0, |c| {
            c.local = Some(LocalConfig {
                wait_unsynced: wait,
                ..LocalConfig::default()
            });
        });
        assert_eq!(engine.reference(now).origin, origin);
    }
}
