//! Notices that somebody set the system clock, or that the machine slept: a timer that the kernel
//! cancels then (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::ClockId;
use nix::sys::timerfd::Expiration;
use nix::sys::timerfd::TimerFd;
use nix::sys::timerfd::TimerFlags;
use nix::sys::timerfd::TimerSetTimeFlags;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

/// The watch. Its descriptor is readable once the clock was set.
#[derive(Debug)]
pub struct ClockWatch {
    timer: TimerFd,
}

impl ClockWatch {
    /// A watch; none where the kernel has no such timers.
    #[must_use]
    pub fn new() -> Option<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags).ok()?;
        let far = Expiration::OneShot(TimeSpec::new(i64::from(u32::MAX), 0));
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        timer.set(far, flags).ok()?;
        Some(Self { timer })
    }

    /// Whether the clock was set since this was last asked.
    #[must_use]
    pub fn was_set(&self) -> bool {
        // A read that would block waits for nothing: it says that nothing happened.
        !matches!(self.timer.wait(), Err(Errno::EAGAIN | Errno::EINTR))
    }
}

impl AsFd for ClockWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}
