//! Fragments to a message, in whatever order they come (RFC 9327 §2). A message is complete when
//! the fragment without the more bit is there and no octet is missing. What contradicts itself or
//! is larger than the limit ends it.

use super::packet::Fragment;
use std::fmt;

/// Octets that a message may have: far more than any ntpd says of itself.
pub const MAX_MESSAGE: usize = 32 << 10;
/// Fragments that a message may have: repeated ones count.
pub const MAX_FRAGMENTS: u32 = 128;

/// Why a message will never be complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// More fragments or octets than a message may have.
    TooLarge,
    /// Two fragments that say different things about the same octets, or two ends.
    Contradiction,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "more fragments than a reply may have",
            Self::Contradiction => "fragments that contradict each other",
        })
    }
}

/// The message so far.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// What is there of it, by offset, in order and without overlap.
    parts: Vec<(usize, Vec<u8>)>,
    /// Where it ends, once the last fragment is there.
    end: Option<usize>,
    count: u32,
    status: u16,
}

impl Message {
    /// Adds a fragment; gives the whole when nothing is missing any more.
    ///
    /// # Errors
    /// When it cannot become whole.
    pub fn add(&mut self, fragment: &Fragment) -> Result<Option<(u16, Vec<u8>)>, Broken> {
        self.count += 1;
        let start = usize::from(fragment.offset);
        let end = start + fragment.data.len();
        if self.count > MAX_FRAGMENTS || end > MAX_MESSAGE {
            return Err(Broken::TooLarge);
        }
        self.status = fragment.status;
        if !fragment.more {
            if self.end.is_some_and(|known| known != end) {
                return Err(Broken::Contradiction);
            }
            self.end = Some(end);
        }
        let at = self.parts.partition_point(|(offset, _)| *offset < start);
        if let Some((offset, data)) = self.parts.get(at)
            && *offset == start
        {
            // A duplicate says nothing new, another text in its place is a lie.
            return if *data == fragment.data {
                Ok(self.whole())
            } else {
                Err(Broken::Contradiction)
            };
        }
        let before = at.checked_sub(1).and_then(|i| self.parts.get(i));
        let overlaps_before = before.is_some_and(|(o, d)| o + d.len() > start);
        let overlaps_after = self.parts.get(at).is_some_and(|(o, _)| *o < end);
        let beyond = self.end.is_some_and(|last| end > last)
            || self
                .end
                .is_some_and(|last| self.parts.iter().any(|(o, d)| o + d.len() > last));
        if overlaps_before || overlaps_after || beyond {
            return Err(Broken::Contradiction);
        }
        // An empty one that is not the last brings the message no further.
        if !fragment.data.is_empty() {
            self.parts.insert(at, (start, fragment.data.clone()));
        }
        Ok(self.whole())
    }

    fn whole(&self) -> Option<(u16, Vec<u8>)> {
        let end = self.end?;
        let mut out = Vec::with_capacity(end);
        for (offset, data) in &self.parts {
            if *offset != out.len() {
                return None;
            }
            out.extend(data);
        }
        (out.len() == end).then_some((self.status, out))
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::Opcode;
    use super::*;
    use proptest::prelude::*;

    fn part(offset: u16, data: &[u8], more: bool) -> Fragment {
        Fragment {
            response: true,
            more,
            offset,
            data: data.to_vec(),
            status: 0x0615,
            ..Fragment::request(Opcode::ReadVariables, 0, 1)
        }
    }

    #[test]
    fn a_reply_that_loops_or_never_ends_is_given_up() {
        let mut message = Message::default();
        let looped = part(0, b"abc", true);
        let end = (0..1000).find_map(|_| message.add(&looped).err());
        assert_eq!(end, Some(Broken::TooLarge));
        let mut message = Message::default();
        let far = part(65_000, &[0; 468], true);
        assert_eq!(message.add(&far), Err(Broken::TooLarge));
    }

    #[test]
    fn contradictions_are_refused() {
        for second in [
            part(0, b"xyz", true),
            part(1, b"bc", true),
            part(2, b"c", false),
        ] {
            let mut message = Message::default();
            assert_eq!(message.add(&part(0, b"abc", true)), Ok(None));
            assert_eq!(message.add(&second), Err(Broken::Contradiction));
        }
        let mut message = Message::default();
        assert_eq!(message.add(&part(3, b"", false)), Ok(None));
        assert_eq!(
            message.add(&part(3, b"x", false)),
            Err(Broken::Contradiction)
        );
    }

    #[test]
    fn an_empty_reply_is_whole() {
        let whole = Message::default().add(&part(0, b"", false)).unwrap();
        assert_eq!(whole, Some((0x0615, vec![])));
    }

    proptest! {
        #[test]
        fn fragments_in_any_order_make_the_message(
            data in proptest::collection::vec(any::<u8>(), 1..3000),
            size in 1usize..469,
            seed in any::<u64>(),
        ) {
            let mut parts: Vec<Fragment> = data
                .chunks(size)
                .enumerate()
                .map(|(i, chunk)| part((i * size) as u16, chunk, (i + 1) * size < data.len()))
                .collect();
            if parts.len() as u32 > MAX_FRAGMENTS {
                return Ok(());
            }
            parts.sort_by_key(|p| u64::from(p.offset).wrapping_mul(seed | 1).rotate_left(17));
            let mut message = Message::default();
            let mut whole = None;
            for fragment in &parts {
                whole = message.add(fragment).unwrap();
            }
            prop_assert_eq!(whole.unwrap().1, data);
        }

        #[test]
        fn hostile_fragments_stay_within_bounds(
            parts in proptest::collection::vec((any::<u16>(), 0usize..469, any::<bool>()), 0..300),
        ) {
            let mut message = Message::default();
            for (offset, length, more) in parts {
                let _ = message.add(&part(offset, &vec![b'x'; length], more));
                let held: usize = message.parts.iter().map(|(_, d)| d.len()).sum();
                prop_assert!(held <= MAX_MESSAGE);
            }
        }
    }
}
