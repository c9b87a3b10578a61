//! `clockbox serve`: the daemon that also answers clients. The engine follows its sources as in
//! `sync --daemon`, and [`host`] publishes what it says to the threads that answer; or, with
//! `--no-clock-control` and no sources of its own, the server stands `beside` whatever else keeps
//! the clock. Who is answered is in [`rules`].

mod beside;
mod broadcasts;
pub mod host;
mod page;
pub mod rules;

use super::Command;
use super::Context;
use super::daemon;
use super::daemon::Options;
use super::daemon::settings;
use super::daemon::settings::Loading;
use super::daemon::settings::access::RuleLine;
use super::daemon::settings::standing::Role;
use super::page::ManPage;
use super::sync;
use super::sync::quoted;
use crate::conf::address;
use crate::conf::chrony::Settings;
use crate::conf::chrony::value;
use crate::conf::chrony::value::Broadcast;
use crate::conf::chrony::value::Subject;
use crate::engine::local::LocalConfig;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::serve::Deciding;
use crate::report::serve::ServeReport;
use crate::server::access::Rule;
use crate::server::clients::RateLimit;
use crate::server::counters::Totals;
use crate::sys;
use crate::sys::serve::Binding;
use crate::sys::serve::Opened;
use rules::Rules;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

/// Answer clients with this machine's time, and keep that right meanwhile
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Follow this server; may be given several times
    #[arg(
        long,
        value_name = "SERVER",
        help_heading = "Time",
        conflicts_with = "config"
    )]
    upstream: Vec<String>,
    /// A chrony.conf [default: this machine's own]
    #[arg(
        long_help = "A chrony.conf [default: this machine's own, unless --upstream or --local is given]",
        long,
        value_name = "FILE",
        help_heading = "Time"
    )]
    config: Option<PathBuf>,
    /// Serve the own clock while there is no upstream
    #[arg(long_help = "Serve this machine's own clock, at this stratum (10 unless it is given), while there is no upstream", long, value_name = "STRATUM", num_args = 0..=1, default_missing_value = "10",
          value_parser = clap::value_parser!(u8).range(1..=15), help_heading = "Time")]
    local: Option<u8>,
    /// Never touch the clock: somebody else keeps it
    #[arg(
        long_help = "Never touch the clock: serve it as somebody else keeps it",
        long,
        help_heading = "Time"
    )]
    no_clock_control: bool,
    /// Start with what the last run left in dumpdir
    #[arg(
        long_help = "Start with the measurements that the last run left in dumpdir, and remove them",
        hide_short_help = true,
        short = 'r',
        long,
        help_heading = "Time"
    )]
    reload: bool,
    /// Give root up for this user
    #[arg(
        long_help = "Give root up for this user [default: the file's, else _clockbox]",
        hide_short_help = true,
        short = 'u',
        long,
        value_name = "USER",
        help_heading = "Time"
    )]
    user: Option<String>,
    /// ADDR, ADDR:PORT or :PORT [default: :123]
    #[arg(long_help = "Answer on this address: ADDR, ADDR:PORT or :PORT, IPv6 in brackets [default: all, port 123]; may be given several times", long, value_name = "ADDR", value_parser = listen, help_heading = "Clients")]
    listen: Vec<Listen>,
    /// Answer this network, address or host name, or all
    #[arg(
        long_help = "Answer this network, address, host name, or all; nobody is answered otherwise",
        long,
        value_name = "NET",
        help_heading = "Clients"
    )]
    allow: Vec<String>,
    /// Do not answer this network, address or host name
    #[arg(long, value_name = "NET", help_heading = "Clients")]
    deny: Vec<String>,
    /// Tell whoever is refused so (a DENY kiss)
    #[arg(
        long_help = "Tell whoever is refused so (a DENY kiss) instead of nothing",
        long,
        help_heading = "Clients"
    )]
    kiss_denied: bool,
    /// For each client: interval=3,burst=8,leak=2,kod=0
    #[arg(long_help = "Limit the rate of each client: interval=3,burst=8,leak=2,kod=0 (log2, see ratelimit in chrony.conf(5))", long, value_name = "LIMIT", num_args = 0..=1, default_missing_value = "interval=3",
          value_parser = rate_limit, help_heading = "Clients")]
    rate_limit: Option<RateLimit>,
    /// Threads that answer
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Clients")]
    threads: u8,
    /// Would this one be answered, and by which rule?
    #[arg(
        long_help = "Say whether this address would be answered and by which rule, and end",
        long,
        value_name = "ADDR", value_parser = address::typed,
        help_heading = "Clients"
    )]
    explain_access: Option<IpAddr>,
}

