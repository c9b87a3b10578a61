//! The report of `clockbox sources`: one form for the sources of every daemon.
//!
//! - [`explain`]: what a row means, in plain words.
//! - [`page`]: the table for people, and its legend.
//! - [`prometheus`]: the text format of node_exporter's textfile collector.
//! - [`stats`], [`set`]: the reports of those verbs.

pub mod explain;
pub mod page;
pub mod prometheus;
pub mod set;
pub mod stats;

use super::Nagios;
use super::Page;
use super::Report;
use super::finding::Finding;
use super::shared_page::ClockBoundRow;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// An NTP server.
    Server,
    /// A symmetric association.
    Peer,
    /// A clock of this machine: PTP hardware clock, PPS, shared memory.
    Refclock,
    /// A sensor of OpenNTPD.
    Sensor,
    /// A pool of ntpd, whose servers have rows of their own.
    Pool,
    /// The machine's own clock as a last resort.
    Local,
}

/// What a source is to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The best one: the clock follows it.
    Selected,
    /// Good, and averaged into the result.
    Combined,
    /// Good, but not used now.
    Candidate,
    /// It contradicts the majority.
    Falseticker,
    /// Its measurements vary too much.
    Jittery,
    /// It answers, but cannot be used (yet).
    Unusable,
    /// It has not answered for eight polls, or never.
    Unreachable,
    /// Its name has no address.
    Unresolved,
    /// It refuses: kiss of death.
    Kiss,
    /// What the state is, the daemon does not say.
    Unknown,
}

impl State {
    /// The word in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Combined => "combined",
            Self::Candidate => "candidate",
            Self::Falseticker => "falseticker",
            Self::Jittery => "jittery",
            Self::Unusable => "unusable",
            Self::Unreachable => "unreachable",
            Self::Unresolved => "unresolved",
            Self::Kiss => "refuses",
            Self::Unknown => "unknown",
        }
    }

    /// The one-letter mark in tables, chronyc's where it has one.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Selected => "*",
            Self::Combined => "+",
            Self::Candidate => "-",
            Self::Falseticker => "x",
            Self::Jittery => "~",
            Self::Unknown => " ",
            _ => "?",
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Self::Selected | Self::Combined => "32",
            Self::Candidate | Self::Unknown => "36",
            Self::Falseticker | Self::Kiss => "31",
            _ => "33",
        }
    }

    /// True when it tells the truth as far as the daemon knows.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Selected | Self::Combined | Self::Candidate)
    }
}

/// How a source is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Authentication {
    /// Not at all.
    None,
    /// By a symmetric key.
    Key,
    /// By NTS.
    Nts,
}

impl Authentication {
    /// The word in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Key => "key",
            Self::Nts => "nts",
        }
    }
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SourceRow {
    /// Whose source it is: `chronyd`, `ntpd`…; `probe` when clockbox asked it itself.
    pub daemon: String,
    /// Its process, which tells daemons of one name apart; `null` on another machine.
    pub daemon_pid: Option<u32>,
    /// What it is.
    pub kind: SourceKind,
    /// What it is to the daemon.
    pub state: State,
    /// The daemon's own mark: `^*` as chronyc shows it, `*` as ntpq.
    pub native_state: Option<String>,
    /// The letter of `chronyc selectdata`, where the daemon tells it.
    pub selection: Option<String>,
    /// Its score against the selected source: over 1 it is better, at 10 the daemon changes over.
    pub selection_score: Option<f64>,
    /// Its name as configured.
    pub name: Option<String>,
    /// Its address, or a reference clock's identifier.
    pub address: Option<String>,
    /// Its stratum.
    pub stratum: Option<u8>,
    /// What it follows itself: a code at stratum 1, else an address (or a hash of one).
    pub refid: Option<String>,
    /// What the source is, in words, where the name does not say it: which device a PHC0 is.
    pub reference: Option<String>,
    /// How often it is asked.
    pub poll_interval_s: Option<f64>,
    /// The last eight polls as bits, the newest lowest.
    pub reach: Option<u8>,
    /// How many of the last eight polls were answered.
    pub reach_ok_of_8: Option<u8>,
    /// How long ago the last measurement was.
    pub last_sample_age_s: Option<f64>,
    /// Its offset now; positive: the local clock is behind.
    pub offset_s: Option<f64>,
    /// The offset as it was measured last, before what has been corrected since.
    pub measured_offset_s: Option<f64>,
    /// Bound of the offset's error.
    pub error_s: Option<f64>,
    /// Round trip.
    pub delay_s: Option<f64>,
    /// How much its measurements vary.
    pub jitter_s: Option<f64>,
    /// What it may be off by at most: half of the round trip and of its root delay, and the
    /// dispersions.
    pub root_distance_s: Option<f64>,
    /// Lower end of the interval in which it has the offset, as the daemon's vote takes it.
    pub interval_low_s: Option<f64>,
    /// Upper end of that.
    pub interval_high_s: Option<f64>,
    /// Leap status that it states: `none`, `insert`, `delete`, `unsynchronised`.
    pub leap: Option<String>,
    /// Measurements that the daemon keeps of it.
    pub samples: Option<u32>,
    /// How it is authenticated; `null` when the daemon does not say.
    pub authentication: Option<Authentication>,
    /// Options in force: `prefer`, `noselect`, `trust`, `require`; `iburst` as configured.
    pub options: Vec<String>,
    /// Where it is configured: `/etc/chrony/chrony.conf:12`.
    pub configured_at: Option<String>,
    /// What the state means and why, when the row is not plainly good.
    pub text: Option<String>,
    /// What to type, or how long to wait.
    pub next: Option<String>,
}

