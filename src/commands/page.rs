//! What a man page says beyond what the command line's definition does.

/// The further sections of a command's man page. Text is plain; a line that begins with four
/// spaces is shown as it stands.
#[derive(Clone, Copy, Debug)]
pub struct ManPage {
    /// What was asked and what to type for it: (`what it does`, `the command`).
    pub examples: &'static [(&'static str, &'static str)],
    /// Files that it reads or writes: (`path`, `what for`).
    pub files: &'static [(&'static str, &'static str)],
    /// Further sections: (`TITLE`, `text`).
    pub sections: &'static [(&'static str, &'static str)],
    /// What exit statuses mean here, where it is more than the common sentence.
    pub statuses: &'static [(crate::exit::ExitStatus, &'static str)],
    /// Related pages: `clockbox(1)`.
    pub see_also: &'static [&'static str],
}
