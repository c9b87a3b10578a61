//! Replies: one type a kind. What a reply is stands in its code, so that a daemon of any release
//! is understood; fields that a release does not have yet are `None`.
//!
//! The bodies stand in `sources`, `clock` and `clients`; here is what makes a packet of them.

mod clients;
mod clock;
mod sources;

pub use clients::Client;
pub use clients::MAX_CLIENTS;
pub use clients::SERVER_COUNTERS;
pub use clients::ServerStats;
pub use clock::MAX_MANUAL_SAMPLES;
pub use clock::ManualSample;
pub use clock::ManualTimestamp;
pub use clock::Rtc;
pub use clock::Smoothing;
pub use clock::Tracking;
pub use sources::Activity;
pub use sources::AuthData;
pub use sources::NtpData;
pub use sources::NtpDataCounters;
pub use sources::OPTION_NOSELECT;
pub use sources::OPTION_PREFER;
pub use sources::OPTION_REQUIRE;
pub use sources::OPTION_TRUST;
pub use sources::STATES;
pub use sources::SelectData;
pub use sources::Source;
pub use sources::SourceStats;

use super::MAX_LEN;
use super::REPLY_HEADER_LEN;
use super::Status;
use super::TYPE_REPLY;
use super::VERSION;
use super::field::Codec;
use super::field::Name;
use super::field::Narrow;
use super::field::U32;
use super::field::U64;
use crate::proto::reader::DecodeError;
use crate::proto::reader::Problem;
use crate::proto::reader::Reader;
use clients::SERVER_FORMS;
use clients::SERVER_RESERVED;

/// The code of a reply without a body.
const NULL: u16 = 1;

/// Octets at the end of an `ntpdata` before 4.6 that say nothing.
const NTP_DATA_RESERVED: usize = 12;

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
    /// `settime`.
    ManualTimestamp(ManualTimestamp),
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
            // `settime`: three numbers.
            14 => U32::LEN,
            15 => Source::LEN,
            33 => Tracking::LEN,
            34 => SourceStats::LEN,
            35 => Rtc::LEN,
            11 => ManualTimestamp::LEN,
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

/// Octets of the shortest form of a reply, of the release that had it first: clients of that age
/// send no more.
pub(crate) fn shortest_reply(command: u16) -> usize {
    match command {
        54 => REPLY_HEADER_LEN + 5 * Narrow::LEN,
        57 => REPLY_HEADER_LEN + NtpData::LEN + NTP_DATA_RESERVED,
        other => longest_reply(other),
    }
}

impl Reply {
    /// The packet, in the newest form that is not longer than `room` octets; none when there is
    /// none. A client that sends less than the newest form needs is of a release that knows an
    /// older one.
    #[must_use]
    pub fn encode_within(&self, header: ReplyHeader, room: usize) -> Option<Vec<u8>> {
        let whole = self.encode(header);
        if whole.len() <= room {
            return Some(whole);
        }
        match self {
            Self::NtpData(data, Some(_)) => Self::NtpData(*data, None).encode_within(header, room),
            Self::ServerStats(stats) => {
                let fits =
                    |counters: &[usize]| REPLY_HEADER_LEN + counters.len() * Narrow::LEN <= room;
                let older = SERVER_FORMS.iter().rev().filter(|(code, _)| *code != 25);
                let (code, counters) = older.copied().find(|(_, counters)| fits(counters))?;
                let mut out = Self::Null.encode(header);
                for (to, from) in out.iter_mut().skip(6).zip(code.to_be_bytes()) {
                    *to = from;
                }
                for &index in counters {
                    let value = stats.counters.get(index).copied().flatten();
                    Narrow::write(&value.unwrap_or(0), &mut out);
                }
                Some(out)
            }
            _ => None,
        }
    }

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
            Self::ManualTimestamp(_) => 17,
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
            Self::ManualTimestamp(stamp) => stamp.write(out),
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
            17 => Self::ManualTimestamp(ManualTimestamp::read(r)?),
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

#[cfg(test)]
mod tests;
