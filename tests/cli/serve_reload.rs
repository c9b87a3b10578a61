//! SIGHUP to a server: what its file says of clients holds from the next request on, and what was
//! learnt of them is kept.

use crate::net::Net;
use crate::serve_control::Served;
use crate::serve_control::client;
use crate::serve_control::counter;

impl Served {
    /// Writes its file anew, behind the lines that it must keep, and has it read again.
    fn reads_again(&self, lines: &str, times: usize) {
        let path = self.net.path("server.conf");
        let text = std::fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = text.lines().take(2).collect();
        std::fs::write(&path, format!("{}\n{lines}", kept.join("\n"))).unwrap();
        let found = self.net.run(&["pgrep", "-f", path.to_str().unwrap()]);
        let pids = String::from_utf8_lossy(&found.stdout).into_owned();
        for pid in pids.split_whitespace() {
            let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if comm.trim() == "clockbox" {
                self.net.run(&["kill", "-HUP", pid]);
            }
        }
        self.waits_for_times("configuration read again", times);
    }

    fn waits_for_times(&self, words: &str, times: usize) {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let log = self.net.path("server.log");
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        while said().matches(words).count() < times {
            assert!(std::time::Instant::now() < end, "{}", self.net.logs());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn rules_keys_and_limits_that_are_read_again_hold_and_clients_are_kept() {
    let Some(net) = Net::new() else { return };
    let keys = net.path("keys");
    std::fs::write(&keys, "1 MD5 ASCII:before\n").unwrap();
    let keyfile = format!("keyfile {}\n", keys.display());
    let Some(served) = Served::new(&format!("local\nallow 10.77.0.11\n{keyfile}")) else {
        return;
    };
    assert_eq!(served.requests("10.77.0.11", 20), 20, "there is no limit");
    assert_eq!(served.requests("10.77.0.12", 1), 0, "not allowed");
    assert!(served.signed(1, "before"));
    std::fs::write(&keys, "1 MD5 ASCII:after\n").unwrap();
    let other = "local\nallow 10.77.0.12\nallow 10.77.0.11\nratelimit interval 10 burst 3 leak 0\n";
    served.reads_again(&format!("{other}{keyfile}"), 1);
    assert!(served.signed(1, "after"), "the new key");
    assert!(!served.signed(1, "before"), "not the old one");
    assert_eq!(
        served.requests("10.77.0.12", 5),
        3,
        "allowed now, and limited"
    );
    let clients = served.asks("clients\n");
    let known = client(&clients, "10.77.0.11").unwrap();
    assert_eq!(known[1], "23", "nobody was forgotten: {clients}");
    let stats = served.asks("serverstats\n");
    assert_eq!(counter(&stats, "Authenticated NTP packets"), 2, "{stats}");
    // A broken file changes nothing.
    served.reads_again("local\nallow 10.77.0.800\n", 1);
    served.waits_for("the configuration stays as it was");
    assert_eq!(served.requests("10.77.0.13", 1), 0);
    served.reads_again(&format!("local\nallow 10.77.0.0/24\n{keyfile}"), 2);
    assert_eq!(served.requests("10.77.0.13", 9), 9, "no limit any more");
}
