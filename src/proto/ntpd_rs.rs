//! What ntpd-rs says on its observation socket: a length of eight octets, then JSON. Releases 1.0
//! to 2.0 differ in fields; what one does not have is `None`.

use crate::time::NtpTimestamp;
use serde_json::Value;

/// JSON that is longer is not read: the daemon's own client stops there too.
pub const MAX_LEN: u64 = 1 << 20;
/// Sources at most.
const MAX_SOURCES: usize = 512;
/// Seconds that no delay and no uncertainty has.
const NEVER_S: f64 = 2_147_483_648.0;

/// What the daemon says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Its version.
    pub version: Option<String>,
    /// Seconds since it started.
    pub uptime_s: Option<f64>,
    /// Its clock.
    pub now: Option<NtpTimestamp>,
    /// Our stratum; 16: not synchronised.
    pub stratum: Option<u8>,
    /// The reference identifier.
    pub refid: Option<[u8; 4]>,
    /// Leap indicator: `NoWarning`, `Leap61`, `Leap59`, `Unknown`, `Unsynchronized`.
    pub leap: Option<String>,
    /// Root delay, seconds.
    pub root_delay_s: Option<f64>,
    /// Root dispersion, seconds: stated by the releases before 1.6, computed since.
    pub root_dispersion_s: Option<f64>,
    /// Its sources.
    pub sources: Vec<Source>,
}

/// One source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// Name as configured.
    pub name: Option<String>,
    /// Address and port.
    pub address: Option<String>,
    /// Offset, seconds; positive: the local clock is behind.
    pub offset_s: Option<f64>,
    /// Its uncertainty, seconds.
    pub uncertainty_s: Option<f64>,
    /// Round trip, seconds.
    pub delay_s: Option<f64>,
    /// The server's own root delay.
    pub remote_delay_s: Option<f64>,
    /// The server's own uncertainty.
    pub remote_uncertainty_s: Option<f64>,
    /// Poll interval, log2 seconds.
    pub poll: Option<i8>,
    /// Polls without an answer.
    pub unanswered: Option<u32>,
    /// NTS cookies left; `None` without NTS.
    pub nts_cookies: Option<u32>,
    /// When it was last updated; `None`: never, and then nothing was measured.
    pub last_update: Option<NtpTimestamp>,
    /// The daemon's own number for it; its own tool lists by that.
    pub id: Option<u64>,
}

/// Reads the JSON.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse(bytes: &[u8]) -> Result<Observation, String> {
    let root: Value = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let system = root.get("system").filter(|v| v.is_object());
    let system = system.ok_or("it has no object `system`")?;
    let program = root.get("program").unwrap_or(&Value::Null);
    let now = timestamp(program.get("now").unwrap_or(&Value::Null));
    let sources = root.get("sources").and_then(Value::as_array);
    let sources = sources.ok_or("it has no array `sources`")?;
    Ok(Observation {
        version: text(program, "version"),
        uptime_s: number(program, "uptime_seconds"),
        now,
        stratum: integer(system, "stratum").and_then(|n| u8::try_from(n).ok()),
        refid: refid(system.get("reference_id").unwrap_or(&Value::Null)),
        leap: text(system, "leap_indicator"),
        root_delay_s: number(system, "root_delay"),
        root_dispersion_s: dispersion(system, now),
        sources: {
            let mut list: Vec<Source> = sources.iter().take(MAX_SOURCES).map(source).collect();
            list.sort_by_key(|source| source.id);
            list
        },
    })
}

/// Since 1.6 the root dispersion is the root of a cubic in the time since its base.
fn dispersion(system: &Value, now: Option<NtpTimestamp>) -> Option<f64> {
    if let Some(stated) = number(system, "root_dispersion") {
        return Some(stated);
    }
    let base = timestamp(system.get("root_variance_base_time")?)?;
    let t = now?.since(base).seconds();
    let term = |name| number(system, name).unwrap_or(0.0);
    let variance = number(system, "root_variance_base")?
        + t * (term("root_variance_linear")
            + t * (term("root_variance_quadratic") + t * term("root_variance_cubic")));
    Some(variance.max(0.0).sqrt())
}

fn source(value: &Value) -> Source {
    // Release 1.0 wraps a source in the name of its state: {"Observable": {…}} or "Nothing".
    let inner = match value.as_object() {
        Some(object) if object.len() == 1 => object.values().next().unwrap_or(value),
        _ => value,
    };
    let measured = inner.get("timedata").unwrap_or(inner);
    // What was never measured has half the range of its type for a value.
    let get = |name| number(measured, name).filter(|v| v.abs() < NEVER_S);
    let last_update = timestamp(measured.get("last_update").unwrap_or(&Value::Null));
    let never = measured.get("last_update").is_some() && last_update.is_none();
    let poll = inner
        .get("poll_interval")
        .and_then(|v| v.as_i64().or_else(|| v.get("0")?.as_i64()));
    Source {
        name: text(inner, "name"),
        address: text(inner, "address"),
        offset_s: get("offset").filter(|_| !never),
        uncertainty_s: get("uncertainty"),
        delay_s: get("delay"),
        remote_delay_s: get("remote_delay"),
        remote_uncertainty_s: get("remote_uncertainty"),
        poll: poll.and_then(|n| i8::try_from(n).ok()),
        unanswered: integer(inner, "unanswered_polls").and_then(|n| u32::try_from(n).ok()),
        nts_cookies: integer(inner, "nts_cookies").and_then(|n| u32::try_from(n).ok()),
        last_update,
        id: integer(inner, "id"),
    }
}

