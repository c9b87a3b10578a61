//! What a reference clock is, in words: which device a PHC0 is, what its driver calls it, and whose
//! clock that is.

use super::configured::Refclock;
use crate::conf::cloud::Cloud;
use crate::sys::ptp::PtpClock;

/// The sentence for a reference clock's identifier.
#[must_use]
pub fn describe(
    refid: &str,
    configured: &[Refclock],
    clocks: &[PtpClock],
    cloud: Option<Cloud>,
) -> Option<String> {
    let known = configured.iter().find(|clock| clock.refid == refid);
    let Some(clock) = known else {
        // Without the configuration the letters say the kind.
        let kind = refid.get(..3)?;
        return match kind {
            "PHC" => Some(match clocks {
                [only] => format!("{refid} is {}", ptp(&only.device, only, cloud)),
                _ => format!("{refid} is a PTP hardware clock of this machine"),
            }),
            "PPS" => Some(format!("{refid} is a pulse a second from a receiver")),
            "SHM" => Some(format!(
                "{refid} is another program's clock in shared memory, most often gpsd's"
            )),
            "SOC" => Some(format!(
                "{refid} is another program's clock through a socket, most often gpsd's"
            )),
            _ => None,
        };
    };
    let parameter = clock.parameter.split(':').next().unwrap_or_default();
    Some(match clock.driver.as_str() {
        "PHC" => {
            let device = clocks
                .iter()
                .find(|c| c.device == parameter || c.links.iter().any(|link| link == parameter));
            match device {
                Some(device) => format!("{refid} is {}", ptp(parameter, device, cloud)),
                None => format!(
                    "{refid} is the PTP hardware clock {parameter}, which is not on this machine now"
                ),
            }
        }
        "PPS" => format!("{refid} is the pulse a second of {parameter}"),
        "SHM" => format!(
            "{refid} is another program's clock in shared memory segment {parameter}, most often gpsd's"
        ),
        "SOCK" => format!(
            "{refid} is another program's clock through the socket {parameter}, most often gpsd's"
        ),
        other => format!("{refid} is the reference clock {other} {parameter}"),
    })
}

/// A PTP clock and whose it is.
#[must_use]
pub fn ptp(shown: &str, clock: &PtpClock, cloud: Option<Cloud>) -> String {
    let name = &clock.clock_name;
    let whose = whose(name, cloud);
    format!("the PTP hardware clock {shown} ({name}): {whose}")
}

/// Whose clock a PTP clock of this name is.
#[must_use]
pub fn whose(clock_name: &str, cloud: Option<Cloud>) -> &'static str {
    match clock_name {
        "hyperv" if cloud == Some(Cloud::Azure) => {
            "the host's clock through Hyper-V, which is normal on Azure"
        }
        "hyperv" => "the clock of the Hyper-V host",
        "KVM virtual PTP" => "the clock of the KVM host",
        "ptp_vmw" => "the clock of the VMware host",
        "ptp_vmclock" | "vmclock" => "the clock of the host, which tells of migrations",
        name if name.starts_with("ena-ptp") => "Amazon's clock for this instance",
        _ => "a network card's, which something has to set (ptp4l, most often to TAI)",
    }
}

/// True when the host sets it and it keeps UTC: it can be followed as it is.
#[must_use]
pub fn is_virtual(clock_name: &str) -> bool {
    matches!(
        clock_name,
        "hyperv" | "KVM virtual PTP" | "ptp_vmw" | "ptp_vmclock" | "vmclock"
    ) || clock_name.starts_with("ena-ptp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hyperv() -> Vec<PtpClock> {
        vec![
            PtpClock {
                device: "/dev/ptp0".to_owned(),
                clock_name: "mlx5_ptp".to_owned(),
                links: vec![],
            },
            PtpClock {
                device: "/dev/ptp1".to_owned(),
                clock_name: "hyperv".to_owned(),
                links: vec!["/dev/ptp_hyperv".to_owned()],
            },
        ]
    }

    fn phc(parameter: &str) -> Vec<Refclock> {
        vec![Refclock {
            driver: "PHC".to_owned(),
            parameter: parameter.to_owned(),
            refid: "PHC0".to_owned(),
            tai: false,
        }]
    }

    #[test]
    fn the_device_is_found_through_its_link_and_named_by_its_driver() {
        let text = describe(
            "PHC0",
            &phc("/dev/ptp_hyperv"),
            &hyperv(),
            Some(Cloud::Azure),
        )
        .unwrap();
        assert!(
            text.contains("/dev/ptp_hyperv (hyperv)") && text.contains("Azure"),
            "{text}"
        );
        let wrong = describe("PHC0", &phc("/dev/ptp0"), &hyperv(), Some(Cloud::Azure)).unwrap();
        assert!(wrong.contains("network card"), "{wrong}");
    }

    #[test]
    fn letters_say_the_kind_without_a_configuration() {
        assert!(describe("PHC0", &[], &[], None).unwrap().contains("PTP"));
        assert!(
            describe("SHM1", &[], &[], None)
                .unwrap()
                .contains("shared memory")
        );
        assert_eq!(describe("XX", &[], &[], None), None);
    }

    #[test]
    fn a_device_that_is_gone_is_told() {
        let text = describe("PHC0", &phc("/dev/ptp9"), &hyperv(), None).unwrap();
        assert!(text.contains("not on this machine"));
    }
}