/// What the server is to do, beside the engine.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to listen.
    pub addresses: Vec<SocketAddr>,
    /// Options of the sockets.
    pub binding: Binding,
    /// Who is answered.
    pub rules: Vec<RuleLine>,
    /// How often.
    pub limit: Option<RateLimit>,
    /// The command line says how often: what the file says of it does not count.
    pub limit_typed: bool,
    /// Whoever is refused is told.
    pub kiss_denied: bool,
    /// Precision of the clock in seconds; none measures it.
    pub precision: Option<f64>,
    /// Threads.
    pub threads: usize,
    /// Octets of the tables of clients.
    pub table: usize,
    /// Networks that are told the time without asking.
    pub broadcasts: Vec<Broadcast>,
    /// Whoever else keeps the clock is asked about it, and while nobody does it serves itself in
    /// this way, if in any.
    pub beside: Option<Option<LocalConfig>>,
}

impl Plan {
    /// What a file says of the rate of clients and of broadcasts holds from now on.
    pub fn follow(&mut self, settings: &Settings) {
        if !self.limit_typed {
            let limit = |l: value::RateLimit| RateLimit::new(l.interval, l.burst, l.leak, l.kod);
            self.limit = settings.rate_limit.map(limit);
        }
        self.broadcasts = settings
            .broadcasts
            .iter()
            .map(|b| b.value.clone())
            .collect();
    }
}

/// An argument of `--listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen {
    ip: Option<IpAddr>,
    port: Option<u16>,
}

fn listen(text: &str) -> Result<Listen, String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(format!("{text} is no port: give 0 to 65535")),
    };
    if let Some(rest) = text.strip_prefix(':')
        && !rest.contains(':')
    {
        return Ok(Listen {
            ip: None,
            port: port(rest)?,
        });
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Listen {
            ip: Some(ip),
            port: None,
        });
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Listen {
            ip: Some(address.ip()),
            port: Some(address.port()),
        });
    }
    Err(
        "give an address of this machine: 192.0.2.1, 192.0.2.1:123, [2001:db8::1]:123 or :123"
            .into(),
    )
}

fn rate_limit(text: &str) -> Result<RateLimit, String> {
    let mut values = [None; 4];
    for part in text.split(',') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let names = ["interval", "burst", "leak", "kod"];
        let place = names.iter().position(|n| *n == name);
        let place = place.and_then(|at| values.get_mut(at));
        let value = value.parse::<i64>().ok();
        match (place, value) {
            (Some(place), Some(value)) => *place = Some(value),
            _ => return Err("give interval=N,burst=N,leak=N,kod=N or some of them".to_owned()),
        }
    }
    let [interval, burst, leak, kod] = values;
    Ok(RateLimit::new(interval, burst, leak, kod))
}

impl Args {
    /// Whether it is only asked who would be answered.
    #[must_use]
    pub const fn explains(&self) -> bool {
        self.explain_access.is_some()
    }

    /// Serves until the program is told to end.
    ///
    /// # Errors
    /// A wrong configuration, an address that cannot be listened on, a clock that cannot be set.
    pub fn serve(&self, verbose: u8) -> Result<(), Failure> {
        let (options, mut loading, plan) = self.load(verbose)?;
        if !plan.rules.iter().any(|rule| rule.allow) {
            say("nobody is allowed, so nobody is answered: --allow NET, or allow in the file");
        }
        let access = Rules::new(plan.rules.clone()).access();
        for (hidden, by) in access.hidden() {
            say(&hides(hidden, by));
        }
        let opened = open(&plan)?;
        if plan.beside.is_some() {
            if self.config.is_none() {
                // The usual places belong to the daemon that keeps the clock.
                let settings = &mut loading.settings;
                settings.command_port = 0;
                settings.bind_command_path.get_or_insert(SOCKET.to_owned());
            }
            loading.engine.local = None;
            return daemon::run_loaded(&options, loading, Some((opened, plan)));
        }
        if daemon::is_aimless(&loading) {
            let text = "no server to follow: name one, or serve this clock as it is (--local)";
            return Err(Failure::new(ExitStatus::Config, text)
                .hint("clockbox serve --upstream pool.ntp.org --allow NET"));
        }
        // Without anybody who could ever tell the time, the clock stays as it is.
        let settings = &loading.settings;
        let alone = loading.engine.sources.is_empty()
            && settings.source_dirs.is_empty()
            && settings.init_step_slew.is_none()
            && !settings.manual;
        let options = Options {
            no_clock_control: options.no_clock_control || alone,
            ..options
        };
        sync::daemon::refuse_rival(options.no_clock_control)?;
        daemon::run_loaded(&options, loading, Some((opened, plan)))
    }

