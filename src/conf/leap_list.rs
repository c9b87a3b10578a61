//! leap-seconds.list, as NIST and the IERS publish it: NTP seconds and TAI minus UTC from then on,
//! with comments that mean something (`#@` when it expires).

/// From the NTP era to Unix seconds.
const NTP_TO_UNIX: i64 = 2_208_988_800;
/// Lines looked at: the real file has under three hundred.
const MOST: usize = 2000;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeapList {
    /// Unix second and TAI minus UTC from then on, ascending.
    pub changes: Vec<(i64, i32)>,
    /// From this Unix second on it is not to be believed.
    pub expires: i64,
}

impl LeapList {
    /// Reads the text; nothing when a line is wrong, there is no entry or no expiry.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unix = |word: &str| word.parse::<i64>().ok()?.checked_sub(NTP_TO_UNIX);
        let (mut changes, mut expires) = (Vec::new(), None);
        for line in text.lines().take(MOST) {
            if let Some(rest) = line.strip_prefix("#@") {
                expires = unix(rest.split_whitespace().next()?);
                continue;
            }
            let data = line.split('#').next().unwrap_or("");
            let mut words = data.split_whitespace();
            let Some(at) = words.next() else {
                continue;
            };
            let tai: i32 = words.next()?.parse().ok()?;
            let sane = (0..1000).contains(&tai) && words.next().is_none();
            let at = unix(at).filter(|_| sane)?;
            if changes.last().is_some_and(|&(before, _)| before >= at) {
                return None;
            }
            changes.push((at, tai));
        }
        Some(Self {
            expires: expires?,
            changes: Some(changes).filter(|c| !c.is_empty())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_expiry_are_read() {
        let text = "#$\t 3676924800\n#@\t3928521600\n# words\n2272060800\t10\t# 1 Jan 1972\n3692217600 37 # 1 Jan 2017\n#h 1 2\n";
        let list = LeapList::parse(text).expect("reads");
        assert_eq!(list.changes, [(63_072_000, 10), (1_483_228_800, 37)]);
        assert_eq!(list.expires, 1_719_532_800);
    }

    #[test]
    fn a_broken_list_says_nothing() {
        for text in [
            "",
            "#@ 3928521600",
            "2272060800 10",
            "#@ 3928521600\n2272060800 x",
            "#@ 3928521600\n3692217600 37\n2272060800 10",
            "#@ 3928521600\n2272060800 10 11",
        ] {
            assert_eq!(LeapList::parse(text), None, "{text}");
        }
    }
}
