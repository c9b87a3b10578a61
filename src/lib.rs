//! clockbox puts a Linux machine's time right and keeps it right.
//!
//! The map of the house. A layer is a directory, and dependencies go one way:
//!
//! ```text
//! main -> cli -> commands -> { engine, server, conf, sys, report }
//! engine -> proto -> time        conf -> proto, time        server -> proto, time
//! sys -> engine (its traits and their types), server, proto, time
//! report -> time                 time -> nothing
//! ```
//!
//! - [`time`]: timestamps, durations and the monotonic clock as types. No clock is read there.
//! - [`proto`]: what goes over the wire (NTP, chrony's control protocol, mode 6).
//! - [`engine`]: measuring, voting, disciplining: pure, deterministic, simulated in tests.
//! - [`server`]: what clients are answered: a pure function, and what it remembers.
//! - [`conf`]: configuration files to types, with spans for diagnostics.
//! - [`sys`]: the only layer that touches the machine: clocks, files, sockets, processes.
//! - [`report`]: what a command found, as a table for people and JSON for programs.
//! - [`commands`]: the only place where pure meets real; one module a command.
//! - [`cli`]: the command line, and the printing of a report.
//! - [`exit`]: exit statuses, and the one error type at the edge.
//!
//! `proto`, `engine`, `server`, `conf`, `report` and `time` are pure: no clock, file, socket,
//! environment or terminal. `clippy.toml` and `tests/layers.rs` hold the fence.

pub mod cli;
pub mod commands;
pub mod conf;
pub mod engine;
pub mod exit;
pub mod proto;
pub mod report;
pub mod server;
pub mod sys;
pub mod time;
