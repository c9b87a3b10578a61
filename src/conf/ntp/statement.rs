//! What a line of ntp.conf says, as types, with the place of every word.

use core::net::IpAddr;

use crate::conf::chrony::value::Family;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::span::Span;

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Term {
    /// The word without quotes.
    pub text: String,
    /// It stood in quotes.
    pub quoted: bool,
    /// Where it stands.
    pub span: Span,
}

/// A host, perhaps with a family (`-4`, `-6`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `-4` or `-6`.
    pub family: Option<Family>,
    /// Name or address as written.
    pub term: Term,
}

impl Address {
    /// The address without brackets, if it is one and not a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// The name or address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let text = self.term.text.as_str();
        text.strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text)
    }

    /// Driver type and unit when this is the pseudo address 127.127.TYPE.UNIT.
    #[must_use]
    pub fn refclock(&self) -> Option<(u8, u8)> {
        match self.ip()? {
            IpAddr::V4(v4) => match v4.octets() {
                [127, 127, driver, unit] => Some((driver, unit)),
                _ => None,
            },
            IpAddr::V6(_) => None,
        }
    }
}

/// An option and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Opt {
    /// Its name.
    pub name: &'static str,
    /// What followed it.
    pub value: OptValue,
    /// Name and value.
    pub span: Span,
}

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
pub enum OptValue {
    /// None.
    Flag,
    /// An integer.
    Int(i64),
    /// A number.
    Number(f64),
    /// A word.
    Text(String),
    /// 0 or 1.
    Bool(bool),
}

impl Opt {
    /// The value if it is an integer.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match self.value {
            OptValue::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The value if it is a number or an integer.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        reason = "integers of a configuration are small"
    )]
    pub fn number(&self) -> Option<f64> {
        match self.value {
            OptValue::Int(value) => Some(value as f64),
            OptValue::Number(value) => Some(value),
            _ => None,
        }
    }

    /// The value if it is a word.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            OptValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value if it is a switch.
    #[must_use]
    pub fn on(&self) -> Option<bool> {
        match self.value {
            OptValue::Bool(on) => Some(on),
            _ => None,
        }
    }
}

/// Whom a `restrict` line is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `default`, of one family or both.
    Default(Option<Family>),
    /// `source`: hosts that associations talk to.
    Source,
    /// An address or a name, with a mask if given.
    Host {
        /// The address or name.
        address: Address,
        /// The word after `mask`, or the length after `/`.
        mask: Option<Term>,
    },
}

/// The meaning of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `server`, `pool`, `peer`, `broadcast`, `manycastclient`.
    Association {
        /// The host.
        address: Address,
        /// Its options, in order.
        options: Vec<Opt>,
    },
    /// NTPsec's `refclock`.
    Refclock {
        /// The driver's name.
        driver: Term,
        /// Its unit, 0 if not given.
        unit: u8,
        /// Its options, in order.
        options: Vec<Opt>,
    },
    /// `restrict`, `unrestrict`.
    Restrict {
        /// Whom it is about.
        target: Target,
        /// The flags, in order.
        flags: Vec<Opt>,
    },
    /// `fudge`, `device`.
    Fudge {
        /// The reference clock.
        address: Address,
        /// Its options, in order.
        options: Vec<Opt>,
    },
    /// Directives that consist of options: `tos`, `tinker`, `discard`...
    Options(Vec<Opt>),
    /// Directives that consist of words: `enable`, `disable`, `statistics`, `setvar`...
    Words(Vec<Term>),
    /// Addresses.
    Addresses(Vec<Address>),
    /// `filegen`.
    Filegen {
        /// Which statistics.
        stat: Term,
        /// Its options, in order.
        options: Vec<Opt>,
    },
    /// `interface`, `nic`.
    Interface {
        /// `listen`, `ignore` or `drop`.
        action: Term,
        /// `all`, `ipv4`, `ipv6`, `wildcard`, an address, a prefix or an interface.
        target: Term,
    },
    /// `trustedkey`: ranges with both ends included.
    KeyRanges(Vec<(u32, u32)>),
    /// One word.
    Text(Term),
    /// `driftfile`: the file, `None` for none.
    DriftFile(Option<Term>),
    /// One integer.
    Int(i64),
    /// One number.
    Number(f64),
    /// `includefile`.
    Include(Term),
    /// Nothing.
    Nothing,
    /// The simulator's block.
    Simulate,
}

/// One line that ntpd understands, in whole or in part.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The directive's name.
    pub name: &'static str,
    /// What it says; what ntpd loses is not in it.
    pub body: Body,
    /// The line without the space around it and without its comment.
    pub span: Span,
    /// The comment at its end.
    pub comment: Option<Span>,
    /// What is wrong with the rest of the line.
    pub faults: Vec<Diagnostic>,
}

/// One line of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// An empty line.
    Blank(Span),
    /// A line with a comment only.
    Comment(Span),
    /// A line that says something.
    Statement(Box<Statement>),
    /// A line that ntpd refuses as a whole.
    Refused {
        /// The line.
        span: Span,
        /// Why.
        faults: Vec<Diagnostic>,
    },
}

impl Item {
    /// Where the line stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Self::Blank(span) | Self::Comment(span) | Self::Refused { span, .. } => *span,
            Self::Statement(statement) => statement.span,
        }
    }
}
