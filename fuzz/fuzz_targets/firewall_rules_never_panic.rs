//! Any text as what nft, iptables-save, firewalld or ufw print, and any octets as an NTS-KE
//! response: no panic, no hang, and a blocked flow has a rule that blocks it.
#![no_main]

use clockbox::conf::firewall;
use clockbox::conf::firewall::Direction;
use clockbox::conf::firewall::Flow;
use clockbox::conf::firewall::Outcome;
use clockbox::proto::nts_ke;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = nts_ke::response(data);
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = firewall::firewalld::zone(text, 123, &|name| name == "ntp");
    let _ = firewall::firewalld::default_zone(text);
    let _ = firewall::ufw::tuples(text, 123);
    let mut rulesets = firewall::iptables::parse(text, false, "iptables");
    if let Ok(listing) = firewall::nft::parse(text) {
        rulesets.extend(listing.rulesets);
    }
    for direction in [Direction::In, Direction::Out] {
        let flow = Flow {
            direction,
            v6: false,
            source_port: None,
            destination_port: Some(123),
            reply: false,
            interface: Some("eth0".to_owned()),
            local: Some([192, 0, 2, 1].into()),
            remote: None,
            length: 76,
        };
        let verdict = firewall::evaluate(&rulesets, &flow);
        if verdict.outcome() == Outcome::Blocked {
            assert!(verdict.deciding().is_some_and(|ruling| !ruling.fate.passes()));
        }
    }
});
