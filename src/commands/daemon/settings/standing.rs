//! What becomes of each directive, and of each option of a source: followed, obsolete, or not
//! followed, with the sentence that a user reads. One row a name; a test holds the tables against
//! those of the syntax, so that nothing is ever skipped in silence.

use crate::conf::chrony::Loaded;
use crate::conf::chrony::Statement;
use crate::conf::chrony::directives::Argument;
use crate::conf::chrony::directives::HWTIMESTAMP_OPTIONS;
use crate::conf::chrony::directives::LOCAL_OPTIONS;
use crate::conf::chrony::directives::OptionInfo;
use crate::conf::chrony::directives::RATELIMIT_OPTIONS;
use crate::conf::chrony::directives::REFCLOCK_OPTIONS;
use crate::conf::chrony::directives::SOURCE_OPTIONS;
use crate::conf::chrony::value::Value;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::words;
use crate::conf::words::Line;
use crate::proto::mono_root;

/// What becomes of a directive or an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Followed.
    Done,
    /// chrony itself ignores it; the parser says so.
    Obsolete,
    /// It concerns answering clients: followed by `serve`, not by `sync --daemon`.
    Serve,
    /// Not followed (yet): why, or what happens instead.
    Not(&'static str),
}

use Standing::Done;
use Standing::Not;
use Standing::Obsolete;
use Standing::Serve;

/// What the daemon is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Role {
    /// It follows its sources and answers nobody: `sync --daemon`.
    #[default]
    Follow,
    /// It answers clients too: `serve`.
    Serve,
}

const NO_NTS: Standing = Not("there is no NTS yet; the line is ignored");

/// Every directive of `conf::chrony::directives::DIRECTIVES`, in its order.
#[rustfmt::skip]
pub const DIRECTIVES: &[(&str, Standing)] = &[
    ("acquisitionport", Done),
    ("allow", Serve),
    ("authselectmode", Done),
    ("bindacqaddress", Done),
    ("bindacqdevice", Done),
    ("bindaddress", Serve),
    ("bindcmdaddress", Done),
    ("bindcmddevice", Done),
    ("binddevice", Serve),
    ("broadcast", Serve),
    ("clientloglimit", Serve),
    ("clockprecision", Done),
    ("cmdallow", Done),
    ("cmddeny", Done),
    ("cmdport", Done),
    ("cmdratelimit", Done),
    ("combinelimit", Done),
    ("commandkey", Obsolete),
    ("confdir", Done),
    ("corrtimeratio", Done),
    ("deny", Serve),
    ("driftfile", Done),
    ("dscp", Done),
    ("dumpdir", Done),
    ("dumponexit", Obsolete),
    ("fallbackdrift", Done),
    ("generatecommandkey", Obsolete),
    ("hwclockfile", Done),
    ("hwtimestamp", Done),
    ("hwtstimeout", Done),
    ("include", Done),
    ("initstepslew", Done),
    ("keyfile", Done),
    ("leapseclist", Done),
    ("leapsecmode", Done),
    ("leapsectz", Done),
    ("linux_freq_scale", Obsolete),
    ("linux_hz", Obsolete),
    ("local", Done),
    ("lock_all", Done),
    ("log", Done),
    ("logbanner", Done),
    ("logchange", Done),
    ("logdir", Done),
    ("mailonchange", Done),
    ("makestep", Done),
    ("manual", Done),
    ("maxchange", Done),
    ("maxclockerror", Done),
    ("maxdistance", Done),
    ("maxdrift", Done),
    ("maxjitter", Done),
    ("maxntsconnections", NO_NTS),
    ("maxsamples", Done),
    ("maxslewrate", Done),
    ("maxstratum", Done),
    ("maxtxbuffers", Not("there is no queue of timestamps to bound; the line is ignored")),
    ("maxupdateskew", Done),
    ("minsamples", Done),
    ("minsources", Done),
    ("minstratum", Done),
    ("nocerttimecheck", NO_NTS),
    ("noclientlog", Serve),
    ("nosystemcert", NO_NTS),
    ("ntpsigndsocket", Not("Samba's signing is not done; such clients get no answer")),
    ("ntsaeads", NO_NTS),
    ("ntscachedir", NO_NTS),
    ("ntsdumpdir", NO_NTS),
    ("ntsntpserver", NO_NTS),
    ("ntsport", NO_NTS),
    ("ntsprocesses", NO_NTS),
    ("ntsratelimit", NO_NTS),
    ("ntsrefresh", NO_NTS),
    ("ntsrotate", NO_NTS),
    ("ntsservercert", NO_NTS),
    ("ntsserverkey", NO_NTS),
    ("ntstrustedcerts", NO_NTS),
    ("opencommands", Done),
    ("peer", Done),
    ("pidfile", Done),
    ("pool", Done),
    ("port", Serve),
    ("ptpdomain", Not("there is no NTP over PTP; the line is ignored")),
    ("ptpport", Not("there is no NTP over PTP; the line is ignored")),
    ("ratelimit", Serve),
    ("refclock", Done),
    ("refresh", Done),
    ("reselectdist", Done),
    ("rtcautotrim", Done),
    ("rtcdevice", Done),
    ("rtcfile", Done),
    ("rtconutc", Done),
    ("rtcsync", Done),
    ("sched_priority", Done),
    ("server", Done),
    ("smoothtime", Serve),
    ("sourcedir", Done),
    ("stratumweight", Done),
    ("tempcomp", Done),
    ("user", Done),
];

