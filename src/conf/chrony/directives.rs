//! The directives of chrony.conf as data: name, arguments, first version, help.
//!
//! Facts from chrony's manual, release notes and history up to 4.8. `since` is the first version
//! that has the directive; 2.0 stands for "always", 4.9 for "not in a release yet". A directive
//! that came in a patch release (ntsaeads in 4.6.1) has the version after it.

use crate::conf::chrony::Version;

/// What follows a directive's name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Nothing.
    Flag,
    /// One integer in this range.
    Int(i64, i64),
    /// One number.
    Float,
    /// One word: a path, a device, a user.
    Text,
    /// Integers, none or more.
    Ints,
    /// The form of the directive's own.
    Own,
    /// Obsolete: whatever follows is ignored.
    Ignored,
}

/// One directive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Directive {
    /// Its name in lower case.
    pub name: &'static str,
    /// Its arguments as a manual writes them.
    pub arguments: &'static str,
    /// What its arguments are.
    pub shape: Shape,
    /// The first version of chrony that has it.
    pub since: Version,
    /// Why it should not be used any more, if so.
    pub obsolete: Option<&'static str>,
    /// One line of help.
    pub help: &'static str,
}

/// A directive by its name, in any case.
#[must_use]
pub fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES
        .iter()
        .find(|directive| directive.name.eq_ignore_ascii_case(name))
}

const MAX: i64 = i32::MAX as i64;

const fn new(
    name: &'static str,
    arguments: &'static str,
    shape: Shape,
    since: (u16, u16),
    help: &'static str,
) -> Directive {
    Directive {
        name,
        arguments,
        shape,
        since: Version {
            major: since.0,
            minor: since.1,
        },
        obsolete: None,
        help,
    }
}

const fn old(
    name: &'static str,
    arguments: &'static str,
    shape: Shape,
    why: &'static str,
) -> Directive {
    Directive {
        name,
        arguments,
        shape,
        since: Version { major: 2, minor: 0 },
        obsolete: Some(why),
        help: "obsolete",
    }
}

use Shape::Flag;
use Shape::Float;
use Shape::Ignored;
use Shape::Int;
use Shape::Ints;
use Shape::Own;
use Shape::Text;

