//! Asking chronyd (and clockbox's own daemon, which speaks the same) through its control socket:
//! the Unix socket as chronyc does it, for root and the daemon's own user; else UDP port 323 on
//! loopback, where a daemon answers what anyone may know. Every wait has a limit.

mod race;

use super::ask;
use super::clock;
use super::error::Error;
use super::udp;
use crate::proto::cmdmon::MAX_LEN;
use crate::proto::cmdmon::Status;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::request::Request;
use nix::sys::stat::Mode;
use nix::sys::stat::umask;
use std::fmt;
use std::hash::BuildHasher;
use std::hash::Hasher;
use std::hash::RandomState;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::path::PathBuf;

/// Where chronyd's Unix socket is, newest place first.
pub const CHRONY_SOCKETS: &[&str] = &["/run/chrony/chronyd.sock", "/var/run/chrony/chronyd.sock"];
/// Where clockbox's own daemon has its socket.
pub const CLOCKBOX_SOCKET: &str = "/run/clockbox/control.sock";

/// Datagrams that are no reply to the question are passed over; this many and no more.
const STRAY_LIMIT: u32 = 64;

/// Where a daemon is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Its Unix socket.
    Unix(PathBuf),
    /// Its UDP port.
    Udp(SocketAddr),
}

impl Endpoint {
    /// The word for the way: `unix` or `udp`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Unix(_) => "unix",
            Self::Udp(_) => "udp",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Udp(address) => write!(f, "UDP {address}"),
        }
    }
}

/// Why a question has no answer.
pub type AskError = ask::AskError<Status>;

/// Questions under way at once: a Unix socket holds ten datagrams unless the system says otherwise
/// (net.unix.max_dgram_qlen).
const AT_ONCE: usize = 8;

/// Tries and until which part of the limit each waits: one, two and four parts, which is chronyc's
/// doubling within our limit.
const TRIES: [(u16, f64); 3] = [(0, 1.0 / 7.0), (1, 3.0 / 7.0), (2, 1.0)];

/// The socket and, for a Unix socket, the file that the answers come to.
#[derive(Debug)]
enum Channel {
    Unix(UnixDatagram, PathBuf),
    Udp(UdpSocket),
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Self::Unix(_, own) = self {
            let _ = std::fs::remove_file(own);
        }
    }
}

/// A conversation with one daemon.
#[derive(Debug)]
pub struct Client {
    channel: Channel,
    endpoint: Endpoint,
    sequence: u32,
    limit_s: f64,
}

impl Client {
    /// Opens a conversation. `limit_s` is the time for each question, all tries together.
    ///
    /// # Errors
    /// `Absent` when there is no such socket or nobody behind it, `System` for want of privilege.
    pub fn open(endpoint: Endpoint, limit_s: f64) -> Result<Self, AskError> {
        let channel = match &endpoint {
            Endpoint::Unix(path) => unix(path),
            Endpoint::Udp(address) => ask::connected(*address).map(Channel::Udp),
        }
        .map_err(AskError::of)?;
        Ok(Self {
            channel,
            endpoint,
            // Numbers that a stranger cannot guess.
            sequence: RandomState::new().build_hasher().finish() as u32,
            limit_s,
        })
    }

    /// Opens a conversation with this machine's chronyd, the first way that answers: the Unix
    /// sockets, then this UDP port on loopback; 0 is none.
    ///
    /// # Errors
    /// What the most promising way said.
    pub fn local(sockets: &[&str], port: u16, limit_s: f64) -> Result<Self, AskError> {
        let unix = sockets.iter().map(|path| Endpoint::Unix(path.into()));
        let loopback: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let udp = loopback
            .into_iter()
            .filter(|_| port != 0)
            .map(|ip| Endpoint::Udp(SocketAddr::new(ip, port)));
        Self::first(unix.chain(udp), limit_s)
    }

