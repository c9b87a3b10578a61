//! How the daemon lives: in locked memory, at a real-time priority, as whom, and with which files
//! of its own.

use super::Options;
use super::refclocks::Unopened;
use super::settings::Files;
use crate::conf::chrony::Settings;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys;
use crate::sys::cmdmon::CLOCKBOX_SOCKET;
use crate::sys::log::Level;
use crate::sys::privileges;
use std::path::Path;

/// Whom the daemon becomes if nobody is named and there is such a user.
const USERS: [&str; 2] = ["_clockbox", "clockbox"];
/// Users of chrony's packages.
const CHRONY: [&str; 2] = ["_chrony", "chrony"];
/// Directories of a name like this are the daemon's own: they are given to its user.
const OWN_DIRECTORY: &str = "clockbox";

/// Whom the daemon becomes: who is named, else the first of its own users that there is; none when
/// it stays what it is, as it does for reference clocks that are still to be opened.
#[must_use]
pub fn user(options: &Options, settings: &Settings, unopened: &[Unopened]) -> Option<String> {
    if !privileges::is_root() {
        return None;
    }
    let named = options.user.clone().or_else(|| settings.user.clone());
    let user = named.or_else(|| usual(settings).filter(|_| unopened.is_empty()));
    user.filter(|user| user != "root")
}

/// The user for whom nobody was named: the one that chrony's package made, where the file keeps the
/// drift in that one's directory; else one of the daemon's own.
fn usual(settings: &Settings) -> Option<String> {
    let drift = settings.drift_file.as_ref().map(|f| Path::new(&f.path));
    let owner = drift.and_then(Path::parent).and_then(privileges::owner);
    let theirs = |name: &&&str| owner.is_some() && privileges::user_id(name) == owner;
    let user = CHRONY.iter().find(theirs);
    let user = user.or_else(|| USERS.iter().find(|user| privileges::user_exists(user)));
    user.map(|user| (*user).to_owned())
}

/// Takes what only root may take, then becomes the user and says who that is;
/// none when it stays what it is. Without root nothing is given up. `unopened` are the reference
/// clocks that could not be opened so far.
///
/// # Errors
/// A named user that does not exist.
pub fn give_up_root(
    options: &Options,
    settings: &Settings,
    files: &Files,
    unopened: &[Unopened],
) -> Result<Option<String>, Failure> {
    if settings.lock_all {
        warn(privileges::lock_memory());
    }
    if settings.sched_priority > 0 {
        warn(sys::real_time::take(settings.sched_priority));
    }
    let named = options.user.as_ref().or(settings.user.as_ref());
    if !privileges::is_root() {
        if let Some(user) = named {
            let text = format!("not started by root, so the user stays what it is, not {user}");
            sys::log::say(Level::Notice, &text);
        }
        return Ok(None);
    }
    let user = match named {
        Some(user) if privileges::user_exists(user) => user.clone(),
        Some(user) => {
            let text = format!("there is no user {user}");
            return Err(Failure::new(ExitStatus::Config, text)
                .hint(format!(
                    "create it: useradd --system --shell /usr/sbin/nologin {user}"
                ))
                .target(user));
        }
        None => match usual(settings) {
            Some(_) if !unopened.is_empty() => {
                let text = format!(
                    "stays root, to open what is not there yet: {}; a `user` in the configuration, \
                     or --user, makes it give root up all the same",
                    words(unopened)
                );
                sys::log::say(Level::Notice, &text);
                return Ok(None);
            }
            Some(user) => user,
            None => {
                let text = format!(
                    "stays root: there is no user {}; create it: useradd --system --shell \
                     /usr/sbin/nologin {}, or say --user root",
                    USERS.join(" or "),
                    USERS[0]
                );
                sys::log::say(Level::Warning, &text);
                return Ok(None);
            }
        },
    };
    if user == "root" {
        return Ok(None);
    }
    if !unopened.is_empty() {
        let text = format!(
            "not open when root was given up, and later only if {user} may open it: {}",
            words(unopened)
        );
        sys::log::say(Level::Warning, &text);
    }
    let socket = settings.bind_command_path.as_deref();
    let socket = Path::new(socket.unwrap_or(CLOCKBOX_SOCKET)).to_path_buf();
    for path in [
        &files.drift,
        &files.pid,
        &files.dump,
        &files.rtc.file,
        &Some(socket),
    ]
    .into_iter()
    .flatten()
    {
        hand_over(path, &user);
    }
    if let Some(directory) = &files.logs {
        hand_over_logs(directory, &user);
    }
    let steer = !options.no_clock_control;
    privileges::become_user(&user, steer).map_err(|error| {
        Failure::from(error).hint("start it as root, or with --user root to stay so")
    })?;
    name_unwritable(files, &user, steer);
    Ok(Some(user))
}

/// The clocks that are not open, and why.
fn words(unopened: &[Unopened]) -> String {
    let each = |clock: &Unopened| format!("{} ({})", clock.name, clock.reason);
    unopened.iter().map(each).collect::<Vec<_>>().join(", ")
}

/// Names the directories of the configuration that this process, now the user, may not write in.
fn name_unwritable(files: &Files, user: &str, steer: bool) {
    let drift = files.drift.as_deref().filter(|_| steer);
    for (what, directory) in [
        ("the drift is not kept", drift.and_then(Path::parent)),
        ("log files are not written", files.logs.as_deref()),
    ] {
        if let Some(directory) = directory.filter(|d| !sys::files::may_write(d)) {
            let shown = directory.display();
            let text = format!(
                "{what}: {user} may not write in {shown}; chown {user} {shown}, or start it as the owner: --user"
            );
            sys::log::say(Level::Warning, &text);
        }
    }
}

/// Gives a file, and its directory if that is the daemon's own, to the user.
fn hand_over(path: &Path, user: &str) {
    let own = |dir: &&Path| dir.file_name().is_some_and(|name| name == OWN_DIRECTORY);
    if let Some(dir) = path.parent().filter(own) {
        warn(sys::files::make_parents(path).and_then(|()| privileges::give(dir, user)));
    }
    if sys::files::exists(path) {
        warn(privileges::give(path, user));
    }
}

/// The directory of log files is given to the user when it is the daemon's own, or empty and
/// root's: just made. Another's stays as it is, and is named if nothing can be written there.
fn hand_over_logs(directory: &Path, user: &str) {
    let own = directory.file_name().is_some_and(|n| n == OWN_DIRECTORY);
    let fresh = sys::files::list(directory).is_ok_and(|names| names.is_empty());
    if own || fresh {
        warn(privileges::give(directory, user));
    }
    for name in sys::files::list(directory).unwrap_or_default() {
        if own && name.ends_with(".log") {
            warn(privileges::give(&directory.join(name), user));
        }
    }
}

fn warn(result: Result<(), sys::error::Error>) {
    if let Err(error) = result {
        sys::log::say(Level::Warning, &error.to_string());
    }
}
