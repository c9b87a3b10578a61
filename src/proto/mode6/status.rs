//! The status words of control messages (RFC 9327 §3): of the system and of an association.

use crate::proto::packet::Leap;

/// An association as the list of them has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Association {
    /// Its number.
    pub id: u16,
    /// Its status word.
    pub status: PeerStatus,
}

/// The list of associations in the data of a reply; odd octets at its end are passed over.
#[must_use]
pub fn associations(data: &[u8]) -> Vec<Association> {
    data.chunks_exact(4)
        .filter_map(|chunk| {
            let [a, b, c, d] = *chunk else { return None };
            Some(Association {
                id: u16::from_be_bytes([a, b]),
                status: PeerStatus(u16::from_be_bytes([c, d])),
            })
        })
        .collect()
}

/// An association's status word (RFC 9327 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeerStatus(pub u16);

impl PeerStatus {
    /// In the configuration (not made by a broadcast or a pool).
    #[must_use]
    pub const fn configured(self) -> bool {
        self.0 & 0x8000 != 0
    }

    /// A key or NTS is wanted.
    #[must_use]
    pub const fn authentication_enabled(self) -> bool {
        self.0 & 0x4000 != 0
    }

    /// It is authentic.
    #[must_use]
    pub const fn authentic(self) -> bool {
        self.0 & 0x2000 != 0
    }

    /// It answered within the last eight polls.
    #[must_use]
    pub const fn reachable(self) -> bool {
        self.0 & 0x1000 != 0
    }

    /// The selection's outcome, 0 to 7.
    #[must_use]
    pub const fn selection(self) -> u8 {
        ((self.0 >> 8) & 7) as u8
    }

    /// ntpq's mark for it.
    #[must_use]
    pub const fn mark(self) -> char {
        match self.selection() {
            1 => 'x',
            2 => '.',
            3 => '-',
            4 => '+',
            5 => '#',
            6 => '*',
            7 => 'o',
            _ => ' ',
        }
    }
}

/// The system's status word (RFC 9327 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SystemStatus(pub u16);

impl SystemStatus {
    /// The leap indicator.
    #[must_use]
    pub const fn leap(self) -> Leap {
        Leap::from_bits((self.0 >> 14) as u8)
    }

    /// What the clock follows: 0 nothing, 5 the local clock, 6 NTP…
    #[must_use]
    pub const fn source(self) -> u8 {
        ((self.0 >> 8) & 0x3f) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_are_those_of_ntpq() {
        // 961a: configured, reachable, system peer; c016: not synchronised, event 6.
        let peer = PeerStatus(0x961a);
        assert!(peer.configured() && peer.reachable() && !peer.authentic());
        assert_eq!(peer.mark(), '*');
        assert_eq!(PeerStatus(0x8011).mark(), ' ');
        assert_eq!(PeerStatus(0x9314).mark(), '-');
        let system = SystemStatus(0xc016);
        assert_eq!((system.leap(), system.source()), (Leap::Unsynchronised, 0));
        assert_eq!(SystemStatus(0x0615).source(), 6);
    }

    #[test]
    fn a_list_with_octets_left_over_is_read() {
        let list = associations(&[0x1f, 0x01, 0x96, 0x1a, 9, 9]);
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].id, 0x1f01);
    }
}
