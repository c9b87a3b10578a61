//! A short soak of the server (`examples/ntp_soak.rs`): rubbish and invented sources at its full speed,
//! and clients that behave in the middle of it. `CLOCKBOX_SOAK_SECONDS` makes it longer.

use crate::mock::example;
use std::process::Command;

#[test]
fn in_a_flood_whoever_behaves_is_answered_and_memory_and_counters_hold() {
    let seconds = std::env::var("CLOCKBOX_SOAK_SECONDS").unwrap_or_else(|_| "2".to_owned());
    let soak = example("ntp_soak");
    for threads in ["1", "2"] {
        let server = env!("CARGO_BIN_EXE_clockbox");
        let ran = Command::new(&soak)
            .args([server, &seconds, threads])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        let holds = ran.status.success() && said.contains("all of it holds");
        assert!(holds, "{threads} threads: {said}");
    }
}
