//! Sources of time: `server`, `pool`, `peer`, `refclock`, and `hwtimestamp`.

use super::*;

impl Cursor<'_, '_> {
    pub(super) fn source(&mut self, kind: SourceKind) -> Option<Value> {
        let word = self.want("the name or the address of a host")?;
        if let Err(flaw) = address::check_host(word.text) {
            self.flaw(word.span, flaw);
        }
        let mut source = Source::new(kind, word.text);
        self.options(directives::SOURCE_OPTIONS, |name, given| {
            set_source(&mut source, name, &given)
        });
        self.check_source(&source, word);
        Some(Value::Source(Box::new(source)))
    }

    fn check_source(&mut self, source: &Source, name: &Word<'_>) {
        if let (Some(low), Some(high)) = (source.minpoll, source.maxpoll)
            && low > high
        {
            self.warn(
                name.span,
                format!("minpoll {low} is longer than maxpoll {high}"),
                None,
            );
        }
        if source.nts && source.key.is_some() {
            self.warn(
                name.span,
                "both nts and key are given".to_owned(),
                Some("nts is used; the key has no effect".to_owned()),
            );
        }
        if source.kind == SourceKind::Pool && source.name.parse::<core::net::IpAddr>().is_ok() {
            self.warn(
                name.span,
                "a pool with one address".to_owned(),
                Some("a pool is a name with several addresses; use server for one".to_owned()),
            );
        }
        if source.maxsources.is_some() && source.kind != SourceKind::Pool {
            self.warn(
                name.span,
                "maxsources has no effect here".to_owned(),
                Some("it belongs to pool".to_owned()),
            );
        }
    }

    pub(super) fn refclock(&mut self) -> Option<Value> {
        let driver = self.want("a driver: PHC, PPS, RTC, SHM or SOCK")?;
        if !directives::DRIVERS.contains(&driver.text) {
            let known = directives::DRIVERS.join(", ");
            self.error(
                driver.span,
                format!("unknown driver {}", shown(driver.text)),
                Some(format!("known are {known}, in capitals")),
            );
        }
        let parameter = self.want("a parameter of the driver")?;
        let mut clock = Refclock {
            driver: driver.text.to_owned(),
            parameter: parameter.text.to_owned(),
            ..Refclock::default()
        };
        self.options(directives::REFCLOCK_OPTIONS, |name, given| {
            set_refclock(&mut clock, name, given)
        });
        Some(Value::Refclock(Box::new(clock)))
    }

    pub(super) fn hwtimestamp(&mut self) -> Option<Value> {
        let interface = self.text("an interface, or * for all")?;
        let mut card = HwTimestamp {
            interface,
            ..HwTimestamp::default()
        };
        self.options(directives::HWTIMESTAMP_OPTIONS, |name, given| match name {
            "minpoll" => card.minpoll = given.int(),
            "maxpoll" => card.maxpoll = given.int(),
            "minsamples" => card.minsamples = given.int(),
            "maxsamples" => card.maxsamples = given.int(),
            "precision" => card.precision = given.float(),
            "rxcomp" => card.rxcomp = given.float(),
            "txcomp" => card.txcomp = given.float(),
            "rxfilter" => card.rxfilter = given.text(),
            _ => card.nocrossts = true,
        });
        Some(Value::HwTimestamp(Box::new(card)))
    }
}

fn set_selection(select: &mut Selection, name: &str) {
    match name {
        "noselect" => select.noselect = true,
        "prefer" => select.prefer = true,
        "require" => select.require = true,
        _ => select.trust = true,
    }
}

fn set_source(source: &mut Source, name: &'static str, given: &Given) {
    match name {
        "asymmetry" => source.asymmetry = given.float(),
        "auto_offline" => source.auto_offline = true,
        "burst" => source.burst = true,
        "certset" => source.certset = given.int(),
        "copy" => source.copy = true,
        "extfield" => source.extfields.extend(given.int::<u32>()),
        "filter" => source.filter = given.int(),
        "iburst" => source.iburst = true,
        "ipv4" => source.family = Some(Family::V4),
        "ipv6" => source.family = Some(Family::V6),
        "key" => source.key = given.int(),
        "maxdelay" => source.maxdelay = given.float(),
        "maxdelaydevratio" => source.maxdelaydevratio = given.float(),
        "maxdelayquant" => source.maxdelayquant = given.float(),
        "maxdelayratio" => source.maxdelayratio = given.float(),
        "maxpoll" => source.maxpoll = given.int(),
        "maxsamples" => source.maxsamples = given.int(),
        "maxsources" => source.maxsources = given.int(),
        "maxunreach" => source.maxunreach = given.int(),
        "mindelay" => source.mindelay = given.float(),
        "minpoll" => source.minpoll = given.int(),
        "minsamples" => source.minsamples = given.int(),
        "minstratum" => source.minstratum = given.int(),
        "nts" => source.nts = true,
        "ntsport" => source.ntsport = given.int(),
        "offline" => source.offline = true,
        "offset" => source.offset = given.float(),
        "polltarget" => source.polltarget = given.int(),
        "port" => source.port = given.int(),
        "presend" => source.presend = given.int(),
        "version" => source.version = given.int(),
        "xleave" => source.xleave = true,
        select => set_selection(&mut source.select, select),
    }
}

fn set_refclock(clock: &mut Refclock, name: &'static str, given: Given) {
    match name {
        "delay" => clock.delay = given.float(),
        "dpoll" => clock.dpoll = given.int(),
        "filter" => clock.filter = given.int(),
        "local" => clock.local = true,
        "lock" => clock.lock = given.text(),
        "maxdispersion" => clock.maxdispersion = given.float(),
        "maxlockage" => clock.maxlockage = given.int(),
        "maxsamples" => clock.maxsamples = given.int(),
        "maxunreach" => clock.maxunreach = given.int(),
        "minsamples" => clock.minsamples = given.int(),
        "offset" => clock.offset = given.float(),
        "poll" => clock.poll = given.int(),
        "pps" => clock.pps = true,
        "precision" => clock.precision = given.float(),
        "rate" => clock.rate = given.int(),
        "refid" => clock.refid = given.text(),
        "stratum" => clock.stratum = given.int(),
        "tai" => clock.tai = true,
        "width" => clock.width = given.float(),
        select => set_selection(&mut clock.select, select),
    }
}
