//! Everything that describes the old daemon, read from a machine, an image or a single file:
//! ntp.conf with what it includes, keys, drift, step-tickers, the service's options.

use super::Kind;
use super::options;
use super::tree::Tree;
use crate::commands::sync::quoted;
use crate::conf::convert::Conversion;
use crate::conf::convert::command_line;
use crate::conf::convert::convert;
use crate::conf::convert::input::CommandLine;
use crate::conf::convert::input::Companion;
use crate::conf::convert::input::Input;
use crate::conf::convert::input::Policy;
use crate::conf::convert::input::Target;
use crate::conf::convert::openntpd;
use crate::conf::files::Files as _;
use crate::conf::files::ReadError;
use crate::conf::ntp;
use crate::conf::ntp::Body;
use crate::conf::ntp::Dialect;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;

/// The old daemon.
#[derive(Clone, Debug)]
pub(super) struct Old {
    /// Its name: `ntpd` or `ntpsec`.
    pub(super) name: &'static str,
    /// Its configuration.
    pub(super) conf: String,
    /// All that was read.
    pub(super) source: Source,
}

/// What was read, by the syntax it has.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// ntp.conf with all that belongs to it.
    Ntp(Box<Input>),
    /// OpenNTPD's ntpd.conf, its drift file, and the options of its service.
    Openntpd(Vec<u8>, Option<Companion>, Vec<CommandLine>),
}

impl Old {
    /// The conversion.
    pub(super) fn convert(&self, target: &Target, policy: Policy) -> Conversion {
        match &self.source {
            Source::Ntp(input) => convert(input, target, policy),
            Source::Openntpd(bytes, drift, options) => {
                let drift = drift.as_ref();
                openntpd::convert(&self.conf, bytes, drift, options, target, policy)
            }
        }
    }
}

/// Where OpenNTPD's configuration is.
const OPENNTPD: &[&str] = &["/etc/openntpd/ntpd.conf", "/etc/ntpd.conf"];
/// Where its drift file is.
const OPENNTPD_DRIFT: &[&str] = &[
    "/var/lib/openntpd/db/ntpd.drift",
    "/var/lib/openntpd/ntpd.drift",
    "/var/db/ntpd.drift",
];

/// Where configurations are, the first that is there counts.
const CONFS: &[(&str, Dialect)] = &[
    ("/etc/ntpsec/ntp.conf", Dialect::Ntpsec),
    ("/etc/ntp.conf", Dialect::Classic),
];

/// Configurations that DHCP scripts write from ntp.conf.
const DHCP: &[&str] = &[
    "/run/ntpsec/ntp.conf.dhcp",
    "/run/ntp.conf.dhcp",
    "/var/lib/ntp/ntp.conf.dhcp",
];

/// Reads a single file and what it names.
pub(super) fn from_file(tree: &Tree, path: &str, kind: Option<Kind>) -> Result<Old, Failure> {
    let open = path.contains("openntpd") || path.rsplit('/').next() == Some("ntpd.conf");
    if kind.map_or(open, |kind| kind == Kind::Openntpd) {
        return open_ntpd(tree, path, Vec::new());
    }
    if kind.is_none() {
        not_chronys(tree, path)?;
    }
    let dialect = kind.and_then(Kind::dialect);
    let dialect = dialect.unwrap_or_else(|| guess(tree, path));
    let conf = load(tree, path, dialect)?;
    let mut input = Input::new(conf);
    companions(tree, path, &mut input, &[]);
    Ok(Old {
        name: name(dialect),
        conf: path.to_owned(),
        source: Source::Ntp(Box::new(input)),
    })
}

/// Refuses a configuration of chrony's: words that only chrony has, and none that only ntpd has.
fn not_chronys(tree: &Tree, path: &str) -> Result<(), Failure> {
    let text = tree.text(path).unwrap_or_default();
    let words = text.lines().filter_map(|line| {
        let word = line.split_whitespace().next()?;
        Some(word.to_ascii_lowercase())
    });
    let words: Vec<String> = words.collect();
    let has = |known: &[&str]| words.iter().find(|word| known.contains(&word.as_str()));
    match (has(CHRONYS), has(NTPDS)) {
        (Some(word), None) => Err(Failure::new(
            ExitStatus::Data,
            format!("{path}: a configuration of chrony, not of ntpd ({word}): there is nothing to convert; clockbox reads it as it is"),
        )
        .hint(format!("clockbox sync --daemon --check-config --config {}", quoted(path)))
        .target(path)),
        _ => Ok(()),
    }
}

