//! The directives folded into one typed configuration, with chrony's defaults.
//!
//! Where a directive may stand once, the last one counts; sources, refclocks, access rules and
//! the like accumulate. Units are in the names: `_s` seconds, `_ppm` parts per million, `_log2`
//! log2 seconds.

use core::net::IpAddr;

use crate::conf::chrony::load::Loaded;
use crate::conf::chrony::load::Statement;
use crate::conf::chrony::value::Access;
use crate::conf::chrony::value::Broadcast;
use crate::conf::chrony::value::CommandAddress;
use crate::conf::chrony::value::DriftFile;
use crate::conf::chrony::value::HwTimestamp;
use crate::conf::chrony::value::Local;
use crate::conf::chrony::value::MakeStep;
use crate::conf::chrony::value::MaxChange;
use crate::conf::chrony::value::RateLimit;
use crate::conf::chrony::value::Refclock;
use crate::conf::chrony::value::SmoothTime;
use crate::conf::chrony::value::Source;
use crate::conf::chrony::value::TempComp;
use crate::conf::chrony::value::Value;
use crate::conf::span::Span;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its line.
    pub span: Span,
}

/// One rule of access, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessRule {
    /// `allow` rather than `deny`.
    pub allow: bool,
    /// Whom it is about.
    pub access: Access,
    /// Its line.
    pub span: Span,
}

/// The configuration as the daemon needs it.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    missing_docs,
    reason = "the fields are named as the directives in directives::DIRECTIVES"
)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent directives of the syntax"
)]
pub struct Settings {
    pub sources: Vec<Located<Source>>,
    pub refclocks: Vec<Located<Refclock>>,
    /// Directories of *.sources files, to be read again on reload.
    pub source_dirs: Vec<Vec<String>>,
    /// `allow` and `deny`.
    pub access: Vec<AccessRule>,
    /// `cmdallow` and `cmddeny`.
    pub command_access: Vec<AccessRule>,
    pub broadcasts: Vec<Located<Broadcast>>,
    pub hwtimestamp: Vec<Located<HwTimestamp>>,

    /// Port of the server, 123; 0 = none.
    pub port: u16,
    /// Source port of requests; `None` = a random one for each.
    pub acquisition_port: Option<u16>,
    /// IPv4 then IPv6.
    pub bind_addresses: [Option<IpAddr>; 2],
    pub bind_acquisition_addresses: [Option<IpAddr>; 2],
    pub bind_device: Option<String>,
    pub bind_acquisition_device: Option<String>,
    pub dscp: u8,
    pub ptp_port: u16,
    pub ptp_domain: u8,

    /// UDP port of commands, 323; 0 = none.
    pub command_port: u16,
    /// IPv4 then IPv6; `None` = the loopback address.
    pub bind_command_addresses: [Option<IpAddr>; 2],
    /// Unix socket: `None` = the default, `Some("/")` = none.
    pub bind_command_path: Option<String>,
    pub bind_command_device: Option<String>,
    pub open_commands: Option<Vec<String>>,

    pub drift_file: Option<DriftFile>,
    pub key_file: Option<String>,
    pub dump_dir: Option<String>,
    pub pid_file: Option<String>,
    pub log_dir: Option<String>,
    pub logs: Vec<String>,
    pub log_banner: u32,
    pub log_change_s: f64,
    pub mail_on_change: Option<(String, f64)>,
    pub user: Option<String>,
    pub sched_priority: u8,
    pub lock_all: bool,

    pub makestep: Option<MakeStep>,
    pub init_step_slew: Option<(f64, Vec<String>)>,
    pub max_change: Option<MaxChange>,
    pub max_update_skew_ppm: f64,
    pub max_clock_error_ppm: f64,
    pub max_drift_ppm: f64,
    pub max_slew_rate_ppm: f64,
    pub correction_time_ratio: f64,
    pub clock_precision_s: Option<f64>,
    /// Shortest and longest interval in log2 seconds.
    pub fallback_drift_log2: Option<(i64, i64)>,

    pub auth_select_mode: String,
    pub max_distance_s: f64,
    pub max_jitter_s: f64,
    pub min_stratum: u32,
    pub max_stratum: u32,
    pub reselect_distance_s: f64,
    pub stratum_weight_s: f64,
    pub combine_limit: f64,
    pub min_sources: u32,
    pub min_samples: u32,
    /// 0 = no limit.
    pub max_samples: u32,
    pub refresh_s: u32,

