//! The form of it in a file: lines of a word and its values, a version in the first one, `end` in the
//! last. Whoever can write the file could set the clock: every value is checked, and a file that is
//! cut off, too large or odd in any place is refused as a whole.

use super::Saved;
use super::SavedSource;
use crate::engine::clock::Reading;
use crate::engine::estimator::delays::Delays;
use crate::engine::estimator::delays::Epoch;
use crate::engine::estimator::memory::Memory;
use crate::engine::estimator::wander::Wander;
use crate::engine::measurement::Sample;
use crate::engine::pace::Pace;
use crate::engine::shape::Shape;
use crate::proto::packet::HEADER_LEN;
use crate::proto::packet::Packet;
use crate::time::Monotonic;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::str::SplitAsciiWhitespace;

/// The first line: what it is, and the version of the form.
const FIRST: &str = "clockbox-samples 1";
/// Sources and samples of one that are read at most.
const MOST_SOURCES: usize = 512;
const MOST_SAMPLES: usize = 4096;
/// Seconds that no phase, delay or bias exceeds.
const SECONDS: f64 = 1e10;

/// The file is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line, counted from 1.
    pub line: usize,
    /// What should stand there.
    pub wanted: &'static str,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} is missing or wrong", self.line, self.wanted)
    }
}

impl std::error::Error for Broken {}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST}\nboot {}", self.boot)?;
        let slept = self.at.slept_ns.map_or("-".to_owned(), |n| n.to_string());
        writeln!(f, "at {} {} {slept}", self.at.raw.nanos(), self.at.unix_ns)?;
        writeln!(f, "origin {}", self.origin_ns)?;
        let (frequency, sd) = self.memory.start();
        writeln!(f, "start {frequency:e} {sd:e}")?;
        for (at, frequency, variance) in self.memory.entries() {
            writeln!(f, "was {} {frequency:e} {variance:e}", at.nanos())?;
        }
        let (now, smooth) = self.wander.parts();
        writeln!(f, "wander {now:e} {smooth:e}")?;
        if let Some(memory) = self.pace.memory() {
            writeln!(f, "pace {memory:e}")?;
        }
        for source in &self.sources {
            write!(f, "{source}")?;
        }
        writeln!(f, "end")
    }
}

impl fmt::Display for SavedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.address.map_or("-".to_owned(), |a| a.to_string());
        writeln!(f, "source {at} {}", self.who)?;
        writeln!(f, "polls {} {} {}", self.poll, self.reach, self.answered)?;
        if let Some(remote) = &self.remote {
            let mut hex = String::new();
            for octet in remote.encode() {
                write!(hex, "{octet:02x}")?;
            }
            writeln!(f, "reply {hex}")?;
        }
        let width = self.shape.width();
        writeln!(f, "noise {:e} {:e} {width}", self.bias, self.tilt)?;
        let (epochs, current, numbers) = self.delays.parts();
        for epoch in epochs {
            let (base, margin, bias) = (epoch.base, epoch.margin, epoch.bias);
            write!(f, "route {} {base:e} {margin:e} {bias:e}", epoch.number())?;
            for delay in epoch.seen() {
                write!(f, " {delay:e}")?;
            }
            writeln!(f)?;
        }
        writeln!(f, "routes {current} {numbers}")?;
        for s in &self.samples {
            let at = s.at.nanos();
            writeln!(
                f,
                "sample {at} {:e} {:e} {:e} {}",
                s.offset, s.delay, s.precision, s.epoch
            )?;
        }
        Ok(())
    }
}

/// The lines of a file.
struct Lines<'a> {
    rest: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'a>>>,
    number: usize,
}

/// The values of one line.
struct Values<'a> {
    words: SplitAsciiWhitespace<'a>,
    text: &'a str,
    line: usize,
    what: &'static str,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.lines().enumerate().peekable(),
            number: 0,
        }
    }

    /// The next line, if it begins with this word.
    fn take(&mut self, what: &'static str) -> Option<Values<'a>> {
        let (place, line) = *self.rest.peek()?;
        self.number = place + 1;
        let text = line.strip_prefix(what)?;
        if !text.is_empty() && !text.starts_with(' ') {
            return None;
        }
        self.rest.next();
        Some(Values {
            words: text.split_ascii_whitespace(),
            text: text.trim_start(),
            line: place + 1,
            what,
        })
    }

    fn want(&mut self, what: &'static str) -> Result<Values<'a>, Broken> {
        let line = self.number + 1;
        self.take(what).ok_or(Broken { line, wanted: what })
    }
}

impl Values<'_> {
    fn wrong(&self) -> Broken {
        Broken {
            line: self.line,
            wanted: self.what,
        }
    }

    fn word(&mut self) -> Result<&str, Broken> {
        let wrong = self.wrong();
        self.words.next().ok_or(wrong)
    }

    fn whole<T: FromStr>(&mut self) -> Result<T, Broken> {
        let wrong = self.wrong();
        self.word()?.parse().map_err(|_| wrong)
    }

    /// A number between two bounds.
    fn number(&mut self, least: f64, most: f64) -> Result<f64, Broken> {
        let number: f64 = self.whole()?;
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(self.wrong())
        }
    }

    fn monotonic(&mut self) -> Result<Monotonic, Broken> {
        self.whole().map(Monotonic::from_nanos)
    }

    /// Nothing more stands there.
    fn done(mut self) -> Result<(), Broken> {
        let wrong = self.wrong();
        self.words.next().map_or(Ok(()), |_| Err(wrong))
    }
}

