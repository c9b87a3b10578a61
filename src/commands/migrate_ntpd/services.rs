//! Services that are stopped and started: through the service manager on a running machine, by
//! links in an image.

use super::tree::Tree;
use crate::conf::files::Files;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::process;
use crate::sys::service;
use crate::sys::service::Manager;
use std::path::Path;

/// Time services that a new daemon cannot run beside, by every name that distributions use.
pub(super) const OLD: &[&str] = &[
    "ntpsec",
    "ntp",
    "ntpd",
    "openntpd",
    "ntpdate",
    "ntp-wait",
    "ntpsec-wait",
    "ntpd-rs",
    "systemd-timesyncd",
    "sntpd",
    "busybox-ntpd",
];

/// Seconds that a service manager may take. systemd allows a service 90 to stop and 90 to start, the
/// start of one that conflicts with another waits for both, and switching a service with a SysV
/// script on or off reads all units three times, which takes a loaded machine a minute each.
const LIMIT_S: f64 = 600.0;

/// The state of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Its name.
    pub(super) name: String,
    /// Started at boot.
    pub(super) enabled: bool,
    /// Running; false in an image.
    pub(super) active: bool,
    /// Not to be started at all.
    pub(super) masked: bool,
}

/// The manager and the means to use it.
#[derive(Clone, Debug)]
pub(super) struct Services<'a> {
    tree: &'a Tree,
    manager: Manager,
}

/// A change of a link in an image: what is to be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The path inside the root.
    pub(super) path: String,
    /// The target, `None` to remove the link.
    pub(super) target: Option<String>,
}

