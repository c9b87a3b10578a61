//! No octets are believed unless they echo the request's random timestamp; and what is believed is
//! synchronised, in order and within the limits.
#![no_main]

use clockbox::engine::checks::Expected;
use clockbox::engine::checks::MAX_DISPERSION;
use clockbox::engine::checks::verify;
use clockbox::time::NtpTimestamp;

libfuzzer_sys::fuzz_target!(|input: (Option<u64>, Option<u64>, u8, &[u8])| {
    let (outstanding, answered, version, data) = input;
    let expected = Expected {
        outstanding: outstanding.map(NtpTimestamp::from_bits),
        answered: answered.map(NtpTimestamp::from_bits),
        version: version & 7,
    };
    if let Ok(packet) = verify(data, &expected) {
        assert_eq!(Some(packet.origin), expected.outstanding);
        assert!((1..=15).contains(&packet.stratum));
        assert!(packet.root_distance() < MAX_DISPERSION);
        assert!(!packet.receive.is_zero() && !packet.transmit.is_zero());
    }
});
