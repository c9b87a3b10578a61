//! Services as the service manager sees them, read from its files and links, so that it works
//! under another root and starts nothing: systemd's units, OpenRC's runlevels, SysV's rc links.

use super::daemons;
use super::files;
use super::process;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

/// Who starts services here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// systemd.
    Systemd,
    /// OpenRC.
    OpenRc,
    /// Scripts in /etc/init.d.
    SysV,
    /// Nobody: a container, most likely.
    None,
}

impl Manager {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::OpenRc => "openrc",
            Self::SysV => "sysv",
            Self::None => "none",
        }
    }

    /// The command by which people start a service of it anew; `None` where nobody starts services.
    #[must_use]
    pub fn restart(self, name: &str) -> Option<String> {
        match self {
            Self::Systemd => Some(format!("systemctl restart {name}")),
            Self::OpenRc => Some(format!("rc-service {name} restart")),
            Self::SysV => Some(format!("service {name} restart")),
            Self::None => None,
        }
    }
}

/// A service that is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its own name, without `.service`; aliases are followed.
    pub name: String,
    /// The unit file or script.
    pub file: PathBuf,
    /// True when it is started at boot.
    pub enabled: bool,
    /// True when it may not be started (a link to /dev/null).
    pub masked: bool,
    /// Names of units that are stopped when it starts (`Conflicts=`), without `.service`.
    pub conflicts: Vec<String>,
    /// The program whose presence keeps it from starting (`ConditionFileIsExecutable=!PATH`, as
    /// systemd-timesyncd's unit has it for other time daemons).
    pub yields_to: Option<String>,
}

impl Service {
    /// Whether a condition of its unit keeps it from starting here: without the capability to set
    /// the clock, or in a container.
    #[must_use]
    pub fn held_back(&self) -> bool {
        let text = files::read_text(&self.file, LIMIT).unwrap_or_default();
        let asks = |condition: &str| text.lines().any(|line| line.trim() == condition);
        let capable = daemons::capable(1);
        (asks("ConditionCapability=CAP_SYS_TIME") && capable == Some(false))
            || (asks("ConditionVirtualization=!container")
                && files::exists(Path::new("/run/systemd/container")))
    }
}

/// Where systemd looks for units and their drop-ins, first wins.
pub const UNIT_DIRS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
const LIMIT: u64 = 256 << 10;

/// Who starts services under this root. On the running system it is who really does.
#[must_use]
pub fn manager(root: &Path) -> Manager {
    if root != Path::new("/") {
        return installed(root);
    }
    let first = files::read_text(Path::new("/proc/1/comm"), 64).ok();
    running(root, first.as_deref().map(str::trim_end))
}

/// Who starts services on the running system, the first process being called this; `None` where
/// there is no /proc. A container may have the files of a manager that does not run, and other
/// parts of systemd leave traces in /run without it: its own is the one that sd_booted(3) names.
fn running(root: &Path, first: Option<&str>) -> Manager {
    let there = |path: &str| files::exists(&files::under(root, Path::new(path)));
    if there("/run/systemd/system") {
        return Manager::Systemd;
    }
    if there("/run/openrc") {
        return Manager::OpenRc;
    }
    match first {
        Some("systemd") => Manager::Systemd,
        Some("openrc-init") => Manager::OpenRc,
        Some("init") if there("/etc/runlevels") => Manager::OpenRc,
        Some("init") if there("/etc/init.d") => Manager::SysV,
        Some(_) => Manager::None,
        None => installed(root),
    }
}

/// Who would start services, going by what is installed.
fn installed(root: &Path) -> Manager {
    let there = |path: &str| files::exists(&files::under(root, Path::new(path)));
    if there("/lib/systemd/systemd") || there("/usr/lib/systemd/systemd") {
        Manager::Systemd
    } else if there("/sbin/openrc") || there("/etc/runlevels") {
        Manager::OpenRc
    } else if there("/etc/init.d") {
        Manager::SysV
    } else {
        Manager::None
    }
}

/// The service of this name, when it is installed under the root: with any manager's files.
#[must_use]
pub fn find(root: &Path, name: &str) -> Option<Service> {
    unit(root, name).or_else(|| script(root, name))
}

/// The services of these names, each once (aliases lead to the same).
#[must_use]
pub fn find_all(root: &Path, names: &[&str]) -> Vec<Service> {
    let mut found: Vec<Service> = Vec::new();
    for service in names.iter().filter_map(|name| find(root, name)) {
        if !found.iter().any(|known| known.name == service.name) {
            found.push(service);
        }
    }
    found
}

