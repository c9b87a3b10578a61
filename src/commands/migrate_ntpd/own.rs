//! clockbox's own daemon as the target: what it does not follow of a converted configuration, the
//! proof that it answers nobody whom ntpd refused, its service files, and the program itself.

use super::next;
use super::plan::Wanted;
use super::tree::Tree;
use super::words;
use crate::commands::daemon::settings::access;
use crate::commands::daemon::settings::sources;
use crate::commands::daemon::settings::standing;
use crate::commands::daemon::settings::standing::Role;
use crate::commands::serve::rules::Rules;
use crate::conf::chrony;
use crate::conf::chrony::Loaded;
use crate::conf::chrony::Settings;
use crate::conf::chrony::load::parse_alone;
use crate::conf::convert::Conversion;
use crate::conf::convert::input::Target;
use crate::conf::convert::record::Verdict;
use crate::conf::diagnostic::render_all;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::service::Manager;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Where the program is put when it is not installed.
pub(super) const PROGRAM: &str = "/usr/local/sbin/clockbox";
/// Where it is looked for: a service cannot start one in somebody's home.
const PROGRAMS: &[&str] = &[
    "/usr/sbin/clockbox",
    "/usr/bin/clockbox",
    PROGRAM,
    "/usr/local/bin/clockbox",
];
/// The program's place in the service files.
const NAMED: &str = "/usr/bin/clockbox";
/// First line of the service files that a migration writes: these it may replace.
const MARK: &str = "# Written by clockbox migrate-ntpd; a package's own file takes its place.\n";

const UNIT: &str = include_str!("../../../scripts/systemd/clockbox.service");
const SERVE_UNIT: &str = include_str!("../../../scripts/systemd/clockbox-serve.service");
const OPENRC: &str = include_str!("../../../scripts/openrc/clockbox");
const SYSV: &str = include_str!("../../../scripts/sysv/clockbox");

/// Whether the program is installed where a service can start it.
pub(super) fn is_installed(tree: &Tree) -> bool {
    tree.first(PROGRAMS).is_some()
}

/// The name of the service: systemd has one for each of the two roles.
pub(super) fn service(manager: Manager, serving: bool) -> &'static str {
    match manager {
        Manager::OpenRc | Manager::SysV => "clockbox",
        Manager::Systemd | Manager::None if serving => "clockbox-serve",
        Manager::Systemd | Manager::None => "clockbox",
    }
}

/// The program, where it is not installed, and the files of its service, where no package brought
/// them.
pub(super) fn files(tree: &Tree, manager: Manager, serving: bool) -> Result<Vec<Wanted>, Failure> {
    let mut files = Vec::new();
    let program = match tree.first(PROGRAMS) {
        Some(path) => path,
        None => {
            let own = sys::host::program()?;
            files.push(Wanted {
                mode: 0o755,
                secret: true,
                ..Wanted::new(PROGRAM, sys::files::read(&own, 512 << 20)?)
            });
            PROGRAM
        }
    };
    let name = service(manager, serving);
    let (path, text, mode) = match manager {
        Manager::OpenRc => ("/etc/init.d/clockbox".to_owned(), OPENRC, 0o755),
        Manager::SysV => ("/etc/init.d/clockbox".to_owned(), SYSV, 0o755),
        Manager::Systemd | Manager::None => (
            format!("/etc/systemd/system/{name}.service"),
            if serving { SERVE_UNIT } else { UNIT },
            0o644,
        ),
    };
    let known = sys::service::find(tree.root(), name).is_some();
    let ours = tree.text(&path).is_some_and(|text| text.contains(MARK));
    if !known || ours {
        let text = marked(&text.replace(NAMED, program));
        files.push(Wanted {
            mode,
            ..Wanted::new(&path, text.into_bytes())
        });
    }
    let options = match manager {
        Manager::OpenRc => Some(("/etc/conf.d/clockbox", "clockbox_command")),
        Manager::SysV if tree.has("/etc/sysconfig") => {
            Some(("/etc/sysconfig/clockbox", "CLOCKBOX_COMMAND"))
        }
        Manager::SysV => Some(("/etc/default/clockbox", "CLOCKBOX_COMMAND")),
        Manager::Systemd | Manager::None => None,
    };
    if let Some((path, variable)) = options {
        let old = tree.text(path).unwrap_or_default();
        let new = assigned(&old, variable, serving.then_some("serve"));
        if new != old {
            files.push(Wanted::new(path, new.into_bytes()));
        }
    }
    Ok(files)
}

