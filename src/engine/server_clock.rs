//! What a server does to its own clock, as it says itself (extension field F323): each reply has
//! the arrival of the request by the server's clock and by one that runs at the same rate and is
//! never corrected in phase. How far apart the two are changes by just those corrections.

use super::config::Association;
use super::source::Source;
use crate::proto::mono_root::MonoRoot;
use crate::proto::packet::Packet;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;

/// A larger correction is not believed but measured, in seconds.
const BELIEVED: f64 = 16.0;

/// What the last replies said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerClock {
    /// The uncorrected clock's number, and how far the server's clock was ahead of it.
    known: Option<(u32, NtpDuration)>,
    /// Whether the server answers with the field; none before it answered at all.
    answers: Option<bool>,
}

impl ServerClock {
    /// Takes in a reply: the arrival of the request, and the field if there was one. Gives what the
    /// server added to its clock since the reply before, in seconds; what is less than the
    /// `resolution` of its timestamps is given once it adds up to more.
    pub(super) fn take(
        &mut self,
        receive: NtpTimestamp,
        said: Option<&MonoRoot>,
        resolution: f64,
    ) -> f64 {
        self.answers = Some(said.is_some());
        let Some(said) = said.filter(|s| !s.receive.is_zero()) else {
            self.known = None;
            return 0.0;
        };
        let ahead = receive.since(said.receive);
        let before = self.known.filter(|known| known.0 == said.epoch);
        let Some((_, old)) = before else {
            self.known = Some((said.epoch, ahead));
            return 0.0;
        };
        let by = NtpDuration::from_bits(ahead.to_bits().wrapping_sub(old.to_bits())).seconds();
        if by.abs() <= resolution {
            return 0.0;
        }
        self.known = Some((said.epoch, ahead));
        if by.abs() > BELIEVED { 0.0 } else { by }
    }

    /// Whether the server answers with the field, if that is known.
    pub(super) const fn answers(&self) -> Option<bool> {
        self.answers
    }

    /// What comes next has nothing to do with what was before.
    pub(super) const fn forget(&mut self) {
        self.known = None;
    }
}

impl Source {
    /// Whether its requests have the extension field F323: version 4 has fields.
    pub(super) const fn asks_mono_root(&self) -> bool {
        self.config.mono_root
            && self.config.version >= 4
            && matches!(self.config.association, Association::Server)
    }

    /// Takes in what a reply says of the server's own corrections. Gives what is to be added to the
    /// offset that it measures, in seconds: an interleaved one is of before the correction.
    pub(super) fn corrected(
        &mut self,
        packet: &Packet,
        said: Option<&MonoRoot>,
        resolution: f64,
    ) -> f64 {
        let by = self.server_clock.take(packet.receive, said, resolution);
        if by != 0.0 {
            self.shift(by);
        }
        if self.interleaved { by } else { 0.0 }
    }

    /// The server added so many seconds to its clock: what was measured before is moved to the
    /// time that it shows now, so that its oscillator is followed and not its corrections.
    fn shift(&mut self, by: f64) {
        for sample in &mut self.samples {
            sample.offset += by;
        }
        if let Some(track) = &mut self.track {
            track.phase += by;
        }
        self.admission.shift(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(receive: f64, epoch: u32) -> MonoRoot {
        MonoRoot {
            receive: at(receive),
            epoch,
            ..MonoRoot::ASKED
        }
    }

    fn at(seconds: f64) -> NtpTimestamp {
        NtpTimestamp::from_bits((seconds * 4_294_967_296.0) as u64)
    }

    #[test]
    fn a_step_of_the_server_is_what_its_clocks_are_further_apart() {
        let mut it = ServerClock::default();
        let mut take = |clock: f64, said: Option<MonoRoot>| it.take(at(clock), said.as_ref(), 1e-6);
        assert_eq!(take(1e6, Some(said(100.0, 1))), 0.0);
        assert_eq!(take(1e6 + 64.0, Some(said(164.0, 1))), 0.0);
        let by = take(1e6 + 128.25, Some(said(228.0, 1)));
        assert!((by - 0.25).abs() < 1e-9, "{by}");
        // Another clock; none; a jump that is not believed.
        assert_eq!(take(1e6 + 192.0, Some(said(5000.0, 2))), 0.0);
        assert_eq!(take(1e6 + 256.0, None), 0.0);
        assert_eq!(take(1e6 + 320.0, Some(said(5128.0, 2))), 0.0);
        assert_eq!(take(1e6 + 384.0, Some(said(5292.0, 2))), 0.0);
    }

    #[test]
    fn small_corrections_add_up() {
        let mut it = ServerClock::default();
        let mut sum = 0.0;
        for n in 0..100 {
            let seconds = f64::from(n);
            sum += it.take(
                at(1000.0 + seconds * (1.0 + 1e-7)),
                Some(&said(seconds + 1.0, 1)),
                1e-6,
            );
        }
        assert!((sum - 9.9e-6).abs() < 1.2e-6, "{sum:e}");
        assert_eq!(it.answers(), Some(true));
    }
}
