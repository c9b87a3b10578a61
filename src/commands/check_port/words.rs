//! What an exchange found, put into the report: verdict, sentence, tests.

use super::exchange::Answer;
use super::exchange::Exchange;
use super::exchange::Plan;
use super::exchange::Question;
use super::exchange::Refusal;
use super::exchange::Reply;
use super::icmp;
use crate::proto::refid::Kiss;
use crate::report::check_port::Address;
use crate::report::check_port::Family;
use crate::report::check_port::Icmp;
use crate::report::check_port::Test;
use crate::report::check_port::TestName;
use crate::report::check_port::TestOutcome;
use crate::report::check_port::Verdict;
use crate::report::format::seconds;
use crate::report::format::signed_seconds;
use crate::sys::probe;
use crate::sys::udp::errno_words;

/// The report of one address. `no_port_123` is why source port 123 could not be used.
#[must_use]
pub fn address(
    exchange: &Exchange,
    shown: String,
    plan: Plan,
    no_port_123: Option<&str>,
) -> Address {
    let family = if exchange.address.is_ipv4() {
        Family::Ipv4
    } else {
        Family::Ipv6
    };
    let mut out = Address {
        address: shown,
        family,
        verdict: Verdict::Silent,
        detail: String::new(),
        answered_from: None,
        stratum: None,
        leap: None,
        refid: None,
        version: None,
        offset_s: None,
        delay_s: None,
        root_distance_s: None,
        kiss: None,
        icmp: None,
        packets_sent: exchange.packets(),
        tests: tests(exchange, plan, no_port_123),
        nts_ke: None,
    };
    // A server that only speaks the old version is open for those who speak it.
    let answers = [Question::First, Question::Version3];
    let replied = answers
        .iter()
        .filter_map(|q| exchange.answer(*q))
        .find(|(answer, _)| answer.is_reply());
    let Some((answer, _)) = replied.or(exchange.answer(Question::First)) else {
        "not asked".clone_into(&mut out.detail);
        return out;
    };
    let (verdict, detail) = verdict(answer, exchange);
    out.verdict = verdict;
    out.detail = detail;
    match answer {
        Answer::Time(reply) | Answer::Unsynchronised(reply, _) => {
            measured(&mut out, reply, exchange)
        }
        Answer::Kiss(kiss) => out.kiss = Some(kiss.to_string()),
        Answer::Refused(refusal) => out.icmp = message(*refusal),
        _ => {}
    }
    out
}

fn measured(out: &mut Address, reply: &Reply, exchange: &Exchange) {
    let packet = &reply.packet;
    let synchronised = out.verdict == Verdict::Open;
    out.stratum = Some(packet.stratum);
    out.leap = Some(packet.leap.word().to_owned());
    out.refid = (packet.refid.0 != [0; 4]).then(|| packet.refid.display(packet.stratum));
    out.version = Some(packet.version);
    out.root_distance_s = Some(packet.root_distance());
    out.delay_s = Some(reply.sample.delay);
    // An unsynchronised clock's offset is shown too: it tells how wrong it is.
    if synchronised || !packet.transmit.is_zero() {
        out.offset_s = Some(reply.sample.offset);
    }
    if reply.from != exchange.address {
        out.answered_from = Some(reply.from.to_string());
    }
}

fn verdict(answer: &Answer, exchange: &Exchange) -> (Verdict, String) {
    match answer {
        Answer::Time(reply) => (Verdict::Open, open(reply)),
        Answer::Unsynchronised(reply, code) => {
            (Verdict::Unsynchronised, unsynchronised(reply, code))
        }
        Answer::Kiss(kiss) => (Verdict::Kiss, kiss_words(*kiss)),
        Answer::Garbage(why) => (
            Verdict::Garbage,
            format!("answers, but not as an NTP server: {why}"),
        ),
        Answer::Counted(..) => (Verdict::Garbage, "answers out of turn".to_owned()),
        Answer::Refused(refusal) => refused(*refusal, exchange),
        Answer::Silence => (
            Verdict::Silent,
            format!(
                "no answer to {} requests: they, or the answers, were dropped on the way, or the \
                 server gives this address none (chronyd and ntpd say nothing to clients that are \
                 not allowed)",
                exchange.packets()
            ),
        ),
    }
}

fn open(reply: &Reply) -> String {
    format!(
        "answers NTPv{} with stratum {}, offset {}, delay {}",
        reply.packet.version,
        reply.packet.stratum,
        signed_seconds(reply.sample.offset),
        seconds(reply.sample.delay)
    )
}

fn unsynchronised(reply: &Reply, code: &Option<String>) -> String {
    let packet = &reply.packet;
    let why = match code.as_deref() {
        Some("INIT") => "INIT, it has not synchronised since it started".to_owned(),
        Some("STEP") => "STEP, it has just stepped its clock".to_owned(),
        _ if packet.root_distance() >= checks_limit() => {
            format!("its root distance is {}", seconds(packet.root_distance()))
        }
        _ => format!("leap {}, stratum {}", packet.leap.word(), packet.stratum),
    };
    format!("answers, but its own clock is not synchronised ({why}): no client will follow it")
}

const fn checks_limit() -> f64 {
    crate::engine::checks::MAX_DISPERSION
}

