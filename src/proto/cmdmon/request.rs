//! Requests: what a client asks chronyd, and what it costs in octets. A request is padded to the
//! length of its reply, so that nobody can use the daemon as an amplifier.

use super::Address;
use super::MAX_LEN;
use super::REQUEST_HEADER_LEN;
use super::TYPE_REQUEST;
use super::VERSION;
use super::change::Change;
use super::field::Addr;
use super::field::Codec;
use super::field::Float;
use super::field::I32;
use super::field::U32;
use super::field::record;
use super::new_source::NewSource;
use super::reply;
use crate::proto::reader::DecodeError;
use crate::proto::reader::Problem;
use crate::proto::reader::Reader;

/// What is asked. The words are chronyc's.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// `sources`: how many there are.
    SourceCount,
    /// `sources`: the one of this index.
    Source(u32),
    /// `tracking`.
    Tracking,
    /// `sourcestats` of this index.
    SourceStats(u32),
    /// `activity`.
    Activity,
    /// `ntpdata` of an address.
    NtpData(Address),
    /// `sourcename`: the name in the configuration.
    SourceName(Address),
    /// `authdata` of an address.
    AuthData(Address),
    /// `selectdata` of this index.
    SelectData(u32),
    /// `serverstats`.
    ServerStats,
    /// `rtcdata`.
    RtcReport,
    /// `smoothing`.
    Smoothing,
    /// `manual list`.
    ManualList,
    /// `clients`.
    Clients(ClientRange),
    /// `accheck`.
    AccessCheck(Address),
    /// `cmdaccheck`.
    CommandAccessCheck(Address),
    /// `burst`.
    Burst(Burst),
    /// `makestep` now.
    MakeStep,
    /// `makestep THRESHOLD LIMIT`.
    SetMakeStep(MakeStep),
    /// `online`.
    Online(Subnet),
    /// `offline`.
    Offline(Subnet),
    /// `onoffline`.
    OnOffline,
    /// `reselect`.
    Reselect,
    /// `reset sources`.
    ResetSources,
    /// `reload sources`.
    ReloadSources,
    /// `refresh`: look names up again.
    Refresh,
    /// `add server`, `add peer`, `add pool`.
    AddSource(Box<NewSource>),
    /// `delete`.
    DeleteSource(Address),
    /// `allow`, `deny` and their kin: the code of the command, and the subnet.
    Access(AccessCommand, AccessSubnet),
    /// `local`.
    Local(Local),
    /// `maxupdateskew` and other changes of one thing.
    Change(Change),
    /// `rekey`.
    Rekey,
    /// `writertc`.
    WriteRtc,
    /// `trimrtc`.
    TrimRtc,
    /// `cyclelogs`.
    CycleLogs,
    /// `dump`.
    Dump,
    /// `shutdown`.
    Shutdown,
    /// A command that this program has no type for: its code.
    Other(u16),
}

/// The commands about who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum AccessCommand {
    /// `allow`
    Allow = 17,
    /// `allow all`
    AllowAll = 18,
    /// `deny`
    Deny = 19,
    /// `deny all`
    DenyAll = 20,
    /// `cmdallow`
    CommandAllow = 21,
    /// `cmdallow all`
    CommandAllowAll = 22,
    /// `cmddeny`
    CommandDeny = 23,
    /// `cmddeny all`
    CommandDenyAll = 24,
}

const ACCESS: [AccessCommand; 8] = [
    AccessCommand::Allow,
    AccessCommand::AllowAll,
    AccessCommand::Deny,
    AccessCommand::DenyAll,
    AccessCommand::CommandAllow,
    AccessCommand::CommandAllowAll,
    AccessCommand::CommandDeny,
    AccessCommand::CommandDenyAll,
];

record! {
    /// Which clients are wanted.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ClientRange {
        /// The first index in the daemon's table.
        first: u32 as U32,
        /// How many indices.
        count: u32 as U32,
        /// Only clients with as many requests.
        min_hits: u32 as U32,
        /// 1: counters go back to 0.
        reset: u32 as U32,
    }
}