/// Every option of `server`, `pool` and `peer`, in the order of the syntax's table.
#[rustfmt::skip]
pub const OF_SOURCES: &[(&str, Standing)] = &[
    ("asymmetry", Done),
    ("auto_offline", Done),
    ("burst", Done),
    ("certset", Done),
    ("copy", Done),
    ("extfield", Done),
    ("filter", Done),
    ("iburst", Done),
    ("ipv4", Done),
    ("ipv6", Done),
    ("key", Done),
    ("maxdelay", Done),
    ("maxdelaydevratio", Done),
    ("maxdelayquant", Done),
    ("maxdelayratio", Done),
    ("maxpoll", Done),
    ("maxsamples", Done),
    ("maxsources", Done),
    ("maxunreach", Done),
    ("mindelay", Done),
    ("minpoll", Done),
    ("minsamples", Done),
    ("minstratum", Done),
    ("noselect", Done),
    ("nts", Not("there is no NTS yet; the source is not used, for its time would be unproved")),
    ("ntsport", Done),
    ("offline", Done),
    ("offset", Done),
    ("polltarget", Done),
    ("port", Done),
    ("prefer", Done),
    ("presend", Done),
    ("require", Done),
    ("trust", Done),
    ("version", Done),
    ("xleave", Done),
];

/// Every option of `refclock`, in the order of the syntax's table.
#[rustfmt::skip]
pub const OF_REFCLOCKS: &[(&str, Standing)] = &[
    ("delay", Done),
    ("dpoll", Done),
    ("filter", Done),
    ("local", Done),
    ("lock", Done),
    ("maxdispersion", Done),
    ("maxlockage", Done),
    ("maxsamples", Done),
    ("maxunreach", Done),
    ("minsamples", Done),
    ("noselect", Done),
    ("offset", Done),
    ("poll", Done),
    ("pps", Done),
    ("precision", Done),
    ("prefer", Done),
    ("rate", Done),
    ("refid", Done),
    ("require", Done),
    ("stratum", Done),
    ("tai", Done),
    ("trust", Done),
    ("width", Done),
];

/// Every option of `hwtimestamp`, in the order of the syntax's table.
#[rustfmt::skip]
pub const OF_CARDS: &[(&str, Standing)] = &[
    ("maxpoll", Done),
    ("maxsamples", Done),
    ("minpoll", Done),
    ("minsamples", Done),
    ("nocrossts", Done),
    ("precision", Done),
    ("rxcomp", Done),
    ("rxfilter", Done),
    ("txcomp", Done),
];

