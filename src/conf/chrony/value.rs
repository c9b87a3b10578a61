//! What a directive of chrony.conf says, as types. No spans here: a value printed and parsed again
//! is equal to itself.

use core::net::IpAddr;

use crate::conf::address::Network;

/// The meaning of a directive's arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The directive has no arguments.
    Flag,
    /// One integer.
    Int(i64),
    /// One number, in the unit that the table names.
    Float(f64),
    /// One word.
    Text(String),
    /// Words: `log`, `opencommands`, `confdir`, `sourcedir`.
    Words(Vec<String>),
    /// Integers: `ntsaeads`.
    Ints(Vec<i64>),
    /// `server`, `pool`, `peer`.
    Source(Box<Source>),
    /// `refclock`.
    Refclock(Box<Refclock>),
    /// `allow`, `deny`, `cmdallow`, `cmddeny`.
    Access(Access),
    /// `bindaddress`, `bindacqaddress`.
    Address(IpAddr),
    /// `bindcmdaddress`.
    CommandAddress(CommandAddress),
    /// `authselectmode`, `leapsecmode`.
    Mode(String),
    /// `broadcast`.
    Broadcast(Broadcast),
    /// `driftfile`.
    DriftFile(DriftFile),
    /// `fallbackdrift`: shortest and longest interval in log2 seconds.
    FallbackDrift(i64, i64),
    /// `hwtimestamp`.
    HwTimestamp(Box<HwTimestamp>),
    /// `initstepslew`: the threshold in seconds and the hosts.
    InitStepSlew(f64, Vec<String>),
    /// `local`.
    Local(Local),
    /// `mailonchange`: the address and the correction in seconds.
    MailOnChange(String, f64),
    /// `makestep`.
    MakeStep(MakeStep),
    /// `maxchange`.
    MaxChange(MaxChange),
    /// `ntstrustedcerts`: the set's number if given, and the path.
    TrustedCerts(Option<u32>, String),
    /// `ratelimit`, `cmdratelimit`, `ntsratelimit`.
    RateLimit(RateLimit),
    /// `smoothtime`.
    SmoothTime(SmoothTime),
    /// `tempcomp`.
    TempComp(Box<TempComp>),
    /// An obsolete directive, which is ignored.
    Ignored(String),
}

/// How a source is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceKind {
    /// One server.
    Server,
    /// A name with several servers.
    Pool,
    /// A symmetric association.
    Peer,
}

impl SourceKind {
    /// The directive's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Pool => "pool",
            Self::Peer => "peer",
        }
    }
}

/// One address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// `noselect`, `prefer`, `require`, `trust`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "four independent words of the syntax"
)]
pub struct Selection {
    /// Measure only.
    pub noselect: bool,
    /// Prefer to sources without it.
    pub prefer: bool,
    /// No update unless one such source is selectable.
    pub require: bool,
    /// Never a falseticker against untrusted sources.
    pub trust: bool,
}

/// A `server`, `pool` or `peer` line; `None` where the line says nothing.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent words of the syntax"
)]
#[allow(
    missing_docs,
    reason = "the fields are the options of directives::SOURCE_OPTIONS"
)]
pub struct Source {
    pub kind: SourceKind,
    /// Host name or address.
    pub name: String,
    pub port: Option<u16>,
    pub minpoll: Option<i8>,
    pub maxpoll: Option<i8>,
    pub iburst: bool,
    pub burst: bool,
    pub key: Option<u32>,
    pub nts: bool,
    pub ntsport: Option<u16>,
    pub certset: Option<u32>,
    pub select: Selection,
    pub family: Option<Family>,
    pub version: Option<u8>,
    pub xleave: bool,
    pub copy: bool,
    pub offline: bool,
    pub auto_offline: bool,
    pub presend: Option<i8>,
    pub maxsources: Option<u32>,
    pub minstratum: Option<u8>,
    pub polltarget: Option<u32>,
    pub minsamples: Option<u32>,
    pub maxsamples: Option<u32>,
    pub maxunreach: Option<u32>,
    pub filter: Option<u32>,
    /// Seconds.
    pub maxdelay: Option<f64>,
    pub maxdelayratio: Option<f64>,
    pub maxdelaydevratio: Option<f64>,
    pub maxdelayquant: Option<f64>,
    /// Seconds.
    pub mindelay: Option<f64>,
    pub asymmetry: Option<f64>,
    /// Seconds added to the source's offset.
    pub offset: Option<f64>,
    /// Types of extension fields, in the order given.
    pub extfields: Vec<u32>,
}

impl Source {
    /// A source without options.
    #[must_use]
    pub fn new(kind: SourceKind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            port: None,
            minpoll: None,
            maxpoll: None,
            iburst: false,
            burst: false,
            key: None,
            nts: false,
            ntsport: None,
            certset: None,
            select: Selection::default(),
            family: None,
            version: None,
            xleave: false,
            copy: false,
            offline: false,
            auto_offline: false,
            presend: None,
            maxsources: None,
            minstratum: None,
            polltarget: None,
            minsamples: None,
            maxsamples: None,
            maxunreach: None,
            filter: None,
            maxdelay: None,
            maxdelayratio: None,
            maxdelaydevratio: None,
            maxdelayquant: None,
            mindelay: None,
            asymmetry: None,
            offset: None,
            extfields: Vec::new(),
        }
    }
}

