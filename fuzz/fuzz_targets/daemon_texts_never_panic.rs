//! Any octets as ntpd-rs's JSON, as ntpctl's listing and as a bus property: no panic, and no
//! control character in what would come to a terminal.
#![no_main]

use clockbox::proto::bus::NtpMessage;
use clockbox::proto::bus::Property;
use clockbox::proto::ntpctl;
use clockbox::proto::ntpd_rs;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(seen) = ntpd_rs::parse(data) {
        for source in seen.sources {
            assert!(!source.name.unwrap_or_default().contains(char::is_control));
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Some(listing) = ntpctl::parse(&text) {
        for peer in listing.peers {
            assert!(!peer.address.contains(char::is_control));
        }
    }
    for line in text.lines() {
        if let Some(property) = Property::parse(line) {
            assert!(
                !property
                    .words
                    .iter()
                    .any(|word| word.contains(char::is_control))
            );
            let _ = (NtpMessage::read(&property), property.address());
        }
    }
});