record! {
    /// Several quick measurements of the sources that match.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Burst {
        /// Mask; unspecified with an unspecified address: all sources.
        mask: Address as Addr,
        /// Address.
        address: Address as Addr,
        /// Good samples after which it ends.
        good: i32 as I32,
        /// Requests after which it ends.
        total: i32 as I32,
    }
}

record! {
    /// Sources that match a mask and an address; both unspecified: all.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Subnet {
        /// Mask.
        mask: Address as Addr,
        /// Address.
        address: Address as Addr,
    }
}

record! {
    /// An address and its prefix.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AccessSubnet {
        /// Address.
        address: Address as Addr,
        /// Bits of the prefix.
        bits: i32 as I32,
    }
}

record! {
    /// When the clock may be stepped.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct MakeStep {
        /// In how many updates yet; negative: always.
        limit: i32 as I32,
        /// From this offset on, seconds.
        threshold_s: f64 as Float,
    }
}

record! {
    /// Serving without a source.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Local {
        /// 1: on.
        on: i32 as I32,
        /// As this stratum.
        stratum: i32 as I32,
        /// Until the root distance is this many seconds.
        distance_s: f64 as Float,
        /// 1: orphan mode.
        orphan: i32 as I32,
        /// Not before the root distance was this small, seconds.
        activate_s: f64 as Float,
        /// Seconds after the last synchronisation.
        wait_synced_s: f64 as Float,
        /// Seconds when it never was synchronised.
        wait_unsynced_s: f64 as Float,
    }
}

/// What stands before a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The command's code.
    pub command: u16,
    /// How often it was sent before.
    pub attempt: u16,
    /// The client's number, echoed in the reply.
    pub sequence: u32,
}

/// Commands without a body: code, request.
const BARE: &[(u16, Request)] = &[
    (6, Request::Dump),
    (14, Request::SourceCount),
    (16, Request::Rekey),
    (30, Request::WriteRtc),
    (33, Request::Tracking),
    (35, Request::RtcReport),
    (36, Request::TrimRtc),
    (37, Request::CycleLogs),
    (41, Request::ManualList),
    (43, Request::MakeStep),
    (44, Request::Activity),
    (48, Request::Reselect),
    (51, Request::Smoothing),
    (53, Request::Refresh),
    (54, Request::ServerStats),
    (62, Request::Shutdown),
    (63, Request::OnOffline),
    (66, Request::ResetSources),
    (70, Request::ReloadSources),
];

