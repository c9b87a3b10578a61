//! Files of symmetric keys: chrony.keys and ntp.keys.
//!
//! Secrets never reach a message: [`Keys::map`] holds the text with every secret masked, so that
//! a rendered diagnostic shows the line but not the key.

use core::fmt;

use crate::conf::address::shown;
use crate::conf::diagnostic::Diagnostic;
use crate::conf::near::nearest;
use crate::conf::span::SourceMap;
use crate::conf::span::Span;
use crate::conf::words::Word;
use crate::conf::words::lines;
use crate::conf::words::words;

/// How a MAC is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names of the algorithms")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    Sha3_224,
    Sha3_256,
    Sha3_384,
    Sha3_512,
    Tiger,
    Whirlpool,
    Aes128,
    Aes256,
}

impl Algorithm {
    /// The name in chrony.keys.
    #[must_use]
    pub fn word(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, algorithm)| *algorithm == self)
            .map_or("", |(name, _)| name)
    }

    /// Length of the key in bytes where only one is possible.
    #[must_use]
    pub fn key_length(self) -> Option<usize> {
        match self {
            Self::Aes128 => Some(16),
            Self::Aes256 => Some(32),
            _ => None,
        }
    }

    /// Whether the MAC is longer than the 20 bytes of NTPv4, which ntpd cuts (then chrony needs
    /// `version 3` with an old peer, and truncates in version 4).
    #[must_use]
    pub fn long_mac(self) -> bool {
        !matches!(self, Self::Md5 | Self::Sha1 | Self::Aes128 | Self::Aes256)
    }

    /// The algorithm named in a chrony.keys, in any case.
    #[must_use]
    pub fn of_chrony(name: &str) -> Option<Self> {
        let found = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, algorithm)| *algorithm)
    }

    /// The algorithm named in an ntp.keys: also OpenSSL's names and the old letter `M`.
    #[must_use]
    pub fn of_ntp(name: &str) -> Option<Self> {
        let plain = name.to_ascii_uppercase();
        match plain.as_str() {
            "M" => Some(Self::Md5),
            "SHA" | "SHA-1" => Some(Self::Sha1),
            "SHA-256" | "SHA2-256" => Some(Self::Sha256),
            "SHA-384" | "SHA2-384" => Some(Self::Sha384),
            "SHA-512" | "SHA2-512" => Some(Self::Sha512),
            "AES" | "AES-128" | "AES128CMAC" | "AES-128-CMAC" | "CMAC" => Some(Self::Aes128),
            "AES-256" | "AES256CMAC" | "AES-256-CMAC" => Some(Self::Aes256),
            _ => Self::of_chrony(&plain),
        }
    }
}

const NAMES: [(&str, Algorithm); 13] = [
    ("MD5", Algorithm::Md5),
    ("SHA1", Algorithm::Sha1),
    ("SHA256", Algorithm::Sha256),
    ("SHA384", Algorithm::Sha384),
    ("SHA512", Algorithm::Sha512),
    ("SHA3-224", Algorithm::Sha3_224),
    ("SHA3-256", Algorithm::Sha3_256),
    ("SHA3-384", Algorithm::Sha3_384),
    ("SHA3-512", Algorithm::Sha3_512),
    ("TIGER", Algorithm::Tiger),
    ("WHIRLPOOL", Algorithm::Whirlpool),
    ("AES128", Algorithm::Aes128),
    ("AES256", Algorithm::Aes256),
];

/// A secret; its `Debug` shows the length only.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its number, 1 or more.
    pub id: u32,
    /// How the MAC is made.
    pub algorithm: Algorithm,
    /// The secret.
    pub secret: Secret,
    /// Its line.
    pub span: Span,
    /// Addresses that may use it (ntp.keys, fourth word).
    pub addresses: Option<Span>,
}

/// A line that is not a usable key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The line.
    pub span: Span,
    /// The number of the key, if it could be read.
    pub id: Option<u32>,
    /// Why.
    pub reason: String,
}

/// The keys of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// The file, its secrets masked.
    pub map: SourceMap,
    /// The keys in the order of the file.
    pub keys: Vec<Key>,
    /// The lines that are no keys.
    pub bad: Vec<BadLine>,
    /// Everything found wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Keys {
    /// The key of a number; the last one counts, as in both daemons.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.id == id)
    }
}

/// Which daemon's file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Chrony,
    Ntp,
}

/// Reads a chrony.keys: `ID [TYPE] [ASCII:|HEX:]KEY`, comments on lines of their own.
#[must_use]
pub fn chrony(path: &str, bytes: &[u8]) -> Keys {
    read(path, bytes, Form::Chrony)
}

