//! Image trees as the distributions have them, with a small zone database of real rules, and
//! snapshots of a tree that show the least change.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use tempfile::TempDir;

/// A distribution's way with the zone, and what stands where after `timezone set Japan`.
pub(crate) struct Layout {
    /// What the tests call it.
    pub(crate) name: &'static str,
    /// Files before: path, content; `-> target` makes a link, `@Zone` a copy of a zone's file.
    files: &'static [(&'static str, &'static str)],
    /// What of it is different afterwards.
    pub(crate) after: &'static [(&'static str, &'static str)],
    /// The zone's name before; empty where nothing tells it.
    pub(crate) before: &'static str,
}

/// A version 2 TZif file of one type and a rule for all times.
pub(crate) fn tzif(offset: i32, letters: &str, rule: &str) -> Vec<u8> {
    let header = |types: u32, letters: usize| {
        let mut bytes = b"TZif2".to_vec();
        bytes.resize(20, 0);
        let letters = u32::try_from(letters).unwrap();
        for count in [0, 0, 0, 0, types, letters] {
            bytes.extend(count.to_be_bytes());
        }
        bytes
    };
    let mut bytes = header(1, 1);
    bytes.extend([0; 7]);
    bytes.extend(header(1, letters.len() + 1));
    bytes.extend(offset.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(letters.bytes().chain([0]));
    bytes.extend(format!("\n{rule}\n").bytes());
    bytes
}

/// Zones of the trees' database: name, offset, letters, rule. A name without rule is a link.
const ZONES: &[(&str, i32, &str, &str)] = &[
    ("Asia/Tokyo", 32_400, "JST", "JST-9"),
    ("Europe/Berlin", 3600, "CET", "CET-1CEST,M3.5.0,M10.5.0/3"),
    ("America/New_York", -18_000, "EST", "EST5EDT,M3.2.0,M11.1.0"),
    (
        "America/Port-au-Prince",
        -18_000,
        "EST",
        "EST5EDT,M3.2.0,M11.1.0",
    ),
    ("Etc/UTC", 0, "UTC", "UTC0"),
    ("Etc/GMT+5", -18_000, "-05", "<-05>5"),
];

const LINKS: &[(&str, &str)] = &[
    ("Japan", "Asia/Tokyo"),
    ("UTC", "Etc/UTC"),
    ("GMT", "Etc/UTC"),
];

/// Puts a zone database into a tree.
pub(crate) fn database(root: &Path) {
    let zones = root.join("usr/share/zoneinfo");
    for (name, offset, letters, rule) in ZONES {
        put(&zones, name, &tzif(*offset, letters, rule));
    }
    for (name, target) in LINKS {
        symlink(target, zones.join(name)).unwrap();
    }
    let row = |codes: &str, name: &str| format!("{codes}\t+0000+00000\t{name}\n");
    let table = [
        row("JP,AU", "Asia/Tokyo"),
        row("DE", "Europe/Berlin"),
        row("US", "America/New_York"),
    ];
    put(
        &zones,
        "zone1970.tab",
        format!("# table\n{}", table.concat()).as_bytes(),
    );
    put(
        &zones,
        "iso3166.tab",
        b"# names\nJP\tJapan\nDE\tGermany\nUS\tUnited States\nAU\tAustralia\n",
    );
    put(
        &zones,
        "tzdata.zi",
        b"# version 2026x\nZ Asia/Tokyo 9 - JST\nL Asia/Tokyo Japan\nL Etc/UTC UTC\n",
    );
}

fn put(root: &Path, path: &str, content: &[u8]) {
    let path = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Writes one entry of a layout into a tree.
pub(crate) fn place(root: &Path, path: &str, content: &str) {
    if let Some(target) = content.strip_prefix("-> ") {
        let path = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
    } else if let Some(zone) = content.strip_prefix('@') {
        let bytes = fs::read(root.join("usr/share/zoneinfo").join(zone)).unwrap();
        put(root, path, &bytes);
    } else {
        put(root, path, content.as_bytes());
    }
}

impl Layout {
    /// Builds the tree.
    pub(crate) fn build(&self) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        database(dir.path());
        for (path, content) in self.files {
            place(dir.path(), path, content);
        }
        dir
    }

    /// The tree as it must be after `timezone set Japan`.
    pub(crate) fn built_after(&self) -> TempDir {
        let dir = self.build();
        for (path, content) in self.after {
            place(dir.path(), path, content);
        }
        dir
    }
}

/// What every path of a tree holds: a link's target, a file's octets.
pub(crate) fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    walk(root, root, &mut |path, name| {
        let kind = fs::symlink_metadata(path).unwrap();
        let value = if kind.is_symlink() {
            format!("-> {}", fs::read_link(path).unwrap().display()).into_bytes()
        } else {
            fs::read(path).unwrap()
        };
        all.insert(name, value);
    });
    all
}

