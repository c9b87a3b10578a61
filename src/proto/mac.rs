//! Message authentication codes of symmetric keys (RFC 5905 §7.3, RFC 8573): made and checked over
//! the header and the extension fields, in constant time. Which key a packet must carry is the
//! caller's to know.
//!
//! MD5 and the SHA family are digests of the key followed by the packet; AES is CMAC (RFC 4493). In
//! version 4 a digest longer than 20 octets is cut to 20, so that a MAC cannot be taken for an
//! extension field (RFC 7822 §3); version 3 carries it whole. chronyd and ntpd do the same.

use super::extension;
use super::packet::HEADER_LEN;
use aes::Aes128;
use aes::Aes256;
use cmac::Cmac;
use cmac::Mac as _;
use md5::Digest as _;
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use sha2::Sha384;
use sha2::Sha512;
use std::collections::BTreeMap;
use std::fmt;
use subtle::ConstantTimeEq as _;

/// The longest digest, in octets.
pub const MAX_DIGEST: usize = 64;
/// The longest digest in a version 4 packet, in octets (RFC 7822 §3).
pub const MAX_V4_DIGEST: usize = 20;
/// Octets of the key's number before the digest.
pub const KEY_ID: usize = 4;

/// How a MAC is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names of the algorithms")]
pub enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha384,
    Sha512,
    Aes128Cmac,
    Aes256Cmac,
}

impl Algorithm {
    /// Octets of the whole digest.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Md5 | Self::Aes128Cmac | Self::Aes256Cmac => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Octets of the digest in a packet of this NTP version.
    #[must_use]
    pub const fn sent_len(self, version: u8) -> usize {
        let whole = self.digest_len();
        if version >= 4 && whole > MAX_V4_DIGEST {
            MAX_V4_DIGEST
        } else {
            whole
        }
    }
}

/// The algorithm with the secret taken in: what each packet begins from.
#[derive(Clone)]
enum Prepared {
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Box<Sha384>),
    Sha512(Box<Sha512>),
    Aes128(Box<Cmac<Aes128>>),
    Aes256(Box<Cmac<Aes256>>),
}

/// A key. Its `Debug` does not show the secret.
#[derive(Clone)]
pub struct Key {
    algorithm: Algorithm,
    secret: Vec<u8>,
    prepared: Prepared,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, {} octets)", self.algorithm, self.secret.len())
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && bool::from(self.secret.ct_eq(&other.secret))
    }
}

impl Key {
    /// A key; none when the secret is empty, or not of the length that AES needs (16, 32).
    #[must_use]
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        let prepared = match algorithm {
            Algorithm::Md5 => Prepared::Md5(Md5::new_with_prefix(secret)),
            Algorithm::Sha1 => Prepared::Sha1(Sha1::new_with_prefix(secret)),
            Algorithm::Sha256 => Prepared::Sha256(Sha256::new_with_prefix(secret)),
            Algorithm::Sha384 => Prepared::Sha384(Box::new(Sha384::new_with_prefix(secret))),
            Algorithm::Sha512 => Prepared::Sha512(Box::new(Sha512::new_with_prefix(secret))),
            Algorithm::Aes128Cmac => {
                Prepared::Aes128(Box::new(cmac::KeyInit::new_from_slice(secret).ok()?))
            }
            Algorithm::Aes256Cmac => {
                Prepared::Aes256(Box::new(cmac::KeyInit::new_from_slice(secret).ok()?))
            }
        };
        Some(Self {
            algorithm,
            secret: secret.to_vec(),
            prepared,
        })
    }

    /// How its MACs are made.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Bits of the secret, as control protocols report them.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.secret.len() * 8
    }

    /// The whole digest of a message and its length.
    fn digest(&self, message: &[u8]) -> ([u8; MAX_DIGEST], usize) {
        let mut out = [0; MAX_DIGEST];
        let length = self.algorithm.digest_len();
        let mut put = |digest: &[u8]| {
            for (to, from) in out.iter_mut().zip(digest) {
                *to = *from;
            }
        };
        match &self.prepared {
            Prepared::Md5(d) => put(&d.clone().chain_update(message).finalize()),
            Prepared::Sha1(d) => put(&d.clone().chain_update(message).finalize()),
            Prepared::Sha256(d) => put(&d.clone().chain_update(message).finalize()),
            Prepared::Sha384(d) => put(&d.clone().chain_update(message).finalize()),
            Prepared::Sha512(d) => put(&d.clone().chain_update(message).finalize()),
            Prepared::Aes128(c) => {
                put(&c
                    .as_ref()
                    .clone()
                    .chain_update(message)
                    .finalize()
                    .into_bytes());
            }
            Prepared::Aes256(c) => {
                put(&c
                    .as_ref()
                    .clone()
                    .chain_update(message)
                    .finalize()
                    .into_bytes());
            }
        }
        (out, length)
    }

    /// Appends number and digest to a packet of this version.
    pub fn sign(&self, id: u32, version: u8, packet: &mut Vec<u8>) {
        let (digest, _) = self.digest(packet);
        packet.extend_from_slice(&id.to_be_bytes());
        let sent = self.algorithm.sent_len(version);
        packet.extend_from_slice(digest.get(..sent).unwrap_or(&digest));
    }

    /// The same in place: behind the first `length` octets of a buffer. Gives the length of the
    /// whole; none when there is no room.
    #[must_use]
    pub fn sign_in_place(
        &self,
        id: u32,
        version: u8,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<usize> {
        let (message, rest) = buffer.split_at_mut_checked(length)?;
        let (digest, _) = self.digest(message);
        let sent = self.algorithm.sent_len(version);
        let (number, rest) = rest.split_first_chunk_mut::<KEY_ID>()?;
        *number = id.to_be_bytes();
        rest.get_mut(..sent)?.copy_from_slice(digest.get(..sent)?);
        Some(length + KEY_ID + sent)
    }

    /// Whether this is the digest of the message in a packet of this version. Takes the same time
    /// wherever they differ.
    #[must_use]
    pub fn verify(&self, version: u8, message: &[u8], digest: &[u8]) -> bool {
        let (own, _) = self.digest(message);
        own.get(..self.algorithm.sent_len(version))
            .is_some_and(|own| own.ct_eq(digest).into())
    }
}