    fn load(&self, verbose: u8) -> Result<(Options, Loading, Plan), Failure> {
        let options = Options {
            servers: self.upstream.clone(),
            pools: Vec::new(),
            clocks: Vec::new(),
            config: self.config.clone(),
            no_file: !self.reads_file(),
            no_clock_control: self.no_clock_control,
            reload: self.reload,
            set_from_rtc: false,
            user: self.user.clone(),
            role: Role::Serve,
            verbose,
        };
        let mut loading = settings::load(&options)?;
        if let Some(stratum) = self.local {
            loading.engine.local = Some(LocalConfig {
                stratum,
                ..loading.engine.local.unwrap_or_default()
            });
        }
        let plan = self.plan(&loading)?;
        Ok((options, loading, plan))
    }

    /// Whether a file says something when none is named. Beside the daemon that keeps the clock the
    /// usual ones are that daemon's, but for clockbox's own: whom it allows, whom it follows.
    fn reads_file(&self) -> bool {
        let own = || sys::files::exists(Path::new(settings::OWN_FILE));
        self.config.is_some() || self.local.is_none() && (!self.no_clock_control || own())
    }

    fn plan(&self, loading: &Loading) -> Result<Plan, Failure> {
        let settings = &loading.settings;
        let mut rules = loading.access.clone();
        let mut typed = Vec::new();
        for (words, allow) in [(&self.allow, true), (&self.deny, false)] {
            for word in words {
                typed.push(rules::parse(word, allow)?);
            }
        }
        // Options have no order among each other: the longer prefix comes later, so it decides.
        typed.sort_by_key(|line| match &line.subject {
            Subject::Everybody => 0,
            Subject::Network(network) => network.bits,
            Subject::Name(_) => u8::MAX,
        });
        rules.extend(typed);
        let table = match settings.no_client_log {
            true => 0,
            false => usize::try_from(settings.client_log_limit).unwrap_or(1 << 19),
        };
        let mut plan = Plan {
            addresses: self.addresses(settings)?,
            binding: Binding {
                device: settings.bind_device.clone(),
                dscp: settings.dscp,
            },
            rules,
            limit: self.rate_limit,
            limit_typed: self.rate_limit.is_some(),
            kiss_denied: self.kiss_denied,
            precision: settings.clock_precision_s,
            threads: usize::from(self.threads),
            table,
            broadcasts: Vec::new(),
            beside: self.beside(loading),
        };
        plan.follow(settings);
        Ok(plan)
    }

    /// Whether somebody else is asked about the clock: it is not to be touched, and there are no
    /// servers to follow, nor does a file want it to serve itself.
    fn beside(&self, loading: &Loading) -> Option<Option<LocalConfig>> {
        let engine = &loading.engine;
        let own = !engine.sources.is_empty() || self.reads_file() && engine.local.is_some();
        (self.no_clock_control && !own).then_some(engine.local)
    }

    fn addresses(&self, settings: &Settings) -> Result<Vec<SocketAddr>, Failure> {
        let both = |port: u16| {
            [
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
                SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port),
            ]
        };
        let mut addresses = Vec::new();
        for listen in &self.listen {
            let port = listen.port.unwrap_or(settings.port.max(1));
            match listen.ip {
                Some(ip) => addresses.push(SocketAddr::new(ip, port)),
                None => addresses.extend(both(port)),
            }
        }
        if !addresses.is_empty() {
            return Ok(addresses);
        }
        if settings.port == 0 {
            return Err(Failure::new(
                ExitStatus::Config,
                "the configuration says port 0: no server",
            )
            .hint("remove the line, or name an address: --listen :123"));
        }
        let bound = settings.bind_addresses.iter().flatten();
        addresses.extend(bound.map(|&ip| SocketAddr::new(ip, settings.port)));
        if addresses.is_empty() {
            addresses.extend(both(settings.port));
        }
        Ok(addresses)
    }
}

/// Opens the sockets, or takes those that the service manager opened.
fn open(plan: &Plan) -> Result<Opened, Failure> {
    if let Some(count) = sys::host::listen_fds() {
        if plan.threads > 1 {
            say(
                "the sockets are the service manager's: one thread answers on them, whatever --threads says",
            );
        }
        return Ok(Opened::inherited(count, &plan.binding)?);
    }
    Opened::new(&plan.addresses, plan.threads, &plan.binding).map_err(|error| {
        let hint = if error.is_permission() {
            "ports under 1024 need root or CAP_NET_BIND_SERVICE; --listen :1123 does not"
        } else if error.reason.kind() == std::io::ErrorKind::AddrInUse {
            "somebody has it already; who: clockbox check-port"
        } else {
            "name an address of this machine: --listen ADDR (ip addr shows them)"
        };
        Failure::from(error).hint(hint)
    })
}

