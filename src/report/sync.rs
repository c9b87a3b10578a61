//! The report of `clockbox sync`: what each source said, what they said together, what was done.

use super::Page;
use super::Report;
use super::finding;
use super::finding::Finding;
use super::format::age;
use super::format::or_dash;
use super::format::paint;
use super::format::seconds;
use super::format::signed_seconds;
use super::format::wrap;
use super::table::Align;
use super::table::cell;
use super::table::table;
use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// Where the list of servers came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Origin {
    /// Where from.
    pub kind: OriginKind,
    /// The configuration's path.
    pub path: Option<String>,
    /// Why those.
    pub reason: String,
}

/// Where the list of servers came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// The command line.
    Arguments,
    /// A configuration file.
    Config,
    /// The cloud's documented time service.
    Cloud,
    /// The public pool.
    Default,
    /// The daemon that runs.
    Daemon,
}

/// What became of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Truthful, and the best of them.
    Selected,
    /// Truthful: part of the result.
    Combined,
    /// Truthful, but further from the others than they from each other.
    Outlier,
    /// It contradicts the majority.
    Falseticker,
    /// There is no majority: nobody knows.
    Disputed,
    /// Its root distance is over the limit.
    TooDistant,
    /// It says itself that it is not synchronised.
    Unsynchronised,
    /// It refuses: kiss of death.
    Kiss,
    /// ICMP port unreachable: nothing listens there.
    Refused,
    /// The network says that it cannot be reached.
    Unreachable,
    /// What it sent is no valid reply.
    Invalid,
    /// It never answered.
    Silent,
    /// It had not answered when the others had settled it.
    NotAwaited,
    /// The daemon says that it varies too much.
    TooVariable,
    /// The daemon cannot use it, or not yet.
    Unusable,
    /// Its name has no address.
    Unresolved,
}

impl Verdict {
    /// The mark before its row.
    const fn mark(self) -> &'static str {
        match self {
            Self::Selected => "*",
            Self::Combined => "+",
            Self::Outlier => "-",
            Self::Falseticker => "x",
            Self::TooVariable => "~",
            _ => "?",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Selected => "selected",
            Self::Combined => "combined",
            Self::Outlier => "outlier",
            Self::Falseticker => "falseticker",
            Self::Disputed => "disputed",
            Self::TooDistant => "too distant",
            Self::Unsynchronised => "unsynchronised",
            Self::Kiss => "kiss of death",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Invalid => "invalid",
            Self::Silent => "silent",
            Self::NotAwaited => "not awaited",
            Self::TooVariable => "too variable",
            Self::Unusable => "unusable",
            Self::Unresolved => "unresolved",
        }
    }

    const fn color(self) -> &'static str {
        match self {
            Self::Selected | Self::Combined => "32",
            Self::Outlier | Self::NotAwaited => "36",
            Self::Falseticker | Self::Disputed => "31",
            _ => "33",
        }
    }
}

/// What one source said.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SourceRow {
    /// Its name as written.
    pub name: String,
    /// The address that was asked, `null` when the name has none.
    pub address: Option<String>,
    /// UDP port; 0 for a clock of this machine.
    pub port: u16,
    /// What a clock of this machine is: the name that its driver gives it. `null` for a server.
    pub clock: Option<String>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, when it is not plainly good.
    pub text: Option<String>,
    /// Stratum.
    pub stratum: Option<u8>,
    /// What it follows: a code at stratum 1, else an address (or a hash of one).
    pub refid: Option<String>,
    /// Leap indicator: `none`, `insert`, `delete`, `unsynchronised`.
    pub leap: Option<String>,
    /// Offset θ; positive: the local clock is behind.
    pub offset_s: Option<f64>,
    /// Root distance λ: its offset is right within this, if it tells the truth.
    pub root_distance_s: Option<f64>,
    /// Round trip delay δ.
    pub delay_s: Option<f64>,
    /// Jitter ψ of its samples, `null` with fewer than two.
    pub jitter_s: Option<f64>,
    /// Dispersion ε.
    pub dispersion_s: Option<f64>,
    /// Root delay Δ that it states.
    pub root_delay_s: Option<f64>,
    /// Root dispersion Ε that it states.
    pub root_dispersion_s: Option<f64>,
    /// Good replies.
    pub samples: u32,
    /// Packets that were sent to it.
    pub packets_sent: u32,
    /// Replies that were not believed.
    pub rejected: Vec<RejectedReplies>,
}

