//! From the words of a `refclock` line, or of `--refclock`, to a device of this machine.

use crate::conf::cloud::Cloud;
use crate::conf::ptp;
use crate::conf::ptp::PtpKind;
use crate::engine::refclock::Device;
use crate::engine::refclock::ExternalPulses;
use crate::sys;
use crate::sys::ptp::PtpClock;
use std::path::Path;

/// Permissions of a shared memory segment unless the line says others.
const SHM_MODE: u32 = 0o600;

/// A device, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The device as it is opened.
    pub device: Device,
    /// The PTP clock behind it.
    pub clock: Option<PtpClock>,
}

impl Found {
    /// What kind of PTP clock it is.
    #[must_use]
    pub fn kind(&self) -> Option<PtpKind> {
        self.clock.as_ref().map(|c| PtpKind::of(&c.clock_name))
    }
}

/// The device that a driver's name and parameter mean: `PHC` and `/dev/ptp0:nocrossts`. A PTP
/// clock may also be named by its driver (`hyperv`), by a network interface, or by `auto`.
///
/// # Errors
/// Why there is none, in words.
pub fn device(
    driver: &str,
    parameter: &str,
    root: &Path,
    cloud: Option<Cloud>,
) -> Result<Found, String> {
    let mut parts = parameter.split(':');
    let place = parts.next().unwrap_or_default();
    let options: Vec<&str> = parts.collect();
    let given = |name: &str| {
        options
            .iter()
            .find_map(|option| match option.split_once('=') {
                Some((key, value)) => (key == name).then_some(value),
                None => (*option == name).then_some(""),
            })
    };
    let allowed: &[&str] = match driver {
        "PHC" => &["nocrossts", "extpps", "pin", "channel", "clear"],
        "PPS" => &["clear"],
        "SHM" => &["perm"],
        "RTC" => &["utc"],
        _ => &[],
    };
    for option in &options {
        let name = option.split('=').next().unwrap_or_default();
        if !allowed.contains(&name) {
            return Err(format!("the driver {driver} has no option {name}"));
        }
    }
    let number = |name: &str| {
        given(name)
            .map(|value| {
                value
                    .parse::<i64>()
                    .map_err(|_| format!("{name}={value} is no number"))
            })
            .transpose()
    };
    let path = place.to_owned();
    let falling = given("clear").is_some();
    Ok(match driver {
        "PHC" => {
            let clock = ptp_clock(place, root, cloud)?;
            let path = match &clock {
                Some(clock) if !place.starts_with('/') => clock.device.clone(),
                _ => path,
            };
            let pulses = match given("extpps") {
                None => None,
                Some(_) => Some(ExternalPulses {
                    pin: u32::try_from(number("pin")?.unwrap_or(0)).ok(),
                    channel: u32::try_from(number("channel")?.unwrap_or(0)).unwrap_or(0),
                    falling,
                }),
            };
            Found {
                device: Device::Phc {
                    path,
                    precise: given("nocrossts").is_none(),
                    pulses,
                },
                clock,
            }
        }
        "PPS" => plain(Device::Pps { path, falling }),
        "SHM" => {
            let unit = place
                .parse()
                .map_err(|_| format!("{place} is no number of a shared memory segment"))?;
            let mode = given("perm").map_or(Ok(SHM_MODE), |text| {
                u32::from_str_radix(text, 8).map_err(|_| format!("perm={text} is no octal number"))
            })?;
            plain(Device::Shm { unit, mode })
        }
        "SOCK" => plain(Device::Sock { path }),
        "RTC" => plain(Device::Rtc {
            path,
            utc: given("utc").is_some(),
        }),
        other => return Err(format!("there is no driver {other}")),
    })
}

const fn plain(device: Device) -> Found {
    Found {
        device,
        clock: None,
    }
}

/// The PTP clock that a word means; a path that /sys does not know is taken as it is.
fn ptp_clock(word: &str, root: &Path, cloud: Option<Cloud>) -> Result<Option<PtpClock>, String> {
    if word == "auto" {
        return hosts_clock(root, cloud).map(Some).ok_or_else(|| {
            let all = sys::ptp::clocks(root);
            if all.is_empty() {
                "this machine has no PTP clock".to_owned()
            } else {
                format!("no PTP clock here is the host's: {}", list(&all))
            }
        });
    }
    let found = sys::ptp::find(root, word);
    if found.is_none() && !word.starts_with('/') {
        let all = sys::ptp::clocks(root);
        return Err(if all.is_empty() {
            format!("no PTP clock is called {word}: this machine has none")
        } else {
            format!("no PTP clock is called {word}; there are {}", list(&all))
        });
    }
    Ok(found)
}

/// The host's clock, when it gives one.
#[must_use]
pub fn hosts_clock(root: &Path, cloud: Option<Cloud>) -> Option<PtpClock> {
    let mut all = sys::ptp::clocks(root);
    let at = ptp::hosts_clock(all.iter().map(|c| c.clock_name.as_str()), cloud)?;
    Some(all.swap_remove(at))
}

/// Clocks in words: `/dev/ptp0 (mlx5_ptp)`.
#[must_use]
pub fn list(clocks: &[PtpClock]) -> String {
    let words: Vec<String> = clocks
        .iter()
        .map(|clock| format!("{} ({})", clock.device, clock.clock_name))
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(driver: &str, parameter: &str) -> Result<Device, String> {
        device(driver, parameter, Path::new("/nowhere"), None).map(|found| found.device)
    }

    #[test]
    fn options_stand_behind_colons() {
        assert_eq!(
            found("PHC", "/dev/ptp2:extpps:pin=1:clear").unwrap(),
            Device::Phc {
                path: "/dev/ptp2".to_owned(),
                precise: true,
                pulses: Some(ExternalPulses {
                    pin: Some(1),
                    channel: 0,
                    falling: true
                }),
            }
        );
        assert_eq!(
            found("PHC", "/dev/ptp2:extpps:pin=-1").unwrap(),
            Device::Phc {
                path: "/dev/ptp2".to_owned(),
                precise: true,
                pulses: Some(ExternalPulses {
                    pin: None,
                    channel: 0,
                    falling: false
                }),
            }
        );
        assert_eq!(
            found("SHM", "1:perm=0644").unwrap(),
            Device::Shm {
                unit: 1,
                mode: 0o644
            }
        );
        assert_eq!(
            found("RTC", "/dev/rtc0:utc").unwrap(),
            Device::Rtc {
                path: "/dev/rtc0".to_owned(),
                utc: true
            }
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (driver, parameter, says) in [
            ("SHM", "x", "no number"),
            ("PPS", "/dev/pps0:asserts", "no option asserts"),
            ("PHC", "hyperv", "no PTP clock is called hyperv"),
            ("PHC", "auto", "no PTP clock"),
            ("SHM", "0:perm=9", "octal"),
        ] {
            let error = found(driver, parameter).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
