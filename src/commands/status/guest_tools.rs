//! A hypervisor's tools in its guest as a second writer: a time daemon steers the clock, and they set
//! it by the host's. Pure but for the name of a service.

use crate::commands::own_service;
use crate::commands::sources::gather::Gathered;
use crate::conf::ptp::PtpKind;
use crate::report::finding::Finding;
use crate::report::sources::SourceKind;
use crate::report::sources::State;
use crate::sys::guest_tools::GuestTool;
use crate::sys::guest_tools::Tool;

/// What is to be said of them, who are looked for only where a daemon steers the clock.
/// `host_offered`: it is said already that the host has a clock to follow.
#[must_use]
pub fn findings(
    look: impl FnOnce() -> Vec<GuestTool>,
    gathered: &Gathered,
    host_offered: bool,
) -> Vec<Finding> {
    let mut steering = gathered.running.iter();
    let steers = steering.find(|d| d.kind.disciplines() && d.holds_clock == Some(true));
    // Who follows the host's clock agrees with what the host sets.
    let Some(daemon) = steers.filter(|_| !follows_host(gathered)) else {
        return Vec::new();
    };
    look()
        .iter()
        .filter(|tool| tool.tool != Tool::HvUtils || !host_offered)
        .filter_map(|tool| told(tool, daemon.kind.word()))
        .collect()
}

fn follows_host(gathered: &Gathered) -> bool {
    let hosts = gathered
        .clocks
        .iter()
        .any(|clock| PtpKind::of(&clock.clock_name).is_hosts());
    let mut rows = gathered.observed.iter().flat_map(|seen| &seen.sources);
    hosts && rows.any(|row| row.kind == SourceKind::Refclock && row.state == State::Selected)
}

fn told(tool: &GuestTool, daemon: &str) -> Option<Finding> {
    let process = |name: &str| match tool.pid {
        Some(pid) => format!("{name} (process {pid})"),
        None => name.to_owned(),
    };
    let has = |word: &str| {
        tool.arguments
            .iter()
            .any(|argument| argument.contains(word))
    };
    Some(match tool.tool {
        Tool::VmwareTools => Finding::info(format!(
            "{} of VMware Tools may set this clock beside {daemon}: after a pause, a snapshot or a move of the machine, and every minute where its timesync is enabled, which the command tells. Beside a daemon it has to be disabled",
            process("vmtoolsd")
        ))
        .next("vmware-toolbox-cmd timesync status"),
        Tool::VboxService if has("disable-timesync") => return None,
        Tool::VboxService => Finding::warning(format!(
            "{} sets this clock by its host's every few seconds, and {daemon} by its sources: they fight over it. Its option --disable-timesync ends that",
            process("VBoxService")
        ))
        .next(edit(tool).unwrap_or_else(|| "VBoxService --help".to_owned())),
        Tool::QemuAgent if has("guest-set-time") => return None,
        Tool::QemuAgent => Finding::info(format!(
            "{}, QEMU's guest agent, sets this clock beside {daemon} when its host tells it to (guest-set-time), most often after a pause. Its option --block-rpcs=guest-set-time refuses that",
            process("qemu-ga")
        ))
        .next(edit(tool).unwrap_or_else(|| "qemu-ga --help".to_owned())),
        Tool::Parallels => Finding::warning(format!(
            "{} of Parallels Tools sets this clock by its host's beside {daemon}, unless that is switched off on the host: there the command does it",
            process("prltoolsd")
        ))
        .next("prlctl set VM --time-sync off"),
        Tool::HvUtils => Finding::info(format!(
            "the Hyper-V host sets this clock after a start and after a pause (hv_utils), beside {daemon}, which follows others: it agrees with the host where it follows the host's own clock"
        ))
        .next("sudo clockbox sources set --cloud"),
    })
}

/// What opens the unit that it was started by.
fn edit(tool: &GuestTool) -> Option<String> {
    let unit = own_service::of(tool.pid?)?;
    Some(format!("systemctl edit --full {unit}.service"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finding::Severity;
    use crate::sys::daemons::Kind;
    use crate::sys::daemons::Running;
    use crate::sys::ptp::PtpClock;

    fn gathered(holds: bool) -> Gathered {
        Gathered {
            running: vec![Running {
                kind: Kind::Chronyd,
                pid: 7,
                holds_clock: Some(holds),
                container: false,
                arguments: vec![],
                age_s: None,
                stopped: vec![],
            }],
            ..Gathered::default()
        }
    }

    fn tool(tool: Tool, line: &str) -> GuestTool {
        GuestTool {
            tool,
            pid: (tool != Tool::HvUtils).then_some(u32::MAX),
            arguments: line.split(' ').map(str::to_owned).collect(),
        }
    }

    #[test]
    fn tools_are_second_writers_only_beside_a_first_one() {
        let tools = [
            tool(Tool::VmwareTools, "/usr/bin/vmtoolsd"),
            tool(Tool::VboxService, "/usr/sbin/VBoxService"),
            tool(Tool::QemuAgent, "/usr/sbin/qemu-ga -m virtio-serial"),
            tool(Tool::Parallels, "prltoolsd"),
            tool(Tool::HvUtils, ""),
        ];
        let told = findings(|| tools.to_vec(), &gathered(true), false);
        let severities: Vec<Severity> = told.iter().map(|f| f.severity).collect();
        let (info, warning) = (Severity::Info, Severity::Warning);
        assert_eq!(severities, [info, warning, info, warning, info], "{told:?}");
        assert!(
            told.iter()
                .all(|f| f.text.contains("chronyd") && f.next.is_some())
        );
        assert!(findings(|| tools.to_vec(), &gathered(false), false).is_empty());
        // That the host has a clock to give is said once.
        assert_eq!(findings(|| tools.to_vec(), &gathered(true), true).len(), 4);
    }

    #[test]
    fn one_that_was_told_to_leave_the_clock_alone_is_none() {
        let tools = [
            tool(Tool::VboxService, "VBoxService --disable-timesync"),
            tool(
                Tool::QemuAgent,
                "qemu-ga --block-rpcs=guest-exec,guest-set-time",
            ),
        ];
        assert!(findings(|| tools.to_vec(), &gathered(true), false).is_empty());
    }

    #[test]
    fn who_follows_the_hosts_clock_agrees_with_the_host() {
        use crate::commands::sources::observed::Observed;
        use crate::report::sources::DaemonRow;
        use crate::report::sources::SourceRow;
        let tools = [tool(Tool::HvUtils, "")];
        let mut seen = Observed::only(DaemonRow::new("chronyd"));
        seen.sources.push(SourceRow::new(
            "chronyd",
            SourceKind::Refclock,
            State::Selected,
        ));
        let mut all = gathered(true);
        all.observed.push(seen);
        assert_eq!(findings(|| tools.to_vec(), &all, false).len(), 1);
        all.clocks.push(PtpClock {
            device: "/dev/ptp0".to_owned(),
            clock_name: "hyperv".to_owned(),
            links: vec![],
        });
        assert!(findings(|| tools.to_vec(), &all, false).is_empty());
    }
}
