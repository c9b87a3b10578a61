//! One line of ntp.conf to an [`Item`].

use core::net::IpAddr;

use crate::conf::address::check_host;
use crate::conf::address::shown;
use crate::conf::chrony::value::Family;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::near::nearest;
use crate::conf::ntp::directives;
use crate::conf::ntp::directives::Dialect;
use crate::conf::ntp::directives::Directive;
use crate::conf::ntp::directives::Keyword;
use crate::conf::ntp::directives::Shape;
use crate::conf::ntp::directives::Takes;
use crate::conf::ntp::scan;
use crate::conf::ntp::scan::Scanned;
use crate::conf::ntp::statement::Address;
use crate::conf::ntp::statement::Body;
use crate::conf::ntp::statement::Item;
use crate::conf::ntp::statement::Opt;
use crate::conf::ntp::statement::OptValue;
use crate::conf::ntp::statement::Statement;
use crate::conf::ntp::statement::Target;
use crate::conf::ntp::statement::Term;
use crate::conf::span::Span;

/// Parses the words of one line; there is one at least.
pub(super) fn parse(scanned: &Scanned, span: Span, dialect: Dialect) -> Item {
    let Some((name, rest)) = scanned.terms.split_first() else {
        return Item::Blank(span);
    };
    let mut faults = Vec::new();
    if let Some(quote) = scanned.open_quote {
        faults.push(
            Diagnostic::warning(quote, "the quote is not closed")
                .with_help("ntpd closes it at the end of the line"),
        );
    }
    let directive = match directives::find(&name.text) {
        Some(directive) if directive.dialect.has(dialect) => directive,
        Some(_) => {
            faults.push(
                Diagnostic::error(
                    name.span,
                    format!("{} has no directive {}", dialect.word(), name.text),
                )
                .with_help("the line does nothing"),
            );
            return Item::Refused { span, faults };
        }
        None => {
            faults.push(unknown(name));
            return Item::Refused { span, faults };
        }
    };
    let mut cursor = Cursor {
        directive,
        dialect,
        rest,
        last: name.span,
        faults,
    };
    let body = cursor.body();
    if body.is_some() {
        cursor.trailing();
    }
    let faults = cursor.faults;
    match body {
        Some(body) => Item::Statement(Box::new(Statement {
            name: directive.name,
            body,
            span,
            comment: scanned.comment,
            faults,
        })),
        None => Item::Refused { span, faults },
    }
}

fn unknown(name: &Term) -> Diagnostic {
    let known = directives::DIRECTIVES
        .iter()
        .map(|directive| directive.name);
    let help = match nearest(&name.text, known) {
        Some(near) if near.eq_ignore_ascii_case(&name.text) => {
            format!("keywords are in lower case: {near}")
        }
        Some(near) => format!("did you mean {near}?"),
        None => "ntpd ignores the line; a comment starts with #".to_owned(),
    };
    Diagnostic::error(
        name.span,
        format!("unknown directive {}", shown(&name.text)),
    )
    .with_help(help)
}

struct Cursor<'a> {
    directive: &'static Directive,
    dialect: Dialect,
    rest: &'a [Term],
    last: Span,
    faults: Vec<Diagnostic>,
}

/// Why reading options ended.
#[derive(PartialEq, Eq)]
enum End {
    /// The end of the line, or an unknown word: what was read counts.
    Kept,
    /// A value is missing or wrong: ntpd loses the whole line.
    Lost,
}