/// Replies that were not believed for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RejectedReplies {
    /// Why.
    pub reason: String,
    /// How many.
    pub count: u32,
}

/// What the majority says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Result {
    /// The combined offset; positive: the local clock is behind.
    pub offset_s: f64,
    /// True time is within this of the offset, if the majority is truthful.
    pub error_bound_s: f64,
    /// System jitter: how far the survivors are apart; `null` with one sample of one source.
    pub jitter_s: Option<f64>,
    /// Sources that agree.
    pub truechimers: u32,
    /// Sources that gave a usable answer.
    pub voters: u32,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The clock was set at once (in a dry run: would be).
    Step,
    /// The clock is being moved little by little (in a dry run: would be).
    Slew,
    /// The offset is within the noise of its measurement.
    None,
    /// The offset is larger than `--max-offset`.
    TooLarge,
    /// No majority agrees.
    NoMajority,
    /// Nobody gave a usable answer.
    NoAnswer,
    /// Another daemon holds the clock.
    Held,
    /// The running daemon did it.
    Daemon,
    /// This process may not set the clock.
    NotPermitted,
}

/// The clock at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClockRow {
    /// What it showed, RFC 3339, UTC.
    pub time: String,
    /// The kernel's word that it is synchronised.
    pub kernel_synchronised: bool,
    /// The kernel's maximum error.
    pub max_error_s: f64,
    /// The kernel's estimated error.
    pub estimated_error_s: f64,
    /// Frequency correction; positive makes the clock run faster.
    pub frequency_ppm: f64,
    /// What a slew has still to do.
    pub slew_left_s: f64,
}

/// The battery-backed clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RtcRow {
    /// Its device.
    pub device: String,
    /// What it showed before, in its own reckoning.
    pub before: Option<String>,
    /// What it showed after it was set.
    pub after: Option<String>,
    /// Whether it keeps local time instead of UTC.
    pub local: bool,
}

/// A daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DaemonRow {
    /// Its name.
    pub name: String,
    /// Its process.
    pub pid: u32,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SyncReport {
    /// Where the list of servers came from.
    pub origin: Origin,
    /// One a source.
    pub sources: Vec<SourceRow>,
    /// What the majority says, `null` without one.
    pub result: Option<Result>,
    /// What was done.
    pub action: Action,
    /// The verdict in a sentence.
    pub text: String,
    /// The daemon that holds the clock.
    pub daemon: Option<DaemonRow>,
    /// The clock before.
    pub before: Option<ClockRow>,
    /// The clock after a change.
    pub after: Option<ClockRow>,
    /// The battery-backed clock, with `--rtc`.
    pub rtc: Option<RtcRow>,
    /// How long the measurement took.
    pub took_s: f64,
    /// Packets sent in all.
    pub packets: u32,
    /// Things noticed.
    pub findings: Vec<Finding>,
    /// Nothing was to be changed.
    #[serde(skip)]
    pub dry_run: bool,
    /// What the exit status says.
    #[serde(skip)]
    pub status: ExitStatus,
}

/// What the marks and the columns mean.
const LEGEND: &str = "
* selected   + combined: part of the result   - outlier: truthful, not needed
x falseticker: contradicts the majority   ~ too variable   ? no vote
St: stratum   Offset: + is behind   ±: root distance, the bound of its error
";

impl Report for SyncReport {
    const COMMAND: &'static str = "sync";

    fn status(&self) -> ExitStatus {
        self.status
    }

    fn changed(&self) -> Option<bool> {
        let clock = matches!(self.action, Action::Step | Action::Slew | Action::Daemon);
        Some(clock || self.rtc.as_ref().is_some_and(|rtc| rtc.after.is_some()))
    }

    fn dry_run(&self) -> Option<bool> {
        Some(self.dry_run)
    }