impl SourceRow {
    /// A source of which nothing is known yet.
    #[must_use]
    pub fn new(daemon: &str, kind: SourceKind, state: State) -> Self {
        Self {
            daemon: daemon.to_owned(),
            daemon_pid: None,
            kind,
            state,
            native_state: None,
            selection: None,
            selection_score: None,
            name: None,
            address: None,
            stratum: None,
            refid: None,
            reference: None,
            poll_interval_s: None,
            reach: None,
            reach_ok_of_8: None,
            last_sample_age_s: None,
            offset_s: None,
            measured_offset_s: None,
            error_s: None,
            delay_s: None,
            jitter_s: None,
            root_distance_s: None,
            interval_low_s: None,
            interval_high_s: None,
            leap: None,
            samples: None,
            authentication: None,
            options: Vec::new(),
            configured_at: None,
            text: None,
            next: None,
        }
    }

    /// The name, else the address.
    #[must_use]
    pub fn title(&self) -> &str {
        let known = self.name.as_deref().or(self.address.as_deref());
        known.unwrap_or("(no name)")
    }

    /// What opens the file that its line is in.
    #[must_use]
    pub fn edit(&self) -> Option<String> {
        let (file, _) = self.configured_at.as_deref()?.rsplit_once(':')?;
        Some(format!("sudoedit {file}"))
    }

    /// True when something has come from it lately, usable or not.
    #[must_use]
    pub fn answers(&self) -> bool {
        let silent = matches!(self.state, State::Unreachable | State::Unresolved);
        let counted = self.reach.is_some_and(|reach| reach != 0) || self.offset_s.is_some();
        // OpenNTPD counts no polls: a peer that it calls unusable has answered.
        !silent && (counted || (self.reach.is_none() && self.state == State::Unusable))
    }

    /// With the last eight polls.
    pub const fn set_reach(&mut self, reach: u8) {
        self.reach = Some(reach);
        self.reach_ok_of_8 = Some(reach.count_ones() as u8);
    }
}

/// A daemon, and what it says of the clock.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct DaemonRow {
    /// Its name: `chronyd`, `ntpd`, `ntpsec`, `systemd-timesyncd`, `ntpd-rs`, `openntpd`,
    /// `busybox-ntpd`, `phc2sys`, `ptp4l`, `clockbox`.
    pub name: String,
    /// Its version, where it tells it.
    pub version: Option<String>,
    /// How it was asked: `unix`, `udp`, `mode6`, `dbus`, `files`, `observe`, `ntpctl`; `null`
    /// when it could not be asked.
    pub via: Option<String>,
    /// Its process; `null` on another machine.
    pub pid: Option<u32>,
    /// True when it may set the clock and does not say that it leaves it alone.
    pub holds_clock: Option<bool>,
    /// True when it runs in a container that shares this clock.
    pub container: bool,
    /// Why it could not be asked, or not about everything.
    pub problem: Option<String>,
    /// True when it is there and answers nobody: its process is stopped, or does not read its socket.
    pub hangs: bool,
    /// True when it follows a source; `null` when it does not say.
    pub synchronised: Option<bool>,
    /// What it follows: a name or an identifier.
    pub follows: Option<String>,
    /// Its reference identifier.
    pub refid: Option<String>,
    /// Its stratum.
    pub stratum: Option<u8>,
    /// Leap status: `none`, `insert`, `delete`, `unsynchronised`.
    pub leap: Option<String>,
    /// How far the clock is off, as the daemon sees it; positive: it is behind.
    pub offset_s: Option<f64>,
    /// The bound of that: the clock is not further off, if the sources tell the truth.
    pub max_error_s: Option<f64>,
    /// Offset at the last update.
    pub last_offset_s: Option<f64>,
    /// Root mean square of the offsets at the updates, over a long time.
    pub rms_offset_s: Option<f64>,
    /// Frequency correction; positive makes the clock run faster.
    pub frequency_ppm: Option<f64>,
    /// What the source says that the frequency lacks yet; positive: faster.
    pub residual_frequency_ppm: Option<f64>,
    /// Error bound of the frequency.
    pub skew_ppm: Option<f64>,
    /// Delay to the primary reference.
    pub root_delay_s: Option<f64>,
    /// Dispersion to the primary reference.
    pub root_dispersion_s: Option<f64>,
    /// When the clock was last updated, RFC 3339, UTC.
    pub last_update: Option<String>,
    /// How long ago that was.
    pub last_update_age_s: Option<f64>,
    /// Time between the last two updates.
    pub update_interval_s: Option<f64>,
    /// True when it serves its own clock for want of a source.
    pub local_reference: bool,
}

