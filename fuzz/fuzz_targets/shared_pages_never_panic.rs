//! Any octets as the hypervisor's page and as ClockBound's segment, with and without the head by
//! which they are known: no panic, and no bound that is none.
#![no_main]

use clockbox::proto::clock_bound;
use clockbox::proto::vmclock;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = vmclock::parse(data);
    let _ = clock_bound::parse(data);
    let mut page = b"VCLK\0\x10\0\0\x01\0".to_vec();
    page.extend(data);
    let _ = vmclock::parse(&page);
    let mut segment = b"\x41\x4d\x5a\x4e\x43\x42\x02\x00".to_vec();
    segment.extend(80_u32.to_ne_bytes());
    segment.extend(2_u16.to_ne_bytes());
    segment.extend(data);
    if let Ok(Some(read)) = clock_bound::parse(&segment) {
        let moment = data.first_chunk().map_or(0, |octets| i64::from_ne_bytes(*octets));
        let bound = read.at(moment).bound_s;
        assert!(bound.is_none_or(|bound| bound.is_finite() && bound >= 0.0));
    }
});
