//! Everything in ntp.conf that is neither a source, a reference clock nor access control.

use crate::conf::chrony::Version;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;
use crate::conf::convert::Converter;
use crate::conf::convert::record::Outcome;
use crate::conf::ntp::Body;
use crate::conf::ntp::Opt;
use crate::conf::ntp::Statement;
use crate::conf::ntp::Term;

/// Stands in the table of directives for what no release of chrony has yet.
const UNRELEASED: (u16, u16) = (4, 9);

impl Converter<'_> {
    /// What becomes of a directive of one word or number.
    pub(super) fn plain(&mut self, statement: &Statement) -> Outcome {
        let text = match &statement.body {
            Body::Text(term) => term.text.as_str(),
            _ => "",
        };
        match statement.name {
            "driftfile" => self.drift_file(statement),
            "leapfile" => self.leap_file(text),
            "keys" => self.key_file(),
            "ntpsigndsocket" => Outcome::kept(format!("ntpsigndsocket {text}"))
                .note("the socket's directory must be open to the group of the new daemon"),
            "dscp" => match &statement.body {
                Body::Int(value @ 0..=63) => self.gated("dscp", &Value::Int(*value)),
                _ => Outcome::dropped("not a code point"),
            },
            "statsdir" => self.stats_dir(text),
            "statistics" => self.statistics(statement),
            "trustedkey" => match self.keys {
                Some(_) => Outcome::changed(
                    Vec::new(),
                    "keys that are not trusted became comments in the key file",
                ),
                None => Outcome::dropped("no key file was read: there is no key to trust"),
            },
            "enable" | "disable" => self.switches(statement),
            "end" => {
                Outcome::implied("ntpd reads nothing after it, and neither did the conversion")
            }
            "broadcastclient" | "multicastclient" => Outcome::lost(
                "chrony does not listen to broadcast or multicast: name the servers in server lines",
            ),
            "manycastserver" => {
                Outcome::lost("chrony does not answer manycast clients: they need server lines")
            }
            "leapsmearinterval" => match &statement.body {
                Body::Int(0) => Outcome::dropped("0 means no smearing"),
                _ => Outcome::lost(
                    "leap smearing is configured otherwise: leapsecmode slew and smoothtime 400 0.01 leaponly, on all servers",
                ),
            },
            "logfile" => {
                Outcome::dropped("chronyd logs to the system log; start it with -l FILE for a file")
            }
            "logconfig" => Outcome::dropped(
                "chrony has no classes of messages; logchange sets the threshold for corrections",
            ),
            "pidfile" => Outcome::dropped("the new daemon has a pid file of its own"),
            "nonvolatile" => Outcome::dropped("chrony writes its drift file when it is worth it"),
            "requestkey" | "controlkey" => {
                Outcome::dropped("chronyc is authorised by its socket, without a key")
            }
            "crypto" | "keysdir" | "revoke" | "automax" | "ident" => {
                Outcome::dropped("belongs to Autokey, which chrony does not have")
            }
            "broadcastdelay" => {
                Outcome::dropped("belongs to broadcast clients, which chrony does not have")
            }
            "setvar" | "saveconfigdir" | "trap" | "reset" => {
                Outcome::dropped("belongs to ntpq, which cannot talk to chronyd")
            }
            "mdnstries" => Outcome::dropped("chronyd does not announce itself by mDNS"),
            "phone" => Outcome::lost("chrony has no modem driver"),
            "simulate" => Outcome::dropped("belongs to the simulator"),
            "ttl" => Outcome::dropped("belongs to manycast, which chrony does not have"),
            "tick" | "pollskewlist" => Outcome::dropped("chrony has no such constant"),
            "unpeer" | "unconfig" => {
                Outcome::lost("chrony.conf cannot take a source back: remove its line")
            }
            _ => Outcome::dropped("chrony has nothing like it"),
        }
    }

    /// A directive that some versions do not know.
    pub(super) fn gated(&self, name: &str, value: &Value) -> Outcome {
        let line = write::line(name, value);
        match crate::conf::chrony::gate::newer_than(self.target.version, name, value).first() {
            None => Outcome::kept(line),
            Some(newer) => {
                let since = match newer.since >= Version::new(UNRELEASED.0, UNRELEASED.1) {
                    true => "a chrony that is not released yet".to_owned(),
                    false => format!("chrony {}", newer.since),
                };
                let (word, version) = (&newer.word, self.target.version);
                Outcome::dropped(&format!("{word} needs {since}, this is {version}"))
            }
        }
    }

    /// As [`Self::gated`], for what decides which sources are believed: without it the clock may
    /// follow one that ntpd refused.
    pub(super) fn gated_choice(&self, name: &str, value: &Value) -> Outcome {
        let outcome = self.gated(name, value);
        match outcome.output.is_empty() {
            true => outcome.losing("sources that ntpd refused for their stratum can be selected"),
            false => outcome,
        }
    }

    fn drift_file(&mut self, statement: &Statement) -> Outcome {
        let path = self.target.layout.drift.clone();
        self.drift_written = true;
        let line = format!("driftfile {path}");
        match &statement.body {
            Body::DriftFile(None) => Outcome::dropped(
                "ntpd was told to keep no drift file; chronyd keeps one all the same",
            ),
            _ => Outcome::changed(vec![line], &format!("kept in {path}"))
                .notes(self.drift_notes.clone()),
        }
    }

    fn leap_file(&mut self, path: &str) -> Outcome {
        if let Some(host) = &self.smearing {
            return Outcome::dropped(&format!(
                "{host} smears leap seconds: a list would work against it"
            ));
        }
        if self.leap_written {
            return Outcome::changed(Vec::new(), "the last leapfile counts: it stands above");
        }
        self.leap_written = true;
        if self.target.version >= Version::new(4, 6) {
            let list = self
                .target
                .leap_list
                .clone()
                .unwrap_or_else(|| path.to_owned());
            let outcome = Outcome::changed(
                vec![format!("leapseclist {list}")],
                "leapfile is leapseclist in chrony",
            );
            return if list == path {
                outcome
            } else {
                outcome.note(format!("{list} is kept up to date by the system"))
            };
        }
        let needs = format!(
            "leapseclist needs chrony 4.6, this is {}",
            self.target.version
        );
        if self.target.right_utc == Some(false) {
            return Outcome::lost(&format!(
                "{needs}, and the time zone data has no right/UTC for leapsectz: leap seconds are announced by the servers alone"
            ));
        }
        let outcome = Outcome::changed(
            vec!["leapsectz right/UTC".to_owned()],
            &format!("{needs}: it takes them from the time zone data"),
        );
        match self.target.right_utc {
            Some(_) => outcome,
            None => outcome.note("if that has no right/UTC (newer Debian and Ubuntu: package tzdata-legacy), remove the line"),
        }
    }

    fn stats_dir(&mut self, path: &str) -> Outcome {
        self.log_dir_written = true;
        let logs = &self.target.layout.logs;
        let outcome = Outcome::changed(vec![format!("logdir {logs}")], "");
        outcome.note(format!("chronyd may write to {logs}, not to {path}"))
    }

    fn statistics(&mut self, statement: &Statement) -> Outcome {
        let Body::Words(words) = &statement.body else {
            return Outcome::dropped("names no statistics");
        };
        let names: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        self.logs(&names)
    }

    /// `filegen NAME ... enable` asks for a log too.
    pub(super) fn filegen(&mut self, stat: &Term, options: &[Opt]) -> Outcome {
        if options.iter().any(|option| option.name == "disable") {
            return Outcome::dropped("disabled");
        }
        if !options.iter().any(|option| option.name == "enable") {
            return Outcome::dropped("chrony's logs have fixed names; the system rotates them");
        }
        let outcome = self.logs(&[stat.text.as_str()]);
        if outcome.output.is_empty() {
            outcome
        } else {
            outcome.note("chrony's logs have fixed names; the system rotates them")
        }
    }

    fn logs(&mut self, names: &[&str]) -> Outcome {
        let mut unknown = Vec::new();
        let mut fresh = Vec::new();
        let mut known = false;
        for name in names {
            let Some(log) = log_of(name) else {
                unknown.push((*name).to_owned());
                continue;
            };
            known = true;
            if self.logged.insert(log) {
                fresh.push(log);
            }
        }
        let outcome = if !fresh.is_empty() {
            Outcome::changed(
                vec![format!("log {}", fresh.join(" "))],
                "chrony's logs have other names and columns",
            )
        } else if known {
            Outcome::changed(Vec::new(), "the log is asked for by an earlier line")
        } else {
            return Outcome::dropped(&format!("chrony has no log like {}", unknown.join(", ")));
        };
        if unknown.is_empty() {
            outcome
        } else {
            outcome.note(format!("chrony has no log like {}", unknown.join(", ")))
        }
    }

    fn switches(&mut self, statement: &Statement) -> Outcome {
        let Body::Words(words) = &statement.body else {
            return Outcome::dropped("names nothing");
        };
        let on = statement.name == "enable";
        let mut outcome: Option<Outcome> = None;
        for word in words {
            let next = self.switch(&word.text, on);
            outcome = Some(match outcome {
                None => next,
                Some(sum) => join(sum, next),
            });
        }
        outcome.unwrap_or_else(|| Outcome::dropped("names nothing"))
    }

    fn switch(&self, word: &str, on: bool) -> Outcome {
        match (word, on) {
            ("ntp", true) => Outcome::implied("the clock is disciplined"),
            ("ntp", false) => Outcome::lost("the clock is not to be disciplined: see chronyd -x"),
            ("monitor", _) => Outcome::implied("chronyd does not answer ntpq's monitoring at all"),
            ("bclient", true) => Outcome::lost(
                "chrony does not listen to broadcasts: name the servers in server lines",
            ),
            ("bclient", false) => Outcome::implied("chrony does not listen to broadcasts"),
            ("auth", true) => Outcome::implied("a source with a key is always authenticated"),
            ("auth", false) => Outcome::dropped(
                "it lets unauthenticated broadcasts and peers in, which chrony does not have",
            ),
            ("mode7", _) => Outcome::implied("chronyd does not answer mode 7"),
            ("stats", true) => Outcome::implied("logs are asked for by name"),
            ("stats", false) => Outcome::dropped("logs are asked for by name"),
            ("kernel", true) => Outcome::implied("chronyd steers the kernel clock"),
            ("kernel", false) => Outcome::dropped("chronyd always steers the kernel clock"),
            ("calibrate", _) => Outcome::dropped(
                "chrony does not calibrate reference clocks: see offset of refclock",
            ),
            _ => Outcome::dropped("belongs to Autokey"),
        }
    }

    /// Directives that are a list of options.
    pub(super) fn options(&mut self, statement: &Statement, options: &[Opt]) -> Outcome {
        let mut sum: Option<Outcome> = None;
        for option in options {
            let next = match statement.name {
                "tos" => self.tos(option),
                "tinker" => self.tinker(option),
                "discard" => self.discard(option),
                "limit" => self.limit(option),
                "mru" => mru(option, options),
                "rlimit" => rlimit(option),
                "nts" => self.nts(option),
                "extra" => {
                    if self.serving.serve {
                        Outcome::lost("chrony has one port; see port")
                    } else {
                        Outcome::dropped("this machine does not serve")
                    }
                }
                "crypto" => Outcome::dropped("belongs to Autokey, which chrony does not have"),
                _ => Outcome::dropped("chrony has nothing like it"),
            };
            sum = Some(match sum {
                None => label(next, option, options.len() > 1),
                Some(sum) => join(sum, label(next, option, true)),
            });
        }
        sum.unwrap_or_else(|| Outcome::dropped("says nothing"))
    }

    fn discard(&mut self, option: &Opt) -> Outcome {
        match option.name {
            "average" => Outcome::changed(Vec::new(), "the interval of ratelimit"),
            "burst" => Outcome::dropped("chrony's burst counts differently: see ratelimit burst"),
            _ => Outcome::dropped("chrony's rate limit has one interval"),
        }
    }

    /// NTPsec's `limit`.
    fn limit(&self, option: &Opt) -> Outcome {
        match option.name {
            "average" | "burst" => Outcome::changed(Vec::new(), "a part of ratelimit"),
            _ => Outcome::dropped("chrony counts kisses otherwise: see ratelimit kod"),
        }
    }

    fn nts(&mut self, option: &Opt) -> Outcome {
        let since = Version::new(4, 0);
        if self.target.version < since {
            return Outcome::lost(&format!(
                "NTS needs chrony {since}, this is {}",
                self.target.version
            ));
        }
        let text = option.text().unwrap_or("");
        let readable = "the file must be readable by the new daemon's user";
        match option.name {
            "cert" => Outcome::changed(vec![format!("ntsservercert {text}")], readable),
            "key" => Outcome::changed(vec![format!("ntsserverkey {text}")], readable),
            "ca" => Outcome::changed(vec![format!("ntstrustedcerts {text}")], readable),
            "cookie" => Outcome::changed(
                vec![format!("ntsdumpdir {}", self.target.layout.nts)],
                "chronyd makes cookie keys of its own: clients fetch new cookies",
            ),
            "port" => match option.int().filter(|port| (1..=65535).contains(port)) {
                Some(port) => Outcome::kept(format!("ntsport {port}")),
                None => Outcome::dropped("not a port"),
            },
            "enable" => {
                Outcome::implied("the server answers NTS once it has a certificate and a key")
            }
            "disable" => Outcome::implied("the server answers no NTS without a certificate"),
            _ => Outcome::dropped("chrony leaves this to its TLS library"),
        }
    }

    /// `interface` and `nic`.
    pub(super) fn interface(&mut self, action: &str, name: &str) -> Outcome {
        let plain = matches!(name, "all" | "ipv4" | "ipv6" | "wildcard");
        let ip = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<core::net::IpAddr>()
            .ok();
        match (action, plain) {
            ("listen", true) => Outcome::implied("chronyd listens on all addresses"),
            (_, true) if name == "wildcard" => {
                Outcome::implied("chronyd has sockets of its own kind")
            }
            (_, true) if name == "all" => {
                Outcome::changed(Vec::new(), "the listen lines say where")
            }
            _ if !self.serving.serve => {
                Outcome::dropped("this machine does not serve, so nothing listens")
            }
            (_, true) => Outcome::lost(&format!(
                "start chronyd with {} instead",
                if name == "ipv6" { "-4" } else { "-6" }
            )),
            ("listen", false) => match ip {
                Some(ip) if ip.is_loopback() => {
                    Outcome::dropped("chronyd has one address a family; this machine needs none")
                }
                Some(ip) if !self.bound.contains(&ip.is_ipv4()) => {
                    self.bound.insert(ip.is_ipv4());
                    Outcome::kept(format!("bindaddress {ip}"))
                }
                Some(_) => {
                    Outcome::lost("chronyd binds one address a family: an earlier line has it")
                }
                None if name.contains('/') => {
                    Outcome::lost("chronyd binds to an address, not to a network")
                }
                None if self.target.version < Version::new(4, 0) => {
                    Outcome::lost("binddevice needs chrony 4.0")
                }
                None if self.device_bound => {
                    Outcome::lost("chronyd binds one interface: an earlier line has it")
                }
                None => {
                    self.device_bound = true;
                    Outcome::changed(vec![format!("binddevice {name}")], "binddevice in chrony")
                }
            },
            _ => Outcome::lost(
                "chronyd cannot leave out one address or interface: close UDP 123 there in the firewall",
            ),
        }
    }
}

