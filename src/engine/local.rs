//! The clock as its own reference (`local` of chrony.conf): for networks that are cut off, where
//! the same time matters more than the right one.

use super::reference::Reference;
use super::reference::Updates;
use super::reference::refid_of;
use super::source::Source;
use super::system::Standing;
use crate::proto::refid::RefId;
use crate::time::Monotonic;

/// The reference identifier of a clock that follows itself: 127.127.1.1, as ntpd's driver had it.
pub const REFID: RefId = RefId([127, 127, 1, 1]);

/// When and how the clock is its own reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocalConfig {
    /// Stratum that clients see, 1 to 15.
    pub stratum: u8,
    /// Sources of this same stratum are such clocks too: followed only when nothing better is
    /// there, and only the one with the smallest identifier.
    pub orphan: bool,
    /// Root distance of what the sources say from which on the clock is better, in seconds.
    pub distance: f64,
    /// Root distance that must once have been reached by the sources; 0 asks for none. In seconds.
    pub activate: f64,
    /// Not before so many seconds after the last update.
    pub wait_synced: f64,
    /// Not before so many seconds after the start, while there was no update.
    pub wait_unsynced: f64,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            stratum: 10,
            orphan: false,
            distance: 1.0,
            activate: 0.0,
            wait_synced: 0.0,
            wait_unsynced: 0.0,
        }
    }
}

impl LocalConfig {
    /// True when the clock is to be its own reference, beside what the sources say.
    pub(super) fn takes_over(
        &self,
        updates: &Updates,
        followed: Option<&Reference>,
        now: Monotonic,
    ) -> bool {
        if followed.is_some_and(|f| f.distance_at(now) <= self.distance) {
            return false;
        }
        if self.activate > 0.0 && !updates.activated {
            return false;
        }
        match updates.age(now) {
            Some(age) => age >= self.wait_synced,
            None => now.seconds_since(updates.started) >= self.wait_unsynced,
        }
    }
}

/// Sources of the local stratum serve a clock of their own. They count only while nothing better
/// can be selected, and then only the one with the smallest identifier, if that is smaller than
/// this machine's as it sees it: so all of them follow the same one, and it follows nobody.
pub(super) fn pass_over_orphans(
    local: &LocalConfig,
    sources: &[Source],
    standings: &mut [Standing],
) {
    let orphan = |s: &Source| s.remote.is_some_and(|r| r.stratum == local.stratum);
    let ready = |s: &Standing| *s == Standing::Truechimer;
    let better = sources
        .iter()
        .zip(standings.iter())
        .any(|(source, standing)| ready(standing) && !orphan(source));
    let identity = |s: &Source| Some(refid_of(s.address?.ip()).0);
    let smallest = sources
        .iter()
        .zip(standings.iter())
        .filter(|(source, standing)| ready(standing) && orphan(source))
        .filter_map(|(source, _)| Some((identity(source)?, refid_of(source.home?).0)))
        .min()
        .filter(|(theirs, ours)| theirs < ours && !better);
    for (source, standing) in sources.iter().zip(standings.iter_mut()) {
        let followed = smallest.is_some_and(|(theirs, _)| identity(source) == Some(theirs));
        if ready(standing) && orphan(source) && !followed {
            *standing = Standing::NotSelectable;
        }
    }
}
