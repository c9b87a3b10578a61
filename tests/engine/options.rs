//! Options of a source: what each does to requests and measurements.

use crate::world::*;
use clockbox::engine::Engine;
use clockbox::engine::Note;
use clockbox::engine::config::Association;
use clockbox::engine::config::Config;
use clockbox::engine::reference::Origin;
use clockbox::engine::reply::Rejection;
use clockbox::engine::sim::Path;
use clockbox::engine::sim::Peer;
use clockbox::engine::sim::Record;
use clockbox::proto::mac::Algorithm;
use clockbox::proto::mac::Key;
use clockbox::proto::mac::Keys;

/// Intervals between requests to a server, in seconds, from a time on.
fn gaps(record: &Record, peer: usize, from: f64) -> Vec<f64> {
    let times: Vec<f64> = record
        .requests
        .iter()
        .filter(|r| r.1 == peer && r.0 >= from)
        .map(|r| r.0)
        .collect();
    times.windows(2).map(|w| w[1] - w[0]).collect()
}

fn key(secret: &[u8]) -> Key {
    Key::new(Algorithm::Sha256, secret).unwrap()
}

fn keyed(config: &mut Config) {
    config.keys.insert(5, key(b"right"));
    for source in &mut config.sources {
        source.key = Some(5);
    }
}

#[test]
fn a_reply_without_a_good_mac_is_never_believed_and_is_counted() {
    all_below(SEEDS, 6e-3, |seed| {
        let mut peers = wan(4);
        for peer in &mut peers {
            peer.server.key = Some((5, key(b"right")));
        }
        // A wrong secret, another number, none at all: all of them half a second off.
        peers[1].server.key = Some((5, key(b"wrong")));
        peers[2].server.key = Some((6, key(b"right")));
        peers[3].server.key = None;
        for peer in &mut peers[1..] {
            peer.server.offset = 0.5;
        }
        let (record, engine) = run_with(&scenario(peers, 0.2), seed, keyed);
        let counts: Vec<_> = engine.sources.iter().map(|s| s.counts).collect();
        assert!(counts[0].used > 5 && counts[0].unauthenticated == 0);
        for count in &counts[1..] {
            assert!(count.used == 0 && count.unauthenticated > 5, "{count:?}");
            assert_eq!(count.unauthenticated, count.received);
        }
        worst(&record, 60.0, 700.0)
    });
}

#[test]
fn a_source_whose_key_is_missing_is_not_asked_until_there_is_one() {
    let mut peers = lan();
    peers[0].server.key = Some((5, key(b"right")));
    let scenario = scenario(peers, 0.2);
    let mut config = scenario.config();
    keyed(&mut config);
    config.keys = Keys::new();
    let (record, _, notes) = scenario.run_script(
        config,
        1,
        &[],
        vec![(
            300.0,
            Box::new(|engine, _, _| {
                let mut keys = Keys::new();
                keys.insert(5, key(b"right"));
                engine.set_keys(keys);
            }),
        )],
    );
    assert!(record.requests[0].0 > 300.0);
    assert!(notes.iter().any(
        |(_, note)| matches!(note, Note::Refused { reason, .. } if reason.contains("no key 5"))
    ));
    assert!(record.errors.last().unwrap().abs() < 1e-4);
}

#[test]
fn interleaved_replies_take_off_what_a_server_delays_its_own() {
    // The reply leaves 20 us later than it says, or more: half of it is an error that no filter sees.
    let run = |xleave: bool, seed: u64| {
        let mut peers = lan();
        peers[0].server.late = (2e-5, 2e-5);
        peers[0].server.interleaved = true;
        let (record, engine) = run_with(&scenario(peers, 4.0), seed, |c| {
            c.sources[0].xleave = xleave;
        });
        assert_eq!(engine.sources[0].interleaved, xleave);
        rms(&record, HOUR, 4.0 * HOUR)
    };
    let with = over(SEEDS, |seed| run(true, seed));
    let without = over(SEEDS, |seed| run(false, seed));
    println!("{:e} {:e}", median(&with), median(&without));
    assert!(median(&with) < 4e-6 && with[with.len() - 1] < 8e-6);
    assert!(median(&with) < 0.5 * median(&without));
}

