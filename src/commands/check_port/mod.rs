//! `clockbox check-port`: who holds UDP 123 here and may packets pass ([`local`]); or a real
//! exchange with every address of the hosts that are named ([`remote`], [`exchange`]).

mod clients;
pub mod cloud_server;
pub mod exchange;
pub mod filters;
pub mod holders;
pub mod hosts;
pub mod icmp;
mod judge;
pub mod local;
mod managers;
mod nobody;
mod opening;
pub mod outside;
mod own_filter;
mod passing;
pub mod remote;
pub mod there;
pub mod words;

use super::Command;
use super::Context;
use super::page::ManPage;
use crate::conf::address;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::check_port::CheckPortReport;
use crate::report::check_port::Limits;
use exchange::Plan;
use remote::Terms;
use std::net::IpAddr;

/// Say who holds UDP 123 here and whether packets may pass, or ask hosts and say why no answer comes
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Without HOST: who holds UDP 123 on this machine (and 319, 320, 323, TCP 4460), whether \
                  that is as it should be, and whether the local firewall lets NTP in and out.\n\nWith \
                  HOST: a real NTP exchange with every address of each host, and a verdict: open, \
                  unsynchronised, kiss of death, garbage, closed, prohibited, unreachable, silent, \
                  blocked here, no route; unresolved for a name without an address."
)]
pub struct Args {
    /// Hosts to ask.
    #[arg(
        value_name = "HOST",
        help = "Hosts to ask: HOST, HOST:PORT, [IPv6]:PORT, or @FILE with one on each line (@- is standard input)"
    )]
    hosts: Vec<String>,
    /// All tests: source port 123, NTP version 3, NTS-sized packets, mode 6 and 7, NTS-KE; 2 s
    /// between packets to one server
    #[arg(long, help_heading = "Asking hosts", requires = "hosts")]
    full: bool,
    /// One open address of a host is enough
    #[arg(long, help_heading = "Asking hosts", requires = "hosts")]
    any: bool,
    /// Seconds to wait for each answer
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds, help_heading = "Asking hosts")]
    timeout: f64,
    /// Ask IPv4 addresses only
    #[arg(
        short = '4',
        long,
        help_heading = "Asking hosts",
        conflicts_with = "ipv6",
        requires = "hosts"
    )]
    ipv4: bool,
    /// Ask IPv6 addresses only
    #[arg(short = '6', long, help_heading = "Asking hosts", requires = "hosts")]
    ipv6: bool,
    /// What firewall and chronyd's rules say of this client
    #[arg(long_help = "The client that should get in, for what the firewall and chronyd's rules say of it and the rules to add; where nobody serves it, that is an error", long, value_name = "ADDRESS", value_parser = address::typed, help_heading = "Looking here", conflicts_with = "hosts")]
    client: Option<IpAddr>,
    /// One line and the exit status for Nagios and its like
    #[arg(
        long_help = "One line and the exit status for Nagios, Icinga, Zabbix...: 0 ok, 1 warning, 2 critical, 3 unknown",
        long,
        help_heading = "Monitoring",
        conflicts_with = "json"
    )]
    nagios: bool,
    /// Offset of a server that is a warning
    #[arg(short, long, value_name = "S", default_value = "60", value_parser = seconds, help_heading = "Monitoring")]
    warning: f64,
    /// Offset of a server that is critical
    #[arg(short, long, value_name = "S", default_value = "120", value_parser = seconds, help_heading = "Monitoring")]
    critical: f64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 86_400.0 => Ok(value),
        _ => Err("give seconds over 0, such as 0.5 or 10".to_owned()),
    }
}

impl Command for Args {
    type Report = CheckPortReport;

    const PAGE: ManPage = PAGE;

    fn run(&self, context: &mut Context) -> Result<CheckPortReport, Failure> {
        context.output.nagios = self.nagios;
        let limits = Limits {
            warning_s: self.warning,
            critical_s: self.critical,
        };
        let shown = context.output;
        let mut progress = |text: &str| {
            Context {
                output: shown,
                closed: false,
            }
            .progress(text);
        };
        if self.hosts.is_empty() {
            let looked = local::look(self.client, &mut progress);
            context.progress_done();
            let (here, findings) = looked?;
            return Ok(CheckPortReport {
                here: Some(here),
                targets: Vec::new(),
                findings,
                limits,
                any: self.any,
            });
        }
        let found = self.ask(&mut progress);
        context.progress_done();
        Ok(CheckPortReport { limits, ..found? })
    }
}