/// Directives that chrony has and no ntpd.
const CHRONYS: &[&str] = &[
    "allow",
    "bindacqaddress",
    "bindcmdaddress",
    "cmdallow",
    "cmddeny",
    "cmdport",
    "confdir",
    "corrtimeratio",
    "initstepslew",
    "keyfile",
    "leapsectz",
    "local",
    "logchange",
    "makestep",
    "maxslewrate",
    "maxupdateskew",
    "ntsdumpdir",
    "rtcfile",
    "rtcsync",
    "sourcedir",
];

/// Directives that ntpd has and chrony does not.
const NTPDS: &[&str] = &[
    "broadcastclient",
    "disable",
    "discard",
    "enable",
    "filegen",
    "fudge",
    "includefile",
    "interface",
    "keys",
    "restrict",
    "statistics",
    "statsdir",
    "tinker",
    "tos",
    "trustedkey",
];

/// Reads OpenNTPD's configuration.
fn open_ntpd(tree: &Tree, path: &str, options: Vec<CommandLine>) -> Result<Old, Failure> {
    let Some(bytes) = tree.content(path)? else {
        return Err(Failure::new(
            ExitStatus::NoInput,
            format!("read {path}: no such file or directory"),
        )
        .hint("clockbox migrate-ntpd --from FILE --output DIR")
        .target(path));
    };
    if bytes.contains(&0) || bytes.len() > 1 << 20 {
        return Err(Failure::new(
            ExitStatus::Data,
            format!("{path}: binary or larger than 1 MiB, not a configuration"),
        )
        .hint("name the ntpd.conf itself")
        .target(path));
    }
    let drift = tree
        .first(OPENNTPD_DRIFT)
        .and_then(|drift| read_companion(tree, drift, path));
    Ok(Old {
        name: "openntpd",
        conf: path.to_owned(),
        source: Source::Openntpd(bytes, drift, options),
    })
}

/// Reads what the machine or image has. `None` when it has no ntpd configuration.
pub(super) fn from_machine(tree: &Tree, kind: Option<Kind>) -> Result<Option<Old>, Failure> {
    let dialect = kind.and_then(Kind::dialect);
    let ntp = CONFS.iter().any(|(path, _)| tree.has(path));
    let open = tree.first(OPENNTPD).filter(|_| match kind {
        Some(kind) => kind == Kind::Openntpd,
        None => !ntp || in_use(tree, "openntpd"),
    });
    if let Some(path) = open {
        let options = options::openntpd(tree);
        let given = openntpd::file_option(&options);
        let path = given.as_deref().unwrap_or(path);
        return open_ntpd(tree, path, options.clone()).map(Some);
    }
    let command_lines = options::command_lines(tree);
    let given = command_line::file_option(&command_lines, "-c");
    let found = CONFS.iter().find(|(path, _)| tree.has(path));
    let (path, known) = match (&given, found) {
        (Some(path), _) => (path.as_str(), guess(tree, path)),
        (None, Some((path, Dialect::Classic))) => (*path, guess(tree, path)),
        (None, Some((path, dialect))) => (*path, *dialect),
        (None, None) => return Ok(None),
    };
    let dialect = dialect.unwrap_or(known);
    let conf = load(tree, path, dialect)?;
    let mut input = Input::new(conf);
    companions(tree, path, &mut input, &command_lines);
    input.step_tickers =
        read_companion(tree, "/etc/ntp/step-tickers", path).filter(|file| file.content.is_ok());
    input.ignore_dhcp = options::ignore_dhcp(tree);
    let known = command_lines.iter().chain(&input.ignore_dhcp);
    input.variables = options::variables(tree, &known.cloned().collect::<Vec<_>>());
    input.command_lines = command_lines;
    input.dhcp = dhcp(tree, &input, dialect);
    Ok(Some(Old {
        name: name(dialect),
        conf: path.to_owned(),
        source: Source::Ntp(Box::new(input)),
    }))
}

/// Whether a service is started at boot.
fn in_use(tree: &Tree, name: &str) -> bool {
    sys::service::find(tree.root(), name).is_some_and(|found| found.enabled)
}

fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Classic => "ntpd",
        Dialect::Ntpsec => "ntpsec",
    }
}

/// NTPsec where its own files are or its words are spoken, else the classic daemon.
fn guess(tree: &Tree, path: &str) -> Dialect {
    if path.contains("ntpsec") || tree.text(path).is_some_and(|text| speaks_ntpsec(&text)) {
        Dialect::Ntpsec
    } else {
        ntpsec_or(tree, Dialect::Classic)
    }
}

/// Words that only NTPsec has, and places that only it uses.
fn speaks_ntpsec(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        match words.next() {
            Some("refclock" | "nts" | "unrestrict" | "extra" | "limit") => true,
            Some("server" | "pool" | "peer") => words.any(|word| word == "nts"),
            Some("driftfile" | "keys" | "statsdir" | "logfile") => line.contains("/ntpsec/"),
            _ => false,
        }
    })
}

