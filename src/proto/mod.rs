//! What goes over the wire: bytes to types and back, nothing else.
//!
//! - [`bus`]: property values as busctl prints them; timesyncd's last message.
//! - [`clock_bound`]: the segment of Amazon's ClockBound.
//! - [`cmdmon`]: chrony's control protocol, version 6, both sides.
//! - [`mode6`]: the control messages of ntpd (RFC 9327), reading only.
//! - [`ntpctl`]: what OpenNTPD's ntpctl prints.
//! - [`ntpd_rs`]: what ntpd-rs says on its observation socket.
//! - [`reader`]: the bounds-checked cursor that every decoder uses.
//! - [`nts_ke`]: records of NTS key establishment (RFC 8915 §4).
//! - [`ntp_shm`]: the shared memory segment of ntpd's driver 28.
//! - [`mono_root`]: the experimental extension field F323.
//! - [`packet`]: the NTP header (RFC 5905 §7.3).
//! - [`exposure`]: the questions that show whether mode 6 and 7 are open.
//! - [`extension`]: extension fields (RFC 7822).
//! - [`mac`]: authentication by symmetric keys.
//! - [`prefix`]: which of many networks decides about an address.
//! - [`sock_sample`]: a sample as programs send it to a reference clock's socket.
//! - [`refid`]: reference identifiers and kiss codes (RFC 5905 §7.3, §7.4).
//! - [`vmclock`]: the page about time that a hypervisor shares.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod bus;
pub mod clock_bound;
pub mod cmdmon;
pub mod exposure;
pub mod extension;
pub mod mac;
pub mod mode6;
pub mod mono_root;
pub mod ntp_shm;
pub mod ntpctl;
pub mod ntpd_rs;
pub mod nts_ke;
pub mod packet;
pub mod prefix;
pub mod reader;
pub mod refid;
pub mod sock_sample;
pub mod vmclock;
