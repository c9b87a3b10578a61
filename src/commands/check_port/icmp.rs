//! What an ICMP message says of the way to a server (RFC 792, 1122, 1812, 4443).

use crate::report::check_port::Verdict;

/// The verdict that a message stands for, and its words.
#[must_use]
pub const fn meaning(kind: u8, code: u8, v6: bool) -> (Verdict, &'static str) {
    if v6 {
        icmp6(kind, code)
    } else {
        icmp4(kind, code)
    }
}

const fn icmp4(kind: u8, code: u8) -> (Verdict, &'static str) {
    match (kind, code) {
        (3, 0) => (Verdict::Unreachable, "network unreachable"),
        (3, 1) => (Verdict::Unreachable, "host unreachable"),
        (3, 2) => (Verdict::Unreachable, "protocol unreachable"),
        (3, 3) => (Verdict::Closed, "port unreachable"),
        (3, 4) => (Verdict::Unreachable, "packet too big"),
        (3, 5) => (Verdict::Unreachable, "source route failed"),
        (3, 6) => (Verdict::Unreachable, "network unknown"),
        (3, 7) => (Verdict::Unreachable, "host unknown"),
        (3, 9) => (Verdict::Prohibited, "network administratively prohibited"),
        (3, 10) => (Verdict::Prohibited, "host administratively prohibited"),
        (3, 13) => (
            Verdict::Prohibited,
            "communication administratively prohibited",
        ),
        (3, 11 | 12) => (Verdict::Unreachable, "unreachable for this type of service"),
        (3, _) => (Verdict::Unreachable, "destination unreachable"),
        (11, _) => (
            Verdict::Unreachable,
            "time to live exceeded (a routing loop)",
        ),
        _ => (Verdict::Unreachable, "an ICMP error"),
    }
}

const fn icmp6(kind: u8, code: u8) -> (Verdict, &'static str) {
    match (kind, code) {
        (1, 0) => (Verdict::Unreachable, "no route to the destination"),
        (1, 1) => (Verdict::Prohibited, "administratively prohibited"),
        (1, 2) => (
            Verdict::Unreachable,
            "beyond the scope of the source address",
        ),
        (1, 3) => (Verdict::Unreachable, "address unreachable"),
        (1, 4) => (Verdict::Closed, "port unreachable"),
        (1, 5) => (Verdict::Prohibited, "source address failed the policy"),
        (1, 6) => (Verdict::Prohibited, "route to the destination rejected"),
        (1, _) => (Verdict::Unreachable, "destination unreachable"),
        (2, _) => (Verdict::Unreachable, "packet too big"),
        (3, _) => (Verdict::Unreachable, "hop limit exceeded (a routing loop)"),
        _ => (Verdict::Unreachable, "an ICMPv6 error"),
    }
}