impl Request {
    /// The command's code on the wire.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Online(_) => 1,
            Self::Offline(_) => 2,
            Self::Burst(_) => 3,
            Self::Source(_) => 15,
            Self::Access(command, _) => *command as u16,
            Self::AccessCheck(_) => 25,
            Self::CommandAccessCheck(_) => 26,
            Self::DeleteSource(_) => 29,
            Self::SourceStats(_) => 34,
            Self::SetMakeStep(_) => 50,
            Self::NtpData(_) => 57,
            Self::AddSource(_) => 64,
            Self::SourceName(_) => 65,
            Self::AuthData(_) => 67,
            Self::Clients(_) => 68,
            Self::SelectData(_) => 69,
            Self::Local(_) => 74,
            Self::Change(change) => change.code(),
            Self::Other(code) => *code,
            bare => BARE
                .iter()
                .find(|(_, request)| request == bare)
                .map_or(0, |(code, _)| *code),
        }
    }

    /// Octets of the longest reply to it: what the request is padded to.
    #[must_use]
    pub fn reply_length(&self) -> usize {
        reply::longest_reply(self.code())
    }

    /// The packet.
    #[must_use]
    pub fn encode(&self, sequence: u32, attempt: u16) -> Vec<u8> {
        let mut out = vec![VERSION, TYPE_REQUEST, 0, 0];
        out.extend(self.code().to_be_bytes());
        out.extend(attempt.to_be_bytes());
        out.extend(sequence.to_be_bytes());
        out.extend([0; 8]);
        match self {
            Self::Source(index) | Self::SourceStats(index) | Self::SelectData(index) => {
                U32::write(index, &mut out);
            }
            Self::NtpData(address)
            | Self::SourceName(address)
            | Self::AuthData(address)
            | Self::AccessCheck(address)
            | Self::CommandAccessCheck(address)
            | Self::DeleteSource(address) => Addr::write(address, &mut out),
            Self::Clients(range) => range.write(&mut out),
            Self::Burst(burst) => burst.write(&mut out),
            Self::SetMakeStep(step) => step.write(&mut out),
            Self::Online(subnet) | Self::Offline(subnet) => subnet.write(&mut out),
            Self::AddSource(source) => source.write(&mut out),
            Self::Access(_, subnet) => subnet.write(&mut out),
            Self::Local(local) => local.write(&mut out),
            Self::Change(change) => change.write(&mut out),
            _ => {}
        }
        out.resize(out.len().max(self.reply_length()), 0);
        out
    }

    /// The request in a packet. One with padding beyond what is needed is accepted, as chronyd
    /// does.
    ///
    /// # Errors
    /// `Invalid` for another version or type, `Truncated` when it is shorter than its body or than
    /// the reply would be, `TooLong` beyond the longest packet.
    pub fn decode(bytes: &[u8]) -> Result<(RequestHeader, Self), DecodeError> {
        let mut r = Reader::new(bytes);
        if bytes.len() > MAX_LEN {
            return Err(r.error("request", Problem::TooLong));
        }
        if r.u8("version")? != VERSION {
            return Err(r.error("version", Problem::Invalid));
        }
        if r.u8("packet type")? != TYPE_REQUEST {
            return Err(r.error("packet type", Problem::Invalid));
        }
        r.take(2, "reserved")?;
        let header = RequestHeader {
            command: r.u16("command")?,
            attempt: r.u16("attempt")?,
            sequence: r.u32("sequence")?,
        };
        r.take(8, "padding")?;
        debug_assert_eq!(r.position(), REQUEST_HEADER_LEN);
        let request = Self::body(header.command, &mut r)?;
        if bytes.len() < reply::shortest_reply(header.command) {
            return Err(r.error("padding", Problem::Truncated));
        }
        Ok((header, request))
    }

    fn body(code: u16, r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if let Some(access) = ACCESS.iter().find(|access| **access as u16 == code) {
            return Ok(Self::Access(*access, AccessSubnet::read(r)?));
        }
        if let Some((_, bare)) = BARE.iter().find(|(number, _)| *number == code) {
            return Ok(bare.clone());
        }
        if let Some(change) = Change::read(code, r)? {
            return Ok(Self::Change(change));
        }
        Ok(match code {
            1 => Self::Online(Subnet::read(r)?),
            2 => Self::Offline(Subnet::read(r)?),
            3 => Self::Burst(Burst::read(r)?),
            15 => Self::Source(r.u32("index")?),
            25 => Self::AccessCheck(Addr::read(r, "address")?),
            26 => Self::CommandAccessCheck(Addr::read(r, "address")?),
            29 => Self::DeleteSource(Addr::read(r, "address")?),
            34 => Self::SourceStats(r.u32("index")?),
            50 => Self::SetMakeStep(MakeStep::read(r)?),
            56 => Self::Local(old_local(r)?),
            57 => Self::NtpData(Addr::read(r, "address")?),
            64 => Self::AddSource(Box::new(NewSource::read(r)?)),
            65 => Self::SourceName(Addr::read(r, "address")?),
            67 => Self::AuthData(Addr::read(r, "address")?),
            68 => Self::Clients(ClientRange::read(r)?),
            69 => Self::SelectData(r.u32("index")?),
            74 => Self::Local(Local::read(r)?),
            _ => Self::Other(code),
        })
    }
}

