//! `tempcomp`: a sensor's file and a curve, between the engine and the clock.

use super::logs::Logs;
use crate::conf::chrony::value::TempComp;
use crate::conf::chrony::value::TempCurve;
use crate::engine::tempcomp::Compensated;
use crate::engine::tempcomp::Curve;
use crate::sys;
use crate::sys::steered::SteeredClock;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

/// Octets of a sensor's file, and of a file of points.
const SENSOR: u64 = 64;
const POINTS: u64 = 256 << 10;

/// The clock, corrected by temperature where that is configured. A sensor that cannot be read
/// leaves the correction as it was; a curve that cannot is named in a warning.
pub(super) fn compensated(
    clock: SteeredClock,
    line: Option<&TempComp>,
    logs: Rc<RefCell<Logs>>,
) -> Compensated<SteeredClock, impl FnMut() -> Option<f64> + use<>> {
    let curve = line.and_then(|line| Some((curve(&line.curve)?, line.interval_s)));
    let sensor = line.map(|line| line.sensor.clone());
    let logged = curve.as_ref().map(|(curve, _)| curve.clone());
    Compensated::new(clock, curve, move || {
        let text = sys::files::read_text(Path::new(sensor.as_deref()?), SENSOR).ok()?;
        let temperature = text.trim().parse().ok().filter(|t: &f64| t.is_finite())?;
        if let Some(ppm) = logged.as_ref().and_then(|curve| curve.at(temperature)) {
            let (seconds, nanos) = sys::clock::unix();
            let unix_ns = seconds.saturating_mul(1_000_000_000) + i64::from(nanos);
            logs.borrow_mut().temperature(unix_ns, temperature, ppm);
        }
        Some(temperature)
    })
}

fn curve(curve: &TempCurve) -> Option<Curve> {
    match curve {
        TempCurve::Polynomial(numbers) => Some(Curve::Polynomial(*numbers)),
        TempCurve::Points(path) => {
            let read = sys::files::read_text(Path::new(path), POINTS).map_err(|e| e.to_string());
            let points = read.and_then(|text| {
                points(&text).ok_or_else(|| "two numbers a line, ascending, are wanted".to_owned())
            });
            points
                .map(Curve::Points)
                .map_err(|why| {
                    sys::terminal::complain(&format!(
                        "warning: tempcomp {path}: {why}; the temperature is not compensated\n"
                    ));
                })
                .ok()
        }
    }
}

/// Temperature and ppm, a pair a line; `#` and `!` begin a comment.
fn points(text: &str) -> Option<Vec<(f64, f64)>> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', '!', ';', '%']) {
            continue;
        }
        let mut numbers = line.split_whitespace().map(|w| w.parse::<f64>().ok());
        let point = (numbers.next()??, numbers.next()??);
        let ascending = points.last().is_none_or(|last| last.0 < point.0);
        if !ascending || !point.0.is_finite() || !point.1.is_finite() {
            return None;
        }
        points.push(point);
    }
    (points.len() > 1).then_some(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_in_order_only() {
        let read = points("# sensor ppm\n20 1.5\n30.5 -2\n");
        assert_eq!(read, Some(vec![(20.0, 1.5), (30.5, -2.0)]));
        for broken in ["", "20 1", "30 1\n20 2", "20\n30 1", "nan 1\n30 1"] {
            assert_eq!(points(broken), None, "{broken}");
        }
    }
}