/// Gentoo, Fedora and others read /etc/ntp.conf with NTPsec too.
fn ntpsec_or(tree: &Tree, dialect: Dialect) -> Dialect {
    let marks = [
        "/etc/ntp.d",
        "/usr/share/doc/ntpsec/copyright",
        "/usr/lib/systemd/system/ntpsec.service",
    ];
    let live = tree.first(&marks).is_some() && !tree.has("/etc/ntpsec/ntp.conf");
    if live { Dialect::Ntpsec } else { dialect }
}

fn load(tree: &Tree, path: &str, dialect: Dialect) -> Result<ntp::Loaded, Failure> {
    let conf = ntp::load(path, dialect, tree);
    if let Some(error) = &conf.unreadable {
        let status = match error {
            ReadError::Missing => ExitStatus::NoInput,
            ReadError::TooLarge => ExitStatus::Data,
            ReadError::Other(why) if why.contains("ermission") => ExitStatus::NoPermission,
            ReadError::Other(why)
                if why.contains("larger")
                    || why.contains("regular")
                    || why.contains("irectory") =>
            {
                ExitStatus::Data
            }
            ReadError::Other(_) => ExitStatus::Io,
        };
        let hint = match status {
            ExitStatus::NoInput => "clockbox migrate-ntpd --from FILE --output DIR",
            ExitStatus::NoPermission => "sudo clockbox migrate-ntpd --dry-run",
            _ => "a configuration of ntpd is a text file of some hundred lines",
        };
        return Err(Failure::new(status, format!("read {path}: {error}"))
            .hint(hint)
            .target(path));
    }
    if let Some(why) = &conf.unusable {
        return Err(Failure::new(ExitStatus::Data, format!("{path}: {why}"))
            .hint("name the ntp.conf itself")
            .target(path));
    }
    // A file that includes itself, or a binary one, is no configuration that ntpd could use.
    let fatal = conf.diagnostics.iter().find(|d| {
        d.is_error()
            && (d.message.contains("nested")
                || d.message.contains("binary")
                || d.message.contains("larger")
                || d.message.contains("200 files"))
    });
    if let Some(fault) = fatal {
        let at = conf.map.origin(fault.span);
        return Err(
            Failure::new(ExitStatus::Data, format!("{at}: {}", fault.message))
                .hint(
                    fault
                        .help
                        .clone()
                        .unwrap_or_else(|| "take the includefile line out".to_owned()),
                )
                .target(path),
        );
    }
    Ok(conf)
}

/// Key file and drift file: the command line counts more than the configuration.
fn companions(tree: &Tree, conf: &str, input: &mut Input, command_lines: &[CommandLine]) {
    let text = |name: &str| {
        input
            .conf
            .named(name)
            .filter_map(|statement| match &statement.body {
                Body::Text(term) | Body::DriftFile(Some(term)) => Some(term.text.clone()),
                _ => None,
            })
            .last()
    };
    let keys = command_line::file_option(command_lines, "-k").or_else(|| text("keys"));
    let drift = command_line::file_option(command_lines, "-f").or_else(|| text("driftfile"));
    input.keys = keys.and_then(|path| read_companion(tree, &path, conf));
    input.drift = drift.and_then(|path| read_companion(tree, &path, conf));
}

/// A file that the configuration names: where it says, else beside the configuration.
fn read_companion(tree: &Tree, path: &str, conf: &str) -> Option<Companion> {
    let dir = conf.rsplit_once('/').map_or(".", |(dir, _)| dir);
    let base = path.rsplit('/').next().unwrap_or(path);
    let beside = format!("{dir}/{base}");
    let mut result = None;
    for candidate in [path, beside.as_str()] {
        let content = tree.read(candidate);
        match content {
            Ok(bytes) => {
                return Some(Companion {
                    path: candidate.to_owned(),
                    content: Ok(bytes),
                });
            }
            Err(error) => {
                result = result.or(Some(Companion {
                    path: path.to_owned(),
                    content: Err(error.to_string()),
                }));
            }
        }
    }
    result
}

/// Servers that DHCP gave and ntp.conf does not name.
fn dhcp(tree: &Tree, input: &Input, dialect: Dialect) -> Vec<String> {
    let ignored = input.ignore_dhcp.is_some();
    let Some(path) = tree.first(DHCP).filter(|_| !ignored) else {
        return Vec::new();
    };
    let hosts = |conf: &ntp::Loaded| -> Vec<String> {
        conf.statements()
            .filter_map(|statement| match &statement.body {
                Body::Association { address, .. } => Some(address.host().to_owned()),
                _ => None,
            })
            .collect()
    };
    let own = hosts(&input.conf);
    let given = hosts(&ntp::load(path, dialect, tree));
    given
        .into_iter()
        .filter(|host| !own.contains(host))
        .collect()
}
