//! The cloud that a machine stands on, told from trees of /sys: one tree a cloud in
//! tests/data/clouds.

use clockbox::conf::cloud::Cloud;
use clockbox::conf::cloud::Hypervisor;
use clockbox::conf::cloud::Platform;
use clockbox::conf::cloud::classify;
use std::path::Path;

fn tree(name: &str) -> Platform {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clouds");
    assert!(root.join(name).is_dir(), "no tree {name}");
    classify(&clockbox::sys::cloud::read(&root.join(name)))
}

#[test]
fn every_cloud_has_a_tree_and_is_told_from_it() {
    for cloud in Cloud::ALL {
        let trees: &[&str] = match cloud {
            Cloud::Aws => &["aws-nitro", "aws-xen"],
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
fn a_tree_without_sys_says_nothing_and_is_no_error() {
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(
        classify(&clockbox::sys::cloud::read(empty.path())),
        Platform::default()
    );
}