/// All directives, by name.
#[rustfmt::skip]
pub const DIRECTIVES: &[Directive] = &[
    new("acquisitionport", "PORT", Int(0, 65535), (2, 0), "source port of requests; 0 = a random one for each"),
    new("allow", "[all] [NETWORK]", Own, (2, 0), "serve time to a network; without one to everybody"),
    new("authselectmode", "require|prefer|mix|ignore", Own, (4, 0), "how unauthenticated sources are selected"),
    new("bindacqaddress", "ADDRESS", Own, (2, 0), "local address of requests"),
    new("bindacqdevice", "INTERFACE", Text, (4, 0), "interface of requests"),
    new("bindaddress", "ADDRESS", Own, (2, 0), "local address of the NTP server, one a family"),
    new("bindcmdaddress", "ADDRESS|PATH", Own, (2, 0), "local address or socket of the command port"),
    new("bindcmddevice", "INTERFACE", Text, (4, 0), "interface of the command port"),
    new("binddevice", "INTERFACE", Text, (4, 0), "interface of the NTP server"),
    new("broadcast", "INTERVAL ADDRESS [PORT]", Own, (2, 0), "send broadcast packets every so many seconds"),
    new("clientloglimit", "BYTES", Int(0, i64::MAX), (2, 0), "memory for the log of clients"),
    new("clockprecision", "SECONDS", Float, (4, 0), "precision of the system clock"),
    new("cmdallow", "[all] [NETWORK]", Own, (2, 0), "accept monitoring commands from a network"),
    new("cmddeny", "[all] [NETWORK]", Own, (2, 0), "refuse monitoring commands from a network"),
    new("cmdport", "PORT", Int(0, 65535), (2, 0), "port of monitoring commands; 0 = none"),
    new("cmdratelimit", "[interval N] [burst N] [leak N]", Own, (2, 3), "limit the rate of command replies"),
    new("combinelimit", "FACTOR", Float, (2, 0), "distance of sources combined with the best"),
    old("commandkey", "KEY", Ignored, "commands are authorised by the Unix socket since chrony 2.2"),
    new("confdir", "DIRECTORY...", Own, (4, 0), "read *.conf of directories, a name once"),
    new("corrtimeratio", "RATIO", Float, (2, 0), "time of a correction in update intervals"),
    new("deny", "[all] [NETWORK]", Own, (2, 0), "refuse time to a network"),
    new("driftfile", "FILE [interval SECONDS]", Own, (2, 0), "where the clock's frequency is kept"),
    new("dscp", "POINT", Int(0, 63), (4, 0), "code point of transmitted packets"),
    new("dumpdir", "DIRECTORY", Text, (2, 0), "where measurements are kept over a restart"),
    old("dumponexit", "", Ignored, "measurements are dumped whenever dumpdir is set"),
    new("fallbackdrift", "MIN MAX", Own, (2, 0), "intervals in log2 seconds of long averages"),
    old("generatecommandkey", "", Ignored, "commands are authorised by the Unix socket since chrony 2.2"),
    new("hwclockfile", "FILE", Text, (2, 0), "file that says whether the RTC keeps UTC"),
    new("hwtimestamp", "INTERFACE [OPTION...]", Own, (3, 0), "timestamps of the network card"),
    new("hwtstimeout", "SECONDS", Float, (4, 4), "how long a late timestamp is waited for"),
    new("include", "PATTERN", Own, (2, 0), "read further files"),
    new("initstepslew", "THRESHOLD [HOST...]", Own, (2, 0), "step the clock at start; makestep is better"),
    new("keyfile", "FILE", Text, (2, 0), "file with the symmetric keys"),
    new("leapseclist", "FILE", Text, (4, 6), "leap-seconds.list"),
    new("leapsecmode", "system|step|slew|ignore", Own, (2, 0), "how a leap second is applied"),
    new("leapsectz", "ZONE", Text, (2, 0), "time zone that has the leap seconds"),
    old("linux_freq_scale", "FACTOR", Ignored, "the kernel's scale is known since chrony 1.30"),
    old("linux_hz", "HZ", Ignored, "the kernel's tick is known since chrony 1.30"),
    new("local", "[stratum N] [OPTION...]", Own, (2, 0), "serve time without a source"),
    new("lock_all", "", Flag, (2, 0), "lock the daemon in memory"),
    new("log", "LOG...", Own, (2, 0), "which logs are written"),
    new("logbanner", "LINES", Int(0, MAX), (2, 0), "lines between banners in logs"),
    new("logchange", "SECONDS", Float, (2, 0), "corrections worth a message"),
    new("logdir", "DIRECTORY", Text, (2, 0), "where logs are written"),
    new("mailonchange", "ADDRESS SECONDS", Own, (2, 0), "mail about large corrections"),
    new("makestep", "SECONDS UPDATES", Own, (2, 0), "step the clock when it is far off in the first updates; -1 = any"),
    new("manual", "", Flag, (2, 0), "allow settime in chronyc"),
    new("maxchange", "SECONDS START IGNORE", Own, (2, 0), "give up on larger corrections"),
    new("maxclockerror", "PPM", Float, (2, 0), "error of the clock's frequency without updates"),
    new("maxdistance", "SECONDS", Float, (2, 2), "root distance of a usable source"),
    new("maxdrift", "PPM", Float, (2, 4), "limit of the frequency correction"),
    new("maxjitter", "SECONDS", Float, (3, 0), "jitter of a usable source"),
    new("maxntsconnections", "N", Int(1, MAX), (4, 0), "NTS-KE connections at a time"),
    new("maxsamples", "N", Int(0, MAX), (2, 0), "samples kept of a source; 0 = no limit"),
    new("maxslewrate", "PPM", Float, (2, 0), "fastest correction of an offset"),
    new("maxstratum", "N", Int(0, MAX), (4, 9), "stratum of a usable source at most"),
    new("maxtxbuffers", "N", Int(0, 1_048_576), (4, 9), "packets waiting for a transmit timestamp"),
    new("maxupdateskew", "PPM", Float, (2, 0), "uncertainty of a usable frequency"),
    new("minsamples", "N", Int(0, MAX), (2, 0), "samples kept of a source at least"),
    new("minsources", "N", Int(1, MAX), (2, 0), "selectable sources needed for an update"),
    new("minstratum", "N", Int(0, MAX), (4, 9), "stratum of a usable source at least"),
    new("nocerttimecheck", "N", Int(0, MAX), (4, 0), "updates before dates of certificates are checked"),
    new("noclientlog", "", Flag, (2, 0), "keep no log of clients"),
    new("nosystemcert", "", Flag, (4, 0), "do not trust the system's certificates"),
    new("ntpsigndsocket", "DIRECTORY", Text, (3, 0), "Samba's signing socket"),
    new("ntsaeads", "ID...", Ints, (4, 7), "AEAD algorithms of NTS"),
    new("ntscachedir", "DIRECTORY", Text, (4, 0), "another name of ntsdumpdir"),
    new("ntsdumpdir", "DIRECTORY", Text, (4, 0), "where NTS keys and cookies are kept"),
    new("ntsntpserver", "HOST", Text, (4, 0), "NTP server named in NTS-KE replies"),
    new("ntsport", "PORT", Int(0, 65535), (4, 0), "port of NTS-KE"),
    new("ntsprocesses", "N", Int(0, 1000), (4, 0), "helper processes of NTS-KE"),
    new("ntsratelimit", "[interval N] [burst N] [leak N]", Own, (4, 0), "limit the rate of NTS-KE connections"),
    new("ntsrefresh", "SECONDS", Int(0, MAX), (4, 0), "age of NTS keys at most"),
    new("ntsrotate", "SECONDS", Int(0, MAX), (4, 0), "interval between new server keys"),
    new("ntsservercert", "FILE", Text, (4, 0), "certificate of the NTS server"),
    new("ntsserverkey", "FILE", Text, (4, 0), "private key of the NTS server"),
    new("ntstrustedcerts", "[SET] FILE|DIRECTORY", Own, (4, 0), "certificates trusted for NTS"),
    new("opencommands", "COMMAND...", Own, (4, 7), "commands that other hosts may use"),
    new("peer", "HOST [OPTION...]", Own, (2, 0), "a symmetric association"),
    new("pidfile", "FILE", Text, (2, 0), "where the process id is written; / = nowhere"),
    new("pool", "NAME [OPTION...]", Own, (2, 0), "a name with several servers, of which some are used"),
    new("port", "PORT", Int(0, 65535), (2, 0), "port of the NTP server; 0 = none"),
    new("ptpdomain", "DOMAIN", Int(0, 255), (4, 6), "domain of NTP over PTP"),
    new("ptpport", "PORT", Int(0, 65535), (4, 2), "port of NTP over PTP; 0 = none"),
    new("ratelimit", "[interval N] [burst N] [leak N] [kod N]", Own, (2, 3), "limit the rate of NTP replies"),
    new("refclock", "DRIVER PARAMETER [OPTION...]", Own, (2, 0), "a clock of this machine: PHC, PPS, SHM, SOCK, RTC"),
    new("refresh", "SECONDS", Int(0, MAX), (4, 4), "interval between look-ups of names"),
    new("reselectdist", "SECONDS", Float, (2, 0), "distance that keeps the selected source"),
    new("rtcautotrim", "SECONDS", Float, (2, 0), "error of the RTC that is corrected"),
    new("rtcdevice", "DEVICE", Text, (2, 0), "the RTC"),
    new("rtcfile", "FILE", Text, (2, 0), "where the RTC's drift is kept"),
    new("rtconutc", "", Flag, (2, 0), "the RTC keeps UTC"),
    new("rtcsync", "", Flag, (2, 0), "the kernel copies the time to the RTC"),
    new("sched_priority", "PRIORITY", Int(0, 100), (2, 0), "real-time priority"),
    new("server", "HOST [OPTION...]", Own, (2, 0), "a time server"),
    new("smoothtime", "PPM PPM_PER_S [leaponly]", Own, (2, 0), "smooth the time served"),
    new("sourcedir", "DIRECTORY...", Own, (4, 0), "read *.sources of directories, reloaded at run time"),
    new("stratumweight", "SECONDS", Float, (2, 0), "distance added a stratum in selection"),
    new("tempcomp", "FILE INTERVAL POINTS|T0 K0 K1 K2", Own, (2, 0), "compensate by temperature"),
    new("user", "NAME", Text, (2, 0), "user the daemon runs as"),
];

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Argument {
    /// Nothing.
    None,
    /// An integer in this range.
    Int(i64, i64),
    /// A number.
    Float,
    /// A hexadecimal number.
    Hex,
    /// A reference identifier: one to four characters.
    Refid,
    /// One of these words.
    One(&'static [&'static str]),
}

