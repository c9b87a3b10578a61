//! What this process holds in memory: an unsafe leaf. After the start most pages of the program
//! itself are not needed any more.
#![allow(
    unsafe_code,
    reason = "madvise(2) and malloc_trim(3) have no safe wrapper here"
)]

use super::files;
use nix::libc;
use std::path::Path;

/// More than the map of any process of ours has.
const LONGEST: u64 = 1 << 20;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: usize,
    to: usize,
}

/// Gives back what the start used: the program's own pages, which come again from its file when
/// they are touched, and free memory. Best effort.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) only gives free memory back to the kernel.
    unsafe {
        libc::malloc_trim(0);
    }
    let (Ok(maps), Ok(program)) = (
        files::read_text(Path::new("/proc/self/maps"), LONGEST),
        super::host::program(),
    ) else {
        return;
    };
    for range in unchanging(&maps, &program.to_string_lossy()) {
        let start = range.from as *mut libc::c_void;
        // SAFETY: the range is a mapping of this program's file that nothing ever writes to (see
        // `unchanging`), so that what is dropped reads the same when it is touched again.
        unsafe {
            libc::madvise(start, range.to - range.from, libc::MADV_DONTNEED);
        }
    }
}

/// The mappings of the program's file that are code, or constants before the code. What lies
/// behind the code may have been written to by relocation before it was made read-only.
fn unchanging(maps: &str, program: &str) -> Vec<Range> {
    let mut found = Vec::new();
    for line in maps.lines() {
        let Some(rest) = line.strip_suffix(program) else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else {
            continue;
        };
        let range = range.split_once('-').and_then(|(from, to)| {
            Some(Range {
                from: usize::from_str_radix(from, 16).ok()?,
                to: usize::from_str_radix(to, 16).ok()?,
            })
        });
        match (rights, range) {
            ("r--p", Some(range)) => found.push(range),
            ("r-xp", Some(range)) => {
                found.push(range);
                break;
            }
            _ => break,
        }
    }
    // Without code they may be anything.
    let code = maps
        .lines()
        .any(|l| l.contains("r-xp") && l.ends_with(program));
    if code { found } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_before_the_code_and_the_code_are_unchanging_what_follows_is_not() {
        let maps = "\
5000-6000 r--p 00000000 08:01 42                  /usr/bin/clockbox
6000-9000 r-xp 00001000 08:01 42                  /usr/bin/clockbox
9000-a000 r--p 00004000 08:01 42                  /usr/bin/clockbox
a000-b000 rw-p 00005000 08:01 42                  /usr/bin/clockbox
b000-c000 rw-p 00000000 00:00 0                   [heap]
";
        let range = |from, to| Range { from, to };
        assert_eq!(
            unchanging(maps, "/usr/bin/clockbox"),
            [range(0x5000, 0x6000), range(0x6000, 0x9000)]
        );
        assert_eq!(unchanging(maps, "/usr/bin/other"), []);
        let written = maps.replace("r-xp", "rwxp");
        assert_eq!(unchanging(&written, "/usr/bin/clockbox"), []);
    }

    #[test]
    fn the_program_goes_on_as_before() {
        let before: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        give_back();
        let after: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        assert_eq!(before, after);
    }
}
