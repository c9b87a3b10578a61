//! Replies: one type a kind. What a reply is stands in its code, so that a daemon of any release
//! is understood; fields that a release does not have yet are `None`.

use super::Address;
use super::MAX_LEN;
use super::REPLY_HEADER_LEN;
use super::Status;
use super::TYPE_REPLY;
use super::VERSION;
use super::field::Addr;
use super::field::Ago;
use super::field::Codec;
use super::field::Float;
use super::field::I8;
use super::field::I16;
use super::field::Id;
use super::field::Name;
use super::field::Narrow;
use super::field::Negated;
use super::field::Padded;
use super::field::Time;
use super::field::U8;
use super::field::U16;
use super::field::U32;
use super::field::U64;
use super::field::record;
use crate::proto::reader::DecodeError;
use crate::proto::reader::Problem;
use crate::proto::reader::Reader;
use crate::proto::refid::RefId;

/// The code of a reply without a body.
const NULL: u16 = 1;

record! {
    /// A line of `chronyc sources`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Source {
        /// Its address; of a reference clock, its identifier's letters.
        address: Address as Addr,
        /// Poll interval, log2 seconds.
        poll: i16 as I16,
        /// Its stratum.
        stratum: u16 as U16,
        /// `STATE_…`.
        state: u16 as U16,
        /// 0 client, 1 peer, 2 reference clock.
        mode: u16 as U16,
        /// `OPTION_…` bits of releases before 4.0.
        flags: u16 as U16,
        /// The last eight polls as bits.
        reach: u16 as U16,
        /// Seconds since the last sample.
        since_sample: Option<u32> as Ago,
        /// The last offset as measured, seconds; positive: the local clock is behind.
        measured_offset_s: f64 as Negated,
        /// The same with what has been corrected since.
        offset_s: f64 as Negated,
        /// Bound of its error, seconds.
        error_s: f64 as Float,
    }
}

record! {
    /// `chronyc tracking`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Tracking {
        /// The reference's identifier.
        refid: RefId as Id,
        /// Its address; unspecified for reference clocks and the local reference.
        address: Address as Addr,
        /// Our stratum.
        stratum: u16 as U16,
        /// Leap status: 3 is not synchronised.
        leap: u16 as U16,
        /// When it was last updated.
        ref_time: (i64, u32) as Time,
        /// What is still to be slewed, seconds; positive: the local clock is behind.
        correction_s: f64 as Float,
        /// Offset at the last update, seconds; positive: the local clock was behind.
        last_offset_s: f64 as Negated,
        /// Long-term RMS of the offset, seconds.
        rms_offset_s: f64 as Float,
        /// Frequency correction, ppm; positive makes the local clock faster.
        frequency_ppm: f64 as Negated,
        /// What the reference says it lacks, ppm, same sign.
        residual_frequency_ppm: f64 as Negated,
        /// Error bound of the frequency, ppm.
        skew_ppm: f64 as Float,
        /// Delay to the primary reference, seconds.
        root_delay_s: f64 as Float,
        /// Dispersion to the primary reference, seconds.
        root_dispersion_s: f64 as Float,
        /// Seconds between the last two updates.
        update_interval_s: f64 as Float,
    }
}

impl Tracking {
    /// True when the clock follows something: neither unsynchronised nor on the local reference.
    #[must_use]
    pub fn synchronised(&self) -> bool {
        let local =
            matches!(self.refid.0, [0, 0, 0, 0] | [127, 127, 1, 1]) && self.address.ip().is_none();
        self.leap != 3 && !local
    }

    /// True when it serves its own clock for want of a source (`local`).
    #[must_use]
    pub fn local_reference(&self) -> bool {
        self.refid.0 == [127, 127, 1, 1] && self.address.ip().is_none()
    }