/// Inode and time of change of every path: any write shows, even of the same octets.
pub(crate) fn traces(root: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let mut all = BTreeMap::new();
    walk(root, root, &mut |path, name| {
        let found = fs::symlink_metadata(path).unwrap();
        all.insert(name, (found.ino(), found.ctime(), found.ctime_nsec()));
    });
    all
}

fn walk(root: &Path, directory: &Path, see: &mut dyn FnMut(&Path, String)) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            walk(root, &entry.path(), see);
        } else {
            let name = entry
                .path()
                .strip_prefix(root)
                .unwrap()
                .display()
                .to_string();
            see(&entry.path(), format!("/{name}"));
        }
    }
}

/// The layouts, each after the distribution's own files.
pub(crate) const LAYOUTS: &[Layout] = &[
    Layout {
        name: "Debian 11",
        files: &[
            (
                "/etc/os-release",
                "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\n",
            ),
            ("/usr/lib/systemd/systemd", ""),
            ("/etc/localtime", "-> /usr/share/zoneinfo/Etc/UTC"),
            ("/etc/timezone", "Etc/UTC\n"),
        ],
        after: &[
            ("/etc/localtime", "-> /usr/share/zoneinfo/Japan"),
            ("/etc/timezone", "Japan\n"),
        ],
        before: "Etc/UTC",
    },
    Layout {
        name: "Debian 12, set by timedatectl",
        files: &[
            (
                "/etc/os-release",
                "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n",
            ),
            ("/usr/lib/systemd/systemd", ""),
            ("/etc/localtime", "-> ../usr/share/zoneinfo/Europe/Berlin"),
            ("/etc/timezone", "Europe/Berlin"),
        ],
        after: &[
            ("/etc/localtime", "-> ../usr/share/zoneinfo/Japan"),
            ("/etc/timezone", "Japan"),
        ],
        before: "Europe/Berlin",
    },
    Layout {
        name: "Ubuntu with a copied zone",
        files: &[
            ("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n"),
            ("/lib/systemd/systemd", ""),
            ("/etc/localtime", "@Etc/UTC"),
            ("/etc/timezone", "Etc/UTC\n"),
        ],
        after: &[
            ("/etc/localtime", "-> ../usr/share/zoneinfo/Japan"),
            ("/etc/timezone", "Japan\n"),
        ],
        before: "Etc/UTC",
    },
    Layout {
        name: "Amazon Linux 1",
        files: &[
            ("/etc/system-release", "Amazon Linux AMI release 2018.03\n"),
            (
                "/etc/os-release",
                "ID=\"amzn\"\nID_LIKE=\"rhel fedora\"\nPRETTY_NAME=\"Amazon Linux AMI 2018.03\"\n",
            ),
            ("/etc/localtime", "@Etc/UTC"),
            (
                "/etc/sysconfig/clock",
                "#ZONE=\"Europe/Paris\"\nZONE=\"UTC\"\nUTC=true\n",
            ),
        ],
        after: &[
            ("/etc/localtime", "@Asia/Tokyo"),
            (
                "/etc/sysconfig/clock",
                "#ZONE=\"Europe/Paris\"\nZONE=\"Japan\"\nUTC=true\n",
            ),
        ],
        before: "UTC",
    },
    Layout {
        name: "Amazon Linux 2 with the clock file of old",
        files: &[
            (
                "/etc/os-release",
                "ID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\n",
            ),
            ("/usr/lib/systemd/systemd", ""),
            ("/etc/localtime", "-> ../usr/share/zoneinfo/UTC"),
            ("/etc/sysconfig/clock", "ZONE=\"UTC\"\nUTC=true\n"),
        ],
        after: &[
            ("/etc/localtime", "-> ../usr/share/zoneinfo/Japan"),
            ("/etc/sysconfig/clock", "ZONE=\"Japan\"\nUTC=true\n"),
        ],
        before: "UTC",
    },
    Layout {
        name: "RHEL 6 without the assignment",
        files: &[
            (
                "/etc/redhat-release",
                "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n",
            ),
            ("/etc/localtime", "@America/New_York"),
            ("/etc/sysconfig/clock", "# ours\nUTC=false\nARC=false"),
        ],
        after: &[
            ("/etc/localtime", "@Asia/Tokyo"),
            (
                "/etc/sysconfig/clock",
                "# ours\nUTC=false\nARC=false\nZONE=\"Japan\"\n",
            ),
        ],
        before: "America/New_York",
    },
    Layout {
        name: "RHEL 9",
        files: &[
            ("/etc/os-release", "ID=\"rhel\"\nID_LIKE=\"fedora\"\n"),
            ("/usr/lib/systemd/systemd", ""),
            (
                "/etc/localtime",
                "-> ../usr/share/zoneinfo/America/New_York",
            ),
        ],
        after: &[("/etc/localtime", "-> ../usr/share/zoneinfo/Japan")],
        before: "America/New_York",
    },
    Layout {
        name: "SUSE before systemd",
        files: &[
            (
                "/etc/SuSE-release",
                "SUSE Linux Enterprise Server 11 (x86_64)\n",
            ),
            ("/etc/localtime", "@Europe/Berlin"),
            (
                "/etc/sysconfig/clock",
                "## Type: string(-u,-l)\nHWCLOCK=\"-u\"\n\nTIMEZONE=\"Europe/Berlin\"\nDEFAULT_TIMEZONE=\"US/Eastern\"\n",
            ),
        ],
        after: &[
            ("/etc/localtime", "@Asia/Tokyo"),
            (
                "/etc/sysconfig/clock",
                "## Type: string(-u,-l)\nHWCLOCK=\"-u\"\n\nTIMEZONE=\"Japan\"\nDEFAULT_TIMEZONE=\"US/Eastern\"\n",
            ),
        ],
        before: "Europe/Berlin",
    },
    Layout {
        name: "openSUSE",
        files: &[
            (
                "/etc/os-release",
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n",
            ),
            ("/usr/lib/systemd/systemd", ""),
            ("/etc/sysconfig/clock", "# set by systemd now\n"),
            ("/etc/localtime", "-> /usr/share/zoneinfo/Europe/Berlin"),
        ],
        after: &[("/etc/localtime", "-> /usr/share/zoneinfo/Japan")],
        before: "Europe/Berlin",
    },
    Layout {
        name: "Alpine with its own copy",
        files: &[
            (
                "/etc/os-release",
                "ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"\n",
            ),
            ("/etc/zoneinfo/Europe/Berlin", "@Europe/Berlin"),
            ("/etc/localtime", "-> /etc/zoneinfo/Europe/Berlin"),
            ("/etc/profile.d/timezone.sh", "export TZ='Europe/Berlin'\n"),
        ],
        after: &[
            ("/etc/zoneinfo/Japan", "@Asia/Tokyo"),
            ("/etc/localtime", "-> /etc/zoneinfo/Japan"),
            ("/etc/profile.d/timezone.sh", "export TZ='Japan'\n"),
        ],
        before: "Europe/Berlin",
    },
    Layout {
        name: "Alpine without a zone",
        files: &[("/etc/os-release", "ID=alpine\n"), ("/etc/passwd", "")],
        after: &[("/etc/localtime", "-> /usr/share/zoneinfo/Japan")],
        before: "UTC",
    },
    Layout {
        name: "Void",
        files: &[
            ("/etc/os-release", "ID=\"void\"\n"),
            (
                "/etc/rc.conf",
                "# HARDWARECLOCK=\"UTC\"\nTIMEZONE=\"Europe/Berlin\" # home\nKEYMAP=\"de\"\n",
            ),
            ("/etc/localtime", "-> /usr/share/zoneinfo/Europe/Berlin"),
        ],
        after: &[
            (
                "/etc/rc.conf",
                "# HARDWARECLOCK=\"UTC\"\nTIMEZONE=\"Japan\" # home\nKEYMAP=\"de\"\n",
            ),
            ("/etc/localtime", "-> /usr/share/zoneinfo/Japan"),
        ],
        before: "Europe/Berlin",
    },
    Layout {
        name: "OpenWrt",
        files: &[
            ("/etc/os-release", "ID=\"openwrt\"\n"),
            ("/etc/localtime", "-> /tmp/localtime"),
            ("/tmp/localtime", "-> /usr/share/zoneinfo/Etc/UTC"),
            ("/etc/TZ", "-> /tmp/TZ"),
            ("/tmp/TZ", "UTC0\n"),
            (
                "/etc/config/system",
                "config system\n\toption hostname 'OpenWrt'\n\toption timezone 'UTC'\n\n",
            ),
        ],
        after: &[
            ("/tmp/localtime", "-> /usr/share/zoneinfo/Japan"),
            ("/tmp/TZ", "JST-9\n"),
            (
                "/etc/config/system",
                "config system\n\toption zonename 'Japan'\n\toption hostname 'OpenWrt'\n\toption timezone 'JST-9'\n\n",
            ),
        ],
        before: "Etc/UTC",
    },
];