/// A unit of systemd; aliases (links to another unit) are followed.
fn unit(root: &Path, name: &str) -> Option<Service> {
    let mut name = name.to_owned();
    // An alias of an alias is rare, a loop of them is a fault.
    for _ in 0..8 {
        let file_name = format!("{name}.service");
        let path = UNIT_DIRS
            .iter()
            .map(|dir| files::under(root, &Path::new(dir).join(&file_name)))
            .find(|path| files::exists(path))?;
        let target = files::link_target(&path);
        if target.as_deref() == Some(Path::new("/dev/null")) {
            return Some(Service {
                masked: true,
                enabled: false,
                conflicts: Vec::new(),
                yields_to: None,
                file: path,
                name,
            });
        }
        let other = target
            .as_deref()
            .and_then(|target| target.file_name()?.to_str())
            .and_then(|target| target.strip_suffix(".service"))
            .filter(|other| *other != name);
        if let Some(other) = other {
            name = other.to_owned();
            continue;
        }
        let mut text = files::read_text(&path, LIMIT).unwrap_or_default();
        for added in drop_ins(root, &file_name) {
            text.push('\n');
            text.push_str(&added);
        }
        return Some(Service {
            enabled: wanted(root, &file_name),
            masked: text.trim().is_empty() && files::read(&path, LIMIT).is_ok_and(|b| b.is_empty()),
            conflicts: conflicts(&text),
            yields_to: yields_to(root, &text),
            file: path,
            name,
        });
    }
    None
}

/// True when a target wants the unit: a link in a `.wants` or `.requires` directory.
fn wanted(root: &Path, file_name: &str) -> bool {
    UNIT_DIRS.iter().any(|dir| {
        let dir = files::under(root, Path::new(dir));
        files::list(&dir).unwrap_or_default().iter().any(|name| {
            (name.ends_with(".wants") || name.ends_with(".requires"))
                && files::exists(&dir.join(name).join(file_name))
        })
    })
}

fn conflicts(text: &str) -> Vec<String> {
    let values = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Conflicts="));
    let names = values.flat_map(str::split_whitespace);
    let names: BTreeSet<String> = names
        .filter_map(|name| name.strip_suffix(".service"))
        .map(str::to_owned)
        .collect();
    names.into_iter().collect()
}

/// What `NAME.service.d/*.conf` adds to a unit.
fn drop_ins(root: &Path, file_name: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for dir in UNIT_DIRS {
        let dir = files::under(root, &Path::new(dir).join(format!("{file_name}.d")));
        for name in files::list(&dir).unwrap_or_default() {
            if name.ends_with(".conf") {
                texts.extend(files::read_text(&dir.join(name), LIMIT));
            }
        }
    }
    texts
}

fn yields_to(root: &Path, text: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("ConditionFileIsExecutable=!"))
        .map(str::trim)
        .find(|path| path.starts_with('/') && files::exists(&files::under(root, Path::new(path))))
        .map(str::to_owned)
}

/// A script of OpenRC or SysV.
fn script(root: &Path, name: &str) -> Option<Service> {
    let file = files::under(root, &Path::new("/etc/init.d").join(name));
    if !files::exists(&file) {
        return None;
    }
    Some(Service {
        name: name.to_owned(),
        file,
        enabled: in_runlevel(root, name),
        masked: false,
        conflicts: Vec::new(),
        yields_to: None,
    })
}

fn in_runlevel(root: &Path, name: &str) -> bool {
    let runlevels = files::under(root, Path::new("/etc/runlevels"));
    let openrc = files::list(&runlevels)
        .unwrap_or_default()
        .iter()
        .any(|level| files::exists(&runlevels.join(level).join(name)));
    // S20chrony in rc2.d to rc5.d.
    let sysv = ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"]
        .iter()
        .flat_map(|dir| files::list(&files::under(root, Path::new(dir))).unwrap_or_default())
        .any(|link| {
            link.strip_prefix('S')
                .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()))
                == Some(name)
        });
    openrc || sysv
}

