//! The files that distributions and clouds ship for chronyd, run as they are: at their own paths in
//! a file system of the test's own, names looked up there, servers in a namespace. `-x`: no clock is
//! touched.

use crate::net::Net;
use crate::net::peer;
use crate::net::skip;
use std::time::Duration;
use std::time::Instant;

/// A file as it is shipped, without its comments.
struct Shipped {
    name: &'static str,
    /// Where it lies.
    path: &'static str,
    text: &'static str,
    /// Names in it, and who else is asked.
    hosts: &'static [&'static str],
    /// Files and directories that its package has too: a name that ends in a slash is a directory.
    beside: &'static [&'static str],
    /// What the daemon says that it does not follow.
    warned: &'static [&'static str],
}

/// What Debian 12 and Ubuntu have in common.
const DEBIAN: &str = "sourcedir /run/chrony-dhcp\nsourcedir /etc/chrony/sources.d\n\
    keyfile /etc/chrony/chrony.keys\ndriftfile /var/lib/chrony/chrony.drift\n\
    ntsdumpdir /var/lib/chrony\nlogdir /var/log/chrony\nmaxupdateskew 100.0\nrtcsync\n\
    makestep 1 3\nleapsectz right/UTC\n";
/// What their packages put beside it.
const DEBIAN_BESIDE: &[&str] = &[
    "/etc/chrony/conf.d/",
    "/etc/chrony/sources.d/",
    "/etc/chrony/chrony.keys",
];
/// What Fedora, RHEL and Amazon Linux have in common.
const FEDORA: &str = "driftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\n\
    keyfile /etc/chrony.keys\nleapsectz right/UTC\nlogdir /var/log/chrony\n";

const SHIPPED: &[Shipped] = &[
    Shipped {
        name: "debian",
        path: "/etc/chrony/chrony.conf",
        text: "confdir /etc/chrony/conf.d\npool 2.debian.pool.ntp.org iburst\n",
        hosts: &["2.debian.pool.ntp.org"],
        beside: DEBIAN_BESIDE,
        warned: &["ntsdumpdir: there is no NTS yet"],
    },
    Shipped {
        name: "ubuntu",
        path: "/etc/chrony/chrony.conf",
        text: "confdir /etc/chrony/conf.d\npool ntp.ubuntu.com iburst maxsources 4\n\
            pool 0.ubuntu.pool.ntp.org iburst maxsources 1\n\
            pool 1.ubuntu.pool.ntp.org iburst maxsources 1\n\
            pool 2.ubuntu.pool.ntp.org iburst maxsources 2\n",
        hosts: &[
            "ntp.ubuntu.com",
            "0.ubuntu.pool.ntp.org",
            "1.ubuntu.pool.ntp.org",
            "2.ubuntu.pool.ntp.org",
        ],
        beside: DEBIAN_BESIDE,
        warned: &["ntsdumpdir: there is no NTS yet"],
    },
    Shipped {
        name: "fedora",
        path: "/etc/chrony.conf",
        text: "pool 2.fedora.pool.ntp.org iburst\nsourcedir /run/chrony-dhcp\n\
            ntsdumpdir /var/lib/chrony\n",
        hosts: &["2.fedora.pool.ntp.org"],
        beside: &["/etc/chrony.keys"],
        warned: &["ntsdumpdir: there is no NTS yet"],
    },
    Shipped {
        name: "amazon-linux-2",
        path: "/etc/chrony.conf",
        text: "server 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\n\
            pool 0.amazon.pool.ntp.org iburst maxsources 1\n\
            pool 1.amazon.pool.ntp.org iburst maxsources 1\n\
            pool 2.amazon.pool.ntp.org iburst maxsources 2\ninclude /etc/chrony.d/*.conf\n\
            dumponexit\ndumpdir /var/run/chrony\nsourcedir /run/chrony-dhcp\n",
        hosts: &[
            "0.amazon.pool.ntp.org",
            "1.amazon.pool.ntp.org",
            "2.amazon.pool.ntp.org",
        ],
        // /etc/chrony.d has gone with the package.
        beside: &["/etc/chrony.keys"],
        warned: &[
            "/etc/chrony.d is not there: nothing is included",
            "dumponexit",
        ],
    },
    Shipped {
        name: "mfeed",
        path: "/etc/chrony.conf",
        text: "pool ntp1.jst.mfeed.ad.jp iburst\npool ntp2.jst.mfeed.ad.jp iburst\n\
            pool ntp3.jst.mfeed.ad.jp iburst\n",
        hosts: &[
            "ntp1.jst.mfeed.ad.jp",
            "ntp2.jst.mfeed.ad.jp",
            "ntp3.jst.mfeed.ad.jp",
        ],
        beside: &["/etc/chrony.keys"],
        warned: &[],
    },
];

