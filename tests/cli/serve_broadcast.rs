//! Broadcasts of the server, to networks of IPv4 and groups of IPv6.

use crate::net::Net;
use crate::net::skip;
use crate::serve_control::start;

#[test]
fn broadcasts_are_sent_to_whole_networks_and_not_while_the_clock_is_not_synchronised() {
    // The kernel hands a broadcast to listeners of the sending machine too.
    let listen = |net: &Net, seconds: f64| {
        let script = format!(
            "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
             s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\ns.bind(('',12123))\ns.settimeout({seconds})\n\
             try:\n d,a=s.recvfrom(99)\n print(len(d),d[0],d[1],d[2],d[24:40]==bytes(16),int.from_bytes(d[40:44],'big')-2208988800,a[1])\n\
             except TimeoutError: print('nothing')"
        );
        let ran = net.run(&["python3", "-c", &script]);
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    };
    for (how, synchronised) in [("local stratum 4\n", true), ("server 192.0.2.1\n", false)] {
        let lines = format!("{how}allow\n");
        let Some(mut net) = Net::new() else { return };
        net.run(&[
            "ip", "link", "add", "bc0", "type", "veth", "peer", "name", "bc1",
        ]);
        net.run(&["ip", "link", "set", "bc1", "up"]);
        let added = net.run(&[
            "ip",
            "addr",
            "add",
            "10.78.0.1/24",
            "brd",
            "+",
            "dev",
            "bc0",
        ]);
        if !added.status.success() {
            return skip("no pair of interfaces can be made");
        }
        net.run(&["ip", "link", "set", "bc0", "up"]);
        let text = format!(
            "{lines}bindcmdaddress /\ncmdport 0\nbroadcast 1 10.78.0.255 12123\nbroadcast 60 10.78.0.255\n"
        );
        let conf = net.write("server.conf", &text);
        start(&mut net, &conf);
        if !synchronised {
            assert_eq!(listen(&net, 4.0), "nothing", "{}", net.logs());
            continue;
        }
        let said = listen(&net, 20.0);
        let words: Vec<i64> = said
            .replace("True", "1")
            .split_whitespace()
            .map(|w| w.parse().unwrap_or(-1))
            .collect();
        // 48 octets, version 4 mode 5, stratum 4, every second, no request before, from port 123.
        assert_eq!(words[..5], [48, 0x25, 4, 0, 1], "{said} {}", net.logs());
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        assert!((now.as_secs() as i64 - words[5]).abs() < 30, "{said}");
        assert_eq!(words[6], 123);
    }
}

/// Answers of the IPv6 group that a listener on this interface has joined.
fn joined(net: &Net, group: &str, interface: &str) -> String {
    let script = format!(
        "import socket,struct\ns=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n\
         s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\ns.bind(('::',12123))\ns.settimeout(20)\n\
         i=socket.if_nametoindex('{interface}')\n\
         s.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_JOIN_GROUP,socket.inet_pton(socket.AF_INET6,'{group}')+struct.pack('@I',i))\n\
         try:\n d,a=s.recvfrom(99)\n print(len(d),d[0],d[1],d[2],a[1])\n\
         except TimeoutError: print('nothing')"
    );
    let ran = net.run(&["python3", "-c", &script]);
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

#[test]
fn groups_of_ipv6_are_told_the_time_too() {
    let Some(mut net) = Net::new() else { return };
    let words = "link add bc0 type veth peer name bc1";
    net.run(&[&["ip"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
    for interface in ["bc0", "bc1"] {
        net.run(&["ip", "link", "set", interface, "up"]);
    }
    let address = "addr add fd78::1/64 dev bc0 nodad";
    let added = net.run(&[&["ip", "-6"], &address.split(' ').collect::<Vec<_>>()[..]].concat());
    if !added.status.success() {
        return skip("no IPv6 address can be given to an interface");
    }
    // A group of the site and one of the link, by the route for groups, as with chronyd.
    let conf = net.write(
        "server.conf",
        "local stratum 4\nallow\nbindcmdaddress /\ncmdport 0\n\
         broadcast 1 ff05::101 12123\nbroadcast 1 ff02::101 12123\n",
    );
    start(&mut net, &conf);
    for group in ["ff05::101", "ff02::101"] {
        let said = joined(&net, group, "bc0");
        assert_eq!(said, "48 37 4 0 123", "{group}\n{}", net.logs());
    }
}