#[test]
fn interleaved_mode_survives_loss_duplicates_and_servers_that_do_not_know_it() {
    all_below(SEEDS, 1e-3, |seed| {
        let rough = Path {
            loss: 0.3,
            twice: 0.3,
            late: (0.1, 0.1),
            ..path(1e-4, 1e-5)
        };
        let mut peers = vec![peer(&rough); 3];
        for peer in &mut peers[..2] {
            peer.server.interleaved = true;
            peer.server.late = (1e-5, 1e-5);
        }
        let (record, engine) = run_with(&scenario(peers, 0.5), seed, |c| {
            for source in &mut c.sources {
                source.xleave = true;
            }
        });
        assert!(!engine.sources[2].interleaved && engine.sources[2].counts.used > 5);
        worst(&record, 600.0, 1800.0)
    });
}

#[test]
fn a_symmetric_peer_answers_in_its_own_mode_and_a_server_must_not() {
    let (record, engine) = run_with(&scenario(wan(2), 0.2), 1, |c| {
        c.sources[0].association = Association::Peer;
    });
    assert!(engine.sources.iter().all(|s| s.counts.used > 5));
    assert!(worst(&record, 60.0, 700.0) < 2e-3);
}

#[test]
fn burst_asks_again_at_once_only_while_replies_are_missing() {
    let burst = |c: &mut Config| {
        c.sources[0].burst = true;
        c.sources[0].min_poll = Some(6);
        c.sources[0].max_poll = 8;
    };
    for seed in SEEDS {
        let (record, _) = run_with(&scenario(wan(1), 6.0), seed, burst);
        assert!(gaps(&record, 0, 4.0 * HOUR).iter().all(|g| *g > 60.0));
        let mut dead = wan(1);
        dead[0].server.down = vec![(3.0 * HOUR, 6.0 * HOUR)];
        let (record, engine) = run_with(&scenario(dead, 6.0), seed, burst);
        let poll = engine.sources[0].poll;
        let short = gaps(&record, 0, 4.0 * HOUR)
            .iter()
            .filter(|g| **g < 3.0)
            .count();
        let all = gaps(&record, 0, 4.0 * HOUR).len();
        // So many requests a poll that their mean interval is not below minpoll's.
        let allowed = 1usize << (poll - 6).min(2);
        let share = short as f64 / all as f64;
        let expected = 1.0 - 1.0 / allowed as f64;
        assert!(
            (share - expected).abs() < 0.15,
            "seed {seed}: {share} {poll}"
        );
        assert!(all as f64 <= 2.0 * HOUR / 64.0 + 2.0, "seed {seed}: {all}");
    }
}

#[test]
fn presend_wakes_the_path_two_seconds_before_and_does_not_measure() {
    let (record, engine) = run_with(&scenario(lan(), 4.0), 1, |c| {
        c.sources[0].presend = Some(6);
        c.sources[0].min_poll = Some(6);
        c.sources[0].max_poll = 6;
    });
    let gaps = gaps(&record, 0, HOUR);
    assert!(gaps.iter().filter(|g| **g > 30.0).count() > 100);
    // After a long pause the next packet only wakes the path: the request follows it.
    let woken = |w: &[f64]| w[0] < 30.0 || (w[1] - 2.0).abs() < 0.01;
    assert!(gaps.windows(2).all(woken), "{gaps:?}");
    let counts = engine.sources[0].counts;
    assert!(counts.bogus == 0 && counts.rejected == 0, "{counts:?}");
    assert!(f64::from(counts.sent) > 1.7 * f64::from(counts.used));
}

#[test]
fn a_higher_polltarget_polls_more_often() {
    let requests = |target: u32| {
        let figures = over(FEW, |seed| {
            let (record, _) = run_with(&scenario(wan(4), 8.0), seed, |c| {
                for source in &mut c.sources {
                    source.poll_target = target;
                }
            });
            record.requests.iter().filter(|r| r.0 > 4.0 * HOUR).count() as f64
        });
        median(&figures)
    };
    let (few, usual, many) = (requests(4), requests(8), requests(32));
    println!("{few} {usual} {many}");
    assert!(few < 0.8 * usual && many > 2.0 * usual);
}

