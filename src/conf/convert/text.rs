//! The text of the new configuration: lines in their places, comments, sections.

use crate::conf::chrony::Version;
use crate::conf::chrony::gate::Newer;
use crate::conf::chrony::gate::newer_than;
use crate::conf::chrony::load;
use crate::conf::convert::Converter;
use crate::conf::diagnostic::Diagnostic;

impl Converter<'_> {
    pub(super) fn text(&self, access: &[String], added: &[String]) -> String {
        let from = self
            .input
            .conf
            .map
            .files()
            .first()
            .map_or("ntp.conf", |file| file.path.as_str());
        let mut out = format!("# Converted from {from} by clockbox migrate-ntpd.\n\n");
        let mut push = |lines: &[String]| {
            for line in lines {
                out.push_str(line);
                out.push('\n');
            }
        };
        let mut lines = self.lines.clone();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        push(&lines);
        push(&[
            "".to_owned(),
            format!(
                "# Needed by {}, a matter of course in ntpd.",
                self.target.layout.daemon
            ),
        ]);
        push(added);
        if !access.is_empty() || !self.access.is_empty() {
            let head = match self.serving.serve {
                true => "# Access: who is answered.",
                false => "# Access: nobody is answered, for there is no allow line.",
            };
            push(&["".to_owned(), head.to_owned()]);
            push(&self.access);
            push(access);
        }
        out
    }

    pub(super) fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }
}

/// Whether a line means to chrony what it says.
pub(super) fn expressible(line: &str) -> bool {
    let one = !line.contains(['\n', '\r']);
    one && (line.starts_with('#') || !load::parse_alone("line", line.as_bytes()).has_errors())
}

/// The words of a line that a version of chrony does not know.
pub(super) fn newer(line: &str, version: Version) -> Vec<Newer> {
    let loaded = load::parse_alone("line", line.as_bytes());
    let statements = loaded.statements.iter();
    statements
        .flat_map(|statement| newer_than(version, statement.name, &statement.value))
        .collect()
}

/// A missing include of the distribution's kept lines is not our fault.
pub(super) fn is_include(check: &load::Loaded, diagnostic: &Diagnostic) -> bool {
    let line = check.map.origin(diagnostic.span).line;
    check.map.file(diagnostic.span.file).is_some_and(|file| {
        let text = file.line(line).trim_start().to_ascii_lowercase();
        text.starts_with("include ")
            || text.starts_with("confdir ")
            || text.starts_with("sourcedir ")
    })
}

/// chronyd reads lines of 2047 bytes at most, comments included.
pub(super) fn push_comment(lines: &mut Vec<String>, text: &str) {
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect();
    if clean.len() <= 500 {
        lines.push(clean);
        return;
    }
    let body: Vec<char> = clean.trim_start_matches('#').chars().collect();
    for part in body.chunks(400) {
        let part: String = part.iter().collect();
        lines.push(format!("#{part}"));
    }
}
