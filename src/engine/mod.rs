//! Measuring, voting, disciplining. Pure and deterministic: time, randomness and packets are
//! arguments.
//!
//! One measurement of several servers, for `sync`:
//! - [`checks`]: which replies are believed (RFC 5905 §8), and why not.
//! - [`sample`]: four timestamps to offset, delay, dispersion.
//! - [`vote`]: which sources tell the truth, and what they say together (RFC 5905 §11.2).
//! - [`probe`]: a few packets to several sources at once, until the answer is sure.
//! - [`correction`]: whether to step, to slew or to leave the clock, and doing it.
//!
//! The daemon:
//! - [`run()`]: the loop, over the two seams [`clock`] and [`transport`].
//! - [`Engine`]: owns the sources, the vote and the discipline; is told what happened and says
//!   what to do.
//! - [`source`], [`reply`], [`measurement`]: one association, its replies, its measurements.
//! - [`estimator`]: offset and frequency from noise that only ever delays.
//! - [`select`], [`system`]: who tells the truth, and what they say together.
//! - [`discipline`]: what is done to the clock.
//! - [`sim`]: a simulated clock, network and servers for the same loop.
#![forbid(unsafe_code)]

pub mod checks;
pub mod clock;
pub mod config;
mod core;
pub mod correction;
pub mod discipline;
pub mod estimator;
pub mod measurement;
mod pace;
pub mod probe;
pub mod random;
pub mod reply;
mod run;
pub mod sample;
pub mod select;
mod shape;
pub mod sim;
pub mod source;
pub mod system;
mod tilt;
pub mod transport;
pub mod vote;

pub use self::core::Action;
pub use self::core::Engine;
pub use self::core::Note;
pub use run::End;
pub use run::Observer;
pub use run::run;
