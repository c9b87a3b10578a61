//! The control sockets of the daemon: opens what the configuration asks for, reads requests in the
//! engine's own loop and answers them, and does with files and the process what they ask for.

use super::command_access::CommandAccess;
use super::dump;
use super::logs::Logs;
use super::reload::Applied;
use super::rtc::RtcKeeper;
use super::settings;
use super::settings::access::RuleLine;
use crate::commands::serve::host::ServerHost;
use crate::conf::address::Network;
use crate::conf::chrony::Settings;
use crate::conf::chrony::settings::AccessRule;
use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Subject;
use crate::engine::Engine;
use crate::engine::clock::Reading;
use crate::engine::control;
use crate::engine::control::ControlHost;
use crate::engine::control::Order;
use crate::proto::cmdmon::MAX_LEN;
use crate::proto::cmdmon::Status;
use crate::proto::cmdmon::reply;
use crate::proto::cmdmon::reply::Client;
use crate::proto::cmdmon::reply::MAX_CLIENTS;
use crate::proto::cmdmon::reply::ServerStats;
use crate::proto::cmdmon::request::AccessCommand;
use crate::proto::cmdmon::request::AccessSubnet;
use crate::proto::cmdmon::request::ClientRange;
use crate::proto::cmdmon::server::Rights;
use crate::server::clients::Clients;
use crate::server::clients::RateLimit;
use crate::server::clients::Row;
use crate::server::clients::Verdict;
use crate::sys;
use crate::sys::control::ControlSocket;
use crate::sys::log::Level;
use crate::sys::requests::Watched;
use crate::time::Monotonic;
use std::cell::RefCell;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;

/// Tokens of the control sockets in the loop: this one and those that follow.
pub const TOKEN: usize = 0x100;
/// Requests that are answered before the sources are looked at again.
const AT_ONCE: usize = 16;
/// Octets of the table of who asks over the network: some hundred addresses.
const TABLE: usize = 16 << 10;
/// The codes that a word of `opencommands` opens.
const WORDS: [(&str, &[u16]); 13] = [
    ("activity", &[44]),
    ("authdata", &[67]),
    ("clients", &[68]),
    ("manual", &[41]),
    ("ntpdata", &[57]),
    ("rtcdata", &[35]),
    ("selectdata", &[69]),
    ("serverstats", &[54]),
    ("smoothing", &[51]),
    ("sourcename", &[65]),
    ("sources", &[14, 15]),
    ("sourcestats", &[34]),
    ("tracking", &[33]),
];

/// The sockets, and who may ask what on them.
#[derive(Debug)]
pub struct Control {
    sockets: Vec<Rc<ControlSocket>>,
    desk: Desk,
    open: Vec<u16>,
}

/// What belongs to the control sockets and is asked about on them.
#[derive(Debug)]
struct Desk {
    rules: CommandAccess,
    table: Clients,
    hits: u64,
    drops: u64,
    keys: Option<String>,
    dump: Option<PathBuf>,
}

impl Control {
    /// Opens the sockets and has them waited for. One that cannot be had is said and left out: the
    /// clock is kept all the same. `user` is whom the daemon becomes.
    #[must_use]
    pub fn open(
        settings: &Settings,
        user: Option<&str>,
        dump: Option<PathBuf>,
        watched: &Watched,
        say: impl Fn(&str),
    ) -> Self {
        let mut sockets = Vec::new();
        let path = settings
            .bind_command_path
            .as_deref()
            .unwrap_or(sys::cmdmon::CLOCKBOX_SOCKET);
        let mut keep = |opened: Result<ControlSocket, sys::error::Error>| match opened {
            Ok(socket) => sockets.push(Rc::new(socket)),
            Err(error) => say(&format!("nobody can ask there: {error}")),
        };
        if path != "/" {
            let user = user.and_then(sys::privileges::user_id);
            keep(ControlSocket::unix(Path::new(path), user));
        }
        let loopback = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        if settings.command_port != 0 {
            for (bound, usual) in settings.bind_command_addresses.iter().zip(loopback) {
                // A family that this machine does not have is no loss unless it was asked for.
                let address = SocketAddr::new(bound.unwrap_or(usual), settings.command_port);
                let opened = ControlSocket::udp(address, settings.bind_command_device.as_deref());
                match opened {
                    Err(_) if bound.is_none() && address.is_ipv6() => {}
                    other => keep(other),
                }
            }
        }
        for (place, socket) in sockets.iter().enumerate() {
            watched.add(TOKEN + place, socket.clone());
        }
        let limit = settings
            .command_rate_limit
            .map(|l| RateLimit::new(l.interval, l.burst, l.leak, l.kod));
        let seed = sys::random::bits().unwrap_or(0);
        Self {
            sockets,
            open: open_commands(settings),
            desk: Desk {
                rules: CommandAccess::new(&settings.command_access),
                table: Clients::new(TABLE, limit, seed),
                hits: 0,
                drops: 0,
                keys: settings.key_file.clone(),
                dump,
            },
        }
    }

