//! Waits until the new daemon has selected a source.

use super::target::To;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::proto::cmdmon::PORT;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::request::Request;
use crate::sys;
use crate::sys::cmdmon::CHRONY_SOCKETS;
use crate::sys::cmdmon::CLOCKBOX_SOCKET;
use crate::sys::cmdmon::Client;

/// Seconds between two looks.
const PAUSE_S: f64 = 0.25;

/// Waits at most `limit_s` seconds. Gives the error bound of the clock in seconds.
pub(super) fn synchronised(to: To, limit_s: u32, context: &Context) -> Result<f64, Failure> {
    let sockets: &[&str] = match to {
        To::Chrony => CHRONY_SOCKETS,
        To::Clockbox => &[CLOCKBOX_SOCKET],
    };
    let deadline = sys::clock::monotonic().plus_seconds(f64::from(limit_s));
    let mut why = "it does not answer".to_owned();
    while sys::clock::monotonic() < deadline {
        match look(sockets) {
            Ok(error_s) => return Ok(error_s),
            Err(reason) => why = reason,
        }
        context.progress(&format!("waiting for {}: {why}", to.word()));
        sys::clock::sleep(PAUSE_S);
    }
    let text = format!(
        "{} selected no source within {limit_s} s: {why}; see whether its servers answer, or wait longer with --wait",
        to.word()
    );
    Err(Failure::new(ExitStatus::Unavailable, text).hint("clockbox check-port HOST"))
}

fn look(sockets: &[&str]) -> Result<f64, String> {
    let mut client = Client::local(sockets, PORT, 1.0).map_err(|error| error.to_string())?;
    match client.ask(&Request::Tracking) {
        Ok(Reply::Tracking(tracking)) if tracking.synchronised() => Ok(tracking.correction_s.abs()
            + tracking.root_dispersion_s
            + tracking.root_delay_s / 2.0),
        Ok(_) => Err("it is not synchronised yet".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
