//! Where nothing is configured: the time that the machine's cloud or its host documents. Servers
//! that smear leap seconds and clocks that do not are never asked together: they are plans of
//! their own, in order.

use super::choose::Asked;
use super::choose::Plan;
use super::clocks::ClockAsked;
use crate::commands::refclock_line;
use crate::commands::refclock_line::Found;
use crate::conf::cloud;
use crate::conf::cloud::Cloud;
use crate::conf::cloud::Hypervisor;
use crate::conf::cloud::Platform;
use crate::conf::ptp::PtpKind;
use crate::engine::refclock::Device;
use crate::report::finding::Finding;
use crate::report::sync::Origin;
use crate::report::sync::OriginKind;
use crate::sys;
use crate::sys::ptp::PtpClock;
use std::path::Path;

/// Seconds that a plan gets before the next is tried.
const PATIENCE: f64 = 2.5;

/// The plans of this machine's platform, the best first, and what is to be said when none of them
/// is there.
#[must_use]
pub fn plans(root: &Path) -> (Vec<Plan>, Vec<Finding>) {
    let platform = cloud::classify(&sys::cloud::read(root));
    let clock = refclock_line::hosts_clock(root, platform.cloud);
    let servers = platform.cloud.and_then(servers);
    let mut plans = Vec::new();
    let mut findings = Vec::new();
    // A documented server comes before a host's clock that the provider does not document.
    let first = clock.as_ref().is_some_and(|clock| {
        let kind = PtpKind::of(&clock.clock_name);
        servers.is_none() || matches!(kind, PtpKind::Ena | PtpKind::HyperV)
    });
    let by_clock = clock.map(|clock| from_clock(&clock, &platform));
    if first {
        plans.extend(by_clock);
        plans.extend(servers);
    } else {
        plans.extend(servers);
        plans.extend(by_clock);
    }
    if plans.is_empty() {
        findings.extend(missing(&platform, root));
    }
    (plans, findings)
}

/// What to say when the machine's configured sources do not answer, but its platform has a time
/// of its own that nobody asked for.
#[must_use]
pub fn instead(root: &Path) -> Vec<Finding> {
    let (plans, mut findings) = plans(root);
    let first = plans.first().map(|plan| {
        Finding::info(format!(
            "this machine has a time near at hand that its configuration does not name: {}",
            plan.origin.reason
        ))
        .next("clockbox sources set --cloud")
    });
    findings.extend(first);
    findings
}

/// The cloud's documented servers. They count as one source where they are one service with an
/// address of each family.
fn servers(cloud: Cloud) -> Option<Plan> {
    let servers = cloud.time_servers();
    let names = |servers: &[&str]| servers.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
    let one = |name: &str, hosts: Vec<String>| Asked {
        name: name.to_owned(),
        hosts,
        port: 123,
        pool: None,
        ipv6: None,
    };
    let first = servers.first()?;
    let asked = match cloud {
        Cloud::Aws => vec![one(first, names(servers))],
        _ => servers.iter().map(|s| one(s, names(&[s]))).collect(),
    };
    let name = cloud.name();
    Some(Plan {
        asked,
        clocks: Vec::new(),
        origin: origin(format!(
            "the time service that {name} documents for its machines"
        )),
        findings: Vec::new(),
        patience: Some(PATIENCE),
    })
}

fn origin(reason: String) -> Origin {
    Origin {
        kind: OriginKind::Cloud,
        path: None,
        reason,
    }
}

/// The host's clock alone.
fn from_clock(clock: &PtpClock, platform: &Platform) -> Plan {
    let kind = PtpKind::of(&clock.clock_name);
    let name = clock.links.first().unwrap_or(&clock.device).clone();
    let whose = kind.whose(platform.cloud);
    let mut findings = Vec::new();
    if let Some(cloud) = platform.cloud.filter(|cloud| cloud.smears()) {
        findings.push(Finding::info(format!(
            "{} smears leap seconds over NTP and its clock does not, so the two are never mixed",
            cloud.name()
        )));
    }
    Plan {
        asked: Vec::new(),
        clocks: vec![ClockAsked {
            name,
            found: Found {
                device: Device::Phc {
                    path: clock.device.clone(),
                    precise: true,
                    pulses: None,
                },
                clock: Some(clock.clone()),
            },
            tai: None,
            offset: 0.0,
        }],
        origin: origin(format!("the PTP clock {} is {whose}", clock.clock_name)),
        findings,
        patience: Some(PATIENCE),
    }
}