/// An option of a directive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptionInfo {
    /// Its name in lower case.
    pub name: &'static str,
    /// What it takes.
    pub argument: Argument,
    /// The first version of chrony that has it.
    pub since: Version,
    /// One line of help.
    pub help: &'static str,
}

const fn opt(
    name: &'static str,
    argument: Argument,
    since: (u16, u16),
    help: &'static str,
) -> OptionInfo {
    OptionInfo {
        name,
        argument,
        since: Version {
            major: since.0,
            minor: since.1,
        },
        help,
    }
}

const NONE: Argument = Argument::None;
const FLOAT: Argument = Argument::Float;
const COUNT: Argument = Argument::Int(0, MAX);
const POLL: Argument = Argument::Int(-32, 32);

/// Options of `server`, `pool`, `peer`.
#[rustfmt::skip]
pub const SOURCE_OPTIONS: &[OptionInfo] = &[
    opt("asymmetry", FLOAT, (3, 2), "asymmetry of network jitter, -0.5 to 0.5"),
    opt("auto_offline", NONE, (2, 0), "stop asking when requests cannot be sent"),
    opt("burst", NONE, (3, 3), "several requests at each poll"),
    opt("certset", Argument::Int(0, u32::MAX as i64), (4, 1), "set of trusted certificates"),
    opt("copy", NONE, (4, 1), "take stratum and reference identifier of the source"),
    opt("extfield", Argument::Hex, (4, 2), "extension field F323: finer root distance, the corrections of the server's clock; for chronyd 4.2 and later"),
    opt("filter", COUNT, (3, 4), "samples of which one is used"),
    opt("iburst", NONE, (2, 0), "four requests 2 s apart at the start"),
    opt("ipv4", NONE, (4, 6), "only IPv4 addresses of the name"),
    opt("ipv6", NONE, (4, 6), "only IPv6 addresses of the name"),
    opt("key", Argument::Int(1, u32::MAX as i64), (2, 0), "number of the symmetric key"),
    opt("maxdelay", FLOAT, (2, 0), "round trip of a usable sample, default 3 s"),
    opt("maxdelaydevratio", FLOAT, (2, 0), "increase of the delay in deviations, default 10"),
    opt("maxdelayquant", FLOAT, (4, 3), "quantile of the delay of usable samples"),
    opt("maxdelayratio", FLOAT, (2, 0), "delay of usable samples in minima"),
    opt("maxpoll", POLL, (2, 0), "longest poll interval in log2 seconds, default 10"),
    opt("maxsamples", COUNT, (2, 0), "samples kept at most"),
    opt("maxsources", Argument::Int(1, MAX), (2, 0), "servers used of a pool, default 4"),
    opt("maxunreach", COUNT, (4, 8), "polls without reply before the source is unselected"),
    opt("mindelay", FLOAT, (3, 2), "delay below which samples are not trusted to be better"),
    opt("minpoll", POLL, (2, 0), "shortest poll interval in log2 seconds, default 6"),
    opt("minsamples", COUNT, (2, 0), "samples kept at least"),
    opt("minstratum", Argument::Int(0, 16), (2, 0), "stratum taken at least"),
    opt("noselect", NONE, (2, 0), "measure only"),
    opt("nts", NONE, (4, 0), "authenticate by NTS"),
    opt("ntsport", Argument::Int(0, 65535), (4, 0), "port of NTS-KE, default 4460"),
    opt("offline", NONE, (2, 0), "do not ask before chronyc says online"),
    opt("offset", FLOAT, (3, 0), "seconds added to the source's offset"),
    opt("polltarget", Argument::Int(1, MAX), (2, 0), "samples aimed at, default 8"),
    opt("port", Argument::Int(0, 65535), (2, 0), "port of the server, default 123"),
    opt("prefer", NONE, (2, 0), "prefer to sources without it"),
    opt("presend", POLL, (2, 0), "poll interval from which a packet goes ahead"),
    opt("require", NONE, (2, 3), "no update unless one such source is selectable"),
    opt("trust", NONE, (2, 3), "never a falseticker against untrusted sources"),
    opt("version", Argument::Int(1, 4), (2, 0), "NTP version of requests"),
    opt("xleave", NONE, (3, 0), "interleaved mode"),
];

