//! What the file says about the clock, the selection and the discipline.

use super::leaps;
use crate::commands::daemon::logs;
use crate::conf::chrony::Settings;
use crate::conf::chrony::value::Local;
use crate::engine::config::Config;
use crate::engine::config::MakeStep;
use crate::engine::config::MaxChange;
use crate::engine::leap::LeapConfig;
use crate::engine::leap::LeapMode;
use crate::engine::local::LocalConfig;
use crate::engine::options::AuthSelect;
use crate::engine::smooth::SmoothConfig;
use crate::proto::mac::Keys;

/// Seconds that an orphan waits, unless its line says otherwise, so that others are heard first.
const ORPHAN_WAIT: f64 = 300.0;

/// Seconds between two drift files, unless `driftfile` says otherwise.
const SAVE_EVERY: f64 = 3600.0;

/// The engine's configuration from a file's settings, without sources.
#[must_use]
pub fn of_file(settings: &Settings) -> Config {
    let positive = |number: i64| u32::try_from(number).ok();
    Config {
        sources: Vec::new(),
        keys: Keys::new(),
        make_step: settings.makestep.map(|m| MakeStep {
            threshold: m.threshold_s,
            limit: positive(m.limit),
        }),
        max_change: settings.max_change.map(|m| MaxChange {
            offset: m.offset_s,
            start: positive(m.start).unwrap_or(0),
            ignore: positive(m.ignore),
        }),
        max_slew_rate: settings.max_slew_rate_ppm,
        max_update_skew: settings.max_update_skew_ppm,
        corr_time_ratio: settings.correction_time_ratio,
        max_drift: settings.max_drift_ppm,
        clock_precision: settings.clock_precision_s.map(precision),
        auth_select: selection(settings),
        serves: false,
        max_distance: settings.max_distance_s,
        max_jitter: settings.max_jitter_s,
        combine_limit: settings.combine_limit,
        min_sources: usize::try_from(settings.min_sources).unwrap_or(1),
        strata: (
            u8::try_from(settings.min_stratum).unwrap_or(u8::MAX),
            u8::try_from(settings.max_stratum).unwrap_or(u8::MAX),
        ),
        refresh: (settings.refresh_s > 0).then(|| f64::from(settings.refresh_s)),
        stratum_weight: settings.stratum_weight_s,
        max_clock_error: settings.max_clock_error_ppm,
        drift: None,
        save_every: settings
            .drift_file
            .as_ref()
            .and_then(|f| f.interval_s)
            .map_or(SAVE_EVERY, |seconds| seconds.max(0) as f64),
        clock_control: true,
        rtc_sync: settings.rtc_sync && settings.rtc_file.is_none(),
        local: settings.local.as_ref().map(local),
        leap: LeapConfig {
            mode: match settings.leap_sec_mode.as_str() {
                "step" => LeapMode::Step,
                "slew" => LeapMode::Slew,
                "ignore" => LeapMode::Ignore,
                _ => LeapMode::System,
            },
            table: leaps::table(settings),
        },
        fallback_drift: settings.fallback_drift_log2.and_then(|(from, to)| {
            let exponent = |n: i64| i8::try_from(n).ok().filter(|n| (0..=31).contains(n));
            Some((exponent(from)?, exponent(to)?))
        }),
        reselect_distance: settings.reselect_distance_s,
        manual: settings.manual,
        smooth: settings.smooth_time.map(|line| SmoothConfig {
            rate: line.max_frequency_ppm * 1e-6,
            wander: line.max_wander_ppm_per_s * 1e-6,
            leap_only: line.leap_only,
        }),
        records: logs::wanted(settings),
    }
}

/// `clockprecision`: chronyd takes 1 ns to 1 s.
fn precision(seconds: f64) -> f64 {
    seconds.clamp(1e-9, 1.0)
}

/// `authselectmode`. A source with `nts` is not used here, yet whoever prefers servers that prove who
/// they are did name one: the others do not take its place.
fn selection(settings: &Settings) -> AuthSelect {
    let mut sources = settings.sources.iter().map(|s| &s.value);
    let named = sources.any(|s| s.nts && !s.select.noselect);
    match settings.auth_select_mode.as_str() {
        "require" => AuthSelect::Require,
        "prefer" if named => AuthSelect::Require,
        "prefer" => AuthSelect::Prefer,
        "ignore" => AuthSelect::Ignore,
        _ => AuthSelect::Mix,
    }
}

/// `local`.
fn local(line: &Local) -> LocalConfig {
    let default = LocalConfig::default();
    let wait = if line.orphan { ORPHAN_WAIT } else { 0.0 };
    LocalConfig {
        stratum: line.stratum.unwrap_or(default.stratum).clamp(1, 15),
        orphan: line.orphan,
        distance: line.distance.unwrap_or(default.distance),
        activate: line.activate.unwrap_or(default.activate),
        wait_synced: line.waitsynced.unwrap_or(wait),
        wait_unsynced: line.waitunsynced.unwrap_or(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::chrony::load::parse_alone;

    fn of(text: &str) -> Config {
        of_file(&Settings::new(&parse_alone("f", text.as_bytes())))
    }

    #[test]
    fn limits_of_the_clock_are_taken_over() {
        let config = of("maxdrift 250\nclockprecision 1e-12\n");
        assert_eq!(config.max_drift, 250.0);
        assert_eq!(config.clock_precision, Some(1e-9));
        assert_eq!(of("driftfile /x interval 60\n").save_every, 60.0);
        assert_eq!(of("driftfile /x\n").save_every, 3600.0);
        let config = of("");
        assert_eq!(
            (config.max_drift, config.clock_precision),
            (500_000.0, None)
        );
    }

    #[test]
    fn a_server_with_nts_keeps_the_others_out_under_prefer_only() {
        let nts = "server a nts\nserver b\n";
        for (mode, want) in [
            ("", AuthSelect::Mix),
            ("authselectmode mix\n", AuthSelect::Mix),
            ("authselectmode ignore\n", AuthSelect::Ignore),
            ("authselectmode require\n", AuthSelect::Require),
            ("authselectmode prefer\n", AuthSelect::Require),
        ] {
            assert_eq!(of(&format!("{nts}{mode}")).auth_select, want, "{mode}");
        }
        let plain = of("server b\nserver a nts noselect\nauthselectmode prefer\n");
        assert_eq!(plain.auth_select, AuthSelect::Prefer);
    }
}
