//! Asking ntpd by control messages (RFC 9327) over UDP port 123: one question, fragments to a
//! message, three tries within one limit. Replies of strangers never reach the connected socket.

use super::ask;
use super::clock;
use super::error::Error;
use super::udp;
use crate::proto::mode6::packet::Fragment;
use crate::proto::mode6::packet::HEADER_LEN;
use crate::proto::mode6::packet::MAX_DATA;
use crate::proto::mode6::packet::Opcode;
use crate::proto::mode6::reassembly::Message;
use crate::time::Monotonic;
use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsFd;

/// Datagrams that do not belong to the question are passed over; this many and no more.
const STRAY_LIMIT: u32 = 512;
/// Room for a fragment with a MAC, and for seeing that one is too long.
const BUFFER: usize = HEADER_LEN + MAX_DATA + 128;

/// Why a question has no answer; `Silent` may be `restrict … noquery`, or no ntpd.
pub type AskError = ask::AskError<&'static str>;

/// A conversation with one ntpd.
#[derive(Debug)]
pub struct Client {
    socket: UdpSocket,
    address: SocketAddr,
    sequence: u16,
    limit_s: f64,
}

impl Client {
    /// Opens a conversation; `limit_s` is the time for each question, all tries together.
    ///
    /// # Errors
    /// When there is no such address family or no route.
    pub fn open(address: SocketAddr, limit_s: f64) -> Result<Self, AskError> {
        let socket = ask::connected(address).map_err(AskError::System)?;
        Ok(Self {
            socket,
            address,
            sequence: super::random::bits().unwrap_or(1) as u16,
            limit_s,
        })
    }

    /// Asks, and gives the status word and the data of the reply.
    ///
    /// # Errors
    /// See [`AskError`].
    pub fn ask(&mut self, opcode: Opcode, association: u16) -> Result<(u16, Vec<u8>), AskError> {
        let start = clock::monotonic();
        for until in [1.0 / 7.0, 3.0 / 7.0, 1.0] {
            self.sequence = self.sequence.wrapping_add(1);
            let request = Fragment::request(opcode, association, self.sequence);
            self.socket
                .send(&request.encode())
                .map_err(|e| self.failed(e))?;
            let deadline = start.plus_seconds(self.limit_s * until);
            if let Some(answer) = self.await_reply(&request, deadline)? {
                return Ok(answer);
            }
        }
        Err(AskError::Silent)
    }

    fn await_reply(
        &self,
        request: &Fragment,
        deadline: Monotonic,
    ) -> Result<Option<(u16, Vec<u8>)>, AskError> {
        let mut message = Message::default();
        let mut buffer = [0; BUFFER];
        for _ in 0..STRAY_LIMIT {
            let now = clock::monotonic();
            if deadline <= now {
                return Ok(None);
            }
            let ready = udp::wait(&[self.socket.as_fd()], deadline.millis_from(now));
            if ready.map_err(AskError::System)?.is_empty() {
                continue;
            }
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                Err(e) => return Err(self.failed(e)),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            // NTP packets of other modes and older questions' replies are none of ours.
            let Ok(fragment) = Fragment::decode(bytes) else {
                continue;
            };
            let ours = fragment.response
                && fragment.sequence == request.sequence
                && fragment.opcode == request.opcode
                && fragment.association == request.association;
            if !ours {
                continue;
            }
            if fragment.error {
                return Err(AskError::Refused(fragment.refusal()));
            }
            match message.add(&fragment) {
                Ok(None) => {}
                Ok(whole) => return Ok(whole),
                Err(broken) => return Err(AskError::Malformed(broken.to_string())),
            }
        }
        Ok(None)
    }

    fn failed(&self, e: io::Error) -> AskError {
        AskError::of(Error::new("ask", format!("UDP {}", self.address), e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn ask(
        answers: impl Fn(&Fragment) -> Vec<Fragment> + Send + 'static,
    ) -> Result<(u16, Vec<u8>), AskError> {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let daemon = thread::spawn(move || {
            let mut buffer = [0; 600];
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            let request = Fragment::decode(&buffer[..length]).unwrap();
            for answer in answers(&request) {
                server.send_to(&answer.encode(), from).unwrap();
            }
            // Kept open, so that a second try is not refused.
            server
                .set_read_timeout(Some(std::time::Duration::from_millis(900)))
                .unwrap();
            while server.recv_from(&mut buffer).is_ok_and(|(n, _)| n > 0) {}
        });
        let mut client = Client::open(address, 0.7).unwrap();
        let result = client.ask(Opcode::ReadVariables, 0);
        client.socket.send(&[]).unwrap();
        daemon.join().unwrap();
        result
    }

    fn part(request: &Fragment, offset: u16, data: &[u8], more: bool) -> Fragment {
        Fragment {
            response: true,
            offset,
            more,
            data: data.to_vec(),
            status: 0x0615,
            ..request.clone()
        }
    }

    #[test]
    fn fragments_out_of_order_are_put_together_and_strays_passed_over() {
        let got = ask(|request| {
            let mut stray = part(request, 0, b"evil", false);
            stray.sequence = stray.sequence.wrapping_add(1);
            vec![
                stray,
                request.clone(),
                part(request, 3, b"def", false),
                part(request, 0, b"abc", true),
            ]
        });
        assert_eq!(got.unwrap(), (0x0615, b"abcdef".to_vec()));
    }

    #[test]
    fn a_refusal_is_told_in_words() {
        let got = ask(|request| {
            vec![Fragment {
                error: true,
                status: 7 << 8,
                ..part(request, 0, b"", false)
            }]
        });
        assert!(matches!(got, Err(AskError::Refused(why)) if why.contains("prohibited")));
    }

    #[test]
    fn fragments_that_loop_end_in_an_error_not_in_a_hang() {
        let got = ask(|request| vec![part(request, 0, b"abc", true); 300]);
        assert!(matches!(got, Err(AskError::Malformed(_))), "{got:?}");
        let got = ask(|request| {
            vec![
                part(request, 0, b"abc", true),
                part(request, 1, b"xxx", true),
            ]
        });
        assert!(matches!(got, Err(AskError::Malformed(_))), "{got:?}");
    }

    #[test]
    fn a_message_with_a_hole_is_silence() {
        let got = ask(|request| vec![part(request, 5, b"end", false)]);
        assert!(matches!(got, Err(AskError::Silent)), "{got:?}");
    }

    #[test]
    fn a_closed_port_is_absent() {
        let address = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let got = Client::open(address, 0.5)
            .unwrap()
            .ask(Opcode::ReadStatus, 0);
        assert!(matches!(got, Err(AskError::Absent(_))), "{got:?}");
    }
}
