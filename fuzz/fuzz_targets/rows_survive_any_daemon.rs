//! Any octets as everything that a chronyd and an ntpd say: rows come of it, or a reason, without a
//! panic, without an endless list, and without a control character in a text.
#![no_main]

use clockbox::commands::sources::chronyd;
use clockbox::commands::sources::ntpd;
use clockbox::commands::sources::observed::Observed;
use clockbox::proto::cmdmon::reply::Reply;
use clockbox::proto::cmdmon::request::Request;
use clockbox::proto::mode6::packet::Opcode;
use clockbox::sys::cmdmon;
use clockbox::sys::mode6;
use clockbox::time::NtpTimestamp;

/// A daemon that says the octets, a portion a question, and then no more.
struct Says<'a>(&'a [u8]);

impl<'a> Says<'a> {
    fn portion(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first()?;
        let (portion, rest) = rest.split_at_checked(usize::from(*length) * 2)?;
        self.0 = rest;
        Some(portion)
    }
}

impl chronyd::Ask for Says<'_> {
    fn ask(&mut self, _: &Request) -> Result<Option<Reply>, cmdmon::AskError> {
        let portion = self.portion().ok_or(cmdmon::AskError::Silent)?;
        Ok(Reply::decode(portion).ok().map(|(_, reply)| reply))
    }
}

impl ntpd::Ask for Says<'_> {
    fn ask(&mut self, _: Opcode, _: u16) -> Result<(u16, Vec<u8>), mode6::AskError> {
        let portion = self.portion().ok_or(mode6::AskError::Silent)?;
        let status = portion.first().copied().map_or(0, u16::from) << 8;
        Ok((status, portion.to_vec()))
    }
}

fn harmless(seen: &Observed) {
    assert!(seen.sources.len() <= 512);
    let rows = seen.sources.iter().flat_map(|row| {
        [&row.name, &row.address, &row.refid, &row.reference, &row.text]
    });
    let daemon = &seen.daemon;
    let own = [&daemon.version, &daemon.follows, &daemon.refid, &daemon.problem];
    for text in rows.chain(own).flatten() {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(seen) = chronyd::observe(&mut Says(data), "chronyd", (1_700_000_000, 0)) {
        harmless(&seen);
    }
    if let Ok(seen) = ntpd::observe(&mut Says(data), "ntpd", NtpTimestamp::ZERO) {
        harmless(&seen);
    }
});
