//! `tos` and `tinker`: the constants of source selection and of the clock discipline.

use crate::conf::chrony::Version;
use crate::conf::chrony::value::Local;
use crate::conf::chrony::value::MakeStep;
use crate::conf::chrony::value::MaxChange;
use crate::conf::chrony::value::Value;
use crate::conf::chrony::write;
use crate::conf::convert::Converter;
use crate::conf::convert::record::Outcome;
use crate::conf::ntp::Body;
use crate::conf::ntp::Opt;

impl Converter<'_> {
    pub(super) fn tos(&mut self, option: &Opt) -> Outcome {
        let int = option.int().unwrap_or(0);
        match option.name {
            "minsane" if int >= 1 => {
                let line = Outcome::kept(format!("minsources {int}"));
                let sources = self.source_count();
                if i64::from(sources) < int {
                    line.note(format!("the configuration has fewer sources than {int}: the clock is not corrected until there are"))
                } else {
                    line
                }
            }
            "minsane" => Outcome::implied("chrony needs one source too"),
            "maxdist" | "maxdisp" => match option.number().filter(|number| *number > 0.0) {
                Some(number) => Outcome::kept(write::line("maxdistance", &Value::Float(number))),
                None => Outcome::dropped("not a distance"),
            },
            "ceiling" if int >= 16 => Outcome::implied("no limit"),
            "ceiling" => self.gated_choice("maxstratum", &Value::Int((int - 1).max(0))),
            "floor" if int <= 1 => Outcome::implied("no limit"),
            "floor" => self.gated_choice("minstratum", &Value::Int(int)),
            "orphan" => self.orphan(int),
            "orphanwait" => Outcome::changed(Vec::new(), "part of the local line"),
            "minclock" | "mindist" | "beacon" | "cohort" | "bcpollbstep" | "basedate" => {
                Outcome::dropped("chrony's selection has no such constant")
            }
            "maxclock" if self.input.conf.named("pool").next().is_some() => {
                Outcome::changed(Vec::new(), "the size of a pool is its maxsources")
            }
            "maxclock" => Outcome::dropped("the sources are those that the lines name"),
            _ => Outcome::dropped("chrony's selection has no such constant"),
        }
    }

    /// The stratum of `tos orphan`, if it is switched on.
    pub(super) fn orphan_stratum(&self) -> Option<u8> {
        let options = self.tos_options().filter(|option| option.name == "orphan");
        options
            .last()
            .and_then(Opt::int)
            .and_then(|n| u8::try_from(n).ok())
            .filter(|n| (1..=15).contains(n))
    }

    pub(super) fn tos_options(&self) -> impl Iterator<Item = &Opt> {
        self.input
            .conf
            .named("tos")
            .flat_map(|statement| match &statement.body {
                Body::Options(options) => options.as_slice(),
                _ => &[],
            })
    }

    fn orphan(&mut self, stratum: i64) -> Outcome {
        let Some(stratum) = self.orphan_stratum().filter(|_| stratum < 16) else {
            return Outcome::implied("orphan 16 means no orphan mode");
        };
        if self.local_written {
            return Outcome::changed(
                Vec::new(),
                "chrony has one local mode: an earlier line has it already",
            );
        }
        self.local_written = true;
        self.fallback = true;
        let agrees = self.target.version >= Version::new(2, 4);
        let wait = self
            .tos_options()
            .filter(|option| option.name == "orphanwait")
            .last()
            .and_then(Opt::number);
        let local = Local {
            stratum: Some(stratum),
            orphan: agrees,
            waitunsynced: wait.filter(|_| self.target.version >= Version::new(4, 7)),
            ..Local::default()
        };
        let outcome = Outcome::kept(write::line("local", &Value::Local(local)));
        match agrees {
            true => outcome,
            false => outcome
                .losing("orphan needs chrony 2.4: several such servers do not agree who serves"),
        }
    }

    pub(super) fn tinker(&mut self, option: &Opt) -> Outcome {
        let number = option.number().unwrap_or(0.0);
        match option.name {
            "panic" if number <= 0.0 => {
                Outcome::implied("chronyd never gives up on a large offset")
            }
            "panic" if self.slew_only => Outcome::dropped("the clock is only slewed"),
            "panic" => {
                let change = MaxChange {
                    offset_s: number,
                    start: 1,
                    ignore: 1,
                };
                Outcome::changed(vec![write::line("maxchange", &Value::MaxChange(change))], "")
                    .note("chronyd gives up on the second correction of this size; the first is free, as with ntpd -g")
            }
            "step" => self.step(number),
            "dispersion" => {
                let ppm = (number * 1e9).round() / 1e3;
                Outcome::changed(
                    vec![write::line("maxclockerror", &Value::Float(ppm))],
                    "in ppm",
                )
            }
            "freq" => Outcome::changed(Vec::new(), "the new drift file starts with it"),
            "stepout" | "stepfwd" | "stepback" => Outcome::dropped("chrony steps by makestep only"),
            _ => Outcome::dropped("chrony's discipline has no such constant"),
        }
    }

    /// `tinker step`: 0 means never.
    fn step(&mut self, threshold_s: f64) -> Outcome {
        if self.step_written {
            return Outcome::changed(Vec::new(), "the step threshold stands in an earlier line");
        }
        self.step_written = true;
        if self.slew_only && threshold_s > 0.0 {
            self.step_written = false;
            return Outcome::changed(Vec::new(), "ntpd's -x sets the threshold to 600 s");
        }
        if threshold_s <= 0.0 {
            return Outcome::implied("without makestep chronyd never steps");
        }
        let limit = if self.policy.ntpd_like { -1 } else { 3 };
        let step = MakeStep { threshold_s, limit };
        let outcome = Outcome::changed(vec![write::line("makestep", &Value::MakeStep(step))], "");
        if limit == 3 {
            outcome.note("chronyd steps in its first three updates only; -1 instead of 3 steps at any time, as ntpd does")
        } else {
            outcome
        }
    }
}
