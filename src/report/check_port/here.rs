//! What holds the port on this machine, and what its packet filter says.

use super::there::Family;
use super::there::Verdict;
use schemars::JsonSchema;
use serde::Serialize;

/// This machine's own port.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Here {
    /// What is with UDP 123 in a word.
    pub server: ServerState,
    /// That in a sentence.
    pub summary: String,
    /// Where this process stands: container, network namespace.
    pub place: Place,
    /// Sockets that wait for anybody on the ports of time: UDP 123, 319, 320, 323, TCP 4460.
    pub listeners: Vec<Listener>,
    /// How they were found: `sock_diag`, `proc_net`.
    pub seen_via: String,
    /// Time daemons that run.
    pub daemons: Vec<Daemon>,
    /// What each own address answered to a request from this machine; empty when nobody listens.
    pub own_answers: Vec<OwnAnswer>,
    /// The packet filters that were looked for.
    pub filters: Vec<Filter>,
    /// What firewalld and ufw say in their own words.
    pub managers: Vec<Manager>,
    /// What the packet filters do with NTP, one row a way, family and interface; empty when they
    /// could not be read.
    pub passages: Vec<Passage>,
    /// The cloud, and what must be allowed there.
    pub platform: Platform,
}

impl Here {
    /// Whether UDP 123 is held, and by whom, or whether packets get there, is for root alone to see.
    pub(super) fn hides_something(&self) -> bool {
        let mut holders = self
            .listeners
            .iter()
            .filter(|l| l.protocol == "udp" && l.port == 123)
            .peekable();
        let unread = self.filters.iter().any(Filter::needs_root);
        let hidden =
            |l: &Listener| l.process.is_none() && l.unit.is_none() && l.container.is_none();
        holders.peek().is_some() && (unread || holders.any(hidden))
    }
}

/// What is with UDP 123.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// One time daemon holds it.
    Held,
    /// Several hold it, or another time daemon fights for the clock.
    Conflict,
    /// Something holds it that is no time daemon known here, and it gives no NTP answer.
    Foreign,
    /// Nobody holds it, and the daemon that runs needs no port.
    NobodyFine,
    /// Nobody holds it, though the configuration of the daemon says that it serves, or a client was
    /// named that should get in.
    NobodyWrong,
    /// Nobody holds it, and no time daemon runs that could be seen.
    NobodyRuns,
    /// It could not be told.
    Unknown,
}

/// Where this process stands.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Place {
    /// The container's engine: `docker`, `podman`, `kubernetes`, `lxc`, `systemd-nspawn`…; null
    /// outside of any.
    pub container: Option<String>,
    /// Whether the network namespace is that of process 1; null when it could not be told.
    pub own_network_namespace: Option<bool>,
    /// The namespace's name for `ip netns`.
    pub namespace_name: Option<String>,
}

/// A socket that waits for anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Listener {
    /// `udp` or `tcp`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// The local address; `0.0.0.0` and `::` are all of the family.
    pub address: String,
    /// Its family.
    pub family: Family,
    /// Whether an IPv6 socket takes IPv4 too; null when not told.
    pub takes_ipv4: Option<bool>,
    /// The interface that it is bound to.
    pub interface: Option<String>,
    /// The process's name; null when it could not be seen.
    pub process: Option<String>,
    /// The process's number.
    pub pid: Option<u32>,
    /// The systemd unit.
    pub unit: Option<String>,
    /// The container that the process is in: engine and name.
    pub container: Option<String>,
    /// For Docker's proxy: where it hands packets to.
    pub forwards_to: Option<String>,
    /// The user that opened the socket.
    pub user: Option<String>,
    /// The user's number.
    pub uid: u32,
    /// How the process was found: `open_files` (sure) or `control_group` (it is in the group that
    /// opened the socket).
    pub holder_via: Option<String>,
}

/// A time daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Daemon {
    /// Its name: `chronyd`, `ntpd`, `ntpsec`, `systemd-timesyncd`, `ntpd-rs`, `openntpd`, `clockbox`…
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// Its systemd unit.
    pub unit: Option<String>,
    /// Whether it may set the clock and is not told to leave it alone; null when that could not be
    /// seen.
    pub steers_clock: Option<bool>,
    /// Whether it runs in this process's network namespace; null when that could not be told.
    pub in_this_namespace: Option<bool>,
    /// The container that it is in: engine and name.
    pub container: Option<String>,
}

/// What an own address answered.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OwnAnswer {
    /// The address that was asked.
    pub address: String,
    /// The interface that has it.
    pub interface: String,
    /// What it turned out to be.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub detail: String,
    /// The server's stratum.
    pub stratum: Option<u8>,
    /// The server's reference identifier.
    pub refid: Option<String>,
    /// What must be added to the clock, as the server sees it.
    pub offset_s: Option<f64>,
    /// The packet filter's rule that stops such packets, or may; null where none does or none could
    /// be read.
    pub filtered_by: Option<String>,
}

