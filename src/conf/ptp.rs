//! What a PTP hardware clock is by the name that its driver gives it, and which one to follow. A
//! device's number says nothing: on Azure ptp0 may be a network card's.

use super::cloud::Cloud;

/// What a PTP clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PtpKind {
    /// The clock of the Hyper-V host.
    HyperV,
    /// The clock of the KVM host.
    Kvm,
    /// The clock of the host with what it knows of migrations and its own error.
    VmClock,
    /// The clock of the VMware host.
    VMware,
    /// Amazon's clock for the instance.
    Ena,
    /// A network card's.
    Card,
}

impl PtpKind {
    /// By the name that the driver gives: `clock_name` in /sys/class/ptp.
    #[must_use]
    pub fn of(clock_name: &str) -> Self {
        match clock_name {
            "hyperv" => Self::HyperV,
            "KVM virtual PTP" => Self::Kvm,
            "ptp_vmclock" | "vmclock" => Self::VmClock,
            "ptp_vmw" => Self::VMware,
            // The slot follows in hexadecimal digits.
            name => match name.strip_prefix("ena-ptp-") {
                Some(slot) if !slot.is_empty() => Self::Ena,
                _ => Self::Card,
            },
        }
    }

    /// True when the host sets it and it keeps UTC: it can be followed as it is.
    #[must_use]
    pub const fn is_hosts(self) -> bool {
        !matches!(self, Self::Card)
    }

    /// Whose clock it is, in words.
    #[must_use]
    pub fn whose(self, cloud: Option<Cloud>) -> &'static str {
        match self {
            Self::HyperV if cloud == Some(Cloud::Azure) => {
                "the host's clock through Hyper-V, which is normal on Azure"
            }
            Self::HyperV => "the clock of the Hyper-V host",
            Self::Kvm => "the clock of the KVM host",
            Self::VMware => "the clock of the VMware host",
            Self::VmClock => "the clock of the host, which tells of migrations",
            Self::Ena => "Amazon's clock for this instance",
            Self::Card => "a network card's, which something has to set (ptp4l, most often to TAI)",
        }
    }

    /// The kernel module that makes it, for those that a command can load.
    #[must_use]
    pub const fn module(self) -> Option<&'static str> {
        match self {
            Self::HyperV => Some("hv_utils"),
            Self::Kvm => Some("ptp_kvm"),
            Self::VmClock => Some("ptp_vmclock"),
            Self::VMware => Some("ptp_vmw"),
            Self::Ena | Self::Card => None,
        }
    }

    /// Order in which hosts' clocks are taken: one that admits its error and notices migrations
    /// first.
    const fn rank(self, cloud: Option<Cloud>) -> Option<u8> {
        match (self, cloud) {
            // On Azure nothing but the host's clock through Hyper-V is documented.
            (Self::HyperV, Some(Cloud::Azure)) => Some(0),
            (Self::Card, _) | (_, Some(Cloud::Azure)) => None,
            (Self::Ena, _) => Some(1),
            (Self::VmClock, _) => Some(2),
            (Self::Kvm, _) => Some(3),
            (Self::HyperV, _) => Some(4),
            (Self::VMware, _) => Some(5),
        }
    }
}

/// Which of these clocks, by their names, to follow on this cloud: never a network card's.
#[must_use]
pub fn hosts_clock<'a>(
    names: impl Iterator<Item = &'a str>,
    cloud: Option<Cloud>,
) -> Option<usize> {
    names
        .enumerate()
        .filter_map(|(index, name)| Some((PtpKind::of(name).rank(cloud)?, index)))
        .min()
        .map(|(_, index)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(names: &[&str], cloud: Option<Cloud>) -> Option<usize> {
        hosts_clock(names.iter().copied(), cloud)
    }

    #[test]
    fn a_network_cards_clock_is_never_chosen_whatever_its_number() {
        assert_eq!(choose(&["mlx5_ptp", "hyperv"], Some(Cloud::Azure)), Some(1));
        assert_eq!(choose(&["mlx5_ptp"], Some(Cloud::Azure)), None);
        assert_eq!(choose(&["i210", "82576"], None), None);
        // Names that only look like a host's clock.
        for name in ["hyperv2", "ena-ptp-", "kvm", "KVM virtual PTP 2", ""] {
            assert_eq!(choose(&[name], None), None, "{name}");
        }
    }

    #[test]
    fn the_clock_that_knows_most_is_taken() {
        assert_eq!(choose(&["KVM virtual PTP", "ptp_vmclock"], None), Some(1));
        assert_eq!(
            choose(&["KVM virtual PTP", "ena-ptp-05"], Some(Cloud::Aws)),
            Some(1)
        );
        assert_eq!(choose(&["ptp_vmw"], None), Some(0));
        // A name of another platform on Azure is a fake or a nested guest's.
        assert_eq!(choose(&["KVM virtual PTP"], Some(Cloud::Azure)), None);
    }
}
