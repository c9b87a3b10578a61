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

/// Set, show or list time zones (alone: show)
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[group(skip)]
pub struct Args {
    /// What to do; show when it is left out.
    #[command(subcommand)]
    pub leaf: Option<Leaf>,
    /// The options of show.
    #[command(flatten)]
    pub show: show::Args,
}

/// What to do with zones.
#[derive(Debug, clap::Subcommand)]
pub enum Leaf {
    /// Set this machine's time zone in every place that its distribution reads
    Set(set::Args),
    /// Show the time zone, how it is known, and what disagrees with it
    Show(show::Args),
    /// List time zones and the time there
    List(list::Args),
}
