//! Lines for clocks of this machine that were named on the command line, and for the time of the
//! cloud or host that it stands on, where nobody named any source.

use crate::commands::sync::choose::Plan;
use crate::commands::sync::clocks;
use crate::commands::sync::clocks::ClockAsked;
use crate::commands::sync::platform;
use crate::conf::cloud;
use crate::conf::ptp::PtpKind;
use crate::engine::refclock::Device;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use std::path::Path;

/// The `refclock` lines of words of the command line (`auto`, a device, a driver's name, `SHM:2`).
///
/// # Errors
/// When there is no such clock, or its device has a name that no line can carry.
pub(super) fn of_words(words: &[String], root: &Path) -> Result<String, Failure> {
    let cloud = cloud::classify(&sys::cloud::read(root)).cloud;
    let mut text = String::new();
    for word in words {
        let clock = clocks::to_follow(word, root, cloud)?;
        text.push_str(&line(&clock).ok_or_else(|| {
            Failure::new(
                ExitStatus::Usage,
                format!("--refclock {word}: a name with space or of no such form"),
            )
            .hint("name the device by a path without space, such as /dev/ptp0")
        })?);
    }
    Ok(text)
}

/// The lines of this machine's platform, and what it is; none where it is none.
#[must_use]
pub(super) fn of_platform(root: &Path) -> Option<(String, String)> {
    let plan = platform::plans(root).0.into_iter().next()?;
    let mut text = String::new();
    for clock in &plan.clocks {
        text.push_str(&line(clock)?);
    }
    text.push_str(&servers(&plan));
    Some((plan.origin.reason, text))
}

fn servers(plan: &Plan) -> String {
    let hosts = plan.asked.iter().flat_map(|asked| &asked.hosts);
    hosts
        .map(
            |host| match host.starts_with("169.254.") || host.starts_with("fd00:") {
                // Within the host: neither far nor limited.
                true => format!("server {host} iburst minpoll 4 maxpoll 4\n"),
                false => format!("server {host} iburst\n"),
            },
        )
        .collect()
}

/// The line that follows a clock, with what is known of its kind.
fn line(clock: &ClockAsked) -> Option<String> {
    let (driver, parameter) = match &clock.found.device {
        Device::Phc { path, precise, .. } => (
            "PHC",
            format!("{path}{}", if *precise { "" } else { ":nocrossts" }),
        ),
        Device::Pps { path, falling } => (
            "PPS",
            format!("{path}{}", if *falling { ":clear" } else { "" }),
        ),
        Device::Shm { unit, mode } => ("SHM", format!("{unit}:perm={mode:o}")),
        Device::Sock { path } => ("SOCK", path.clone()),
        Device::Rtc { path, utc } => ("RTC", format!("{path}{}", if *utc { ":utc" } else { "" })),
    };
    if parameter.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let kind = clock.found.kind();
    let options = match (kind, driver) {
        (Some(PtpKind::Ena), _) => " poll 0 delay 0.000010",
        (Some(PtpKind::Card), _) => " poll 3 dpoll -2",
        (Some(_), _) => " poll 3 dpoll -2 stratum 2",
        _ => "",
    };
    let tai = if clock.tai.is_some() { " tai" } else { "" };
    // The host may stop this machine for a while and let it go on.
    let step = if kind == Some(PtpKind::HyperV) {
        "makestep 1.0 -1\n"
    } else {
        ""
    };
    Some(format!(
        "refclock {driver} {parameter}{options}{tai}\n{step}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sync::image::image;

    const AZURE: &[(&str, &str)] = &[
        (
            "/sys/class/dmi/id/chassis_asset_tag",
            "7783-7084-3265-9085-8269-3286-77\n",
        ),
        ("/sys/class/ptp/ptp0/clock_name", "mlx5_ptp\n"),
        ("/sys/class/ptp/ptp1/clock_name", "hyperv\n"),
    ];

    #[test]
    fn a_machine_that_nobody_configured_follows_its_platform() {
        let azure = image(AZURE);
        let (why, text) = of_platform(azure.path()).unwrap();
        assert!(why.contains("Azure"), "{why}");
        assert_eq!(
            text,
            "refclock PHC /dev/ptp1 poll 3 dpoll -2 stratum 2\nmakestep 1.0 -1\n"
        );
        let aws = image(&[("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")]);
        let (_, text) = of_platform(aws.path()).unwrap();
        assert_eq!(
            text,
            "server 169.254.169.123 iburst minpoll 4 maxpoll 4\nserver fd00:ec2::123 iburst minpoll 4 maxpoll 4\n"
        );
        assert_eq!(of_platform(image(&[]).path()), None);
    }

    #[test]
    fn words_become_lines() {
        let azure = image(AZURE);
        let of = |word: &str| of_words(&[word.to_owned()], azure.path());
        assert_eq!(
            of("mlx5_ptp:tai").unwrap(),
            "refclock PHC /dev/ptp0 poll 3 dpoll -2 tai\n"
        );
        assert!(of("auto").unwrap().starts_with("refclock PHC /dev/ptp1 "));
        assert_eq!(of("SHM:2").unwrap(), "refclock SHM 2:perm=600\n");
        assert_eq!(of("SOCK:/run/x").unwrap(), "refclock SOCK /run/x\n");
        assert_eq!(of("/dev/rtc0:utc").unwrap(), "refclock RTC /dev/rtc0:utc\n");
        assert!(of("SOCK:/run/x y\nallow all").is_err());
        assert!(of("kvm").is_err());
    }
}
