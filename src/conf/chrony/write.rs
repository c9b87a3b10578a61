//! Values of chrony.conf back to text: one line a directive, options in a fixed order, no
//! comments after a directive (chrony.conf has none).

use core::fmt::Write as _;

use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::CommandAddress;
use crate::conf::chrony::value::Family;
use crate::conf::chrony::value::HwTimestamp;
use crate::conf::chrony::value::Local;
use crate::conf::chrony::value::RateLimit;
use crate::conf::chrony::value::Refclock;
use crate::conf::chrony::value::Selection;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::Subject;
use crate::conf::chrony::value::TempCurve;
use crate::conf::chrony::value::Value;

/// The line of a directive, without a newline.
#[must_use]
pub fn line(name: &str, value: &Value) -> String {
    let arguments = arguments(value);
    if arguments.is_empty() {
        name.to_owned()
    } else {
        format!("{name} {arguments}")
    }
}

/// The arguments of a directive.
#[must_use]
pub fn arguments(value: &Value) -> String {
    match value {
        Value::Flag => String::new(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) | Value::Mode(text) | Value::Ignored(text) => text.clone(),
        Value::Words(words) => words.join(" "),
        Value::Ints(list) => {
            let words: Vec<String> = list.iter().map(ToString::to_string).collect();
            words.join(" ")
        }
        Value::Source(source) => source_arguments(source),
        Value::Refclock(clock) => refclock_arguments(clock),
        Value::Access(access) => access_arguments(access),
        Value::Address(ip) => ip.to_string(),
        Value::CommandAddress(CommandAddress::Ip(ip)) => ip.to_string(),
        Value::CommandAddress(CommandAddress::Path(path)) => path.clone(),
        Value::Broadcast(broadcast) => {
            let mut out = Words::new(&broadcast.interval_s.to_string());
            out.word(&broadcast.address.to_string());
            if let Some(port) = broadcast.port {
                out.word(&port.to_string());
            }
            out.0
        }
        Value::DriftFile(file) => Words::new(&file.path).option("interval", file.interval_s).0,
        Value::FallbackDrift(low, high) => format!("{low} {high}"),
        Value::HwTimestamp(card) => hwtimestamp_arguments(card),
        Value::InitStepSlew(threshold, hosts) => {
            let mut out = Words::new(&threshold.to_string());
            for host in hosts {
                out.word(host);
            }
            out.0
        }
        Value::Local(local) => local_arguments(local),
        Value::MailOnChange(address, seconds) => format!("{address} {seconds}"),
        Value::MakeStep(step) => format!("{} {}", step.threshold_s, step.limit),
        Value::MaxChange(change) => {
            format!("{} {} {}", change.offset_s, change.start, change.ignore)
        }
        Value::TrustedCerts(set, path) => {
            set.map_or_else(|| path.clone(), |set| format!("{set} {path}"))
        }
        Value::RateLimit(limit) => ratelimit_arguments(limit),
        Value::SmoothTime(smooth) => {
            let mut out = Words::new(&smooth.max_frequency_ppm.to_string());
            out.word(&smooth.max_wander_ppm_per_s.to_string());
            out.flag("leaponly", smooth.leap_only).0
        }
        Value::TempComp(comp) => {
            let mut out = Words::new(&comp.sensor);
            out.word(&comp.interval_s.to_string());
            match &comp.curve {
                TempCurve::Points(file) => out.word(file),
                TempCurve::Polynomial(factors) => {
                    for factor in factors {
                        out.word(&factor.to_string());
                    }
                }
            }
            out.0
        }
    }
}

/// Words joined by single spaces.
struct Words(String);

impl Words {
    fn new(first: &str) -> Self {
        Self(first.to_owned())
    }

    fn word(&mut self, word: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(word);
    }

    fn flag(mut self, name: &str, on: bool) -> Self {
        if on {
            self.word(name);
        }
        self
    }

    fn option<T: ToString>(mut self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.word(name);
            self.word(&value.to_string());
        }
        self
    }

    fn selection(self, select: Selection) -> Self {
        self.flag("noselect", select.noselect)
            .flag("prefer", select.prefer)
            .flag("require", select.require)
            .flag("trust", select.trust)
    }
}