    /// Opens a conversation through the first of these ways that answers; the limit is for all of
    /// them together.
    ///
    /// # Errors
    /// `Silent` when one of them took the question and said nothing; else what the first one said.
    pub fn first(ways: impl IntoIterator<Item = Endpoint>, limit_s: f64) -> Result<Self, AskError> {
        race::first(ways, limit_s)
    }

    /// Where the daemon is asked.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks, three times if need be, and gives the answer.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn ask(&mut self, request: &Request) -> Result<Reply, AskError> {
        let answers = self.exchange(std::slice::from_ref(request))?;
        answers.into_iter().next().unwrap_or(Err(AskError::Silent))
    }

    /// As [`ask`](Self::ask), `None` where the daemon refuses or does not know the question (an
    /// older release, or not over UDP).
    ///
    /// # Errors
    /// When the daemon is silent or the reply is malformed.
    pub fn ask_if_allowed(&mut self, request: &Request) -> Result<Option<Reply>, AskError> {
        unless_refused(self.ask(request))
    }

    /// Asks all these questions, several at a time, and gives the answers in their order, `None`
    /// as in [`ask_if_allowed`](Self::ask_if_allowed).
    ///
    /// # Errors
    /// When the daemon is silent or a reply is malformed.
    pub fn ask_all(&mut self, requests: &[Request]) -> Result<Vec<Option<Reply>>, AskError> {
        let mut answers = Vec::with_capacity(requests.len());
        for some in requests.chunks(AT_ONCE) {
            for answer in self.exchange(some)? {
                answers.push(unless_refused(answer)?);
            }
        }
        Ok(answers)
    }

    /// The answers to questions that are under way together; the limit is for all of them.
    fn exchange(&mut self, requests: &[Request]) -> Result<Vec<Result<Reply, AskError>>, AskError> {
        let mut open: Vec<Open<'_>> = Vec::with_capacity(requests.len());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            open.push(Open {
                request,
                sequence: self.sequence,
                answer: None,
            });
        }
        let start = clock::monotonic();
        for (attempt, until) in TRIES {
            for question in open.iter().filter(|question| question.answer.is_none()) {
                let packet = question.request.encode(question.sequence, attempt);
                self.send(&packet).map_err(AskError::of)?;
            }
            let deadline = start.plus_seconds(self.limit_s * until);
            self.await_replies(&mut open, deadline)?;
            if open.iter().all(|question| question.answer.is_some()) {
                return Ok(open.into_iter().filter_map(|q| q.answer).collect());
            }
        }
        Err(AskError::Silent)
    }

    /// Receives until all are answered, or the deadline.
    fn await_replies(
        &self,
        open: &mut [Open<'_>],
        deadline: crate::time::Monotonic,
    ) -> Result<(), AskError> {
        let mut buffer = [0; MAX_LEN + 1];
        let mut strays = 0;
        while strays < STRAY_LIMIT && open.iter().any(|question| question.answer.is_none()) {
            let left = deadline.seconds_since(clock::monotonic());
            if left <= 0.0 {
                return Ok(());
            }
            // Of several answers the next is there already, most often.
            let length = match self.receive(&mut buffer) {
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let wait_ms = (left * 1000.0).ceil() as u64;
                    udp::wait(&[self.fd()], wait_ms).map_err(AskError::System)?;
                    continue;
                }
                Err(e) => {
                    return Err(AskError::of(Error::new(
                        "ask",
                        self.endpoint.to_string(),
                        e,
                    )));
                }
            };
            if !judge(buffer.get(..length).unwrap_or_default(), open)? {
                strays += 1;
            }
        }
        Ok(())
    }

    fn send(&self, packet: &[u8]) -> Result<(), Error> {
        let sent = match &self.channel {
            Channel::Unix(socket, _) => socket.send(packet),
            Channel::Udp(socket) => socket.send(packet),
        };
        match sent {
            // The daemon has enough to do: this one is for the next try.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(Error::new("ask", self.endpoint.to_string(), e)),
            Ok(_) => Ok(()),
        }
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.channel {
            Channel::Unix(socket, _) => socket.recv(buffer),
            Channel::Udp(socket) => socket.recv(buffer),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.channel {
            Channel::Unix(socket, _) => socket.as_fd(),
            Channel::Udp(socket) => socket.as_fd(),
        }
    }
}

