//! Whether standard output was closed when the program was started (`>&-`): an unsafe leaf. Rust's
//! runtime puts /dev/null in its place before `main`, so that it has to be looked at earlier.
#![allow(
    unsafe_code,
    reason = "a function that the loader calls, and a system call on a number that may be no descriptor"
)]

use nix::libc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

static CLOSED: AtomicBool = AtomicBool::new(false);

extern "C" fn look() {
    // SAFETY: F_GETFD takes a number and looks at nothing else; it fails for one that is not open.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    CLOSED.store(flags < 0, Ordering::Relaxed);
}

// SAFETY: the loader calls what stands in this section, before Rust's runtime starts; the function
// makes a system call and stores to an atomic, and needs neither.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// Whether what is written to standard output goes nowhere because nobody opened it.
pub(super) fn was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}