impl Args {
    fn ask(&self, progress: &mut dyn FnMut(&str)) -> Result<CheckPortReport, Failure> {
        let targets = hosts::all(&self.hosts)?;
        let no_port_123 = remote::no_port_123();
        let plan = Plan {
            full: self.full,
            timeout: self.timeout,
            port_123: no_port_123.is_none(),
            tries: 2,
        };
        let only_v6 = match (self.ipv4, self.ipv6) {
            (true, _) => Some(false),
            (_, true) => Some(true),
            _ => None,
        };
        let terms = Terms {
            plan,
            only_v6,
            lookup_s: (self.timeout * 5.0).max(5.0),
        };
        let found = remote::ask(&targets, terms, progress)?;
        let mut targets = there::targets(&found, plan, no_port_123.as_deref());
        let own = own_filter::correct(&mut targets, &found);
        if self.full {
            progress("NTS key establishment");
            there::add_nts(&mut targets, &found, self.timeout.max(3.0));
        }
        let mut findings = there::findings(&targets, no_port_123.as_deref(), self.full);
        findings.extend(own);
        Ok(CheckPortReport {
            here: None,
            findings,
            targets,
            limits: Limits::default(),
            any: self.any,
        })
    }
}

const PAGE: ManPage = ManPage {
    examples: &[
        (
            "Who holds the port here, and may packets pass",
            "sudo clockbox check-port",
        ),
        (
            "The same, for the one client that should get in",
            "sudo clockbox check-port --client 192.0.2.7",
        ),
        (
            "Why does a server not answer",
            "clockbox check-port ntp.example.com",
        ),
        (
            "All tests of two servers",
            "sudo clockbox check-port --full 192.0.2.1 [2001:db8::1]:123",
        ),
        (
            "A fleet, for a program",
            "clockbox check-port --json @hosts.txt",
        ),
        (
            "Who of the fleet does not answer",
            "clockbox check-port --json @hosts.txt | jq -r '.targets[] | select(.verdict != \"open\") | .name'",
        ),
        (
            "A check for Nagios",
            "clockbox check-port --nagios -w 0.1 -c 1 ntp.example.com",
        ),
        (
            "A task of Ansible",
            "- command: clockbox check-port --json ntp.example.com\n  register: port\n  changed_when: false\n  failed_when: (port.stdout | from_json).targets[0].verdict != 'open'",
        ),
    ],
    files: &[
        (
            "/etc/chrony/chrony.conf, /etc/chrony.conf",
            "whether chronyd lets clients in",
        ),
        (
            "/etc/firewalld/, /usr/lib/firewalld/, /etc/ufw/, /etc/default/ufw",
            "what the firewall's manager says of UDP 123",
        ),
        (
            "/sys/class/dmi/id/",
            "the cloud that this machine stands on",
        ),
        (
            "/etc/ssl/certs/ca-certificates.crt and its like",
            "authorities for NTS certificates; SSL_CERT_FILE names another",
        ),
    ],
    sections: &[
        (
            "VERDICTS",
            "open: a valid reply of a synchronised server.\n\nunsynchronised: a valid reply that says leap 3 or \
             stratum 0 or 16: the server runs, its clock is not right, and no client follows \
             it.\n\nkiss of death: the server refuses in words (DENY, RSTR, RATE); nothing more is \
             asked.\n\nclosed: ICMP port unreachable: nothing listens, or a firewall answers \
             so.\n\nprohibited: ICMP administratively prohibited: a firewall refuses, and the report says \
             which address.\n\nunreachable: another ICMP error: no way there.\n\nsilent: nothing came back \
             after three tries. Packets were dropped on the way, or the server gives this client no \
             answer. It is never called closed.\n\ngarbage: an answer that is no NTP.\n\nblocked here: this \
             machine's own firewall refuses to send, or drops what comes back (the latter only root \
             sees).\n\nno route: this machine has no way there, for instance no IPv6; \
             nothing was sent.\n\nunresolved: the name has no address, or none of the family that was \
             asked for.\n\nThe verdict of a host is the best of its addresses' in this order: open, \
             unsynchronised, kiss of death, garbage, closed, prohibited, unreachable, silent, blocked \
             here, no route.",
        ),
        (
            "FINDINGS",
            "Below the tables stands what is not as it should be, and what to type next. error: a client of \
             this machine gets no answer, or a wrong one. warning: a host that was asked does not serve, or \
             this machine serves, but not all or not for long. note: what \
             is worth knowing, or could not be seen.",
        ),
        (
            "MONITORING",
            "--nagios prints one line, with performance data after a bar where hosts were asked: offset \
             (in seconds, with both limits), delay, stratum; with several addresses each has the \
             address before its name. Of several addresses the one that is furthest off is held \
             against the limits.\n\nOK (0): all addresses are open and within the limits; without HOST, \
             nothing is wrong.\n\nWARNING (1): an offset from --warning on; unsynchronised; some \
             addresses of a host are open and others not (unless --any); without HOST, a \
             warning.\n\nCRITICAL (2): an offset from --critical on; a host with any other \
             verdict; without HOST, an error.\n\nUNKNOWN (3): unresolved, no route; without HOST, who \
             holds the port could not be seen; or clockbox itself failed, whatever the exit status \
             would be otherwise. Options that do not exist still give 64.\n\nOf several hosts the worst \
             counts: critical, then unknown, then warning; those that are not OK are named. Without HOST \
             an ordinary user gets OK where the server answers at its own addresses, though not all \
             can be seen; the line says so.",
        ),
        (
            "JSON",
            "    $ clockbox check-port --json ntp.example.com |\n        jq -r '.targets[].addresses[] | [.address, .verdict] | @tsv'\n    192.0.2.1\topen\n    2001:db8::1\tsilent\n\nhere \
             (null when hosts were asked): server is held, conflict, foreign, nobody_fine, nobody_wrong, \
             nobody_runs or unknown; listeners, daemons, own_answers, filters, managers, passages and \
             platform are the parts of the table. passages[].outcome is allowed, conditional, redirected \
             or blocked, with rule, place (table and chain) and owner.\n\ntargets[]: name, port, verdict \
             and addresses[]. An address has verdict (open, unsynchronised, kiss, garbage, closed, \
             prohibited, unreachable, silent, blocked_here, no_route, unresolved), detail in a sentence, \
             stratum, leap, refid, offset_s, delay_s, root_distance_s, kiss, icmp (type, code, words, \
             from), packets_sent, tests[] (outcome: answered, silent, refused, inconclusive, not_tried; \
             octets sent and received) and nts_ke (state, alpn, certificate, cookies). What was not \
             measured is null.\n\nfindings[]: severity (error, warning, info), text, and next: the \
             command to type. All of it is in schemas/check-port.json.",
        ),
        (
            "NOTES",
            "At least two seconds pass between packets to one server, and none follows a kiss of death. A \
             silent address gets a second and a third request, the third from source port 123 with NTP \
             version 3 where that is permitted; hosts are asked at the same time, so that hundreds take \
             as long as one.\n\nWithout root the program that holds a port is told from its control \
             group, where the kernel has them; packet filters' rules are for root alone.\n\nA rule of a \
             packet filter that depends on something unknown, such as the client's address or a rate, \
             is shown as `depends', with its condition; it is never guessed.\n\nfirewalld's zones as they are \
             now are asked of firewall-cmd, by root alone; where its permanent files say something else, \
             both are told.",
        ),
    ],
    statuses: &[
        (
            ExitStatus::Done,
            "all addresses are open (with --any: one of each host); or, without HOST, nothing is wrong \
             with the port. Addresses with no route do not count where the host has others",
        ),
        (
            ExitStatus::NotHeld,
            "an address is known not to be open: unsynchronised, kiss of death, garbage, closed, \
             prohibited, unreachable, blocked here; or, without HOST, there is an error. Of several \
             addresses and hosts this comes before 2, and 2 before 0",
        ),
        (
            ExitStatus::Unknown,
            "an address is silent, a name has none (unresolved), or a host has no address with a route; \
             or, without HOST, the port is held and by whom, or whether the packet filter lets packets \
             through, is for root alone to see",
        ),
        (ExitStatus::Data, "a line of @FILE is no host"),
        (ExitStatus::NoInput, "@FILE is missing"),
    ],
    see_also: &[
        "clockbox(1)",
        "clockbox-serve(1)",
        "clockbox-sync(1)",
        "ss(8)",
        "nft(8)",
        "firewall-cmd(1)",
        "ufw(8)",
    ],
};