/// The last lines that a service wrote to systemd's journal, to be quoted where it did not start;
/// empty where there is no journal, or this user may not read it.
#[must_use]
pub fn last_words(name: &str) -> String {
    let unit = format!("{name}.service");
    let arguments = ["-u", &unit, "-n", "12", "-o", "json", "--no-pager", "-q"];
    let Ok(said) = process::read("journalctl", &arguments, 10.0, 1 << 18) else {
        return String::new();
    };
    let lines = said.stdout.lines().filter_map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).ok()?;
        // What systemd itself says of the unit is no reason.
        let own = entry.get("_PID")?.as_str()? != "1";
        let text = entry.get("MESSAGE")?.as_str()?;
        own.then(|| text.trim().to_owned())
    });
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        // What goes to the log and to standard error stands there twice.
        [.., one, two] if one.contains(two) => one.clone(),
        [.., one, two] => format!("{one} / {two}"),
        some => some.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for dir in [
            "etc/systemd/system/multi-user.target.wants",
            "usr/lib/systemd/system",
            "etc/runlevels/default",
            "etc/init.d",
            "etc/rc3.d",
        ] {
            fs::create_dir_all(root.path().join(dir)).unwrap();
        }
        root
    }

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn units_are_enabled_by_links_and_known_by_their_aliases() {
        let root = root();
        let root = root.path();
        put(
            root,
            "usr/lib/systemd/system/chrony.service",
            "[Unit]\nConflicts=openntpd.service ntp.service shutdown.target\nConflicts=ntpsec.service\n",
        );
        assert!(!find(root, "chrony").unwrap().enabled);
        symlink(
            "/usr/lib/systemd/system/chrony.service",
            root.join("etc/systemd/system/chronyd.service"),
        )
        .unwrap();
        symlink(
            "/usr/lib/systemd/system/chrony.service",
            root.join("etc/systemd/system/multi-user.target.wants/chrony.service"),
        )
        .unwrap();
        let found = find_all(root, &["chronyd", "chrony"]);
        assert_eq!(found.len(), 1);
        assert!(found[0].enabled && !found[0].masked);
        assert_eq!(found[0].conflicts, ["ntp", "ntpsec", "openntpd"]);
    }

    #[test]
    fn a_masked_unit_is_no_enabled_one() {
        let root = root();
        let root = root.path();
        put(root, "usr/lib/systemd/system/ntpd.service", "[Unit]\n");
        symlink("/dev/null", root.join("etc/systemd/system/ntpd.service")).unwrap();
        let found = find(root, "ntpd").unwrap();
        assert!(found.masked && !found.enabled);
    }

    #[test]
    fn aliases_in_a_circle_end() {
        let root = root();
        let root = root.path();
        let dir = root.join("etc/systemd/system");
        symlink("b.service", dir.join("a.service")).unwrap();
        symlink("a.service", dir.join("b.service")).unwrap();
        assert_eq!(find(root, "a"), None);
    }

    #[test]
    fn scripts_are_enabled_by_runlevels() {
        let root = root();
        let root = root.path();
        for name in ["chronyd", "ntp", "ntpd"] {
            put(root, &format!("etc/init.d/{name}"), "#!/bin/sh\n");
        }
        symlink(
            "/etc/init.d/chronyd",
            root.join("etc/runlevels/default/chronyd"),
        )
        .unwrap();
        symlink("../init.d/ntp", root.join("etc/rc3.d/S20ntp")).unwrap();
        let enabled = |name| find(root, name).unwrap().enabled;
        assert!(enabled("chronyd") && enabled("ntp") && !enabled("ntpd"));
        assert_eq!(manager(root), Manager::OpenRc);
    }

    #[test]
    fn on_the_running_system_files_of_a_manager_that_does_not_run_are_nothing() {
        let root = root();
        let root = root.path();
        put(root, "usr/lib/systemd/systemd", "");
        put(root, "etc/init.d/cron", "#!/bin/sh\n");
        put(root, "run/systemd/resolve/stub-resolv.conf", "");
        assert_eq!(installed(root), Manager::Systemd);
        assert_eq!(running(root, Some("init")), Manager::OpenRc);
        fs::remove_dir_all(root.join("etc/runlevels")).unwrap();
        for (first, manager) in [
            (Some("bash"), Manager::None),
            (Some("docker-init"), Manager::None),
            (Some("init"), Manager::SysV),
            (Some("systemd"), Manager::Systemd),
            (None, Manager::Systemd),
        ] {
            assert_eq!(running(root, first), manager, "{first:?}");
        }
        put(root, "run/systemd/system/a.service", "");
        assert_eq!(running(root, Some("init")), Manager::Systemd);
    }
}
