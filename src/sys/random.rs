//! Randomness from the kernel.

use super::error::Error;

/// 64 unpredictable bits.
///
/// # Errors
/// When the kernel gives none (a seccomp filter).
pub fn bits() -> Result<u64, Error> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new("read", "random bits from the kernel", e.into()))?;
    Ok(u64::from_ne_bytes(bytes))
}
