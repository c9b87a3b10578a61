//! Packages: which manager is here, is a package installed, install it. Nothing prompts.

use super::error::Error;
use super::files;
use super::lock::Lock;
use super::process;
use super::process::Said;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu.
    Apt,
    /// Fedora, RHEL 8 and later, Amazon Linux 2023.
    Dnf,
    /// CentOS 7, Amazon Linux 2.
    Yum,
    /// SUSE.
    Zypper,
    /// Alpine.
    Apk,
    /// Arch.
    Pacman,
}

const ALL: [(Manager, &str); 6] = [
    (Manager::Apt, "apt-get"),
    (Manager::Dnf, "dnf"),
    (Manager::Yum, "yum"),
    (Manager::Zypper, "zypper"),
    (Manager::Apk, "apk"),
    (Manager::Pacman, "pacman"),
];

/// apt-get without questions, waiting for another that runs.
const APT: &[&str] = &[
    "DEBIAN_FRONTEND=noninteractive",
    "UCF_FORCE_CONFFOLD=1",
    "apt-get",
    "-y",
    "-q",
    "-o",
    "Dpkg::Options::=--force-confold",
    "-o",
    "DPkg::Lock::Timeout=60",
];

/// Seconds that an installation may take.
const INSTALL_LIMIT_S: f64 = 600.0;
/// Octets that it may print.
const OUTPUT_LIMIT: usize = 8 << 20;

impl Manager {
    /// The manager of this machine: the first whose program is there.
    #[must_use]
    pub fn find() -> Option<Self> {
        ALL.iter()
            .find(|(_, program)| process::find(program).is_some())
            .map(|(manager, _)| *manager)
    }

    /// The manager of an image: the first whose program is in it.
    #[must_use]
    pub fn of_image(root: &Path) -> Option<Self> {
        let there = |program: &str| {
            let places = ["usr/bin", "sbin"].map(|place| root.join(place).join(program));
            places.iter().any(|path| files::exists(path))
        };
        ALL.iter()
            .find(|(_, program)| there(program))
            .map(|(manager, _)| *manager)
    }

    /// What a person would type to install a package.
    #[must_use]
    pub fn command(self, package: &str) -> String {
        match self {
            Self::Apt => format!("apt-get install -y {package}"),
            Self::Dnf => format!("dnf install -y {package}"),
            Self::Yum => format!("yum install -y {package}"),
            Self::Zypper => format!("zypper install -y {package}"),
            Self::Apk => format!("apk add {package}"),
            Self::Pacman => format!("pacman -S --noconfirm {package}"),
        }
    }

    /// What a person would type to remove a package.
    #[must_use]
    pub fn removal(self, package: &str) -> String {
        match self {
            Self::Apt => format!("apt-get remove -y {package}"),
            Self::Dnf => format!("dnf remove -y {package}"),
            Self::Yum => format!("yum remove -y {package}"),
            Self::Zypper => format!("zypper remove -y {package}"),
            Self::Apk => format!("apk del {package}"),
            Self::Pacman => format!("pacman -R --noconfirm {package}"),
        }
    }

    /// The version of a package that would be installed, as far as the manager tells that from
    /// what it knows already.
    #[must_use]
    pub fn candidate(self, package: &str) -> Option<String> {
        if self != Self::Apt {
            return None;
        }
        let said = process::read("apt-cache", &["policy", package], 10.0, 65536).ok()?;
        let line = said
            .stdout
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "));
        line.filter(|version| *version != "(none)")
            .map(str::to_owned)
    }

    /// The installed packages that installing a package (`NAME`, `NAME=VERSION` or a file) would
    /// remove, as far as the manager tells; those without a question that removes others are none.
    #[must_use]
    pub fn displaced(self, package: &str) -> Vec<String> {
        if self != Self::Apt {
            return Vec::new();
        }
        let arguments = ["LC_ALL=C", "apt-get", "-s", "-q", "install", package];
        let said = process::read("env", &arguments, 60.0, OUTPUT_LIMIT);
        let said = said.map(|said| said.stdout).unwrap_or_default();
        let names = said.lines().filter_map(|line| {
            let name = line.strip_prefix("Remv ")?.split(' ').next()?;
            Some(name.to_owned())
        });
        names.collect()
    }

