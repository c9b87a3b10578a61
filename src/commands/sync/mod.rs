//! sync
pub mod target;
