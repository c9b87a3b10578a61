//! The directives of ntp.conf as data: classic ntp 4.2 and NTPsec.
//!
//! Facts from both projects' manuals and grammars. Keywords are case-sensitive, as in ntpd.

/// Which ntpd reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// The reference implementation, 4.2.
    Classic,
    /// NTPsec.
    Ntpsec,
}

impl Dialect {
    /// The program's name for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Classic => "ntp 4.2",
            Self::Ntpsec => "NTPsec",
        }
    }
}

/// Where a word exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum In {
    /// In both.
    Both,
    /// Only in ntp 4.2.
    Classic,
    /// Only in NTPsec.
    Ntpsec,
}

impl In {
    /// Whether `dialect` has it.
    #[must_use]
    pub fn has(self, dialect: Dialect) -> bool {
        match self {
            Self::Both => true,
            Self::Classic => dialect == Dialect::Classic,
            Self::Ntpsec => dialect == Dialect::Ntpsec,
        }
    }
}

/// What an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// An integer.
    Int,
    /// A number.
    Number,
    /// A word.
    Text,
    /// 0, 1, true or false.
    Bool,
}

/// A word that may follow a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// The word.
    pub name: &'static str,
    /// What follows it.
    pub takes: Takes,
    /// Where it exists.
    pub dialect: In,
}

/// The arguments of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `server ADDRESS [option...]`.
    Association,
    /// `refclock DRIVER [unit N] [option...]`.
    Refclock,
    /// Addresses.
    Addresses,
    /// `restrict`.
    Restrict,
    /// `fudge ADDRESS option...`, `device ADDRESS option...`, with options of this table.
    Fudge(&'static [Keyword]),
    /// Options of this table; the flag says that one at least is needed.
    Options(&'static [Keyword], bool),
    /// Words of this table.
    Words(&'static [Keyword]),
    /// `filegen STAT [option...]`.
    Filegen,
    /// `interface listen|ignore|drop WHAT`.
    Interface,
    /// `trustedkey N (N ... N)`.
    KeyRanges,
    /// One word.
    Text,
    /// One word, and perhaps `checkhash` or `ignorehash`.
    LeapFile,
    /// One word or none, and a number.
    DriftFile,
    /// Words to the end of the line.
    Texts,
    /// One integer.
    Int,
    /// One number.
    Number,
    /// Integers.
    Ints,
    /// `includefile FILE`.
    Include,
    /// Nothing.
    Nothing,
    /// `simulate { ... }`.
    Simulate,
}

/// One directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub shape: Shape,
    /// Where it exists.
    pub dialect: In,
    /// One line of help.
    pub help: &'static str,
}

/// A directive by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.name == name)
}

use In::Both;
use In::Classic;
use In::Ntpsec;
use Takes::Bool;
use Takes::Int;
use Takes::Nothing;
use Takes::Number;
use Takes::Text;

const fn d(name: &'static str, shape: Shape, dialect: In, help: &'static str) -> Directive {
    Directive {
        name,
        shape,
        dialect,
        help,
    }
}

const fn k(name: &'static str, takes: Takes, dialect: In) -> Keyword {
    Keyword {
        name,
        takes,
        dialect,
    }
}