/// Options of `refclock`.
#[rustfmt::skip]
pub const REFCLOCK_OPTIONS: &[OptionInfo] = &[
    opt("delay", FLOAT, (2, 0), "delay of the clock, which bounds its error"),
    opt("dpoll", POLL, (2, 0), "driver's poll interval in log2 seconds"),
    opt("filter", COUNT, (2, 0), "samples of which one is used, default 64"),
    opt("local", NONE, (4, 3), "a stable clock without true time"),
    opt("lock", Argument::Refid, (2, 0), "refclock that numbers the pulses"),
    opt("maxdispersion", FLOAT, (2, 0), "dispersion of a usable sample"),
    opt("maxlockage", COUNT, (3, 0), "age of the lock in pulses, default 2"),
    opt("maxsamples", COUNT, (2, 0), "samples kept at most"),
    opt("maxunreach", COUNT, (4, 8), "polls without sample before the clock is unselected"),
    opt("minsamples", COUNT, (2, 0), "samples kept at least"),
    opt("noselect", NONE, (2, 0), "measure only"),
    opt("offset", FLOAT, (2, 0), "seconds added to the clock's offset"),
    opt("poll", POLL, (2, 0), "poll interval in log2 seconds, default 4"),
    opt("pps", NONE, (3, 2), "only the pulse counts, not the second"),
    opt("precision", FLOAT, (2, 0), "precision in seconds"),
    opt("prefer", NONE, (2, 0), "prefer to sources without it"),
    opt("rate", Argument::Int(1, MAX), (2, 0), "pulses in a second"),
    opt("refid", Argument::Refid, (2, 0), "reference identifier"),
    opt("require", NONE, (2, 3), "no update unless one such source is selectable"),
    opt("stratum", Argument::Int(0, 15), (3, 3), "stratum of the clock"),
    opt("tai", NONE, (3, 3), "the clock keeps TAI"),
    opt("trust", NONE, (2, 3), "never a falseticker against untrusted sources"),
    opt("width", FLOAT, (3, 2), "width of the pulse in seconds"),
];

