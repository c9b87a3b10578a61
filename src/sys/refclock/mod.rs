//! Reference clocks of this machine: opened by what the configuration says, read when the engine
//! asks, or when they have something to say.

pub mod pps;
pub mod ptp;
pub mod shm;
pub mod sock;

use super::clock;
use super::error::Error;
use super::files;
use super::ptp as listing;
use super::rtc::Rtc;
use crate::engine::refclock::Device;
use crate::engine::refclock::ExternalPulses;
use crate::engine::refclock::Said;
use crate::engine::refclock::Tick;
use crate::proto::packet::Leap;
use crate::proto::sock_sample::SockSample;
use crate::time::Monotonic;
use pps::PpsDevice;
use ptp::Comparison;
use ptp::PtpDevice;
use shm::ShmSegment;
use sock::SampleSocket;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// A reference clock, opened.
#[derive(Debug)]
pub enum OpenClock {
    /// A PTP hardware clock that is read; the error in nanoseconds that its driver admits is read
    /// with it.
    Phc {
        /// The device.
        device: PtpDevice,
        /// The number after /dev/ptp, when it is known.
        number: Option<String>,
    },
    /// A PTP hardware clock that stamps pulses.
    Pulses {
        /// The device.
        device: PtpDevice,
        /// The channel.
        channel: u32,
        /// The device against the system clock, as read last and before.
        seen: [Option<Comparison>; 2],
        /// The last pulse.
        last: i64,
    },
    /// Pulses that the kernel stamps.
    Pps(PpsDevice),
    /// Shared memory.
    Shm(ShmSegment),
    /// A socket for samples.
    Sock(SampleSocket),
    /// The battery-backed clock.
    Rtc {
        /// The device.
        rtc: Rtc,
        /// It says itself when a second begins.
        interrupts: bool,
        /// When it did so last.
        heard: Monotonic,
        /// It keeps UTC.
        utc: bool,
    },
}

/// A clock that says itself when a second begins, and did not for so long, is asked, in seconds.
const SILENT: f64 = 3.0;

impl OpenClock {
    /// Opens a device.
    ///
    /// # Errors
    /// When it is not there, may not be opened, or is something else.
    pub fn open(device: &Device) -> Result<Self, Error> {
        Ok(match device {
            Device::Phc {
                path,
                precise,
                pulses: None,
            } => Self::Phc {
                device: PtpDevice::open(path, *precise, false)?,
                number: listing::number(Path::new("/"), path),
            },
            Device::Phc {
                path,
                precise,
                pulses: Some(pulses),
            } => Self::stamping(path, *precise, *pulses)?,
            Device::Pps { path, falling } => Self::Pps(PpsDevice::open(path, *falling)?),
            Device::Shm { unit, mode } => Self::Shm(ShmSegment::attach(*unit, *mode)?),
            Device::Sock { path } => Self::Sock(SampleSocket::bind(path)?),
            Device::Rtc { path, utc } => {
                let rtc = Rtc::open_at(path)?;
                let interrupts = rtc.announce_seconds();
                Self::Rtc {
                    rtc,
                    interrupts,
                    heard: clock::monotonic(),
                    utc: *utc,
                }
            }
        })
    }

    fn stamping(path: &str, precise: bool, pulses: ExternalPulses) -> Result<Self, Error> {
        let device = PtpDevice::open(path, precise, true)?;
        device.stamp_pulses(pulses.pin, pulses.channel, pulses.falling)?;
        Ok(Self::Pulses {
            device,
            channel: pulses.channel,
            seen: [None; 2],
            last: 0,
        })
    }

