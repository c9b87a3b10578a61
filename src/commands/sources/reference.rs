//! What a reference clock is, in words: which device a PHC0 is, what its driver calls it, and whose
//! clock that is.

use super::configured::Refclock;
use crate::conf::cloud::Cloud;
use crate::conf::ptp::PtpKind;
use crate::proto::refid::RefId;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::sys::ptp::PtpClock;
use std::net::Ipv4Addr;

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

/// What a server follows itself, in words; `refid` as it is shown.
#[must_use]
pub fn upstream(refid: &str, stratum: Option<u8>) -> Option<String> {
    let octets = match refid.parse::<Ipv4Addr>() {
        Ok(address) => address.octets(),
        // A code that is no text stands there in hexadecimal.
        Err(_) if refid.len() == 8 => u32::from_str_radix(refid, 16).ok()?.to_be_bytes(),
        Err(_) => {
            let mut octets = [0; 4];
            octets
                .get_mut(..refid.len())?
                .copy_from_slice(refid.as_bytes());
            octets
        }
    };
    let words = RefId(octets).words(stratum.unwrap_or(16))?;
    Some(format!("it follows {words}"))
}

/// True when a row's server says that it serves its own clock.
#[must_use]
pub fn serves_own_clock(row: &SourceRow) -> bool {
    row.kind == SourceKind::Server
        && row
            .reference
            .as_deref()
            .is_some_and(|words| words.ends_with(RefId::OWN_CLOCK))
}

/// A PTP clock and whose it is.
#[must_use]
pub fn ptp(shown: &str, clock: &PtpClock, cloud: Option<Cloud>) -> String {
    let name = &clock.clock_name;
    let whose = PtpKind::of(name).whose(cloud);
    format!("the PTP hardware clock {shown} ({name}): {whose}")
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
    fn what_a_server_follows_is_said_in_words() {
        for (refid, stratum, words) in [
            ("GPS", 1, Some("satellite")),
            ("7F7F0101", 1, Some("its own clock")),
            ("127.127.1.1", 11, Some("its own clock")),
            ("LOCL", 1, Some("its own clock")),
            ("192.0.2.1", 2, None),
            ("71.80.83.0", 2, None),
            ("ZZZZ", 1, None),
            ("", 1, None),
            ("too long a text", 1, None),
        ] {
            let said = upstream(refid, Some(stratum));
            match words {
                Some(words) => assert!(said.unwrap().contains(words), "{refid}"),
                None => assert_eq!(said, None, "{refid}"),
            }
        }
    }

    #[test]
    fn a_device_that_is_gone_is_told() {
        let text = describe("PHC0", &phc("/dev/ptp9"), &hyperv(), None).unwrap();
        assert!(text.contains("not on this machine"));
    }
}
