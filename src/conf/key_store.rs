//! From a file of keys to what packets are authenticated with.

use crate::conf::keys::Algorithm;
use crate::conf::keys::Keys;
use crate::proto::mac;

/// The keys of a file, and the numbers of those whose algorithm is not supported. Where a number
/// stands twice, the last one counts, as in chronyd and ntpd.
#[must_use]
pub fn store(keys: &Keys) -> (mac::Keys, Vec<(u32, Algorithm)>) {
    let mut known = mac::Keys::new();
    let mut unknown = Vec::new();
    for key in &keys.keys {
        let made =
            supported(key.algorithm).and_then(|algorithm| mac::Key::new(algorithm, &key.secret.0));
        match made {
            Some(made) => known.insert(key.id, made),
            None => unknown.push((key.id, key.algorithm)),
        }
    }
    (known, unknown)
}

const fn supported(algorithm: Algorithm) -> Option<mac::Algorithm> {
    match algorithm {
        Algorithm::Md5 => Some(mac::Algorithm::Md5),
        Algorithm::Sha1 => Some(mac::Algorithm::Sha1),
        Algorithm::Sha256 => Some(mac::Algorithm::Sha256),
        Algorithm::Sha384 => Some(mac::Algorithm::Sha384),
        Algorithm::Sha512 => Some(mac::Algorithm::Sha512),
        Algorithm::Aes128 => Some(mac::Algorithm::Aes128Cmac),
        Algorithm::Aes256 => Some(mac::Algorithm::Aes256Cmac),
        Algorithm::Sha3_224
        | Algorithm::Sha3_256
        | Algorithm::Sha3_384
        | Algorithm::Sha3_512
        | Algorithm::Tiger
        | Algorithm::Whirlpool => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::keys;

    #[test]
    fn the_last_key_of_a_number_counts_and_unsupported_ones_are_named() {
        let text = b"1 MD5 first\n1 SHA1 second\n2 TIGER x\n3 AES128 HEX:00112233445566778899aabbccddeeff\n";
        let (known, unknown) = store(&keys::chrony("k", text));
        assert_eq!(known.len(), 2);
        assert_eq!(
            known.get(1),
            mac::Key::new(mac::Algorithm::Sha1, b"second").as_ref()
        );
        assert_eq!(unknown, [(2, Algorithm::Tiger)]);
    }
}
