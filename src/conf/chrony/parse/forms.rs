//! Directives with a form of their own, apart from sources of time.

use super::*;

impl Cursor<'_, '_> {
    pub(super) fn access(&mut self) -> Option<Value> {
        let mut word = self.next();
        // chronyd compares this one word with its case.
        let all = word.is_some_and(|word| word.text == "all");
        if all {
            word = self.next();
        }
        let subject = match word {
            None => Subject::Everybody,
            Some(word) => match address::parse_network(word.text) {
                Ok(Some(network)) => Subject::Network(network),
                Ok(None) => Subject::Name(word.text.to_owned()),
                Err(flaw) => {
                    self.flaw(word.span, flaw);
                    return None;
                }
            },
        };
        Some(Value::Access(Access { all, subject }))
    }

    pub(super) fn mode(&mut self, known: &[&str]) -> Option<Value> {
        let word = self.want(&format!("one of {}", known.join(", ")))?;
        match known
            .iter()
            .find(|name| name.eq_ignore_ascii_case(word.text))
        {
            Some(name) => Some(Value::Mode((*name).to_owned())),
            None => {
                self.error(
                    word.span,
                    format!("{} is no mode of {}", shown(word.text), self.name.text),
                    Some(format!("it is one of {}", known.join(", "))),
                );
                None
            }
        }
    }

    pub(super) fn ip(&mut self) -> Option<core::net::IpAddr> {
        let word = self.want("an IP address")?;
        match address::parse_ip(word.text) {
            Ok(ip) => Some(ip),
            Err(flaw) => {
                self.flaw(word.span, flaw);
                None
            }
        }
    }

    pub(super) fn command_address(&mut self) -> Option<Value> {
        if let Some(word) = self.rest.first().filter(|word| word.text.starts_with('/')) {
            let path = word.text.to_owned();
            self.next();
            return Some(Value::CommandAddress(CommandAddress::Path(path)));
        }
        self.ip()
            .map(|ip| Value::CommandAddress(CommandAddress::Ip(ip)))
    }

    pub(super) fn broadcast(&mut self) -> Option<Value> {
        let interval_s = self.loose_int("an interval in seconds");
        let address = self.ip();
        let port = match self.next() {
            None => None,
            Some(word) => Some(u16::try_from(self.int_of(word, 0, 65535)?).unwrap_or(0)),
        };
        Some(Value::Broadcast(Broadcast {
            interval_s: interval_s?,
            address: address?,
            port,
        }))
    }

    pub(super) fn directories(&mut self) -> Option<Value> {
        let mut list = vec![self.text("a directory")?];
        while let Some(word) = self.next() {
            list.push(word.text.to_owned());
        }
        if list.len() > 10 {
            self.error(self.last, "more than ten directories".to_owned(), None);
        }
        Some(Value::Words(list))
    }

    pub(super) fn drift_file(&mut self) -> Option<Value> {
        let path = self.text("a file")?;
        let mut interval_s = None;
        if let Some(word) = self.next() {
            if !word.text.eq_ignore_ascii_case("interval") {
                let help = if word.text.starts_with('#') {
                    "chrony.conf has no comments after a directive: put it on a line of its own"
                } else {
                    "usage: driftfile FILE [interval SECONDS]"
                };
                self.error(
                    word.span,
                    format!("unknown option {} of driftfile", shown(word.text)),
                    Some(help.to_owned()),
                );
                self.rest = &[];
                return None;
            }
            interval_s = Some(self.loose_int("an interval in seconds")?);
        }
        Some(Value::DriftFile(DriftFile { path, interval_s }))
    }

    pub(super) fn init_step_slew(&mut self) -> Option<Value> {
        let threshold = self.float("a threshold in seconds");
        let mut hosts = Vec::new();
        while let Some(word) = self.next() {
            if let Err(flaw) = address::check_host(word.text) {
                self.flaw(word.span, flaw);
            }
            hosts.push(word.text.to_owned());
        }
        Some(Value::InitStepSlew(threshold?, hosts))
    }

    pub(super) fn local(&mut self) -> Option<Value> {
        let mut local = Local::default();
        self.options(directives::LOCAL_OPTIONS, |name, given| match name {
            "stratum" => local.stratum = given.int(),
            "distance" => local.distance = given.float(),
            "activate" => local.activate = given.float(),
            "waitsynced" => local.waitsynced = given.float(),
            "waitunsynced" => local.waitunsynced = given.float(),
            _ => local.orphan = true,
        });
        Some(Value::Local(local))
    }

