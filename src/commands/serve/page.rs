//! What the man page of `serve` says beyond its options.

use crate::commands::page::ManPage;
use crate::exit::ExitStatus;

pub(super) const PAGE: ManPage = ManPage {
    examples: &[
        (
            "A relay on an EC2 instance: follow Amazon's time service, answer one client outside",
            "clockbox serve --upstream 169.254.169.123 --allow 203.0.113.7/32",
        ),
        (
            "Would that client be answered, and by which rule?",
            "clockbox serve --config /etc/chrony/chrony.conf --explain-access 203.0.113.7",
        ),
        (
            "As a chrony.conf says, on four threads",
            "clockbox serve --config /etc/chrony/chrony.conf --threads 4",
        ),
        (
            "Beside the daemon that keeps or measures this clock, whichever it is",
            "clockbox serve --no-clock-control --listen :1123 --allow 10.0.0.0/8",
        ),
        (
            "Who asks, how often, and what was dropped?",
            "chronyc -n -h /run/clockbox/control.sock clients",
        ),
        (
            "An isolated site: everybody keeps the same time, right or not",
            "clockbox serve --local 8 --allow 192.168.0.0/16",
        ),
        (
            "A task of Ansible",
            "- command: clockbox serve --explain-access {{ item }} --json\n  loop: \"{{ clients }}\"\n  register: access\n  changed_when: false\n  failed_when: access.rc != 0",
        ),
    ],
    files: &[
        (
            "/etc/clockbox/clockbox.conf, /etc/chrony/chrony.conf, /etc/chrony.conf",
            "the configuration, when none of --config, --upstream and --local is given: the first that is \
         there; with --no-clock-control only clockbox's own, as chrony's belongs to chronyd",
        ),
        (
            "clockbox-serve.service, clockbox-serve.socket, clockbox-serve-beside.service",
            "the units, see SYSTEMD",
        ),
    ],
    sections: &[
        (
            "ACCESS",
            "Nobody is answered unless a rule allows it. Of all the rules about an address the \
             longest prefix decides, wherever it stands. In a file the order matters, as in chronyd, \
             where two prefixes end within the same four bits (/9 and /12, but not /12 and /13): \
             then the later line decides, and a line that decides about nobody for that reason is \
             named when the server starts. Among the options --allow and --deny the longer prefix \
             always decides, and for the same network --deny does. \
             allow all NET and deny all NET drop the rules for networks inside that stand before. \
             A host name stands for its addresses, which are looked up again every ten minutes; \
             while it has none, its rule holds for nobody.\n\
             A firewall is outside of this: on a cloud the client's address also needs a rule for \
             UDP port 123 in the security group. clockbox check-port says what this machine's own \
             firewall does.",
        ),
        (
            "WHAT CLIENTS ARE TOLD",
            "Stratum, leap second, root delay and root dispersion come from the sources. When they \
             are lost the dispersion grows, and when it passes maxdistance clients are told that the \
             clock is not synchronised, or that it is its own reference, where local says so. While \
             the clock is being set nobody is answered. With --no-clock-control and no server to \
             follow, on the command line or in /etc/clockbox/clockbox.conf, they come from the daemon \
             that keeps the clock, or measures it (chronyd -x): every four seconds it is asked; after \
             somebody set the clock it is believed again once it has measured since. The kernel is \
             believed only when no daemon can be asked, at stratum 15.\n\
             With smoothtime in the file clients get a time that bends and never jumps, and see \
             127.127.1.255 as its reference; a smoothed leap second is not announced. With broadcast \
             lines the time is sent to whole networks too, never while it is not synchronised.\n\
             Clients that ask with the extension field F323 (chronyd's extfield) are told root delay \
             and dispersion to four nanoseconds, and, where this server steers the clock and does not \
             smooth it, the arrival of their request by a clock that has this one's rate and none of \
             its corrections.\n\
             A reply is never longer than its request. Control and private messages (modes 6 and 7) \
             are never answered.",
        ),
        (
            "WATCHING IT",
            "chronyc serverstats, clients, accheck ADDR, allow and deny (and all its other commands) \
             work against the server's control socket, /run/clockbox/control.sock unless the file \
             says bindcmdaddress: chronyc -h /run/clockbox/control.sock clients. A server beside \
             another daemon, without a file, has /run/clockbox-serve/control.sock. What happened to all \
             requests is said when the server ends.",
        ),
        (
            "SYSTEMD",
            "clockbox-serve.service keeps the clock and answers clients, in place of every other such \
             daemon. clockbox-serve.socket may be enabled beside it: then systemd holds port 123, no \
             request is lost while the server is started anew, the addresses are those of the socket's \
             unit, and one thread answers. clockbox-serve-beside.service answers while another daemon \
             keeps the clock, without any privilege but to use port 123; that daemon must leave the \
             port to it (port 0 in chrony.conf). All three read /etc/clockbox/clockbox.conf.",
        ),
        (
            "SIGNALS",
            "SIGTERM, SIGINT and SIGQUIT end the server. SIGHUP has it read its configuration and its \
             keys again: rules, rate limit, broadcasts and keys hold from then on, and no client is \
             forgotten. The addresses that it listens on stay.",
        ),
    ],
    statuses: &[
        (
            ExitStatus::NotHeld,
            "with --explain-access: the address is refused",
        ),
        (
            ExitStatus::NoPermission,
            "the port or the clock needs a privilege",
        ),
        (
            ExitStatus::Io,
            "an address cannot be listened on: it is taken, or not this machine's",
        ),
        (
            ExitStatus::Config,
            "there is no server to follow and no --local",
        ),
    ],
    see_also: &[
        "clockbox-sync(1)",
        "clockbox-check-port(1)",
        "chrony.conf(5)",
    ],
};
