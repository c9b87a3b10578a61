//! Which tests a reply passed, by the numbers of RFC 5905 §8 (figure 15) and chrony's letters for
//! what comes after them: what `measurements.log` has a digit each for.

use super::reply::Rejection;
use crate::proto::packet::Leap;
use crate::proto::packet::MAX_STRATUM;
use crate::proto::packet::Packet;

/// The tests of one reply, true where it passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tests {
    /// 1: it is new; 2: it answers the open request; 3: its times are filled in.
    pub packet: [bool; 3],
    /// 5: authenticated as it must be; 6: the server is synchronised; 7: and near its reference.
    pub server: [bool; 3],
    /// A: within `maxdelay` and with times that can be; B: within `maxdelayratio`; C: within
    /// `maxdelaydevratio` or `maxdelayquant`; D: the server does not follow this machine.
    pub sample: [bool; 4],
}

impl Tests {
    /// Of a reply that was rejected for that reason, if for any. `again`: it is the last one once
    /// more. `limits`: within `maxdelay`, `maxdelayratio`, the other limits of the round trip.
    #[must_use]
    pub fn new(
        packet: &Packet,
        rejected: Option<Rejection>,
        again: bool,
        limits: [bool; 3],
    ) -> Self {
        let open = rejected != Some(Rejection::Bogus);
        let filled = ![packet.origin, packet.receive, packet.transmit]
            .iter()
            .any(|time| time.is_zero());
        let synchronised =
            packet.leap != Leap::Unsynchronised && (1..MAX_STRATUM).contains(&packet.stratum);
        let mut tests = Self {
            packet: [!again, open, filled && !again],
            server: [
                rejected != Some(Rejection::Unauthenticated),
                synchronised,
                rejected != Some(Rejection::Distance),
            ],
            sample: [false; 4],
        };
        if tests.is_measured() {
            let [longest, ratio, rest] = limits;
            tests.sample = [
                longest && rejected != Some(Rejection::Times),
                ratio,
                rest,
                rejected != Some(Rejection::Loop),
            ];
        }
        tests
    }

    /// True when it may be measured at all: the first six are passed.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        let mut all = self.packet.iter().chain(&self.server);
        all.all(|passed| *passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::NtpTimestamp;

    fn digits(
        packet: &Packet,
        rejected: Option<Rejection>,
        again: bool,
        limits: [bool; 3],
    ) -> String {
        let tests = Tests::new(packet, rejected, again, limits);
        let text =
            |bits: &[bool]| -> String { bits.iter().map(|&b| if b { '1' } else { '0' }).collect() };
        [
            text(&tests.packet),
            text(&tests.server),
            text(&tests.sample),
        ]
        .join(" ")
    }

    /// The right-hand sides are what chronyd 4.3 and 4.8 write of such replies.
    #[test]
    fn each_reason_shows_in_its_own_digit() {
        let mut packet = Packet::request(4, NtpTimestamp::from_bits(1 << 40));
        packet.leap = Leap::None;
        packet.stratum = 2;
        (packet.origin, packet.receive) = (packet.transmit, packet.transmit);
        let of = |packet: &Packet, rejected| digits(packet, rejected, false, [true; 3]);
        assert_eq!(of(&packet, None), "111 111 1111");
        assert_eq!(of(&packet, Some(Rejection::Bogus)), "101 111 0000");
        assert_eq!(
            digits(&packet, Some(Rejection::Bogus), true, [true; 3]),
            "000 111 0000"
        );
        assert_eq!(
            of(&packet, Some(Rejection::Unauthenticated)),
            "111 011 0000"
        );
        assert_eq!(of(&packet, Some(Rejection::Distance)), "111 110 0000");
        assert_eq!(of(&packet, Some(Rejection::Times)), "111 111 0111");
        assert_eq!(of(&packet, Some(Rejection::Loop)), "111 111 1110");
        let late = |limits| digits(&packet, Some(Rejection::Delay), false, limits);
        assert_eq!(late([false, true, true]), "111 111 0111");
        assert_eq!(late([true, false, true]), "111 111 1011");
        assert_eq!(late([true, true, false]), "111 111 1101");
        let mut lost = packet;
        lost.leap = Leap::Unsynchronised;
        assert_eq!(of(&lost, Some(Rejection::Unsynchronised)), "111 101 0000");
        lost = packet;
        lost.receive = NtpTimestamp::ZERO;
        assert_eq!(of(&lost, Some(Rejection::Times)), "110 111 0000");
        assert!(!Tests::new(&lost, None, false, [true; 3]).is_measured());
    }
}
