//! `hwtimestamp` lines: the cards whose timestamps are used.

use crate::conf::chrony::Settings;
use crate::conf::chrony::value::HwTimestamp;
use crate::sys::cards::Card;
use crate::sys::cards::CardConfig;
use crate::sys::cards::Cards;
use crate::sys::cards::config::RxFilter;
use crate::sys::interfaces;
use std::collections::BTreeSet;

/// Readings of a card's clock are as exact as this unless `precision` says otherwise, in seconds.
const PRECISION: f64 = 1e-7;
/// A reply waits so long for its request's stamp unless `hwtstimeout` says otherwise, in seconds.
const PATIENCE: f64 = 1e-3;

/// Switches the cards' timestamps on; says what came of each. Cards that a `*` means and that have
/// none are passed over without a word.
pub fn switched_on(settings: &Settings, say: impl Fn(&str)) -> Cards {
    let mut cards = Cards::default();
    for located in &settings.hwtimestamp {
        let line = &located.value;
        let every = line.interface == "*";
        for config in configs(line, &all()) {
            match Card::switch_on(config) {
                Ok(card) => {
                    say(&words(&card));
                    cards.add(card);
                }
                Err(error) if !every => say(&format!(
                    "hwtimestamp: {error}; its packets have the kernel's timestamps"
                )),
                Err(_) => {}
            }
        }
    }
    cards
}

/// How long a reply waits for the stamp of its request, in seconds.
#[must_use]
pub fn patience(settings: &Settings) -> f64 {
    settings.hwts_timeout_s.unwrap_or(PATIENCE).clamp(0.0, 1.0)
}

fn all() -> BTreeSet<String> {
    let all = interfaces::addresses().into_iter();
    all.filter(|a| !a.loopback).map(|a| a.name).collect()
}

fn configs(line: &HwTimestamp, all: &BTreeSet<String>) -> Vec<CardConfig> {
    let names: Vec<&str> = if line.interface == "*" {
        all.iter().map(String::as_str).collect()
    } else {
        vec![&line.interface]
    };
    let size = |n: Option<u32>, default| n.map_or(default, |n| usize::try_from(n).unwrap_or(256));
    let nanos = |s: Option<f64>| (s.unwrap_or(0.0).clamp(-1.0, 1.0) * 1e9).round() as i64;
    let filter = line.rxfilter.as_deref().and_then(|word| match word {
        "all" => Some(RxFilter::All),
        "ntp" => Some(RxFilter::Ntp),
        "ptp" => Some(RxFilter::Ptp),
        "none" => Some(RxFilter::None),
        _ => None,
    });
    // A stamp is placed by a reading no older than this: none needs to be made in between.
    let poll = line
        .minpoll
        .unwrap_or(0)
        .min(line.maxpoll.unwrap_or(i8::MAX));
    let config = |name: &&str| CardConfig {
        interval: f64::from(poll.clamp(-6, 20)).exp2(),
        samples: (size(line.minsamples, 2), size(line.maxsamples, 16)),
        transmit_ns: nanos(line.txcomp),
        receive_ns: nanos(line.rxcomp),
        precise: !line.nocrossts,
        precision_ns: nanos(Some(line.precision.unwrap_or(PRECISION))).max(0),
        filter,
        ..CardConfig::new(*name)
    };
    names.iter().map(config).collect()
}

fn words(card: &Card) -> String {
    let received = match card.receives {
        RxFilter::None => "nothing that it receives",
        RxFilter::All => "all that it receives",
        RxFilter::Ntp => "the NTP packets that it receives",
        RxFilter::Ptp => "the PTP packets that it receives",
    };
    let sent = if card.transmits {
        "what it sends"
    } else {
        "nothing that it sends"
    };
    format!(
        "{}: the card stamps {sent} and {received}",
        card.interface()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::load::parse_alone;

    fn of(text: &str) -> Vec<CardConfig> {
        let settings = Settings::new(&parse_alone("f", text.as_bytes()));
        let all = ["eth0", "eth1"].map(str::to_owned).into();
        let lines = settings.hwtimestamp.iter();
        lines.flat_map(|line| configs(&line.value, &all)).collect()
    }

    #[test]
    fn a_line_is_understood_whole() {
        let found = of(
            "hwtimestamp eth0 minpoll -2 maxpoll 2 minsamples 4 maxsamples 8 precision 2e-7 \
             txcomp 300e-9 rxcomp 645e-9 nocrossts rxfilter ptp\n",
        );
        let wanted = CardConfig {
            interface: "eth0".to_owned(),
            interval: 0.25,
            samples: (4, 8),
            transmit_ns: 300,
            receive_ns: 645,
            precise: false,
            precision_ns: 200,
            filter: Some(RxFilter::Ptp),
        };
        assert_eq!(found, [wanted]);
        let seldom = of("hwtimestamp eth0 minpoll 4 maxpoll 2\n");
        assert_eq!((seldom[0].interval, seldom[0].precision_ns), (4.0, 100));
    }

    #[test]
    fn a_star_means_every_card_and_nothing_else_is_said() {
        let found = of("hwtimestamp *\n");
        assert_eq!(found, [CardConfig::new("eth0"), CardConfig::new("eth1")]);
        // None here has a clock.
        let settings = Settings::new(&parse_alone("f", b"hwtimestamp nosuchcard0\n"));
        let said = std::cell::RefCell::new(String::new());
        let cards = switched_on(&settings, |text| said.borrow_mut().push_str(text));
        assert!(cards.is_empty());
        assert!(said.borrow().contains("nosuchcard0"), "{said:?}");
    }
}