/// All directives, by name.
#[rustfmt::skip]
pub const DIRECTIVES: &[Directive] = &[
    d("automax", Shape::Int, Classic, "interval of Autokey regeneration"),
    d("broadcast", Shape::Association, Classic, "send broadcast packets"),
    d("broadcastclient", Shape::Nothing, Classic, "listen to broadcast packets"),
    d("broadcastdelay", Shape::Number, Classic, "delay of broadcast packets"),
    d("controlkey", Shape::Int, Both, "key of ntpq"),
    d("crypto", Shape::Options(CRYPTO, false), Classic, "Autokey"),
    d("delrestrict", Shape::Restrict, Classic, "take access control back while ntpd runs"),
    d("device", Shape::Fudge(DEVICE), Classic, "the devices of a reference clock"),
    d("disable", Shape::Words(SYSTEM_FLAGS), Both, "switch a feature off"),
    d("discard", Shape::Options(DISCARD, true), Classic, "rate limits"),
    d("driftfile", Shape::DriftFile, Both, "where the frequency is kept"),
    d("dscp", Shape::Int, Both, "code point of packets"),
    d("enable", Shape::Words(SYSTEM_FLAGS), Both, "switch a feature on"),
    d("end", Shape::Nothing, Both, "the file ends here"),
    d("extra", Shape::Options(EXTRA, true), Ntpsec, "a second port"),
    d("filegen", Shape::Filegen, Both, "how statistics files are named"),
    d("fudge", Shape::Fudge(FUDGE), Both, "options of a reference clock"),
    d("ident", Shape::Text, Classic, "Autokey group"),
    d("includefile", Shape::Include, Both, "read a further file"),
    d("interface", Shape::Interface, Both, "addresses to listen on"),
    d("keys", Shape::Text, Both, "file with symmetric keys"),
    d("keysdir", Shape::Text, Classic, "directory of Autokey keys"),
    d("leapfile", Shape::LeapFile, Both, "leap-seconds.list"),
    d("leapsmearinterval", Shape::Int, Both, "smear leap seconds for clients"),
    d("limit", Shape::Options(LIMIT, true), Ntpsec, "rate limits"),
    d("logconfig", Shape::Texts, Both, "which events are logged"),
    d("logfile", Shape::Text, Both, "log to a file"),
    d("manycastclient", Shape::Association, Classic, "find servers by multicast"),
    d("manycastserver", Shape::Addresses, Classic, "answer manycast clients"),
    d("mdnstries", Shape::Int, Both, "announce by mDNS"),
    d("mru", Shape::Options(MRU, true), Both, "the list of clients"),
    d("multicastclient", Shape::Addresses, Classic, "listen to multicast packets"),
    d("nic", Shape::Interface, Both, "addresses to listen on"),
    d("nonvolatile", Shape::Number, Both, "smallest change worth writing the drift file"),
    d("nts", Shape::Options(NTS, true), Ntpsec, "Network Time Security"),
    d("ntpsigndsocket", Shape::Text, Both, "Samba's signing socket"),
    d("peer", Shape::Association, Both, "a symmetric association"),
    d("phone", Shape::Texts, Both, "telephone numbers of a modem clock"),
    d("pidfile", Shape::Text, Both, "where the process id is written"),
    d("pollskewlist", Shape::Texts, Classic, "randomness of polls"),
    d("pool", Shape::Association, Both, "a name with several servers"),
    d("refclock", Shape::Refclock, Ntpsec, "a reference clock"),
    d("requestkey", Shape::Int, Both, "key of ntpdc"),
    d("reset", Shape::Words(COUNTERS), Both, "reset counters"),
    d("restrict", Shape::Restrict, Both, "access control"),
    d("revoke", Shape::Int, Classic, "interval of Autokey"),
    d("rlimit", Shape::Options(RLIMIT, true), Both, "memory and file limits"),
    d("saveconfigdir", Shape::Text, Classic, "where ntpq saves configurations"),
    d("server", Shape::Association, Both, "a time server or, as 127.127.t.u, a reference clock"),
    d("setvar", Shape::Texts, Both, "a variable for ntpq"),
    d("simulate", Shape::Simulate, Classic, "the simulator"),
    d("statistics", Shape::Words(STATISTICS), Both, "which statistics are written"),
    d("statsdir", Shape::Text, Both, "where statistics are written"),
    d("tick", Shape::Number, Classic, "the clock's tick"),
    d("tinker", Shape::Options(TINKER, true), Both, "constants of the clock discipline"),
    d("tos", Shape::Options(TOS, true), Both, "source selection"),
    d("trap", Shape::Texts, Classic, "where traps are sent"),
    d("trustedkey", Shape::KeyRanges, Both, "keys that may be used"),
    d("ttl", Shape::Ints, Classic, "TTLs of manycast"),
    d("unconfig", Shape::Addresses, Both, "remove an association"),
    d("unpeer", Shape::Addresses, Both, "remove an association"),
    d("unrestrict", Shape::Restrict, Ntpsec, "remove access control"),
];