    pub leap_sec_mode: String,
    pub leap_sec_tz: Option<String>,
    pub leap_sec_list: Option<String>,
    pub local: Option<Local>,
    pub smooth_time: Option<SmoothTime>,
    pub manual: bool,

    pub rate_limit: Option<RateLimit>,
    pub command_rate_limit: Option<RateLimit>,
    pub nts_rate_limit: Option<RateLimit>,
    pub no_client_log: bool,
    /// Bytes.
    pub client_log_limit: u64,
    pub max_tx_buffers: Option<u32>,
    pub hwts_timeout_s: Option<f64>,
    pub ntp_signd_socket: Option<String>,

    pub rtc_sync: bool,
    pub rtc_on_utc: bool,
    pub rtc_device: Option<String>,
    pub rtc_file: Option<String>,
    pub rtc_autotrim_s: Option<f64>,
    pub hwclock_file: Option<String>,
    pub temp_comp: Option<TempComp>,

    pub nts_aeads: Vec<i64>,
    pub nts_dump_dir: Option<String>,
    pub nts_ntp_server: Option<String>,
    pub nts_server_certs: Vec<String>,
    pub nts_server_keys: Vec<String>,
    pub nts_port: u16,
    pub nts_processes: u32,
    pub nts_connections: u32,
    pub nts_refresh_s: u32,
    pub nts_rotate_s: u32,
    /// Set and path.
    pub nts_trusted_certs: Vec<(u32, String)>,
    pub no_cert_time_check: u32,
    pub no_system_cert: bool,
}

impl Default for Settings {
    #[allow(clippy::too_many_lines, reason = "a table of defaults")]
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            refclocks: Vec::new(),
            source_dirs: Vec::new(),
            access: Vec::new(),
            command_access: Vec::new(),
            broadcasts: Vec::new(),
            hwtimestamp: Vec::new(),
            port: 123,
            acquisition_port: None,
            bind_addresses: [None; 2],
            bind_acquisition_addresses: [None; 2],
            bind_device: None,
            bind_acquisition_device: None,
            dscp: 0,
            ptp_port: 0,
            ptp_domain: 123,
            command_port: 323,
            bind_command_addresses: [None; 2],
            bind_command_path: None,
            bind_command_device: None,
            open_commands: None,
            drift_file: None,
            key_file: None,
            dump_dir: None,
            pid_file: None,
            log_dir: None,
            logs: Vec::new(),
            log_banner: 32,
            log_change_s: 1.0,
            mail_on_change: None,
            user: None,
            sched_priority: 0,
            lock_all: false,
            makestep: None,
            init_step_slew: None,
            max_change: None,
            max_update_skew_ppm: 1000.0,
            max_clock_error_ppm: 1.0,
            max_drift_ppm: 500_000.0,
            max_slew_rate_ppm: 1e6 / 12.0,
            correction_time_ratio: 3.0,
            clock_precision_s: None,
            fallback_drift_log2: None,
            auth_select_mode: "mix".to_owned(),
            max_distance_s: 3.0,
            max_jitter_s: 1.0,
            min_stratum: 0,
            max_stratum: 15,
            reselect_distance_s: 1e-4,
            stratum_weight_s: 1e-3,
            combine_limit: 3.0,
            min_sources: 1,
            min_samples: 6,
            max_samples: 0,
            refresh_s: 1_209_600,
            leap_sec_mode: "system".to_owned(),
            leap_sec_tz: None,
            leap_sec_list: None,
            local: None,
            smooth_time: None,
            manual: false,
            rate_limit: None,
            command_rate_limit: None,
            nts_rate_limit: None,
            no_client_log: false,
            client_log_limit: 524_288,
            max_tx_buffers: None,
            hwts_timeout_s: None,
            ntp_signd_socket: None,
            rtc_sync: false,
            rtc_on_utc: false,
            rtc_device: None,
            rtc_file: None,
            rtc_autotrim_s: None,
            hwclock_file: None,
            temp_comp: None,
            nts_aeads: vec![30, 15],
            nts_dump_dir: None,
            nts_ntp_server: None,
            nts_server_certs: Vec::new(),
            nts_server_keys: Vec::new(),
            nts_port: 4460,
            nts_processes: 1,
            nts_connections: 100,
            nts_refresh_s: 2_419_200,
            nts_rotate_s: 604_800,
            nts_trusted_certs: Vec::new(),
            no_cert_time_check: 0,
            no_system_cert: false,
        }
    }
}