    /// How far the clock can be off at most, seconds: the formula of chrony's manual.
    #[must_use]
    pub fn max_error_s(&self) -> f64 {
        self.correction_s.abs() + self.root_dispersion_s + self.root_delay_s / 2.0
    }
}

record! {
    /// A line of `chronyc sourcestats`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct SourceStats {
        /// Its identifier.
        refid: RefId as Id,
        /// Its address; unspecified for a reference clock.
        address: Address as Addr,
        /// Samples in the regression.
        samples: u32 as U32,
        /// Runs of residuals of one sign.
        runs: u32 as U32,
        /// Seconds from the oldest sample to the newest.
        span_s: u32 as U32,
        /// Standard deviation of the samples, seconds.
        std_dev_s: f64 as Float,
        /// Residual frequency, ppm; positive: the local clock should be faster.
        residual_frequency_ppm: f64 as Negated,
        /// Its error bound, ppm.
        skew_ppm: f64 as Float,
        /// Estimated offset, seconds; positive: the local clock is behind.
        offset_s: f64 as Negated,
        /// Its error bound, seconds.
        offset_error_s: f64 as Float,
    }
}

record! {
    /// `chronyc activity`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Activity {
        /// Sources that are asked.
        online: u32 as U32,
        /// Sources that are not.
        offline: u32 as U32,
        /// In a burst, then online.
        burst_online: u32 as U32,
        /// In a burst, then offline.
        burst_offline: u32 as U32,
        /// Names without an address yet.
        unresolved: u32 as U32,
    }
}

record! {
    /// `chronyc rtcdata`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Rtc {
        /// When it was last read.
        ref_time: (i64, u32) as Time,
        /// Samples in the regression.
        samples: u16 as U16,
        /// Runs of residuals.
        runs: u16 as U16,
        /// Seconds from the oldest sample to the newest.
        span_s: u32 as U32,
        /// How far the RTC is ahead, seconds.
        ahead_s: f64 as Float,
        /// How fast it gains, ppm.
        gain_ppm: f64 as Float,
    }
}

record! {
    /// `chronyc smoothing`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Smoothing {
        /// 1 active, 2 leap seconds only.
        flags: u32 as U32,
        /// Offset of what is served, seconds.
        offset_s: f64 as Float,
        /// Its frequency, ppm.
        frequency_ppm: f64 as Float,
        /// Its wander, ppm per second.
        wander_ppm: f64 as Float,
        /// Seconds since the last update.
        last_update_s: f64 as Float,
        /// Seconds until it is over.
        remaining_s: f64 as Float,
    }
}

record! {
    /// A line of `chronyc selectdata`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct SelectData {
        /// Its identifier.
        refid: RefId as Id,
        /// Its address; unspecified for a reference clock.
        address: Address as Addr,
        /// Why it is used or not: a letter of chronyc's manual, `selectdata`.
        state: u8 as U8,
        /// 1 when it is authenticated.
        authentication: u8 as U8,
        /// Its leap status.
        leap: u8 as Padded<U8, 1>,
        /// Options as configured, `OPTION_…`.
        configured: u16 as U16,
        /// Options as they work now.
        effective: u16 as U16,
        /// Seconds since the last sample that counts.
        last_sample: Option<u32> as Ago,
        /// Score against the selected source.
        score: f64 as Float,
        /// Lower end of its interval, seconds (chrony's sign).
        low_s: f64 as Float,
        /// Upper end of its interval.
        high_s: f64 as Float,
    }
}

record! {
    /// A line of `chronyc authdata`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AuthData {
        /// 0 none, 1 symmetric key, 2 NTS.
        mode: u16 as U16,
        /// Number of the algorithm.
        key_type: u16 as U16,
        /// Number of the key.
        key_id: u32 as U32,
        /// Bits of the key.
        key_length: u16 as U16,
        /// Key exchanges without success.
        ke_attempts: u16 as U16,
        /// Seconds since the last successful one.
        last_ke: Option<u32> as Ago,
        /// Cookies left.
        cookies: u16 as U16,
        /// Octets of one.
        cookie_length: u16 as U16,
        /// NTS negative acknowledgements.
        nak: u16 as Padded<U16, 2>,
    }
}

