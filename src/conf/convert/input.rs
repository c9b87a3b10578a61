//! What a conversion reads, for what it writes, and what its user decided.

use core::net::IpAddr;
use std::collections::BTreeMap;

use crate::conf::chrony::Version;
use crate::conf::ntp;

/// A file that belongs to the configuration: its name and its content, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Companion {
    /// Its name.
    pub path: String,
    /// Its bytes, or the reason in words.
    pub content: Result<Vec<u8>, String>,
}

/// The options that the service gives to ntpd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The file that sets them.
    pub path: String,
    /// Its line, from one.
    pub line: usize,
    /// The line as it stands.
    pub text: String,
    /// The words.
    pub words: Vec<String>,
}

/// An assignment of a service's file of variables (`/etc/default/ntp`, `/etc/sysconfig/ntpd`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The file.
    pub path: String,
    /// Its line, from one.
    pub line: usize,
    /// The line as it stands.
    pub text: String,
    /// The variable.
    pub name: String,
    /// Its value without quotes.
    pub value: String,
    /// A later line of the file sets it again.
    pub overridden: bool,
}

/// Everything that describes the old daemon.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// ntp.conf with what it includes.
    pub conf: ntp::Loaded,
    /// The key file that ntp.conf names.
    pub keys: Option<Companion>,
    /// The drift file.
    pub drift: Option<Companion>,
    /// RHEL's /etc/ntp/step-tickers.
    pub step_tickers: Option<Companion>,
    /// The command lines, in the order in which they count.
    pub command_lines: Vec<CommandLine>,
    /// What names in `restrict` lines stand for, as far as the caller looked them up.
    pub resolved: BTreeMap<String, Vec<IpAddr>>,
    /// Hosts that DHCP gave and that the configuration does not name.
    pub dhcp: Vec<String>,
    /// The line that keeps DHCP's servers out (`IGNORE_DHCP=yes`).
    pub ignore_dhcp: Option<CommandLine>,
    /// What else the files with the service's options set.
    pub variables: Vec<Variable>,
}

impl Input {
    /// A configuration alone.
    #[must_use]
    pub fn new(conf: ntp::Loaded) -> Self {
        Self {
            conf,
            keys: None,
            drift: None,
            step_tickers: None,
            command_lines: Vec::new(),
            resolved: BTreeMap::new(),
            dhcp: Vec::new(),
            ignore_dhcp: None,
            variables: Vec::new(),
        }
    }
}

/// Where the new daemon keeps its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its name.
    pub daemon: &'static str,
    /// Its configuration.
    pub conf: String,
    /// Its keys.
    pub keys: String,
    /// Its drift file.
    pub drift: String,
    /// The directory of its logs.
    pub logs: String,
    /// The directory of its NTS cookies.
    pub nts: String,
    /// Lines of the distribution that stay: `confdir`, `sourcedir`, `include`...
    pub kept: Vec<String>,
}

impl Layout {
    /// chrony as Debian, Ubuntu, Alpine and Gentoo have it.
    #[must_use]
    pub fn debian() -> Self {
        Self {
            daemon: "chronyd",
            conf: "/etc/chrony/chrony.conf".to_owned(),
            keys: "/etc/chrony/chrony.keys".to_owned(),
            drift: "/var/lib/chrony/chrony.drift".to_owned(),
            logs: "/var/log/chrony".to_owned(),
            nts: "/var/lib/chrony".to_owned(),
            kept: Vec::new(),
        }
    }

    /// chrony as RHEL, Fedora, Amazon Linux, SUSE and Arch have it.
    #[must_use]
    pub fn redhat() -> Self {
        Self {
            conf: "/etc/chrony.conf".to_owned(),
            keys: "/etc/chrony.keys".to_owned(),
            drift: "/var/lib/chrony/drift".to_owned(),
            ..Self::debian()
        }
    }

    /// clockbox's own daemon.
    #[must_use]
    pub fn clockbox() -> Self {
        Self {
            daemon: "clockbox",
            conf: "/etc/clockbox/clockbox.conf".to_owned(),
            keys: "/etc/clockbox/clockbox.keys".to_owned(),
            drift: "/var/lib/clockbox/drift".to_owned(),
            logs: "/var/log/clockbox".to_owned(),
            nts: "/var/lib/clockbox".to_owned(),
            kept: Vec::new(),
        }
    }
}

/// Where the options of the new daemon's service are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionsPlace {
    /// The file.
    pub path: String,
    /// The variable in it.
    pub variable: String,
}

/// What the result is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The version of chrony whose words may be used.
    pub version: Version,
    /// Where its files are.
    pub layout: Layout,
    /// A leap-seconds.list of the machine, if there is one.
    pub leap_list: Option<String>,
    /// Whether the time zone data has `right/UTC`, where that is known.
    pub right_utc: Option<bool>,
    /// The machine is a guest without an RTC of its own to keep.
    pub no_rtc: bool,
    /// Where the options of its service are, if its service has them.
    pub options: Option<OptionsPlace>,
}

/// What the user decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `Some(true)`: serve as before even without evidence; `Some(false)`: never serve.
    pub serve: Option<bool>,
    /// Open the command port where ntpd answered queries.
    pub remote_monitoring: bool,
    /// Control the clock as ntpd does.
    pub ntpd_like: bool,
}
