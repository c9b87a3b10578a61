//! The columns of the log files, chrony's: what scripts that read its files expect. Times are UTC.
//!
//! The signs are the format's, file by file: in `measurements` and `refclocks` positive means that
//! the clock is behind; in `statistics`, `selection` and `tracking` that it is ahead, but for what
//! is left of a correction.

use crate::engine::record::Measurement;
use crate::engine::record::RefclockReading;
use crate::engine::record::Selected;
use crate::engine::record::Statistics;
use crate::engine::record::Tracked;
use crate::engine::rtc::RtcReading;
use crate::proto::cmdmon::reply::OPTION_NOSELECT;
use crate::proto::cmdmon::reply::OPTION_PREFER;
use crate::proto::cmdmon::reply::OPTION_REQUIRE;
use crate::proto::cmdmon::reply::OPTION_TRUST;
use crate::proto::packet::Leap;
use crate::report::format;

/// The columns of `measurements.log`.
pub(super) const MEASUREMENTS: &str = "   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del. Peer disp.  Root del. Root disp. Refid     MTxRx";
/// The columns of `statistics.log`.
pub(super) const STATISTICS: &str = "   Date (UTC) Time     IP Address    Std dev'n Est offset  Offset sd  Diff freq   Est skew  Stress  Ns  Bs  Nr  Asym";
/// The columns of `selection.log`.
pub(super) const SELECTION: &str =
    "   Date (UTC) Time     IP Address   S EOpts Reach Score Last sample  Low end   High end";
/// The columns of `tracking.log`.
pub(super) const TRACKING: &str = "   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. Root delay Root disp. Max. error";
/// The columns of `refclocks.log`.
pub(super) const REFCLOCKS: &str =
    "   Date (UTC) Time         Refid  DP L P  Raw offset   Cooked offset      Disp.";
/// The columns of `tempcomp.log`.
pub(super) const TEMPCOMP: &str = "   Date (UTC) Time        Temp.       Comp.";

/// The columns of `rtc.log`.
pub(super) const RTC: &str =
    "   Date (UTC) Time   RTC fast (s) Val   Est fast (s)   Slope (ppm)  Ns  Nr Meas";

/// Skew that stands for an unknown one, ppm.
const UNKNOWN_SKEW: f64 = 1e6;

/// A reply.
pub(super) fn measurement(m: &Measurement) -> String {
    let (offset, delay, dispersion) = m.measured.unwrap_or_default();
    format!(
        "{} {:<15} {} {:2} {} {} {}  {:2} {:2} {:4.2} {} {} {} {} {} {:08X} {}{} {} {}",
        date(m.unix_ns),
        m.source,
        leap(m.packet.leap),
        m.packet.stratum,
        digits(&m.tests.packet),
        digits(&m.tests.server),
        digits(&m.tests.sample),
        m.poll,
        m.packet.poll,
        m.score,
        power(offset, 3, 10),
        power(delay, 3, 10),
        power(dispersion, 3, 10),
        power(m.packet.root_delay.seconds(), 3, 10),
        power(m.packet.root_dispersion.seconds(), 3, 10),
        u32::from_be_bytes(m.packet.refid.0),
        m.packet.mode.to_bits(),
        if m.interleaved { 'I' } else { 'B' },
        if m.by_card.0 { 'H' } else { 'K' },
        if m.by_card.1 { 'H' } else { 'K' },
    )
}

/// 1 for each test that was passed, 0 for the others.
fn digits(tests: &[bool]) -> String {
    let digit = |&passed: &bool| if passed { '1' } else { '0' };
    tests.iter().map(digit).collect()
}

/// A reading of the battery-backed clock.
pub(super) fn rtc(r: &RtcReading) -> String {
    format!(
        "{} {:14.6} {}  {:14.6}  {:12.3}  {:2}  {:2} {:4}",
        date((r.unix * 1e9) as i64),
        r.ahead,
        u8::from(r.known),
        r.expected,
        r.gain * 1e6,
        r.samples,
        r.runs,
        r.interval.round(),
    )
}

/// What a source's measurements add up to.
pub(super) fn statistics(s: &Statistics) -> String {
    let stats = &s.stats;
    format!(
        "{} {:<15} {} {} {} {} {} {} {:3} {:3} {:3} {:5.2}",
        date(s.unix_ns),
        s.source,
        power(stats.std_dev_s, 3, 10),
        power(0.0 - stats.offset_s, 3, 10),
        power(stats.offset_error_s, 3, 10),
        power(0.0 - stats.residual_frequency_ppm * 1e-6, 3, 10),
        power(stats.skew_ppm * 1e-6, 3, 10),
        power(s.stress, 1, 7),
        stats.samples,
        s.dropped,
        stats.runs,
        s.asymmetry,
    )
}