/// Whether somebody has this socket open; `false` too where that may not be seen.
#[must_use]
pub fn is_held(path: &str) -> bool {
    Client::open(Endpoint::Unix(path.into()), 0.0).is_ok()
}

/// A question that is under way.
struct Open<'a> {
    request: &'a Request,
    sequence: u32,
    answer: Option<Result<Reply, AskError>>,
}

/// Puts a datagram to its question; `false` when it is for none of them.
fn judge(bytes: &[u8], open: &mut [Open<'_>]) -> Result<bool, AskError> {
    // The sequence number is read first, so that a stray cannot end the conversation.
    let Some(sequence) = bytes.get(16..20) else {
        return Ok(false);
    };
    let asked = open
        .iter_mut()
        .find(|question| sequence == question.sequence.to_be_bytes());
    let Some(question) = asked.filter(|question| question.answer.is_none()) else {
        return Ok(false);
    };
    let (header, reply) =
        Reply::decode(bytes).map_err(|error| AskError::Malformed(error.to_string()))?;
    if header.command == question.request.code() {
        question.answer = Some(match header.status.is_success() {
            true => Ok(reply),
            false => Err(AskError::Refused(header.status)),
        });
    }
    Ok(question.answer.is_some())
}

fn unless_refused(answer: Result<Reply, AskError>) -> Result<Option<Reply>, AskError> {
    match answer {
        Ok(reply) => Ok(Some(reply)),
        Err(AskError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// chronyd answers only to a socket that has a name, and the name must be where the daemon, in
/// its own view of the file system, sees it: beside its own.
fn unix(path: &Path) -> Result<Channel, Error> {
    let failed = |e| Error::new("reach", path.display().to_string(), e);
    if let Err(e) = std::fs::symlink_metadata(path) {
        return Err(failed(e));
    }
    let token = RandomState::new().build_hasher().finish();
    let own = path.with_file_name(format!("clockbox.{}.{token:016x}.sock", std::process::id()));
    // The daemon's user must be able to write to it. A mask, not a chmod afterwards: in a
    // directory that belongs to another user the name could mean something else by then.
    let before = umask(Mode::empty());
    let bound = UnixDatagram::bind(&own);
    umask(before);
    let socket = bound.map_err(failed)?;
    let channel = Channel::Unix(socket, own);
    if let Channel::Unix(socket, _) = &channel {
        socket
            .connect(path)
            .and_then(|()| socket.set_nonblocking(true))
            .map_err(failed)?;
    }
    Ok(channel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::cmdmon::reply::ReplyHeader;
    use std::thread;

    /// A daemon on a Unix socket that answers one request with what the closure makes of it.
    fn daemon(
        path: &Path,
        answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let socket = UnixDatagram::bind(path).unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 700];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let to = from.as_pathname().unwrap();
            for datagram in answer(&buffer[..length]) {
                // The asker may have heard enough and gone.
                let _ = socket.send_to(&datagram, to);
            }
            // Retries are heard and not answered.
            socket
                .set_read_timeout(Some(std::time::Duration::from_millis(800)))
                .unwrap();
            while let Ok((length, _)) = socket.recv_from(&mut buffer) {
                if length == 0 {
                    break;
                }
            }
        })
    }

    pub(super) fn reply(request: &[u8], status: Status, sequence_change: u32) -> Vec<u8> {
        let (header, _) = Request::decode(request).unwrap();
        let reply = if status.is_success() {
            Reply::SourceCount(3)
        } else {
            Reply::Null
        };
        reply.encode(ReplyHeader {
            command: header.command,
            status,
            sequence: header.sequence.wrapping_add(sequence_change),
        })
    }

    fn ask(answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Result<Reply, AskError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chronyd.sock");
        let daemon = daemon(&path, answer);
        let mut client = Client::open(Endpoint::Unix(path.clone()), 0.7).unwrap();
        let result = client.ask(&Request::SourceCount);
        drop(client);
        UnixDatagram::unbound()
            .unwrap()
            .send_to(b"", &path)
            .unwrap();
        daemon.join().unwrap();
        // Nothing of ours stays beside the daemon's socket.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        result
    }

    #[test]
    fn strays_and_wrong_sequences_are_passed_over() {
        let got = ask(|request| {
            vec![
                b"noise".to_vec(),
                reply(request, Status::Success, 1),
                reply(request, Status::Success, 0),
            ]
        });
        assert!(matches!(got, Ok(Reply::SourceCount(3))), "{got:?}");
    }

    #[test]
    fn a_refusal_is_told_with_its_status() {
        let got = ask(|request| vec![reply(request, Status::Unauthorised, 0)]);
        assert!(
            matches!(got, Err(AskError::Refused(Status::Unauthorised))),
            "{got:?}"
        );
    }

    #[test]
    fn a_truncated_or_overlong_reply_is_malformed() {
        for length in [27, 31, 33, 600] {
            let got = ask(move |request| {
                let mut bytes = reply(request, Status::Success, 0);
                bytes.resize(length, 0);
                vec![bytes]
            });
            assert!(
                matches!(got, Err(AskError::Malformed(_))),
                "{length} {got:?}"
            );
        }
    }

    #[test]
    fn silence_ends_at_the_limit() {
        let start = clock::monotonic();
        let got = ask(|request| vec![reply(request, Status::Success, 7); 100]);
        assert!(matches!(got, Err(AskError::Silent)), "{got:?}");
        assert!(clock::monotonic().seconds_since(start) < 5.0);
    }

    #[test]
    fn several_questions_are_answered_in_any_order_and_a_lost_one_is_asked_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chronyd.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        let asked = thread::spawn(move || {
            let mut heard = Vec::new();
            let mut buffer = [0; 700];
            // Eight, of which the fifth is lost, and the fifth again; the rest as they come.
            while heard.len() < 12 {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                let request = buffer[..length].to_vec();
                heard.push(Request::decode(&request).unwrap().1);
                let to = from.as_pathname().unwrap().to_owned();
                let say = |request: &[u8], status| {
                    let _ = socket.send_to(&reply(request, status, 0), &to);
                };
                match heard.len() {
                    1 | 5 => {}
                    2 => {
                        say(&request, Status::Success);
                        let mut first = request.clone();
                        let number = u32::from_be_bytes(request[8..12].try_into().unwrap());
                        first[8..12].copy_from_slice(&(number - 1).to_be_bytes());
                        say(&first, Status::Success);
                        // Again what was answered: a stray.
                        say(&request, Status::Success);
                    }
                    3 => say(&request, Status::Unauthorised),
                    _ => say(&request, Status::Success),
                }
            }
            heard
        });
        let mut client = Client::open(Endpoint::Unix(path), 3.0).unwrap();
        let questions = vec![Request::SourceCount; 11];
        let answers = client.ask_all(&questions).unwrap();
        let refused: Vec<usize> = (0..11).filter(|i| answers[*i].is_none()).collect();
        assert_eq!(refused, [2]);
        assert_eq!(asked.join().unwrap().len(), 12);
    }

    #[test]
    fn nobody_there_is_absent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chronyd.sock");
        let missing = Client::open(Endpoint::Unix(path.clone()), 1.0);
        assert!(matches!(missing, Err(AskError::Absent(_))));
        drop(UnixDatagram::bind(&path).unwrap());
        let dead = Client::open(Endpoint::Unix(path), 1.0);
        assert!(matches!(dead, Err(AskError::Absent(_))), "{dead:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