    /// What to wait on, for a clock that says by itself when it has something.
    #[must_use]
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Sock(socket) => Some(socket.as_fd()),
            Self::Pulses { device, .. } => Some(device.as_fd()),
            Self::Rtc {
                rtc,
                interrupts: true,
                ..
            } => Some(rtc.as_fd()),
            _ => None,
        }
    }

    /// Something to know about the clock before it is believed.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Shm(segment) => segment.open_to.as_ref().map(|who| {
                format!("others than root can write this segment ({who}), and with it the clock")
            }),
            _ => None,
        }
    }

    /// Reads it now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&mut self) -> Result<Vec<Tick>, Error> {
        Ok(match self {
            Self::Phc { device, number } => {
                let stated = |n: &str| stated_error(Path::new("/"), n);
                let bound = number.as_deref().and_then(stated).unwrap_or(0);
                ptp::best(&device.compare()?)
                    .map(|found| tick(&found, bound))
                    .into_iter()
                    .collect()
            }
            Self::Pulses { device, seen, .. } => {
                if let Some(found) = ptp::best(&device.compare()?) {
                    *seen = [seen[1], Some(found)];
                }
                self.ready()
            }
            Self::Pps(device) => device
                .fetch()?
                .map(|at| pulse(at, at.rem_euclid(1_000_000_000), Leap::None))
                .into_iter()
                .collect(),
            Self::Shm(segment) => segment
                .take()
                .map(|sample| Tick {
                    system_ns: sample.receive_ns,
                    raw: None,
                    said: Said::Time(sample.clock_ns),
                    leap: Leap::from_bits(sample.leap),
                    error: 0.0,
                })
                .into_iter()
                .collect(),
            // What came since the last time carries its own time.
            Self::Sock(_) => self.ready(),
            Self::Rtc {
                interrupts: true,
                heard,
                ..
            } if clock::monotonic().seconds_since(*heard) < SILENT => Vec::new(),
            Self::Rtc { rtc, utc, .. } => {
                // Anywhere within the second that it shows.
                let shown = rtc.read()?;
                vec![rtc_tick(shown, 500_000_000, 0.5, *utc)]
            }
        })
    }

    /// It has something to say: reads that.
    pub fn ready(&mut self) -> Vec<Tick> {
        match self {
            Self::Sock(socket) => socket.take().iter().map(sample_tick).collect(),
            Self::Pulses {
                device,
                channel,
                seen,
                last,
            } => {
                let stamped = device.pulses();
                let mut found = Vec::new();
                for (_, at) in stamped.iter().filter(|(c, _)| c == channel) {
                    if std::mem::replace(last, *at) != *at
                        && let Some(system) = by_system(*at, seen)
                    {
                        found.push(pulse(system, system.rem_euclid(1_000_000_000), Leap::None));
                    }
                }
                found
            }
            Self::Rtc {
                rtc, utc, heard, ..
            } => {
                if !rtc.second_began() {
                    return Vec::new();
                }
                *heard = clock::monotonic();
                let utc = *utc;
                rtc.read()
                    .map(|shown| rtc_tick(shown, 0, 1e-3, utc))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The bound of its error that the driver of a PTP clock states, in nanoseconds: Amazon's does.
/// None when it states none, or says that it does not know.
#[must_use]
pub fn stated_error(root: &Path, number: &str) -> Option<i64> {
    let path = format!("/sys/class/ptp/{number}/device/phc_error_bound");
    let text = files::read_text(&files::under(root, Path::new(&path)), 64).ok()?;
    let bound = text.trim().parse::<i64>().ok()?;
    (0..=1_000_000_000).contains(&bound).then_some(bound)
}

fn tick(found: &Comparison, bound_ns: i64) -> Tick {
    Tick {
        system_ns: found.system_ns,
        raw: found.raw,
        said: Said::Time(found.device_ns),
        leap: Leap::None,
        error: (found.took_ns as f64 * 0.5 + bound_ns as f64) * 1e-9,
    }
}

fn pulse(system_ns: i64, beyond_ns: i64, leap: Leap) -> Tick {
    Tick {
        system_ns,
        raw: None,
        said: Said::Pulse(beyond_ns),
        leap,
        error: 0.0,
    }
}

fn sample_tick(sample: &SockSample) -> Tick {
    let offset = (sample.offset * 1e9).round() as i64;
    let leap = Leap::from_bits(sample.leap);
    if sample.pulse {
        // The offset is what the system clock lacks to the pulse's second.
        return pulse(sample.system_ns, (-offset).rem_euclid(1_000_000_000), leap);
    }
    Tick {
        system_ns: sample.system_ns,
        raw: None,
        said: Said::Time(sample.system_ns.saturating_add(offset)),
        leap,
        error: 0.0,
    }
}

fn rtc_tick(shown: i64, beyond_ns: i64, error: f64, utc: bool) -> Tick {
    let (seconds, nanos) = clock::unix();
    let shift = if utc { 0 } else { clock::local_offset() };
    Tick {
        system_ns: seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(nanos)),
        raw: None,
        said: Said::Time(
            shown
                .saturating_sub(shift)
                .saturating_mul(1_000_000_000)
                .saturating_add(beyond_ns),
        ),
        leap: Leap::None,
        error,
    }
}

/// A device's time by the system clock, along the line through the last two comparisons.
fn by_system(device_ns: i64, seen: &[Option<Comparison>; 2]) -> Option<i64> {
    let last = seen[1]?;
    let since = device_ns.checked_sub(last.device_ns)?;
    let rate = seen[0].map_or(1.0, |before| {
        let device = (last.device_ns.saturating_sub(before.device_ns)) as f64;
        let system = (last.system_ns.saturating_sub(before.system_ns)) as f64;
        // A clock that is more than a thousandth off was set in between.
        let rate = system / device;
        if (0.999..1.001).contains(&rate) {
            rate
        } else {
            1.0
        }
    });
    // Far from the comparisons the line says nothing.
    (since.unsigned_abs() < 60_000_000_000).then(|| {
        last.system_ns
            .saturating_add((since as f64 * rate).round() as i64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulse_is_placed_along_the_line() {
        let at = |system_ns, device_ns| {
            Some(Comparison {
                system_ns,
                device_ns,
                raw: None,
                took_ns: 10,
            })
        };
        let seen = [at(1_000_000_000, 0), at(2_000_100_000, 1_000_000_000)];
        assert_eq!(by_system(1_500_000_000, &seen), Some(2_500_150_000));
        assert_eq!(by_system(1_500_000_000, &[None, None]), None);
        assert_eq!(by_system(i64::MIN, &seen), None);
    }

    #[test]
    fn a_samples_offset_is_added_to_the_system_clock() {
        let sample = SockSample {
            system_ns: 10_000_000_000,
            offset: 0.25,
            pulse: false,
            leap: 3,
        };
        let tick = sample_tick(&sample);
        assert_eq!(tick.said, Said::Time(10_250_000_000));
        assert_eq!(tick.leap, Leap::Unsynchronised);
        let pulse = sample_tick(&SockSample {
            pulse: true,
            offset: -0.000_001,
            ..sample
        });
        assert_eq!(pulse.said, Said::Pulse(1000));
    }
}
