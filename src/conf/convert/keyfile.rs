//! ntp.keys to chrony.keys: untrusted keys become comments, unusable ones are named.

use crate::conf::chrony::Version;
use crate::conf::convert::Converter;
use crate::conf::convert::input::Companion;
use crate::conf::convert::record::Outcome;
use crate::conf::convert::record::Record;
use crate::conf::convert::record::Verdict;
use crate::conf::keys;
use crate::conf::keys::Algorithm;
use crate::conf::keys::Key;
use crate::conf::keys::Keys;
use crate::conf::ntp::Body;
use crate::conf::ntp::Statement;
use crate::conf::span::Origin;

/// The old key file as read.
#[derive(Clone, Debug)]
pub(super) struct KeyFile {
    pub(super) path: String,
    text: String,
    keys: Keys,
}

impl KeyFile {
    pub(super) fn find(&self, id: u32) -> Option<&Key> {
        self.keys.find(id)
    }
}

/// Reads the key file, if there is one.
pub(super) fn read(companion: Option<&Companion>) -> Option<KeyFile> {
    let companion = companion?;
    let bytes = companion.content.as_ref().ok()?;
    Some(KeyFile {
        path: companion.path.clone(),
        text: String::from_utf8_lossy(bytes).into_owned(),
        keys: keys::ntp(&companion.path, bytes),
    })
}

/// A masked line without the lengths of its secrets.
fn stars(line: &str) -> String {
    let words = line
        .split_whitespace()
        .map(|word| if word.starts_with('*') { "***" } else { word });
    let words: Vec<&str> = words.collect();
    words.join(" ")
}

impl Converter<'_> {
    /// Whether `trustedkey` or ntpd's `-t` names a key.
    pub(super) fn trusted(&self, id: u32) -> bool {
        let named = |statement: &Statement| match &statement.body {
            Body::KeyRanges(ranges) => ranges
                .iter()
                .any(|(low, high)| (*low..=*high).contains(&id)),
            _ => false,
        };
        self.trusted_by_option.contains(&id) || self.input.conf.named("trustedkey").any(named)
    }

    /// What becomes of the `keys` line.
    pub(super) fn key_file(&self) -> Outcome {
        let path = &self.target.layout.keys;
        match &self.input.keys {
            Some(Companion { content: Ok(_), .. }) => Outcome::changed(
                vec![format!("keyfile {path}")],
                &format!("the keys were converted to {path}"),
            ),
            Some(Companion {
                path: old,
                content: Err(why),
            }) => {
                let needed = self
                    .input
                    .conf
                    .statements()
                    .any(|statement| match &statement.body {
                        Body::Association { options, .. } => {
                            options.iter().any(|option| option.name == "key")
                        }
                        _ => false,
                    });
                let outcome = Outcome::changed(vec![format!("keyfile {path}")], "");
                let note = format!("cannot read {old}: {why}: the new key file has no keys");
                if needed {
                    outcome.losing(note)
                } else {
                    outcome.note(note)
                }
            }
            None => Outcome::changed(vec![format!("keyfile {path}")], "")
                .note("the key file was not given: the new one has no keys"),
        }
    }

    /// The new key file and an account of the old one's lines.
    pub(super) fn convert_keys(&self) -> (Option<String>, Vec<Record>) {
        let mut records = Vec::new();
        let Some(file) = &self.keys else {
            let names = self.input.conf.named("keys").next().is_some();
            let empty = "# Keys for chronyd, as ID TYPE KEY; see chrony.keys(5).\n".to_string();
            return (names.then_some(empty), records);
        };
        let mut out = String::from("# Converted from ");
        out.push_str(&file.path);
        out.push('\n');
        let masked: Vec<&str> = file
            .keys
            .map
            .files()
            .first()
            .map_or_else(Vec::new, |f| f.text.lines().collect());
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim_start_matches('\u{feff}').trim();
            if line.is_empty() {
                continue;
            }
            let origin = Origin {
                file: file.path.clone(),
                line: number + 1,
                column: 1,
            };
            let mut record = Record {
                origin,
                text: masked
                    .get(number)
                    .map_or_else(String::new, |text| stars(text)),
                verdict: Verdict::Kept,
                matters: false,
                output: Vec::new(),
                reason: String::new(),
            };
            if line.starts_with('#') {
                out.push_str(line);
                out.push('\n');
            } else {
                self.key_line(file, number + 1, &mut record, &mut out);
            }
            records.push(record);
        }
        (Some(out), records)
    }

    fn key_line(&self, file: &KeyFile, number: usize, record: &mut Record, out: &mut String) {
        let at = |span| file.keys.map.origin(span).line == number;
        if let Some(key) = file.keys.keys.iter().find(|key| at(key.span)) {
            let shown = format!("{} {} ***", key.id, key.algorithm.word());
            let written = keys::write_chrony(key);
            record.verdict = Verdict::Changed;
            if !self.trusted(key.id) {
                out.push_str(&format!("#{written}\n"));
                record.output = vec![format!("#{shown}")];
                record.reason = "not named by trustedkey: a comment now".to_owned();
                return;
            }
            let aes = matches!(key.algorithm, Algorithm::Aes128 | Algorithm::Aes256);
            if aes && self.target.version < Version::new(4, 0) {
                out.push_str(&format!("#{written}\n"));
                record.matters = true;
                record.reason = "AES keys need chrony 4.0".to_owned();
                return;
            }
            out.push_str(&written);
            out.push('\n');
            record.output = vec![shown];
            record.reason = "in chrony's notation".to_owned();
            if key.addresses.is_some() {
                record
                    .reason
                    .push_str("; chrony does not bind a key to addresses");
            }
        } else if let Some(bad) = file.keys.bad.iter().find(|bad| at(bad.span)) {
            let trusted = bad.id.is_some_and(|id| self.trusted(id));
            record.verdict = Verdict::Dropped;
            record.matters = trusted;
            record.reason = bad.reason.clone();
            out.push_str(&format!(
                "# line {number} of {}: {}\n",
                file.path, bad.reason
            ));
        }
    }
}