/// Reads an ntp.keys: `ID TYPE KEY [ADDRESSES]`; a key of more than 20 characters is
/// hexadecimal; `#` starts a comment anywhere.
#[must_use]
pub fn ntp(path: &str, bytes: &[u8]) -> Keys {
    read(path, bytes, Form::Ntp)
}

fn read(path: &str, bytes: &[u8], form: Form) -> Keys {
    let mut plain = SourceMap::new();
    let id = plain.add(path, bytes);
    let mut out = Keys {
        map: SourceMap::new(),
        keys: Vec::new(),
        bad: Vec::new(),
        diagnostics: Vec::new(),
    };
    let Some(file) = plain.file(id) else {
        return out;
    };
    let mut masked = file.text.clone();
    for line in lines(id, file) {
        let mut line = line;
        let body = match form {
            Form::Ntp => line.text.split('#').next().unwrap_or(""),
            Form::Chrony => line.text,
        };
        line.text = body;
        line.span.end = line.span.start + body.len();
        let found = words(&line);
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            continue;
        };
        if form == Form::Chrony && first.text.starts_with(['!', ';', '#', '%']) {
            continue;
        }
        // All from the second word on could be a secret, unless it names an algorithm.
        for word in found.iter().skip(1) {
            if Algorithm::of_ntp(word.text).is_none() {
                let stars: String = word
                    .text
                    .chars()
                    .map(|c| "*".repeat(c.len_utf8()))
                    .collect();
                masked.replace_range(word.span.start..word.span.end, &stars);
            }
        }
        let span = first.span.to(last.span);
        match key(&found, form) {
            Ok(key) => out.keys.push(Key { span, ..key }),
            Err(fault) => {
                out.bad.push(BadLine {
                    span,
                    id: first.text.parse().ok(),
                    reason: fault.message.clone(),
                });
                out.diagnostics.push(fault);
            }
        }
    }
    out.map.add(path, masked.as_bytes());
    out
}

