//! The order and pace of questions, without a socket.

use super::*;
use crate::proto::packet::Leap;
use crate::proto::refid::RefId;

const PLAN: Plan = Plan {
    full: false,
    timeout: 2.0,
    port_123: true,
    tries: 2,
};

fn server() -> SocketAddr {
    "192.0.2.1:123".parse().unwrap()
}

/// A server that is driven by hand: what it does at each question.
struct Lab {
    exchange: Exchange,
    now: f64,
    log: Vec<(f64, Question)>,
}

impl Lab {
    fn new(plan: Plan) -> Self {
        Self {
            exchange: Exchange::new(server(), plan),
            now: 0.0,
            log: Vec::new(),
        }
    }

    fn at(&self) -> Monotonic {
        Monotonic::from_nanos((self.now * 1e9).round() as u64)
    }

    /// Runs to the end; `respond` gives what the server sends back to a question, if anything.
    fn run(mut self, mut respond: impl FnMut(Question, &[u8]) -> Option<Vec<u8>>) -> Self {
        for turn in 0..200u64 {
            match self.exchange.next(self.at(), 0x1000 + turn) {
                Next::Done => return self,
                Next::Wait(until) => {
                    self.now = until.seconds_since(Monotonic::from_nanos(0)).max(self.now);
                }
                Next::Send(question, bytes) => {
                    self.log.push((self.now, question));
                    let sent = NtpTimestamp::from_unix(1_700_000_000, 0);
                    self.exchange.sent(sent);
                    if let Some(reply) = respond(question, &bytes) {
                        self.now += 0.01;
                        let came = NtpTimestamp::from_unix(1_700_000_000, 10_000_000);
                        let at = self.at();
                        self.exchange.received(&reply, server(), came, at);
                    }
                }
            }
        }
        panic!("never ends: {:?}", self.log);
    }

    fn questions(&self) -> Vec<Question> {
        self.log.iter().map(|(_, q)| *q).collect()
    }

    fn assert_paced(&self) {
        for pair in self.log.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= GAP - 1e-6, "{:?}", self.log);
        }
    }
}

fn reply(request: &[u8]) -> Packet {
    let asked = Packet::decode(request).unwrap();
    let now = NtpTimestamp::from_unix(1_700_000_000, 5_000_000);
    Packet {
        mode: Mode::Server,
        version: asked.version,
        stratum: 2,
        origin: asked.transmit,
        receive: now,
        transmit: now,
        reference: now,
        ..Packet::request(4, NtpTimestamp::ZERO)
    }
}

fn good(request: &[u8]) -> Option<Vec<u8>> {
    Some(reply(request).encode().to_vec())
}

#[test]
fn one_answer_ends_it_at_once() {
    let lab = Lab::new(PLAN).run(|_, request| good(request));
    assert_eq!(lab.questions(), [Question::First]);
    assert!(lab.now < 0.1);
    let (answer, octets) = lab.exchange.answer(Question::First).unwrap();
    assert_eq!(*octets, 48);
    let Answer::Time(reply) = answer else {
        panic!("{answer:?}");
    };
    assert!((reply.sample.delay - 0.01).abs() < 1e-6);
}

#[test]
fn silence_is_believed_after_three_tries_two_seconds_apart() {
    let lab = Lab::new(PLAN).run(|_, _| None);
    let asked = [Question::First, Question::First, Question::Otherwise];
    assert_eq!(lab.questions(), asked);
    lab.assert_paced();
    assert!((lab.now - 6.0).abs() < 0.01, "{}", lab.now);
    assert_eq!(
        lab.exchange.answer(Question::First).unwrap().0,
        Answer::Silence
    );
}

#[test]
fn a_short_timeout_never_makes_packets_come_closer() {
    let lab = Lab::new(Plan {
        timeout: 0.2,
        ..PLAN
    })
    .run(|_, _| None);
    lab.assert_paced();
    assert!(lab.now < 4.5);
}

#[test]
fn a_server_that_answers_port_123_only_is_found_out() {
    let lab = Lab::new(PLAN)
        .run(|q, request| q.from_port_123().then(|| reply(request).encode().to_vec()));
    assert!(
        lab.exchange
            .answer(Question::SourcePort)
            .unwrap()
            .0
            .is_reply()
    );
    assert_eq!(
        lab.exchange.answer(Question::Version3).unwrap().0,
        Answer::Silence
    );
    lab.assert_paced();
}

#[test]
fn without_the_port_version_three_alone_is_tried() {
    let lab = Lab::new(Plan {
        port_123: false,
        ..PLAN
    })
    .run(|_, _| None);
    assert_eq!(
        lab.questions(),
        [Question::First, Question::First, Question::Version3]
    );
}

