//! Measuring, voting, disciplining. Pure and deterministic: time, randomness and packets are
//! arguments.
#![forbid(unsafe_code)]