record! {
    /// `chronyc ntpdata`: the last valid packet of a source.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct NtpData {
        /// Its address.
        remote: Address as Addr,
        /// The local address.
        local: Address as Addr,
        /// Its port.
        remote_port: u16 as U16,
        /// Its leap indicator.
        leap: u8 as U8,
        /// Its version.
        version: u8 as U8,
        /// Its mode.
        mode: u8 as U8,
        /// Its stratum.
        stratum: u8 as U8,
        /// Its poll, log2 seconds.
        poll: i8 as I8,
        /// Its precision, log2 seconds.
        precision: i8 as I8,
        /// Its root delay, seconds.
        root_delay_s: f64 as Float,
        /// Its root dispersion, seconds.
        root_dispersion_s: f64 as Float,
        /// Its reference identifier.
        refid: RefId as Id,
        /// Its reference time.
        ref_time: (i64, u32) as Time,
        /// Offset, seconds; positive: the local clock is behind.
        offset_s: f64 as Float,
        /// Round trip, seconds.
        delay_s: f64 as Float,
        /// Dispersion, seconds.
        dispersion_s: f64 as Float,
        /// How long it took to answer, seconds.
        response_s: f64 as Float,
        /// Asymmetry of the jitter, -0.5 to 0.5.
        asymmetry: f64 as Float,
        /// Tests passed (10 bits), 0x4000 interleaved, 0x8000 authenticated.
        flags: u16 as U16,
        /// Who stamped what was sent: D daemon, K kernel, H hardware.
        tx_stamp: u8 as U8,
        /// Who stamped what came.
        rx_stamp: u8 as U8,
        /// Packets sent.
        sent: u32 as U32,
        /// Packets received.
        received: u32 as U32,
        /// Packets that were valid.
        valid: u32 as U32,
    }
}

record! {
    /// Counters that `chronyc ntpdata` has since 4.6.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NtpDataCounters {
        /// Packets whose measurement was used.
        good: u32 as U32,
        /// Sent with a kernel timestamp.
        kernel_sent: u32 as U32,
        /// Received with a kernel timestamp.
        kernel_received: u32 as U32,
        /// Sent with a hardware timestamp.
        hardware_sent: u32 as U32,
        /// Received with a hardware timestamp.
        hardware_received: u32 as Padded<U32, 16>,
    }
}

record! {
    /// One sample of `chronyc manual list`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct ManualSample {
        /// When it was entered.
        when: (i64, u32) as Time,
        /// Offset with what has been slewed since, seconds (chrony's sign).
        slewed_offset_s: f64 as Float,
        /// Offset as entered.
        original_offset_s: f64 as Float,
        /// What the regression leaves.
        residual_s: f64 as Float,
    }
}

record! {
    /// A line of `chronyc clients`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Client {
        /// Its address.
        address: Address as Addr,
        /// NTP requests.
        ntp_hits: u32 as U32,
        /// NTS key exchanges.
        nke_hits: u32 as U32,
        /// Commands.
        cmd_hits: u32 as U32,
        /// NTP requests that were dropped.
        ntp_drops: u32 as U32,
        /// Key exchanges that were dropped.
        nke_drops: u32 as U32,
        /// Commands that were dropped.
        cmd_drops: u32 as U32,
        /// Interval between NTP requests, log2 seconds; 127 unknown.
        ntp_interval: i8 as I8,
        /// Interval between key exchanges.
        nke_interval: i8 as I8,
        /// Interval between commands.
        cmd_interval: i8 as I8,
        /// Interval after a request that was limited.
        ntp_timeout_interval: i8 as I8,
        /// Seconds since the last NTP request.
        last_ntp: Option<u32> as Ago,
        /// Seconds since the last key exchange.
        last_nke: Option<u32> as Ago,
        /// Seconds since the last command.
        last_cmd: Option<u32> as Ago,
    }
}

