//! TAI - UTC where no configuration says it: by the kernel, by the lists that tzdata brings, or as
//! it has been since 2017.

use crate::commands::daemon::settings::leaps;
use crate::engine::leap::LeapTable;
use crate::engine::refclock::TAI_UTC;
use crate::sys;
use std::ops::RangeInclusive;
use std::path::Path;

/// What is believed: leap seconds are to end, and none was ever taken back.
const SANE: RangeInclusive<i32> = TAI_UTC - 1..=TAI_UTC + 3;
/// tzdata's list, and its zone that counts leap seconds.
const LIST: &str = "/usr/share/zoneinfo/leap-seconds.list";
const ZONE: &str = "/usr/share/zoneinfo/right/UTC";

/// TAI - UTC now, in seconds: the kernel's word, where something told it; else tzdata's under
/// `root`; else 37.
#[must_use]
pub fn offset(root: &Path) -> i32 {
    let kernel = sys::timex::tai_offset().filter(|tai| SANE.contains(tai));
    kernel.unwrap_or_else(|| by_files(root, sys::clock::unix().0))
}

fn by_files(root: &Path, unix: i64) -> i32 {
    let under = |path| sys::files::under(root, Path::new(path));
    let says = |table: LeapTable| table.tai(unix).filter(|tai| SANE.contains(tai));
    leaps::of_list(&under(LIST))
        .ok()
        .and_then(says)
        .or_else(|| leaps::of_zone_file(&under(ZONE)).ok().and_then(says))
        .unwrap_or(TAI_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sync::image::image;

    const NOW: i64 = 1_790_000_000;

    fn with_list(text: &str) -> i32 {
        by_files(image(&[(LIST, text)]).path(), NOW)
    }

    #[test]
    fn a_list_that_holds_is_believed_and_any_other_is_not() {
        assert_eq!(
            with_list("#@ 9999999999\n3692217600 37\n3900000000 38\n"),
            38
        );
        // Expired, absurd, broken.
        assert_eq!(
            with_list("#@ 3900000001\n3692217600 37\n3900000000 38\n"),
            37
        );
        assert_eq!(
            with_list("#@ 9999999999\n3692217600 37\n3900000000 99\n"),
            37
        );
        assert_eq!(with_list("rubbish"), 37);
        assert_eq!(by_files(Path::new("/nowhere"), NOW), 37);
    }
}
