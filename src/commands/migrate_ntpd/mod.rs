//! `clockbox migrate-ntpd`: the whole way from ntpd to chrony or to clockbox's own daemon.
//!
//! The old set-up is read, converted (`conf::convert`, pure), planned, and only then applied,
//! with a journal that a later run or `--rollback` undoes it by.

mod apply;
mod check;
mod gather;
mod journal;
mod live;
mod next;
mod offline;
mod options;
mod own;
mod plan;
mod port;
mod present;
mod services;
mod target;
mod tree;
mod undo;
mod wait;
mod words;

use super::Command;
use super::Context;
use super::page::ManPage;
use crate::conf::chrony::Version;
use crate::conf::convert::Conversion;
use crate::conf::convert::input::Policy;
use crate::conf::ntp::Dialect;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::migrate_ntpd::MigrateReport;
use std::path::PathBuf;
use target::To;
use tree::Tree;

/// Move from ntpd to chrony or to clockbox's own daemon, without losing a line
#[derive(Debug, clap::Args)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub struct Args {
    /// Who takes over: chrony or clockbox
    #[arg(
        long_help = "The daemon that takes over: chrony (chronyd), or clockbox: its own daemon, which reads the same configuration",
        long,
        value_enum,
        default_value = "chrony",
        hide_possible_values = true
    )]
    to: To,
    /// Convert this ntp.conf only; needs --output
    #[arg(
        long,
        value_name = "FILE",
        requires = "output",
        help_heading = "Conversion"
    )]
    from: Option<PathBuf>,
    /// Where --from writes its files
    #[arg(
        long_help = "Where --from writes chrony.conf, chrony.keys (clockbox.conf, clockbox.keys), drift and report.json",
        long,
        value_name = "DIR",
        requires = "from",
        help_heading = "Conversion"
    )]
    output: Option<PathBuf>,
    /// Keep answering whoever ntpd answered
    #[arg(
        long_help = "Keep answering whoever ntpd answered, even if nothing shows that it was meant to",
        long,
        overrides_with = "no_serve",
        help_heading = "Conversion"
    )]
    serve: bool,
    /// Answer no clients
    #[arg(long, help_heading = "Conversion")]
    no_serve: bool,
    /// Open the command port to who could query ntpd
    #[arg(
        long_help = "Open the command port to those who could query ntpd",
        hide_short_help = true,
        long,
        help_heading = "Conversion"
    )]
    remote_monitoring: bool,
    /// Slow corrections, steps at any time, as ntpd
    #[arg(
        long_help = "Control the clock as ntpd does: slow corrections, steps at any time",
        long,
        help_heading = "Conversion"
    )]
    ntpd_like: bool,
    /// Write only what this version of chrony knows
    #[arg(hide_short_help = true, long, value_name = "X.Y", value_parser = version, help_heading = "Conversion")]
    chrony_version: Option<Version>,
    /// Read ntp.conf as ntp, ntpsec or openntpd does
    #[arg(
        long_help = "Read ntp.conf as this daemon does: ntp (the reference implementation, 4.2), ntpsec or openntpd",
        hide_short_help = true,
        hide_possible_values = true,
        long,
        value_enum,
        value_name = "DAEMON",
        help_heading = "Conversion"
    )]
    dialect: Option<Kind>,
    /// Install the new daemon if it is missing
    #[arg(
        long_help = "Install the new daemon if it is missing: chrony's package, or this program",
        long
    )]
    install: bool,
    /// Seconds to wait for a source; 0: none
    #[arg(
        long_help = "Seconds to wait until the new daemon has selected a source; 0 does not wait",
        long,
        value_name = "S",
        default_value_t = 60
    )]
    wait: u32,
    /// Undo the migration: files, services, packages
    #[arg(long_help = "Undo the migration: files, services, the old daemon's package", long, conflicts_with_all = ["from", "install", "accept_losses"])]
    rollback: bool,
    /// Say what would be done, and do nothing
    #[arg(long, alias = "check")]
    dry_run: bool,
    /// Show the changes of files as unified diffs
    #[arg(long)]
    diff: bool,
    /// Go on although something that matters is lost
    #[arg(long)]
    accept_losses: bool,
    /// Work on the image mounted there
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    root: PathBuf,
}

/// Which ntpd a configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// The reference implementation, 4.2
    Ntp,
    /// NTPsec
    Ntpsec,
    /// OpenNTPD
    Openntpd,
}