/// Options of associations and of NTPsec's `refclock`.
#[rustfmt::skip]
pub const ASSOCIATION: &[Keyword] = &[
    k("aead", Text, Ntpsec), k("ask", Text, Ntpsec), k("autokey", Nothing, Classic),
    k("baud", Int, Ntpsec), k("bias", Number, Ntpsec), k("burst", Nothing, Both),
    k("ca", Text, Ntpsec), k("cert", Text, Ntpsec), k("dynamic", Nothing, Classic), k("expire", Int, Ntpsec),
    k("flag1", Bool, Ntpsec), k("flag2", Bool, Ntpsec), k("flag3", Bool, Ntpsec), k("flag4", Bool, Ntpsec),
    k("iburst", Nothing, Both), k("ident", Text, Classic), k("key", Int, Both),
    k("maxpoll", Int, Both), k("minpoll", Int, Both), k("mode", Int, Both),
    k("noselect", Nothing, Both), k("noval", Nothing, Ntpsec), k("nts", Nothing, Ntpsec),
    k("path", Text, Ntpsec), k("ppspath", Text, Ntpsec), k("preempt", Nothing, Classic),
    k("prefer", Nothing, Both), k("refid", Text, Ntpsec), k("require", Text, Ntpsec),
    k("stratum", Int, Ntpsec), k("subtype", Int, Ntpsec), k("time1", Number, Ntpsec),
    k("time2", Number, Ntpsec), k("true", Nothing, Both), k("ttl", Int, Classic),
    k("unit", Int, Ntpsec), k("version", Int, Both), k("xleave", Nothing, Classic), k("xmtnonce", Nothing, Classic),
];

/// Options of `fudge`.
#[rustfmt::skip]
pub const FUDGE: &[Keyword] = &[
    k("abbrev", Text, Classic), k("flag1", Bool, Both), k("flag2", Bool, Both), k("flag3", Bool, Both),
    k("flag4", Bool, Both), k("minjitter", Number, Classic), k("refid", Text, Both), k("stratum", Int, Both),
    k("time1", Number, Both), k("time2", Number, Both),
];

/// Options of `device`.
const DEVICE: &[Keyword] = &[k("ppsdata", Text, Both), k("timedata", Text, Both)];

/// Flags of `restrict`.
#[rustfmt::skip]
pub const RESTRICT: &[Keyword] = &[
    k("epeer", Nothing, Classic), k("flake", Nothing, Both), k("ignore", Nothing, Both),
    k("ippeerlimit", Int, Classic), k("kod", Nothing, Both), k("limited", Nothing, Both),
    k("lowpriotrap", Nothing, Classic), k("mssntp", Nothing, Both), k("noepeer", Nothing, Classic),
    k("nomodify", Nothing, Both), k("nomrulist", Nothing, Both), k("nopeer", Nothing, Both),
    k("noquery", Nothing, Both), k("noserve", Nothing, Both), k("notrap", Nothing, Both),
    k("notrust", Nothing, Both), k("ntpport", Nothing, Both), k("serverresponse", Text, Classic),
    k("version", Nothing, Both),
];

/// Options of `tos`.
#[rustfmt::skip]
pub const TOS: &[Keyword] = &[
    k("basedate", Text, Classic), k("bcpollbstep", Int, Classic), k("beacon", Int, Classic),
    k("ceiling", Int, Both), k("cohort", Bool, Both), k("floor", Int, Both), k("maxclock", Number, Both),
    k("maxdisp", Number, Ntpsec), k("maxdist", Number, Both), k("minclock", Number, Both),
    k("mindist", Number, Both), k("minsane", Int, Both), k("orphan", Int, Both), k("orphanwait", Int, Both),
];

/// Options of `tinker`.
#[rustfmt::skip]
pub const TINKER: &[Keyword] = &[
    k("allan", Number, Both), k("dispersion", Number, Both), k("freq", Number, Both),
    k("huffpuff", Number, Both), k("panic", Number, Both), k("step", Number, Both),
    k("stepback", Number, Both), k("stepfwd", Number, Both), k("stepout", Number, Both), k("tick", Number, Classic),
];

