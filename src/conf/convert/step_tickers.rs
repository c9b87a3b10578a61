//! RHEL's /etc/ntp/step-tickers: hosts that set the clock at boot before ntpd starts.

use crate::conf::convert::Converter;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Record;
use crate::conf::ntp::Body;
use crate::conf::span::Origin;

impl Converter<'_> {
    /// Whether the file names a host.
    pub(super) fn ticks(&self, host: &str) -> bool {
        let content = self.input.step_tickers.as_ref().map(|file| &file.content);
        content
            .and_then(|content| content.as_ref().ok())
            .is_some_and(|bytes| {
                let text = String::from_utf8_lossy(bytes);
                let mut lines = text
                    .lines()
                    .map(|line| line.split('#').next().unwrap_or(""));
                lines.any(|line| line.split_whitespace().any(|word| word == host))
            })
    }

    /// The account of the file. `iburst` and `makestep` do the job; hosts that are no sources are
    /// lost, because the directive that would use them (initstepslew) delays the boot.
    pub(super) fn step_tickers(&mut self) -> Vec<Record> {
        let Some(file) = &self.input.step_tickers else {
            return Vec::new();
        };
        let Ok(bytes) = &file.content else {
            return Vec::new();
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let known: Vec<&str> = self
            .input
            .conf
            .statements()
            .filter_map(|statement| match &statement.body {
                Body::Association { address, .. } => Some(address.host()),
                _ => None,
            })
            .collect();
        let mut records = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let hosts: Vec<&str> = line
                .split('#')
                .next()
                .unwrap_or("")
                .split_whitespace()
                .collect();
            let strangers: Vec<&str> = hosts
                .iter()
                .copied()
                .filter(|host| !known.contains(host))
                .collect();
            let outcome = if hosts.is_empty() {
                Outcome::implied("a comment")
            } else if strangers.is_empty() {
                Outcome::changed(
                    Vec::new(),
                    "makestep corrects the clock at the start from the same servers",
                )
            } else {
                Outcome::changed(
                    Vec::new(),
                    &format!(
                        "makestep corrects the clock at the start from the servers of ntp.conf; {} is not among them",
                        strangers.join(", ")
                    ),
                )
            };
            let origin = Origin {
                file: file.path.clone(),
                line: number + 1,
                column: 1,
            };
            records.push(Record::new(origin, line.to_owned(), outcome));
        }
        records
    }
}
