//! Packages: which manager is here, is a package installed, install it. Nothing prompts.

use super::error::Error;
use super::process;
use std::io;

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

    /// Installs a package (`NAME`, or with [`Self::Apt`] `NAME=VERSION`), keeping configuration
    /// files that are there.
    ///
    /// # Errors
    /// When the manager fails or takes longer than ten minutes.
    pub fn install(self, package: &str) -> Result<(), Error> {
        let (program, arguments): (&str, Vec<&str>) = match self {
            Self::Apt => (
                "env",
                vec![
                    "DEBIAN_FRONTEND=noninteractive",
                    "UCF_FORCE_CONFFOLD=1",
                    "apt-get",
                    "-y",
                    "-q",
                    "-o",
                    "Dpkg::Options::=--force-confold",
                    "-o",
                    "DPkg::Lock::Timeout=60",
                    "install",
                    package,
                ],
            ),
            Self::Dnf => ("dnf", vec!["-y", "-q", "install", package]),
            Self::Yum => ("yum", vec!["-y", "-q", "install", package]),
            Self::Zypper => ("zypper", vec!["--non-interactive", "install", package]),
            Self::Apk => ("apk", vec!["add", package]),
            Self::Pacman => ("pacman", vec!["-S", "--noconfirm", "--needed", package]),
        };
        let said = process::read(program, &arguments, INSTALL_LIMIT_S, OUTPUT_LIMIT)?;
        if said.status == Some(0) {
            return Ok(());
        }
        let reason = io::Error::other(said.reason());
        Err(Error::new("install package", package, reason))
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
