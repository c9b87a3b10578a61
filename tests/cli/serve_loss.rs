//! Truth under loss: the server's only source vanishes, and what clients are told gets worse, until it
//! is that the clock is not synchronised, or its own reference where `local` says so.

use crate::net::Net;
use crate::net::peer;
use crate::serve_peers::serve;
use crate::serve_peers::told;
use crate::serve_peers::until;

/// What a client is told in the end, `more` being in the server's file; each is never better than
/// the one before.
fn told_after_loss(more: &str) -> Option<(u8, u8)> {
    peer("chrony", "usr/sbin/chronyd")?;
    let mut net = Net::new()?;
    let upstream = "10.77.0.10";
    net.chronyd(upstream, "local stratum 3")?;
    // The clock is said to err by 5 ms a second: after half a minute it is past 150 ms.
    let conf = format!(
        "server {upstream} iburst minpoll 0 maxpoll 0\nbindaddress 10.77.0.11\nallow\n\
         bindcmdaddress /\ncmdport 0\nmaxclockerror 5000\nmaxdistance 0.15\n{more}"
    );
    serve(&mut net, "server", &conf);
    let client = "10.77.0.12";
    until(&net, 60, || {
        told(&net, client).filter(|t| (t.0, t.1) == (4, 0))
    });
    let cut = net.run(&["ip", "addr", "del", &format!("{upstream}/32"), "dev", "lo"]);
    assert!(cut.status.success());
    net.run(&["ip", "route", "add", "blackhole", upstream]);
    // A poll that was under way may still have been answered.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let mut worst = 0.0;
    let last = until(&net, 90, || {
        let (stratum, leap, dispersion) = told(&net, client)?;
        if (stratum, leap) != (4, 0) {
            return Some((stratum, leap));
        }
        assert!(dispersion >= worst, "{dispersion} after {worst}");
        assert!(dispersion < 0.2, "too far off to be told");
        worst = dispersion;
        None
    });
    assert!(worst > 0.05, "it got worse before: {worst}");
    Some(last)
}

#[test]
fn a_server_whose_source_vanished_says_in_time_that_it_is_not_synchronised() {
    if let Some(told) = told_after_loss("") {
        assert_eq!(told, (0, 3));
    }
}

#[test]
fn a_server_whose_source_vanished_serves_itself_where_local_says_so() {
    if let Some(told) = told_after_loss("local stratum 9\n") {
        assert_eq!(told, (9, 0));
    }
}
