//! Measuring, voting, disciplining. Pure and deterministic: time, randomness and packets are
//! arguments.
//!
//! - [`checks`]: which replies are believed (RFC 5905 §8), and why not.
//! - [`sample`]: four timestamps to offset, delay, dispersion.
//! - [`vote`]: which sources tell the truth, and what they say together (RFC 5905 §11.2).
//! - [`probe`]: a few packets to several sources at once, until the answer is sure.
//! - [`correction`]: whether to step, to slew or to leave the clock, and doing it.
#![forbid(unsafe_code)]

pub mod checks;
pub mod correction;
pub mod probe;

pub mod sample;
pub mod vote;
