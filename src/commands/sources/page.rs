//! The further sections of the man pages of `clockbox sources`.

use crate::commands::page::ManPage;
use crate::exit::ExitStatus;

/// `clockbox sources`.
pub const LIST: ManPage = ManPage {
    examples: &[
        (
            "What does this machine follow, and is that good?",
            "clockbox sources",
        ),
        (
            "The same with what every column means",
            "clockbox sources -v",
        ),
        (
            "A check in a script: synchronised and within 100 ms?",
            "clockbox sources --quiet --max-error 100ms || echo the clock is off",
        ),
        (
            "Names and offsets for a program",
            "clockbox sources --json | jq -r '.sources[] | [.name, .offset_s] | @tsv'",
        ),
        ("Look on while a daemon settles", "clockbox sources --watch"),
        (
            "The same in a script: wait until it is settled, at most a minute",
            "clockbox sync --wait --timeout 60",
        ),
        (
            "For node_exporter's textfile collector",
            "clockbox sources --prometheus > /var/lib/node_exporter/clockbox.prom",
        ),
        (
            "The chronyd of another machine",
            "clockbox sources --host ntp1.example.com",
        ),
        (
            "A task of Ansible",
            "- command: clockbox sources --json --max-error 100ms\n  register: sources\n  changed_when: false\n  failed_when: not (sources.stdout | from_json).ok",
        ),
    ],
    files: &[
        (
            "/run/chrony/chronyd.sock",
            "chronyd's control socket, for root and chronyd's own user; others use UDP port 323 on loopback",
        ),
        (
            "/run/clockbox/control.sock",
            "the same of clockbox's daemon",
        ),
        ("/var/run/ntpd-rs/observe", "ntpd-rs's observation socket"),
        (
            "/etc/chrony/chrony.conf, /etc/chrony.conf, /etc/ntpsec/ntp.conf, /etc/ntp.conf, /etc/systemd/timesyncd.conf",
            "the daemon's configuration, compared with what the daemon does",
        ),
    ],
    sections: &[
        (
            "DAEMONS",
            "chronyd and clockbox's daemon are asked through their control socket or UDP port 323, ntpd and NTPsec by control messages (mode 6), systemd-timesyncd over the system bus (never starting it) or by its files, ntpd-rs through its observation socket, OpenNTPD through ntpctl. phc2sys, ptp4l, ts2phc and timemaster are named when they run. When several run, all are shown. When none tells its sources, the servers of this machine's configuration are asked directly and the rows say so. Where chronyd and clockbox's daemon both run, an ordinary user is not told whose answer UDP port 323 gives: root is.\n\nNothing is started, stopped or changed by looking.",
        ),
        (
            "SIGNS",
            "An offset is positive when this clock is behind: it is what must be added. chronyc has the opposite sign in sources and sourcestats.",
        ),
        (
            "MAXIMUM ERROR",
            "--max-error compares with offset + root dispersion + half the root delay: true time is not further away than that, if the source tells the truth.",
        ),
    ],
    statuses: &[
        (
            ExitStatus::Done,
            "the sources are shown; with --max-error: the clock is synchronised and within the limit. With --nagios: OK",
        ),
        (
            ExitStatus::NotHeld,
            "with --max-error: not synchronised, or over the limit. With --nagios: WARNING",
        ),
        (
            ExitStatus::Unknown,
            "no daemon answers and no server is configured. With --nagios: CRITICAL (3 is UNKNOWN)",
        ),
    ],
    see_also: &[
        "clockbox-status(1)",
        "clockbox-sources-stats(1)",
        "clockbox-sources-set(1)",
        "chronyc(1)",
        "ntpq(1)",
    ],
};

/// `clockbox sources stats`.
pub const STATS: ManPage = ManPage {
    examples: &[
        ("How steady is each source?", "clockbox sources stats"),
        (
            "The standard deviations for a program",
            "clockbox sources stats --json | jq '.sources[] | {name, std_dev_s}'",
        ),
    ],
    files: &[],
    sections: &[(
        "COLUMNS",
        "N is the number of measurements that are kept, Span the time from the oldest to the newest. Frequency is how much faster this clock would have to run to stay with the source, and how sure that is (chronyc sourcestats: Frequency with the opposite sign, Freq Skew). Offset is the estimate from all of them (the opposite sign of chronyc's), Std dev how much they vary. ntpd tells offset, jitter and delay only.",
    )],
    statuses: &[(
        ExitStatus::Unknown,
        "no daemon runs, or none tells its sources",
    )],
    see_also: &["clockbox-sources(1)", "chronyc(1)"],
};

