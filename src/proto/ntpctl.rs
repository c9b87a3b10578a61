//! What OpenNTPD's `ntpctl -s all` prints: a status line, then the peers and the sensors, two lines
//! each.

/// What it says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listing {
    /// True when the clock is synchronised.
    pub synchronised: bool,
    /// Our stratum.
    pub stratum: Option<u8>,
    /// Offset of what is still being corrected, seconds, as it states it.
    pub clock_offset_s: Option<f64>,
    /// What the constraints say, when they contradict.
    pub constraint_offset_s: Option<f64>,
    /// Peers, then sensors.
    pub peers: Vec<Peer>,
}

/// A peer or a sensor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    /// Address, or a sensor's device.
    pub address: String,
    /// The name as configured.
    pub name: Option<String>,
    /// True for a sensor.
    pub sensor: bool,
    /// True when the clock follows it (`*`).
    pub selected: bool,
    /// Trust level, 0 to 10: over 8 it answers every poll.
    pub trust: Option<u8>,
    /// Its stratum.
    pub stratum: Option<u8>,
    /// Seconds until the next poll.
    pub next_s: Option<f64>,
    /// Poll interval, seconds.
    pub poll_s: Option<f64>,
    /// Offset, seconds; positive: the local clock is behind.
    pub offset_s: Option<f64>,
    /// Round trip, seconds.
    pub delay_s: Option<f64>,
    /// Jitter, seconds.
    pub jitter_s: Option<f64>,
}

/// Peers at most.
const MAX_PEERS: usize = 512;

/// Reads the listing; `None` when it is none.
#[must_use]
pub fn parse(text: &str) -> Option<Listing> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.by_ref().find(|line| line.contains("clock"))?;
    let mut listing = Listing {
        synchronised: first.contains("clock synced"),
        ..Listing::default()
    };
    for part in first.split(',').map(str::trim) {
        if let Some(n) = part.strip_prefix("stratum ") {
            listing.stratum = n.parse().ok();
        } else if let Some(offset) = part.strip_prefix("clock offset is ") {
            listing.clock_offset_s = quantity(offset);
        } else if let Some(offset) = part.strip_prefix("constraint offset ") {
            listing.constraint_offset_s = quantity(offset);
        }
    }
    let mut sensor = false;
    let mut title: Option<&str> = None;
    for line in lines {
        let word = line.trim();
        if word == "peer" || word == "sensor" {
            sensor = word == "sensor";
            title = None;
        } else if word.starts_with("wt ") {
            title = None;
        } else if line.starts_with(' ') {
            if let Some(title) = title.take()
                && listing.peers.len() < MAX_PEERS
            {
                listing.peers.push(peer(title, word, sensor));
            }
        } else {
            title = Some(word);
        }
    }
    Some(listing)
}

fn peer(title: &str, line: &str, sensor: bool) -> Peer {
    let clean = |text: &str| -> String {
        text.chars()
            .take(256)
            .map(|c| if c.is_control() { '?' } else { c })
            .collect()
    };
    let (address, rest) = title.split_once(' ').unwrap_or((title, ""));
    let name = rest.trim().trim_start_matches("from pool ").trim();
    let mut peer = Peer {
        address: clean(address),
        name: (!name.is_empty()).then(|| clean(name)),
        sensor,
        selected: line.starts_with('*'),
        ..Peer::default()
    };
    let words: Vec<&str> = line.trim_start_matches('*').split_whitespace().collect();
    let at = |index: usize| words.get(index).copied();
    let small = |index| at(index).and_then(|word: &str| word.parse::<u8>().ok());
    peer.trust = small(1);
    peer.stratum = small(2);
    peer.next_s = at(3).and_then(quantity);
    peer.poll_s = at(4).and_then(quantity);
    peer.offset_s = at(5).and_then(quantity);
    if !sensor {
        peer.delay_s = at(6).and_then(quantity);
        peer.jitter_s = at(7).and_then(quantity);
    }
    peer
}

/// `-0.035ms`, `34s`.
fn quantity(text: &str) -> Option<f64> {
    let text = text.trim();
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s')?, 1.0),
    };
    let value: f64 = number.trim().parse().ok()?;
    value.is_finite().then_some(value * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "2/3 peers valid, constraint offset -1s, clock synced, stratum 3\n\n\
        peer\n   wt tl st  next  poll          offset       delay      jitter\n\
        192.0.2.1 ntp1.example\n *  1 10  2    7s   33s        -0.035ms    12.345ms     0.123ms\n\
        192.0.2.2 from pool pool.example\n    1 10  3   12s   30s         1.250ms    20.000ms     0.400ms\n\
        192.0.2.3 ntp3.example\n    1  2  -    8s   15s             ---- peer not valid ----\n\n\
        sensor\n   wt gd st  next  poll          offset  correction\n\
        nmea0  GPS\n *  1  1  0    6s   15s        -1.234ms     0.000ms\n";

    #[test]
    fn a_listing_is_read() {
        let listing = parse(TEXT).unwrap();
        assert!(listing.synchronised);
        assert_eq!(listing.stratum, Some(3));
        assert_eq!(listing.constraint_offset_s, Some(-1.0));
        let [first, second, third, sensor] = &listing.peers[..] else {
            panic!("{listing:?}");
        };
        assert!(first.selected && !second.selected);
        assert!((first.offset_s.unwrap() + 3.5e-5).abs() < 1e-12);
        assert!((first.delay_s.unwrap() - 0.012_345).abs() < 1e-12);
        assert_eq!(second.name.as_deref(), Some("pool.example"));
        assert_eq!((third.stratum, third.offset_s), (None, None));
        assert_eq!(third.trust, Some(2));
        assert!(sensor.sensor && sensor.selected);
        assert_eq!(sensor.delay_s, None);
    }

    #[test]
    fn something_else_is_no_listing() {
        assert_eq!(parse("ntpctl: connect: No such file or directory\n"), None);
    }

    proptest! {
        #[test]
        fn hostile_listings_never_panic(text in "(\\PC{0,60}\n){0,20}") {
            let _ = parse(&format!("clock unsynced\npeer\n{text}"));
        }
    }
}
