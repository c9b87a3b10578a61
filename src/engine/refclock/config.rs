//! What the engine is told of a reference clock. The names and defaults are chrony.conf's.

use crate::proto::refid::RefId;

/// Where a reference clock's time comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A PTP hardware clock.
    Phc {
        /// Its device.
        path: String,
        /// Cross timestamps by the hardware are used where the device has them.
        precise: bool,
        /// It stamps the pulses of a signal instead of being read.
        pulses: Option<ExternalPulses>,
    },
    /// A pulse a second that the kernel stamps.
    Pps {
        /// Its device.
        path: String,
        /// The falling edge counts instead of the rising one.
        falling: bool,
    },
    /// A shared memory segment as ntpd's driver 28 has it.
    Shm {
        /// The unit: the segment's key is `NTP0` plus it.
        unit: i32,
        /// Permissions when the segment is made; 0 does not make it.
        mode: u32,
    },
    /// A datagram socket that takes samples.
    Sock {
        /// Where it is made.
        path: String,
    },
    /// The battery-backed clock.
    Rtc {
        /// Its device.
        path: String,
        /// It keeps UTC; else local time.
        utc: bool,
    },
}

impl Device {
    /// Its path; empty for shared memory.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Phc { path, .. }
            | Self::Pps { path, .. }
            | Self::Sock { path }
            | Self::Rtc { path, .. } => path,
            Self::Shm { .. } => "",
        }
    }
}

/// Pulses that a PTP hardware clock stamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExternalPulses {
    /// The pin that is set up for it; none where pins cannot be set up.
    pub pin: Option<u32>,
    /// The channel.
    pub channel: u32,
    /// The falling edge counts instead of the rising one.
    pub falling: bool,
}

/// One reference clock.
#[derive(Clone, Debug, PartialEq)]
pub struct RefclockConfig {
    /// Where its time comes from.
    pub device: Device,
    /// Its identifier, one to four characters.
    pub refid: RefId,
    /// Seconds between measurements, log2.
    pub poll: i8,
    /// Seconds between readings of the device, log2.
    pub driver_poll: i8,
    /// Most samples that make one measurement.
    pub filter: usize,
    /// Pulses a second.
    pub rate: u32,
    /// The clock that gives the seconds to this one's pulses.
    pub lock: Option<RefId>,
    /// So many pulses after a sample of the other clock it still counts.
    pub max_lock_age: u32,
    /// Length of a pulse in seconds, when both edges are reported; zero when not.
    pub width: f64,
    /// Only the part of the second counts: any clock as a pulse.
    pub pulse: bool,
    /// Bound of the clock's error, times two, in seconds.
    pub delay: f64,
    /// Resolution of the clock in seconds.
    pub precision: f64,
    /// Measurements whose standard deviation is larger are dropped, in seconds; none keeps all.
    pub max_dispersion: Option<f64>,
    /// Stratum of the clock itself: 0 is a primary one.
    pub stratum: u8,
    /// The clock keeps TAI: so many seconds are taken off.
    pub tai: Option<i32>,
    /// It is a local standard ([`crate::engine::standard`]): only its rate counts.
    pub local: bool,
    /// The clock is known to keep UTC, or to be meant as it is: no doubt about its time scale.
    pub scale_known: bool,
}

impl RefclockConfig {
    /// A clock with every default.
    #[must_use]
    pub const fn new(device: Device, refid: RefId) -> Self {
        Self {
            device,
            refid,
            poll: 4,
            driver_poll: 0,
            filter: 64,
            rate: 1,
            lock: None,
            max_lock_age: 2,
            width: 0.0,
            pulse: false,
            delay: 1e-9,
            precision: 0.0,
            max_dispersion: None,
            stratum: 0,
            tai: None,
            local: false,
            scale_known: false,
        }
    }

    /// Whether it gives pulses, which need somebody else to say which second they begin.
    #[must_use]
    pub const fn gives_pulses(&self) -> bool {
        self.pulse
            || matches!(
                self.device,
                Device::Pps { .. }
                    | Device::Phc {
                        pulses: Some(_),
                        ..
                    }
            )
    }
}