/// A source after a vote.
pub(super) fn selection(unix_ns: i64, s: &Selected) -> String {
    let letters = [
        (OPTION_NOSELECT, 'N'),
        (OPTION_PREFER, 'P'),
        (OPTION_TRUST, 'T'),
        (OPTION_REQUIRE, 'R'),
        (0, '-'),
    ];
    let options: String = letters
        .iter()
        .map(|&(bit, letter)| {
            if s.data.effective & bit == 0 {
                '-'
            } else {
                letter
            }
        })
        .collect();
    format!(
        "{} {:<15} {} {options} {:4o} {:5.2} {} {} {}",
        date(unix_ns),
        s.source,
        char::from(s.data.state),
        s.reach,
        s.data.score,
        power(s.age, 3, 10),
        power(s.data.low_s, 3, 10),
        power(s.data.high_s, 3, 10),
    )
}

/// The clock after a correction.
pub(super) fn tracking(t: &Tracked) -> String {
    let known = t.reference.skew_ppm > 0.0;
    format!(
        "{} {:<15} {:2} {:10.3} {:10.3} {} {} {:2} {} {} {} {} {}",
        date(t.unix_ns),
        t.source.as_deref().unwrap_or("0.0.0.0"),
        t.reference.stratum,
        0.0 - t.reference.frequency_ppm,
        if known {
            t.reference.skew_ppm
        } else {
            UNKNOWN_SKEW
        },
        power(0.0 - t.offset, 3, 10),
        leap(t.reference.leap),
        t.combined,
        power(t.deviation, 3, 10),
        power(t.remaining, 3, 10),
        power(t.reference.root_delay, 3, 10),
        power(t.reference.root_dispersion, 3, 10),
        power(t.max_error, 3, 10),
    )
}

/// A reading of a reference clock.
pub(super) fn refclock(r: &RefclockReading) -> String {
    let micros = r.unix_ns.rem_euclid(1_000_000_000) / 1000;
    let (number, pulse, raw) = match r.raw {
        Some((number, pulse, raw)) => (
            format!("{number:4}"),
            if pulse { '1' } else { '0' },
            power(raw, 6, 13),
        ),
        None => ("   -".to_owned(), '-', format!("{:13}", "      -")),
    };
    format!(
        "{}.{micros:06} {:<4} {number} {} {pulse} {raw} {} {}",
        date(r.unix_ns),
        r.source,
        leap(r.leap),
        power(r.offset, 6, 13),
        power(r.dispersion, 3, 10),
    )
}

/// A reading of the sensor, in its own unit, and the correction in ppm.
pub(super) fn tempcomp(unix_ns: i64, temperature: f64, ppm: f64) -> String {
    format!(
        "{} {} {}",
        date(unix_ns),
        power(temperature, 4, 11),
        power(ppm, 4, 11)
    )
}

/// `YYYY-MM-DD HH:MM:SS`.
fn date(unix_ns: i64) -> String {
    let text = format::rfc3339(unix_ns.div_euclid(1_000_000_000), 0);
    let day = text.get(..10).unwrap_or_default();
    let time = text.get(11..19).unwrap_or_default();
    format!("{day} {time}")
}

const fn leap(leap: Leap) -> char {
    match leap {
        Leap::None => 'N',
        Leap::Insert => '+',
        Leap::Delete => '-',
        Leap::Unsynchronised => '?',
    }
}