    /// The configuration was read again: who may ask, and the key file.
    pub fn replace(&mut self, rules: &[AccessRule], keys: Option<String>) {
        self.desk.rules.replace(rules);
        self.desk.keys = keys;
    }

    /// When [`Control::tick`] has something to do at the latest.
    #[must_use]
    pub const fn deadline(&self) -> Option<Monotonic> {
        self.desk.rules.deadline()
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Monotonic) {
        self.desk.rules.tick(now);
    }

    /// Answers what has come on the socket of this token.
    pub fn ready(&mut self, token: usize, now: Reading, engine: &mut Engine, beside: Beside<'_>) {
        let place = token.checked_sub(TOKEN);
        let Some(socket) = place.and_then(|p| self.sockets.get(p)).cloned() else {
            return;
        };
        let mut host = Hands {
            desk: &mut self.desk,
            beside,
        };
        let mut buffer = [0; MAX_LEN + 1];
        for _ in 0..AT_ONCE {
            let Some((length, asker)) = socket.receive(&mut buffer) else {
                return;
            };
            let Some(asker) = asker else {
                continue;
            };
            let rights = match asker.ip() {
                None => Rights::All,
                Some(ip) if host.desk.admits(ip, now) => Rights::Only(&self.open),
                Some(_) => continue,
            };
            host.desk.hits += 1;
            let request = buffer.get(..length).unwrap_or_default();
            if let Some(reply) = control::answer(request, rights, now, engine, &mut host) {
                socket.send(&asker, &reply);
            }
        }
    }
}

/// What else of the daemon requests can be about.
#[derive(Debug)]
pub struct Beside<'a> {
    /// Whoever answers clients, if somebody does.
    pub server: Option<&'a mut ServerHost>,
    /// The configuration as it was applied.
    pub applied: &'a mut Applied,
    /// The files of measurements.
    pub logs: &'a RefCell<Logs>,
    /// Whoever keeps the battery-backed clock.
    pub rtc: Option<&'a mut RtcKeeper>,
}

impl Desk {
    /// Whether a datagram of this address is looked at: this machine's own always.
    fn admits(&mut self, ip: IpAddr, now: Reading) -> bool {
        if ip.to_canonical().is_loopback() {
            return true;
        }
        if !self.rules.allows(ip.to_canonical()) {
            return false;
        }
        let noted = self.table.note(ip, now.raw.nanos());
        let within = matches!(noted.verdict, Verdict::Within | Verdict::Leaked);
        if !within {
            self.drops += 1;
        }
        within
    }
}

/// The codes that may be asked over the network.
fn open_commands(settings: &Settings) -> Vec<u16> {
    match &settings.open_commands {
        None => control::OPEN.to_vec(),
        Some(words) => words
            .iter()
            .filter_map(|word| WORDS.iter().find(|(known, _)| known == word))
            .flat_map(|(_, codes)| codes.iter().copied())
            .collect(),
    }
}

/// The daemon's hands while one request is answered.
struct Hands<'a> {
    desk: &'a mut Desk,
    beside: Beside<'a>,
}

