//! A message to somebody, through the sendmail that every mail server brings: started with the
//! message on its standard input, and not waited for.

use super::error::Error;
use std::io;
use std::io::Write;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// Where it is, by tradition; the first that is there.
const PROGRAMS: [&str; 3] = [
    "/usr/sbin/sendmail",
    "/usr/lib/sendmail",
    "/usr/bin/sendmail",
];
/// Messages under way; more are not sent.
const MOST: usize = 4;
/// A message must fit into a pipe, so that writing it never waits.
const LONGEST: usize = 4096;

/// Messages under way.
#[derive(Debug, Default)]
pub struct Mail {
    children: Vec<Child>,
}

impl Mail {
    /// Sends a text to an address that is one word of letters that a mail address has.
    ///
    /// # Errors
    /// When the address is none, there is no sendmail, it cannot be started, or too many are under
    /// way.
    pub fn send(&mut self, to: &str, subject: &str, text: &str) -> Result<(), Error> {
        let failed = |e: io::Error| Error::new("send mail", to, e);
        self.reap();
        if self.children.len() >= MOST {
            return Err(failed(io::Error::other("too many messages are under way")));
        }
        let letters = |c: char| c.is_ascii_alphanumeric() || "@._+-=".contains(c);
        if to.is_empty() || to.starts_with('-') || !to.chars().all(letters) {
            return Err(failed(io::Error::other("it is no mail address")));
        }
        let message = format!("To: {to}\nSubject: {subject}\n\n{text}\n");
        if message.len() > LONGEST {
            return Err(failed(io::Error::other("the message is too long")));
        }
        let there = |p: &&&str| std::path::Path::new(p).exists();
        let program = PROGRAMS.iter().find(there).ok_or_else(|| {
            failed(io::Error::new(
                io::ErrorKind::NotFound,
                "there is no /usr/sbin/sendmail",
            ))
        })?;
        let mut child = Command::new(program)
            .arg("-t")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let pipe = child.stdin.take();
        self.children.push(child);
        match pipe {
            Some(mut pipe) => pipe.write_all(message.as_bytes()).map_err(failed),
            None => Ok(()),
        }
    }

    /// Forgets those that have ended.
    pub fn reap(&mut self) {
        self.children
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    /// True while one is under way.
    #[must_use]
    pub fn busy(&self) -> bool {
        !self.children.is_empty()
    }
}