/// Clients that a reply has room for.
pub const MAX_CLIENTS: usize = 8;
/// Manual samples that a reply has room for.
pub const MAX_MANUAL_SAMPLES: usize = 16;

/// `chronyc serverstats`, of any release: what one does not count yet is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// The counters, in the order of the newest release (see [`SERVER_COUNTERS`]).
    pub counters: [Option<u64>; 17],
}

/// What the counters of [`ServerStats`] count.
pub const SERVER_COUNTERS: [&str; 17] = [
    "ntp_hits",
    "nke_hits",
    "cmd_hits",
    "ntp_drops",
    "nke_drops",
    "cmd_drops",
    "log_drops",
    "ntp_auth_hits",
    "ntp_interleaved_hits",
    "ntp_timestamps",
    "ntp_span_seconds",
    "ntp_daemon_rx_timestamps",
    "ntp_daemon_tx_timestamps",
    "ntp_kernel_rx_timestamps",
    "ntp_kernel_tx_timestamps",
    "ntp_hw_rx_timestamps",
    "ntp_hw_tx_timestamps",
];

/// The forms of [`ServerStats`]: reply code, which counters it has.
const SERVER_FORMS: &[(u16, &[usize])] = &[
    (14, &[0, 2, 3, 5, 6]),
    (22, &[0, 1, 2, 3, 4, 5, 6, 7]),
    (24, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    (
        25,
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
    ),
];

/// Octets at the end of the newest form that say nothing.
const SERVER_RESERVED: usize = 32;
/// Octets at the end of an `ntpdata` before 4.6 that say nothing.
const NTP_DATA_RESERVED: usize = 16;

/// A reply's body.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Nothing but a status.
    Null,
    /// How many sources there are.
    SourceCount(u32),
    /// A line of `sources`.
    Source(Source),
    /// `tracking`.
    Tracking(Tracking),
    /// A line of `sourcestats`.
    SourceStats(SourceStats),
    /// `rtcdata`.
    Rtc(Rtc),
    /// `activity`.
    Activity(Activity),
    /// `smoothing`.
    Smoothing(Smoothing),
    /// `serverstats`.
    ServerStats(ServerStats),
    /// `ntpdata`; the counters since 4.6.
    NtpData(NtpData, Option<NtpDataCounters>),
    /// `manual list`.
    ManualList(Vec<ManualSample>),
    /// `sourcename`.
    SourceName(String),
    /// `authdata`.
    AuthData(AuthData),
    /// `clients`: indices in the table, the next index, the clients.
    Clients(u32, u32, Vec<Client>),
    /// `selectdata`.
    SelectData(SelectData),
}

/// What stands before a reply's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyHeader {
    /// The code of the command it answers.
    pub command: u16,
    /// How it went.
    pub status: Status,
    /// The number of the request.
    pub sequence: u32,
}

/// Octets of the longest reply to a command.
pub(crate) fn longest_reply(command: u16) -> usize {
    REPLY_HEADER_LEN
        + match command {
            14 => U32::LEN,
            15 => Source::LEN,
            33 => Tracking::LEN,
            34 => SourceStats::LEN,
            35 => Rtc::LEN,
            41 => U32::LEN + MAX_MANUAL_SAMPLES * ManualSample::LEN,
            44 => Activity::LEN,
            51 => Smoothing::LEN,
            54 => SERVER_COUNTERS.len() * U64::LEN + SERVER_RESERVED,
            57 => NtpData::LEN + NtpDataCounters::LEN,
            65 => Name::LEN,
            67 => AuthData::LEN,
            68 => 3 * U32::LEN + MAX_CLIENTS * Client::LEN,
            69 => SelectData::LEN,
            _ => 0,
        }
}

