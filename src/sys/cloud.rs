//! What the firmware and the hypervisor say of the machine: the texts under /sys that name a
//! cloud. What they mean is told by `conf::cloud`.

use super::files;
use std::collections::BTreeMap;
use std::path::Path;

/// A text of the firmware is short; this is a page of sysfs.
const LIMIT: u64 = 4096;

/// The name of a field and its file. `product_serial` and `product_uuid` are for root alone.
const FIELDS: &[(&str, &str)] = &[
    ("sys_vendor", "/sys/class/dmi/id/sys_vendor"),
    ("product_name", "/sys/class/dmi/id/product_name"),
    ("product_serial", "/sys/class/dmi/id/product_serial"),
    ("product_uuid", "/sys/class/dmi/id/product_uuid"),
    ("chassis_asset_tag", "/sys/class/dmi/id/chassis_asset_tag"),
    ("bios_vendor", "/sys/class/dmi/id/bios_vendor"),
    ("bios_version", "/sys/class/dmi/id/bios_version"),
    ("board_vendor", "/sys/class/dmi/id/board_vendor"),
    ("hypervisor_type", "/sys/hypervisor/type"),
    ("hypervisor_uuid", "/sys/hypervisor/uuid"),
];

/// The fields that can be read under `root`, trimmed; those that are absent, empty, not text or
/// for root alone are left out.
#[must_use]
pub fn read(root: &Path) -> BTreeMap<&'static str, String> {
    let text = |file: &str| {
        let bytes = files::read(&files::under(root, Path::new(file)), LIMIT).ok()?;
        let text = String::from_utf8(bytes).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    FIELDS
        .iter()
        .filter_map(|(name, file)| Some((*name, text(file)?)))
        .collect()
}
