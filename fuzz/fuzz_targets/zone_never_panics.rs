//! Any octets as a zone's file, a rule of TZ and the files that name a zone: no panic, offsets of a
//! day at most, a next change that is later and changes something, and editors that leave in the
//! file what they were told to.
#![no_main]

use clockbox::conf::posix_tz::PosixTz;
use clockbox::conf::tzif::Zone;
use clockbox::conf::zone;
use clockbox::conf::zone::assignment;
use clockbox::conf::zone::name;
use clockbox::conf::zone::uci;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let unix = data
        .last_chunk::<8>()
        .map_or(0, |bytes| i64::from_be_bytes(*bytes));
    if let Ok(parsed) = Zone::parse(data) {
        for at in [unix, unix >> 24, 1_795_000_000] {
            assert!(parsed.at(at).offset_s.unsigned_abs() <= 26 * 3600);
            if let Some(next) = parsed.next_transition(at) {
                assert!(next.at > at && next.before != next.after);
            }
        }
    }
    let text = zone::to_text(data);
    assert_eq!(zone::to_bytes(&text), data);
    if let Some(rule) = PosixTz::parse(&text) {
        if let Some(next) = rule.next_transition(unix >> 24) {
            assert!(next.at > unix >> 24 && next.before != next.after);
        }
    }
    let named = zone::with_plain_name(&text, "Asia/Tokyo");
    assert_eq!(zone::plain_name(&named), Some("Asia/Tokyo"));
    if let Some(new) = assignment::with_value(&text, "ZONE", "Asia/Tokyo") {
        assert_eq!(assignment::value(&new, "ZONE"), Some("Asia/Tokyo"));
    }
    let added = assignment::with_added(&text, "ZONE", "Asia/Tokyo");
    assert!(assignment::value(&added, "ZONE").is_some());
    if let Some(new) = uci::with_value(&text, "system", "zonename", "Asia/Tokyo") {
        assert_eq!(uci::value(&new, "system", "zonename"), Some("Asia/Tokyo"));
    }
    let _ = (
        name::offset(&text),
        name::in_path(&text),
        name::reversed_sign(&text),
    );
});