const DISCARD: &[Keyword] = &[
    k("average", Int, Both),
    k("minimum", Int, Both),
    k("monitor", Int, Both),
];
const LIMIT: &[Keyword] = &[
    k("average", Number, Both),
    k("burst", Number, Both),
    k("kod", Number, Both),
];
#[rustfmt::skip]
const MRU: &[Keyword] = &[
    k("incalloc", Int, Both), k("incmem", Int, Both), k("initalloc", Int, Both), k("initmem", Int, Both),
    k("maxage", Int, Both), k("maxdepth", Int, Both), k("maxmem", Int, Both), k("minage", Int, Ntpsec),
    k("mindepth", Int, Both),
];
const RLIMIT: &[Keyword] = &[
    k("filenum", Int, Both),
    k("memlock", Int, Both),
    k("stacksize", Int, Both),
];
const EXTRA: &[Keyword] = &[k("port", Int, Both)];
#[rustfmt::skip]
const CRYPTO: &[Keyword] = &[
    k("cert", Text, Both), k("digest", Text, Both), k("gq", Text, Both), k("gqpar", Text, Both), k("host", Text, Both),
    k("ident", Text, Both), k("iffpar", Text, Both), k("leap", Text, Both), k("mvpar", Text, Both),
    k("pw", Text, Both), k("randfile", Text, Both), k("revoke", Int, Both), k("sign", Text, Both),
];
#[rustfmt::skip]
const NTS: &[Keyword] = &[
    k("aead", Text, Both), k("ca", Text, Both), k("cert", Text, Both), k("cookie", Text, Both),
    k("disable", Nothing, Both), k("enable", Nothing, Both), k("key", Text, Both), k("maxtls", Text, Both),
    k("mintls", Text, Both), k("pool", Int, Both), k("port", Int, Both), k("tlscipherserverpreference", Nothing, Both),
    k("tlsciphers", Text, Both), k("tlsciphersuites", Text, Both), k("tlsecdhcurves", Text, Both),
];

/// Words of `enable` and `disable`.
#[rustfmt::skip]
pub const SYSTEM_FLAGS: &[Keyword] = &[
    k("auth", Nothing, Classic), k("bclient", Nothing, Classic), k("calibrate", Nothing, Both),
    k("crypto_crypto_nak_early", Nothing, Classic), k("kernel", Nothing, Both), k("mode7", Nothing, Classic), k("monitor", Nothing, Both),
    k("ntp", Nothing, Both), k("peer_clear_digest_early", Nothing, Classic), k("stats", Nothing, Both),
    k("unpeer_crypto_early", Nothing, Classic), k("unpeer_crypto_nak_early", Nothing, Classic),
    k("unpeer_digest_early", Nothing, Classic),
];

const COUNTERS: &[Keyword] = &[
    k("allpeers", Nothing, Both),
    k("auth", Nothing, Both),
    k("ctl", Nothing, Both),
    k("io", Nothing, Both),
    k("mem", Nothing, Both),
    k("sys", Nothing, Both),
    k("timer", Nothing, Both),
];

/// Words of `statistics` and the first of `filegen`.
#[rustfmt::skip]
pub const STATISTICS: &[Keyword] = &[
    k("clockstats", Nothing, Both), k("cryptostats", Nothing, Classic), k("loopstats", Nothing, Both),
    k("ntskelog", Nothing, Ntpsec), k("ntskestats", Nothing, Ntpsec), k("ntsstats", Nothing, Ntpsec), k("peerstats", Nothing, Both),
    k("protostats", Nothing, Both), k("rawstats", Nothing, Both), k("sysstats", Nothing, Both),
    k("timingstats", Nothing, Classic), k("usestats", Nothing, Ntpsec),
];

/// Options of `filegen`.
pub const FILEGEN: &[Keyword] = &[
    k("disable", Nothing, Both),
    k("enable", Nothing, Both),
    k("file", Text, Both),
    k("link", Nothing, Both),
    k("nolink", Nothing, Both),
    k("type", Text, Both),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_each_name_once() {
        let mut names: Vec<&str> = DIRECTIVES.iter().map(|directive| directive.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for table in [
            ASSOCIATION,
            FUDGE,
            RESTRICT,
            TOS,
            TINKER,
            SYSTEM_FLAGS,
            STATISTICS,
        ] {
            assert!(
                table.windows(2).all(|pair| pair[0].name < pair[1].name),
                "{table:?}"
            );
        }
    }
}
