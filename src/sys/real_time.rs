//! A real-time priority, and the way back from it: an unsafe leaf. A daemon that by a fault never
//! waits would leave a machine with one processor next to nothing; the kernel tells when that
//! happens (RLIMIT_RTTIME of setrlimit(2)), and it becomes an ordinary process.
#![allow(
    unsafe_code,
    reason = "sched_setscheduler(2) and a signal handler have no safe wrapper"
)]

use super::error::Error;
use nix::libc;
use nix::sys::resource::Resource;
use nix::sys::resource::getrlimit;
use nix::sys::resource::setrlimit;
use nix::sys::signal::SaFlags;
use nix::sys::signal::SigAction;
use nix::sys::signal::SigHandler;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;
use nix::sys::signal::sigaction;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering;

/// Microseconds of work without waiting for anything, after which the priority is given up.
const LONGEST_US: u64 = 500_000;

/// The thread that has the priority.
static THREAD: AtomicI32 = AtomicI32::new(0);
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

fn schedule(thread: i32, policy: i32, priority: i32) -> Result<(), nix::Error> {
    // SAFETY: an all-zero sched_param is a valid one.
    let mut parameter: libc::sched_param = unsafe { std::mem::zeroed() };
    parameter.sched_priority = priority;
    // SAFETY: the structure is initialised and lives through the call.
    let result = unsafe { libc::sched_setscheduler(thread, policy, &raw const parameter) };
    nix::Error::result(result).map(|_| ())
}

extern "C" fn give_up(_signal: i32) {
    let _ = schedule(THREAD.load(Ordering::Relaxed), libc::SCHED_OTHER, 0);
    GIVEN_UP.store(true, Ordering::Relaxed);
}

/// First in, first out among real-time processes, 1 to 99: this thread alone, not the threads and
/// programs that it starts. Whoever works for half a second without waiting loses the priority.
///
/// # Errors
/// When the kernel refuses: CAP_SYS_NICE.
pub fn take(priority: u8) -> Result<(), Error> {
    let failed = |e: nix::Error| Error::new("set", "the real-time priority", e.into());
    THREAD.store(nix::unistd::gettid().as_raw(), Ordering::Relaxed);
    let flags = SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::Handler(give_up), flags, SigSet::empty());
    // SAFETY: the handler makes one system call and stores to an atomic, both safe there.
    unsafe { sigaction(Signal::SIGXCPU, &action) }.map_err(failed)?;
    let (_, hard) = getrlimit(Resource::RLIMIT_RTTIME).map_err(failed)?;
    setrlimit(Resource::RLIMIT_RTTIME, LONGEST_US.min(hard), hard).map_err(failed)?;
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    schedule(0, policy, i32::from(priority.clamp(1, 99))).map_err(failed)
}

/// Whether the priority was lost since this was last asked.
#[must_use]
pub fn was_given_up() -> bool {
    GIVEN_UP.swap(false, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> i32 {
        // SAFETY: the call takes a number only.
        unsafe { libc::sched_getscheduler(0) }
    }

    #[test]
    fn whoever_never_waits_loses_the_priority_and_nobody_inherits_it() {
        let worker = std::thread::spawn(|| {
            if take(1).is_err() {
                return "SKIPPED: no real-time priority here (CAP_SYS_NICE)";
            }
            assert_eq!(policy() & libc::SCHED_FIFO, libc::SCHED_FIFO);
            let child = std::thread::spawn(policy).join().unwrap();
            assert_eq!(child, libc::SCHED_OTHER);
            let end = crate::sys::clock::monotonic().plus_seconds(60.0);
            while !was_given_up() && crate::sys::clock::monotonic() < end {}
            assert_eq!(policy(), libc::SCHED_OTHER);
            ""
        });
        let said = worker.join().unwrap();
        if !said.is_empty() {
            println!("{said}");
        }
    }
}