fn source_arguments(source: &Source) -> String {
    let mut out = Words::new(&source.name)
        .option("port", source.port)
        .flag("ipv4", source.family == Some(Family::V4))
        .flag("ipv6", source.family == Some(Family::V6))
        .flag("nts", source.nts)
        .option("ntsport", source.ntsport)
        .option("certset", source.certset)
        .option("key", source.key)
        .selection(source.select)
        .flag("iburst", source.iburst)
        .flag("burst", source.burst)
        .option("minpoll", source.minpoll)
        .option("maxpoll", source.maxpoll)
        .option("maxsources", source.maxsources)
        .option("version", source.version)
        .flag("xleave", source.xleave)
        .flag("copy", source.copy)
        .flag("offline", source.offline)
        .flag("auto_offline", source.auto_offline)
        .option("presend", source.presend)
        .option("offset", source.offset)
        .option("asymmetry", source.asymmetry)
        .option("mindelay", source.mindelay)
        .option("maxdelay", source.maxdelay)
        .option("maxdelayratio", source.maxdelayratio)
        .option("maxdelaydevratio", source.maxdelaydevratio)
        .option("maxdelayquant", source.maxdelayquant)
        .option("minstratum", source.minstratum)
        .option("polltarget", source.polltarget)
        .option("minsamples", source.minsamples)
        .option("maxsamples", source.maxsamples)
        .option("maxunreach", source.maxunreach)
        .option("filter", source.filter);
    for field in &source.extfields {
        // Writing to a String cannot fail.
        let _ = write!(out.0, " extfield {field:X}");
    }
    out.0
}

fn refclock_arguments(clock: &Refclock) -> String {
    let mut out = Words::new(&clock.driver);
    out.word(&clock.parameter);
    out.option("refid", clock.refid.as_ref())
        .option("lock", clock.lock.as_ref())
        .option("poll", clock.poll)
        .option("dpoll", clock.dpoll)
        .option("filter", clock.filter)
        .option("rate", clock.rate)
        .option("offset", clock.offset)
        .option("delay", clock.delay)
        .option("precision", clock.precision)
        .option("stratum", clock.stratum)
        .selection(clock.select)
        .flag("pps", clock.pps)
        .flag("tai", clock.tai)
        .flag("local", clock.local)
        .option("width", clock.width)
        .option("maxdispersion", clock.maxdispersion)
        .option("maxlockage", clock.maxlockage)
        .option("minsamples", clock.minsamples)
        .option("maxsamples", clock.maxsamples)
        .option("maxunreach", clock.maxunreach)
        .0
}

fn hwtimestamp_arguments(card: &HwTimestamp) -> String {
    Words::new(&card.interface)
        .option("minpoll", card.minpoll)
        .option("maxpoll", card.maxpoll)
        .option("minsamples", card.minsamples)
        .option("maxsamples", card.maxsamples)
        .option("precision", card.precision)
        .option("rxcomp", card.rxcomp)
        .option("txcomp", card.txcomp)
        .option("rxfilter", card.rxfilter.as_ref())
        .flag("nocrossts", card.nocrossts)
        .0
}

fn local_arguments(local: &Local) -> String {
    Words::new("")
        .option("stratum", local.stratum)
        .flag("orphan", local.orphan)
        .option("distance", local.distance)
        .option("activate", local.activate)
        .option("waitsynced", local.waitsynced)
        .option("waitunsynced", local.waitunsynced)
        .0
}

fn ratelimit_arguments(limit: &RateLimit) -> String {
    Words::new("")
        .option("interval", limit.interval)
        .option("burst", limit.burst)
        .option("leak", limit.leak)
        .option("kod", limit.kod)
        .0
}

fn access_arguments(access: &Access) -> String {
    let mut out = Words::new("").flag("all", access.all);
    match &access.subject {
        Subject::Everybody => {}
        Subject::Network(network) => out.word(&network.to_string()),
        Subject::Name(name) => out.word(name),
    }
    out.0
}