/// Options of `hwtimestamp`.
#[rustfmt::skip]
pub const HWTIMESTAMP_OPTIONS: &[OptionInfo] = &[
    opt("maxpoll", POLL, (4, 4), "longest interval of readings"),
    opt("maxsamples", COUNT, (3, 4), "readings kept at most, default 16"),
    opt("minpoll", POLL, (3, 1), "shortest interval of readings"),
    opt("minsamples", COUNT, (3, 4), "readings kept at least, default 2"),
    opt("nocrossts", NONE, (3, 1), "no precise cross timestamping"),
    opt("precision", FLOAT, (3, 1), "precision in seconds, default 100 ns"),
    opt("rxcomp", FLOAT, (3, 0), "seconds added to receive timestamps"),
    opt("rxfilter", Argument::One(&["all", "ntp", "ptp", "none"]), (3, 2), "which received packets have timestamps"),
    opt("txcomp", FLOAT, (3, 0), "seconds added to transmit timestamps"),
];

/// Options of `local`.
#[rustfmt::skip]
pub const LOCAL_OPTIONS: &[OptionInfo] = &[
    opt("activate", FLOAT, (4, 6), "root distance that must have been reached once"),
    opt("distance", FLOAT, (2, 4), "root distance from which the local mode is used, default 1 s"),
    opt("orphan", NONE, (2, 4), "agree with other orphans who serves"),
    opt("stratum", Argument::Int(1, 15), (2, 0), "stratum served, default 10"),
    opt("waitsynced", FLOAT, (4, 7), "seconds without update before the mode is used"),
    opt("waitunsynced", FLOAT, (4, 7), "seconds at the start before the mode is used"),
];

/// Options of `ratelimit`, `cmdratelimit`, `ntsratelimit` (`kod` for the first only).
#[rustfmt::skip]
pub const RATELIMIT_OPTIONS: &[OptionInfo] = &[
    opt("burst", POLL, (2, 3), "replies allowed at once"),
    opt("interval", POLL, (2, 3), "interval between replies in log2 seconds"),
    opt("leak", POLL, (2, 3), "one of 2^N requests is answered all the same"),
    opt("kod", POLL, (4, 6), "one of 2^N requests is answered by a kiss"),
];

/// Words of `log`.
pub const LOGS: &[&str] = &[
    "rawmeasurements",
    "measurements",
    "selection",
    "statistics",
    "tracking",
    "rtc",
    "refclocks",
    "tempcomp",
];

/// Words of `opencommands`.
#[rustfmt::skip]
pub const OPEN_COMMANDS: &[&str] = &[
    "activity", "authdata", "clients", "manual", "ntpdata", "rtcdata", "selectdata", "serverstats",
    "smoothing", "sourcename", "sources", "sourcestats", "tracking",
];

/// Drivers of `refclock`.
pub const DRIVERS: &[&str] = &["PHC", "PPS", "RTC", "SHM", "SOCK"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_have_each_name_once() {
        assert!(
            DIRECTIVES
                .windows(2)
                .all(|pair| pair[0].name < pair[1].name)
        );
        for table in [
            SOURCE_OPTIONS,
            REFCLOCK_OPTIONS,
            HWTIMESTAMP_OPTIONS,
            LOCAL_OPTIONS,
        ] {
            assert!(table.windows(2).all(|pair| pair[0].name < pair[1].name));
        }
    }

    #[test]
    fn names_are_found_in_any_case() {
        assert_eq!(
            find("MakeStep").map(|directive| directive.name),
            Some("makestep")
        );
        assert_eq!(
            find("leapseclist").map(|d| d.since.to_string()),
            Some("4.6".to_owned())
        );
        assert!(find("sever").is_none());
    }
}
