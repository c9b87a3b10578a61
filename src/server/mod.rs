//! What the server answers, and whom: pure. Bytes, addresses, a receive time and a snapshot of the
//! clock's state go in; a reply or a named refusal comes out. Nothing here allocates, locks or asks
//! the machine on the way of a packet, so that another carrier than a socket can call it too.
//!
//! - [`access`]: who is answered, and by which rule.
//! - [`clients`]: what is remembered of each client, and the limit of its rate; bounded.
//! - [`broadcast`]: what is told without having been asked.
//! - [`continuity`]: whether the clock is still the one that the state speaks of.
//! - [`counters`]: what happened to every packet.
//! - [`state`]: the clock as replies tell it; dispersion grows with time.
//! - [`published`]: a state that one thread writes and many read without a lock.
//! - [`request`]: what a datagram asks for.
//! - [`respond`]: from a request to the reply.
#![forbid(unsafe_code)]

pub mod access;
pub mod broadcast;
pub mod clients;
pub mod continuity;
pub mod counters;
pub mod published;
pub mod request;
pub mod respond;
pub mod state;