/// The common part of a file's distribution.
fn common(shipped: &Shipped) -> &'static str {
    if shipped.path.starts_with("/etc/chrony/") {
        DEBIAN
    } else {
        FEDORA
    }
}

/// The daemon on this file, in a file system of its own.
fn start(net: &mut Net, shipped: &Shipped) {
    let conf = format!("{}{}", shipped.text, common(shipped));
    let conf = net.write("shipped.conf", &conf).display().to_string();
    let mut script = "set -e\nfor d in /var/lib /var/log /run /mnt; do mount -t tmpfs t $d; done\n\
        echo multi on >/mnt/host.conf\n\
        for f in passwd group nsswitch.conf hosts ld.so.cache; do [ ! -e /etc/$f ] || cp -L /etc/$f /mnt/; done\n\
        mount --bind /mnt /etc\nmkdir -p /var/lib/chrony /var/log/chrony\n"
        .to_owned();
    for path in shipped.beside {
        let line = match path.strip_suffix('/') {
            Some(directory) => format!("mkdir -p {directory}\n"),
            None => format!("mkdir -p $(dirname {path}); touch {path}\n"),
        };
        script.push_str(&line);
    }
    let program = env!("CARGO_BIN_EXE_clockbox");
    script.push_str(&format!(
        "mkdir -p $(dirname {0})\ncp {conf} {0}\nexec {program} sync --daemon -x --user root -v\n",
        shipped.path
    ));
    net.start("clockbox", &["unshare", "-m", "sh", "-c", &script]);
}

#[test]
fn the_files_that_distributions_ship_run_as_they_are() {
    let Some(chronyc) = peer("chrony", "usr/bin/chronyc") else {
        return;
    };
    let chronyc = chronyc.display().to_string();
    for shipped in SHIPPED {
        let Some(mut net) = Net::new() else { return };
        net.run(&["ip", "addr", "add", "169.254.169.123/32", "dev", "lo"]);
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for (place, server) in ["10.77.0.10", "10.77.0.11", "10.77.0.12", "169.254.169.123"]
            .iter()
            .enumerate()
        {
            if net.chronyd(server, "").is_none() {
                return skip("no chronyd");
            }
            // One server each, and a pool has them all.
            let many = shipped.hosts.len() == 1;
            for (number, name) in shipped.hosts.iter().enumerate().filter(|_| place < 3) {
                if many || number % 3 == place {
                    hosts.push_str(&format!("{server} {name}\n"));
                }
            }
        }
        net.hosts(&hosts);
        start(&mut net, shipped);
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let output = net.run(&[&chronyc, "-n", "-h", "127.0.0.1", "sources"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if text.contains("^* ") && text.matches("\n^").count() >= 3 {
                break;
            }
            let name = shipped.name;
            assert!(Instant::now() < end, "{name}: {text}\n{}", net.logs());
            std::thread::sleep(Duration::from_millis(250));
        }
        let log = std::fs::read_to_string(net.path("clockbox.log")).unwrap();
        let warnings: Vec<&str> = log.lines().filter(|l| l.contains("warning")).collect();
        assert_eq!(
            warnings.len(),
            shipped.warned.len(),
            "{}: {log}",
            shipped.name
        );
        for (line, part) in warnings.iter().zip(shipped.warned) {
            assert!(line.contains(part), "{}: {line}", shipped.name);
        }
    }
}