/// `clockbox sources set`.
pub const SET: ManPage = ManPage {
    examples: &[
        (
            "Follow these three and no others",
            "clockbox sources set ntp1.example.com ntp2.example.com ntp3.example.com",
        ),
        (
            "See first what would change",
            "clockbox sources set --dry-run --diff ntp1.example.com",
        ),
        (
            "One more beside those that are there, preferred",
            "clockbox sources set --add --options \"iburst prefer\" 169.254.169.123",
        ),
        (
            "A pool",
            "clockbox sources set --pool 2.debian.pool.ntp.org",
        ),
        (
            "The time of the cloud or host that this machine stands on: on Azure the host's clock, on AWS its server",
            "clockbox sources set --cloud",
        ),
        (
            "In an image",
            "clockbox sources set --root /mnt ntp1.example.com",
        ),
        (
            "A task of Ansible",
            "- command: clockbox sources set --json ntp1.example.com ntp2.example.com\n  register: sources\n  changed_when: (sources.stdout | from_json).changed\n  failed_when: not (sources.stdout | from_json).ok",
        ),
    ],
    files: &[
        (
            "/etc/chrony/chrony.conf, /etc/chrony.conf, /etc/ntpsec/ntp.conf, /etc/ntp.conf, /etc/systemd/timesyncd.conf, /etc/clockbox/clockbox.conf",
            "the configuration of the daemon that runs, else of the one that is enabled",
        ),
        ("*.clockbox-old", "the copy of what a file was before"),
    ],
    sections: &[
        (
            "WHAT IS DONE",
            "The names are looked up; one without an address ends it before anything is written. Lines of network sources are commented out (with --add they stay), the new ones stand where they stood, the rest of the file stays byte for byte; reference clocks stay. The line of a host that is named stays as it is, with its key, nts or prefer, unless --options says otherwise. chronyd and clockbox's daemon are told through their control socket without a restart, the others by a restart of their service. Then the daemon is asked until the new sources answer and it follows one of them; when it follows none after --wait seconds, that is said. When none has after --wait seconds, the files are put back as they were and the daemon is told again.\n\nA second run with the same words changes nothing.",
        ),
        (
            "THE CLOUD'S OWN TIME",
            "--cloud writes what the provider documents, with the reason for each line as a comment above it, and restarts the daemon: Azure: the host's clock, found by its driver's name (hyperv), and makestep 1.0 -1; where hv_utils is not loaded, the command that loads it. AWS: 169.254.169.123 and fd00:ec2::123, and where the instance has it Amazon's PTP clock, with the error that its driver states in the delay; its servers smear leap seconds, the clock does not, so they are then only watched (noselect). Google: metadata.google.internal; Oracle, Alibaba and Tencent: theirs. Elsewhere the host's clock, when KVM, Hyper-V or VMware give one. Beside servers that smear leap seconds leapsectz and leapseclist are commented out. The cloud is told by the firmware's words under /sys/class/dmi/id, without a network; in an image, name it: --cloud=azure.",
        ),
    ],
    statuses: &[
        (
            ExitStatus::Done,
            "the daemon follows the new sources, or did already",
        ),
        (
            ExitStatus::NotHeld,
            "none of the new sources answered: everything was put back; or the daemon does not run, and would not start with its file",
        ),
        (
            ExitStatus::Data,
            "a name has no address; nothing was changed",
        ),
        (
            ExitStatus::Unavailable,
            "the daemon could not be told; everything was put back",
        ),
        (ExitStatus::NoPermission, "the files are root's"),
    ],
    see_also: &[
        "clockbox-sources(1)",
        "clockbox-sources-unset(1)",
        "chrony.conf(5)",
        "ntp.conf(5)",
        "timesyncd.conf(5)",
    ],
};

/// `clockbox sources unset`.
pub const UNSET: ManPage = ManPage {
    examples: &[
        ("Take one out", "clockbox sources unset ntp3.example.com"),
        (
            "See first what would change",
            "clockbox sources unset --dry-run --diff ntp3.example.com",
        ),
    ],
    files: &[(
        "/etc/chrony/chrony.conf and the like",
        "the configuration of the daemon that runs, else of the one that is enabled",
    )],
    sections: &[(
        "WHAT IS DONE",
        "The lines of these sources are commented out and the daemon is told, as clockbox-sources-set(1) does it. The last source is not taken out.",
    )],
    statuses: &[
        (
            ExitStatus::Done,
            "the daemon no longer uses them, or did not",
        ),
        (ExitStatus::Data, "nothing would be left"),
        (
            ExitStatus::NoInput,
            "a name is no source of the configuration",
        ),
    ],
    see_also: &["clockbox-sources-set(1)", "clockbox-sources(1)"],
};