impl<'a> Services<'a> {
    /// The services of a machine or image.
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self {
            tree,
            manager: service::manager(tree.root()),
        }
    }

    /// Services are switched by links: in an image, and where no manager runs.
    pub(super) fn by_links(&self) -> bool {
        !self.tree.is_live() || self.manager == Manager::None
    }

    /// Who starts services here.
    pub(super) fn manager(&self) -> Manager {
        self.manager
    }

    /// systemd runs here.
    pub(super) fn is_systemd(&self) -> bool {
        self.manager == Manager::Systemd
    }

    /// The states of those of these services that are installed, each once.
    pub(super) fn states(&self, names: &[&str]) -> Vec<State> {
        service::find_all(self.tree.root(), names)
            .into_iter()
            .map(|found| State {
                active: self.active(&found.name),
                name: found.name,
                enabled: found.enabled,
                masked: found.masked,
            })
            .collect()
    }

    /// Whether a service runs; false in an image.
    pub(super) fn active(&self, name: &str) -> bool {
        if !self.tree.is_live() {
            return false;
        }
        let unit = format!("{name}.service");
        let said = match self.manager {
            Manager::Systemd => {
                process::read("systemctl", &["is-active", "--quiet", &unit], 10.0, 4096)
            }
            Manager::OpenRc => process::read("rc-service", &[name, "status"], 10.0, 4096),
            Manager::SysV => process::read("service", &[name, "status"], 10.0, 65536),
            Manager::None => return false,
        };
        said.is_ok_and(|said| said.status == Some(0))
    }

    fn call(&self, program: &str, arguments: &[&str]) -> Result<(), Failure> {
        let command = format!("{program} {}", arguments.join(" "));
        let said = process::read(program, arguments, LIMIT_S, 1 << 20).map_err(|error| {
            Failure::new(ExitStatus::Unavailable, format!("{command}: {error}"))
                .hint(command.clone())
        })?;
        if said.status == Some(0) {
            return Ok(());
        }
        Err(Failure::new(
            ExitStatus::Unavailable,
            format!("{command}: {}", said.reason()),
        )
        .hint(command.clone())
        .target(arguments.last().copied().unwrap_or(program)))
    }

    fn systemctl(&self, verb: &str, name: &str) -> Result<(), Failure> {
        self.call("systemctl", &[verb, &format!("{name}.service")])
    }

    /// Stops a running service.
    pub(super) fn stop(&self, name: &str) -> Result<(), Failure> {
        match self.manager {
            Manager::Systemd => self.systemctl("stop", name),
            Manager::OpenRc => self.call("rc-service", &[name, "stop"]),
            Manager::SysV => self.call("service", &[name, "stop"]),
            Manager::None => Ok(()),
        }
    }

    /// Starts a service.
    pub(super) fn start(&self, name: &str) -> Result<(), Failure> {
        match self.manager {
            Manager::Systemd => {
                // A start that failed shortly before must not count against this one.
                self.forget_failure(name);
                self.systemctl("start", name).map_err(|failure| {
                    // An undo removes the unit, and systemctl only points to the log.
                    let why = service::last_words(name);
                    match why.is_empty() {
                        true => failure,
                        false => Failure {
                            message: format!(
                                "{name} did not start: {why}; the log has all that it said"
                            ),
                            ..failure
                        }
                        .hint(format!("journalctl -u {name}")),
                    }
                })
            }
            Manager::OpenRc => self.call("rc-service", &[name, "start"]),
            Manager::SysV => self.call("service", &[name, "start"]),
            Manager::None => Ok(()),
        }
    }

    /// A service that is off is only off: a start that failed is not tried again (`Restart=` of its
    /// unit waits for that), and not remembered.
    pub(super) fn settle(&self, name: &str) {
        if self.manager == Manager::Systemd {
            let _ = self.systemctl("stop", name);
            self.forget_failure(name);
        }
    }

    /// A start that failed is not remembered.
    fn forget_failure(&self, name: &str) {
        if self.manager == Manager::Systemd {
            let _ = self.systemctl("reset-failed", name);
        }
    }

    /// Has a service started at boot.
    pub(super) fn enable(&self, name: &str) -> Result<(), Failure> {
        match self.manager {
            Manager::Systemd => self.systemctl("enable", name),
            Manager::OpenRc => self.call("rc-update", &["add", name, "default"]),
            // Links that are there stay as they are; without any there is nothing to enable.
            Manager::SysV if process::find("update-rc.d").is_some() => {
                self.call("update-rc.d", &[name, "defaults"])?;
                self.call("update-rc.d", &[name, "enable"])
            }
            Manager::SysV => {
                self.call("chkconfig", &["--add", name])?;
                self.call("chkconfig", &[name, "on"])
            }
            Manager::None => Ok(()),
        }
    }

    /// Has a service not started at boot; it is masked if that is not enough.
    pub(super) fn disable(&self, name: &str) -> Result<(), Failure> {
        match self.manager {
            Manager::Systemd => {
                self.systemctl("disable", name)?;
                let still =
                    service::find(self.tree.root(), name).is_some_and(|found| found.enabled);
                if still {
                    self.systemctl("mask", name)
                } else {
                    Ok(())
                }
            }
            Manager::OpenRc => self.call("rc-update", &["--all", "del", name]),
            Manager::SysV if process::find("update-rc.d").is_some() => {
                self.call("update-rc.d", &[name, "disable"])
            }
            Manager::SysV => self.call("chkconfig", &[name, "off"]),
            Manager::None => Ok(()),
        }
    }

    /// Takes the links of a service away, before its script is removed.
    pub(super) fn forget(&self, name: &str) -> Result<(), Failure> {
        match self.manager {
            Manager::SysV if process::find("update-rc.d").is_some() => {
                self.call("update-rc.d", &["-f", name, "remove"])
            }
            Manager::SysV => self.call("chkconfig", &["--del", name]),
            _ => Ok(()),
        }
    }

    /// Allows a masked service to be started again.
    pub(super) fn unmask(&self, name: &str) -> Result<(), Failure> {
        match self.manager {
            Manager::Systemd => self.systemctl("unmask", name),
            _ => Ok(()),
        }
    }

    /// Forbids a service to be started.
    pub(super) fn mask(&self, name: &str) -> Result<(), Failure> {
        match self.manager {
            Manager::Systemd => self.systemctl("mask", name),
            _ => Ok(()),
        }
    }

    /// Has the manager read its files again.
    pub(super) fn reload(&self) -> Result<(), Failure> {
        match self.manager {
            Manager::Systemd => self.call("systemctl", &["daemon-reload"]),
            _ => Ok(()),
        }
    }

    /// The links that switch a service off in an image.
    pub(super) fn links_off(&self, name: &str) -> Vec<Link> {
        let mut links = Vec::new();
        let unit = format!("{name}.service");
        let base = "/etc/systemd/system";
        for dir in self.list(base) {
            let path = format!("{base}/{dir}");
            if dir.ends_with(".wants") || dir.ends_with(".requires") {
                if self.list(&path).contains(&unit) {
                    links.push(Link {
                        path: format!("{path}/{unit}"),
                        target: None,
                    });
                }
            } else if dir.ends_with(".service") && self.points_to(&path, &unit) {
                // An alias.
                links.push(Link { path, target: None });
            }
        }
        for level in self.list("/etc/runlevels") {
            let path = format!("/etc/runlevels/{level}/{name}");
            if self.is_link(&path) {
                links.push(Link { path, target: None });
            }
        }
        for level in 2..=5 {
            let dir = format!("/etc/rc{level}.d");
            for link in self.list(&dir) {
                if link
                    .strip_prefix('S')
                    .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()))
                    == Some(name)
                {
                    links.push(Link {
                        path: format!("{dir}/{link}"),
                        target: None,
                    });
                    links.push(Link {
                        path: format!("{dir}/K01{name}"),
                        target: Some(format!("../init.d/{name}")),
                    });
                }
            }
        }
        links
    }

    /// The links of SysV runlevels that a service has, those that stop it too.
    pub(super) fn runlevel_links(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for level in 0..=6 {
            let dir = format!("/etc/rc{level}.d");
            let links = self.list(&dir).into_iter().filter(|link| {
                let rest = link.strip_prefix(['S', 'K']).unwrap_or("");
                rest.trim_start_matches(|c: char| c.is_ascii_digit()) == name
            });
            found.extend(links.map(|link| format!("{dir}/{link}")));
        }
        found
    }

    /// The links that switch a service on in an image. `planned` gives the text of a file that is
    /// not there yet.
    pub(super) fn links_on(
        &self,
        name: &str,
        planned: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Link> {
        let text_of = |path: &str| planned(path).or_else(|| self.tree.text(path));
        let mut links = Vec::new();
        let mask = format!("/etc/systemd/system/{name}.service");
        if self.points_to(&mask, "null") {
            links.push(Link {
                path: mask,
                target: None,
            });
        }
        match self.kind_of(name, planned) {
            Manager::Systemd => {
                let unit = format!("{name}.service");
                let dirs = [
                    "/etc/systemd/system",
                    "/usr/lib/systemd/system",
                    "/lib/systemd/system",
                ];
                let file = dirs
                    .iter()
                    .map(|dir| format!("{dir}/{unit}"))
                    .find(|path| text_of(path).is_some());
                let text = file
                    .as_ref()
                    .and_then(|path| text_of(path))
                    .unwrap_or_default();
                let target = file.unwrap_or_default();
                for (key, suffix) in [("WantedBy=", ".wants"), ("RequiredBy=", ".requires")] {
                    for word in words_after(&text, key) {
                        links.push(Link {
                            path: format!("/etc/systemd/system/{word}{suffix}/{unit}"),
                            target: Some(target.clone()),
                        });
                    }
                }
                for alias in words_after(&text, "Alias=") {
                    links.push(Link {
                        path: format!("/etc/systemd/system/{alias}"),
                        target: Some(target.clone()),
                    });
                }
            }
            Manager::OpenRc => links.push(Link {
                path: format!("/etc/runlevels/default/{name}"),
                target: Some(format!("/etc/init.d/{name}")),
            }),
            Manager::SysV => {
                for level in 2..=5 {
                    links.push(Link {
                        path: format!("/etc/rc{level}.d/S50{name}"),
                        target: Some(format!("../init.d/{name}")),
                    });
                }
            }
            Manager::None => {}
        }
        links
    }

    /// By what files a service is started at boot.
    fn kind_of(&self, name: &str, planned: &dyn Fn(&str) -> Option<String>) -> Manager {
        let unit = [
            "/etc/systemd/system",
            "/usr/lib/systemd/system",
            "/lib/systemd/system",
        ]
        .iter()
        .map(|dir| format!("{dir}/{name}.service"))
        .any(|path| planned(&path).is_some() || self.tree.has(&path));
        match self.manager {
            Manager::None if unit => Manager::Systemd,
            Manager::None if self.tree.has("/etc/runlevels") => Manager::OpenRc,
            Manager::None if self.tree.has(&format!("/etc/init.d/{name}")) => Manager::SysV,
            known => known,
        }
    }

    fn list(&self, dir: &str) -> Vec<String> {
        let mut names = Files::list(self.tree, dir).unwrap_or_default();
        names.sort();
        names
    }

    fn place(&self, path: &str) -> Option<std::path::PathBuf> {
        sys::rooted::place(self.tree.root(), Path::new(path)).ok()
    }

    fn is_link(&self, path: &str) -> bool {
        self.place(path)
            .is_some_and(|place| sys::files::link_target(&place).is_some())
    }

    fn points_to(&self, path: &str, name: &str) -> bool {
        let target = self
            .place(path)
            .and_then(|place| sys::files::link_target(&place));
        target.is_some_and(|target| target.file_name().is_some_and(|last| last == name))
    }
}

fn words_after(text: &str, key: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix(key))
        .flat_map(str::split_whitespace)
        .map(str::to_owned)
        .collect()
}