#[test]
fn a_filter_makes_one_measurement_of_several() {
    all_below(SEEDS, 0.1e-3, |seed| {
        let noisy = Path {
            late: (0.1, 5e-3),
            ..path(1e-4, 5e-5)
        };
        let (record, engine) = run_with(&scenario(vec![peer(&noisy)], 2.0), seed, |c| {
            c.sources[0].filter = Some(5);
            c.sources[0].min_poll = Some(1);
            c.sources[0].max_poll = 1;
        });
        let counts = engine.sources[0].counts;
        let measured = engine.sources[0].samples.len();
        assert!(counts.used > 3000 && measured <= 64, "{counts:?}");
        let apart = |s: &Engine| {
            let samples = &s.sources[0].samples;
            samples[samples.len() - 1].at.seconds_since(samples[0].at) / measured as f64
        };
        assert!((apart(&engine) - 10.0).abs() < 1.5, "{}", apart(&engine));
        rms(&record, HOUR, 2.0 * HOUR)
    });
}

/// How many replies each limit drops of a path on which a tenth of packets is late.
fn dropped(seed: u64, change: impl Fn(&mut Config)) -> f64 {
    let late = Path {
        late: (0.05, 0.1),
        ..path(2e-2, 1e-3)
    };
    let (_, engine) = run_with(&scenario(vec![peer(&late)], 4.0), seed, |c| {
        c.sources[0].min_poll = Some(5);
        c.sources[0].max_poll = 5;
        change(c);
    });
    let counts = engine.sources[0].counts;
    f64::from(counts.rejected) / f64::from(counts.used + counts.rejected)
}

#[test]
fn round_trips_over_a_limit_are_dropped_and_counted() {
    let bounds = |change: &dyn Fn(&mut Config), low: f64, high: f64| {
        for seed in SEEDS {
            let share = dropped(seed, change);
            assert!((low..=high).contains(&share), "seed {seed}: {share}");
        }
    };
    bounds(&|_| {}, 0.0, 0.0);
    bounds(&|c| c.sources[0].max_delay = 0.06, 0.02, 0.16);
    bounds(&|c| c.sources[0].max_delay_ratio = Some(1.5), 0.02, 0.16);
    bounds(
        &|c| c.sources[0].max_delay_dev_ratio = Some(10.0),
        0.02,
        0.17,
    );
    bounds(&|c| c.sources[0].max_delay_quant = Some(0.7), 0.24, 0.36);
}

#[test]
fn auto_offline_goes_silent_when_nothing_can_be_sent_and_online_brings_it_back() {
    let scenario = scenario(wan(2), 1.0);
    let mut config = scenario.config();
    config.sources[0].auto_offline = true;
    let (record, engine, _) = scenario.run_script(
        config,
        1,
        &[],
        vec![
            (
                600.0,
                Box::new(|_, _, net| {
                    net.cut(0, true);
                    net.cut(1, true);
                }),
            ),
            (
                1800.0,
                Box::new(|engine, now, net| {
                    assert!(engine.sources[0].silent && !engine.sources[1].silent);
                    net.cut(0, false);
                    net.cut(1, false);
                    assert_eq!(engine.online(now, clockbox::engine::Mask::All), 2);
                }),
            ),
        ],
    );
    let asked = |from: f64, to: f64| {
        let sent = record.requests.iter();
        sent.filter(|r| r.1 == 0 && (from..to).contains(&r.0))
            .count()
    };
    assert_eq!(asked(800.0, 1799.0), 0);
    assert!(asked(1799.0, 1810.0) > 0 && engine.sources[0].reach != 0);
}

