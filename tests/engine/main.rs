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
mod network;
mod servers;
mod table;
mod world;