/// The MAC of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// What it is over: the packet as far as it.
    pub message: &'a [u8],
    /// The number of the key.
    pub id: u32,
    /// The digest; empty in a crypto-NAK (RFC 5905 §7.3: the server knows no such key).
    pub digest: &'a [u8],
}

/// Finds the MAC at the end of a packet; none when there is none, or when what follows the header
/// does not parse.
#[must_use]
pub fn find(packet: &[u8]) -> Option<Found<'_>> {
    let version = (packet.first()? >> 3) & 7;
    let rest = packet.get(HEADER_LEN..)?;
    let mac = if version >= 4 {
        extension::split(rest).ok()?.mac
    } else {
        rest
    };
    let (id, digest) = mac.split_first_chunk::<KEY_ID>()?;
    Some(Found {
        message: packet.get(..packet.len() - mac.len())?,
        id: u32::from_be_bytes(*id),
        digest,
    })
}

/// What a packet's MAC says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It carries none.
    Absent,
    /// It is right: made with the key of this number.
    Good(u32),
    /// It is wrong, or made with a key that is not known.
    Bad,
}

/// Keys by number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keys(BTreeMap<u32, Key>);

impl Keys {
    /// No key.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a key, or replaces the one of that number.
    pub fn insert(&mut self, id: u32, key: Key) {
        self.0.insert(id, key);
    }

    /// The key of a number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<&Key> {
        self.0.get(&id)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks the MAC of a whole packet.
    #[must_use]
    pub fn check(&self, packet: &[u8]) -> Verdict {
        let version = packet.first().map_or(0, |first| (first >> 3) & 7);
        let Some(found) = find(packet) else {
            return if packet.len() <= HEADER_LEN {
                Verdict::Absent
            } else {
                no_mac(version, packet)
            };
        };
        match self.get(found.id) {
            Some(key) if key.verify(version, found.message, found.digest) => {
                Verdict::Good(found.id)
            }
            _ => Verdict::Bad,
        }
    }
}