/// Every option of `local`, in the order of the syntax's table.
#[rustfmt::skip]
pub const OF_LOCAL: &[(&str, Standing)] = &[
    ("activate", Done),
    ("distance", Done),
    ("orphan", Done),
    ("stratum", Done),
    ("waitsynced", Done),
    ("waitunsynced", Done),
];

/// Every option of `ratelimit` and `cmdratelimit`, in the order of the syntax's table.
#[rustfmt::skip]
pub const OF_RATELIMIT: &[(&str, Standing)] = &[
    ("burst", Done),
    ("interval", Done),
    ("leak", Done),
    ("kod", Done),
];

/// Every word of `log`, in the order of the syntax's table.
#[rustfmt::skip]
pub const OF_LOG: &[(&str, Standing)] = &[
    ("rawmeasurements", Done),
    ("measurements", Done),
    ("selection", Done),
    ("statistics", Done),
    ("tracking", Done),
    ("rtc", Done),
    ("refclocks", Done),
    ("tempcomp", Done),
];

/// A warning for everything in the file that is not followed.
#[must_use]
pub fn warnings(loaded: &Loaded, role: Role) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for statement in &loaded.statements {
        let standing = of(DIRECTIVES, statement.name);
        if let Some(why) = sentence(standing, role, statement.name, &statement.value) {
            let span = statement.span.part(0, statement.name.len());
            found.push(Diagnostic::warning(
                span,
                format!("{}: {why}", statement.name),
            ));
            continue;
        }
        let (syntax, table) = match (&statement.value, statement.name) {
            (Value::Source(_), _) => (SOURCE_OPTIONS, OF_SOURCES),
            (Value::Refclock(_), _) => (REFCLOCK_OPTIONS, OF_REFCLOCKS),
            (Value::HwTimestamp(_), _) => (HWTIMESTAMP_OPTIONS, OF_CARDS),
            (_, "local") => (LOCAL_OPTIONS, OF_LOCAL),
            (_, "ratelimit" | "cmdratelimit") => (RATELIMIT_OPTIONS, OF_RATELIMIT),
            (_, "log") => {
                log_words(loaded, statement, &mut found);
                continue;
            }
            _ => continue,
        };
        options(loaded, statement, syntax, table, &mut found);
    }
    found.extend(together(loaded));
    found
}

/// Lines that exclude or need each other.
fn together(loaded: &Loaded) -> impl Iterator<Item = Diagnostic> {
    let has = |name: &str| loaded.statements.iter().any(|s| s.name == name);
    let followed = has("rtcfile");
    let idle = move |name: &str| match name {
        "rtcsync" if followed => {
            Some("rtcfile keeps that clock; the kernel does not copy the time")
        }
        "rtcautotrim" if !followed => Some("nothing is set without rtcfile; the line is ignored"),
        _ => None,
    };
    loaded.statements.iter().filter_map(move |statement| {
        let why = idle(statement.name)?;
        let span = statement.span.part(0, statement.name.len());
        Some(Diagnostic::warning(
            span,
            format!("{}: {why}", statement.name),
        ))
    })
}

/// The words of a statement's line, each with its place.
fn words_of<'a>(loaded: &'a Loaded, statement: &Statement) -> Vec<words::Word<'a>> {
    words::words(&Line {
        number: 0,
        text: loaded.map.text(statement.span),
        span: statement.span,
        terminated: true,
    })
}

/// Warns of files that `log` asks for and that are not written.
fn log_words(loaded: &Loaded, statement: &Statement, found: &mut Vec<Diagnostic>) {
    if loaded.last("logdir").is_none() {
        let span = statement.span.part(0, statement.name.len());
        let text = "log: there is no logdir line, so no log files are written";
        found.push(Diagnostic::warning(span, text.to_owned()));
        return;
    }
    for word in words_of(loaded, statement).iter().skip(1) {
        if let Not(why) = of(OF_LOG, &word.text.to_ascii_lowercase()) {
            let text = format!("log {}: {why}", word.text);
            found.push(Diagnostic::warning(word.span, text));
        }
    }
}