fn kiss_words(kiss: Kiss) -> String {
    let (code, words) = match kiss {
        Kiss::Deny => ("DENY", "it denies this client access"),
        Kiss::Rstr => ("RSTR", "its policy restricts this client"),
        Kiss::Rate => ("RATE", "this address asks it too often"),
        Kiss::NtsNak => ("NTSN", "it could not check NTS"),
        Kiss::Other(code) => {
            let text = Kiss::Other(code).to_string();
            let words = match &code {
                b"AUTH" => "authentication failed",
                b"CRYP" => "cryptographic authentication failed",
                b"NKEY" => "it knows no such key",
                b"DROP" => "it lost this client in its tables",
                b"ACST" | b"BCST" | b"MCST" => {
                    "it belongs to an anycast, broadcast or multicast server"
                }
                _ => "a code that no standard explains",
            };
            return format!("kiss of death {text}: {words}");
        }
    };
    format!("kiss of death {code}: {words}")
}

fn refused(refusal: Refusal, exchange: &Exchange) -> (Verdict, String) {
    match refusal {
        Refusal::Local(number) => local(number),
        Refusal::Icmp { kind, code, v6, by } => {
            let (verdict, words) = icmp::meaning(kind, code, v6);
            let own = by == Some(exchange.address.ip());
            let who = match by {
                _ if own => "the host itself".to_owned(),
                Some(by) => by.to_string(),
                None => "an unknown sender".to_owned(),
            };
            let detail = match verdict {
                Verdict::Closed if own => format!(
                    "ICMP {words} from the host itself: nothing listens there, or its firewall \
                     rejects as if nothing did"
                ),
                Verdict::Closed => format!(
                    "ICMP {words} from {who}, which is not the host: a firewall or a translating \
                     router answers in its place"
                ),
                Verdict::Prohibited => format!("ICMP {words}, said by {who}: a firewall refuses"),
                _ => format!("ICMP {words}, said by {who}"),
            };
            (verdict, detail)
        }
    }
}

fn local(number: i32) -> (Verdict, String) {
    let words = errno_words(number);
    match number {
        probe::NOT_PERMITTED => (
            Verdict::BlockedHere,
            "this machine's own firewall refuses to send it".to_owned(),
        ),
        probe::FORBIDDEN => (
            Verdict::BlockedHere,
            "this machine's routing table prohibits it, or it is a broadcast address".to_owned(),
        ),
        _ => (
            Verdict::NoRoute,
            format!("this machine has no way there, and nothing was sent ({words})"),
        ),
    }
}

fn message(refusal: Refusal) -> Option<Icmp> {
    let Refusal::Icmp { kind, code, v6, by } = refusal else {
        return None;
    };
    Some(Icmp {
        kind,
        code,
        words: icmp::meaning(kind, code, v6).1.to_owned(),
        from: by.map(|by| by.to_string()),
    })
}

fn tests(exchange: &Exchange, plan: Plan, no_port_123: Option<&str>) -> Vec<Test> {
    let asked = [
        (TestName::SourcePort123, Question::SourcePort),
        (TestName::Ntpv3, Question::Version3),
        (TestName::NtsSize, Question::NtsSize),
        (TestName::Mode6, Question::Mode6),
        (TestName::Mode7, Question::Mode7),
    ];
    let first = exchange.answer(Question::First).map(|(answer, _)| answer);
    let control = exchange.answer(Question::Control).map(|(answer, _)| answer);
    let stopped = control.is_some_and(|answer| !answer.is_reply());
    let both = exchange.answer(Question::Otherwise);
    let mut out = Vec::new();
    for (name, question) in asked {
        let shared = matches!(question, Question::SourcePort | Question::Version3);
        let found = exchange.answer(question).or(both.filter(|_| shared));
        if let Some((answer, octets)) = found {
            out.push(test(name, answer, *octets, stopped));
            continue;
        }
        let why = match (question, no_port_123) {
            (Question::SourcePort, Some(why)) => why.to_owned(),
            _ if !plan.full => continue,
            _ if stopped => "the server stopped to answer".to_owned(),
            _ => match first {
                Some(Answer::Kiss(_)) => "a kiss of death is obeyed".to_owned(),
                Some(answer) if !answer.is_reply() => "it does not answer at all".to_owned(),
                _ => continue,
            },
        };
        out.push(Test {
            test: name,
            outcome: TestOutcome::NotTried,
            sent_octets: None,
            received_octets: None,
            received_packets: None,
            detail: Some(why),
        });
    }
    out
}

fn test(name: TestName, answer: &Answer, octets: usize, stopped: bool) -> Test {
    let mut out = Test {
        test: name,
        outcome: TestOutcome::Answered,
        sent_octets: u32::try_from(octets).ok(),
        received_octets: Some(48),
        received_packets: Some(1),
        detail: None,
    };
    match answer {
        Answer::Time(_) | Answer::Unsynchronised(..) => {}
        Answer::Counted(packets, octets) => {
            out.received_octets = Some(*octets);
            out.received_packets = Some(*packets);
        }
        other => {
            (out.received_octets, out.received_packets) = (None, None);
            out.outcome = match other {
                Answer::Silence if stopped => TestOutcome::Inconclusive,
                Answer::Silence => TestOutcome::Silent,
                _ => TestOutcome::Refused,
            };
            out.detail = match other {
                Answer::Kiss(kiss) => Some(kiss_words(*kiss)),
                Answer::Garbage(why) => Some(why.clone()),
                Answer::Refused(Refusal::Icmp { kind, code, v6, .. }) => {
                    Some(format!("ICMP {}", icmp::meaning(*kind, *code, *v6).1))
                }
                Answer::Refused(Refusal::Local(number)) => Some(errno_words(*number).to_owned()),
                _ if stopped => {
                    Some("ordinary requests went unanswered then too: a rate limit?".to_owned())
                }
                _ => None,
            };
        }
    }
    out
}
