//! Names to addresses, without blocking the caller: each name in a thread of its own, the answer
//! through a pipe that poll(2) sees.
//!
//! A statically linked program cannot rely on the C library's resolver (it loads plug-ins of the
//! host's own library at run time): there the host's `getent ahosts` is asked instead.

use super::error::Error;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use nix::unistd::read;
use nix::unistd::write;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

/// An answer: the addresses in the resolver's order, or why there are none.
pub type Answer = Result<Vec<IpAddr>, String>;

/// Look-ups under way.
#[derive(Debug)]
pub struct Lookups {
    answers: mpsc::Receiver<(usize, Answer)>,
    sender: mpsc::Sender<(usize, Answer)>,
    bell: OwnedFd,
    ringer: Arc<OwnedFd>,
    under_way: usize,
}

impl Lookups {
    /// None yet.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub fn new() -> Result<Self, Error> {
        let (bell, ringer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
            .map_err(|e| Error::new("open", "a pipe for name look-ups", e.into()))?;
        let (sender, answers) = mpsc::channel();
        Ok(Self {
            answers,
            sender,
            bell,
            ringer: Arc::new(ringer),
            under_way: 0,
        })
    }

    /// Begins to look up a name; `key` comes back with the answer.
    pub fn start(&mut self, key: usize, name: &str) {
        let (name, sender, ringer) = (
            name.to_owned(),
            self.sender.clone(),
            Arc::clone(&self.ringer),
        );
        self.under_way += 1;
        let look = move || {
            let _ = sender.send((key, look_up(&name)));
            let _ = write(&*ringer, b"!");
        };
        // Small: a resolver's buffers and no more.
        let thread = thread::Builder::new().stack_size(256 << 10).spawn(look);
        if let Err(e) = thread {
            let _ = self
                .sender
                .send((key, Err(format!("no thread for the look-up: {e}"))));
            let _ = write(&*self.ringer, b"!");
        }
    }

    /// Answers that have not come yet.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// The next answer that has come.
    pub fn take(&mut self) -> Option<(usize, Answer)> {
        let answer = self.answers.try_recv().ok()?;
        let _ = read(&self.bell, &mut [0]);
        self.under_way -= 1;
        Some(answer)
    }
}

impl AsFd for Lookups {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

/// Looks a name up and blocks until the resolver answers.
///
/// # Errors
/// Why there is no address.
#[cfg(not(target_feature = "crt-static"))]
pub fn look_up(name: &str) -> Answer {
    use dns_lookup::AddrInfoHints;
    use dns_lookup::LookupErrorKind;
    use dns_lookup::SockType;
    let hints = AddrInfoHints {
        socktype: SockType::DGram.into(),
        ..AddrInfoHints::default()
    };
    let found =
        dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(|e| match e.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => "no such name".to_owned(),
            LookupErrorKind::Again => "the resolver did not answer".to_owned(),
            _ => format!("the resolver failed: {}", std::io::Error::from(e)),
        })?;
    let mut addresses = Vec::new();
    for entry in found.flatten() {
        let address = entry.sockaddr.ip();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        Err("no such name".to_owned())
    } else {
        Ok(addresses)
    }
}

/// Looks a name up and blocks until the resolver answers.
///
/// # Errors
/// Why there is no address.
#[cfg(target_feature = "crt-static")]
pub fn look_up(name: &str) -> Answer {
    let output = std::process::Command::new("getent")
        .args(["ahosts", "--", name])
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| format!("this static program looks names up with getent, which fails: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut addresses = Vec::new();
    for address in text
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
    {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        Err("no such name".to_owned())
    } else {
        Ok(addresses)
    }
}

/// The index of a network interface, for zone identifiers.
#[must_use]
pub fn interface_index(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}
