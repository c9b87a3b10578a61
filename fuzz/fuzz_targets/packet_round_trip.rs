//! Whatever decodes encodes to the same 48 octets; whatever splits into extension fields fills the
//! octets that it was split from.
#![no_main]

use clockbox::proto::extension;
use clockbox::proto::packet::HEADER_LEN;
use clockbox::proto::packet::Packet;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(packet) = Packet::decode(data) else {
        assert!(data.len() < HEADER_LEN);
        return;
    };
    assert_eq!(packet.encode()[..], data[..HEADER_LEN]);
    let rest = &data[HEADER_LEN..];
    if let Ok(trailer) = extension::split(rest) {
        let fields: usize = trailer.fields.iter().map(|f| f.body.len() + 4).sum();
        assert_eq!(fields + trailer.mac.len(), rest.len());
    }
});