impl Settings {
    /// The settings that a configuration amounts to.
    #[must_use]
    pub fn new(loaded: &Loaded) -> Self {
        let mut settings = Self::default();
        for statement in &loaded.statements {
            settings.apply(statement);
        }
        settings
    }

    fn apply(&mut self, statement: &Statement) {
        let span = statement.span;
        match &statement.value {
            Value::Flag => self.flag(statement.name),
            Value::Int(number) => self.int(statement.name, *number),
            Value::Float(number) => self.float(statement.name, *number),
            Value::Text(text) => self.text(statement.name, text),
            Value::Mode(word) if statement.name == "authselectmode" => {
                self.auth_select_mode.clone_from(word)
            }
            Value::Mode(word) => self.leap_sec_mode.clone_from(word),
            Value::Words(words) => self.words(statement.name, words),
            Value::Ints(list) => self.nts_aeads.clone_from(list),
            Value::Source(source) => self.sources.push(Located {
                value: (**source).clone(),
                span,
            }),
            Value::Refclock(clock) => self.refclocks.push(Located {
                value: (**clock).clone(),
                span,
            }),
            Value::Access(access) => self.access_rule(statement.name, access, span),
            Value::Address(ip) => {
                let list = if statement.name == "bindaddress" {
                    &mut self.bind_addresses
                } else {
                    &mut self.bind_acquisition_addresses
                };
                set_family(list, *ip);
            }
            Value::CommandAddress(CommandAddress::Ip(ip)) => {
                set_family(&mut self.bind_command_addresses, *ip)
            }
            Value::CommandAddress(CommandAddress::Path(path)) => {
                self.bind_command_path = Some(path.clone())
            }
            Value::Broadcast(broadcast) => self.broadcasts.push(Located {
                value: broadcast.clone(),
                span,
            }),
            Value::DriftFile(file) => self.drift_file = Some(file.clone()),
            Value::FallbackDrift(low, high) => self.fallback_drift_log2 = Some((*low, *high)),
            Value::HwTimestamp(card) => self.hwtimestamp.push(Located {
                value: (**card).clone(),
                span,
            }),
            Value::InitStepSlew(threshold, hosts) => {
                self.init_step_slew = Some((*threshold, hosts.clone()))
            }
            Value::Local(local) => self.local = Some(local.clone()),
            Value::MailOnChange(address, seconds) => {
                self.mail_on_change = Some((address.clone(), *seconds))
            }
            Value::MakeStep(step) => self.makestep = Some(*step),
            Value::MaxChange(change) => self.max_change = Some(*change),
            Value::TrustedCerts(set, path) => self
                .nts_trusted_certs
                .push((set.unwrap_or(0), path.clone())),
            Value::RateLimit(limit) => match statement.name {
                "ratelimit" => limited(&mut self.rate_limit, *limit),
                "cmdratelimit" => limited(&mut self.command_rate_limit, *limit),
                _ => limited(&mut self.nts_rate_limit, *limit),
            },
            Value::SmoothTime(smooth) => self.smooth_time = Some(*smooth),
            Value::TempComp(comp) => self.temp_comp = Some((**comp).clone()),
            Value::Ignored(_) => {}
        }
    }

    fn access_rule(&mut self, name: &str, access: &Access, span: Span) {
        let rule = AccessRule {
            allow: name.ends_with("allow"),
            access: access.clone(),
            span,
        };
        if name.starts_with("cmd") {
            self.command_access.push(rule);
        } else {
            self.access.push(rule);
        }
    }

    fn flag(&mut self, name: &str) {
        match name {
            "lock_all" => self.lock_all = true,
            "manual" => self.manual = true,
            "noclientlog" => self.no_client_log = true,
            "nosystemcert" => self.no_system_cert = true,
            "rtconutc" => self.rtc_on_utc = true,
            "rtcsync" => self.rtc_sync = true,
            _ => debug_assert!(false, "no setting for {name}"),
        }
    }

