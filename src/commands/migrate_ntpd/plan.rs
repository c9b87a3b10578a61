//! What a migration would do here: files with their new content, services to stop and to start.

use super::Args;
use super::gather;
use super::gather::Old;
use super::gather::Source;
use super::services::Services;
use super::services::State;
use super::target;
use super::target::To;
use super::tree::Tree;
use crate::conf::convert::Conversion;
use crate::conf::convert::input::Input;
use crate::conf::convert::input::Target;
use crate::conf::convert::names_to_resolve;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;

/// Where clockbox's own unit is put.
const UNIT: &str = "/etc/systemd/system/clockbox.service";

/// A file as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The path inside the root.
    pub(super) path: String,
    /// Its content.
    pub(super) content: String,
    /// Its mode, if it is new.
    pub(super) mode: u32,
    /// Its group, if it is to have one.
    pub(super) group: Option<u32>,
    /// Its content is not shown.
    pub(super) secret: bool,
}

/// The whole plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The old daemon.
    pub(super) old: Old,
    /// What the result is for.
    pub(super) target: Target,
    /// The conversion.
    pub(super) conversion: Conversion,
    /// Files to write.
    pub(super) files: Vec<Wanted>,
    /// Services to stop, as they are.
    pub(super) stop: Vec<State>,
    /// The service to start, as it is.
    pub(super) start: State,
    /// The target's program is there.
    pub(super) installed: bool,
    /// The new daemon never ran here: it does not know the frequency.
    pub(super) fresh: bool,
}

/// Makes the plan; `None` when there is no ntpd configuration.
///
/// `fresh` says whether the new daemon never ran here, where the caller knows better than the
/// state of its service tells.
pub(super) fn make(args: &Args, tree: &Tree, fresh: Option<bool>) -> Result<Option<Plan>, Failure> {
    let Some(mut old) = gather::from_machine(tree, args.dialect)? else {
        return Ok(None);
    };
    if let Source::Ntp(input) = &mut old.source
        && tree.is_live()
    {
        look_up(input);
    }
    let target = target::target(tree, args.to, args.chrony_version, false);
    let conversion = old.convert(&target, args.policy());
    if args.to == To::Clockbox {
        not_yet(args, tree, conversion.serving.serve)?;
    }
    let services = Services::new(tree);
    let start = new_service(&services, args.to, &target);
    let stop = old_services(&services, &start.name);
    let installed = match args.to {
        To::Chrony => target::is_installed(tree),
        To::Clockbox => true,
    };
    let fresh = fresh.unwrap_or(!installed || !start.enabled && !start.active);
    let mut plan = Plan {
        fresh,
        old,
        target,
        conversion,
        files: Vec::new(),
        stop,
        start,
        installed,
    };
    plan.files = files(args, tree, &plan)?;
    Ok(Some(plan))
}

/// What clockbox's own daemon cannot do yet is refused before anything is touched.
fn not_yet(args: &Args, tree: &Tree, serving: bool) -> Result<(), Failure> {
    let refuse = |why: &str, next: &str| {
        Err(Failure::new(
            ExitStatus::Unavailable,
            format!("--to clockbox: {why}; nothing was changed"),
        )
        .hint(next))
    };
    if serving {
        return refuse(
            "the old configuration serves clients, which clockbox's own daemon does not do yet",
            "migrate to chrony: leave --to clockbox out; or without clients: --no-serve",
        );
    }
    if tree.is_live() && !args.dry_run {
        return refuse(
            "its daemon cannot be asked yet whether it is synchronised, so that the migration could not be proved",
            "migrate to chrony: leave --to clockbox out; or only convert: --from FILE --output DIR",
        );
    }
    Ok(())
}