impl FromStr for Saved {
    type Err = Broken;

    fn from_str(text: &str) -> Result<Self, Broken> {
        let mut lines = Lines::new(text);
        lines.want(FIRST)?.done()?;
        let mut boot = lines.want("boot")?;
        let name = boot.word()?.to_owned();
        boot.done()?;
        let at = reading(lines.want("at")?)?;
        let mut origin = lines.want("origin")?;
        let origin_ns = origin.whole()?;
        origin.done()?;
        let memory = memory(&mut lines)?;
        let mut wander = lines.want("wander")?;
        let parts = (wander.number(1e-22, 1e-11)?, wander.number(-51.0, -25.0)?);
        wander.done()?;
        let mut pace = Pace::default();
        if let Some(mut values) = lines.take("pace") {
            pace = Pace::of(values.number(0.0, 30.0)?);
            values.done()?;
        }
        let mut sources = Vec::new();
        while let Some(values) = lines.take("source") {
            if sources.len() == MOST_SOURCES {
                return Err(values.wrong());
            }
            sources.push(source(values, &mut lines)?);
        }
        lines.want("end")?.done()?;
        if lines.rest.next().is_some() {
            return Err(Broken {
                line: lines.number + 1,
                wanted: "the end",
            });
        }
        Ok(Self {
            boot: name,
            at,
            origin_ns,
            memory,
            wander: Wander::of(parts.0, parts.1),
            pace,
            sources,
        })
    }
}

fn reading(mut values: Values<'_>) -> Result<Reading, Broken> {
    let (raw, unix_ns) = (values.monotonic()?, values.whole()?);
    let wrong = values.wrong();
    let slept_ns = match values.word()? {
        "-" => None,
        number => Some(number.parse().map_err(|_| wrong)?),
    };
    values.done()?;
    Ok(Reading {
        raw,
        unix_ns,
        slept_ns,
    })
}

fn memory(lines: &mut Lines<'_>) -> Result<Memory, Broken> {
    let mut start = lines.want("start")?;
    let mut memory = Memory::new(start.number(-0.5, 0.5)?, start.number(1e-12, 1.0)?);
    start.done()?;
    while let Some(mut was) = lines.take("was") {
        let entry = (
            was.monotonic()?,
            was.number(-0.5, 0.5)?,
            was.number(1e-30, 1.0)?,
        );
        let wrong = was.wrong();
        was.done()?;
        if !memory.put(entry) {
            return Err(wrong);
        }
    }
    Ok(memory)
}

fn source(mut values: Values<'_>, lines: &mut Lines<'_>) -> Result<SavedSource, Broken> {
    let wrong = values.wrong();
    let at = values.word()?.to_owned();
    let address = match at.as_str() {
        "-" => None,
        text => Some(text.parse().map_err(|_| wrong.clone())?),
    };
    let who = values.text.strip_prefix(at.as_str()).map(str::trim_start);
    let who = who.filter(|who| !who.is_empty()).ok_or(wrong)?.to_owned();
    let mut polls = lines.want("polls")?;
    let (poll, reach, answered) = (polls.whole()?, polls.whole()?, polls.whole()?);
    polls.done()?;
    let remote = match lines.take("reply") {
        Some(values) => Some(reply(values)?),
        None => None,
    };
    let mut noise = lines.want("noise")?;
    let bias = noise.number(-SECONDS, SECONDS)?;
    let tilt = noise.number(-1e15, 1e15)?;
    let wrong = noise.wrong();
    let shape = Shape::of(noise.whole()?).ok_or(wrong)?;
    noise.done()?;
    let delays = delays(lines)?;
    let mut samples: Vec<Sample> = Vec::new();
    while let Some(values) = lines.take("sample") {
        let wrong = values.wrong();
        let sample = sample(values)?;
        let in_order = samples.last().is_none_or(|last| last.at < sample.at);
        if !in_order || samples.len() == MOST_SAMPLES {
            return Err(wrong);
        }
        samples.push(sample);
    }
    Ok(SavedSource {
        who,
        address,
        poll,
        reach,
        answered,
        remote,
        bias,
        tilt,
        shape,
        delays,
        samples,
    })
}

fn reply(mut values: Values<'_>) -> Result<Packet, Broken> {
    let wrong = values.wrong();
    let hex = values.word()?.as_bytes();
    let digit = |c: u8| char::from(c).to_digit(16);
    let octets: Option<Vec<u8>> = hex
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect();
    let octets = octets.filter(|o| o.len() == HEADER_LEN);
    let packet = octets.and_then(|o| Packet::decode(&o).ok());
    values.done()?;
    packet.ok_or(wrong)
}