impl Reply {
    /// The reply's code on the wire (of the newest release).
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Null => NULL,
            Self::SourceCount(_) => 2,
            Self::Source(_) => 3,
            Self::Tracking(_) => 5,
            Self::SourceStats(_) => 6,
            Self::Rtc(_) => 7,
            Self::Activity(_) => 12,
            Self::Smoothing(_) => 13,
            Self::NtpData(_, None) => 16,
            Self::ManualList(_) => 18,
            Self::SourceName(_) => 19,
            Self::AuthData(_) => 20,
            Self::Clients(..) => 21,
            Self::SelectData(_) => 23,
            Self::ServerStats(_) => 25,
            Self::NtpData(_, Some(_)) => 26,
        }
    }

    /// The packet.
    #[must_use]
    pub fn encode(&self, header: ReplyHeader) -> Vec<u8> {
        let mut out = vec![VERSION, TYPE_REPLY, 0, 0];
        out.extend(header.command.to_be_bytes());
        out.extend(self.code().to_be_bytes());
        out.extend(header.status.code().to_be_bytes());
        out.extend([0; 6]);
        out.extend(header.sequence.to_be_bytes());
        out.extend([0; 8]);
        self.body(&mut out);
        out
    }

    fn body(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => {}
            Self::SourceCount(count) => U32::write(count, out),
            Self::Source(source) => source.write(out),
            Self::Tracking(tracking) => tracking.write(out),
            Self::SourceStats(stats) => stats.write(out),
            Self::Rtc(rtc) => rtc.write(out),
            Self::Activity(activity) => activity.write(out),
            Self::Smoothing(smoothing) => smoothing.write(out),
            Self::ServerStats(stats) => {
                for counter in stats.counters {
                    U64::write(&counter.unwrap_or(0), out);
                }
                out.extend([0; SERVER_RESERVED]);
            }
            Self::NtpData(data, counters) => {
                data.write(out);
                match counters {
                    Some(counters) => counters.write(out),
                    None => out.extend([0; NTP_DATA_RESERVED]),
                }
            }
            Self::ManualList(samples) => {
                let used = samples.len().min(MAX_MANUAL_SAMPLES);
                U32::write(&(used as u32), out);
                samples.iter().take(used).for_each(|s| s.write(out));
                let room = (MAX_MANUAL_SAMPLES - used) * ManualSample::LEN;
                out.resize(out.len() + room, 0);
            }
            Self::SourceName(name) => Name::write(name, out),
            Self::AuthData(data) => data.write(out),
            Self::Clients(indices, next, clients) => {
                let used = clients.len().min(MAX_CLIENTS);
                U32::write(indices, out);
                U32::write(next, out);
                U32::write(&(used as u32), out);
                clients.iter().take(used).for_each(|c| c.write(out));
                out.resize(out.len() + (MAX_CLIENTS - used) * Client::LEN, 0);
            }
            Self::SelectData(data) => data.write(out),
        }
    }

    /// The reply in a packet. Its length must be what its code says, to the octet.
    ///
    /// # Errors
    /// `Invalid` for another version, type or an unknown code, `Truncated` and `TooLong` for the
    /// length.
    pub fn decode(bytes: &[u8]) -> Result<(ReplyHeader, Self), DecodeError> {
        let mut r = Reader::new(bytes);
        if bytes.len() > MAX_LEN {
            return Err(r.error("reply", Problem::TooLong));
        }
        if r.u8("version")? != VERSION {
            return Err(r.error("version", Problem::Invalid));
        }
        if r.u8("packet type")? != TYPE_REPLY {
            return Err(r.error("packet type", Problem::Invalid));
        }
        r.take(2, "reserved")?;
        let command = r.u16("command")?;
        let code = r.u16("reply code")?;
        let status = Status::from_code(r.u16("status")?);
        r.take(6, "padding")?;
        let sequence = r.u32("sequence")?;
        r.take(8, "padding")?;
        let reply = Self::read(code, &mut r)?;
        if !r.is_empty() {
            return Err(r.error("reply", Problem::TooLong));
        }
        let header = ReplyHeader {
            command,
            status,
            sequence,
        };
        Ok((header, reply))
    }

    fn read(code: u16, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if let Some((_, counters)) = SERVER_FORMS.iter().find(|(number, _)| *number == code) {
            return server_stats(code, counters, r);
        }
        Ok(match code {
            NULL => Self::Null,
            2 => Self::SourceCount(r.u32("number of sources")?),
            3 => Self::Source(Source::read(r)?),
            5 => Self::Tracking(Tracking::read(r)?),
            6 => Self::SourceStats(SourceStats::read(r)?),
            7 => Self::Rtc(Rtc::read(r)?),
            12 => Self::Activity(Activity::read(r)?),
            13 => Self::Smoothing(Smoothing::read(r)?),
            16 => {
                let data = NtpData::read(r)?;
                r.take(NTP_DATA_RESERVED, "reserved")?;
                Self::NtpData(data, None)
            }
            18 => {
                let used = count(r, "number of samples", MAX_MANUAL_SAMPLES)?;
                let samples = (0..used)
                    .map(|_| ManualSample::read(r))
                    .collect::<Result<_, _>>()?;
                r.take((MAX_MANUAL_SAMPLES - used) * ManualSample::LEN, "samples")?;
                Self::ManualList(samples)
            }
            19 => Self::SourceName(Name::read(r, "name")?),
            20 => Self::AuthData(AuthData::read(r)?),
            21 => {
                let (indices, next) = (r.u32("indices")?, r.u32("next index")?);
                let used = count(r, "number of clients", MAX_CLIENTS)?;
                let clients = (0..used)
                    .map(|_| Client::read(r))
                    .collect::<Result<_, _>>()?;
                r.take((MAX_CLIENTS - used) * Client::LEN, "clients")?;
                Self::Clients(indices, next, clients)
            }
            23 => Self::SelectData(SelectData::read(r)?),
            26 => Self::NtpData(NtpData::read(r)?, Some(NtpDataCounters::read(r)?)),
            _ => return Err(r.error("reply code", Problem::Invalid)),
        })
    }
}