    pub(super) fn words(&mut self, known: &[&str], what: &str, any_case: bool) -> Option<Value> {
        let mut list = Vec::new();
        while let Some(word) = self.next() {
            let found = known.iter().find(|name| {
                **name == word.text || any_case && name.eq_ignore_ascii_case(word.text)
            });
            match found {
                Some(name) => list.push((*name).to_owned()),
                None => {
                    let help = nearest(word.text, known.iter().copied()).map_or_else(
                        || format!("known are {}", known.join(", ")),
                        |near| format!("did you mean {near}?"),
                    );
                    self.error(
                        word.span,
                        format!("unknown {what} {}", shown(word.text)),
                        Some(help),
                    );
                }
            }
        }
        Some(Value::Words(list))
    }

    pub(super) fn make_step(&mut self) -> Option<Value> {
        let threshold_s = self.float("a threshold in seconds");
        let limit = self.loose_int("a number of updates; -1 = any");
        let (threshold_s, limit) = (threshold_s?, limit?);
        if limit == 0 {
            self.warn(
                self.last,
                "a limit of 0 updates: the clock is never stepped".to_owned(),
                Some("3 allows it in the first three updates, -1 at any time".to_owned()),
            );
        }
        Some(Value::MakeStep(MakeStep { threshold_s, limit }))
    }

    pub(super) fn trusted_certs(&mut self) -> Option<Value> {
        let first = self.want("a file or a directory")?;
        let Some(second) = self.next() else {
            return Some(Value::TrustedCerts(None, first.text.to_owned()));
        };
        let set = self.int_of(first, 0, i64::from(u32::MAX))?;
        Some(Value::TrustedCerts(
            u32::try_from(set).ok(),
            second.text.to_owned(),
        ))
    }

    pub(super) fn rate_limit(&mut self, kod: bool) -> Option<Value> {
        let all = directives::RATELIMIT_OPTIONS;
        let table = if kod {
            all
        } else {
            all.get(..3).unwrap_or(all)
        };
        let mut limit = RateLimit::default();
        // chronyd of before 4.7 takes any number here and clamps it.
        while let Some(word) = self.next() {
            let Some(info) = table
                .iter()
                .find(|info| info.name.eq_ignore_ascii_case(word.text))
            else {
                self.unknown_option(word, table);
                continue;
            };
            let Some(argument) = self.want(&format!("a value of {}", info.name)) else {
                break;
            };
            let Some(value) = self.int_of(argument, i64::from(i32::MIN), i64::from(i32::MAX))
            else {
                continue;
            };
            if !(-32..=32).contains(&value) {
                self.warn(
                    argument.span,
                    format!("{value} is far out of range"),
                    Some(
                        "chrony 4.7 and later refuse it; older ones use the nearest limit"
                            .to_owned(),
                    ),
                );
            }
            match info.name {
                "interval" => limit.interval = Some(value),
                "burst" => limit.burst = Some(value),
                "leak" => limit.leak = Some(value),
                _ => limit.kod = Some(value),
            }
        }
        Some(Value::RateLimit(limit))
    }

    pub(super) fn smooth_time(&mut self) -> Option<Value> {
        let max_frequency_ppm = self.float("a frequency in ppm");
        let max_wander_ppm_per_s = self.float("a wander in ppm per second");
        let mut leap_only = false;
        if let Some(word) = self.next() {
            leap_only = word.text.eq_ignore_ascii_case("leaponly");
            if !leap_only {
                self.error(
                    word.span,
                    format!("unknown option {} of smoothtime", shown(word.text)),
                    Some("it has one: leaponly".to_owned()),
                );
            }
        }
        Some(Value::SmoothTime(SmoothTime {
            max_frequency_ppm: max_frequency_ppm?,
            max_wander_ppm_per_s: max_wander_ppm_per_s?,
            leap_only,
        }))
    }

    pub(super) fn temp_comp(&mut self) -> Option<Value> {
        let points = self.rest.len() == 3;
        let sensor = self.text("a file with the temperature")?;
        let interval_s = self.float("an interval in seconds")?;
        let curve = if points {
            TempCurve::Points(self.text("a file of points")?)
        } else {
            let mut factors = [0.0; 4];
            for factor in &mut factors {
                *factor = self.float("T0, k0, k1 and k2")?;
            }
            TempCurve::Polynomial(factors)
        };
        Some(Value::TempComp(Box::new(TempComp {
            sensor,
            interval_s,
            curve,
        })))
    }
}
