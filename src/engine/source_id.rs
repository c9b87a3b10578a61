//! Numbers of sources, the same as long as a source lives.

/// The number of a source: given when it is added, never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

impl SourceId {
    /// The first one.
    pub const FIRST: Self = Self(1);

    /// The one after this.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}
