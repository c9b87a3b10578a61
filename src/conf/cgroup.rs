//! What the path of a control group says: the systemd unit, the container and its engine.

/// Who a control group belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The innermost systemd service: `chrony.service`.
    pub unit: Option<String>,
    /// The engine that runs the container: `docker`, `podman`, `kubernetes`, `lxc`, `nspawn`.
    pub engine: Option<&'static str>,
    /// The container's name, or the first twelve characters of its identifier.
    pub container: Option<String>,
}

impl Membership {
    /// The unit as people type it: `chrony`.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.unit.as_deref()?.strip_suffix(".service")
    }
}

/// What a path such as `/system.slice/docker-4f5e….scope` says.
#[must_use]
pub fn membership(path: &str) -> Membership {
    let mut found = Membership::default();
    let mut previous = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if part.ends_with(".service") {
            found.unit = Some(part.to_owned());
        }
        if let Some((engine, name)) = container(part, previous) {
            // The innermost container counts, but a pod's own identifier is better than none.
            found.engine = Some(if path.contains("kubepods") {
                "kubernetes"
            } else {
                engine
            });
            found.container = Some(short(name));
            found.unit = None;
        }
        previous = part;
    }
    found
}

const SCOPES: &[(&str, &str)] = &[
    ("docker-", "docker"),
    ("libpod-", "podman"),
    ("crio-", "kubernetes"),
    ("cri-containerd-", "kubernetes"),
    ("machine-", "nspawn"),
];

fn container<'a>(part: &'a str, previous: &str) -> Option<(&'static str, &'a str)> {
    let scope = part.strip_suffix(".scope").unwrap_or(part);
    for (prefix, engine) in SCOPES {
        let name = scope.strip_prefix(prefix).filter(|name| !name.is_empty());
        // libpod-conmon-… is the monitor, outside the container.
        if let Some(name) = name.filter(|name| !name.starts_with("conmon-")) {
            let sure = *engine != "nspawn" || part.ends_with(".scope");
            if sure && part != "docker-proxy" {
                return Some((engine, name));
            }
        }
    }
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some(("lxc", name));
    }
    if let Some(name) = part.strip_prefix("systemd-nspawn@") {
        return Some(("nspawn", name.strip_suffix(".service").unwrap_or(name)));
    }
    let hexadecimal = part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    match previous {
        "docker" if hexadecimal => Some(("docker", part)),
        "lxc" => Some(("lxc", part)),
        _ if hexadecimal && previous.starts_with("pod") => Some(("kubernetes", part)),
        _ => None,
    }
}

/// systemd escapes `-` as `\x2d`; a long identifier is cut as the engines' own tools cut it.
fn short(name: &str) -> String {
    let name = name.replace("\\x2d", "-");
    if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        name.chars().take(12).collect()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f5e6a7b8c9d0e1f2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f8091";

    #[test]
    fn a_service_is_named_by_its_unit() {
        let found = membership("/system.slice/chrony.service");
        assert_eq!(found.unit.as_deref(), Some("chrony.service"));
        assert_eq!(found.container, None);
        assert_eq!(membership("/"), Membership::default());
    }

    #[test]
    fn engines_are_told_apart() {
        for (path, engine, name) in [
            (
                format!("/system.slice/docker-{ID}.scope"),
                "docker",
                "4f5e6a7b8c9d",
            ),
            (format!("/docker/{ID}"), "docker", "4f5e6a7b8c9d"),
            (
                format!("/machine.slice/libpod-{ID}.scope/container"),
                "podman",
                "4f5e6a7b8c9d",
            ),
            (
                format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
                "kubernetes",
                "4f5e6a7b8c9d",
            ),
            (
                format!("/kubepods/burstable/pod9/{ID}"),
                "kubernetes",
                "4f5e6a7b8c9d",
            ),
            ("/lxc.payload.web/system.slice".to_owned(), "lxc", "web"),
            (
                r"/machine.slice/machine-my\x2dbox.scope/payload".to_owned(),
                "nspawn",
                "my-box",
            ),
        ] {
            let found = membership(&path);
            assert_eq!(
                (found.engine, found.container.as_deref()),
                (Some(engine), Some(name)),
                "{path}"
            );
        }
    }

    #[test]
    fn a_unit_inside_a_container_is_named_with_it() {
        let found = membership("/machine.slice/machine-a.scope/payload/system.slice/ntpd.service");
        assert_eq!(found.unit.as_deref(), Some("ntpd.service"));
        assert_eq!(found.container.as_deref(), Some("a"));
    }
}
