//! The man page of the daemon's configuration, clockbox.conf(5): every directive and option of
//! chrony.conf, and whether it is followed, from the tables that the daemon itself goes by.

use super::daemon::settings::standing;
use super::daemon::settings::standing::Standing;
use super::generate::paragraphs;
use super::generate::roff;
use crate::conf::chrony::directives::DIRECTIVES;
use crate::conf::chrony::directives::HWTIMESTAMP_OPTIONS;
use crate::conf::chrony::directives::LOCAL_OPTIONS;
use crate::conf::chrony::directives::OptionInfo;
use crate::conf::chrony::directives::RATELIMIT_OPTIONS;
use crate::conf::chrony::directives::REFCLOCK_OPTIONS;
use crate::conf::chrony::directives::SOURCE_OPTIONS;
use std::fmt::Write;

const DESCRIPTION: &str = "clockbox sync --daemon and clockbox serve read chrony.conf(5) as it is: the file that --config names, else the first of /etc/clockbox/clockbox.conf, /etc/chrony/chrony.conf and /etc/chrony.conf. What chrony's manual says of a directive holds here, with the exceptions below. A directive or option that is not followed is named in a warning at the start, and by --check-config with its place; an unknown one, or one with a wrong argument, is an error, with a caret under the place, and the daemon does not start.\n\n    clockbox sync --daemon --check-config -f /etc/chrony/chrony.conf\n    clockbox sync --daemon --print-config -f /etc/chrony/chrony.conf";

const LOGS: &str = "log with logdir writes measurements.log, statistics.log, selection.log, tracking.log, refclocks.log and tempcomp.log, in the columns of chronyd's files; times are UTC. The banner comes first and after every logbanner lines (32; 0 for none). Some columns are of chronyd's own method: the score in measurements.log is 0.00, and the stress in statistics.log is by how many of its standard deviations the frequency moved. In selection.log and selectdata the score says how much nearer a source is than the one that is followed: 1 is not at all, at 10 it takes that one's place (reselectdist).\n\nFiles are made when their first line comes, for the daemon's user, readable by its group. chronyc cyclelogs and SIGHUP close them; the next line goes to whatever has the name then:\n\n    /var/log/clockbox/*.log {\n        postrotate\n            chronyc -h /run/clockbox/control.sock cyclelogs\n        endscript\n    }\n\nAn offset beyond logchange (1 s) is a warning in the log. One beyond that of mailonchange is mailed, by /usr/sbin/sendmail -t, which is not waited for; a sendmail that needs more rights than the daemon has will not work under the hardened unit.";

const RELOAD: &str = "SIGHUP (systemctl reload) reads the file again: sources, allow and deny, cmdallow and cmddeny, and keys. Sources whose lines did not change keep all that is known of them, those that chronyc added stay, those that it deleted come back if the file has them. Other directives that changed are named, and followed after a restart. A file with an error changes nothing. chronyc reload sources reads the files of sourcedir only.";

const USER: &str = "Started by root, the daemon becomes the user that -u or user names; else the owner of the directory of driftfile, if that is the user of chrony's package (_chrony or chrony); else _clockbox or clockbox, if there is one; else it stays root, and says so. Without a named user it also stays root while a reference clock of the file cannot be opened: all are opened before root is given up, and stay open. Directories named clockbox are given to that user; others must be writable for it, and are named in a warning if they are not.";

/// The page.
pub(super) fn page() -> String {
    let mut text = format!(
        ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH clockbox.conf 5 \"\" clockbox clockbox\n\
         .SH NAME\nclockbox.conf \\- configuration of the clockbox daemon, chrony.conf's\n\
         .SH DESCRIPTION\n{}",
        paragraphs(DESCRIPTION)
    );
    text.push_str(".SH DIRECTIVES\n.PP\nWith the first release of chrony that has each.\n");
    for directive in DIRECTIVES {
        let standing = standing::DIRECTIVES
            .iter()
            .find(|row| row.0 == directive.name)
            .map_or(Standing::Done, |row| row.1);
        let since = match directive.obsolete {
            Some(why) => format!("Obsolete: {why}"),
            None => format!("{} ({})", sentence(directive.help), directive.since),
        };
        entry(
            &mut text,
            directive.name,
            directive.arguments,
            &since,
            standing,
        );
    }
    for (title, options, table) in [
        (
            "OPTIONS OF SERVER, POOL AND PEER",
            SOURCE_OPTIONS,
            standing::OF_SOURCES,
        ),
        (
            "OPTIONS OF REFCLOCK",
            REFCLOCK_OPTIONS,
            standing::OF_REFCLOCKS,
        ),
        (
            "OPTIONS OF HWTIMESTAMP",
            HWTIMESTAMP_OPTIONS,
            standing::OF_CARDS,
        ),
        ("OPTIONS OF LOCAL", LOCAL_OPTIONS, standing::OF_LOCAL),
        (
            "OPTIONS OF RATELIMIT AND CMDRATELIMIT",
            RATELIMIT_OPTIONS,
            standing::OF_RATELIMIT,
        ),
    ] {
        let _ = writeln!(text, ".SH {title}");
        for option in options {
            one(&mut text, option, table);
        }
    }
    for (title, body) in [
        ("LOG FILES", LOGS),
        ("READING IT AGAIN", RELOAD),
        ("THE USER", USER),
    ] {
        let _ = write!(text, ".SH {title}\n{}", paragraphs(body));
    }
    text.push_str(
        ".SH SEE ALSO\n.PP\n\\fBclockbox\\-sync\\fR(1), \\fBclockbox\\-serve\\fR(1), \
         \\fBchrony.conf\\fR(5), \\fBchronyc\\fR(1)\n",
    );
    text
}

fn one(text: &mut String, option: &OptionInfo, table: &[(&str, Standing)]) {
    let standing = table
        .iter()
        .find(|row| row.0 == option.name)
        .map_or(Standing::Done, |row| row.1);
    let help = format!("{} ({})", sentence(option.help), option.since);
    entry(text, option.name, "", &help, standing);
}

fn entry(text: &mut String, name: &str, arguments: &str, help: &str, standing: Standing) {
    let _ = write!(text, ".TP\n\\fB{}\\fR", roff(name));
    if !arguments.is_empty() {
        let _ = write!(text, " {}", roff(arguments));
    }
    let _ = writeln!(text, "\n{}", roff(help));
    match standing {
        Standing::Done | Standing::Obsolete => {}
        Standing::Serve => text.push_str("By \\fBclockbox serve\\fR only.\n"),
        Standing::Not(why) => {
            let _ = writeln!(text, "\\fINot followed:\\fR {}.", roff(why));
        }
    }
}

/// A line of help as a sentence.
fn sentence(help: &str) -> String {
    let mut letters = help.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_directive_is_there_and_what_is_not_followed_says_why() {
        let page = page();
        for directive in DIRECTIVES {
            assert!(page.contains(&format!("\\fB{}\\fR", roff(directive.name))));
        }
        for (name, standing) in standing::DIRECTIVES {
            if let Standing::Not(why) = standing {
                let part = format!("\\fINot followed:\\fR {}.", roff(why));
                assert!(page.contains(&part), "{name}");
            }
        }
    }
}
