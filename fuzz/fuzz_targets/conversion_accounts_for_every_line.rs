//! Any ntp.conf converts without a panic, every line that is not empty has exactly one record, and
//! what is written parses.
#![no_main]

use clockbox::conf::chrony;
use clockbox::conf::chrony::Version;
use clockbox::conf::convert::convert;
use clockbox::conf::convert::input::Input;
use clockbox::conf::convert::input::Layout;
use clockbox::conf::convert::input::Policy;
use clockbox::conf::convert::input::Target;
use clockbox::conf::files::NoFiles;
use clockbox::conf::ntp;
use clockbox::conf::ntp::Dialect;
use clockbox::conf::ntp::statement::Item;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((flags, text)) = data.split_first() else {
        return;
    };
    let dialect = if flags & 1 == 0 { Dialect::Classic } else { Dialect::Ntpsec };
    let target = Target {
        version: Version::new(4, u16::from(flags >> 4)),
        layout: Layout::debian(),
        leap_list: None,
        right_utc: None,
        no_rtc: flags & 2 != 0,
        options: None,
    };
    let policy = Policy {
        serve: (flags & 4 != 0).then_some(flags & 8 != 0),
        ..Policy::default()
    };
    let input = Input::new(ntp::load_text("ntp.conf", text, dialect, &NoFiles));
    let done = convert(&input, &target, policy);
    let lines = input.conf.items.iter().filter(|item| !matches!(item, Item::Blank(_))).count();
    assert_eq!(done.records.len(), lines);
    assert!(!done.refusal.as_ref().is_some_and(|why| why.starts_with("a bug")), "{}", done.conf);
    let loaded = chrony::load_text("chrony.conf", done.conf.as_bytes(), &NoFiles);
    assert!(!loaded.has_errors(), "{}", done.conf);
});
