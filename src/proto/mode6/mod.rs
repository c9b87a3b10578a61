//! The control messages of ntpd (RFC 9327, mode 6): what `ntpq` says to the reference ntpd and to
//! NTPsec on UDP port 123. Only the requests that read.
//!
//! - [`packet`]: one fragment.
//! - [`reassembly`]: fragments to a message, bounded.
//! - [`status`]: the status words.
//! - [`variables`]: `name=value` lists.

pub mod packet;
pub mod reassembly;
pub mod status;
pub mod variables;