fn key(found: &[Word<'_>], form: Form) -> Result<Key, Diagnostic> {
    let Some((number, rest)) = found.split_first() else {
        return Err(Diagnostic::error(Span::default(), "an empty line"));
    };
    let id: u32 = number.text.parse().map_err(|_| {
        Diagnostic::error(
            number.span,
            format!("{} is not the number of a key", shown(number.text)),
        )
    })?;
    if id == 0 {
        return Err(
            Diagnostic::error(number.span, "0 is not the number of a key")
                .with_help("numbers start at 1"),
        );
    }
    let (kind, text, more) = match (form, rest) {
        (Form::Chrony, [text]) => (None, text, &[][..]),
        (_, [kind, text]) => (Some(kind), text, &[][..]),
        (Form::Ntp, [kind, text, more @ ..]) => (Some(kind), text, more),
        _ => {
            return Err(Diagnostic::error(
                number.span,
                format!("key {id}: not NUMBER TYPE KEY"),
            ));
        }
    };
    let algorithm = match kind {
        None => Algorithm::Md5,
        Some(word) => algorithm(word, form).map_err(|message| {
            let near = nearest(word.text, NAMES.map(|(name, _)| name));
            // A secret may stand where a type should: it is not repeated.
            Diagnostic::error(word.span, format!("key {id}: {message}"))
                .with_maybe_help(near.map(|near| format!("did you mean {near}?")))
        })?,
    };
    let secret = match form {
        Form::Chrony => chrony_secret(text.text),
        Form::Ntp => ntp_secret(text.text),
    };
    let secret = secret.map_err(|why| Diagnostic::error(text.span, format!("key {id}: {why}")))?;
    if let Some(length) = algorithm
        .key_length()
        .filter(|&length| length != secret.len())
    {
        let message = format!(
            "key {id}: {} needs a key of {length} bytes, this one has {}",
            algorithm.word(),
            secret.len()
        );
        return Err(Diagnostic::error(text.span, message));
    }
    let addresses = more
        .first()
        .zip(more.last())
        .map(|(first, last)| first.span.to(last.span));
    Ok(Key {
        id,
        algorithm,
        secret: Secret(secret),
        span: Span::default(),
        addresses,
    })
}

fn algorithm(word: &Word<'_>, form: Form) -> Result<Algorithm, String> {
    let found = match form {
        Form::Chrony => Algorithm::of_chrony(word.text),
        Form::Ntp => Algorithm::of_ntp(word.text),
    };
    found.ok_or_else(|| match word.text {
        "S" | "N" | "A" if form == Form::Ntp => {
            "DES keys (S, N, A) are not supported by any current daemon".to_owned()
        }
        name if name.to_ascii_uppercase().starts_with("RMD")
            || name.to_ascii_uppercase().starts_with("RIPEMD") =>
        {
            "RIPEMD keys are not supported by chrony since 4.0".to_owned()
        }
        _ => "unknown type of key".to_owned(),
    })
}

fn chrony_secret(text: &str) -> Result<Vec<u8>, String> {
    if let Some(hex) = text.strip_prefix("HEX:") {
        decode_hex(hex)
    } else {
        let secret = text.strip_prefix("ASCII:").unwrap_or(text);
        if secret.is_empty() {
            return Err("the key is empty".to_owned());
        }
        Ok(secret.as_bytes().to_vec())
    }
}

fn ntp_secret(text: &str) -> Result<Vec<u8>, String> {
    if text.len() <= 20 {
        Ok(text.as_bytes().to_vec())
    } else {
        decode_hex(text)
    }
}

fn decode_hex(text: &str) -> Result<Vec<u8>, String> {
    if text.is_empty() || !text.len().is_multiple_of(2) {
        return Err("a hexadecimal key has an even number of digits".to_owned());
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut bytes = text.bytes();
    while let (Some(high), Some(low)) = (bytes.next(), bytes.next()) {
        match (digit(high), digit(low)) {
            (Some(high), Some(low)) => out.push(high << 4 | low),
            _ => return Err("the key is not hexadecimal".to_owned()),
        }
    }
    Ok(out)
}

/// The line of a key in chrony.keys. Secrets that are not printable become hexadecimal.
#[must_use]
pub fn write_chrony(key: &Key) -> String {
    let Secret(bytes) = &key.secret;
    let printable = bytes.len() <= 20 && bytes.iter().all(u8::is_ascii_graphic);
    let secret = if printable {
        format!("ASCII:{}", String::from_utf8_lossy(bytes))
    } else {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("HEX:{hex}")
    };
    format!("{} {} {secret}", key.id, key.algorithm.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::diagnostic::render_all;

    #[test]
    fn keys_of_ntp_become_keys_of_chrony() {
        let text = b"# keys\n1 M tick#comment\n2 SHA1 6d1fe7f5adc4c39e3b8fa1e1c8d4f5e2a1b3c4d5\n3 AES128CMAC 0123456789abcdef0123456789abcdef\n\
            4 MD5 exactly20characters! 10.0.0.1,10.0.0.2\n5 sha-256 x\n";
        let keys = ntp("/etc/ntp.keys", text);
        assert!(
            keys.diagnostics.is_empty(),
            "{}",
            render_all(&keys.diagnostics, &keys.map)
        );
        let written: Vec<String> = keys.keys.iter().map(write_chrony).collect();
        assert_eq!(
            written,
            [
                "1 MD5 ASCII:tick",
                "2 SHA1 HEX:6D1FE7F5ADC4C39E3B8FA1E1C8D4F5E2A1B3C4D5",
                "3 AES128 HEX:0123456789ABCDEF0123456789ABCDEF",
                "4 MD5 ASCII:exactly20characters!",
                "5 SHA256 ASCII:x",
            ]
        );
        assert!(keys.keys[3].addresses.is_some());
        let again = chrony("k", (written.join("\n") + "\n").as_bytes());
        assert_eq!(again.keys.len(), 5);
        assert!(
            again
                .keys
                .iter()
                .zip(&keys.keys)
                .all(|(a, b)| a.secret == b.secret && a.algorithm == b.algorithm)
        );
    }

    #[test]
    fn faulty_keys_are_named_and_never_shown() {
        let text = b"0 M secretA\nx M secretB\n7 S secretC\n8 RMD160 secretD\n9 M\n10 MD5 MarvinTheDepressiveAndroid\n11 AES128 0123456789abcdef0123456789abcdef01\n12 secretE MD5\n";
        let keys = ntp("k", text);
        assert_eq!((keys.keys.len(), keys.bad.len()), (0, 8));
        let shown = render_all(&keys.diagnostics, &keys.map);
        assert!(
            !shown.contains("secret") && !shown.contains("Marvin"),
            "{shown}"
        );
        assert!(
            shown.contains("key 10: the key is not hexadecimal"),
            "{shown}"
        );
        assert!(!format!("{keys:?}").contains("secret"));
    }

    #[test]
    fn chrony_keys_without_type_are_md5() {
        let keys = chrony(
            "k",
            b"! c\n1 abc\n2 SHA1 HEX:00ff\n3 sha512 ASCII:x\n4 AES256 ASCII:short\n",
        );
        assert_eq!(keys.keys.len(), 3);
        assert_eq!(keys.keys[0].algorithm, Algorithm::Md5);
        assert_eq!(keys.find(2).unwrap().secret, Secret(vec![0, 255]));
        assert_eq!(keys.bad[0].id, Some(4));
    }
}
