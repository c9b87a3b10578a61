//! The parsers over real configuration files: a directory of them is named by CLOCKBOX_CORPUS
//! (default ../shared/corpus beside the crate), and each test says so when it is not there.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests read the tree, run chronyd and say what they skip"
)]

mod chrony;
mod convert;
mod live;
mod machine;
mod ntp;