fn number(value: &Value, name: &str) -> Option<f64> {
    value.get(name)?.as_f64().filter(|v| v.is_finite())
}

fn integer(value: &Value, name: &str) -> Option<u64> {
    value.get(name)?.as_u64()
}

/// A text without what would steer a terminal.
fn text(value: &Value, name: &str) -> Option<String> {
    let text = value.get(name)?.as_str()?;
    let clean = text.chars().take(256);
    Some(
        clean
            .map(|c| if c.is_control() { '?' } else { c })
            .collect(),
    )
}

/// A 32.32 timestamp as a number, or in an object (`{"timestamp": N}`).
fn timestamp(value: &Value) -> Option<NtpTimestamp> {
    let bits = value
        .as_u64()
        .or_else(|| value.get("timestamp")?.as_u64())?;
    Some(NtpTimestamp::from_bits(bits)).filter(|t| !t.is_zero())
}

/// A number, or the text that releases before 1.0 had.
fn refid(value: &Value) -> Option<[u8; 4]> {
    let number = value.as_u64()?;
    u32::try_from(number).ok().map(u32::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: &str = r#"{"program":{"version":"1.6.2","build_commit":"x","build_commit_date":"y",
        "uptime_seconds":12.5,"now":{"timestamp":16000000000000000000}},
        "system":{"stratum":2,"reference_id":3221225985,"precision":3e-8,"root_delay":0.01,
        "root_variance_base_time":{"timestamp":15999999991410065408},
        "root_variance_base":4e-8,"root_variance_linear":0.0,"root_variance_quadratic":0.0,
        "root_variance_cubic":0.0,"leap_indicator":"NoWarning","accumulated_steps":0.0,
        "accumulated_steps_threshold":null},
        "sources":[{"offset":-0.001,"uncertainty":0.0002,"delay":0.02,"remote_delay":0.001,
        "remote_uncertainty":0.0001,"last_update":{"timestamp":15999999900000000000},
        "unanswered_polls":0,"poll_interval":4,"nts_cookies":8,"name":"ntp1.example:123",
        "address":"192.0.2.1:123","id":1}],"servers":[]}"#;

    #[test]
    fn the_current_form_is_read() {
        let seen = parse(NOW.as_bytes()).unwrap();
        assert_eq!(seen.version.as_deref(), Some("1.6.2"));
        assert_eq!(seen.refid, Some([192, 0, 2, 1]));
        assert!((seen.root_dispersion_s.unwrap() - 2e-4).abs() < 1e-9);
        let source = &seen.sources[0];
        assert_eq!(source.offset_s, Some(-0.001));
        assert_eq!((source.poll, source.nts_cookies), (Some(4), Some(8)));
        assert!(source.last_update.is_some());
    }

    #[test]
    fn the_form_before_1_6_is_read() {
        let old = r#"{"program":{"version":"1.0.0"},"system":{"stratum":16,"reference_id":0,
            "root_delay":0.0,"root_dispersion":0.5,"leap_indicator":"Unknown","poll_interval":4},
            "sources":[{"Observable":{"offset":0.1,"uncertainty":0.2,"delay":0.3,
            "unanswered_polls":3,"poll_interval":6,"name":"a","address":"192.0.2.9:123"}},"Nothing"]}"#;
        let seen = parse(old.as_bytes()).unwrap();
        assert_eq!(seen.root_dispersion_s, Some(0.5));
        assert_eq!(seen.sources[0].offset_s, Some(0.1));
        assert_eq!(seen.sources[0].unanswered, Some(3));
        assert_eq!(seen.sources[1].name, None);
    }

    #[test]
    fn other_json_is_refused_with_a_reason() {
        assert!(parse(b"[]").unwrap_err().contains("system"));
        assert!(parse(b"{\"system\":{}}").unwrap_err().contains("sources"));
        assert!(parse(b"{").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn hostile_json_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn hostile_values_never_panic(n in any::<i64>(), f in any::<f64>(), s in "\\PC{0,40}") {
            for value in [serde_json::json!(n), serde_json::json!(f), serde_json::json!(s), serde_json::json!([n])] {
                let json = serde_json::json!({
                    "program": {"version": value, "now": value},
                    "system": {"stratum": value, "reference_id": value, "root_variance_base": value,
                        "root_variance_base_time": value, "root_delay": value},
                    "sources": [value, {"offset": value, "poll_interval": value, "name": value, "last_update": value}],
                });
                let _ = parse(json.to_string().as_bytes());
            }
        }
    }
}