impl ControlHost for Hands<'_> {
    fn order(&mut self, order: Order, now: Reading, engine: &mut Engine) -> Status {
        match order {
            Order::Shutdown => {
                sys::signals::ask_to_stop();
                Status::Success
            }
            Order::Rekey => {
                let Some(path) = &self.desk.keys else {
                    return Status::Success;
                };
                match settings::keys::load(Path::new(path)) {
                    Ok((keys, _)) => {
                        if let Some(server) = &mut self.beside.server {
                            server.set_keys(keys.clone());
                        }
                        engine.set_keys(keys);
                        Status::Success
                    }
                    Err(_) => Status::Failed,
                }
            }
            Order::CycleLogs => {
                self.beside.logs.borrow_mut().cycle();
                Status::Success
            }
            Order::ReloadSources => match self.beside.applied.sources_again(now, engine) {
                Ok(changed) => {
                    let text = format!("sources read again: {}", changed.words());
                    sys::log::say(Level::Info, &text);
                    Status::Success
                }
                Err(failure) => {
                    for line in failure.message.lines() {
                        sys::log::say(Level::Error, line);
                    }
                    Status::Failed
                }
            },
            Order::Dump => match &self.desk.dump {
                Some(path) => status(dump::write(path, now, engine), Status::Failed),
                None => Status::NotEnabled,
            },
            Order::WriteRtc => match &self.beside.rtc {
                Some(rtc) => status(rtc.write(), Status::BadRtcFile),
                None => Status::NoRtc,
            },
            Order::TrimRtc => match &mut self.beside.rtc {
                Some(rtc) => rtc.trim(now, engine),
                None => Status::NoRtc,
            },
        }
    }

    fn server_stats(&self) -> ServerStats {
        let mut counters = [Some(0); 17];
        let mut set = |place: usize, value: u64| {
            if let Some(counter) = counters.get_mut(place) {
                *counter = Some(value);
            }
        };
        set(2, self.desk.hits);
        set(5, self.desk.drops);
        if let Some(server) = &self.beside.server {
            let totals = server.totals();
            set(0, totals.received);
            set(3, totals.refused());
            set(6, totals.forgotten);
            set(7, totals.authenticated);
            set(8, totals.interleaved);
            let stamped = totals.kernel_receive + totals.card_receive;
            set(11, totals.received.saturating_sub(stamped));
            // Every reply has a time of its own; those that left were told of the others beside it.
            set(12, totals.answered.saturating_sub(totals.interleaved));
            set(13, totals.kernel_receive);
            set(14, totals.kernel_transmit);
            set(15, totals.card_receive);
            set(16, totals.card_transmit);
        }
        ServerStats { counters }
    }

    fn rtc(&self) -> Option<reply::Rtc> {
        self.beside.rtc.as_ref()?.report()
    }

    fn clients(&mut self, range: ClientRange) -> Option<(u32, u32, Vec<Client>)> {
        let server = self.beside.server.as_ref()?;
        let mut rows = server.clients();
        rows.sort_by_key(|row| row.address);
        let all = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let most = range.count.min(MAX_CLIENTS as u32) as usize;
        let mut next = range.first;
        let mut clients = Vec::new();
        for row in rows.iter().skip(range.first as usize) {
            if clients.len() >= most {
                break;
            }
            next = next.saturating_add(1);
            if row.hits >= range.min_hits {
                clients.push(client(row));
            }
        }
        if range.reset != 0 && next >= all {
            server.reset();
        }
        Some((all, next, clients))
    }

    fn serves(&self, ip: IpAddr) -> bool {
        self.beside.server.as_ref().is_some_and(|s| s.check(ip).0)
    }

    fn monitors(&self, ip: IpAddr) -> bool {
        // What the rules say, as chronyd has it; this machine's own is answered all the same.
        self.desk.rules.allows(ip)
    }

    fn access(&mut self, command: AccessCommand, subnet: AccessSubnet) -> Status {
        let (allow, all, commands) = match command {
            AccessCommand::Allow => (true, false, false),
            AccessCommand::AllowAll => (true, true, false),
            AccessCommand::Deny => (false, false, false),
            AccessCommand::DenyAll => (false, true, false),
            AccessCommand::CommandAllow => (true, false, true),
            AccessCommand::CommandAllowAll => (true, true, true),
            AccessCommand::CommandDeny => (false, false, true),
            AccessCommand::CommandDenyAll => (false, true, true),
        };
        let subject = match subnet.address.ip() {
            None => Subject::Everybody,
            Some(address) => {
                let width = if address.is_ipv4() { 32 } else { 128 };
                match u8::try_from(subnet.bits) {
                    Ok(bits) if bits <= width => Subject::Network(Network { address, bits }),
                    _ => return Status::BadSubnet,
                }
            }
        };
        if commands {
            self.desk.rules.add(allow, Access { all, subject });
            return Status::Success;
        }
        let Some(server) = &mut self.beside.server else {
            return Status::NotEnabled;
        };
        let text = format!("{}{subnet:?}", if allow { "allow " } else { "deny " });
        server.add_rule(RuleLine {
            allow,
            all,
            subject,
            text,
            place: "a command".to_owned(),
        });
        Status::Success
    }

    fn reachable(&self, address: SocketAddr) -> bool {
        // A connected socket exists only where there is a route.
        let any: IpAddr = if address.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        sys::control::routed(any, address)
    }
}

/// The answer to an order that may fail; why it did is said in the log.
fn status(done: Result<(), sys::error::Error>, failed: Status) -> Status {
    match done {
        Ok(()) => Status::Success,
        Err(error) => {
            sys::log::say(Level::Error, &error.to_string());
            failed
        }
    }
}

fn client(row: &Row) -> Client {
    let seconds = row.age.max(0.0) as u32;
    let interval = row.interval_log2.map_or(127, |log2| log2.round() as i8);
    Client {
        address: row.address.into(),
        ntp_hits: row.hits,
        nke_hits: 0,
        cmd_hits: 0,
        ntp_drops: row.dropped,
        nke_drops: 0,
        cmd_drops: 0,
        ntp_interval: interval,
        nke_interval: 127,
        cmd_interval: 127,
        ntp_timeout_interval: 127,
        last_ntp: Some(seconds),
        last_nke: None,
        last_cmd: None,
    }
}
