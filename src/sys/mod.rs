//! The only layer that touches the machine. It has no policy: it does what it is told and names
//! what failed.
//!
//! - [`error`]: operation, object, reason.
//! - [`clock`]: reading the clocks.
//! - [`cloud`]: what firmware and hypervisor say of the machine.
//! - [`cmdmon`]: asking chronyd through its control socket.
//! - [`daemons`]: which time daemons run, and whether they hold the clock.
//! - [`files`]: reading with a limit, replacing atomically.
//! - [`interfaces`]: this machine's addresses; names of users.
//! - [`host`]: this machine's name, this process's environment.
//! - [`mode6`]: asking ntpd by control messages.
//! - [`ptp`]: PTP hardware clocks by name.
//! - [`resolve`]: names to addresses, without blocking.
//! - [`rtc`]: the battery-backed clock.
//! - [`service`]: services installed and enabled, by files and links.
//! - [`timex`]: the kernel's clock discipline.
//! - [`udp`]: sockets that ask one server, with kernel timestamps.
//! - [`probe`]: UDP questions to anybody, with the ICMP errors that come back.
//! - [`proc_net`]: listeners from /proc/net.
//! - [`process`]: running a program to read what it prints.
//! - [`processes`]: who holds a socket, control groups, namespaces.
//! - [`stream`]: a framed message from a Unix stream socket.
//! - [`sock_diag`]: listeners as the kernel tells them.
//! - [`terminal`]: standard output and error; width and colour.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the layer that the fence is for"
)]

pub mod clock;
pub mod cloud;
pub mod cmdmon;
pub mod daemons;
pub mod error;
pub mod files;
pub mod host;
pub mod interfaces;
mod localtime;
pub mod mode6;
pub mod probe;
pub mod proc_net;
pub mod process;
pub mod processes;
pub mod ptp;
pub mod random;
pub mod resolve;
pub mod rtc;
pub mod service;
pub mod sock_diag;
pub mod stream;
pub mod terminal;
pub mod timex;
pub mod udp;
mod winsize;