    fn render(&self, page: &Page) -> String {
        let mut out = String::new();
        let from = match &self.origin.path {
            Some(path) => format!("{path} ({})", self.origin.reason),
            None => self.origin.reason.clone(),
        };
        let clocks = self.sources.iter().all(|s| s.clock.is_some()) && !self.sources.is_empty();
        let (title, indent) = if clocks { ("Clock", 7) } else { ("Servers", 9) };
        out.push_str(&format!("{title}: {}\n\n", wrap(&from, page.width, indent)));
        if !self.sources.is_empty() {
            out.push_str(&self.rows(page));
            out.push('\n');
            out.push_str(&self.sentences(page));
        }
        let color = if self.status == ExitStatus::Done {
            "32"
        } else {
            "31"
        };
        out.push_str(&paint(&wrap(&self.text, page.width, 0), color, page.color));
        out.push('\n');
        if page.verbose > 0 {
            out.push_str(&self.details());
            out.push_str(LEGEND);
        }
        if !self.findings.is_empty() {
            out.push('\n');
            out.push_str(&finding::render(&self.findings, page));
        }
        out
    }
}

impl SyncReport {
    /// What tells a source from the others in a sentence: its address, unless two share it.
    #[must_use]
    pub fn label<'a>(&self, source: &'a SourceRow) -> &'a str {
        let same = |s: &&SourceRow| s.address == source.address;
        let shared = source.port != 123 || self.sources.iter().filter(same).count() > 1;
        source
            .address
            .as_deref()
            .filter(|_| !shared)
            .unwrap_or(&source.name)
    }

    fn rows(&self, page: &Page) -> String {
        let columns = [
            ("", Align::Left),
            ("Server", Align::Left),
            ("Address", Align::Left),
            ("St", Align::Right),
            ("Offset", Align::Right),
            ("±", Align::Right),
            ("Delay", Align::Right),
            ("Verdict", Align::Left),
        ];
        let rows: Vec<Vec<String>> = self
            .sources
            .iter()
            .map(|s| {
                let same = s.address.as_deref() == Some(s.name.as_str());
                let address = if same {
                    Some("\"")
                } else {
                    s.address.as_deref().or(s.clock.as_deref())
                };
                vec![
                    s.verdict.mark().to_owned(),
                    s.name.clone(),
                    or_dash(address, str::to_owned),
                    or_dash(s.stratum, |n| n.to_string()),
                    or_dash(s.offset_s, signed_seconds),
                    or_dash(s.root_distance_s, seconds),
                    or_dash(s.delay_s, seconds),
                    cell(s.verdict.words(), s.verdict.color(), page.color),
                ]
            })
            .collect();
        table(&columns, &rows, page)
    }

    /// A sentence for each source that is not plainly good.
    fn sentences(&self, page: &Page) -> String {
        let mut out = String::new();
        for source in &self.sources {
            if let Some(text) = &source.text {
                let line = format!("{}: {text}", self.label(source));
                out.push_str(&format!(
                    "{}\n",
                    wrap(&line, page.width, 0).replace('\n', "\n  ")
                ));
            }
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    fn details(&self) -> String {
        let mut out = format!(
            "{} {} in {}\n",
            self.packets,
            if self.packets == 1 {
                "packet"
            } else {
                "packets"
            },
            seconds(self.took_s)
        );
        for (word, clock) in [("before", &self.before), ("after", &self.after)] {
            if let Some(clock) = clock {
                let word_for = if clock.kernel_synchronised {
                    ""
                } else {
                    "not "
                };
                out.push_str(&format!(
                    "{word}: {} kernel {word_for}synchronised, maximum error {}, frequency {:+.3} ppm",
                    clock.time,
                    seconds(clock.max_error_s),
                    clock.frequency_ppm
                ));
                if clock.slew_left_s != 0.0 {
                    out.push_str(&format!(
                        ", {} left to slew",
                        signed_seconds(clock.slew_left_s)
                    ));
                }
                out.push('\n');
            }
        }
        if let Some(rtc) = &self.rtc {
            let show = |t: &Option<String>| t.clone().unwrap_or_else(|| "-".to_owned());
            let zone = if rtc.local { "local time" } else { "UTC" };
            out.push_str(&format!(
                "{} ({zone}): before {}, after {}\n",
                rtc.device,
                show(&rtc.before),
                show(&rtc.after)
            ));
        }
        out
    }
}

/// How long the kernel takes to slew an offset away at its 500 ppm, in words.
#[must_use]
pub fn slew_time(offset: f64) -> String {
    let time = offset.abs() / 500e-6;
    if time < 10.0 {
        seconds(time)
    } else {
        age(time)
    }
}
