//! Black-box tests: the program as a user runs it. One binary, a module a command.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run programs and read files"
)]

mod check_port;
mod cloud;
mod frame;
mod migrate_ntpd;
mod mock;
mod net;
mod run;
mod sources;
mod sync;
mod sync_peers;
mod timezone;
mod timezone_images;
mod timezone_kill;
mod timezone_live;
mod timezone_machine;
mod timezone_oracle;
