//! Which distribution a tree holds, from its os-release(5) and the release files of older ones; only
//! as far as it decides where the zone is kept.

use super::assignment;

/// A distribution's way with the zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Debian, Ubuntu and their like: /etc/timezone where it exists.
    Debian,
    /// Red Hat, Fedora, CentOS, Amazon Linux: `ZONE=` in /etc/sysconfig/clock before systemd.
    RedHat,
    /// SUSE: `TIMEZONE=` there.
    Suse,
    /// Alpine: /etc/zoneinfo, /etc/profile.d/timezone.sh.
    Alpine,
    /// Void: `TIMEZONE=` in /etc/rc.conf links anew at every boot.
    Void,
    /// OpenWrt: uci, /tmp/TZ.
    OpenWrt,
    /// NixOS: declared, never written.
    Nix,
    /// Guix System: declared, never written.
    Guix,
    /// Anything else.
    Other,
}

/// A distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Os {
    /// Its way.
    pub family: Family,
    /// What it calls itself; `unknown` when nothing tells.
    pub name: String,
}

impl Os {
    /// From the text of os-release.
    #[must_use]
    pub fn from_release(text: &str) -> Option<Self> {
        let id = assignment::value(text, "ID")?.to_ascii_lowercase();
        let like = assignment::value(text, "ID_LIKE")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let name = assignment::value(text, "PRETTY_NAME")
            .unwrap_or(&id)
            .to_owned();
        let family = std::iter::once(id.as_str())
            .chain(like.split_whitespace())
            .map(family)
            .find(|family| *family != Family::Other)
            .unwrap_or(Family::Other);
        Some(Self { family, name })
    }

    /// From the release file of a distribution without os-release: its path and first line.
    #[must_use]
    pub fn from_release_file(path: &str, text: &str) -> Self {
        let family = RELEASE_FILES.iter().find(|(file, _)| *file == path);
        let name = text.lines().next().unwrap_or_default().trim();
        Self {
            family: family.map_or(Family::Other, |(_, family)| *family),
            name: if name.is_empty() {
                "unknown".to_owned()
            } else {
                name.to_owned()
            },
        }
    }

    /// What installs the zone database there.
    #[must_use]
    pub const fn install_tzdata(&self) -> &'static str {
        match self.family {
            Family::Debian => "apt-get install tzdata",
            Family::RedHat => "yum install tzdata",
            Family::Suse => "zypper install timezone",
            Family::Alpine => "apk add tzdata",
            Family::Void => "xbps-install tzdata",
            Family::OpenWrt => "opkg install zoneinfo-all",
            Family::Nix | Family::Guix | Family::Other => "install the package tzdata",
        }
    }
}

/// Release files of distributions before os-release, in the order in which they are asked.
pub const RELEASE_FILES: &[(&str, Family)] = &[
    ("/etc/SuSE-release", Family::Suse),
    ("/etc/alpine-release", Family::Alpine),
    ("/etc/openwrt_release", Family::OpenWrt),
    ("/etc/system-release", Family::RedHat),
    ("/etc/redhat-release", Family::RedHat),
    ("/etc/debian_version", Family::Debian),
    ("/etc/NIXOS", Family::Nix),
];

fn family(id: &str) -> Family {
    match id {
        "debian" | "ubuntu" | "raspbian" | "linuxmint" | "kali" | "devuan" => Family::Debian,
        "rhel" | "fedora" | "centos" | "amzn" | "rocky" | "almalinux" | "ol" | "scientific" => {
            Family::RedHat
        }
        "suse" | "sles" | "sled" | "opensuse" | "opensuse-leap" | "opensuse-tumbleweed" => {
            Family::Suse
        }
        "alpine" | "postmarketos" => Family::Alpine,
        "void" => Family::Void,
        "openwrt" | "lede" => Family::OpenWrt,
        "nixos" => Family::Nix,
        "guix" => Family::Guix,
        _ => Family::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_comes_from_id_then_id_like() {
        for (text, want) in [
            ("ID=ubuntu\nID_LIKE=debian\n", Family::Debian),
            (
                "NAME=\"Amazon Linux\"\nID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\n",
                Family::RedHat,
            ),
            (
                "ID=\"opensuse-microos\"\nID_LIKE=\"suse opensuse\"\n",
                Family::Suse,
            ),
            ("ID=nixos\n", Family::Nix),
            ("ID=arch\n", Family::Other),
        ] {
            assert_eq!(Os::from_release(text).unwrap().family, want, "{text}");
        }
        assert_eq!(Os::from_release("NAME=x\n"), None);
        let old = Os::from_release_file("/etc/redhat-release", "CentOS release 6.10 (Final)\n");
        assert_eq!(
            (old.family, old.name.as_str()),
            (Family::RedHat, "CentOS release 6.10 (Final)")
        );
    }
}