/// The body of `local` before 4.6, which had a code of its own.
fn old_local(r: &mut Reader<'_>) -> Result<Local, DecodeError> {
    Ok(Local {
        on: I32::read(r, "on")?,
        stratum: I32::read(r, "stratum")?,
        distance_s: Float::read(r, "distance")?,
        orphan: I32::read(r, "orphan")?,
        activate_s: 0.0,
        wait_synced_s: 0.0,
        wait_unsynced_s: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> Vec<Request> {
        let address = Address::V4([192, 0, 2, 1].into());
        let mut requests: Vec<Request> = BARE.iter().map(|(_, r)| r.clone()).collect();
        requests.extend([
            Request::Source(3),
            Request::SourceStats(4),
            Request::SelectData(5),
            Request::NtpData(address),
            Request::SourceName(address),
            Request::AuthData(address),
            Request::AccessCheck(address),
            Request::CommandAccessCheck(address),
            Request::DeleteSource(address),
            Request::Clients(ClientRange {
                first: 0,
                count: 8,
                min_hits: 0,
                reset: 0,
            }),
            Request::Burst(Burst {
                mask: Address::Unspecified,
                address: Address::Unspecified,
                good: 4,
                total: 8,
            }),
            Request::SetMakeStep(MakeStep {
                limit: -1,
                threshold_s: 0.5,
            }),
            Request::Online(Subnet::default()),
            Request::Offline(Subnet::default()),
            Request::AddSource(Box::new(NewSource::new(
                super::super::new_source::SERVER,
                "ntp1.example",
            ))),
            Request::Access(AccessCommand::DenyAll, AccessSubnet { address, bits: 24 }),
            Request::Local(Local {
                on: 1,
                stratum: 10,
                distance_s: 1.0,
                orphan: 0,
                activate_s: 0.0,
                wait_synced_s: 0.0,
                wait_unsynced_s: 0.0,
            }),
        ]);
        requests
    }

    #[test]
    fn requests_survive_the_wire() {
        for request in all() {
            let bytes = request.encode(0x0102_0304, 2);
            assert!(bytes.len() >= request.reply_length(), "{request:?}");
            let (header, got) = Request::decode(&bytes).unwrap();
            assert_eq!(got, request);
            assert_eq!((header.sequence, header.attempt), (0x0102_0304, 2));
        }
    }

    /// Octets measured against chronyd 4.8: request with its padding.
    #[test]
    fn requests_have_the_lengths_that_chronyd_expects() {
        let length = |code: u16| {
            let found = all().into_iter().find(|r| r.code() == code);
            found.unwrap().encode(1, 0).len()
        };
        for (code, octets) in [
            (1, 60),
            (3, 68),
            (14, 32),
            (15, 76),
            (25, 40),
            (29, 40),
            (33, 104),
            (34, 84),
            (35, 56),
            (41, 416),
            (43, 28),
            (44, 48),
            (50, 28),
            (51, 52),
            (54, 196),
            (57, 172),
            (64, 372),
            (65, 284),
            (67, 52),
            (68, 520),
            (69, 76),
            (70, 28),
            (74, 48),
        ] {
            assert_eq!(length(code), octets, "command {code}");
        }
    }

    #[test]
    fn a_request_shorter_than_its_reply_is_refused() {
        let bytes = Request::Tracking.encode(1, 0);
        assert!(Request::decode(&bytes[..103]).is_err());
        let mut version = bytes.clone();
        version[0] = 5;
        assert!(Request::decode(&version).is_err());
        assert!(Request::decode(&vec![6; 700]).is_err());
    }

    proptest! {
        #[test]
        fn hostile_requests_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..620), code in 0u16..80) {
            let mut bytes = bytes;
            if bytes.len() > 6 {
                bytes[0] = 6;
                bytes[1] = 1;
                bytes[4] = 0;
                bytes[5] = code as u8;
            }
            let _ = Request::decode(&bytes);
        }
    }
}
