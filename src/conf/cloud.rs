//! Which cloud and hypervisor a machine stands on, told from what its firmware says (the texts of
//! `/sys/class/dmi/id` and `/sys/hypervisor`, as `sys::cloud` reads them). No network is asked.

use std::collections::BTreeMap;

/// A cloud that is known by its firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// Amazon EC2.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Compute Engine.
    Google,
    /// Alibaba Cloud ECS.
    Alibaba,
    /// Tencent Cloud CVM.
    Tencent,
    /// Oracle Cloud Infrastructure.
    Oracle,
    /// Huawei Cloud.
    Huawei,
    /// Open Telekom Cloud.
    OpenTelekom,
    /// SAP Converged Cloud.
    Sap,
    /// Some OpenStack cloud without a name of its own.
    OpenStack,
    /// `DigitalOcean`.
    DigitalOcean,
    /// Hetzner Cloud.
    Hetzner,
    /// Vultr.
    Vultr,
    /// Scaleway.
    Scaleway,
    /// Linode, now Akamai.
    Linode,
    /// `UpCloud`.
    UpCloud,
}

impl Cloud {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Aws,
        Self::Azure,
        Self::Google,
        Self::Alibaba,
        Self::Tencent,
        Self::Oracle,
        Self::Huawei,
        Self::OpenTelekom,
        Self::Sap,
        Self::OpenStack,
        Self::DigitalOcean,
        Self::Hetzner,
        Self::Vultr,
        Self::Scaleway,
        Self::Linode,
        Self::UpCloud,
    ];

    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Google => "google",
            Self::Alibaba => "alibaba",
            Self::Tencent => "tencent",
            Self::Oracle => "oracle",
            Self::Huawei => "huawei",
            Self::OpenTelekom => "open_telekom",
            Self::Sap => "sap",
            Self::OpenStack => "openstack",
            Self::DigitalOcean => "digitalocean",
            Self::Hetzner => "hetzner",
            Self::Vultr => "vultr",
            Self::Scaleway => "scaleway",
            Self::Linode => "linode",
            Self::UpCloud => "upcloud",
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Azure => "Azure",
            Self::Google => "Google Cloud",
            Self::Alibaba => "Alibaba Cloud",
            Self::Tencent => "Tencent Cloud",
            Self::Oracle => "Oracle Cloud",
            Self::Huawei => "Huawei Cloud",
            Self::OpenTelekom => "Open Telekom Cloud",
            Self::Sap => "SAP Converged Cloud",
            Self::OpenStack => "OpenStack",
            Self::DigitalOcean => "DigitalOcean",
            Self::Hetzner => "Hetzner Cloud",
            Self::Vultr => "Vultr",
            Self::Scaleway => "Scaleway",
            Self::Linode => "Linode (Akamai)",
            Self::UpCloud => "UpCloud",
        }
    }

    /// The NTP servers that the provider documents for its own machines, the best first; empty
    /// where it has none (Azure gives its time through a PTP clock; the small clouds use the pool).
    #[must_use]
    pub const fn time_servers(self) -> &'static [&'static str] {
        match self {
            Self::Aws => &["169.254.169.123", "fd00:ec2::123"],
            Self::Google => &["metadata.google.internal"],
            Self::Oracle => &["169.254.169.254"],
            Self::Alibaba => &[
                "ntp.cloud.aliyuncs.com",
                "ntp7.cloud.aliyuncs.com",
                "ntp8.cloud.aliyuncs.com",
                "ntp9.cloud.aliyuncs.com",
            ],
            Self::Tencent => &[
                "time1.tencentyun.com",
                "time2.tencentyun.com",
                "time3.tencentyun.com",
                "time4.tencentyun.com",
                "time5.tencentyun.com",
            ],
            _ => &[],
        }
    }

    /// Whether those servers smear leap seconds, so that they must not be mixed with others.
    #[must_use]
    pub const fn smears(self) -> bool {
        matches!(self, Self::Aws | Self::Google)
    }
}

/// Servers that are known to smear leap seconds: their time must not be mixed with others'.
pub const SMEARED: &[&str] = &[
    "169.254.169.123",
    "fd00:ec2::123",
    "metadata.google.internal",
    "time.aws.com",
    "time.google.com",
    "time1.google.com",
    "time2.google.com",
    "time3.google.com",
    "time4.google.com",
    "time.facebook.com",
];

