//! Whether the machine was moved to another host, as the hypervisor's page tells: its counter jumps
//! and runs at another rate then, which no other sign shows.

use crate::sys::log;
use crate::sys::log::Level;
use crate::sys::shared_page::Device;
use crate::time::Monotonic;
use std::path::Path;

/// Seconds between two looks; a look is one read of memory.
const LOOK: f64 = 1.0;

/// Watches the page.
#[derive(Debug)]
pub(super) struct Migrations {
    device: Device,
    marker: Option<u64>,
    next: Monotonic,
    /// What was said of a page that cannot be read.
    complained: bool,
}

impl Migrations {
    /// Begins to watch, while root may still open the device; `None` where there is none.
    pub(super) fn watch(root: &Path, now: Monotonic) -> Option<Self> {
        match Device::open(root) {
            Ok(device) => {
                let mut watch = Self {
                    device: device?,
                    marker: None,
                    next: now,
                    complained: false,
                };
                watch.moved(now);
                Some(watch)
            }
            Err(error) => {
                let text = format!("moves to another host will not be noticed: {error}");
                log::say(Level::Warning, &text);
                None
            }
        }
    }

    /// What tells this host from others.
    pub(super) const fn mark(&self) -> Option<u64> {
        self.marker
    }

    /// When to look at the latest.
    pub(super) const fn deadline(&self) -> Monotonic {
        self.next
    }

    /// Looks, if it is time: whether the machine was moved since the last look.
    pub(super) fn moved(&mut self, now: Monotonic) -> bool {
        if now < self.next {
            return false;
        }
        self.next = now.plus_seconds(LOOK);
        match self.device.read() {
            Ok(page) => {
                self.complained = false;
                let before = self.marker.replace(page.disruption_marker);
                before.is_some_and(|before| before != page.disruption_marker)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.complained, true) {
                    let text = format!("moves to another host are not noticed now: {error}");
                    log::say(Level::Warning, &text);
                }
                false
            }
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "the page is written where it stands, which sys::files never does"
)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_move_is_told_once() {
        let root = tempfile::tempdir().unwrap();
        let at = |seconds: u64| Monotonic::from_nanos(seconds * 1_000_000_000);
        assert!(Migrations::watch(root.path(), at(1)).is_none());
        fs::create_dir(root.path().join("dev")).unwrap();
        let path = root.path().join("dev/vmclock0");
        let write = |marker: u8| {
            let mut page = vec![0; 4096];
            page[..4].copy_from_slice(b"VCLK");
            page[5] = 16;
            page[8] = 1;
            page[16] = marker;
            fs::write(&path, page).unwrap();
        };
        write(1);
        let mut watch = Migrations::watch(root.path(), at(1)).unwrap();
        assert!(!watch.moved(at(2)));
        write(9);
        // Not before it is time.
        assert!(!watch.moved(at(2)));
        assert!(watch.moved(at(3)));
        assert!(!watch.moved(at(4)));
        // A page that breaks is no move, nor is its coming back.
        fs::write(&path, "").unwrap();
        assert!(!watch.moved(at(5)) && watch.complained);
        write(9);
        assert!(!watch.moved(at(6)));
        write(10);
        assert!(watch.moved(at(7)));
    }
}
