//! Opening a conversation when it is not known which way the daemon answers: the first way alone,
//! as long as it may be merely slow; then all of them at once, within one limit.

use super::AskError;
use super::Client;
use super::Endpoint;
use super::Open;
use super::TRIES;
use super::judge;
use crate::proto::cmdmon::MAX_LEN;
use crate::proto::cmdmon::request::Request;
use crate::sys::clock;
use crate::sys::error::Error;
use crate::sys::udp;
use crate::time::Monotonic;
use std::io;
use std::os::unix::fs::MetadataExt;

/// The first of these ways that answers.
///
/// # Errors
/// `Silent` when one of them took the question and said nothing; else what the first one said.
pub(super) fn first(
    ways: impl IntoIterator<Item = Endpoint>,
    limit_s: f64,
) -> Result<Client, AskError> {
    let start = clock::monotonic();
    let mut ways = ways.into_iter();
    let mut race = Race::default();
    for (attempt, until) in TRIES {
        race.ask_again(attempt);
        let deadline = start.plus_seconds(limit_s * until);
        loop {
            // After the first try the others are asked too.
            while attempt > 0 || race.open.is_empty() {
                let Some(way) = ways.next() else { break };
                race.enter(way, limit_s, attempt);
            }
            if race.open.is_empty() {
                return Err(race.failed.unwrap_or(AskError::Silent));
            }
            if let Some(client) = race.listen(deadline)? {
                return Ok(client);
            }
            if deadline <= clock::monotonic() {
                break;
            }
        }
    }
    // Silence behind a socket says more than a closed port.
    Err(AskError::Silent)
}

/// The ways that were asked and have not answered yet.
#[derive(Default)]
struct Race {
    open: Vec<Client>,
    failed: Option<AskError>,
}

const QUESTION: Request = Request::SourceCount;

impl Race {
    fn enter(&mut self, way: Endpoint, limit_s: f64, attempt: u16) {
        if self.open.iter().any(|client| same(client.endpoint(), &way)) {
            return;
        }
        let entered = Client::open(way, limit_s).and_then(|client| {
            ask(&client, attempt)?;
            Ok(client)
        });
        match entered {
            Ok(client) => self.open.push(client),
            Err(error) => self.lose(error),
        }
    }

    fn lose(&mut self, error: AskError) {
        self.failed = self.failed.take().or(Some(error));
    }

    fn ask_again(&mut self, attempt: u16) {
        for client in std::mem::take(&mut self.open) {
            match ask(&client, attempt) {
                Ok(()) => self.open.push(client),
                Err(error) => self.lose(error),
            }
        }
    }

    /// Waits for something to read and reads it; the way that has answered.
    fn listen(&mut self, deadline: Monotonic) -> Result<Option<Client>, AskError> {
        let fds: Vec<_> = self.open.iter().map(Client::fd).collect();
        let left = deadline.millis_from(clock::monotonic());
        let ready = udp::wait(&fds, left).map_err(AskError::System)?;
        for index in ready.into_iter().rev() {
            let answer = self.open.get(index).map(answer);
            match answer {
                Some(Ok(true)) => return Ok(Some(self.open.swap_remove(index))),
                Some(Err(error)) => {
                    self.open.remove(index);
                    self.lose(error);
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// Whether two paths lead to one socket: /var/run is a link to /run.
fn same(one: &Endpoint, other: &Endpoint) -> bool {
    let place = |way: &Endpoint| match way {
        Endpoint::Unix(path) => std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino())),
        Endpoint::Udp(_) => None,
    };
    one == other || place(one).is_some_and(|place_of_one| place(other) == Some(place_of_one))
}

fn ask(client: &Client, attempt: u16) -> Result<(), AskError> {
    let packet = QUESTION.encode(client.sequence, attempt);
    client.send(&packet).map_err(AskError::of)
}

/// Whether the datagram that waits is the answer.
fn answer(client: &Client) -> Result<bool, AskError> {
    let mut buffer = [0; MAX_LEN + 1];
    let length = match client.receive(&mut buffer) {
        Ok(length) => length,
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
        Err(e) => {
            return Err(AskError::of(Error::new(
                "ask",
                client.endpoint.to_string(),
                e,
            )));
        }
    };
    let mut asked = [Open {
        request: &QUESTION,
        sequence: client.sequence,
        answer: None,
    }];
    judge(buffer.get(..length).unwrap_or_default(), &mut asked)?;
    let [asked] = asked;
    asked.answer.map_or(Ok(false), |said| said.map(|_| true))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files")]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;
    use std::thread;
    use std::time::Duration;

    /// Answers on UDP after a while, once.
    fn answers_after(wait: Duration) -> (Endpoint, thread::JoinHandle<()>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let endpoint = Endpoint::Udp(socket.local_addr().unwrap());
        let daemon = thread::spawn(move || {
            let mut buffer = [0; 700];
            socket
                .set_read_timeout(Some(Duration::from_secs(5)))
                .unwrap();
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            thread::sleep(wait);
            let request = buffer[..length].to_vec();
            let reply =
                super::super::tests::reply(&request, crate::proto::cmdmon::Status::Success, 0);
            socket.send_to(&reply, from).unwrap();
        });
        (endpoint, daemon)
    }

    #[test]
    fn all_silent_ways_together_take_the_limit_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chronyd.sock");
        let _hung = UnixDatagram::bind(&path).unwrap();
        let hung = UdpSocket::bind("127.0.0.1:0").unwrap();
        let link = dir.path().join("link.sock");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(same(
            &Endpoint::Unix(path.clone()),
            &Endpoint::Unix(link.clone())
        ));
        let ways = [
            Endpoint::Unix(path),
            Endpoint::Unix(link),
            Endpoint::Udp(hung.local_addr().unwrap()),
        ];
        let start = clock::monotonic();
        let got = first(ways, 1.5);
        let took = clock::monotonic().seconds_since(start);
        assert!(matches!(got, Err(AskError::Silent)), "{got:?}");
        assert!((1.35..2.7).contains(&took), "{took}");
        // Nothing of ours stays beside the daemon's socket.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_way_behind_a_silent_one_is_found_and_a_late_answer_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chronyd.sock");
        let _hung = UnixDatagram::bind(&path).unwrap();
        let (slow, daemon) = answers_after(Duration::from_millis(900));
        let got = first([Endpoint::Unix(path), slow.clone()], 4.0).unwrap();
        assert_eq!(got.endpoint(), &slow);
        daemon.join().unwrap();
    }

    #[test]
    fn a_closed_way_costs_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr();
        let closed = Endpoint::Udp(closed.unwrap());
        let missing = Endpoint::Unix(dir.path().join("chronyd.sock"));
        let (open, daemon) = answers_after(Duration::ZERO);
        let start = clock::monotonic();
        let got = first([missing.clone(), closed.clone(), open.clone()], 7.0).unwrap();
        assert_eq!(got.endpoint(), &open);
        daemon.join().unwrap();
        let got = first([missing, closed], 7.0);
        assert!(matches!(got, Err(AskError::Absent(_))), "{got:?}");
        assert!(clock::monotonic().seconds_since(start) < 0.9);
    }
}