/// What runs the virtual machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hypervisor {
    /// Amazon's Nitro.
    Nitro,
    /// Xen.
    Xen,
    /// Hyper-V.
    HyperV,
    /// VMware.
    VMware,
    /// KVM, QEMU and what is built on them.
    Kvm,
    /// `VirtualBox`.
    VirtualBox,
}

impl Hypervisor {
    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nitro => "nitro",
            Self::Xen => "xen",
            Self::HyperV => "hyper_v",
            Self::VMware => "vmware",
            Self::Kvm => "kvm",
            Self::VirtualBox => "virtualbox",
        }
    }
}

/// Where a machine stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Platform {
    /// The cloud, when the firmware names one.
    pub cloud: Option<Cloud>,
    /// The hypervisor, when the firmware names one.
    pub hypervisor: Option<Hypervisor>,
    /// What told the cloud (else the hypervisor): `sys_vendor is "Amazon EC2"`.
    pub evidence: Option<String>,
}

/// The chassis asset tag that Azure gives its machines, and no other Hyper-V does.
const AZURE_TAG: &str = "7783-7084-3265-9085-8269-3286-77";

/// How a text is compared.
#[derive(Clone, Copy)]
enum Test {
    Is(&'static str),
    Begins(&'static str),
    Ends(&'static str),
}

/// The field, what it must say, and the cloud: first match wins, the surest first.
const CLOUDS: &[(&str, Test, Cloud)] = &[
    ("chassis_asset_tag", Test::Is(AZURE_TAG), Cloud::Azure),
    (
        "chassis_asset_tag",
        Test::Is("OracleCloud.com"),
        Cloud::Oracle,
    ),
    ("chassis_asset_tag", Test::Is("HUAWEICLOUD"), Cloud::Huawei),
    (
        "chassis_asset_tag",
        Test::Is("OpenTelekomCloud"),
        Cloud::OpenTelekom,
    ),
    ("chassis_asset_tag", Test::Is("SAP CCloud VM"), Cloud::Sap),
    ("sys_vendor", Test::Is("Amazon EC2"), Cloud::Aws),
    ("bios_vendor", Test::Is("Amazon EC2"), Cloud::Aws),
    ("bios_version", Test::Ends(".amazon"), Cloud::Aws),
    ("hypervisor_uuid", Test::Begins("ec2"), Cloud::Aws),
    (
        "product_name",
        Test::Is("Google Compute Engine"),
        Cloud::Google,
    ),
    (
        "product_serial",
        Test::Begins("GoogleCloud-"),
        Cloud::Google,
    ),
    (
        "product_name",
        Test::Is("Alibaba Cloud ECS"),
        Cloud::Alibaba,
    ),
    ("sys_vendor", Test::Is("Tencent Cloud"), Cloud::Tencent),
    ("sys_vendor", Test::Is("DigitalOcean"), Cloud::DigitalOcean),
    ("sys_vendor", Test::Is("Hetzner"), Cloud::Hetzner),
    ("sys_vendor", Test::Is("Vultr"), Cloud::Vultr),
    ("sys_vendor", Test::Is("Scaleway"), Cloud::Scaleway),
    ("sys_vendor", Test::Is("Linode"), Cloud::Linode),
    ("sys_vendor", Test::Begins("Akamai"), Cloud::Linode),
    ("sys_vendor", Test::Is("UpCloud"), Cloud::UpCloud),
    ("product_name", Test::Begins("OpenStack "), Cloud::OpenStack),
];

const HYPERVISORS: &[(&str, Test, Hypervisor)] = &[
    ("hypervisor_type", Test::Is("xen"), Hypervisor::Xen),
    ("bios_version", Test::Ends(".amazon"), Hypervisor::Xen),
    ("sys_vendor", Test::Is("Xen"), Hypervisor::Xen),
    ("sys_vendor", Test::Is("Amazon EC2"), Hypervisor::Nitro),
    ("bios_vendor", Test::Is("Amazon EC2"), Hypervisor::Nitro),
    ("sys_vendor", Test::Begins("VMware"), Hypervisor::VMware),
    (
        "product_name",
        Test::Is("VirtualBox"),
        Hypervisor::VirtualBox,
    ),
    ("sys_vendor", Test::Is("QEMU"), Hypervisor::Kvm),
    ("bios_vendor", Test::Is("SeaBIOS"), Hypervisor::Kvm),
    ("product_name", Test::Begins("KVM"), Hypervisor::Kvm),
    (
        "product_name",
        Test::Is("Google Compute Engine"),
        Hypervisor::Kvm,
    ),
    (
        "product_name",
        Test::Is("Alibaba Cloud ECS"),
        Hypervisor::Kvm,
    ),
    ("product_name", Test::Begins("OpenStack "), Hypervisor::Kvm),
];

/// Where the machine stands that says this: field name to text, as `sys::cloud::read` gives it.
#[must_use]
pub fn classify(fields: &BTreeMap<&'static str, String>) -> Platform {
    let cloud = CLOUDS
        .iter()
        .find(|(field, test, _)| holds(fields, field, *test));
    let mut hypervisor = HYPERVISORS
        .iter()
        .find(|(field, test, _)| holds(fields, field, *test))
        .map(|(field, _, hypervisor)| (*field, *hypervisor));
    // "Virtual Machine" of "Microsoft Corporation" is any Hyper-V; their tablets are no machine of
    // that name.
    if holds(fields, "sys_vendor", Test::Is("Microsoft Corporation"))
        && holds(fields, "product_name", Test::Is("Virtual Machine"))
    {
        hypervisor = Some(("sys_vendor", Hypervisor::HyperV));
    }
    let field = cloud
        .map(|(field, _, _)| *field)
        .or(hypervisor.map(|(field, _)| field));
    Platform {
        cloud: cloud.map(|(_, _, cloud)| *cloud),
        hypervisor: hypervisor.map(|(_, hypervisor)| hypervisor),
        evidence: field.and_then(|f| Some(format!("{f} is \"{}\"", fields.get(f)?.trim()))),
    }
}

fn holds(fields: &BTreeMap<&'static str, String>, field: &str, test: Test) -> bool {
    let Some(text) = fields.get(field).map(|text| text.trim()) else {
        return false;
    };
    match test {
        Test::Is(word) => text == word,
        Test::Begins(word) => text.starts_with(word),
        Test::Ends(word) => text.ends_with(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(fields: &[(&'static str, &str)]) -> Platform {
        classify(&fields.iter().map(|(k, v)| (*k, (*v).to_owned())).collect())
    }

    #[test]
    fn any_hyper_v_is_not_azure() {
        let hyper_v = [
            ("sys_vendor", "Microsoft Corporation"),
            ("product_name", "Virtual Machine"),
        ];
        let found = platform(&hyper_v);
        assert_eq!(
            (found.cloud, found.hypervisor),
            (None, Some(Hypervisor::HyperV))
        );
        let azure = platform(&[hyper_v[0], hyper_v[1], ("chassis_asset_tag", AZURE_TAG)]);
        assert_eq!(azure.cloud, Some(Cloud::Azure));
        assert_eq!(
            azure.evidence.unwrap(),
            "chassis_asset_tag is \"7783-7084-3265-9085-8269-3286-77\""
        );
    }

    #[test]
    fn a_named_cloud_wins_over_the_openstack_below_it() {
        let found = platform(&[
            ("product_name", "OpenStack Nova"),
            ("chassis_asset_tag", "HUAWEICLOUD"),
        ]);
        assert_eq!(found.cloud, Some(Cloud::Huawei));
        let plain = platform(&[("product_name", "OpenStack Compute")]);
        assert_eq!(plain.cloud, Some(Cloud::OpenStack));
    }

    #[test]
    fn old_ec2_is_known_by_its_bios_and_by_its_hypervisor() {
        let bios = platform(&[("sys_vendor", "Xen"), ("bios_version", "4.2.amazon")]);
        assert_eq!(
            (bios.cloud, bios.hypervisor),
            (Some(Cloud::Aws), Some(Hypervisor::Xen))
        );
        let uuid = platform(&[
            ("hypervisor_uuid", "ec2a1b2c-0000\n"),
            ("hypervisor_type", "xen"),
        ]);
        assert_eq!(uuid.cloud, Some(Cloud::Aws));
    }

    #[test]
    fn hardware_is_no_cloud() {
        assert_eq!(
            platform(&[
                ("sys_vendor", "Dell Inc."),
                ("product_name", "PowerEdge R650")
            ]),
            Platform::default()
        );
        assert_eq!(platform(&[]), Platform::default());
    }
}