/// A number with a power of ten of at least two digits, as C's `%e` writes it.
fn power(value: f64, digits: usize, width: usize) -> String {
    let text = format!("{value:.digits$e}");
    let (number, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    let text = format!("{number}e{sign}{exponent:0>2}");
    format!("{text:>width$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::passed::Tests;
    use crate::engine::reply::Rejection;
    use crate::proto::cmdmon::Address;
    use crate::proto::cmdmon::reply::SelectData;
    use crate::proto::cmdmon::reply::SourceStats;
    use crate::proto::packet::Packet;
    use crate::proto::refid::RefId;
    use crate::time::NtpTimestamp;

    const NOW: i64 = 1_795_772_692_560_717_000;

    #[test]
    fn powers_of_ten_are_as_c_writes_them() {
        for (value, text) in [
            (0.0, " 0.000e+00"),
            (-2.694e-5, "-2.694e-05"),
            (1e6, " 1.000e+06"),
            (9.9996, " 1.000e+01"),
            (1e-120, "1.000e-120"),
        ] {
            assert_eq!(power(value, 3, 10), text);
        }
    }

    /// The right-hand sides have the columns of lines that chronyd 4.3 wrote.
    #[test]
    #[allow(clippy::too_many_lines, reason = "a line of every file")]
    fn lines_stand_in_the_columns_of_chronyd() {
        let mut packet = Packet::request(4, NtpTimestamp::ZERO);
        packet.mode = crate::proto::packet::Mode::Server;
        (packet.stratum, packet.poll, packet.refid) = (1, 2, RefId([0x7f, 0x7f, 1, 1]));
        packet.leap = Leap::None;
        let time = NtpTimestamp::from_bits(1 << 40);
        (packet.origin, packet.receive, packet.transmit) = (time, time, time);
        let mut m = Measurement {
            unix_ns: NOW,
            source: "10.77.0.12".to_owned(),
            packet,
            tests: Tests::new(&packet, None, false, [true; 3]),
            interleaved: false,
            poll: 1,
            score: 0.25,
            by_card: (false, false),
            measured: Some((-2.694e-5, 5.769e-5, 4.237e-7)),
        };
        assert_eq!(
            measurement(&m),
            "2026-11-27 09:44:52 10.77.0.12      N  1 111 111 1111   1  2 0.25 -2.694e-05  5.769e-05  \
             4.237e-07  0.000e+00  0.000e+00 7F7F0101 4B K K"
        );
        m.tests = Tests::new(&m.packet, Some(Rejection::Bogus), false, [true; 3]);
        m.measured = None;
        assert!(measurement(&m).contains(" N  1 101 111 0000   1  2 0.25  0.000e+00  0.000e+00 "));
        let r = RtcReading {
            unix: NOW as f64 * 1e-9,
            ahead: -0.037_36,
            known: true,
            expected: -0.037_434,
            gain: -37.948e-6,
            samples: 12,
            runs: 5,
            interval: 120.0,
        };
        assert_eq!(
            rtc(&r),
            "2026-11-27 09:44:52      -0.037360 1       -0.037434       -37.948  12   5  120"
        );
        let stats = SourceStats {
            refid: RefId([0; 4]),
            address: Address::Unspecified,
            samples: 3,
            runs: 2,
            span_s: 1,
            std_dev_s: 2.153e-6,
            residual_frequency_ppm: -0.2778,
            skew_ppm: 3113.0,
            offset_s: -3.392e-6,
            offset_error_s: 2.422e-6,
        };
        let s = Statistics {
            unix_ns: NOW,
            source: "10.77.0.12".to_owned(),
            stats,
            stress: 1.4e-4,
            dropped: 0,
            asymmetry: 0.0,
        };
        assert_eq!(
            statistics(&s),
            "2026-11-27 09:44:52 10.77.0.12       2.153e-06  3.392e-06  2.422e-06  2.778e-07  3.113e-03 \
             1.4e-04   3   0   2  0.00"
        );
        let s = Selected {
            source: "SHM0".to_owned(),
            data: SelectData {
                refid: RefId([0; 4]),
                address: Address::Unspecified,
                state: b'*',
                authentication: 0,
                leap: 0,
                configured: 0,
                effective: OPTION_PREFER,
                last_sample: None,
                score: 1.0,
                low_s: -2.123e-6,
                high_s: 6.226e-6,
            },
            reach: 0o377,
            age: 9.846,
        };
        assert_eq!(
            selection(NOW, &s),
            "2026-11-27 09:44:52 SHM0            * -P---  377  1.00  9.846e+00 -2.123e-06  6.226e-06"
        );
        let mut r = RefclockReading {
            unix_ns: NOW,
            source: "SOK0".to_owned(),
            raw: Some((3, false, 1.2e-4)),
            leap: Leap::None,
            offset: 1.201_805e-4,
            dispersion: 2.9e-8,
        };
        assert_eq!(
            refclock(&r),
            "2026-11-27 09:44:52.560717 SOK0    3 N 0  1.200000e-04  1.201805e-04  2.900e-08"
        );
        r.raw = None;
        assert_eq!(
            refclock(&r),
            "2026-11-27 09:44:52.560717 SOK0    - N -       -        1.201805e-04  2.900e-08"
        );
        assert_eq!(
            tempcomp(NOW, 25.5, 5.5),
            "2026-11-27 09:44:52  2.5500e+01  5.5000e+00"
        );
    }
}
