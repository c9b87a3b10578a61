//! Which of this machine's addresses, interfaces and traffic classes the server answers with.

use crate::net::Net;
use crate::net::skip;
use crate::serve_peers::serve;

/// Asks at an address through a connected socket, which hears nothing from any other; gives the
/// length of the reply and its traffic class, or `silence`.
fn asked(net: &Net, address: &str) -> String {
    let script = format!(
        "import socket\nv6=':' in '{address}'\n\
         s=socket.socket(socket.AF_INET6 if v6 else socket.AF_INET,socket.SOCK_DGRAM)\n\
         s.setsockopt(41,66,1) if v6 else s.setsockopt(0,13,1)\n\
         s.connect(('{address}',123))\ns.settimeout(2)\n\
         try:\n s.send(b'\\x23'+b'\\0'*39+b'12345678')\n d,c,f,a=s.recvmsg(99,64)\n \
         print(len(d),int.from_bytes(c[0][2][:1],'little'))\n\
         except (TimeoutError,ConnectionRefusedError): print('silence')"
    );
    let ran = net.run(&["python3", "-c", &script]);
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

#[test]
fn whichever_address_was_asked_answers_with_the_class_that_the_file_says() {
    let Some(mut net) = Net::new() else { return };
    let added = net.run(&["ip", "-6", "addr", "add", "fd77::2/128", "dev", "lo"]);
    serve(
        &mut net,
        "server",
        "local stratum 5\nallow\ndscp 46\nbindcmdaddress /\ncmdport 0\n",
    );
    // The route to all of these has one source address; each reply has its own all the same.
    for address in ["10.77.0.10", "10.77.0.15", "127.0.0.3", "::1", "fd77::2"] {
        if address == "fd77::2" && !added.status.success() {
            skip("no IPv6 address can be added");
            continue;
        }
        assert_eq!(asked(&net, address), "48 184", "{address}\n{}", net.logs());
    }
}

#[test]
fn only_what_comes_through_the_interface_that_the_file_names_is_answered() {
    for (device, answer) in [("lo", "48 0"), ("bc0", "silence")] {
        let Some(mut net) = Net::new() else { return };
        let words = "ip link add bc0 type veth peer name bc1";
        if !net
            .run(&words.split(' ').collect::<Vec<_>>())
            .status
            .success()
        {
            return skip("no pair of interfaces can be made");
        }
        net.run(&["ip", "link", "set", "bc0", "up"]);
        serve(
            &mut net,
            "server",
            &format!("local\nallow\nbinddevice {device}\nbindcmdaddress /\ncmdport 0\n"),
        );
        assert_eq!(
            asked(&net, "10.77.0.10"),
            answer,
            "{device}\n{}",
            net.logs()
        );
    }
}
