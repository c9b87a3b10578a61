//! What a migration would do here: files with their new content, services to stop and to start.

use super::Args;
use super::gather;
use super::gather::Old;
use super::gather::Source;
use super::own;
use super::services::Services;
use super::services::State;
use super::target;
use super::target::To;
use super::tree::Tree;
use crate::conf::convert::Conversion;
use crate::conf::convert::input::Input;
use crate::conf::convert::input::Target;
use crate::conf::convert::names_to_resolve;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::sys;

/// A file as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// The path inside the root.
    pub(super) path: String,
    /// Its content.
    pub(super) content: Vec<u8>,
    /// Its mode, if it is new.
    pub(super) mode: u32,
    /// Its group, if it is to have one.
    pub(super) group: Option<u32>,
    /// Its content is not shown.
    pub(super) secret: bool,
}

impl Wanted {
    /// A file that everybody may read.
    pub(super) fn new(path: &str, content: Vec<u8>) -> Self {
        Self {
            path: path.to_owned(),
            content,
            mode: 0o644,
            group: None,
            secret: false,
        }
    }
}

/// The whole plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The old daemon.
    pub(super) old: Old,
    /// What the result is for.
    pub(super) target: Target,
    /// Nothing told the target's version.
    pub(super) assumed: bool,
    /// The conversion.
    pub(super) conversion: Conversion,
    /// Files to write.
    pub(super) files: Vec<Wanted>,
    /// Services to stop, as they are.
    pub(super) stop: Vec<State>,
    /// The service to start, as it is.
    pub(super) start: State,
    /// Services that wait at boot until the clock is right, to be enabled because those of ntpd
    /// were.
    pub(super) waits: Vec<State>,
    /// The target's program is there.
    pub(super) installed: bool,
    /// The new daemon never ran here: it does not know the frequency.
    pub(super) fresh: bool,
    /// What is to be said once it is carried out.
    pub(super) note: Option<Finding>,
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
    let known = target::known(tree, args.to, args.chrony_version, false);
    let target = known.target;
    let mut conversion = old.convert(&target, args.policy());
    if args.to == To::Clockbox {
        own::account(&mut conversion, &target);
    }
    let services = Services::new(tree);
    let start = new_service(&services, args.to, &target, conversion.serving.serve);
    let stop = old_services(&services, &start.name);
    let waits = waits(&services, args.to, &stop);
    let installed = match args.to {
        To::Chrony => target::is_installed(tree),
        To::Clockbox => own::is_installed(tree),
    };
    let fresh = fresh.unwrap_or(!installed || !start.enabled && !start.active);
    let mut plan = Plan {
        fresh,
        assumed: known.assumed,
        old,
        target,
        conversion,
        files: Vec::new(),
        stop,
        start,
        waits,
        installed,
        note: None,
    };
    plan.files = files(args, tree, &plan)?;
    Ok(Some(plan))
}

/// The service of the new daemon, by the name that the distribution has or would give it.
fn new_service(services: &Services<'_>, to: To, target: &Target, serving: bool) -> State {
    let own = own::service(services.manager(), serving);
    let names: &[&str] = match to {
        To::Chrony => &["chrony", "chronyd"],
        To::Clockbox => &[own],
    };
    let guess = match to {
        To::Clockbox => own,
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

/// `ntp-wait` was enabled: then `chrony-wait` is, where there is one.
fn waits(services: &Services<'_>, to: To, stop: &[State]) -> Vec<State> {
    let waited = |state: &State| state.enabled && state.name.ends_with("-wait");
    let name = match to {
        To::Chrony => "chrony-wait",
        To::Clockbox => "clockbox-wait",
    };
    if !stop.iter().any(waited) {
        return Vec::new();
    }
    let mut found = services.states(&[name]);
    found.retain(|state| !state.masked && !state.enabled);
    found
}

/// Every time service that runs, is started at boot, or could be, apart from the new one.
fn old_services(services: &Services<'_>, new: &str) -> Vec<State> {
    let mut names = super::services::OLD.to_vec();
    names.extend(["chrony", "chronyd", "clockbox", "clockbox-serve"]);
    services
        .states(&names)
        .into_iter()
        .filter(|state| state.name != new && (state.enabled || state.active))
        .collect()
}

fn files(args: &Args, tree: &Tree, plan: &Plan) -> Result<Vec<Wanted>, Failure> {
    let layout = &plan.target.layout;
    let plain = |path: &str, content: &str| Wanted::new(path, content.as_bytes().to_vec());
    let mut files = vec![plain(&layout.conf, &plan.conversion.conf)];
    if let Some(keys) = &plan.conversion.keys {
        let groups: &[&str] = match args.to {
            To::Chrony => &["_chrony", "chrony"],
            To::Clockbox => &["_clockbox", "clockbox"],
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
    let options = &plan.conversion.daemon_options;
    if let Some(place) = plan.target.options.as_ref().filter(|_| !options.is_empty()) {
        let old = tree.text(&place.path).unwrap_or_default();
        let new = target::with_options(&old, &place.variable, options);
        files.push(plain(&place.path, &new));
    }
    if args.to == To::Clockbox {
        let manager = Services::new(tree).manager();
        files.extend(own::files(tree, manager, plan.conversion.serving.serve)?);
    }
    Ok(files)
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
