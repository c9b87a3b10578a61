//! Black-box tests: the program as a user runs it. One binary, a module a command.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests run programs and read files"
)]

mod cloud;
mod frame;
mod mock;
mod net;
mod run;
mod sources;
mod sync;
mod sync_peers;