/// A `refclock` line; `None` where the line says nothing.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(
    missing_docs,
    reason = "the fields are the options of directives::REFCLOCK_OPTIONS"
)]
pub struct Refclock {
    /// PHC, PPS, RTC, SHM or SOCK, as written.
    pub driver: String,
    /// The driver's parameter with its own options: `0`, `/dev/ptp0:nocrossts`.
    pub parameter: String,
    /// One to four characters.
    pub refid: Option<String>,
    pub lock: Option<String>,
    pub poll: Option<i8>,
    pub dpoll: Option<i8>,
    pub filter: Option<u32>,
    pub rate: Option<u32>,
    pub minsamples: Option<u32>,
    pub maxsamples: Option<u32>,
    pub maxunreach: Option<u32>,
    pub maxlockage: Option<u32>,
    /// Seconds added to the clock's offset.
    pub offset: Option<f64>,
    /// Seconds.
    pub delay: Option<f64>,
    /// Seconds.
    pub precision: Option<f64>,
    /// Seconds.
    pub maxdispersion: Option<f64>,
    /// Seconds.
    pub width: Option<f64>,
    pub stratum: Option<u8>,
    pub pps: bool,
    pub tai: bool,
    pub local: bool,
    pub select: Selection,
}

/// Whom a rule of access is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Every address of both families.
    Everybody,
    /// A network.
    Network(Network),
    /// A host by name, looked up once at the start.
    Name(String),
}

/// `allow`, `deny` and their command forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// `all`: the rules of subnets inside are dropped.
    pub all: bool,
    /// Whom it is about.
    pub subject: Subject,
}

/// Where the command port listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandAddress {
    /// UDP on this address.
    Ip(IpAddr),
    /// A Unix socket; `/` disables it.
    Path(String),
}

/// `broadcast`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Seconds between packets.
    pub interval_s: i64,
    /// Where they go.
    pub address: IpAddr,
    /// UDP port; 123 if not given.
    pub port: Option<u16>,
}

/// `driftfile`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriftFile {
    /// The file.
    pub path: String,
    /// Seconds between updates; 3600 if not given.
    pub interval_s: Option<i64>,
}

/// `hwtimestamp`; `None` where the line says nothing.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(
    missing_docs,
    reason = "the fields are the options of directives::HWTIMESTAMP_OPTIONS"
)]
pub struct HwTimestamp {
    /// Interface, or `*` for all.
    pub interface: String,
    pub minpoll: Option<i8>,
    pub maxpoll: Option<i8>,
    pub minsamples: Option<u32>,
    pub maxsamples: Option<u32>,
    /// Seconds.
    pub precision: Option<f64>,
    /// Seconds.
    pub rxcomp: Option<f64>,
    /// Seconds.
    pub txcomp: Option<f64>,
    /// `all`, `ntp`, `ptp` or `none`.
    pub rxfilter: Option<String>,
    pub nocrossts: bool,
}

/// `local`; `None` where the line says nothing.
#[derive(Clone, Debug, PartialEq, Default)]
#[allow(
    missing_docs,
    reason = "the fields are the options of directives::LOCAL_OPTIONS"
)]
pub struct Local {
    pub stratum: Option<u8>,
    pub orphan: bool,
    /// Seconds.
    pub distance: Option<f64>,
    /// Seconds.
    pub activate: Option<f64>,
    /// Seconds.
    pub waitsynced: Option<f64>,
    /// Seconds.
    pub waitunsynced: Option<f64>,
}

/// `makestep`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MakeStep {
    /// Seconds.
    pub threshold_s: f64,
    /// Updates since the start in which stepping is allowed; negative = any.
    pub limit: i64,
}

/// `maxchange`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxChange {
    /// Seconds.
    pub offset_s: f64,
    /// First update that is checked.
    pub start: i64,
    /// Updates ignored before giving up; negative = never give up.
    pub ignore: i64,
}

/// `ratelimit` and its relatives; log2 of seconds or requests, `None` where nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[allow(
    missing_docs,
    reason = "the fields are the options of directives::RATELIMIT_OPTIONS"
)]
pub struct RateLimit {
    pub interval: Option<i64>,
    pub burst: Option<i64>,
    pub leak: Option<i64>,
    pub kod: Option<i64>,
}

/// `smoothtime`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothTime {
    /// ppm.
    pub max_frequency_ppm: f64,
    /// ppm per second.
    pub max_wander_ppm_per_s: f64,
    /// Only leap seconds are smoothed.
    pub leap_only: bool,
}

/// `tempcomp`.
#[derive(Clone, Debug, PartialEq)]
pub struct TempComp {
    /// File the temperature is read from.
    pub sensor: String,
    /// Seconds between readings.
    pub interval_s: f64,
    /// How temperature becomes frequency.
    pub curve: TempCurve,
}

/// The compensation of `tempcomp`.
#[derive(Clone, Debug, PartialEq)]
pub enum TempCurve {
    /// A file of points.
    Points(String),
    /// `T0 k0 k1 k2`.
    Polynomial([f64; 4]),
}