    /// Installs a package (`NAME`, or with [`Self::Apt`] `NAME=VERSION` or a file), keeping configuration
    /// files that are there. What the manager prints is added to the file `log`; it is not
    /// interrupted when this program is killed, and holds the lock until it ends.
    ///
    /// # Errors
    /// When the manager fails or takes longer than ten minutes.
    pub fn install(self, package: &str, log: &Path, lock: &Lock) -> Result<(), Error> {
        let (program, arguments): (&str, Vec<&str>) = match self {
            Self::Apt => ("env", [APT, &["install", package]].concat()),
            Self::Dnf => ("dnf", vec!["-y", "-q", "install", package]),
            Self::Yum => ("yum", vec!["-y", "-q", "install", package]),
            Self::Zypper => ("zypper", vec!["--non-interactive", "install", package]),
            Self::Apk => ("apk", vec!["add", package]),
            Self::Pacman => ("pacman", vec!["-S", "--noconfirm", "--needed", package]),
        };
        done(
            process::through(program, &arguments, INSTALL_LIMIT_S, None, log, lock)?,
            "install package",
            package,
        )
    }

    /// Gets the file of an installed package (`NAME=VERSION`) into a directory, so that it can be
    /// put back where no repository has it any more; only where installing one package may remove
    /// another.
    ///
    /// # Errors
    /// When the manager cannot get it.
    pub fn keep(
        self,
        package: &str,
        directory: &Path,
        log: &Path,
        lock: &Lock,
    ) -> Result<(), Error> {
        if self != Self::Apt {
            return Ok(());
        }
        let arguments = [APT, &["download", package]].concat();
        let here = Some(directory);
        done(
            process::through("env", &arguments, INSTALL_LIMIT_S, here, log, lock)?,
            "download package",
            package,
        )
    }

    /// The file that [`Self::keep`] got for a package (`NAME`).
    #[must_use]
    pub fn kept(self, package: &str, directory: &Path) -> Option<PathBuf> {
        let names = files::list(directory).ok()?;
        let mut ours = names.iter().filter(|name| {
            let version = name.strip_prefix(package);
            name.ends_with(".deb") && version.is_some_and(|rest| rest.starts_with('_'))
        });
        ours.next_back().map(|name| directory.join(name))
    }

    /// Finishes what an interrupted run of the manager left half done; most managers need nothing.
    ///
    /// # Errors
    /// When it cannot be finished.
    pub fn repair(self, log: &Path, lock: &Lock) -> Result<(), Error> {
        if self != Self::Apt {
            return Ok(());
        }
        let audit = process::read("dpkg", &["--audit"], 60.0, OUTPUT_LIMIT)?;
        if audit.status == Some(0) && audit.stdout.trim().is_empty() {
            return Ok(());
        }
        let arguments = [
            "DEBIAN_FRONTEND=noninteractive",
            "UCF_FORCE_CONFFOLD=1",
            "dpkg",
            "--force-confold",
            "--configure",
            "-a",
        ];
        done(
            process::through("env", &arguments, INSTALL_LIMIT_S, None, log, lock)?,
            "finish",
            "dpkg --configure -a",
        )
    }

    /// The version of an installed package, `None` when it is not installed.
    #[must_use]
    pub fn version(self, package: &str) -> Option<String> {
        let said = match self {
            Self::Apt => {
                let format = "-f=${db:Status-Status} ${Version}";
                process::read("dpkg-query", &["-W", format, package], 10.0, 4096)
            }
            Self::Dnf | Self::Yum | Self::Zypper => {
                let format = "installed %{VERSION}-%{RELEASE}";
                process::read("rpm", &["-q", "--qf", format, package], 10.0, 4096)
            }
            Self::Apk => process::read("apk", &["info", "-e", "-v", package], 10.0, 4096),
            Self::Pacman => process::read("pacman", &["-Q", package], 10.0, 4096),
        };
        let said = said.ok().filter(|said| said.status == Some(0))?;
        let text = said.stdout.trim();
        match self {
            Self::Apt | Self::Dnf | Self::Yum | Self::Zypper => {
                text.strip_prefix("installed ").map(str::to_owned)
            }
            _ => (!text.is_empty()).then(|| text.to_owned()),
        }
    }
}

fn done(said: Said, operation: &'static str, object: &str) -> Result<(), Error> {
    if said.status == Some(0) {
        return Ok(());
    }
    Err(Error::new(
        operation,
        object,
        io::Error::other(said.reason()),
    ))
}
