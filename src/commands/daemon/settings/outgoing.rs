//! How requests leave: `bindacqaddress`, `bindacqdevice`, `acquisitionport`, `dscp`.

use crate::conf::chrony::Settings;
use crate::sys::outgoing::Outgoing;
use std::net::IpAddr;

/// What a file says.
#[must_use]
pub fn of_file(settings: &Settings) -> Outgoing {
    let [v4, v6] = settings.bind_acquisition_addresses;
    Outgoing {
        v4: v4.and_then(|ip| match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        }),
        v6: v6.and_then(|ip| match ip {
            IpAddr::V6(ip) => Some(ip),
            IpAddr::V4(_) => None,
        }),
        port: settings.acquisition_port,
        device: settings.bind_acquisition_device.clone(),
        dscp: settings.dscp,
    }
}