/// A packet filter that was looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Filter {
    /// `nftables`, `iptables`, `ip6tables`, with `-legacy` or `-nft` for the back end.
    pub name: String,
    /// Whether its rules could be read.
    pub read: bool,
    /// Why not; or how much there is.
    pub detail: String,
}

impl Filter {
    /// Whether it is for root alone to read.
    #[must_use]
    pub fn needs_root(&self) -> bool {
        !self.read && self.detail == NEEDS_ROOT
    }
}

/// The detail of a filter that only root can read.
pub const NEEDS_ROOT: &str = "needs root";

/// What a manager of packet filters says in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Manager {
    /// `firewalld` or `ufw`.
    pub name: String,
    /// Whether it is on; null when that could not be told.
    pub active: Option<bool>,
    /// What it says of UDP 123, one sentence each.
    pub says: Vec<String>,
    /// firewalld's zones that packets come to.
    pub zones: Vec<Zone>,
}

/// A zone of firewalld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Whether it is for the interfaces that no zone names.
    pub default: bool,
    /// The interfaces that it names.
    pub interfaces: Vec<String>,
    /// The sources that it names.
    pub sources: Vec<String>,
    /// What it does now, at run time; null when firewalld does not run or only root may ask it.
    pub now: Option<ZoneTerms>,
    /// What its permanent files say, which the next reload or boot brings; null when it has none.
    pub permanent: Option<ZoneTerms>,
}

/// What a zone of firewalld does with UDP 123.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ZoneTerms {
    /// Whether it lets it in from everywhere.
    pub lets_ntp_in: bool,
    /// By what: `service ntp`, `port 123/udp`, `target ACCEPT`.
    pub by: Vec<String>,
    /// Whether what it does not name is dropped; else it is rejected.
    pub drops_the_rest: bool,
    /// Rich rules that name it for some.
    pub rich_rules: u32,
}

/// A way of NTP packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Clients' requests to this machine: UDP to port 123.
    RequestsIn,
    /// This machine's answers to clients.
    AnswersOut,
    /// This machine's requests to servers: UDP to their port 123.
    RequestsOut,
    /// Servers' answers to this machine.
    AnswersIn,
}

impl Path {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::RequestsIn => "clients' requests in",
            Self::AnswersOut => "our answers out",
            Self::RequestsOut => "our requests out",
            Self::AnswersIn => "servers' answers in",
        }
    }
}

/// What the packet filters do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All pass.
    Allowed,
    /// It depends on what is not known of the packet.
    Conditional,
    /// Sent to another machine or container.
    Redirected,
    /// None passes.
    Blocked,
}

impl Outcome {
    /// For people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Conditional => "depends",
            Self::Redirected => "redirected",
            Self::Blocked => "blocked",
        }
    }
}

/// What the packet filters do with NTP one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Passage {
    /// Which packets.
    pub path: Path,
    /// Their family.
    pub family: Family,
    /// The interface that they cross; null where all are alike.
    pub interface: Option<String>,
    /// The interface's addresses that this is about; empty where all of them are alike.
    pub addresses: Vec<String>,
    /// What happens to them.
    pub outcome: Outcome,
    /// The rule that decides, in its own language; null when there is no rule at all.
    pub rule: Option<String>,
    /// The table and chain of that rule.
    pub place: Option<String>,
    /// Who writes these rules: `firewalld`, `ufw`, `nftables`, `iptables`.
    pub owner: Option<String>,
    /// What it depends on, in the order of the rules.
    pub conditions: Vec<Condition>,
}

impl Passage {
    /// Where, if it makes a difference: `eth0`, `10.0.0.1`, `10.0.0.1 and 3 others`.
    #[must_use]
    pub fn at(&self) -> Option<String> {
        match self.addresses.as_slice() {
            [] => self.interface.clone(),
            [only] => Some(only.clone()),
            [first, second] => Some(format!("{first} {second}")),
            [first, rest @ ..] => Some(format!("{first} +{}", rest.len())),
        }
    }
}

/// One of the rulings of a conditional way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Condition {
    /// What the packet must fulfil, in the rule's words; null: all others.
    pub when: Option<String>,
    /// What then happens: `accept`, `drop`, `reject`, `redirect`, `unknown`.
    pub then: String,
    /// The rule.
    pub rule: String,
}

/// The cloud, and what must be allowed there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Platform {
    /// The cloud: `aws`, `azure`…; null when the firmware names none.
    pub cloud: Option<String>,
    /// What the firmware said.
    pub evidence: Option<String>,
    /// What filters packets outside of this machine, and the rule to add there if it is to serve.
    pub outside: String,
}