/// Where a server beside another daemon is asked by `chronyc -h`, unless a file says otherwise. Its
/// directory is its own: that of clockbox's other daemon belongs to another user, and goes with it.
const SOCKET: &str = "/run/clockbox-serve/control.sock";

/// What is to be said of a rule that decides about nobody.
fn hides(hidden: &Rule, by: &Rule) -> String {
    format!(
        "{} ({}) decides about nobody: {} ({}) stands behind it, and their prefixes end within the \
         same four bits, where the later line decides; put it behind that one",
        hidden.text, hidden.place, by.text, by.place
    )
}

/// A line in the log.
fn say(text: &str) {
    sys::terminal::complain(&format!("clockbox: {text}\n"));
}

/// What happened to all packets, in words.
#[must_use]
pub fn account(totals: &Totals) -> String {
    let mut text = format!("{} requests received", totals.received);
    let shown = totals.list().into_iter().filter(|(name, n)| {
        let usual = matches!(*name, "received" | "kernel_receive" | "kernel_transmit");
        *n > 0 && !usual
    });
    for (name, number) in shown {
        text.push_str(&format!(", {number} {}", name.replace('_', " ")));
    }
    text
}

/// What lets the address in, for whoever asks: the file may be another's.
fn let_in(address: IpAddr, file: &Path) -> String {
    let name = quoted(&file.display().to_string());
    match sys::files::may_write(file) {
        true => format!("echo 'allow {address}' >>{name}"),
        false => format!("echo 'allow {address}' | sudo tee -a {name}"),
    }
}

/// Addresses in words.
fn list(addresses: &[SocketAddr]) -> String {
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    words.join(", ")
}

impl Command for Args {
    type Report = ServeReport;

    const PAGE: ManPage = page::PAGE;

    fn run(&self, _: &mut Context) -> Result<ServeReport, Failure> {
        let Some(address) = self.explain_access else {
            return Err(Failure::usage("no address to explain"));
        };
        let (_, loading, plan) = self.load(0)?;
        let configuration = loading.name;
        let count = plan.rules.len();
        let mut rules = Rules::new(plan.rules);
        let mut unknown_names = Vec::new();
        for name in rules.names() {
            match sys::resolve::look_up(&name) {
                Ok(found) => {
                    rules.found(&name, found);
                }
                Err(_) => unknown_names.push(name),
            }
        }
        let access = rules.access();
        for (hidden, by) in access.hidden() {
            say(&hides(hidden, by));
        }
        let rule = access.rule(address).map(|rule| Deciding {
            text: rule.text.clone(),
            place: rule.place.clone(),
            network: rule.network.map(|ip| format!("{ip}/{}", rule.bits)),
        });
        let file = Path::new(&configuration);
        let next = match sys::files::exists(file) {
            _ if rule.is_some() => None,
            true => Some(let_in(address, file)),
            false => Some(format!("clockbox serve --allow {address}")),
        };
        Ok(ServeReport {
            address: address.to_string(),
            configuration,
            next,
            allowed: access.allows(address),
            rule,
            unknown_names,
            rules: count,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_may_have_a_port_or_be_only_one() {
        let of = |ip: Option<&str>, port| Listen {
            ip: ip.map(|ip| ip.parse().unwrap()),
            port,
        };
        assert_eq!(listen("192.0.2.1"), Ok(of(Some("192.0.2.1"), None)));
        assert_eq!(listen("192.0.2.1:99"), Ok(of(Some("192.0.2.1"), Some(99))));
        assert_eq!(listen("[::1]:99"), Ok(of(Some("::1"), Some(99))));
        assert_eq!(listen("::1"), Ok(of(Some("::1"), None)));
        assert_eq!(listen(":1123"), Ok(of(None, Some(1123))));
        assert!(listen("eth0").is_err() && listen("192.0.2.1:x").is_err());
    }

    #[test]
    fn a_limit_is_given_by_its_parts() {
        let limit = rate_limit("interval=1,burst=16").unwrap();
        assert_eq!((limit.interval_ns, limit.burst), (2_000_000_000, 16));
        assert!(rate_limit("burst").is_err() && rate_limit("x=1").is_err());
    }
}
