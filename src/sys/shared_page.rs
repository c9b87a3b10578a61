//! The page that the hypervisor shares, by plain reads of its device (`/dev/vmclock0`); and the
//! segment of ClockBound, which is a file.

use super::error::Error;
use super::files;
use crate::proto::clock_bound;
use crate::proto::clock_bound::ClockBound;
use crate::proto::reader::DecodeError;
use crate::proto::vmclock;
use crate::proto::vmclock::VmClock;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The device of the page.
pub const DEVICE: &str = "/dev/vmclock0";
/// ClockBound's segment.
pub const CLOCK_BOUND: &str = "/var/run/clockbound/shm0";

/// What is being changed is read again so many times; a change takes nanoseconds.
const TRIES: usize = 100;

/// An open device.
#[derive(Debug)]
pub struct Device {
    file: File,
}

impl Device {
    /// Opens it; `None` where there is none.
    ///
    /// # Errors
    /// When it is there and may not be opened, mostly by an ordinary user.
    pub fn open(root: &Path) -> Result<Option<Self>, Error> {
        let open = OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
            .open(files::under(root, Path::new(DEVICE)));
        match open {
            Ok(file) => Ok(Some(Self { file })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::new("open", DEVICE, e)),
        }
    }

    /// What the page says now.
    ///
    /// # Errors
    /// When it cannot be read, or is no such page.
    pub fn read(&self) -> Result<VmClock, Error> {
        whole("read", DEVICE, || {
            let mut page = [0; vmclock::LENGTH];
            let octets = self.file.read_at(&mut page, 0)?;
            Ok(vmclock::parse(page.get(..octets).unwrap_or_default()))
        })
    }
}

/// What ClockBound says; `None` where there is no segment.
///
/// # Errors
/// When it cannot be read, or is no such segment.
pub fn clock_bound(root: &Path) -> Result<Option<ClockBound>, Error> {
    let path = files::under(root, Path::new(CLOCK_BOUND));
    let read = || files::head(&path, clock_bound::LENGTH as u64);
    match read() {
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    whole("read", CLOCK_BOUND, || {
        // It is written in memory, and one reading may have parts of two states.
        let (first, second) = (read(), read());
        let (Ok(first), Ok(second)) = (first, second) else {
            return Err(io::Error::other("it went away"));
        };
        Ok(match first == second {
            true => clock_bound::parse(&first),
            false => Ok(None),
        })
    })
    .map(Some)
}

/// Reads until it is whole.
fn whole<T>(
    operation: &'static str,
    object: &str,
    read: impl Fn() -> io::Result<Result<Option<T>, DecodeError>>,
) -> Result<T, Error> {
    let failed = |e| Error::new(operation, object, e);
    for _ in 0..TRIES {
        match read().map_err(failed)? {
            Ok(Some(read)) => return Ok(read),
            Ok(None) => {}
            Err(error) => return Err(failed(io::Error::other(error))),
        }
    }
    Err(failed(io::Error::other("it is never whole")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn page(marker: u64, sequence: u32) -> Vec<u8> {
        let mut page = vec![0; 4096];
        page[..4].copy_from_slice(b"VCLK");
        page[4..8].copy_from_slice(&4096_u32.to_le_bytes());
        page[8] = 1;
        page[12..16].copy_from_slice(&sequence.to_le_bytes());
        page[16..24].copy_from_slice(&marker.to_le_bytes());
        page
    }

    #[test]
    fn an_open_page_is_read_again_and_again() {
        let root = tempfile::tempdir().unwrap();
        assert!(Device::open(root.path()).unwrap().is_none());
        let path = root.path().join("dev/vmclock0");
        fs::create_dir(root.path().join("dev")).unwrap();
        fs::write(&path, page(7, 2)).unwrap();
        let device = Device::open(root.path()).unwrap().unwrap();
        let marker = || device.read().map(|page| page.disruption_marker);
        assert_eq!(marker().unwrap(), 7);
        fs::write(&path, page(8, 4)).unwrap();
        assert_eq!(marker().unwrap(), 8);
        fs::write(&path, page(9, 5)).unwrap();
        let error = marker().unwrap_err().to_string();
        assert_eq!(error, "read /dev/vmclock0: it is never whole");
        fs::write(&path, "VC").unwrap();
        let error = marker().unwrap_err().to_string();
        assert!(
            error.ends_with("magic at octet 0 ends too early"),
            "{error}"
        );
    }

    #[test]
    fn a_segment_that_is_no_file_blocks_nobody() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(clock_bound(root.path()).unwrap(), None);
        let path = root.path().join("var/run/clockbound/shm0");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o644);
        nix::unistd::mkfifo(&path, mode).unwrap();
        let error = clock_bound(root.path()).unwrap_err().to_string();
        assert!(error.ends_with("not a regular file"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, "short").unwrap();
        let error = clock_bound(root.path()).unwrap_err().to_string();
        assert!(error.contains("magic at octet 0"), "{error}");
    }
}