impl<'a> Cursor<'a> {
    fn body(&mut self) -> Option<Body> {
        match self.directive.shape {
            Shape::Association => self.association(),
            Shape::Refclock => self.refclock(),
            Shape::Addresses => self.addresses(),
            Shape::Restrict => self.restrict(),
            Shape::Fudge(table) => self.fudge(table),
            Shape::Options(table, needed) => {
                let (options, end) = self.options(table);
                if end == End::Lost {
                    return None;
                }
                if needed && options.is_empty() {
                    if self.rest.is_empty() && self.faults.is_empty() {
                        self.missing("an option");
                    }
                    return None;
                }
                Some(Body::Options(options))
            }
            Shape::Words(table) => self.words(table),
            Shape::Filegen => self.filegen(),
            Shape::Interface => self.interface(),
            Shape::KeyRanges => self.key_ranges(),
            Shape::Text => self.want("a word").map(|term| Body::Text(term.clone())),
            Shape::LeapFile => {
                let file = self.want("a file")?.clone();
                let hash = |term: &Term| matches!(term.text.as_str(), "checkhash" | "ignorehash");
                if self.dialect == Dialect::Classic && self.rest.first().is_some_and(hash) {
                    self.next();
                }
                Some(Body::Text(file))
            }
            Shape::DriftFile => {
                let file = self.next().cloned();
                if self
                    .rest
                    .first()
                    .is_some_and(|term| term.text.parse::<f64>().is_ok())
                {
                    self.next();
                }
                Some(Body::DriftFile(file))
            }
            Shape::Texts => {
                let list = self.rest.to_vec();
                self.rest = &[];
                if list.is_empty() {
                    self.missing("a word");
                    return None;
                }
                Some(Body::Words(list))
            }
            Shape::Int => {
                let term = self.want("an integer")?;
                self.int(term).map(Body::Int)
            }
            Shape::Number => {
                let term = self.want("a number")?;
                self.number(term).map(Body::Number)
            }
            Shape::Ints => {
                let mut list = Vec::new();
                while let Some(term) = self.next() {
                    self.int(term)?;
                    list.push(term.clone());
                }
                Some(Body::Words(list))
            }
            Shape::Include => self.want("a file").map(|term| Body::Include(term.clone())),
            Shape::Nothing => Some(Body::Nothing),
            Shape::Simulate => {
                self.rest = &[];
                Some(Body::Simulate)
            }
        }
    }

    fn next(&mut self) -> Option<&'a Term> {
        let (term, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.last = term.span;
        Some(term)
    }