impl Kind {
    /// Which ntp.conf it reads, if it does.
    fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Ntp => Some(Dialect::Classic),
            Self::Ntpsec => Some(Dialect::Ntpsec),
            Self::Openntpd => None,
        }
    }
}

fn version(text: &str) -> Result<Version, String> {
    Version::find(text).ok_or_else(|| "a version is two numbers: 4.3".to_owned())
}

impl Command for Args {
    type Report = MigrateReport;

    const PAGE: ManPage = ManPage {
        examples: &[
            (
                "See what would become of every line, every file and every service",
                "clockbox migrate-ntpd --install --dry-run --diff",
            ),
            (
                "Do it, and install chrony if it is missing",
                "clockbox migrate-ntpd --install",
            ),
            ("Undo it", "clockbox migrate-ntpd --rollback"),
            (
                "Only convert a file",
                "clockbox migrate-ntpd --from /etc/ntp.conf --output /tmp/new",
            ),
            (
                "Convert an image",
                "clockbox migrate-ntpd --root /mnt/image",
            ),
            (
                "Move to clockbox's own daemon, and install this program as /usr/local/sbin/clockbox",
                "clockbox migrate-ntpd --to clockbox --install",
            ),
            (
                "A task of Ansible",
                "- command: clockbox migrate-ntpd --install --json\n  register: migration\n  changed_when: (migration.stdout | from_json).changed\n  failed_when: not (migration.stdout | from_json).ok",
            ),
        ],
        files: &[
            (
                "/etc/ntp.conf, /etc/ntpsec/ntp.conf",
                "the old configuration, with what it includes and names",
            ),
            ("/etc/openntpd/ntpd.conf", "the configuration of OpenNTPD"),
            (
                "/etc/default/ntp, /etc/default/ntpsec, /etc/sysconfig/ntpd, /etc/conf.d/ntpd",
                "options of the old service",
            ),
            (
                "/etc/chrony.conf, /etc/chrony/chrony.conf",
                "the new configuration, with chrony.keys beside it",
            ),
            (
                "/etc/clockbox/clockbox.conf",
                "the new configuration with --to clockbox, with clockbox.keys beside it",
            ),
            (
                "/etc/systemd/system/clockbox.service, clockbox-serve.service; /etc/init.d/clockbox",
                "the service of --to clockbox, where no package brought one",
            ),
            (
                "/var/lib/clockbox/migrate-ntpd/journal.json",
                "how everything was, for --rollback and after an interruption",
            ),
            (
                "/var/lib/clockbox/migrate-ntpd/TIME/",
                "the old files of the run that began then, or what a rollback then found edited since the \
                 migration; none is ever written over",
            ),
            (
                "/var/lib/clockbox/migrate-ntpd/packages/",
                "copies of packages that installing the new daemon removed, for --rollback",
            ),
            (
                "/var/lib/clockbox/migrate-ntpd/install.log",
                "what the package manager printed",
            ),
            (
                "/var/lib/clockbox/migrate-ntpd/lock",
                "held while a run changes something, and by its package manager until that ends, \
                 even if the run was killed",
            ),
        ],
        sections: &[
            (
                "WHAT BECOMES OF A LINE",
                "Every line of the old configuration is kept (the same effect), changed (the effect \
                 in another form, or a part of it) or dropped, and the report says how and why. \
                 Lines that lose something somebody may miss are counted apart; then nothing is \
                 applied without --accept-losses.",
            ),
            (
                "ACCESS",
                "Nobody whom ntpd refused is answered afterwards. ntpd answers everybody unless a \
                 restrict line says otherwise, mostly without anybody having wanted that; so the \
                 new daemon answers clients only where the old configuration shows that the \
                 machine served on purpose: a restrict line for a network, a broadcast, a peer, a \
                 local clock or an orphan mode. --serve and --no-serve decide otherwise. The \
                 command port is opened to others only with --remote-monitoring.",
            ),
            (
                "WHAT NO LINE SAYS",
                "Some habits of ntpd have no line. It steps the clock whenever that stays 128 ms \
                 off; chronyd steps in its first three updates only (makestep 1 3). It ends when \
                 the clock is 1000 s off; chronyd goes on. It marks its packets for a better \
                 treatment (DSCP 46); chronyd does not. --ntpd-like writes these as lines (makestep \
                 0.128 -1, maxchange 1000 1 1, dscp 46), and the slow control of frequency too. \
                 ntpq, ntpdc and monitoring that uses them get no answer any more: chronyc tracking \
                 and chronyc sources take their place, or clockbox sources, whatever daemon runs.",
            ),
            (
                "TARGETS",
                "chrony: the result is read by chronyd -p (4.0 and later; with --root by that of \
                 the image, run by root in it with chroot), and holds no word that the installed \
                 version does not know; where no chronyd can be asked, the report says that only \
                 clockbox's own parser read it. clockbox: the same configuration in /etc/clockbox, read by \
                 the daemon's own parser; a line that this daemon does not follow counts as lost. \
                 Where clients are to be answered the service is clockbox-serve, else clockbox. A \
                 service cannot start a program in somebody's home, so the program must stand in \
                 /usr/sbin, /usr/bin, /usr/local/sbin or /usr/local/bin; --install puts it into \
                 /usr/local/sbin.",
            ),
            (
                "IF IT FAILS",
                "Everything is written down before the first change. If a step fails, or no source \
                 is selected within --wait seconds, files, services and the old daemon's package are \
                 put back. A package that was installed for the new daemon stays, its service off, \
                 unless the old one displaces it; the report says so, and how to remove it. A run \
                 that was killed is undone by the next one. One run changes a machine at a time: \
                 another waits up to ten minutes for it, and for the package manager of one that \
                 was killed.",
            ),
            (
                "THE WAY BACK",
                "--rollback leads to the state before the migration: files, services, and packages \
                 that had to give way, which the plan and the report name. A run after a finished \
                 migration goes on from it, and the way back leads before the first of them. A file \
                 under /etc that is not any more what the migration wrote is kept as a copy first, \
                 and the report says where.",
            ),
        ],
        statuses: &[
            (
                ExitStatus::NotHeld,
                "something that matters would be lost, and nothing was changed; --accept-losses goes on. \
                 With --from the files are written all the same, and --accept-losses only has it exit 0",
            ),
            (
                ExitStatus::Data,
                "the old configuration cannot be converted: no source of time is left, it does not \
                 discipline the clock, it is chrony's already, or the target's own checker refuses \
                 the result",
            ),
            (
                ExitStatus::Unavailable,
                "the new daemon is not installed and --install was not given (a dry run says so \
                 too), it did not start or selected no source; what was changed was put back",
            ),
        ],
        see_also: &[
            "clockbox(1)",
            "clockbox-sync(1)",
            "clockbox-serve(1)",
            "chrony.conf(5)",
            "ntp.conf(5)",
        ],
    };