/// What an effective configuration says of a line that is not followed.
#[must_use]
pub fn remark(statement: &Statement, role: Role) -> Option<String> {
    if let Value::Source(source) = &statement.value
        && source.nts
    {
        return Some("not used: there is no NTS yet".to_owned());
    }
    let standing = of(DIRECTIVES, statement.name);
    let why = sentence(standing, role, statement.name, &statement.value);
    why.map(|why| format!("not followed: {why}"))
}

/// Lines that a daemon follows by answering nobody.
fn takes_away(name: &str) -> bool {
    ["deny", "noclientlog"].contains(&name)
}

/// Why a line is not followed, if it is not.
fn sentence(standing: Standing, role: Role, name: &str, value: &Value) -> Option<&'static str> {
    match standing {
        Done | Obsolete => None,
        Not(why) => Some(why),
        Serve if role == Role::Serve => None,
        // `port 0` asks for just what happens; so do lines that only take away.
        Serve if *value == Value::Int(0) || takes_away(name) => None,
        Serve => Some("this daemon answers nobody: clockbox serve does"),
    }
}

fn of(table: &[(&str, Standing)], name: &str) -> Standing {
    table
        .iter()
        .find(|row| row.0 == name)
        .map_or(Done, |row| row.1)
}

/// Warns of the options of one line. The line was parsed: its options are known and have their
/// arguments.
fn options(
    loaded: &Loaded,
    statement: &Statement,
    syntax: &[OptionInfo],
    table: &[(&str, Standing)],
    found: &mut Vec<Diagnostic>,
) {
    let line = words_of(loaded, statement);
    // The directive and its argument; a refclock's driver has a parameter too.
    let skip = match statement.value {
        Value::Refclock(_) => 3,
        Value::Source(_) => 2,
        _ => 1,
    };
    let mut rest = line.iter().skip(skip);
    while let Some(word) = rest.next() {
        let Some(info) = syntax
            .iter()
            .find(|i| i.name.eq_ignore_ascii_case(word.text))
        else {
            continue;
        };
        if info.argument != Argument::None {
            let argument = rest.next();
            found.extend(argument.filter(|_| info.name == "extfield").and_then(field));
        }
        if let Not(why) = of(table, info.name) {
            found.push(Diagnostic::warning(
                word.span,
                format!("{}: {why}", info.name),
            ));
        }
    }
}

/// Warns of an extension field that is not sent.
fn field(kind: &words::Word<'_>) -> Option<Diagnostic> {
    let sent = u32::from_str_radix(kind.text, 16) == Ok(u32::from(mono_root::KIND));
    let text = "extfield: only F323 is sent; this one is ignored";
    (!sent).then(|| Diagnostic::warning(kind.span, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::directives;

    fn names(table: &[(&'static str, Standing)]) -> Vec<&'static str> {
        table.iter().map(|row| row.0).collect()
    }

    #[test]
    fn every_directive_and_option_of_the_syntax_has_a_standing() {
        let syntax: Vec<&str> = directives::DIRECTIVES.iter().map(|d| d.name).collect();
        assert_eq!(names(DIRECTIVES), syntax);
        for (table, syntax) in [
            (OF_SOURCES, SOURCE_OPTIONS),
            (OF_REFCLOCKS, REFCLOCK_OPTIONS),
            (OF_CARDS, HWTIMESTAMP_OPTIONS),
            (OF_LOCAL, LOCAL_OPTIONS),
            (OF_RATELIMIT, RATELIMIT_OPTIONS),
        ] {
            let syntax: Vec<&str> = syntax.iter().map(|o| o.name).collect();
            assert_eq!(names(table), syntax);
        }
        assert_eq!(names(OF_LOG), directives::LOGS);
    }

    #[test]
    fn what_chrony_ignores_is_obsolete_here_too() {
        for directive in directives::DIRECTIVES {
            let obsolete = of(DIRECTIVES, directive.name) == Obsolete;
            assert_eq!(obsolete, directive.obsolete.is_some(), "{}", directive.name);
        }
    }
}
