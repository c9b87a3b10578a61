//! The questions put to one address, in order: pure. It is told the time and what came, and says
//! what to send and how long to wait. Never two packets within two seconds to one server, never
//! one more after a kiss of death, and nobody is called silent before a second try.

use crate::engine::checks;
use crate::engine::checks::Expected;
use crate::engine::checks::Rejection;
use crate::engine::sample::Sample;
use crate::proto::exposure;
use crate::proto::packet::HEADER_LEN;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::proto::refid::Kiss;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Seconds between packets to one server; public servers count closer ones as abuse.
pub const GAP: f64 = 2.0;
/// Seconds that the rest of an answer in several datagrams may take.
const REST: f64 = 0.5;
/// Datagrams after which the rest of an answer is not waited for; monlist's longest has 100.
const DATAGRAMS: u32 = 128;
/// Octets of an NTS request: 48 of header, 36 of unique identifier, 104 of cookie, 40 of
/// authenticator (RFC 8915 §5.7).
pub const NTS_SIZE: usize = 228;
/// An extension field of the experimental range (RFC 9748), unknown to every server: the fields of
/// NTS itself would make a server look for the rest of NTS and drop the packet.
const FILLER: u16 = 0xF5C0;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// NTPv4, 48 octets, random source port.
    First,
    /// NTPv3 from source port 123: whether anything helps where the first is silent.
    Otherwise,
    /// NTPv4 from source port 123.
    SourcePort,
    /// NTPv3 from a random port.
    Version3,
    /// NTPv4 as large as with NTS.
    NtsSize,
    /// Mode 6.
    Mode6,
    /// Mode 7.
    Mode7,
    /// The first again: whether the server still answers at all.
    Control,
}

impl Question {
    /// Whether it goes out from source port 123.
    #[must_use]
    pub const fn from_port_123(self) -> bool {
        matches!(self, Self::Otherwise | Self::SourcePort)
    }

    const fn version(self) -> u8 {
        match self {
            Self::Otherwise | Self::Version3 => 3,
            _ => 4,
        }
    }

    const fn mode(self) -> Option<Mode> {
        match self {
            Self::Mode6 => Some(Mode::Control),
            Self::Mode7 => Some(Mode::Private),
            _ => None,
        }
    }
}

/// How to ask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// All questions, not only those that the first answer calls for.
    pub full: bool,
    /// Seconds to wait for an answer.
    pub timeout: f64,
    /// Source port 123 can be used.
    pub port_123: bool,
    /// How often the first question is put before silence is believed; 1 where nothing gets lost
    /// (this machine itself): then nothing else is tried either.
    pub tries: u32,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A valid reply.
    Time(Reply),
    /// The server says that it is not synchronised; its kiss-like code where it gave one.
    Unsynchronised(Reply, Option<String>),
    /// A kiss of death.
    Kiss(Kiss),
    /// Something that is no answer: why.
    Garbage(String),
    /// Datagrams in mode 6 or 7: how many, octets.
    Counted(u32, u32),
    /// An error of the network.
    Refused(Refusal),
    /// Nothing.
    Silence,
}

impl Answer {
    /// Whether an NTP server said something.
    #[must_use]
    pub const fn is_reply(&self) -> bool {
        matches!(
            self,
            Self::Time(_) | Self::Unsynchronised(..) | Self::Counted(..)
        )
    }
}

/// A reply with what it measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The packet.
    pub packet: Packet,
    /// Offset, delay and the rest.
    pub sample: Sample,
    /// Who sent it.
    pub from: SocketAddr,
}

/// Why a packet could not get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// ICMP: type, code, IPv6, and who says so.
    Icmp {
        /// Type of the message.
        kind: u8,
        /// Its code.
        code: u8,
        /// ICMPv6, else ICMP.
        v6: bool,
        /// Who sent it.
        by: Option<std::net::IpAddr>,
    },
    /// This machine refused to send: the number of the error.
    Local(i32),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send these octets, for this question.
    Send(Question, Vec<u8>),
    /// Nothing before this time.
    Wait(Monotonic),
    /// All is asked.
    Done,
}

#[derive(Clone, Debug)]
struct Pending {
    question: Question,
    tries_left: u32,
    nonce: NtpTimestamp,
    version: u8,
    sent_at: NtpTimestamp,
    octets: usize,
    deadline: Monotonic,
    counted: (u32, u32),
    garbage: Option<String>,
}