#[test]
fn maxunreach_ends_the_claim_to_be_synchronised() {
    let silent_for = |polls: u32| {
        let mut peers = lan();
        peers[0].server.down = vec![(HOUR, 1e9)];
        let scenario = scenario(peers, 3.0);
        let mut config = scenario.config();
        config.sources[0].max_unreach = polls;
        config.sources[0].max_poll = 6;
        let (record, engine, notes) = scenario.run_script(config, 1, &[], Vec::new());
        let lost = notes.iter().find(|(_, n)| matches!(n, Note::Lost { .. }));
        let status = record.status.unwrap();
        assert_eq!(status.synchronised, lost.is_none());
        assert_eq!(engine.vote.best.is_none(), lost.is_some());
        lost.map(|l| l.0)
    };
    let soon = silent_for(2).unwrap();
    assert!(
        (HOUR + 9.0 * 16.0..HOUR + 12.0 * 70.0).contains(&soon),
        "{soon}"
    );
    assert!(silent_for(20).unwrap() > soon + 10.0 * 16.0);
    assert_eq!(silent_for(100_000), None);
}

#[test]
fn copy_passes_on_the_servers_own_reference() {
    for copy in [true, false] {
        let mut peers = lan();
        peers[0].server.stratum = 3;
        let scenario = scenario(peers, 0.2);
        let mut config = scenario.config();
        config.sources[0].copy = copy;
        let (_, engine, now) = scenario.run_to_end(config, 1);
        let reference = engine.reference(now);
        assert!(matches!(reference.origin, Origin::Source(_)));
        assert_eq!(reference.stratum, if copy { 3 } else { 4 });
        assert_eq!(&reference.refid.0 == b"SIM\0", copy);
    }
}

#[test]
fn minsamples_holds_on_to_what_is_known_for_longer() {
    let time = |least: usize| {
        let figures = over(SEEDS, |seed| {
            let mut peers = lan();
            peers[0].server.steps = vec![(2.0 * HOUR, -0.2)];
            let (mut record, _) = run_with(&scenario(peers, 4.0), seed, |c| {
                c.sources[0].samples.0 = least;
                c.sources[0].min_poll = Some(4);
                c.sources[0].max_poll = 4;
            });
            for error in record.errors.iter_mut().skip(7200) {
                *error += 0.2;
            }
            settled(&record, 2.0 * HOUR, 1e-4)
        });
        median(&figures)
    };
    let (usual, longer) = (time(6), time(12));
    println!("{usual} {longer}");
    assert!(usual < 100.0);
    assert!(longer > usual);
}

#[test]
fn a_server_over_the_rate_is_asked_ever_less_until_it_is_content() {
    for seed in SEEDS {
        let mut peers = wan(1);
        peers[0].server.kiss = Some(*b"RATE");
        let (record, engine, notes) = {
            let scenario = scenario(peers, 3.0);
            let mut config = scenario.config();
            config.sources[0].burst = true;
            scenario.run_script(config, seed, &[], Vec::new())
        };
        let kisses = notes
            .iter()
            .filter(|(_, n)| {
                matches!(
                    n,
                    Note::Rejected {
                        why: Rejection::Kiss(_),
                        ..
                    }
                )
            })
            .count();
        assert_eq!(kisses, engine.sources[0].counts.kisses as usize);
        let gaps = gaps(&record, 0, 0.0);
        assert!(
            gaps.windows(2).all(|w| w[1] > 0.9 * w[0]),
            "seed {seed}: {gaps:?}"
        );
        assert!(gaps.len() < 30);
    }
}

#[test]
fn peers_that_restart_and_lie_for_a_while_do_no_harm() {
    all_below(SEEDS, 3e-3, |seed| {
        let mut peers: Vec<Peer> = wan(4);
        peers[0].server.down = vec![(HOUR, 1.2 * HOUR)];
        peers[0].server.steps = vec![(1.2 * HOUR, 30.0), (1.5 * HOUR, -30.0)];
        peers[1].server.unsynchronised = vec![(2.0 * HOUR, 2.2 * HOUR)];
        let (record, _) = run(&scenario(peers, 4.0), seed);
        worst(&record, 0.5 * HOUR, 4.0 * HOUR)
    });
}
