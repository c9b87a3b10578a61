//! What others write in memory about this machine's clock: the hypervisor's page, and the bound of
//! ClockBound. The same rows in `status` and `sources`.

use schemars::JsonSchema;
use serde::Serialize;

/// The page about time that the hypervisor shares (vmclock).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct VmClockRow {
    /// Its device.
    pub device: String,
    /// What the host says of its clock: `synchronised`, `free_running`, `initializing`,
    /// `unreliable`, `unknown`; `null` where the page cannot be read.
    pub status: Option<String>,
    /// How far the host's time can be off, where it says that.
    pub max_error_s: Option<f64>,
    /// The host expects to move the machine: `soon` (about a day), `imminent` (about an hour).
    pub disruption: Option<String>,
    /// The same in words.
    pub text: String,
}

/// What ClockBound says of the system clock.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClockBoundRow {
    /// Its shared memory.
    pub path: String,
    /// Its word: `synchronised`, `free_running`, `disrupted`, `unknown`; `null` where it cannot be
    /// read.
    pub status: Option<String>,
    /// This machine's clock is within that of true time, by its word.
    pub error_bound_s: Option<f64>,
    /// How old the word is.
    pub age_s: Option<f64>,
    /// The same in words.
    pub text: String,
}