/// The questions to one address and their answers.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Who is asked.
    pub address: SocketAddr,
    plan: Plan,
    queue: VecDeque<(Question, u32)>,
    pending: Option<Pending>,
    not_before: Option<Monotonic>,
    answers: BTreeMap<Question, (Answer, usize)>,
    packets: u32,
}

impl Exchange {
    /// Begins with the first question, twice if need be.
    #[must_use]
    pub fn new(address: SocketAddr, plan: Plan) -> Self {
        Self {
            address,
            plan,
            queue: VecDeque::from([(Question::First, plan.tries.max(1))]),
            pending: None,
            not_before: None,
            answers: BTreeMap::new(),
            packets: 0,
        }
    }

    /// What came of a question, and the octets that it had; `None` when it was not asked.
    #[must_use]
    pub fn answer(&self, question: Question) -> Option<&(Answer, usize)> {
        self.answers.get(&question)
    }

    /// Packets sent so far.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    /// What to do at this time. `random` is 64 unpredictable bits, the request's transmit
    /// timestamp. After `Send`, [`Self::sent`] or [`Self::failed`] must follow.
    pub fn next(&mut self, now: Monotonic, random: u64) -> Next {
        if let Some(pending) = &self.pending {
            if now < pending.deadline {
                return Next::Wait(pending.deadline);
            }
            self.time_is_up();
        }
        let Some(&(question, tries)) = self.queue.front() else {
            return Next::Done;
        };
        if let Some(earliest) = self.not_before.filter(|&earliest| now < earliest) {
            return Next::Wait(earliest);
        }
        self.queue.pop_front();
        // A transmit timestamp of zero would mean "unknown".
        let nonce = NtpTimestamp::from_bits(random | 1);
        let version = question.version();
        let bytes = request(question, version, nonce);
        self.pending = Some(Pending {
            question,
            tries_left: tries.saturating_sub(1),
            nonce,
            version,
            sent_at: NtpTimestamp::ZERO,
            octets: bytes.len(),
            deadline: now.plus_seconds(self.plan.timeout),
            counted: (0, 0),
            garbage: None,
        });
        self.not_before = Some(now.plus_seconds(GAP));
        Next::Send(question, bytes)
    }

    /// The packet left, at this local time.
    pub fn sent(&mut self, at: NtpTimestamp) {
        self.packets += 1;
        if let Some(pending) = &mut self.pending {
            pending.sent_at = at;
        }
    }

    /// The packet could not be sent: the number of the error.
    pub fn failed(&mut self, errno: i32) {
        self.end(Answer::Refused(Refusal::Local(errno)));
    }

    /// A question that cannot be asked for want of a socket: it is left out.
    pub fn impossible(&mut self) {
        self.pending = None;
    }

    /// An ICMP error about a packet to this address.
    pub fn icmp(&mut self, refusal: Refusal) {
        self.end(Answer::Refused(refusal));
    }

    /// A datagram came. `false` when it does not answer what is asked now (forged, late, or for
    /// another exchange on the same socket).
    pub fn received(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        at: NtpTimestamp,
        now: Monotonic,
    ) -> bool {
        let Some(pending) = &mut self.pending else {
            return false;
        };
        if let Some(mode) = pending.question.mode() {
            if from != self.address || !exposure::is_response(bytes, mode) {
                return false;
            }
            let octets = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            pending.counted.0 += 1;
            pending.counted.1 = pending.counted.1.saturating_add(octets);
            // Somebody who never stops to send does not keep us.
            if pending.counted.0 < DATAGRAMS {
                pending.deadline = now.plus_seconds(REST);
            }
            return true;
        }
        let expected = Expected {
            outstanding: Some(pending.nonce),
            answered: None,
            version: pending.version,
        };
        let decoded = Packet::decode(bytes);
        let ours = decoded.as_ref().is_ok_and(|p| p.origin == pending.nonce);
        if !ours && from != self.address {
            return false;
        }
        let reply = |packet: Packet| Reply {
            packet,
            sample: Sample::new(pending.sent_at, at, &packet, 1e-6),
            from,
        };
        let answer = match (checks::verify(bytes, &expected), decoded) {
            (Ok(packet), _) => Answer::Time(reply(packet)),
            (Err(Rejection::Kiss(kiss)), Ok(packet)) => match waiting_code(kiss) {
                Some(code) => Answer::Unsynchronised(reply(packet), Some(code)),
                None => Answer::Kiss(kiss),
            },
            (Err(Rejection::Unsynchronised | Rejection::RootDistance), Ok(packet)) => {
                Answer::Unsynchronised(reply(packet), None)
            }
            (Err(rejection), _) => {
                // Anybody can send rubbish: a real answer may still come.
                pending.garbage.get_or_insert(match rejection {
                    Rejection::Short => format!("{} octets that are no NTP", bytes.len()),
                    other => other.to_string(),
                });
                return true;
            }
        };
        self.end(answer);
        true
    }