    fn run(&self, context: &mut Context) -> Result<MigrateReport, Failure> {
        let tree = self.tree()?;
        match (&self.from, &self.output) {
            (Some(from), Some(output)) => offline::run(self, &tree, from, output),
            _ if self.rollback => live::roll_back(self, &tree, context),
            _ => live::run(self, &tree, context),
        }
    }
}

impl Args {
    fn tree(&self) -> Result<Tree, Failure> {
        if self.root != std::path::Path::new("/") && !self.root.is_dir() {
            return Err(Failure::new(
                ExitStatus::NoInput,
                format!("{}: no such directory", self.root.display()),
            )
            .hint("mount the image first"));
        }
        Ok(Tree::new(&self.root))
    }

    fn policy(&self) -> Policy {
        Policy {
            serve: if self.serve {
                Some(true)
            } else if self.no_serve {
                Some(false)
            } else {
                None
            },
            remote_monitoring: self.remote_monitoring,
            ntpd_like: self.ntpd_like,
        }
    }
}

/// The sentence for a conversion that must not be used; a bug of ours is a failure.
fn refused(conversion: &Conversion, path: &str) -> Result<Option<Finding>, Failure> {
    let Some(why) = &conversion.refusal else {
        return Ok(None);
    };
    if why.starts_with("a bug") {
        return Err(Failure::new(ExitStatus::Software, format!("{path}: {why}"))
            .hint("please report it with the configuration")
            .target(path));
    }
    let hint = if why.contains("disable ntp") {
        let text = format!("{path}: {why}; chronyd -x leaves the clock alone, and clockbox can");
        let next = "clockbox serve --no-clock-control";
        return Ok(Some(Finding::error(text).next(next)));
    } else if conversion.conf.contains("\n#refclock SHM ") {
        "have gpsd read the receiver and name its shared memory in ntp.conf: server 127.127.28.0; or name servers: server HOST iburst"
    } else {
        "name servers first: server HOST iburst"
    };
    Ok(Some(Finding::error(format!("{path}: {why}")).next(hint)))
}
