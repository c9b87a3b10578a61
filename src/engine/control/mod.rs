//! The control protocol's requests against the engine: a pure function from octets, the sender's
//! rights and the engine to the octets of the answer. `monitor` says what is; `change` does
//! what is asked. What is not the engine's (files, clients, access rules, the process) is the
//! [`ControlHost`]'s.

mod change;
pub(super) mod monitor;
pub(super) mod selection;

use super::clock::Reading;
use super::core::Engine;
use super::source::Source;
use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::Status;
use crate::proto::cmdmon::change::Change;
use crate::proto::cmdmon::reply::Client;
use crate::proto::cmdmon::reply::ManualTimestamp;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::reply::Rtc;
use crate::proto::cmdmon::reply::ServerStats;
use crate::proto::cmdmon::request::AccessCommand;
use crate::proto::cmdmon::request::AccessSubnet;
use crate::proto::cmdmon::request::ClientRange;
use crate::proto::cmdmon::request::Request;
use crate::proto::cmdmon::server::Heard;
use crate::proto::cmdmon::server::Rights;
use crate::proto::cmdmon::server::hear;
use crate::proto::cmdmon::server::say;
use std::net::IpAddr;
use std::net::SocketAddr;

/// Commands that anybody on this machine may ask over UDP, unless `opencommands` says otherwise:
/// chrony's own set.
pub const OPEN: [u16; 9] = [14, 15, 33, 34, 35, 41, 44, 51, 65];

/// What the host is asked to do with files and with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Write what is known of the sources to files.
    Dump,
    /// Write what is known of the battery-backed clock to its file.
    WriteRtc,
    /// Set the battery-backed clock.
    TrimRtc,
    /// Close and open the log files.
    CycleLogs,
    /// Read the key file again.
    Rekey,
    /// Read the files of sources again.
    ReloadSources,
    /// End the program.
    Shutdown,
}

/// What is not the engine's. Whoever has none of a thing leaves the method as it is.
pub trait ControlHost {
    /// Does it; the status is the answer.
    fn order(&mut self, _order: Order, _now: Reading, _engine: &mut Engine) -> Status {
        Status::NotEnabled
    }

    /// Counters of the server and of the control sockets.
    fn server_stats(&self) -> ServerStats {
        ServerStats::default()
    }

    /// What is known of the battery-backed clock; none when it is not followed.
    fn rtc(&self) -> Option<Rtc> {
        None
    }

    /// Clients of the server from an index on: the size of the table, the next index, the
    /// clients; none where nobody is served.
    fn clients(&mut self, _range: ClientRange) -> Option<(u32, u32, Vec<Client>)> {
        None
    }

    /// Whether the server answers this address.
    fn serves(&self, _ip: IpAddr) -> bool {
        false
    }

    /// Whether this address may monitor over the network.
    fn monitors(&self, _ip: IpAddr) -> bool {
        false
    }

    /// Changes who is served or who may monitor.
    fn access(&mut self, _command: AccessCommand, _subnet: AccessSubnet) -> Status {
        Status::NotEnabled
    }

    /// Whether there is a route to this address.
    fn reachable(&self, _address: SocketAddr) -> bool {
        true
    }
}

/// The answer to a datagram; none where silence is the answer. It is never longer than the
/// datagram.
#[must_use]
pub fn answer(
    bytes: &[u8],
    rights: Rights<'_>,
    now: Reading,
    engine: &mut Engine,
    host: &mut impl ControlHost,
) -> Option<Vec<u8>> {
    match hear(bytes, rights) {
        Heard::Nothing => None,
        Heard::Refused(header) => say(header, &Reply::Null, bytes.len()),
        Heard::Asked(mut header, request) => {
            let reply = match handle(&request, now, engine, host) {
                Ok(reply) => reply,
                Err(status) => {
                    header.status = status;
                    Reply::Null
                }
            };
            say(header, &reply, bytes.len())
        }
    }
}

/// What a request gives, or why not.
fn handle(
    request: &Request,
    now: Reading,
    engine: &mut Engine,
    host: &mut impl ControlHost,
) -> Result<Reply, Status> {
    match request {
        Request::ServerStats => Ok(Reply::ServerStats(host.server_stats())),
        Request::Clients(range) => {
            let (indices, next, clients) = host.clients(*range).ok_or(Status::Inactive)?;
            Ok(Reply::Clients(indices, next, clients))
        }
        Request::AccessCheck(address) => Err(allowed(host.serves(ip(*address)?))),
        Request::CommandAccessCheck(address) => Err(allowed(host.monitors(ip(*address)?))),
        Request::Access(command, subnet) => done(host.access(*command, *subnet)),
        Request::Dump => done(host.order(Order::Dump, now, engine)),
        Request::CycleLogs => done(host.order(Order::CycleLogs, now, engine)),
        Request::Rekey => done(host.order(Order::Rekey, now, engine)),
        Request::ReloadSources => done(host.order(Order::ReloadSources, now, engine)),
        Request::Shutdown => done(host.order(Order::Shutdown, now, engine)),
        Request::OnOffline => {
            engine.on_or_offline(now, super::manage::Mask::All, |at| host.reachable(at));
            Ok(Reply::Null)
        }
        Request::WriteRtc => done(host.order(Order::WriteRtc, now, engine)),
        Request::TrimRtc => done(host.order(Order::TrimRtc, now, engine)),
        Request::RtcReport => host.rtc().map(Reply::Rtc).ok_or(Status::NoRtc),
        Request::Change(Change::SetTime(time)) => set_time(*time, now, engine),
        _ => match monitor::report(request, now, engine) {
            Some(result) => result,
            None => change::make(request, now, engine).map(|()| Reply::Null),
        },
    }
}

/// Beyond these seconds since 1970 a typed time is no time: the year 2200.
const LATEST: i64 = 7_258_118_400;

fn set_time(
    (seconds, nanos): (i64, u32),
    now: Reading,
    engine: &mut Engine,
) -> Result<Reply, Status> {
    if !(0..LATEST).contains(&seconds) {
        return Err(Status::Invalid);
    }
    let unix_ns = seconds * 1_000_000_000 + i64::from(nanos % 1_000_000_000);
    let outcome = engine.set_time(now, unix_ns).ok_or(Status::NotEnabled)?;
    Ok(Reply::ManualTimestamp(ManualTimestamp {
        offset_s: outcome.offset,
        residual_ppm: outcome.residual_ppm,
        frequency_ppm: outcome.frequency_ppm,
    }))
}

fn done(status: Status) -> Result<Reply, Status> {
    match status {
        Status::Success => Ok(Reply::Null),
        other => Err(other),
    }
}

const fn allowed(yes: bool) -> Status {
    if yes {
        Status::AccessAllowed
    } else {
        Status::AccessDenied
    }
}

fn ip(address: Address) -> Result<IpAddr, Status> {
    address.ip().ok_or(Status::BadSubnet)
}

/// The address that a source has in the protocol.
fn address_of(source: &Source) -> Address {
    match (&source.refclock, source.address) {
        (Some(clock), _) => Address::V4(clock.config.refid.0.into()),
        (None, Some(at)) => at.ip().into(),
        (None, None) => Address::Unresolved(source.id.0),
    }
}

/// Where the source of an address stands; `clocks` looks among reference clocks too.
fn find(engine: &Engine, address: Address, clocks: bool) -> Result<usize, Status> {
    let found = engine
        .sources
        .iter()
        .position(|s| (clocks || s.refclock.is_none()) && address_of(s) == address);
    found.ok_or(Status::NoSuchSource)
}

#[cfg(test)]
mod tests;