/// The host would give its clock if a module were loaded.
fn missing(platform: &Platform, root: &Path) -> Option<Finding> {
    let azure = platform.cloud == Some(Cloud::Azure);
    let module = match platform.hypervisor {
        _ if azure => "hv_utils",
        Some(Hypervisor::HyperV) => "hv_utils",
        Some(Hypervisor::Kvm) if platform.cloud.is_none() => "ptp_kvm",
        Some(Hypervisor::VMware) => "ptp_vmw",
        _ => return None,
    };
    let loaded = sys::files::exists(&sys::files::under(
        root,
        Path::new(&format!("/sys/module/{module}")),
    ));
    let others = sys::ptp::clocks(root);
    let beside = if others.is_empty() {
        String::new()
    } else {
        let list = refclock_line::list(&others);
        format!(" ({list} is none: it is a network card's)")
    };
    let whose = if azure {
        "Azure gives its time through the host's PTP clock, and there is none here"
    } else {
        "the host could give its clock as a PTP device, and there is none here"
    };
    let next = if loaded {
        format!("{module} is loaded: dmesg | grep -i ptp")
    } else {
        format!("sudo modprobe {module}")
    };
    Some(Finding::warning(format!("{whose}{beside}")).next(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sync::image::image;

    /// Each plan as what it asks.
    fn asked(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let image = image(files);
        plans(image.path())
            .0
            .iter()
            .map(|plan| {
                let servers = plan.asked.iter().map(|a| a.name.clone());
                servers
                    .chain(plan.clocks.iter().map(|c| c.name.clone()))
                    .collect()
            })
            .collect()
    }

    const AZURE: &[(&str, &str)] = &[
        ("/sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n"),
        ("/sys/class/dmi/id/product_name", "Virtual Machine\n"),
        (
            "/sys/class/dmi/id/chassis_asset_tag",
            "7783-7084-3265-9085-8269-3286-77\n",
        ),
    ];

    fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        AZURE.iter().chain(more).copied().collect()
    }

    #[test]
    fn azure_takes_the_hosts_clock_whatever_its_number() {
        let files = with(&[
            ("/sys/class/ptp/ptp0/clock_name", "mlx5_ptp\n"),
            ("/sys/class/ptp/ptp1/clock_name", "hyperv\n"),
        ]);
        assert_eq!(asked(&files), [["/dev/ptp1"]]);
    }

    #[test]
    fn azure_without_the_clock_says_which_module_to_load() {
        let image = image(&with(&[("/sys/class/ptp/ptp0/clock_name", "mlx5_ptp\n")]));
        let (plans, findings) = plans(image.path());
        assert!(plans.is_empty());
        assert!(findings[0].text.contains("mlx5_ptp"), "{findings:?}");
        assert_eq!(findings[0].next.as_deref(), Some("sudo modprobe hv_utils"));
    }

    #[test]
    fn aws_never_mixes_its_clock_with_its_smeared_server() {
        let nitro = ("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n");
        assert_eq!(asked(&[nitro]), [["169.254.169.123"]]);
        let clock = ("/sys/class/ptp/ptp0/clock_name", "ena-ptp-05\n");
        let both = asked(&[nitro, clock]);
        assert_eq!(both, [["/dev/ptp0"], ["169.254.169.123"]]);
    }

    #[test]
    fn a_machine_whose_configuration_knows_nothing_of_it_is_told_of_its_platforms_time() {
        let aws = image(&[("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")]);
        let told = instead(aws.path());
        assert!(told[0].text.contains("AWS"), "{told:?}");
        assert_eq!(
            told[0].next.as_deref(),
            Some("clockbox sources set --cloud")
        );
        assert_eq!(instead(image(&[]).path()), Vec::new());
    }

    #[test]
    fn a_documented_server_comes_before_an_undocumented_clock() {
        let google = ("/sys/class/dmi/id/product_name", "Google Compute Engine\n");
        let kvm = ("/sys/class/ptp/ptp0/clock_name", "KVM virtual PTP\n");
        assert_eq!(
            asked(&[google, kvm]),
            [["metadata.google.internal"], ["/dev/ptp0"]]
        );
        let oracle = ("/sys/class/dmi/id/chassis_asset_tag", "OracleCloud.com\n");
        assert_eq!(asked(&[oracle]), [["169.254.169.254"]]);
    }

    #[test]
    fn a_guest_of_kvm_takes_its_hosts_clock() {
        let qemu = ("/sys/class/dmi/id/sys_vendor", "QEMU\n");
        let kvm = ("/sys/class/ptp/ptp0/clock_name", "KVM virtual PTP\n");
        assert_eq!(asked(&[qemu, kvm]), [["/dev/ptp0"]]);
        assert_eq!(asked(&[qemu]), Vec::<Vec<String>>::new());
        let card = ("/sys/class/ptp/ptp0/clock_name", "igb_ptp\n");
        assert_eq!(asked(&[qemu, card]), Vec::<Vec<String>>::new());
    }

    #[test]
    fn vmware_and_plain_hyper_v_take_their_hosts_clocks() {
        let vmware = ("/sys/class/dmi/id/sys_vendor", "VMware, Inc.\n");
        let clock = ("/sys/class/ptp/ptp0/clock_name", "ptp_vmw\n");
        assert_eq!(asked(&[vmware, clock]), [["/dev/ptp0"]]);
        let hyper_v = [
            AZURE[0],
            AZURE[1],
            ("/sys/class/ptp/ptp0/clock_name", "hyperv\n"),
        ];
        assert_eq!(asked(&hyper_v), [["/dev/ptp0"]]);
    }
}
