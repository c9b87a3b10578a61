//! Simulations with bounds: the production loop on a simulated machine and network, over seeds.
//! A failure prints the seed. Times are in seconds throughout.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and print what they measured"
)]

mod clock;
mod names;
mod network;
mod options;
mod refclock;
mod refclock_options;
mod reference;
mod saved;
mod served;
mod servers;
mod table;
mod tuning;
mod uncorrected;
mod upkeep;
mod world;
