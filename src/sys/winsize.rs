//! The size of a terminal's window: an unsafe leaf (ioctl TIOCGWINSZ, tty_ioctl(4)).
#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use std::os::fd::AsFd;
use std::os::fd::AsRawFd;

nix::ioctl_read_bad!(tiocgwinsz, nix::libc::TIOCGWINSZ, nix::libc::winsize);

/// Columns of the window behind `fd`, `None` when it is not a terminal.
pub(super) fn columns(fd: &impl AsFd) -> Option<u16> {
    let mut size = nix::libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the descriptor is borrowed for the call, and `size` is the structure that the kernel
    // fills.
    unsafe { tiocgwinsz(fd.as_fd().as_raw_fd(), &raw mut size) }.ok()?;
    Some(size.ws_col)
}
