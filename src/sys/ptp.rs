//! The PTP hardware clocks of this machine by their names: `/sys/class/ptp`, and which names in
//! /dev lead to them. Reading their time is not done here.

use super::files;
use std::path::Path;

/// A PTP hardware clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PtpClock {
    /// Its device: `/dev/ptp0`.
    pub device: String,
    /// What its driver calls it: `hyperv`, `KVM virtual PTP`, `ena-ptp-05`…
    pub clock_name: String,
    /// Links in /dev that lead to it: `/dev/ptp_hyperv`.
    pub links: Vec<String>,
}

/// All of them, by number.
#[must_use]
pub fn clocks(root: &Path) -> Vec<PtpClock> {
    let class = files::under(root, Path::new("/sys/class/ptp"));
    let dev = files::under(root, Path::new("/dev"));
    let mut names = files::list(&class).unwrap_or_default();
    if names.is_empty() {
        return Vec::new();
    }
    let links: Vec<(String, String)> = files::list(&dev)
        .unwrap_or_default()
        .into_iter()
        .filter(|name| name.starts_with("ptp"))
        .filter_map(|name| {
            let target = files::link_target(&dev.join(&name))?;
            Some((name, target.file_name()?.to_str()?.to_owned()))
        })
        .collect();
    names.sort_by_key(|name| name.strip_prefix("ptp").and_then(|n| n.parse::<u32>().ok()));
    names
        .into_iter()
        .map(|name| {
            let text = files::read_text(&class.join(&name).join("clock_name"), 256);
            PtpClock {
                device: format!("/dev/{name}"),
                clock_name: text.unwrap_or_default().trim().to_owned(),
                links: links
                    .iter()
                    .filter(|(_, target)| *target == name)
                    .map(|(link, _)| format!("/dev/{link}"))
                    .collect(),
            }
        })
        .collect()
}

/// What /sys calls the clock behind a path in /dev, links followed: `ptp1`. The path of a network
/// interface's name leads to that card's clock.
#[must_use]
pub fn number(root: &Path, path: &str) -> Option<String> {
    find(root, path)?
        .device
        .strip_prefix("/dev/")
        .map(str::to_owned)
}

/// The clock that a word means: a path (`/dev/ptp_hyperv`), its last part, a driver's name
/// (`hyperv`, `KVM virtual PTP`, `ena-ptp`), or a network interface.
#[must_use]
pub fn find(root: &Path, word: &str) -> Option<PtpClock> {
    let all = clocks(root);
    let by = |test: &dyn Fn(&PtpClock) -> bool| all.iter().find(|clock| test(clock)).cloned();
    let path = if word.starts_with('/') {
        word.to_owned()
    } else {
        format!("/dev/{word}")
    };
    let same = |a: &str| a.eq_ignore_ascii_case(word);
    by(&|c| c.device == path || c.links.contains(&path))
        .or_else(|| by(&|c| same(&c.clock_name)))
        .or_else(|| {
            // `ena-ptp-05` by its kind; a kind is never a part of a word.
            by(&|c| {
                c.clock_name
                    .rsplit_once('-')
                    .is_some_and(|(kind, _)| same(kind))
            })
        })
        .or_else(|| {
            let fits = !word.contains('/') && !word.is_empty() && !word.starts_with('.');
            let card = files::under(root, Path::new("/sys/class/net"))
                .join(word)
                .join("device/ptp");
            let name = fits
                .then(|| files::list(&card).ok())
                .flatten()?
                .into_iter()
                .next()?;
            by(&|c| c.device == format!("/dev/{name}"))
        })
        .or_else(|| {
            // A link elsewhere.
            let target = files::link_target(&files::under(root, Path::new(&path)))?;
            let name = target.file_name()?.to_str()?.to_owned();
            by(&|c| c.device == format!("/dev/{name}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn clocks_are_known_by_name_and_links() {
        let root = tempfile::tempdir().unwrap();
        for (name, clock) in [
            ("ptp0", "mlx5_ptp\n"),
            ("ptp10", "x\n"),
            ("ptp2", "hyperv\n"),
        ] {
            let dir = root.path().join("sys/class/ptp").join(name);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join("clock_name"), clock).unwrap();
        }
        fs::create_dir_all(root.path().join("dev")).unwrap();
        std::os::unix::fs::symlink("ptp2", root.path().join("dev/ptp_hyperv")).unwrap();
        let found = clocks(root.path());
        let names: Vec<&str> = found.iter().map(|c| c.clock_name.as_str()).collect();
        assert_eq!(names, ["mlx5_ptp", "hyperv", "x"]);
        assert_eq!(found[1].links, ["/dev/ptp_hyperv"]);
        let is = |word: &str| find(root.path(), word).map(|c| c.device);
        let card = root.path().join("sys/class/net/eth0/device/ptp/ptp0");
        fs::create_dir_all(card).unwrap();
        for (word, device) in [
            ("hyperv", "/dev/ptp2"),
            ("/dev/ptp_hyperv", "/dev/ptp2"),
            ("ptp_hyperv", "/dev/ptp2"),
            ("HyperV", "/dev/ptp2"),
            ("ptp10", "/dev/ptp10"),
            ("eth0", "/dev/ptp0"),
        ] {
            assert_eq!(is(word).as_deref(), Some(device), "{word}");
        }
        for word in ["", "kvm", "/dev/ptp7", "../ptp", "ptp"] {
            assert_eq!(is(word), None, "{word}");
        }
        assert_eq!(
            number(root.path(), "/dev/ptp_hyperv").as_deref(),
            Some("ptp2")
        );
    }
}
