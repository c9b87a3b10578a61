//! ntp.conf: every line is accounted for.

use std::fs;

use clockbox::conf::files::NoFiles;
use clockbox::conf::ntp;
use clockbox::conf::ntp::Dialect;

use crate::machine::corpus;

#[test]
fn every_line_is_an_item_and_no_source_is_lost() {
    let Some(files) = corpus("ntp.conf") else {
        return;
    };
    for path in files {
        let bytes = fs::read(&path).unwrap();
        for dialect in [Dialect::Classic, Dialect::Ntpsec] {
            let loaded = ntp::load_text("f", &bytes, dialect, &NoFiles);
            let text = &loaded.map.files().first().unwrap().text;
            assert_eq!(
                loaded.items.len(),
                text.lines().count(),
                "{}",
                path.display()
            );
            for name in ["server", "pool", "peer"] {
                let lines = text
                    .lines()
                    .filter(|line| line.split_whitespace().next() == Some(name))
                    .filter(|line| line.split('#').next().unwrap().split_whitespace().count() > 1)
                    .count();
                assert_eq!(
                    loaded.named(name).count(),
                    lines,
                    "{name} in {}",
                    path.display()
                );
            }
        }
    }
}
