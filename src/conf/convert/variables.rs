//! The variables beside the options in the files of the old service: what its start script did with
//! them, and who does that now.

use crate::conf::convert::Converter;
use crate::conf::convert::input::Variable;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Record;
use crate::conf::span::Origin;

impl Converter<'_> {
    /// The account of these lines.
    pub(super) fn variables(&self) -> Vec<Record> {
        let account = |variable: &Variable| {
            let origin = Origin {
                file: variable.path.clone(),
                line: variable.line,
                column: 1,
            };
            Record::new(origin, variable.text.clone(), self.variable(variable))
        };
        self.input.variables.iter().map(account).collect()
    }

    fn variable(&self, variable: &Variable) -> Outcome {
        if variable.overridden {
            return Outcome::implied("a later line of the file takes its place");
        }
        if variable.value.is_empty() {
            return Outcome::implied("says nothing");
        }
        match variable.name.as_str() {
            "SYNC_HWCLOCK" | "NTPDATE_SYNC_HWCLOCK" | "NTPD_FORCE_SYNC_HWCLOCK_ON_STARTUP" => {
                self.hardware_clock(&variable.value)
            }
            "NTPD_FORCE_SYNC_ON_STARTUP"
            | "NTPD_INITIAL_NTPDATE"
            | "NTPDATE_OPTIONS"
            | "NTPSERVERS"
            | "NTPOPTIONS"
            | "NTPDATE_USE_NTP_CONF"
            | "RETRIES" => Outcome::changed(
                Vec::new(),
                "makestep corrects the clock at the start from the servers of ntp.conf",
            ),
            "IGNORE_DHCP" => Outcome::implied("servers of DHCP are taken, as before"),
            "NTPSEC_CERTBOT_CERT_NAME" => Outcome::lost(
                "certbot's hook copied this certificate for ntpsec: have it copy one for ntsservercert and ntsserverkey",
            ),
            _ => Outcome::dropped("for the start script of the old service"),
        }
    }

    /// ntpd's own service wrote the hardware clock when it started or stopped, or did not; the
    /// kernel writes it all the time while ntpd steers, whatever stands here.
    fn hardware_clock(&self, value: &str) -> Outcome {
        let yes = matches!(value.to_ascii_lowercase().as_str(), "yes" | "true" | "1");
        match (self.target.no_rtc, yes) {
            (true, false) => Outcome::implied("there is no hardware clock to write"),
            (true, true) => Outcome::dropped("this machine has no hardware clock to write"),
            (false, true) => Outcome::changed(Vec::new(), "rtcsync keeps the hardware clock right"),
            (false, false) => Outcome::changed(
                Vec::new(),
                "the kernel keeps the hardware clock right by rtcsync, as it did under ntpd; without that line nobody writes it",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::conf::convert::convert;
    use crate::conf::convert::input::Policy;
    use crate::conf::convert::input::Variable;
    use crate::conf::convert::tests::input;
    use crate::conf::convert::tests::target;
    use crate::conf::convert::tests::verdicts;
    use crate::conf::ntp::Dialect;

    #[test]
    fn every_variable_of_the_service_is_accounted_for() {
        for (text, no_rtc, verdict, reason) in [
            (
                "SYNC_HWCLOCK=no",
                false,
                "c",
                "without that line nobody writes it",
            ),
            ("SYNC_HWCLOCK=yes", false, "c", "rtcsync keeps"),
            ("SYNC_HWCLOCK=no", true, "k", "no hardware clock"),
            ("SYNC_HWCLOCK=yes", true, "d", "no hardware clock"),
            (
                "NTPD_FORCE_SYNC_HWCLOCK_ON_STARTUP=no",
                false,
                "c",
                "nobody writes it",
            ),
            ("NTPD_FORCE_SYNC_ON_STARTUP=yes", false, "c", "makestep"),
            ("NTPSEC_CERTBOT_CERT_NAME=", false, "k", "says nothing"),
            (
                "NTPSEC_CERTBOT_CERT_NAME=ntp.example",
                false,
                "d!",
                "ntsservercert",
            ),
            ("IGNORE_DHCP=no", false, "k", "as before"),
            ("NTPD_RUN_CHROOTED=yes", false, "d", "start script"),
        ] {
            let (name, value) = text.split_once('=').unwrap();
            let mut full = input("server a\n", Dialect::Classic);
            full.variables.push(Variable {
                path: "/etc/sysconfig/ntpd".to_owned(),
                line: 3,
                text: text.to_owned(),
                name: name.to_owned(),
                value: value.to_owned(),
                overridden: false,
            });
            let mut target = target((4, 3));
            target.no_rtc = no_rtc;
            let done = convert(&full, &target, Policy::default());
            assert_eq!(verdicts(&done), format!("k{verdict}"), "{text} {no_rtc}");
            assert!(
                done.records[1].reason.contains(reason),
                "{:?}",
                done.records[1]
            );
            assert_eq!(done.conf.contains("\nrtcsync\n"), !no_rtc, "{text}");
        }
    }
}
