//! The only layer that touches the machine. It has no policy: it does what it is told and names
//! what failed.
//!
//! - [`error`]: operation, object, reason.
//! - [`clock`]: reading the clocks.
//! - [`cloud`]: what firmware and hypervisor say of the machine.
//! - [`cmdmon`]: asking chronyd through its control socket.
//! - [`daemons`]: which time daemons run, and whether they hold the clock.
//! - [`commit`]: several files replaced together, or none.
//! - [`files`]: reading with a limit, replacing atomically.
//! - [`interfaces`]: this machine's addresses; names of users.
//! - [`host`]: this machine's name, this process's environment.
//! - [`kernel_zone`]: the kernel's own time zone.
//! - [`mounts`]: what cannot be replaced because something is mounted on it.
//! - [`proc_age`]: how long processes have been running.
//! - [`process`]: running other programs.
//! - [`mode6`]: asking ntpd by control messages.
//! - [`ptp`]: PTP hardware clocks by name.
//! - [`resolve`]: names to addresses, without blocking.
//! - [`requests`]: the daemon's sockets: one poll(2) for all sources.
//! - [`rtc`]: the battery-backed clock.
//! - [`service`]: services installed and enabled, by files and links.
//! - [`rooted`]: paths inside an image.
//! - [`signals`]: the signals that end a daemon.
//! - [`steered`]: the system clock as the engine steers it.
//! - [`timex`]: the kernel's clock discipline.
//! - [`udp`]: sockets that ask one server, with kernel timestamps.
//! - [`nts_ke`]: NTS key establishment with a server.
//! - [`probe`]: UDP questions to anybody, with the ICMP errors that come back.
//! - [`proc_net`]: listeners from /proc/net.
//! - [`process`]: running a program to read what it prints.
//! - [`processes`]: who holds a socket, control groups, namespaces.
//! - [`stream`]: a framed message from a Unix stream socket.
//! - [`sock_diag`]: listeners as the kernel tells them.
//! - [`terminal`]: standard output and error; width and colour.
//! - [`zoneinfo`]: the zone database.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the layer that the fence is for"
)]

pub mod clock;
pub mod cloud;
pub mod cmdmon;
pub mod commit;
pub mod daemons;
pub mod error;
pub mod files;
pub mod host;
pub mod interfaces;
pub mod kernel_zone;
mod localtime;
pub mod mode6;
pub mod mounts;
pub mod nts_ke;
pub mod owner;
pub mod package;
pub mod probe;
pub mod proc_age;
pub mod proc_net;
pub mod process;
pub mod processes;
pub mod ptp;
pub mod random;
pub mod requests;
pub mod resolve;
pub mod rooted;
pub mod rtc;
pub mod service;
pub mod signals;
pub mod sock_diag;
pub mod steered;
pub mod stream;
pub mod terminal;
pub mod timex;
pub mod udp;
mod winsize;
pub mod zoneinfo;
