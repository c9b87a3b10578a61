//! `clockbox timezone set | show | list`: a machine's zone, right in every place that its
//! distribution reads.

mod facts;
mod findings;
pub mod list;
mod machine;
mod old;
mod page;
mod plan;
mod restart;
pub mod set;
pub mod show;
mod text;

use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::sys;
use findings::Findings;
use machine::Machine;
use std::path::Path;

/// What `clockbox status` says of the zone, from the same facts as `clockbox timezone show`.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The zone that programs use, where it can be named.
    pub zone: Option<String>,
    /// Every place that names one: `/etc/timezone: Japan`.
    pub places: Vec<String>,
    /// The battery-backed clock keeps local time.
    pub rtc_local: bool,
    /// What does not agree, and the command that mends it.
    pub findings: Vec<Finding>,
}

/// The zone of this machine, or of the image mounted there.
///
/// # Errors
/// When the root is no directory, or links go round in a circle.
pub fn outline(root: Option<&Path>) -> Result<Outline, Failure> {
    let machine = Machine::read(root)?;
    let current = show::current(&machine);
    let zone = machine.zone();
    // What this process has in TZ says nothing of the machine.
    let findings = Findings::of(
        &machine,
        &current,
        zone.as_ref(),
        None,
        sys::clock::unix().0,
    );
    let named = show::places(&machine, &current).into_iter();
    Ok(Outline {
        places: named
            .filter_map(|place| Some(format!("{}: {}", place.path, place.zone?)))
            .collect(),
        rtc_local: show::rtc(&machine).local,
        findings,
        zone: current.zone,
    })
}

/// Set, show or list time zones (alone: show)
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// What to do; show when it is left out.
    #[command(subcommand)]
    leaf: Option<Leaf>,
    /// The options of show.
    #[command(flatten)]
    show: show::Args,
}

impl Args {
    /// What to do; the root may stand before the verb too.
    #[must_use]
    pub fn leaf(&self) -> Leaf {
        let Some(mut leaf) = self.leaf.clone() else {
            return Leaf::Show(self.show.clone());
        };
        let root = match &mut leaf {
            Leaf::Set(args) => &mut args.root,
            Leaf::Show(args) => &mut args.root,
            Leaf::List(args) => &mut args.root,
        };
        *root = root.take().or_else(|| self.show.root.clone());
        leaf
    }
}

/// What to do with zones.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Leaf {
    /// Set this machine's time zone in every place that its distribution reads
    Set(set::Args),
    /// Show the time zone, how it is known, and what disagrees with it
    Show(show::Args),
    /// List time zones and the time there
    List(list::Args),
}
