//! Names to addresses, several at once, within one limit.

use crate::exit::Failure;
use crate::sys;
use crate::sys::resolve::Answer;
use crate::sys::resolve::Lookups;
use std::os::fd::AsFd;

/// The answers in the order of the names; one that did not come in time is an error too. An
/// address is its own answer.
///
/// # Errors
/// When no look-up can be made at all.
pub fn all(names: &[&str], limit_s: f64) -> Result<Vec<Answer>, Failure> {
    let deadline = sys::clock::monotonic().plus_seconds(limit_s);
    let mut lookups = Lookups::new()?;
    let mut answers: Vec<Option<Answer>> = vec![None; names.len()];
    for (index, name) in names.iter().enumerate() {
        match name.parse() {
            Ok(ip) => answers[index] = Some(Ok(vec![ip])),
            Err(_) => lookups.start(index, name),
        }
    }
    while lookups.under_way() > 0 {
        let now = sys::clock::monotonic();
        if deadline <= now {
            break;
        }
        sys::udp::wait(&[lookups.as_fd()], deadline.millis_from(now))?;
        while let Some((index, answer)) = lookups.take() {
            answers[index] = Some(answer);
        }
    }
    let late = || Err("the resolver did not answer in time".to_owned());
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(late))
        .collect())
}