/// The mark comes first, but behind an interpreter's line.
fn marked(text: &str) -> String {
    match text
        .split_once('\n')
        .filter(|(first, _)| first.starts_with("#!"))
    {
        Some((first, rest)) => format!("{first}\n{MARK}{rest}"),
        None => format!("{MARK}{text}"),
    }
}

/// A file of shell assignments with this one, or without it.
fn assigned(text: &str, variable: &str, value: Option<&str>) -> String {
    let is_it = |line: &str| {
        line.trim_start()
            .strip_prefix(variable)
            .is_some_and(|rest| rest.starts_with('='))
    };
    let mut out = String::new();
    for line in text.lines().filter(|line| !is_it(line)) {
        out.push_str(line);
        out.push('\n');
    }
    if let Some(value) = value {
        out.push_str(&format!("{variable}={value}\n"));
    }
    out
}

/// The daemon's own reading of the configuration: an error in it is one before anything is touched.
pub(super) fn check(tree: &Tree, target: &Target, conf: &str) -> Result<(), Failure> {
    let loaded = chrony::load_text(&target.layout.conf, conf.as_bytes(), tree);
    if !loaded.has_errors() {
        return Ok(());
    }
    let text = render_all(&loaded.diagnostics, &loaded.map);
    Err(Failure::new(
        ExitStatus::Data,
        format!("clockbox refuses the new configuration:\n{text}"),
    )
    .hint(next::here(
        tree,
        "migrate-ntpd",
        "--to clockbox --dry-run --diff",
    )))
}

/// Says of every line what the daemon does not follow, and refuses what would leave it without a
/// source or answer somebody whom ntpd refused.
pub(super) fn account(conversion: &mut Conversion, target: &Target) {
    words::own(conversion);
    let mut told = BTreeSet::new();
    let loaded = parse_alone(&target.layout.conf, conversion.conf.as_bytes());
    let whole = ignored(&loaded);
    for record in &mut conversion.records {
        let text = record.output.join("\n");
        let alone = ignored(&parse_alone("line", text.as_bytes())).into_iter();
        // What a line lacks, another one may have.
        for ignored in alone.filter(|one| whole.iter().any(|known| known.name == one.name)) {
            record.verdict = record.verdict.max(Verdict::Changed);
            record.matters |= ignored.matters();
            if !record.reason.is_empty() {
                record.reason.push_str("; ");
            }
            record.reason.push_str(&ignored.text);
            told.insert(ignored.text);
        }
    }
    for ignored in whole {
        if ignored.matters() && told.insert(ignored.text.clone()) {
            conversion.warnings.push(ignored.text);
        }
    }
    if conversion.refusal.is_some() {
        return;
    }
    let settings = Settings::new(&loaded);
    let clocks = settings.refclocks.iter().filter(|clock| !clock.value.local);
    let usable = sources::of_file(&settings).len() + clocks.count();
    if usable == 0 && settings.local.is_none() {
        conversion.refusal = Some(
            "no source of time is left: clockbox's own daemon follows none of the sources"
                .to_owned(),
        );
    }
    if let Some(address) = widened(&loaded, &settings, conversion) {
        conversion.refusal = Some(format!(
            "a bug: clockbox would answer {address}, which ntpd refuses"
        ));
    }
}

/// The first address that the daemon would answer and ntpd refuses.
fn widened(
    loaded: &Loaded,
    settings: &Settings,
    conversion: &Conversion,
) -> Option<core::net::IpAddr> {
    let rules = Rules::new(access::lines(loaded, &settings.access)).access();
    conversion
        .refused
        .iter()
        .copied()
        .find(|address| rules.allows(*address))
}

/// Something that the daemon does not follow.
struct Ignored {
    /// The directive or option.
    name: String,
    /// What is said of it.
    text: String,
}

impl Ignored {
    /// Somebody may miss it: everything but the names of places.
    fn matters(&self) -> bool {
        !matches!(self.name.as_str(), "logdir" | "ntsdumpdir" | "lock_all")
    }
}

