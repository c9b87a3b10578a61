//! The new configuration before anything is touched: the target's own checker reads it, also that
//! of an image where this machine can run it.

use super::Args;
use super::next;
use super::own;
use super::plan::Plan;
use super::target;
use super::target::To;
use super::tree::Tree;
use crate::commands::sync::quoted;
use crate::conf::chrony::Version;
use crate::conf::chrony::load::parse_alone;
use crate::conf::diagnostic::render_all;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::sys;
use crate::sys::process;
use crate::sys::process::Said;

/// The first chronyd that checks a configuration without being root's daemon (`-p`).
const CHECKS: Version = Version::new(4, 0);
/// Seconds that it may take.
const LIMIT_S: f64 = 10.0;
/// Octets that it may print: it prints the lines that it was given.
const OUTPUT_LIMIT: usize = 8 << 20;

/// Has the configuration checked. Gives what there is to say where the target itself could not.
pub(super) fn check(args: &Args, tree: &Tree, plan: &Plan) -> Result<Option<Finding>, Failure> {
    let conf = &plan.conversion.conf;
    if args.to == To::Clockbox {
        return own::check(tree, &plan.target, conf).map(|()| None);
    }
    let parsed = parse_alone(&plan.target.layout.conf, conf.as_bytes());
    if parsed.has_errors() {
        let text = render_all(&parsed.diagnostics, &parsed.map);
        return Err(refused(tree, "clockbox's own parser", &text));
    }
    let said = if plan.target.version < CHECKS {
        let version = plan.target.version;
        Err(format!("chronyd {version} has no checker (4.0 has)"))
    } else if tree.is_live() {
        match process::find("chronyd") {
            Some(_) => Ok(process::read(
                "chronyd",
                &words(&["-p", "--"], conf),
                LIMIT_S,
                OUTPUT_LIMIT,
            )?),
            None => Err("there is no chronyd".to_owned()),
        }
    } else {
        in_image(tree, conf)
    };
    match said {
        Ok(said) if said.status == Some(0) => Ok(None),
        Ok(said) => Err(refused(tree, "chronyd", &said.reason())),
        Err(why) => Ok(Some(only_parsed(tree, plan, &why))),
    }
}

/// The lines go as arguments, each a directive: a file that AppArmor lets chronyd read nowhere but
/// among its own is not needed.
fn words<'a>(first: &[&'a str], conf: &'a str) -> Vec<&'a str> {
    first.iter().copied().chain(conf.lines()).collect()
}

fn refused(tree: &Tree, who: &str, why: &str) -> Failure {
    Failure::new(
        ExitStatus::Data,
        format!("{who} refuses the new configuration: {why}"),
    )
    .hint(next::here(tree, "migrate-ntpd", "--dry-run --diff"))
}

fn only_parsed(tree: &Tree, plan: &Plan, why: &str) -> Finding {
    let text = format!("The new configuration was checked by clockbox's own parser only: {why}");
    let finding = Finding::info(text);
    match target::program(tree).filter(|_| !tree.is_live() && !sys::host::is_root()) {
        Some(program) => finding.next(format!(
            "sudo chroot {} {program} -p -f {}",
            quoted(&tree.root().display().to_string()),
            quoted(&plan.target.layout.conf)
        )),
        None => finding,
    }
}

/// The image's chronyd, in the image; or why it cannot be asked.
fn in_image(tree: &Tree, conf: &str) -> Result<Said, String> {
    let program = target::program(tree).ok_or("there is no chronyd in the image")?;
    let place = tree.real(program).map_err(|failure| failure.message)?;
    let head = sys::files::head(&place, ELF_HEAD).map_err(|error| error.to_string())?;
    let machine = machine(&head).ok_or_else(|| format!("the image's {program} is no program"))?;
    let own = sys::host::program().and_then(|own| sys::files::head(&own, ELF_HEAD));
    if own.ok().and_then(|own| self::machine(&own)) != Some(machine) {
        return Err("the image's chronyd is for another kind of processor".to_owned());
    }
    if !sys::host::is_root() {
        return Err("only root can run the image's chronyd".to_owned());
    }
    let root = tree.root().display().to_string();
    let run = |more: &[&str], conf: &str| {
        let arguments = words(&[&[root.as_str(), program], more].concat(), conf);
        process::read("chroot", &arguments, LIMIT_S, OUTPUT_LIMIT)
    };
    // Does it run there at all, with the image's libraries?
    let fails = |why: String| format!("the image's chronyd does not run here: {why}");
    let version = run(&["-v"], "").map_err(|error| fails(error.to_string()))?;
    if version.status != Some(0) {
        return Err(fails(version.reason()));
    }
    run(&["-p", "--"], conf).map_err(|error| fails(error.to_string()))
}

/// Octets of a program's head that are looked at.
const ELF_HEAD: u64 = 20;

/// What an ELF program runs on: its class, its byte order, its machine.
fn machine(head: &[u8]) -> Option<(u8, u8, [u8; 2])> {
    match head {
        [0x7f, b'E', b'L', b'F', class, order, rest @ ..] => {
            let machine = rest.get(12..14)?.try_into().ok()?;
            Some((*class, *order, machine))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_tells_its_machine() {
        let mut head = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".to_vec();
        assert_eq!(machine(&head), Some((2, 1, [0x3e, 0])));
        head.pop();
        assert_eq!(machine(&head), None);
        assert_eq!(machine(b"#!/bin/sh\nexec chronyd"), None);
        assert_eq!(machine(b""), None);
    }
}