    fn int(&mut self, name: &str, number: i64) {
        let small = u8::try_from(number).unwrap_or(u8::MAX);
        let port = u16::try_from(number).unwrap_or(u16::MAX);
        let count = u32::try_from(number).unwrap_or(u32::MAX);
        match name {
            "acquisitionport" => self.acquisition_port = (port != 0).then_some(port),
            "clientloglimit" => self.client_log_limit = u64::try_from(number).unwrap_or(0),
            "cmdport" => self.command_port = port,
            "dscp" => self.dscp = small,
            "logbanner" => self.log_banner = count,
            "maxntsconnections" => self.nts_connections = count,
            "maxsamples" => self.max_samples = count,
            "maxstratum" => self.max_stratum = count,
            "maxtxbuffers" => self.max_tx_buffers = Some(count),
            "minsamples" => self.min_samples = count,
            "minsources" => self.min_sources = count,
            "minstratum" => self.min_stratum = count,
            "nocerttimecheck" => self.no_cert_time_check = count,
            "ntsport" => self.nts_port = port,
            "ntsprocesses" => self.nts_processes = count,
            "ntsrefresh" => self.nts_refresh_s = count,
            "ntsrotate" => self.nts_rotate_s = count,
            "port" => self.port = port,
            "ptpdomain" => self.ptp_domain = small,
            "ptpport" => self.ptp_port = port,
            "refresh" => self.refresh_s = count,
            "sched_priority" => self.sched_priority = small,
            _ => debug_assert!(false, "no setting for {name}"),
        }
    }

    fn float(&mut self, name: &str, number: f64) {
        match name {
            "clockprecision" => self.clock_precision_s = Some(number),
            "combinelimit" => self.combine_limit = number,
            "corrtimeratio" => self.correction_time_ratio = number,
            "hwtstimeout" => self.hwts_timeout_s = Some(number),
            "logchange" => self.log_change_s = number,
            "maxclockerror" => self.max_clock_error_ppm = number,
            "maxdistance" => self.max_distance_s = number,
            "maxdrift" => self.max_drift_ppm = number,
            "maxjitter" => self.max_jitter_s = number,
            "maxslewrate" => self.max_slew_rate_ppm = number,
            "maxupdateskew" => self.max_update_skew_ppm = number,
            "reselectdist" => self.reselect_distance_s = number,
            "rtcautotrim" => self.rtc_autotrim_s = Some(number),
            "stratumweight" => self.stratum_weight_s = number,
            _ => debug_assert!(false, "no setting for {name}"),
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        let slot = match name {
            "bindacqdevice" => &mut self.bind_acquisition_device,
            "bindcmddevice" => &mut self.bind_command_device,
            "binddevice" => &mut self.bind_device,
            "dumpdir" => &mut self.dump_dir,
            "hwclockfile" => &mut self.hwclock_file,
            "keyfile" => &mut self.key_file,
            "leapseclist" => &mut self.leap_sec_list,
            "leapsectz" => &mut self.leap_sec_tz,
            "logdir" => &mut self.log_dir,
            "ntpsigndsocket" => &mut self.ntp_signd_socket,
            "ntscachedir" | "ntsdumpdir" => &mut self.nts_dump_dir,
            "ntsntpserver" => &mut self.nts_ntp_server,
            "pidfile" => &mut self.pid_file,
            "rtcdevice" => &mut self.rtc_device,
            "rtcfile" => &mut self.rtc_file,
            "user" => &mut self.user,
            "ntsservercert" => return self.nts_server_certs.push(text.to_owned()),
            "ntsserverkey" => return self.nts_server_keys.push(text.to_owned()),
            // The loader has read what it names.
            "include" => return,
            _ => return debug_assert!(false, "no setting for {name}"),
        };
        *slot = Some(text.to_owned());
    }

    fn words(&mut self, name: &str, words: &[String]) {
        match name {
            "log" => self.logs.extend(words.iter().cloned()),
            "opencommands" => self.open_commands = Some(words.to_vec()),
            "sourcedir" => self.source_dirs.push(words.to_vec()),
            // The loader has read what it names.
            _ => debug_assert_eq!(name, "confdir", "no setting"),
        }
    }
}

/// A second line changes only the options that it gives.
fn limited(slot: &mut Option<RateLimit>, new: RateLimit) {
    let old = slot.unwrap_or_default();
    *slot = Some(RateLimit {
        interval: new.interval.or(old.interval),
        burst: new.burst.or(old.burst),
        leak: new.leak.or(old.leak),
        kod: new.kod.or(old.kod),
    });
}

fn set_family(list: &mut [Option<IpAddr>; 2], ip: IpAddr) {
    let [v4, v6] = list;
    if ip.is_ipv4() {
        *v4 = Some(ip);
    } else {
        *v6 = Some(ip);
    }
}
