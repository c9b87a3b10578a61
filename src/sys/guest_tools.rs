//! Programs and drivers of a hypervisor in its guest that set the guest's clock beside a time daemon,
//! as anybody may see them in /proc and /sys. None of them is asked: what they are set to do is the
//! host's affair, most often.

use super::daemons;
use super::error::Error;
use super::files;
use super::proc_names;
use std::path::Path;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// VMware's: open-vm-tools and its like.
    VmwareTools,
    /// VirtualBox's.
    VboxService,
    /// QEMU's guest agent.
    QemuAgent,
    /// Parallels'.
    Parallels,
    /// Hyper-V's driver: no process.
    HvUtils,
}

/// One that is at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestTool {
    /// Which.
    pub tool: Tool,
    /// Its process; `None` for a driver.
    pub pid: Option<u32>,
    /// Its command line.
    pub arguments: Vec<String>,
}

/// The kernel's names of their processes.
const PROCESSES: &[(&str, Tool)] = &[
    ("vmtoolsd", Tool::VmwareTools),
    ("VBoxService", Tool::VboxService),
    ("qemu-ga", Tool::QemuAgent),
    ("prltoolsd", Tool::Parallels),
];

/// Where the driver of Hyper-V's services shows the devices that it drives.
const HV_DRIVERS: &[&str] = &[
    "/sys/bus/vmbus/drivers/hv_utils",
    "/sys/bus/vmbus/drivers/hv_util",
];
/// The class of the one for time (`HV_TS_GUID` of the kernel's hyperv.h).
const HV_TIME: &str = "{9527e630-d0ae-497b-adce-e80ab0175caf}";
const LIMIT: u64 = 64 << 10;

/// Those that run and may set the clock, one entry each.
///
/// # Errors
/// When /proc cannot be read.
pub fn running() -> Result<Vec<GuestTool>, Error> {
    let mut found: Vec<GuestTool> = Vec::new();
    proc_names::each(|pid, name| {
        let known = PROCESSES.iter().find(|(comm, _)| *comm == name);
        let Some((_, tool)) = known else { return };
        // Without the capability it sets no clock: a user's part of it, a container's.
        if found.iter().any(|f| f.tool == *tool) || daemons::capable(pid) != Some(true) {
            return;
        }
        let line = files::read(Path::new(&format!("/proc/{pid}/cmdline")), LIMIT);
        found.push(GuestTool {
            tool: *tool,
            pid: Some(pid),
            arguments: daemons::arguments(&line.unwrap_or_default()),
        });
    })?;
    if hv_time() {
        found.push(GuestTool {
            tool: Tool::HvUtils,
            pid: None,
            arguments: Vec::new(),
        });
    }
    found.sort_by_key(|f| f.tool);
    Ok(found)
}

fn hv_time() -> bool {
    HV_DRIVERS.iter().any(|driver| {
        let devices = files::list(Path::new(driver)).unwrap_or_default();
        devices.iter().any(|device| {
            let class = Path::new(driver).join(device).join("class_id");
            files::read_text(&class, 256).is_ok_and(|class| class.trim() == HV_TIME)
        })
    })
}