fn count(r: &mut Reader<'_>, field: &'static str, max: usize) -> Result<usize, DecodeError> {
    let count = r.u32(field)? as usize;
    if count > max {
        return Err(r.error(field, Problem::TooLong));
    }
    Ok(count)
}

fn server_stats(code: u16, which: &[usize], r: &mut Reader<'_>) -> Result<Reply, DecodeError> {
    let mut stats = ServerStats::default();
    for index in which {
        let value = if code == 25 {
            U64::read(r, "counter")?
        } else {
            Narrow::read(r, "counter")?
        };
        if let Some(counter) = stats.counters.get_mut(*index) {
            *counter = Some(value);
        }
    }
    if code == 25 {
        r.take(SERVER_RESERVED, "reserved")?;
    }
    Ok(Reply::ServerStats(stats))
}

/// What [`Source::state`] means. chrony 4 has other names for the last two; the marks stayed.
pub const STATES: [char; 6] = ['*', '?', 'x', '~', '+', '-'];

/// `noselect`.
pub const OPTION_NOSELECT: u16 = 0x1;
/// `prefer`.
pub const OPTION_PREFER: u16 = 0x2;
/// `trust`.
pub const OPTION_TRUST: u16 = 0x4;
/// `require`.
pub const OPTION_REQUIRE: u16 = 0x8;

impl Source {
    /// chronyc's mark: `*`, `?`, `x`, `~`, `+`, `-`.
    #[must_use]
    pub fn mark(&self) -> char {
        STATES.get(usize::from(self.state)).copied().unwrap_or(' ')
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
