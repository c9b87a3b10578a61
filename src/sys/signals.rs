//! The signals that end a daemon or make it read its files again: an unsafe leaf. A handler only
//! sets a flag; waits end with EINTR.
#![allow(unsafe_code, reason = "a signal handler has no safe wrapper")]

use super::error::Error;
use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::sigaction;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

static STOP: AtomicBool = AtomicBool::new(false);
static RELOAD: AtomicBool = AtomicBool::new(false);

extern "C" fn stop(_signal: i32) {
    STOP.store(true, Ordering::Relaxed);
    // Should the signal have come just before a wait began, another one ends it a second later.
    nix::unistd::alarm::set(1);
}

extern "C" fn reload(_signal: i32) {
    RELOAD.store(true, Ordering::Relaxed);
    nix::unistd::alarm::set(1);
}

extern "C" fn ring(_signal: i32) {}

/// From now on SIGTERM, SIGINT and SIGQUIT only ask the program to end, and SIGHUP to read its
/// files again.
///
/// # Errors
/// Never on Linux, for these signals.
pub fn catch() -> Result<(), Error> {
    let handle = |signal: Signal, handler: extern "C" fn(i32)| {
        let action = SigAction::new(
            SigHandler::Handler(handler),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: the handlers only store to an atomic and call alarm(2), which are safe in
        // signal handlers.
        unsafe { sigaction(signal, &action) }
            .map(|_| ())
            .map_err(|e| Error::new("catch", signal.as_str(), e.into()))
    };
    handle(Signal::SIGALRM, ring)?;
    handle(Signal::SIGHUP, reload)?;
    handle(Signal::SIGTERM, stop)?;
    handle(Signal::SIGINT, stop)?;
    handle(Signal::SIGQUIT, stop)
}

/// True once the program was asked to end.
#[must_use]
pub fn stopped() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// Asks the program to end, as SIGTERM would.
pub fn ask_to_stop() {
    STOP.store(true, Ordering::Relaxed);
}

/// True once after the program was asked to read its files again.
#[must_use]
pub fn reload_asked() -> bool {
    RELOAD.swap(false, Ordering::Relaxed)
}
