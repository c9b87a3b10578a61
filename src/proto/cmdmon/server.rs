//! The daemon's ear: what a datagram on a control socket is, and what is said to one that is no
//! request, or not one that this sender may make. The order of the tests and the silences are
//! chronyd's.

use super::MAX_LEN;
use super::REPLY_HEADER_LEN;
use super::Status;
use super::TYPE_REQUEST;
use super::VERSION;
use super::reply::Reply;
use super::reply::ReplyHeader;
use super::request::Request;
use crate::proto::reader::Problem;

/// The oldest version that is told that it is too old; others hear nothing.
const OLDEST_TOLD: u8 = 5;
/// The code of `add server` and its kin, whose body has a name.
const ADD_SOURCE: u16 = 64;

/// Whoever sent a request, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights<'a> {
    /// The Unix socket: its permissions are the authentication.
    All,
    /// The network: only the commands with these codes.
    Only(&'a [u16]),
}

impl Rights<'_> {
    /// Whether this command may be asked.
    #[must_use]
    pub fn permit(self, command: u16) -> bool {
        match self {
            Self::All => true,
            Self::Only(open) => open.contains(&command),
        }
    }
}

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// Nothing that is answered.
    Nothing,
    /// A request that is refused: what is to be said, with which status.
    Refused(ReplyHeader),
    /// A request.
    Asked(ReplyHeader, Request),
}

/// What a datagram is.
#[must_use]
pub fn hear(bytes: &[u8], rights: Rights<'_>) -> Heard {
    let &[version, kind, 0, 0, c0, c1, _, _, s0, s1, s2, s3, ..] = bytes else {
        return Heard::Nothing;
    };
    if kind != TYPE_REQUEST || bytes.len() < REPLY_HEADER_LEN || bytes.len() > MAX_LEN {
        return Heard::Nothing;
    }
    let command = u16::from_be_bytes([c0, c1]);
    let header = |status| ReplyHeader {
        command,
        status,
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
    };
    if version != VERSION {
        return if version >= OLDEST_TOLD {
            Heard::Refused(header(Status::BadVersion))
        } else {
            Heard::Nothing
        };
    }
    let status = match Request::decode(bytes) {
        Ok((_, Request::Other(_))) => Status::Invalid,
        Ok((_, request)) if rights.permit(command) => {
            return Heard::Asked(header(Status::Success), request);
        }
        Err(error) if error.problem == Problem::Truncated => Status::BadLength,
        Err(_) if rights.permit(command) && command == ADD_SOURCE => Status::InvalidName,
        Err(_) if rights.permit(command) => Status::Invalid,
        Ok(_) | Err(_) => Status::Unauthorised,
    };
    Heard::Refused(header(status))
}

/// The datagram that answers one of `room` octets; none when it would be longer than that.
#[must_use]
pub fn say(header: ReplyHeader, reply: &Reply, room: usize) -> Option<Vec<u8>> {
    reply.encode_within(header, room)
}

#[cfg(test)]
mod tests {
    use super::super::reply::ServerStats;
    use super::*;

    fn status(bytes: &[u8], rights: Rights<'_>) -> Option<Status> {
        match hear(bytes, rights) {
            Heard::Nothing => None,
            Heard::Refused(header) | Heard::Asked(header, _) => Some(header.status),
        }
    }

    /// What chronyd 4.8 did with the same octets.
    #[test]
    fn lengths_versions_and_rights_are_judged_as_measured() {
        let good = Request::Tracking.encode(9, 0);
        let open = Rights::Only(&[33]);
        assert_eq!(status(&good, open), Some(Status::Success));
        assert_eq!(
            status(&good, Rights::Only(&[14])),
            Some(Status::Unauthorised)
        );
        assert_eq!(status(&good[..103], open), Some(Status::BadLength));
        assert_eq!(status(&good[..28], open), Some(Status::BadLength));
        assert_eq!(status(&good[..27], open), None);
        let mut longer = good.clone();
        longer.resize(400, 0);
        assert_eq!(status(&longer, open), Some(Status::Success));
        longer.resize(MAX_LEN + 1, 0);
        assert_eq!(status(&longer, open), None);
        for (at, value, want) in [
            (0, 4, None),
            (0, 5, Some(Status::BadVersion)),
            (0, 7, Some(Status::BadVersion)),
            (1, 2, None),
            (2, 1, None),
            (5, 75, Some(Status::Invalid)),
            (5, 10, Some(Status::Invalid)),
        ] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert_eq!(status(&bytes, Rights::All), want, "octet {at} = {value}");
        }
    }

    #[test]
    fn a_reply_longer_than_its_request_is_not_sent() {
        let header = ReplyHeader {
            command: 14,
            status: Status::Success,
            sequence: 1,
        };
        assert!(say(header, &Reply::SourceCount(1), 31).is_none());
        assert!(say(header, &Reply::SourceCount(1), 32).is_some());
    }

    #[test]
    fn a_client_of_an_older_release_gets_the_form_that_it_knows() {
        let header = ReplyHeader {
            command: 54,
            status: Status::Success,
            sequence: 1,
        };
        let mut stats = ServerStats::default();
        for (value, counter) in stats.counters.iter_mut().enumerate() {
            *counter = Some(value as u64);
        }
        for (room, octets, last) in [
            (500, 196, 16),
            (195, 72, 10),
            (72, 72, 10),
            (60, 60, 7),
            (48, 48, 6),
        ] {
            let bytes = say(header, &Reply::ServerStats(stats), room).unwrap();
            assert_eq!(bytes.len(), octets);
            let Ok((_, Reply::ServerStats(got))) = Reply::decode(&bytes) else {
                panic!("{bytes:?}");
            };
            assert_eq!(got.counters[last], Some(last as u64), "{room}");
        }
        assert!(say(header, &Reply::ServerStats(stats), 47).is_none());
    }
}