    /// Whether this is the outstanding request's transmit timestamp.
    #[must_use]
    pub fn asked_with(&self, origin: NtpTimestamp) -> bool {
        self.pending.as_ref().is_some_and(|p| p.nonce == origin)
    }

    fn time_is_up(&mut self) {
        let Some(pending) = &mut self.pending else {
            return;
        };
        let (packets, octets) = pending.counted;
        if packets > 0 {
            self.end(Answer::Counted(packets, octets));
        } else if let Some(why) = pending.garbage.take() {
            self.end(Answer::Garbage(why));
        } else if pending.tries_left > 0 {
            let again = (pending.question, pending.tries_left);
            self.pending = None;
            self.queue.push_front(again);
        } else {
            self.end(Answer::Silence);
        }
    }

    fn end(&mut self, answer: Answer) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let question = pending.question;
        self.follow(question, &answer);
        self.answers.insert(question, (answer, pending.octets));
    }

    /// Which questions an answer calls for.
    fn follow(&mut self, question: Question, answer: &Answer) {
        if matches!(answer, Answer::Kiss(_)) {
            self.queue.clear();
            return;
        }
        match question {
            Question::First if answer.is_reply() && self.plan.full => {
                if self.plan.port_123 {
                    self.queue.push_back((Question::SourcePort, 2));
                }
                self.queue.push_back((Question::Version3, 2));
                self.queue.push_back((Question::NtsSize, 2));
                self.queue.push_back((Question::Mode6, 2));
                self.queue.push_back((Question::Mode7, 2));
            }
            Question::First
                if self.plan.tries > 1 && (*answer == Answer::Silence || prohibits(answer)) =>
            {
                let other = if self.plan.port_123 {
                    Question::Otherwise
                } else {
                    Question::Version3
                };
                self.queue.push_back((other, 1));
            }
            // Something of it helps: which?
            Question::Otherwise if answer.is_reply() => {
                self.queue.push_back((Question::SourcePort, 2));
                self.queue.push_back((Question::Version3, 2));
            }
            Question::SourcePort | Question::Version3 | Question::NtsSize
                if *answer == Answer::Silence && self.first_replied() =>
            {
                self.queue.push_front((Question::Control, 2));
            }
            // It has stopped to answer at all: further silence would say nothing.
            Question::Control if !answer.is_reply() => self.queue.clear(),
            _ => {}
        }
    }

    fn first_replied(&self) -> bool {
        let first = self.answers.get(&Question::First);
        first.is_some_and(|(answer, _)| answer.is_reply())
    }
}

/// Codes at stratum 0 that only say "not yet" (RFC 5905 §7.4): no refusal.
fn waiting_code(kiss: Kiss) -> Option<String> {
    match kiss {
        Kiss::Other(code) if [*b"INIT", *b"STEP"].contains(&code) => {
            Some(code.iter().map(|&b| char::from(b)).collect())
        }
        _ => None,
    }
}

fn prohibits(answer: &Answer) -> bool {
    match answer {
        Answer::Refused(Refusal::Icmp { kind, code, v6, .. }) => {
            super::icmp::meaning(*kind, *code, *v6).0
                == crate::report::check_port::Verdict::Prohibited
        }
        _ => false,
    }
}

fn request(question: Question, version: u8, nonce: NtpTimestamp) -> Vec<u8> {
    let sequence = (nonce.to_bits() >> 16) as u16;
    match question {
        Question::Mode6 => exposure::mode6_request(sequence).to_vec(),
        Question::Mode7 => exposure::mode7_request().to_vec(),
        Question::NtsSize => {
            let mut bytes = Packet::request(version, nonce).encode().to_vec();
            let length = NTS_SIZE - HEADER_LEN;
            bytes.extend(FILLER.to_be_bytes());
            bytes.extend((length as u16).to_be_bytes());
            let filler = nonce.to_bits().to_be_bytes();
            bytes.extend(filler.iter().cycle().take(length - 4));
            bytes
        }
        _ => Packet::request(version, nonce).encode().to_vec(),
    }
}

#[cfg(test)]
mod tests;
