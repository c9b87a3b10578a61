//! Configuration files of time daemons: text to types, with spans and diagnostics.
//!
//! [`cloud`] tells the cloud a machine stands on from what its firmware says, [`cgroup`] the unit or
//! container that a control group belongs to; [`firewall`] is what packet filters' rules say.
//! container that a control group belongs to.
//!
//! Pure: no files, no clock, no printing. Files that a configuration includes are read through
//! [`files::Files`]. Parsers never stop at the first fault; they return what they understood and
//! a list of [`diagnostic::Diagnostic`].

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod address;
pub mod cgroup;
pub mod chrony;
pub mod cloud;
pub mod convert;
pub mod diagnostic;
pub mod files;
pub mod firewall;
pub mod key_store;
pub mod keys;
pub mod leap_list;
pub mod near;
pub mod ntp;
pub mod posix_tz;
pub mod ptp;
pub mod sources;
pub mod span;
pub mod timesyncd;
pub mod tzif;
pub mod words;
pub mod zone;