impl DaemonRow {
    /// A daemon that has not been asked yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: None,
            via: None,
            pid: None,
            holds_clock: None,
            container: false,
            problem: None,
            hangs: false,
            synchronised: None,
            follows: None,
            refid: None,
            stratum: None,
            leap: None,
            offset_s: None,
            max_error_s: None,
            last_offset_s: None,
            rms_offset_s: None,
            frequency_ppm: None,
            residual_frequency_ppm: None,
            skew_ppm: None,
            root_delay_s: None,
            root_dispersion_s: None,
            last_update: None,
            last_update_age_s: None,
            update_interval_s: None,
            local_reference: false,
        }
    }

    /// How long ago it last corrected the clock, when it follows none of its sources any more.
    #[must_use]
    pub fn coasts_s(&self) -> Option<f64> {
        let told = |leap: &&str| *leap != "unsynchronised";
        let was = self.synchronised == Some(false)
            && !self.local_reference
            && self.leap.as_deref().filter(told).is_some();
        self.last_update_age_s.filter(|_| was)
    }

    /// True when the source is this daemon's.
    #[must_use]
    pub fn owns(&self, row: &SourceRow) -> bool {
        row.daemon == self.name && (row.daemon_pid.is_none() || row.daemon_pid == self.pid)
    }

    /// Its name among these, with its process where others have the same name.
    #[must_use]
    pub fn called(&self, among: &[Self]) -> String {
        match self.pid.filter(|_| namesakes(among, &self.name)) {
            Some(pid) => format!("{} (process {pid})", self.name),
            None => self.name.clone(),
        }
    }

    /// True when it may be said to steer this clock.
    #[must_use]
    pub fn may_steer(&self) -> bool {
        self.holds_clock != Some(false)
    }

    /// True when it runs in a container or another network, cannot be asked from here, and leaves
    /// this clock alone: it says nothing about it.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.container && !self.may_steer() && self.problem.is_some()
    }
}

/// Whether several of these daemons have this name.
#[must_use]
pub fn namesakes(daemons: &[DaemonRow], name: &str) -> bool {
    daemons.iter().filter(|daemon| daemon.name == name).count() > 1
}

/// Whose a row is, in a column: `chronyd`, or `chronyd 4711` beside others of its name.
#[must_use]
pub fn owner(daemons: &[DaemonRow], name: &str, pid: Option<u32>) -> String {
    match pid.filter(|_| namesakes(daemons, name)) {
        Some(pid) => format!("{name} {pid}"),
        None => name.to_owned(),
    }
}

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SourcesReport {
    /// The daemons that run, or that were asked on another machine.
    pub daemons: Vec<DaemonRow>,
    /// Their sources.
    pub sources: Vec<SourceRow>,
    /// What ClockBound says of this clock; `null` where it is not used, and of other machines.
    pub clock_bound: Option<ClockBoundRow>,
    /// Things noticed, gravest first.
    pub findings: Vec<Finding>,
    /// The limit of `--max-error`.
    pub max_error_limit_s: Option<f64>,
    /// How far the clock can be off by the best daemon's word: its offset, its error and all.
    pub max_error_s: Option<f64>,
    /// True when one of the daemons follows a source.
    pub synchronised: Option<bool>,
    /// The verdict in a sentence.
    pub text: String,
    /// Whether the page is to be Prometheus's.
    #[serde(skip)]
    pub prometheus: bool,
    /// What the exit status says.
    #[serde(skip)]
    pub status: ExitStatus,
    /// Said at the end of the page: how often it is drawn.
    #[serde(skip)]
    pub watch: bool,
}

impl Report for SourcesReport {
    const COMMAND: &'static str = "sources";

    fn status(&self) -> ExitStatus {
        self.status
    }

    fn render(&self, page: &Page) -> String {
        if self.prometheus {
            return prometheus::render(self);
        }
        page::render(self, page)
    }

    /// 0 synchronised and within the limit, 1 some source is bad, 2 not, 3 cannot tell.
    fn nagios(&self) -> Option<Nagios> {
        let reachable = self.sources.iter().filter(|s| s.state.is_good()).count();
        let wrong = self
            .sources
            .iter()
            .any(|s| matches!(s.state, State::Falseticker | State::Kiss));
        let over = self
            .max_error_limit_s
            .is_some_and(|limit| self.max_error_s.is_none_or(|error| error > limit));
        let state = match self.synchronised {
            None => 3,
            Some(false) => 2,
            Some(true) if over => 2,
            Some(true) if wrong => 1,
            Some(true) => 0,
        };
        let number = |value: Option<f64>| value.map_or("U".to_owned(), |v| format!("{v:.9}s"));
        let offset = self.daemons.iter().find_map(|d| d.offset_s);
        let limit = self
            .max_error_limit_s
            .map_or(String::new(), |limit| format!(";;{limit}"));
        Some(Nagios {
            state,
            line: format!(
                "{} | offset={} max_error={}{limit} sources={} good={reachable}",
                self.text.replace('|', "/"),
                number(offset),
                number(self.max_error_s),
                self.sources.len(),
            ),
        })
    }
}
