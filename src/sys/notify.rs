//! Telling the service manager how the daemon is doing: sd_notify(3)'s protocol, a datagram to the
//! socket that NOTIFY_SOCKET names.

use super::host;
use nix::time::ClockId;
use nix::time::clock_gettime;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;

/// Sends `NAME=VALUE` lines, if somebody listens. A manager that does not take them is no fault.
pub fn send(state: &str) {
    let Some(path) = host::variable("NOTIFY_SOCKET") else {
        return;
    };
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    if let Ok(address) = address
        && let Ok(socket) = UnixDatagram::unbound()
    {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

/// Says that the configuration is being read again (systemd's Type=notify-reload wants the time).
pub fn reloading() {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
    let micros = now.map_or(0, |t| {
        t.tv_sec().saturating_mul(1_000_000) + t.tv_nsec() / 1000
    });
    send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// Seconds between two signs of life: half of what the manager waits for at most; `None` when it
/// wants none from this process.
#[must_use]
pub fn watchdog_interval() -> Option<f64> {
    let micros: u64 = host::variable("WATCHDOG_USEC")?.parse().ok()?;
    let meant =
        host::variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
    let half = std::time::Duration::from_micros(micros / 2).as_secs_f64();
    (meant && micros > 0).then_some(half)
}