/// The service of the new daemon, by the name that the distribution has or would give it.
fn new_service(services: &Services<'_>, to: To, target: &Target) -> State {
    let names: &[&str] = match to {
        To::Chrony => &["chrony", "chronyd"],
        To::Clockbox => &["clockbox"],
    };
    let guess = match to {
        To::Clockbox => "clockbox",
        To::Chrony if target.layout.conf.starts_with("/etc/chrony/") => "chrony",
        To::Chrony => "chronyd",
    };
    services
        .states(names)
        .into_iter()
        .next()
        .unwrap_or_else(|| State {
            name: guess.to_owned(),
            enabled: false,
            active: false,
            masked: false,
        })
}

/// Every time service that runs, is started at boot, or could be, apart from the new one.
fn old_services(services: &Services<'_>, new: &str) -> Vec<State> {
    let mut names = super::services::OLD.to_vec();
    names.extend(["chrony", "chronyd", "clockbox"]);
    services
        .states(&names)
        .into_iter()
        .filter(|state| state.name != new && (state.enabled || state.active))
        .collect()
}

fn files(args: &Args, tree: &Tree, plan: &Plan) -> Result<Vec<Wanted>, Failure> {
    let layout = &plan.target.layout;
    let plain = |path: &str, content: &str| Wanted {
        path: path.to_owned(),
        content: content.to_owned(),
        mode: 0o644,
        group: None,
        secret: false,
    };
    let mut files = vec![plain(&layout.conf, &plan.conversion.conf)];
    if let Some(keys) = &plan.conversion.keys {
        let groups: &[&str] = match args.to {
            To::Chrony => &["_chrony", "chrony"],
            To::Clockbox => &["clockbox"],
        };
        files.push(Wanted {
            mode: 0o640,
            group: sys::owner::group(tree.root(), groups),
            secret: true,
            ..plain(&layout.keys, keys)
        });
    }
    // A daemon that runs or ran knows the frequency better than the old file.
    if let Some(drift) = plan.conversion.drift.as_ref().filter(|_| plan.fresh) {
        files.push(plain(&layout.drift, drift));
    }
    if args.to == To::Clockbox && sys::service::find(tree.root(), "clockbox").is_none() {
        files.push(plain(UNIT, &unit(tree, layout.conf.as_str())?));
    }
    Ok(files)
}

/// A unit for clockbox's own daemon, where no package brought one.
fn unit(tree: &Tree, conf: &str) -> Result<String, Failure> {
    let installed = [
        "/usr/sbin/clockbox",
        "/usr/bin/clockbox",
        "/usr/local/bin/clockbox",
        "/usr/local/sbin/clockbox",
    ];
    let program = match tree.first(&installed) {
        Some(path) => path.to_owned(),
        None => sys::host::program()?.display().to_string(),
    };
    Ok(format!(
        "[Unit]\n\
         Description=clockbox time daemon\n\
         After=network.target nss-lookup.target\n\
         Wants=time-sync.target\n\
         Before=time-sync.target\n\
         Conflicts=chrony.service chronyd.service ntp.service ntpd.service ntpsec.service openntpd.service systemd-timesyncd.service\n\
         \n\
         [Service]\n\
         ExecStart={program} sync --daemon --config {conf}\n\
         RuntimeDirectory=clockbox\n\
         StateDirectory=clockbox\n\
         LogsDirectory=clockbox\n\
         Restart=on-failure\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    ))
}

/// Seconds for all names of `restrict` lines together.
const LOOK_UP_S: f64 = 5.0;

/// Looks up the names of `restrict` lines: what cannot be looked up is never allowed.
fn look_up(input: &mut Input) {
    let names = names_to_resolve(input);
    let Ok(mut lookups) = sys::resolve::Lookups::new() else {
        return;
    };
    for (key, name) in names.iter().enumerate().take(16) {
        lookups.start(key, name);
    }
    let deadline = sys::clock::monotonic().plus_seconds(LOOK_UP_S);
    let mut open = names.len().min(16);
    while open > 0 && sys::clock::monotonic() < deadline {
        let Some((key, answer)) = lookups.take() else {
            sys::clock::sleep(0.02);
            continue;
        };
        open -= 1;
        if let (Some(name), Ok(list)) = (names.get(key), answer) {
            input.resolved.insert(name.clone(), list);
        }
    }
}