#[test]
fn all_questions_are_asked_of_an_open_server_when_wanted() {
    let lab = Lab::new(Plan { full: true, ..PLAN }).run(|q, request| match q.mode() {
        Some(Mode::Control) => Some(vec![0x16, 0x82, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Some(_) => None,
        None => good(request),
    });
    lab.assert_paced();
    assert_eq!(
        lab.exchange.answer(Question::Mode6).unwrap().0,
        Answer::Counted(1, 12)
    );
    assert_eq!(
        lab.exchange.answer(Question::Mode7).unwrap().0,
        Answer::Silence
    );
    assert_eq!(lab.exchange.answer(Question::NtsSize).unwrap().1, NTS_SIZE);
    assert!(lab.exchange.answer(Question::Control).is_none());
}

#[test]
fn a_server_that_falls_silent_is_not_accused_of_filtering() {
    let mut answers = 1;
    let lab = Lab::new(Plan { full: true, ..PLAN }).run(|_, request| {
        answers -= 1;
        (answers >= 0).then(|| reply(request).encode().to_vec())
    });
    assert_eq!(
        lab.exchange.answer(Question::Control).unwrap().0,
        Answer::Silence
    );
    // Nothing more is asked of it.
    assert!(lab.exchange.answer(Question::Version3).is_none());
}

#[test]
fn a_kiss_ends_all_questions() {
    let lab = Lab::new(Plan { full: true, ..PLAN }).run(|_, request| {
        let mut packet = reply(request);
        (packet.stratum, packet.leap, packet.refid) = (0, Leap::Unsynchronised, RefId(*b"RATE"));
        Some(packet.encode().to_vec())
    });
    assert_eq!(lab.questions(), [Question::First]);
    assert_eq!(
        lab.exchange.answer(Question::First).unwrap().0,
        Answer::Kiss(Kiss::Rate)
    );
}

#[test]
fn init_is_not_a_refusal() {
    let lab = Lab::new(PLAN).run(|_, request| {
        let mut packet = reply(request);
        (packet.stratum, packet.leap, packet.refid) = (0, Leap::Unsynchronised, RefId(*b"INIT"));
        Some(packet.encode().to_vec())
    });
    let answer = &lab.exchange.answer(Question::First).unwrap().0;
    assert!(
        matches!(answer, Answer::Unsynchronised(_, Some(code)) if code == "INIT"),
        "{answer:?}"
    );
}

#[test]
fn rubbish_is_garbage_only_when_nothing_better_comes() {
    let lab = Lab::new(PLAN).run(|_, _| Some(b"HTTP/1.1 400 Bad Request".to_vec()));
    let answer = &lab.exchange.answer(Question::First).unwrap().0;
    assert!(
        matches!(answer, Answer::Garbage(why) if why.contains("24 octets")),
        "{answer:?}"
    );

    let mut exchange = Exchange::new(server(), PLAN);
    let zero = Monotonic::from_nanos(0);
    let Next::Send(_, request) = exchange.next(zero, 9) else {
        panic!("nothing to send");
    };
    exchange.sent(NtpTimestamp::from_unix(1, 0));
    let stamp = NtpTimestamp::from_unix(1, 0);
    assert!(exchange.received(b"x", server(), stamp, zero));
    let stranger: SocketAddr = "203.0.113.9:123".parse().unwrap();
    assert!(!exchange.received(b"x", stranger, stamp, zero));
    assert!(exchange.received(&good(&request).unwrap(), stranger, stamp, zero));
    let (answer, _) = exchange.answer(Question::First).unwrap();
    assert!(matches!(answer, Answer::Time(reply) if reply.from == stranger));
}

#[test]
fn a_forged_answer_is_not_taken() {
    let lab = Lab::new(PLAN).run(|_, request| {
        let mut packet = reply(request);
        packet.origin = NtpTimestamp::from_bits(1);
        Some(packet.encode().to_vec())
    });
    let answer = &lab.exchange.answer(Question::First).unwrap().0;
    assert!(matches!(answer, Answer::Garbage(_)), "{answer:?}");
}

#[test]
fn prohibited_is_tried_from_port_123_and_closed_is_not() {
    for (code, asked) in [(13, 2), (3, 1), (1, 1)] {
        let mut exchange = Exchange::new(server(), PLAN);
        let mut count = 0;
        let mut now = 0.0;
        loop {
            match exchange.next(Monotonic::from_nanos((now * 1e9) as u64), 7) {
                Next::Done => break,
                Next::Wait(until) => now = until.seconds_since(Monotonic::from_nanos(0)) + 0.001,
                Next::Send(..) => {
                    count += 1;
                    exchange.sent(NtpTimestamp::ZERO);
                    exchange.icmp(Refusal::Icmp {
                        kind: 3,
                        code,
                        v6: false,
                        by: None,
                    });
                }
            }
        }
        assert_eq!(count, asked, "code {code}");
    }
}

/// Somebody who sends datagrams of mode 7 without end, or forges them, keeps us a second and no more.
#[test]
fn an_endless_answer_in_mode_7_is_counted_and_not_waited_for() {
    let plan = Plan { full: true, ..PLAN };
    let mut lab = Lab::new(plan);
    let datagram = [[0x97, 0, 3, 0].as_slice(), &[0; 436]].concat();
    let mut asked_at = None;
    for turn in 0..2_000_000u64 {
        match lab.exchange.next(lab.at(), 0x1000 + turn) {
            Next::Done => break,
            Next::Send(question, bytes) => {
                lab.exchange.sent(NtpTimestamp::from_unix(1_700_000_000, 0));
                if question == Question::Mode7 {
                    asked_at = Some(lab.now);
                } else if question != Question::Mode6 {
                    lab.now += 0.01;
                    let came = NtpTimestamp::from_unix(1_700_000_000, 10_000_000);
                    let (reply, at) = (good(&bytes).unwrap(), lab.at());
                    lab.exchange.received(&reply, server(), came, at);
                }
            }
            Next::Wait(until) => {
                let until = until.seconds_since(Monotonic::from_nanos(0));
                if asked_at.is_some() && lab.exchange.answer(Question::Mode7).is_none() {
                    // Ten thousand datagrams a second, as long as the socket is listened to.
                    lab.now += 0.0001;
                    let at = lab.at();
                    lab.exchange
                        .received(&datagram, server(), NtpTimestamp::ZERO, at);
                } else {
                    lab.now = until.max(lab.now);
                }
            }
        }
    }
    let Some((Answer::Counted(datagrams, octets), _)) = lab.exchange.answer(Question::Mode7) else {
        panic!("{:?}", lab.exchange.answer(Question::Mode7));
    };
    // The 128th begins the last half second.
    assert!((5_000..5_300).contains(datagrams), "{datagrams}");
    assert_eq!(*octets, datagrams * 440);
}
