//! What the engine asks for, and what it has to say.

use super::clock::Status;
use super::record::Record;
use super::refclock::Device;
use super::reply::Rejection;
use super::saved::Stale;
use super::source_id::SourceId;
use super::system::Standing;
use std::net::SocketAddr;

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send a request of a source.
    Send {
        /// The source.
        source: SourceId,
        /// Where to.
        to: SocketAddr,
        /// What.
        data: Vec<u8>,
    },
    /// No reply of this source is expected any more.
    Close(SourceId),
    /// Look up the addresses of a name.
    Resolve(String),
    /// Read a reference clock.
    ReadRefclock {
        /// The source.
        source: SourceId,
        /// What to read.
        device: Device,
    },
    /// Make the clock run this much faster than its oscillator, in ppm.
    SetFrequency(f64),
    /// Add this to the clock at once, in nanoseconds.
    Step(i64),
    /// Tell the kernel's readers how good the time is.
    Publish(Status),
    /// Say this in the log.
    Note(Note),
    /// Write this down.
    Record(Box<Record>),
    /// Keep the frequency and how sure it is, both in ppm, for the next start.
    SaveDrift(f64, f64),
    /// End the program: the offset, in seconds, is larger than allowed.
    GiveUp(f64),
}

/// What happened, for the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A source was measured: offset of the clock, round trip, in seconds.
    Measured {
        /// The source's name.
        source: String,
        /// Positive when the clock is behind.
        offset: f64,
        /// Round trip; none for a clock of this machine.
        delay: Option<f64>,
        /// What the filter now says of this source: offset and its standard deviation.
        filtered: Option<(f64, f64)>,
    },
    /// A source that was asked for the extension field F323 answers with it, or no longer or not
    /// without it.
    MonoRoot {
        /// The source's name.
        source: String,
        /// It answers with it.
        answers: bool,
    },
    /// A reply was not used.
    Rejected {
        /// The source's name.
        source: String,
        /// Why.
        why: Rejection,
    },
    /// The network refused a request.
    Refused {
        /// The source's name.
        source: String,
        /// Why.
        reason: String,
    },
    /// A clock of this machine cannot be read; said once until it is read again.
    Unreadable {
        /// The source's name.
        source: String,
        /// Why.
        reason: String,
    },
    /// A source known by name is now at another address.
    Moved {
        /// The source's name.
        source: String,
        /// Where it was.
        from: SocketAddr,
        /// Where it is.
        to: SocketAddr,
        /// Why.
        why: &'static str,
    },
    /// No source answers any more, this one's `maxunreach` is over: there is no reference.
    Lost {
        /// The source that was followed.
        source: String,
    },
    /// The set of combined sources or their standing changed.
    Voted {
        /// Names and standings.
        standings: Vec<(String, Standing)>,
        /// The one that the clock is said to follow.
        best: Option<String>,
    },
    /// The clock is being corrected.
    Corrected {
        /// Offset, in seconds; positive when the clock was behind.
        offset: f64,
        /// Its standard deviation.
        uncertainty: f64,
        /// Frequency of the clock's correction, ppm, and its standard deviation.
        frequency: (f64, f64),
        /// Whether it was stepped.
        stepped: bool,
    },
    /// The clock's offset is larger than the user allows, in seconds.
    TooLarge(f64),
    /// A route became longer by so many seconds.
    LongerRoute {
        /// The source's name.
        source: String,
        /// By how much.
        by: f64,
    },
    /// A source's time jumped against this machine's oscillator by so many seconds.
    Jumped {
        /// The source's name.
        source: String,
        /// By how much; positive when this machine lost time.
        by: f64,
    },
    /// A reference clock is ahead of what is known of the time as TAI is: nothing said that it keeps
    /// that. It is not used.
    KeepsTai {
        /// The source's name.
        source: String,
        /// TAI - UTC, in seconds.
        ahead: i32,
    },
    /// A leap second happens: +1 inserted, -1 deleted.
    Leap(i8),
    /// Nothing was heard for long: the clock runs on a longer mean of its frequency, in ppm.
    FallBack(f64),
    /// Somebody else set the clock.
    SetByOthers,
    /// The machine slept for so many seconds.
    Slept(f64),
    /// The machine was moved to another host.
    Migrated,
    /// It goes on with what an earlier run had learnt.
    Resumed {
        /// Sources whose measurements were taken over.
        sources: usize,
        /// The measurements.
        samples: usize,
    },
    /// What an earlier run had learnt holds no more.
    NotResumed(Stale),
}
