//! Any text is parsed as each configuration without a panic, and every diagnostic can be shown.
#![no_main]

use clockbox::conf::chrony;
use clockbox::conf::diagnostic;
use clockbox::conf::files::NoFiles;
use clockbox::conf::ntp;
use clockbox::conf::ntp::directives::Dialect;
use clockbox::conf::sources;
use clockbox::conf::timesyncd;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let chrony = chrony::load_text("f", data, &NoFiles);
    let _ = diagnostic::render_all(&chrony.diagnostics, &chrony.map);
    for source in sources::chrony(&chrony) {
        assert!(!chrony.map.text(source.name_span).is_empty());
    }
    for dialect in [Dialect::Classic, Dialect::Ntpsec] {
        let ntp = ntp::load_text("f", data, dialect, &NoFiles);
        let _ = diagnostic::render_all(&ntp.diagnostics, &ntp.map);
        let _ = sources::ntp(&ntp);
    }
    let mut timesyncd = timesyncd::Loaded::default();
    timesyncd.text("f", data);
    let _ = diagnostic::render_all(&timesyncd.diagnostics, &timesyncd.map);
});
