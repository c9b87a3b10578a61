//! Generated lists of `restrict` lines, and what ntpd's manual says of them, read here anew and
//! independently of the converter: for the property tests of every target.

use core::net::IpAddr;
use core::net::Ipv4Addr;
use proptest::prelude::*;

/// One line: network, prefix length, flags.
pub(crate) type Rule = (u32, u8, &'static str);

/// Lists of up to nine lines over nested and neighbouring networks.
pub(crate) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let bits = proptest::sample::select(vec![0u8, 3, 8, 9, 10, 16, 22, 24, 27, 31, 32]);
    let flags = proptest::sample::select(vec![
        "",
        "nomodify",
        "ignore",
        "noserve nopeer",
        "kod notrust",
        "noquery limited",
        "version",
    ]);
    let rule = (0..4u32, 0..4u32, 0..4u32, bits, flags)
        .prop_map(|(a, b, c, bits, flags)| (a << 30 | b << 21 | c << 4, bits, flags));
    proptest::collection::vec(rule, 0..10)
}

/// The list as an ntp.conf with a server.
pub(crate) fn text(rules: &[Rule]) -> String {
    let mut text = String::from("server upstream.example\n");
    for (net, bits, flags) in rules {
        let (net, mask) = (Ipv4Addr::from_bits(*net), Ipv4Addr::from_bits(mask(*bits)));
        text.push_str(&format!("restrict {net} mask {mask} {flags}\n"));
    }
    text
}

/// Whether ntpd answers: the flags of one address and mask add up, the longest prefix decides, and
/// without any rule the default entry has no flags.
pub(crate) fn answered(rules: &[Rule], address: IpAddr) -> bool {
    let IpAddr::V4(address) = address else {
        return true;
    };
    let inside = |rule: &&Rule| (rule.0 ^ address.to_bits()) & mask(rule.1) == 0;
    let longest = rules.iter().filter(inside).map(|rule| rule.1).max();
    longest.is_none_or(|longest| {
        let mut deciding = rules.iter().filter(inside).filter(|rule| rule.1 == longest);
        deciding.all(|(_, _, flags)| {
            !["ignore", "noserve", "notrust", "version"]
                .iter()
                .any(|refusing| flags.contains(refusing))
        })
    })
}

/// The addresses on both sides of every boundary of every rule.
pub(crate) fn boundaries(rules: &[Rule]) -> Vec<IpAddr> {
    let around = |(net, bits, _): &Rule| {
        let first = net & mask(*bits);
        let last = first | !mask(*bits);
        [first, last, first.wrapping_sub(1), last.wrapping_add(1)]
    };
    rules.iter().flat_map(around).map(v4).collect()
}

/// An address by its number.
pub(crate) fn v4(number: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(number))
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}