    fn want(&mut self, what: &str) -> Option<&'a Term> {
        let term = self.next();
        if term.is_none() {
            self.missing(what);
        }
        term
    }

    fn missing(&mut self, what: &str) {
        let message = format!("{} needs {what}", self.directive.name);
        self.faults
            .push(Diagnostic::error(self.last, message).with_help("ntpd ignores the line"));
    }

    /// Words left after a directive that is complete: ntpd applied it and reports the rest.
    fn trailing(&mut self) {
        let (Some(first), Some(last)) = (self.rest.first(), self.rest.last()) else {
            return;
        };
        if self
            .faults
            .iter()
            .any(|fault| fault.span.end > first.span.start)
        {
            return;
        }
        self.faults.push(
            Diagnostic::error(
                first.span.to(last.span),
                format!("more than {} takes", self.directive.name),
            )
            .with_help("ntpd reports a syntax error here and ignores the rest of the line"),
        );
    }

    fn int(&mut self, term: &Term) -> Option<i64> {
        let text = term.text.as_str();
        let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => text.parse().ok(),
        };
        if value.is_none() {
            self.faults.push(
                Diagnostic::error(term.span, format!("{} is not an integer", shown(text)))
                    .with_help("ntpd ignores the line"),
            );
        }
        value
    }

    fn number(&mut self, term: &Term) -> Option<f64> {
        let plain = term
            .text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let value = term
            .text
            .parse::<f64>()
            .ok()
            .filter(|value| plain && value.is_finite());
        if value.is_none() {
            self.faults.push(
                Diagnostic::error(term.span, format!("{} is not a number", shown(&term.text)))
                    .with_help("ntpd ignores the line"),
            );
        }
        value
    }

    fn family(&mut self) -> Option<Family> {
        let family = match self.rest.first()?.text.as_str() {
            "-4" => Family::V4,
            "-6" => Family::V6,
            _ => return None,
        };
        self.next();
        Some(family)
    }

    fn address(&mut self) -> Option<Address> {
        let family = self.family();
        let term = self.want("the name or the address of a host")?.clone();
        Some(Address { family, term })
    }

    fn host(&mut self) -> Option<Address> {
        let address = self.address()?;
        let text = &address.term.text;
        if address.ip().is_none()
            && let Err(flaw) = check_host(text)
        {
            let span = address.term.span.part(flaw.start, flaw.end);
            self.faults
                .push(Diagnostic::warning(span, flaw.message).with_maybe_help(flaw.help));
        }
        Some(address)
    }

    /// Options to the end of the line or to the first word that is none.
    fn options(&mut self, table: &'static [Keyword]) -> (Vec<Opt>, End) {
        let mut list = Vec::new();
        while let Some(term) = self.rest.first() {
            let found = table.iter().find(|keyword| keyword.name == term.text);
            let Some(keyword) = found.filter(|keyword| keyword.dialect.has(self.dialect)) else {
                self.unknown_word(term, table, found.is_some());
                return (list, End::Kept);
            };
            self.next();
            match self.option(keyword, term) {
                Some(option) => list.push(option),
                None => return (list, End::Lost),
            }
        }
        (list, End::Kept)
    }

    fn option(&mut self, keyword: &'static Keyword, term: &Term) -> Option<Opt> {
        let value = match keyword.takes {
            Takes::Nothing => OptValue::Flag,
            takes => {
                let Some(value) = self.next() else {
                    self.faults.push(
                        Diagnostic::error(
                            term.span,
                            format!("option {} needs a value", keyword.name),
                        )
                        .with_help("ntpd ignores the line"),
                    );
                    return None;
                };
                match takes {
                    Takes::Int => OptValue::Int(self.int(value)?),
                    Takes::Number => OptValue::Number(self.number(value)?),
                    Takes::Bool => match value.text.as_str() {
                        "true" => OptValue::Bool(true),
                        "false" => OptValue::Bool(false),
                        _ => OptValue::Bool(self.int(value)? != 0),
                    },
                    Takes::Text | Takes::Nothing => OptValue::Text(value.text.clone()),
                }
            }
        };
        Some(Opt {
            name: keyword.name,
            value,
            span: term.span.to(self.last),
        })
    }

    fn unknown_word(&mut self, term: &Term, table: &[Keyword], elsewhere: bool) {
        let here = table
            .iter()
            .filter(|keyword| keyword.dialect.has(self.dialect));
        let mut help =
            "ntpd reports a syntax error here and ignores the rest of the line".to_owned();
        if let Some(near) = nearest(&term.text, here.map(|keyword| keyword.name)) {
            help = format!("did you mean {near}? {help}");
        }
        let message = if elsewhere {
            format!(
                "{} has no option {} of {}",
                self.dialect.word(),
                term.text,
                self.directive.name
            )
        } else {
            format!(
                "unknown option {} of {}",
                shown(&term.text),
                self.directive.name
            )
        };
        self.faults
            .push(Diagnostic::error(term.span, message).with_help(help));
    }

    fn association(&mut self) -> Option<Body> {
        let address = self.host()?;
        // A source whose line ntpd loses is kept: the fault says that ntpd did not use it.
        let (options, _) = self.options(directives::ASSOCIATION);
        Some(Body::Association { address, options })
    }

    fn refclock(&mut self) -> Option<Body> {
        let driver = self.want("the name of a driver")?.clone();
        let (mut options, _) = self.options(directives::ASSOCIATION);
        let unit = options
            .iter()
            .find(|option| option.name == "unit")
            .and_then(Opt::int)
            .and_then(|unit| u8::try_from(unit).ok())
            .unwrap_or(0);
        options.retain(|option| option.name != "unit");
        Some(Body::Refclock {
            driver,
            unit,
            options,
        })
    }

    fn addresses(&mut self) -> Option<Body> {
        let mut list = Vec::new();
        if matches!(self.directive.name, "unpeer" | "unconfig")
            && self.rest.first().is_some_and(|t| t.text == "clock")
        {
            let words = self.rest.to_vec();
            self.rest = &[];
            return Some(Body::Words(words));
        }
        while !self.rest.is_empty() {
            list.extend(self.host());
        }
        if list.is_empty() {
            self.missing("an address");
            return None;
        }
        Some(Body::Addresses(list))
    }

    fn restrict(&mut self) -> Option<Body> {
        let family = self.family();
        let term = self.want("an address, default or source")?.clone();
        let target = match term.text.as_str() {
            "default" if !term.quoted => Target::Default(family),
            "source" if !term.quoted && family.is_none() => Target::Source,
            _ => self.restrict_host(family, term)?,
        };
        let (flags, end) = self.options(directives::RESTRICT);
        (end == End::Kept).then_some(Body::Restrict { target, flags })
    }

    fn restrict_host(&mut self, family: Option<Family>, term: Term) -> Option<Target> {
        let mut address = Address { family, term };
        let mut mask = None;
        if let Some((host, bits)) = address.term.text.clone().split_once('/') {
            // Only NTPsec reads a length; classic ntpd looks the whole word up as a name.
            if host.parse::<IpAddr>().is_ok() {
                let at = host.len() + 1;
                let end = address.term.text.len();
                mask = Some(Term {
                    text: bits.to_owned(),
                    quoted: false,
                    span: address.term.span.part(at, end),
                });
                if self.dialect == Dialect::Classic {
                    let message = format!("{} does not read ADDRESS/BITS", self.dialect.word());
                    self.faults
                        .push(Diagnostic::error(address.term.span, message).with_help(
                        "it cannot resolve this as a name and ignores the line: write ADDRESS mask MASK",
                    ));
                    return None;
                }
                address.term.text = host.to_owned();
            }
        }
        if self.rest.first().is_some_and(|next| next.text == "mask") {
            self.next();
            mask = Some(self.want("a mask")?.clone());
        }
        if address.ip().is_none()
            && let Err(flaw) = check_host(&address.term.text)
        {
            let span = address.term.span.part(flaw.start, flaw.end);
            self.faults
                .push(Diagnostic::error(span, flaw.message).with_maybe_help(flaw.help));
        }
        Some(Target::Host { address, mask })
    }

    fn fudge(&mut self, table: &'static [Keyword]) -> Option<Body> {
        let address = self.host()?;
        let (options, _) = self.options(table);
        if options.is_empty() && self.faults.is_empty() {
            self.missing("an option");
        }
        (!options.is_empty()).then_some(Body::Fudge { address, options })
    }

    fn words(&mut self, table: &'static [Keyword]) -> Option<Body> {
        let start = self.rest;
        let (options, _) = self.options(table);
        if options.is_empty() {
            if start.is_empty() {
                self.missing("a word");
            }
            return None;
        }
        Some(Body::Words(
            start.iter().take(options.len()).cloned().collect(),
        ))
    }

    fn filegen(&mut self) -> Option<Body> {
        let stat = self.want("the name of a statistics file")?;
        let known = directives::STATISTICS
            .iter()
            .find(|keyword| keyword.name == stat.text);
        if known.is_none_or(|keyword| !keyword.dialect.has(self.dialect)) {
            self.unknown_word(stat, directives::STATISTICS, known.is_some());
            return None;
        }
        let (options, _) = self.options(directives::FILEGEN);
        Some(Body::Filegen {
            stat: stat.clone(),
            options,
        })
    }

    fn interface(&mut self) -> Option<Body> {
        let action = self.want("listen, ignore or drop")?;
        if !matches!(action.text.as_str(), "listen" | "ignore" | "drop") {
            self.faults.push(
                Diagnostic::error(
                    action.span,
                    format!("{} is not listen, ignore or drop", shown(&action.text)),
                )
                .with_help("ntpd ignores the line"),
            );
            return None;
        }
        let target = self.want("all, ipv4, ipv6, wildcard, an address or an interface")?;
        Some(Body::Interface {
            action: action.clone(),
            target: target.clone(),
        })
    }

    fn key_ranges(&mut self) -> Option<Body> {
        let terms = scan::split_ranges(self.rest);
        self.rest = &[];
        let mut ranges = Vec::new();
        let mut words = terms.iter().peekable();
        while let Some(term) = words.next() {
            if term.text == "," {
                continue;
            }
            if term.text == "(" {
                let inner: Vec<&Term> =
                    words.by_ref().take_while(|term| term.text != ")").collect();
                match inner.as_slice() {
                    [low, dots, high] if dots.text == "..." => {
                        let (low, high) = (self.key(low)?, self.key(high)?);
                        ranges.push((low, high));
                    }
                    _ => {
                        self.faults.push(
                            Diagnostic::error(term.span, "a range is written (1 ... 9)")
                                .with_help("ntpd ignores the line"),
                        );
                        return None;
                    }
                }
            } else {
                let key = self.key(term)?;
                ranges.push((key, key));
            }
        }
        if ranges.is_empty() {
            self.missing("the number of a key");
            return None;
        }
        Some(Body::KeyRanges(ranges))
    }

    fn key(&mut self, term: &Term) -> Option<u32> {
        let value = self.int(term)?;
        let key = u32::try_from(value).ok();
        if key.is_none() {
            self.faults.push(Diagnostic::error(
                term.span,
                format!("{value} is not the number of a key"),
            ));
        }
        key
    }
}
