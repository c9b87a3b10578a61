//! The structures, what is read out of them, and which request is chosen.

use super::*;

#[test]
fn structures_have_the_kernels_sizes() {
    // linux/ptp_clock.h on every 64-bit machine.
    assert_eq!(size_of::<Caps>(), 80);
    assert_eq!(size_of::<Basic>(), 16 + 51 * 16);
    assert_eq!(size_of::<Extended>(), 16 + 75 * 16);
    assert_eq!(size_of::<Precise>(), 64);
    assert_eq!(size_of::<Pin>(), 96);
    assert_eq!(size_of::<PulsesRequest>(), 16);
}

#[test]
fn the_quickest_readings_are_the_ones_that_count() {
    let reading = |system_ns, device_ns, took_ns| Comparison {
        system_ns,
        device_ns,
        raw: None,
        took_ns,
    };
    let found = best(&[
        reading(1000, 2000, 5000),
        reading(2000, 2500, 100),
        reading(3000, 3502, 105),
        reading(4000, 9000, -1),
    ])
    .unwrap();
    assert_eq!(
        (found.system_ns, found.device_ns, found.took_ns),
        (2500, 3001, 100)
    );
    assert_eq!(best(&[]), None);
}

const START: i64 = 1_800_000_000;

fn at(sec: i64, nsec: u32) -> ClockTime {
    ClockTime {
        sec,
        nsec,
        reserved: 0,
    }
}

#[test]
fn a_cross_timestamp_is_one_instant_on_three_clocks() {
    let offset = Precise {
        device: at(START + 37, 500),
        sys_realtime: at(START, 250),
        sys_monoraw: at(86_400, 125),
        rsv: [0; 4],
    };
    let wanted = Comparison {
        system_ns: START * 1_000_000_000 + 250,
        device_ns: (START + 37) * 1_000_000_000 + 500,
        raw: Some(Monotonic::from_nanos(86_400_000_000_125)),
        took_ns: 0,
    };
    assert_eq!(offset.comparisons(), [wanted]);
    assert_eq!(best(&offset.comparisons()), Some(wanted));
    // A driver that leaves that clock out; and one that says nonsense.
    let without = Precise {
        sys_monoraw: at(0, 0),
        ..offset
    };
    assert_eq!(without.comparisons()[0].raw, None);
    let nonsense = Precise {
        device: at(i64::MAX, u32::MAX),
        sys_realtime: at(i64::MIN, 0),
        sys_monoraw: at(-1, 0),
        rsv: [0; 4],
    };
    assert_eq!(nonsense.comparisons()[0].raw, None);
}

/// The device is read 100 ns after the system clock, and that 300 ns later again; the last
/// time it took longer.
#[test]
fn a_row_of_both_clocks_is_pairs_with_the_system_on_either_side() {
    let mut basic = Basic {
        n_samples: SAMPLES as u32,
        rsv: [0; 3],
        ts: [ClockTime::default(); 2 * SAMPLES + 1],
    };
    for (n, time) in basic.ts.iter_mut().enumerate() {
        let n = n as u32;
        *time = if n.is_multiple_of(2) {
            at(START, n / 2 * 400)
        } else {
            at(START + 5, n / 2 * 400 + 200)
        };
    }
    basic.ts[2 * SAMPLES].nsec += 10_000;
    let found = basic.comparisons();
    assert_eq!(found.len(), SAMPLES);
    for (n, pair) in found.iter().take(SAMPLES - 1).enumerate() {
        let system_ns = START * 1_000_000_000 + n as i64 * 400 + 200;
        assert_eq!((pair.system_ns, pair.took_ns), (system_ns, 400));
        assert_eq!(pair.device_ns, system_ns + 5_000_000_000);
    }
    assert_eq!(found[SAMPLES - 1].took_ns, 10_400);
    let best = best(&found).unwrap();
    assert_eq!(best.device_ns - best.system_ns, 5_000_000_000);
    let extended = Extended {
        n_samples: SAMPLES as u32,
        rsv: [0; 3],
        ts: [[at(START, 0), at(START + 5, 200), at(START, 400)]; SAMPLES],
    };
    assert_eq!(extended.comparisons(), [found[0]; SAMPLES]);
}

#[test]
fn the_best_request_that_a_device_has_is_chosen_and_kept() {
    use Method::{Basic, Extended, Precise};
    // What the device says to each request, and by which it is read in the end.
    type Case<'a> = (bool, &'a [(Method, Errno)], Result<Method, Errno>);
    let cases: [Case<'_>; 7] = [
        (true, &[], Ok(Precise)),
        (false, &[], Ok(Extended)),
        // The device could, but the system's clocksource is another.
        (true, &[(Precise, Errno::EOPNOTSUPP)], Ok(Extended)),
        // A kernel before 5.0.
        (false, &[(Extended, Errno::ENOTTY)], Ok(Basic)),
        (
            true,
            &[(Precise, Errno::EINVAL), (Extended, Errno::ENOTTY)],
            Ok(Basic),
        ),
        (
            false,
            &[(Extended, Errno::ENOTTY), (Basic, Errno::ENOTTY)],
            Err(Errno::ENOTTY),
        ),
        // Gone, or busy: no reason to read it worse from then on.
        (true, &[(Precise, Errno::ENODEV)], Err(Errno::ENODEV)),
    ];
    for (offers, says, wanted) in cases {
        let mut method = Method::first(offers);
        let read = |asked: Method| match says.iter().find(|(method, _)| *method == asked) {
            Some((_, errno)) => Err(*errno),
            None => Ok(Vec::new()),
        };
        let found = first_that_works(&mut method, read).map(|_| method);
        assert_eq!(found, wanted, "{says:?}");
        assert!(wanted.is_err() || first_that_works(&mut method, read).is_ok());
    }
    let mut method = Precise;
    let _ = first_that_works(&mut method, |_| Err(Errno::EBUSY));
    assert_eq!(method, Precise);
}

#[test]
fn a_file_that_is_no_ptp_clock_is_called_so() {
    let error = PtpDevice::open("/dev/null", true, false).unwrap_err();
    assert!(error.to_string().contains("no PTP clock"), "{error}");
}

#[test]
fn an_event_is_channel_and_time() {
    let mut octets = [0u8; EVENT];
    octets[..8].copy_from_slice(&5i64.to_ne_bytes());
    octets[8..12].copy_from_slice(&7u32.to_ne_bytes());
    octets[16..20].copy_from_slice(&3u32.to_ne_bytes());
    assert_eq!(event(&octets), Some((3, 5_000_000_007)));
}
