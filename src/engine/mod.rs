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
//! - [`refclock`]: clocks of this machine: filtered readings, pulses.
//! - [`estimator`]: offset and frequency from noise that only ever delays.
//! - [`options`]: how far each source may decide.
//! - [`select`], [`system`]: who tells the truth, and what they say together.
//! - [`discipline`]: what is done to the clock.
//! - [`mod@reference`]: what is followed and how good it is; [`local`]: the clock as its own.
//! - [`uncorrected`]: the clock without its corrections in phase, for clients that ask for it.
//! - [`record`]: what files of measurements are written from.
//! - [`rtc`]: the battery-backed clock against true time.
//! - [`saved`]: what was learnt, kept from one start to the next.
//! - [`sim`]: a simulated clock, network and servers for the same loop.
#![forbid(unsafe_code)]

mod admit;
pub mod checks;
pub mod clock;
pub mod config;
pub mod control;
mod core;
pub mod correction;
pub mod discipline;
pub mod estimator;
mod fallback;
pub mod leap;
pub mod local;
mod lost;
mod manage;
pub mod manual;
pub mod measurement;
mod names;
pub mod note;
pub mod options;
mod pace;
pub mod passed;
pub mod probe;
pub mod random;
pub mod record;
pub mod refclock;
pub mod reference;
pub mod reply;
pub mod rtc;
mod run;
pub mod sample;
pub mod saved;
mod schedule;
pub mod select;
mod server_clock;
mod shape;
pub mod sim;
pub mod smooth;
pub mod source;
pub mod source_id;
pub mod standard;
pub mod system;
pub mod tempcomp;
mod tilt;
pub mod transport;
pub mod uncorrected;
mod upkeep;
pub mod vote;

pub use self::core::Engine;
pub use manage::Change;
pub use manage::Mask;
pub use manage::Selection;
pub use note::Action;
pub use note::Note;
pub use record::Record;
pub use run::End;
pub use run::Observer;
pub use run::run;
pub use source_id::SourceId;
