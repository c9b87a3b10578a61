//! The only layer that touches the machine. It has no policy: it does what it is told and names
//! what failed.
//!
//! - [`error`]: operation, object, reason.
//! - [`append`]: files that lines are added to.
//! - [`ask`]: what conversations with daemons have in common.
//! - [`cards`]: the timestamps of network cards, placed on this machine's clocks.
//! - [`clock`]: reading the clocks.
//! - [`clock_watch`]: tells when somebody sets the clock.
//! - `closed_output`: whether standard output was closed from the start.
//! - [`cloud`]: what firmware and hypervisor say of the machine.
//! - [`cmdmon`]: asking chronyd through its control socket.
//! - [`daemons`]: which time daemons run, and whether they hold the clock.
//! - [`log`]: the daemon's lines, with priorities for the journal.
//! - [`memory`]: giving back what the start used.
//! - [`notify`]: the service manager.
//! - [`privileges`]: giving up root.
//! - [`commit`]: several files replaced together, or none.
//! - [`files`]: reading with a limit, replacing atomically.
//! - [`flights`]: requests whose packets a card stamps.
//! - [`guest_tools`]: a hypervisor's programs that set its guest's clock.
//! - [`interfaces`]: this machine's addresses; names of users.
//! - [`host`]: this machine's name, this process's environment.
//! - [`kernel_zone`]: the kernel's own time zone.
//! - [`lock`]: a lock that a child goes on holding.
//! - [`mail`]: a message through sendmail.
//! - [`mounts`]: what cannot be replaced because something is mounted on it.
//! - [`proc_age`]: how long processes have been running.
//! - [`process`]: running other programs.
//! - [`mode6`]: asking ntpd by control messages.
//! - [`ptp`]: PTP hardware clocks by name.
//! - [`real_time`]: a real-time priority, and the way back from it.
//! - [`refclock`]: reference clocks: PTP devices, PPS, shared memory, sockets.
//! - [`resolve`]: names to addresses, without blocking.
//! - [`requests`]: the daemon's sockets: one poll(2) for all sources.
//! - [`rtc`]: the battery-backed clock.
//! - [`serve`]: the threads and sockets that answer clients.
//! - [`service`]: services installed and enabled, by files and links.
//! - [`shared_page`]: what hypervisor and ClockBound write in memory about the clock.
//! - [`rooted`]: paths inside an image.
//! - [`signals`]: the signals that end a daemon.
//! - [`steered`]: the system clock as the engine steers it.
//! - [`timex`]: the kernel's clock discipline.
//! - [`udp`]: sockets that ask one server, with kernel timestamps.
//! - [`nts_ke`]: NTS key establishment with a server.
//! - [`probe`]: UDP questions to anybody, with the ICMP errors that come back.
//! - `proc_names`: the names of all processes.
//! - [`proc_net`]: listeners from /proc/net.
//! - [`process`]: running a program to read what it prints.
//! - [`processes`]: who holds a socket, control groups, namespaces.
//! - [`stream`]: a framed message from a Unix stream socket.
//! - [`sock_diag`]: listeners as the kernel tells them.
//! - [`terminal`]: standard output and error; width and colour.
//! - [`users`]: users and groups of this machine.
//! - [`zoneinfo`]: the zone database.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this is the layer that the fence is for"
)]

pub mod append;
pub mod ask;
pub mod cards;
pub mod clock;
pub mod clock_watch;
mod closed_output;
pub mod cloud;
pub mod cmdmon;
pub mod commit;
pub mod control;
pub mod daemons;
pub mod error;
pub mod files;
pub mod flights;
pub mod guest_tools;
pub mod host;
pub mod interfaces;
pub mod kernel_zone;
mod localtime;
pub mod lock;
pub mod log;
pub mod mail;
pub mod memory;
pub mod mode6;
pub mod mounts;
pub mod notify;
pub mod nts_ke;
pub mod outgoing;
pub mod owner;
pub mod package;
pub mod pairing;
pub mod privileges;
pub mod probe;
pub mod proc_age;
mod proc_names;
pub mod proc_net;
pub mod process;
pub mod processes;
pub mod ptp;
pub mod random;
pub mod real_time;
pub mod refclock;
pub mod requests;
pub mod resolve;
pub mod rooted;
pub mod rtc;
pub mod serve;
pub mod service;
pub mod shared_page;
pub mod signals;
pub mod sock_diag;
pub mod steered;
pub mod stream;
pub mod terminal;
pub mod timex;
pub mod udp;
pub mod users;
mod winsize;
pub mod zoneinfo;
