//! NTS key establishment with a server, as far as a check goes: TCP, TLS 1.3 with ALPN `ntske/1`,
//! the certificate, one request and its response. Nothing of it is kept.
//!
//! The handshake goes on with a certificate that is not trusted, so that the report can say why;
//! no secret is sent, and no time is taken from it.

use std::net::SocketAddr;

/// How a key establishment went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Establishment {
    /// How far it went.
    pub stage: Stage,
    /// Why it went no further.
    pub problem: Option<String>,
    /// The protocol agreed in TLS.
    pub alpn: Option<String>,
    /// The server's own certificate.
    pub certificate: Option<Certificate>,
    /// What the server answered.
    pub response: Option<crate::proto::nts_ke::Response>,
}

/// How far a key establishment went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// This program was built without NTS.
    #[default]
    NotBuilt,
    /// The connection was refused.
    Refused,
    /// Nothing came back.
    Silent,
    /// An error of the network.
    Unreachable,
    /// Connected; TLS failed.
    Connected,
    /// TLS stands; NTS-KE failed.
    Tls,
    /// A complete response came.
    Answered,
}

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Names that it is for.
    pub names: Vec<String>,
    /// Unix seconds.
    pub not_before: i64,
    /// Unix seconds.
    pub not_after: i64,
    /// Whether the machine's authorities vouch for it and it is for the host; `None` when the
    /// machine has no list of authorities.
    pub trusted: Option<bool>,
    /// Why not.
    pub problem: Option<String>,
}

/// Tries all of these, at most `workers` at a time, each with its own time limit. The results are
/// in the same order.
#[must_use]
pub fn probe_all(
    jobs: &[(String, SocketAddr)],
    timeout_s: f64,
    workers: usize,
) -> Vec<Establishment> {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![Establishment::default(); jobs.len()]);
    let work = || {
        while let Some((index, (name, address))) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            jobs.get(index).map(|job| (index, job))
        } {
            let result = imp::probe(name, *address, timeout_s);
            if let Ok(mut results) = results.lock()
                && let Some(slot) = results.get_mut(index)
            {
                *slot = result;
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..workers.min(jobs.len()) {
            // A thread that cannot be had is made up for by the others.
            let _ = std::thread::Builder::new()
                .stack_size(512 << 10)
                .spawn_scoped(scope, work);
        }
        work();
    });
    results.into_inner().unwrap_or_default()
}

#[cfg(not(feature = "nts"))]
mod imp {
    use super::Establishment;
    use std::net::SocketAddr;

    pub(super) fn probe(_: &str, _: SocketAddr, _: f64) -> Establishment {
        Establishment::default()
    }
}

#[cfg(feature = "nts")]
mod imp;