fn delays(lines: &mut Lines<'_>) -> Result<Delays, Broken> {
    let mut epochs = Vec::new();
    while let Some(mut values) = lines.take("route") {
        let number = values.whole()?;
        let base = values.number(-1.0, SECONDS)?;
        let margin = values.number(0.0, SECONDS)?;
        let bias = values.number(-SECONDS, SECONDS)?;
        let mut seen = Vec::new();
        while values.words.clone().next().is_some() {
            seen.push(values.number(-1.0, SECONDS)?);
        }
        epochs.push(Epoch::of(number, (base, margin, bias), seen));
    }
    let mut routes = lines.want("routes")?;
    let wrong = routes.wrong();
    let (current, numbers) = (routes.whole()?, routes.whole()?);
    routes.done()?;
    Delays::of(epochs, current, numbers).ok_or(wrong)
}

fn sample(mut values: Values<'_>) -> Result<Sample, Broken> {
    let sample = Sample {
        at: values.monotonic()?,
        offset: values.number(-SECONDS, SECONDS)?,
        delay: values.number(-1.0, SECONDS)?,
        precision: values.number(1e-12, 10.0)?,
        epoch: values.whole()?,
    };
    values.done()?;
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::config::Config;
    use crate::engine::core::Engine;
    use crate::engine::random::Random;
    use crate::engine::sim::scenario;
    use proptest::prelude::*;

    fn learnt() -> Saved {
        let mut scenario = scenario::all()
            .into_iter()
            .find(|s| s.name == "b-wan")
            .unwrap();
        scenario.limit = 3000.0;
        let (_, engine, now) = scenario.run_to_end(scenario.config(), 1);
        engine.saved(now, "boot-1")
    }

    #[test]
    fn what_is_written_is_read_again() {
        let saved = learnt();
        assert_eq!(saved.sources.len(), 4);
        assert!(saved.sources.iter().all(|s| s.samples.len() > 8));
        let text = saved.to_string();
        let read: Saved = text.parse().unwrap();
        assert!(read.to_string() == text);
        assert!(read.sources[0].samples == saved.sources[0].samples);
        assert!(read.sources[0].delays == saved.sources[0].delays);
        let empty = Engine::new(Config::default(), Random::from_number(1));
        let empty = empty.saved(learnt().at, "b");
        assert_eq!(empty.to_string().parse::<Saved>(), Ok(empty));
    }

    #[test]
    fn every_line_left_out_or_twice_is_noticed_where_it_matters() {
        let text = learnt().to_string();
        let lines: Vec<&str> = text.lines().collect();
        for (place, line) in lines.iter().enumerate() {
            let cut = lines[..place].join("\n");
            assert!(cut.parse::<Saved>().is_err(), "cut before {line}");
            let word = line.split(' ').next().unwrap();
            if !["sample", "was", "route", "pace", "reply", "source"].contains(&word) {
                let mut without = lines.clone();
                without.remove(place);
                assert!(
                    without.join("\n").parse::<Saved>().is_err(),
                    "without {line}"
                );
            }
            let mut twice = lines.clone();
            twice.insert(place, line);
            assert!(
                ["route"].contains(&word) || twice.join("\n").parse::<Saved>().is_err(),
                "twice {line}"
            );
        }
    }

    #[test]
    fn impossible_values_are_refused_with_their_line() {
        let text = learnt().to_string();
        for (from, to, wanted) in [
            ("samples 1", "samples 2", FIRST),
            ("wander ", "wander nan ", "wander"),
            ("wander ", "wander 1e300 ", "wander"),
            ("polls ", "polls 700 ", "polls"),
            ("noise ", "noise inf ", "noise"),
            ("route 0 ", "route 0 -5 ", "route"),
            ("routes 0 ", "routes 9 ", "routes"),
            (
                "source 192.168.123.1:123",
                "source 192.168.123.999",
                "source",
            ),
        ] {
            let broken = text.replacen(from, to, 1).parse::<Saved>().unwrap_err();
            assert_eq!(broken.wanted, wanted, "{from} -> {to}: {broken}");
            assert!(broken.line >= 1);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(?s).{0,200}") {
            let _ = text.parse::<Saved>();
        }

        #[test]
        fn an_octet_changed_anywhere_is_refused_or_still_within_bounds(at in 0usize..20_000, to in 32u8..127) {
            let mut bytes = learnt_once().as_bytes().to_vec();
            let place = at % bytes.len();
            bytes[place] = to;
            if let Ok(saved) = String::from_utf8(bytes).unwrap().parse::<Saved>() {
                for sample in saved.sources.iter().flat_map(|s| &s.samples) {
                    prop_assert!(sample.offset.abs() <= SECONDS && sample.precision > 0.0);
                }
            }
        }
    }

    fn learnt_once() -> &'static str {
        static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        TEXT.get_or_init(|| learnt().to_string())
    }
}