fn ignored(loaded: &Loaded) -> Vec<Ignored> {
    standing::warnings(loaded, Role::Serve)
        .into_iter()
        .map(|warning| Ignored {
            name: warning
                .message
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned(),
            text: warning.message,
        })
        .collect()
}

/// The command that installs the program by hand.
pub(super) fn install_command(root: &std::path::Path) -> String {
    let own = sys::host::program().unwrap_or_else(|_| PathBuf::from("clockbox"));
    let place = sys::files::under(root, std::path::Path::new(PROGRAM));
    format!("install -m 755 {} {}", own.display(), place.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::Version;
    use crate::conf::convert::convert;
    use crate::conf::convert::input::Input;
    use crate::conf::convert::input::Layout;
    use crate::conf::convert::input::Policy;
    use crate::conf::convert::rule_lists;
    use crate::conf::files::NoFiles;
    use crate::conf::ntp;
    use crate::conf::ntp::Dialect;
    use proptest::prelude::*;

    fn target() -> Target {
        Target {
            version: Version::new(4, 9),
            layout: Layout::clockbox(),
            leap_list: None,
            right_utc: None,
            no_rtc: false,
            options: None,
        }
    }

    fn converted(text: &str, dialect: Dialect) -> Conversion {
        let input = Input::new(ntp::load_text(
            "ntp.conf",
            text.as_bytes(),
            dialect,
            &NoFiles,
        ));
        let policy = Policy {
            serve: Some(true),
            ..Policy::default()
        };
        let mut done = convert(&input, &target(), policy);
        account(&mut done, &target());
        done
    }

    #[test]
    fn what_the_daemon_does_not_follow_is_a_loss() {
        let done = converted(
            "server a\nntpsigndsocket /var/lib/samba/ntp_signd\nserver b iburst\n",
            Dialect::Classic,
        );
        let lost: Vec<&str> = done.losses().map(|record| record.text.as_str()).collect();
        assert_eq!(lost, ["ntpsigndsocket /var/lib/samba/ntp_signd"]);
        assert_eq!(done.refusal, None);
    }

    #[test]
    fn sources_that_are_not_followed_are_none() {
        let done = converted("server a nts\n", Dialect::Ntpsec);
        assert!(done.refusal.unwrap().contains("no source"), "{}", done.conf);
    }

    #[test]
    fn a_variable_is_set_once_and_taken_back() {
        let old = "# mine\nCLOCKBOX_OPTS=-v\nCLOCKBOX_COMMAND=x\n";
        let set = assigned(old, "CLOCKBOX_COMMAND", Some("serve"));
        assert_eq!(set, "# mine\nCLOCKBOX_OPTS=-v\nCLOCKBOX_COMMAND=serve\n");
        assert_eq!(assigned(&set, "CLOCKBOX_COMMAND", Some("serve")), set);
        assert_eq!(
            assigned(&set, "CLOCKBOX_COMMAND", None),
            "# mine\nCLOCKBOX_OPTS=-v\n"
        );
    }

    #[test]
    fn service_files_have_the_program_and_the_mark() {
        for text in [UNIT, SERVE_UNIT, OPENRC, SYSV] {
            assert!(text.contains(NAMED));
            let text = marked(&text.replace(NAMED, PROGRAM));
            assert!(text.contains(MARK) && text.contains(PROGRAM) && !text.contains(NAMED));
        }
        assert!(marked(SYSV).starts_with("#!/bin/sh\n#"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_daemon_answers_whom_ntpd_answered_and_nobody_else(
            rules in rule_lists::rules(),
            probes in proptest::collection::vec(any::<u32>(), 20),
        ) {
            let text = rule_lists::text(&rules);
            let done = converted(&text, Dialect::Classic);
            prop_assert_eq!(&done.refusal, &None);
            let loaded = parse_alone("f", done.conf.as_bytes());
            let settings = Settings::new(&loaded);
            let access = Rules::new(access::lines(&loaded, &settings.access)).access();
            let probes = probes.into_iter().map(rule_lists::v4);
            for ip in rule_lists::boundaries(&rules).into_iter().chain(probes) {
                prop_assert_eq!(rule_lists::answered(&rules, ip), access.allows(ip), "{} of {}\n{}", ip, text, done.conf);
            }
        }
    }
}
