//! The cloud that a machine stands on, told from trees of /sys: one tree a cloud in
//! tests/data/clouds.

use clockbox::commands::sync::platform;
use clockbox::conf::cloud::Cloud;
use clockbox::conf::cloud::Hypervisor;
use clockbox::conf::cloud::Platform;
use clockbox::conf::cloud::classify;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// A copy of a cloud's tree, with the links of its /dev.
pub(crate) fn copied(name: &str) -> tempfile::TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clouds");
    assert!(from.join(name).is_dir(), "no tree {name}");
    let dir = tempfile::tempdir().unwrap();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(format!("{}/.", from.join(name).display()))
        .arg(dir.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let list = dir.path().join("dev/LINKS");
    if let Ok(links) = fs::read_to_string(&list) {
        for line in links.lines() {
            let (link, target) = line.split_once(' ').unwrap();
            symlink(target, list.with_file_name(link)).unwrap();
        }
        fs::remove_file(list).unwrap();
    }
    dir
}

fn tree(name: &str) -> Platform {
    classify(&clockbox::sys::cloud::read(copied(name).path()))
}

#[test]
fn every_cloud_has_a_tree_and_is_told_from_it() {
    for cloud in Cloud::ALL {
        let trees: &[&str] = match cloud {
            Cloud::Aws => &["aws-nitro", "aws-xen", "aws-by-bios", "aws-by-uuid"],
            Cloud::Azure => &["azure", "azure-no-clock", "azure-loaded"],
            Cloud::Google => &["google", "google-by-serial"],
            other => &[other.word()],
        };
        for name in trees {
            let found = tree(name);
            assert_eq!(found.cloud, Some(*cloud), "{name}");
            assert!(found.evidence.is_some(), "{name}");
        }
    }
}

#[test]
fn a_hypervisor_alone_is_no_cloud() {
    for (name, hypervisor) in [
        ("hyper-v", Some(Hypervisor::HyperV)),
        ("vmware", Some(Hypervisor::VMware)),
        ("kvm", Some(Hypervisor::Kvm)),
        ("hardware", None),
        // Names that only seem to be a cloud's: a laptop of Google's, one of Microsoft's.
        ("chromebook", None),
        ("surface", None),
        ("look-alikes", None),
    ] {
        let found = tree(name);
        assert_eq!(
            (found.cloud, found.hypervisor),
            (None, hypervisor),
            "{name}"
        );
    }
}

#[test]
fn below_a_cloud_there_is_a_hypervisor() {
    for (name, hypervisor) in [
        ("aws-nitro", Some(Hypervisor::Nitro)),
        ("aws-by-bios", Some(Hypervisor::Nitro)),
        ("aws-xen", Some(Hypervisor::Xen)),
        ("aws-by-uuid", Some(Hypervisor::Xen)),
        ("azure", Some(Hypervisor::HyperV)),
        ("google", Some(Hypervisor::Kvm)),
        ("oracle", Some(Hypervisor::Kvm)),
        ("alibaba", Some(Hypervisor::Kvm)),
        ("openstack", Some(Hypervisor::Kvm)),
        ("sap", Some(Hypervisor::VMware)),
        // Its firmware does not say.
        ("hetzner", None),
    ] {
        assert_eq!(tree(name).hypervisor, hypervisor, "{name}");
    }
}

#[test]
fn where_the_hosts_clock_is_missing_the_way_to_it_is_told() {
    for (name, text, next) in [
        (
            "azure-no-clock",
            "(/dev/ptp0 (mlx5_ptp) is none",
            "sudo modprobe hv_utils",
        ),
        (
            "azure-loaded",
            "Azure gives its time",
            "hv_utils is loaded: dmesg",
        ),
        (
            "kvm-no-clock",
            "(/dev/ptp0 (igb_ptp) is none",
            "sudo modprobe ptp_kvm",
        ),
    ] {
        let (plans, findings) = platform::plans(copied(name).path());
        assert!(plans.is_empty(), "{name}: {plans:?}");
        assert!(findings[0].text.contains(text), "{name}: {findings:?}");
        let said = findings[0].next.as_deref().unwrap();
        assert!(said.starts_with(next), "{name}: {said}");
    }
    // Nothing is promised where there is nobody to give it.
    for name in ["chromebook", "surface", "hardware", "look-alikes", "sap"] {
        let (plans, findings) = platform::plans(copied(name).path());
        let promised = findings.iter().any(|f| f.next.is_some());
        assert!(plans.is_empty(), "{name}: {plans:?}");
        assert_eq!(promised, name == "sap", "{name}: {findings:?}");
    }
}

#[test]
fn a_tree_without_sys_says_nothing_and_is_no_error() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        classify(&clockbox::sys::cloud::read(empty.path())),
        Platform::default()
    );
}

/// What `sync` asks on a machine like the tree, plan by plan.
fn plans(name: &str) -> Vec<Vec<String>> {
    let (plans, _) = platform::plans(copied(name).path());
    let names = |plan: &clockbox::commands::sync::choose::Plan| {
        let servers = plan.asked.iter().map(|a| a.name.clone());
        servers
            .chain(plan.clocks.iter().map(|c| c.name.clone()))
            .collect()
    };
    plans.iter().map(names).collect()
}

#[test]
fn each_platform_gets_its_own_time_and_never_a_mixture() {
    for (name, wanted) in [
        // The network card is ptp0 there.
        ("azure", &[&["/dev/ptp_hyperv"][..]][..]),
        ("hyper-v", &[&["/dev/ptp_hyperv"]]),
        ("aws-nitro", &[&["/dev/ptp_ena"], &["169.254.169.123"]]),
        ("aws-xen", &[&["169.254.169.123"]]),
        ("google", &[&["metadata.google.internal"], &["/dev/ptp0"]]),
        ("kvm", &[&["/dev/ptp_kvm"]]),
        // It survives migrations; what is no host's clock stands between them.
        ("kvm-vmclock", &[&["/dev/ptp2"]]),
        ("aws-by-bios", &[&["169.254.169.123"]]),
        ("aws-by-uuid", &[&["169.254.169.123"]]),
        ("google-by-serial", &[&["metadata.google.internal"]]),
        ("vmware", &[&["/dev/ptp0"]]),
        ("oracle", &[&["169.254.169.254"]]),
        // A network card's clock is nobody's.
        ("hardware", &[]),
        ("digitalocean", &[]),
    ] {
        assert_eq!(plans(name), wanted, "{name}");
    }
    assert!(plans("alibaba")[0].contains(&"ntp.cloud.aliyuncs.com".to_owned()));
    assert!(plans("tencent")[0].contains(&"time1.tencentyun.com".to_owned()));
}
