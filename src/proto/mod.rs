//! What goes over the wire: bytes to types and back, nothing else.
//!
//! - [`cmdmon`]: chrony's control protocol, version 6, both sides.
//! - [`reader`]: the bounds-checked cursor that every decoder uses.
//! - [`nts_ke`]: records of NTS key establishment (RFC 8915 §4).
//! - [`packet`]: the NTP header (RFC 5905 §7.3).
//! - [`exposure`]: the questions that show whether mode 6 and 7 are open.
//! - [`extension`]: extension fields (RFC 7822).
//! - [`refid`]: reference identifiers and kiss codes (RFC 5905 §7.3, §7.4).
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod cmdmon;
pub mod exposure;
pub mod extension;
pub mod nts_ke;
pub mod packet;
pub mod reader;
pub mod refid;