fn log_of(name: &str) -> Option<&'static str> {
    match name {
        "loopstats" => Some("tracking"),
        "peerstats" => Some("statistics"),
        "rawstats" => Some("measurements"),
        "clockstats" => Some("refclocks"),
        _ => None,
    }
}

/// The last of the options counts.
fn mru(option: &Opt, all: &[Opt]) -> Outcome {
    let sizes = |option: &&Opt| matches!(option.name, "maxmem" | "maxdepth");
    let last = all.iter().rfind(sizes);
    if sizes(&option) && last.is_some_and(|last| last.name != option.name) {
        return Outcome::changed(Vec::new(), "a later word sets the same limit");
    }
    let bytes = match (option.name, option.int()) {
        ("maxmem", Some(kilobytes)) => kilobytes.checked_mul(1024),
        ("maxdepth", Some(entries)) => entries.checked_mul(128),
        _ => None,
    };
    match bytes.filter(|bytes| *bytes > 0) {
        Some(bytes) => Outcome::changed(vec![format!("clientloglimit {bytes}")], "in bytes"),
        None => Outcome::dropped("chrony's list of clients has one limit"),
    }
}

fn rlimit(option: &Opt) -> Outcome {
    match (option.name, option.int()) {
        ("memlock", Some(size)) if size >= 0 => {
            Outcome::changed(vec!["lock_all".to_owned()], "chronyd locks what it needs")
        }
        ("memlock", _) => Outcome::implied("nothing is locked"),
        _ => Outcome::dropped("chronyd needs no such limit"),
    }
}

/// Names the option in front of its reasons where the line has several.
fn label(mut outcome: Outcome, option: &Opt, several: bool) -> Outcome {
    outcome.reasons.retain(|reason| !reason.is_empty());
    if several {
        for reason in &mut outcome.reasons {
            *reason = format!("{}: {reason}", option.name);
        }
    }
    outcome
}

/// Several options of one line: the line is dropped only if all are.
fn join(mut sum: Outcome, next: Outcome) -> Outcome {
    use crate::conf::convert::record::Verdict;
    sum.verdict = if sum.verdict == next.verdict {
        sum.verdict
    } else {
        Verdict::Changed
    };
    sum.matters |= next.matters;
    sum.output.extend(next.output);
    sum.reasons.extend(next.reasons);
    sum
}
