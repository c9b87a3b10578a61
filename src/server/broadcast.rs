//! Broadcasts (RFC 5905 §3, mode 5): the time, told to a whole network every so many seconds. They
//! are sent only where the configuration asks for it, and never while the clock is not synchronised.

use super::state::Header;
use crate::proto::packet::HEADER_LEN;
use crate::proto::packet::Mode;
use crate::time::NtpTimestamp;

/// Version of broadcasts.
const VERSION: u8 = 4;

/// The packet that says that it is `transmit` now, to be sent every `interval` seconds; none while
/// the clock is not synchronised.
#[must_use]
pub fn packet(header: &Header, interval: f64, transmit: NtpTimestamp) -> Option<[u8; HEADER_LEN]> {
    if !header.synchronised {
        return None;
    }
    let mut packet = [0; HEADER_LEN];
    let (fixed, times) = packet.split_first_chunk_mut::<24>()?;
    fixed.copy_from_slice(&header.fixed);
    fixed[0] |= VERSION << 3 | Mode::Broadcast.to_bits();
    fixed[2] = interval.max(1.0).log2().round() as u8;
    let transmit = transmit.plus(header.smoothing).to_bits().to_be_bytes();
    times.last_chunk_mut::<8>()?.copy_from_slice(&transmit);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::packet::Leap;
    use crate::proto::packet::Packet;
    use crate::server::state::State;

    #[test]
    fn a_broadcast_tells_the_state_and_the_time_of_departure() {
        let state = State {
            leap: Leap::None,
            stratum: 3,
            smoothing_ns: 500_000_000,
            ..State::unsynchronised()
        };
        let at = NtpTimestamp::from_bits(0xeb00_0000_0000_0000);
        let wire = packet(&state.header(0), 60.0, at).unwrap();
        let seen = Packet::decode(&wire).unwrap();
        assert_eq!(
            (seen.mode, seen.version, seen.stratum),
            (Mode::Broadcast, 4, 3)
        );
        assert_eq!(seen.poll, 6);
        assert_eq!(
            (seen.origin, seen.receive),
            (NtpTimestamp::ZERO, NtpTimestamp::ZERO)
        );
        assert_eq!(seen.transmit.to_bits(), 0xeb00_0000_8000_0000);
    }

    #[test]
    fn a_clock_that_is_not_synchronised_is_not_broadcast() {
        let header = State::unsynchronised().header(0);
        assert_eq!(packet(&header, 64.0, NtpTimestamp::ZERO), None);
    }
}