/// Extension fields without a MAC are no MAC; anything else that does not parse is a bad one.
fn no_mac(version: u8, packet: &[u8]) -> Verdict {
    let fields = packet.get(HEADER_LEN..).map(extension::split);
    match fields {
        Some(Ok(trailer)) if version >= 4 && trailer.mac.is_empty() => Verdict::Absent,
        _ => Verdict::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Algorithm; 7] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha384,
        Algorithm::Sha512,
        Algorithm::Aes128Cmac,
        Algorithm::Aes256Cmac,
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn key(algorithm: Algorithm) -> Key {
        let length = if algorithm == Algorithm::Aes256Cmac {
            32
        } else {
            16
        };
        Key::new(algorithm, &[0x42; 32][..length]).unwrap()
    }

    fn header(version: u8) -> Vec<u8> {
        let mut packet = vec![0x55; HEADER_LEN];
        packet[0] = (version << 3) | 4;
        packet
    }

    #[test]
    fn cmac_of_rfc_4493_and_nist() {
        let secret = [
            0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf,
            0x4f, 0x3c,
        ];
        let key = Key::new(Algorithm::Aes128Cmac, &secret).unwrap();
        assert_eq!(
            hex(&key.digest(&[]).0[..16]),
            "bb1d6929e95937287fa37d129b756746"
        );
        let secret = [
            0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d,
            0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3,
            0x09, 0x14, 0xdf, 0xf4,
        ];
        let key = Key::new(Algorithm::Aes256Cmac, &secret).unwrap();
        assert_eq!(
            hex(&key.digest(&[]).0[..16]),
            "028962f61b7bf89efc6b551f4667d983"
        );
    }

    #[test]
    fn digests_are_over_the_secret_and_then_the_message() {
        let of = |algorithm| {
            let key = Key::new(algorithm, b"a").unwrap();
            let (digest, length) = key.digest(b"bc");
            hex(&digest[..length])
        };
        assert_eq!(of(Algorithm::Md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(
            of(Algorithm::Sha1),
            "a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        assert!(of(Algorithm::Sha256).starts_with("ba7816bf8f01cfea414140de5dae2223"));
        assert!(of(Algorithm::Sha384).starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert!(of(Algorithm::Sha512).starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn every_algorithm_signs_what_it_verifies_in_both_versions() {
        for (algorithm, version) in ALL.into_iter().flat_map(|a| [(a, 3), (a, 4)]) {
            let mut keys = Keys::new();
            keys.insert(7, key(algorithm));
            let mut packet = header(version);
            keys.get(7).unwrap().sign(7, version, &mut packet);
            let digest = packet.len() - HEADER_LEN - KEY_ID;
            assert_eq!(digest, algorithm.sent_len(version));
            assert_eq!(keys.check(&packet), Verdict::Good(7), "{algorithm:?}");
            for at in 0..packet.len() {
                let mut forged = packet.clone();
                forged[at] ^= 0x40;
                assert_ne!(keys.check(&forged), Verdict::Good(7), "{algorithm:?} {at}");
            }
            packet.pop();
            assert_eq!(keys.check(&packet), Verdict::Bad, "{algorithm:?} cut");
        }
    }

    #[test]
    fn long_digests_are_cut_in_version_4_only() {
        assert_eq!(Algorithm::Sha512.sent_len(4), 20);
        assert_eq!(Algorithm::Sha512.sent_len(3), 64);
        assert_eq!(Algorithm::Md5.sent_len(4), 16);
    }

    #[test]
    fn a_mac_behind_extension_fields_covers_them() {
        let mut keys = Keys::new();
        keys.insert(1, key(Algorithm::Sha256));
        let mut packet = header(4);
        packet.extend([0x01, 0x04, 0, 28]);
        packet.extend([9; 24]);
        assert_eq!(keys.check(&packet), Verdict::Absent);
        keys.get(1).unwrap().sign(1, 4, &mut packet);
        assert_eq!(keys.check(&packet), Verdict::Good(1));
        packet[60] ^= 1;
        assert_eq!(keys.check(&packet), Verdict::Bad);
    }

    #[test]
    fn a_nak_and_an_unknown_key_are_bad_and_nothing_is_absent() {
        let mut keys = Keys::new();
        keys.insert(1, key(Algorithm::Md5));
        let mut packet = header(4);
        assert_eq!(keys.check(&packet), Verdict::Absent);
        keys.get(1).unwrap().sign(2, 4, &mut packet);
        assert_eq!(keys.check(&packet), Verdict::Bad);
        packet.truncate(HEADER_LEN);
        packet.extend([0; 4]);
        assert_eq!(find(&packet).unwrap().digest, b"");
        assert_eq!(keys.check(&packet), Verdict::Bad);
    }

    #[test]
    fn secrets_of_impossible_length_are_refused_and_never_shown() {
        assert_eq!(Key::new(Algorithm::Aes128Cmac, &[1; 15]), None);
        assert_eq!(Key::new(Algorithm::Aes256Cmac, &[1; 16]), None);
        assert_eq!(Key::new(Algorithm::Md5, &[]), None);
        let shown = format!("{:?}", Key::new(Algorithm::Sha1, b"hunter2"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_packet_panics(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut keys = Keys::new();
            keys.insert(1, key(Algorithm::Aes128Cmac));
            let _ = keys.check(&packet);
        }
    }
}
