//! Any octets as fragments of a control message, three octets of offset and length before each: no
//! panic, never more than the limit, and what is read of a whole message never panics either.
#![no_main]

use clockbox::proto::mode6::packet::Fragment;
use clockbox::proto::mode6::reassembly::MAX_MESSAGE;
use clockbox::proto::mode6::reassembly::Message;
use clockbox::proto::mode6::status::associations;
use clockbox::proto::mode6::variables::Variables;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    let mut message = Message::default();
    while let [length, tail @ ..] = rest {
        let (packet, after) = tail.split_at(tail.len().min(12 + usize::from(*length)));
        rest = after;
        let Ok(fragment) = Fragment::decode(packet) else {
            continue;
        };
        assert_eq!(Fragment::decode(&fragment.encode()).as_ref(), Ok(&fragment));
        match message.add(&fragment) {
            Ok(Some((_, whole))) => {
                assert!(whole.len() <= MAX_MESSAGE);
                let list = Variables::parse(&whole);
                let _ = (
                    list.number("offset"),
                    list.reach("reach"),
                    list.timestamp("rec"),
                );
                let _ = associations(&whole);
                return;
            }
            Ok(None) => {}
            Err(_) => return,
        }
    }
});
