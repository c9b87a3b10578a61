//! What a host's addresses answered.

use crate::exit::ExitStatus;
use schemars::JsonSchema;
use serde::Serialize;

/// What an address, or the best address of a host, turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// A valid reply of a synchronised server.
    Open,
    /// A valid reply of a server that says it is not synchronised.
    Unsynchronised,
    /// A kiss of death: the server refuses.
    Kiss,
    /// Answers, but not with NTP.
    Garbage,
    /// ICMP port unreachable.
    Closed,
    /// ICMP administratively prohibited.
    Prohibited,
    /// Another ICMP error: no way there.
    Unreachable,
    /// Nothing came back: dropped on the way, or denied by the server.
    Silent,
    /// This machine's own firewall refuses to send, or drops what comes back.
    BlockedHere,
    /// This machine has no route to it (no IPv6, for instance): nothing was sent.
    NoRoute,
    /// The name has no address.
    Unresolved,
}

impl Verdict {
    /// The word in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Unsynchronised => "unsynchronised",
            Self::Kiss => "kiss of death",
            Self::Garbage => "garbage",
            Self::Closed => "closed",
            Self::Prohibited => "prohibited",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::BlockedHere => "blocked here",
            Self::NoRoute => "no route",
            Self::Unresolved => "unresolved",
        }
    }

    /// What the exit status says of one of it.
    pub(super) const fn status(self) -> ExitStatus {
        match self {
            Self::Open => ExitStatus::Done,
            Self::Silent | Self::NoRoute | Self::Unresolved => ExitStatus::Unknown,
            _ => ExitStatus::NotHeld,
        }
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// A host that was asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Target {
    /// The host as it was named.
    pub name: String,
    /// The UDP port.
    pub port: u16,
    /// The best verdict of its addresses.
    pub verdict: Verdict,
    /// Why the name has no address.
    pub error: Option<String>,
    /// Each address apart.
    pub addresses: Vec<Address>,
}

impl Target {
    /// The name, or one of the addresses, with the port where that is not 123.
    #[must_use]
    pub fn with_port(&self, name: &str) -> String {
        match self.port {
            123 => name.to_owned(),
            port if name.contains(':') => format!("[{name}]:{port}"),
            port => format!("{name}:{port}"),
        }
    }

    pub(super) fn status(&self, any: bool) -> ExitStatus {
        // Addresses that this machine has no way to say nothing of the host, if others do.
        let told = self
            .addresses
            .iter()
            .filter(|a| a.verdict != Verdict::NoRoute);
        let mut statuses = told.map(|a| a.verdict.status()).peekable();
        if statuses.peek().is_none() {
            return self.verdict.status();
        }
        if any {
            return statuses.min().unwrap_or(ExitStatus::Unknown);
        }
        let statuses: Vec<ExitStatus> = statuses.collect();
        [ExitStatus::NotHeld, ExitStatus::Unknown]
            .into_iter()
            .find(|status| statuses.contains(status))
            .unwrap_or(ExitStatus::Done)
    }
}

/// An address that was asked.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Address {
    /// The address.
    pub address: String,
    /// Its family.
    pub family: Family,
    /// What it turned out to be.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub detail: String,
    /// The address that the reply came from, when it was another one.
    pub answered_from: Option<String>,
    /// The server's stratum.
    pub stratum: Option<u8>,
    /// The server's leap indicator: `none`, `insert`, `delete`, `unsynchronised`.
    pub leap: Option<String>,
    /// The server's reference identifier.
    pub refid: Option<String>,
    /// NTP version of the reply.
    pub version: Option<u8>,
    /// What must be added to the local clock; positive: it is behind.
    pub offset_s: Option<f64>,
    /// Round trip.
    pub delay_s: Option<f64>,
    /// The server's own root distance: half its root delay plus its root dispersion.
    pub root_distance_s: Option<f64>,
    /// The kiss code.
    pub kiss: Option<String>,
    /// The ICMP message that came back.
    pub icmp: Option<Icmp>,
    /// Packets that were sent to it.
    pub packets_sent: u32,
    /// Further tests.
    pub tests: Vec<Test>,
    /// NTS key establishment on TCP 4460.
    pub nts_ke: Option<NtsKe>,
}

/// An ICMP message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Icmp {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// In words: `port unreachable`.
    pub words: String,
    /// Who sent it.
    pub from: Option<String>,
}

/// What a further test asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestName {
    /// NTPv4 from source port 123.
    SourcePort123,
    /// NTPv3 from a random port.
    Ntpv3,
    /// A request as large as one with NTS (228 octets).
    NtsSize,
    /// Mode 6, control.
    Mode6,
    /// Mode 7, private: monlist.
    Mode7,
}

impl TestName {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::SourcePort123 => "from source port 123",
            Self::Ntpv3 => "NTP version 3",
            Self::NtsSize => "228 octets, as with NTS",
            Self::Mode6 => "mode 6 (ntpq)",
            Self::Mode7 => "mode 7 (ntpdc, monlist)",
        }
    }
}

/// How a further test came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestOutcome {
    /// It was answered.
    Answered,
    /// Nothing came back.
    Silent,
    /// An ICMP error or a kiss came back.
    Refused,
    /// The server stopped answering ordinary requests too: a rate limit, or loss.
    Inconclusive,
    /// It was not tried; the detail says why.
    NotTried,
}

impl TestOutcome {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Silent => "silent",
            Self::Refused => "refused",
            Self::Inconclusive => "cannot be told",
            Self::NotTried => "not tried",
        }
    }
}

/// A further test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Test {
    /// What was asked.
    pub test: TestName,
    /// How it came out.
    pub outcome: TestOutcome,
    /// Octets of UDP payload that were sent, of the last try.
    pub sent_octets: Option<u32>,
    /// Octets of UDP payload that came back.
    pub received_octets: Option<u32>,
    /// Datagrams that came back.
    pub received_packets: Option<u32>,
    /// Why it was not tried, or what refused it.
    pub detail: Option<String>,
}

/// The state of NTS key establishment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NtsKeState {
    /// Connects, speaks `ntske/1`, and gives cookies.
    Open,
    /// Connection refused.
    Closed,
    /// Nothing came back.
    Silent,
    /// An error of the network.
    Unreachable,
    /// Connects, but TLS or NTS-KE fails.
    Failed,
    /// This program was built without NTS.
    NotTried,
}

impl NtsKeState {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::Failed => "fails",
            Self::NotTried => "not tried",
        }
    }
}

/// NTS key establishment (RFC 8915 §4).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NtsKe {
    /// How far it went.
    pub state: NtsKeState,
    /// The state in a sentence.
    pub detail: String,
    /// The TCP port.
    pub port: u16,
    /// The protocol agreed in TLS; `ntske/1` when all is well.
    pub alpn: Option<String>,
    /// The server's certificate.
    pub certificate: Option<Certificate>,
    /// Cookies that it gave.
    pub cookies: Option<u32>,
    /// The NTP server that it names, if another.
    pub server: Option<String>,
    /// The NTP port that it names, if another.
    pub ntp_port: Option<u16>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Certificate {
    /// Names that it is for.
    pub names: Vec<String>,
    /// Not valid before, RFC 3339.
    pub not_before: String,
    /// Not valid after, RFC 3339.
    pub not_after: String,
    /// Days until then by this machine's clock; negative when over.
    pub days_left: i64,
    /// Whether this machine trusts it for the host's name; null when it has no list of authorities.
    pub trusted: Option<bool>,
    /// Why not.
    pub problem: Option<String>,
}
