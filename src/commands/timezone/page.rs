//! The man pages of `clockbox timezone …` beyond their options.

use crate::commands::page::ManPage;
use crate::exit::ExitStatus;

const PLACES: &[(&str, &str)] = &[
    (
        "/etc/localtime",
        "the zone that programs use: a link into the zone database, or a copy",
    ),
    (
        "/etc/timezone",
        "the zone's name (Debian, Ubuntu, Gentoo), where it exists",
    ),
    (
        "/etc/sysconfig/clock",
        "ZONE= (Red Hat and Amazon Linux before systemd), TIMEZONE= (SUSE)",
    ),
    (
        "/etc/rc.conf",
        "TIMEZONE= (Void links /etc/localtime anew from it at every boot)",
    ),
    (
        "/etc/zoneinfo, /etc/profile.d/timezone.sh",
        "Alpine's own copy of the one zone in use, and TZ for its shells",
    ),
    (
        "/etc/config/system, /etc/TZ",
        "OpenWrt: zonename and timezone, and the rule for its C library",
    ),
    (
        "/etc/adjtime",
        "what the battery-backed clock keeps; read only",
    ),
    (
        "/usr/share/zoneinfo, /usr/lib/zoneinfo, /usr/share/lib/zoneinfo, /etc/zoneinfo",
        "the zone database",
    ),
];

/// `timezone set`.
pub(super) const SET: ManPage = ManPage {
    examples: &[
        ("Set the zone", "clockbox timezone set Asia/Tokyo"),
        (
            "See what would change",
            "clockbox timezone set Japan --dry-run --diff",
        ),
        (
            "Set it and restart what keeps the old zone",
            "clockbox timezone set Japan --restart cron,rsyslog",
        ),
        (
            "In an image mounted at /mnt",
            "clockbox timezone set Europe/Berlin --root /mnt",
        ),
        (
            "A task of Ansible",
            "- command: clockbox timezone set {{ zone }} --json\n  register: timezone\n  changed_when: (timezone.stdout | from_json).changed\n  failed_when: not (timezone.stdout | from_json).ok",
        ),
    ],
    files: PLACES,
    sections: &[
        (
            "WHAT IS CHANGED",
            "/etc/localtime is replaced, never written through: where it is a link, by a link in \
             the same style (relative or absolute); where it is a copy and the machine has no \
             systemd, by a copy; else by a link. The other files are changed only where they \
             exist, and only the zone's name in them; /etc/sysconfig/clock of Red Hat, Amazon \
             Linux and SUSE before systemd gets the assignment where it lacks it, since their \
             scripts would put the old zone back. No daemon is asked, no D-Bus is needed, nothing \
             is restarted unless --restart asks for it.\n\nEverything is written beside its place \
             first and renamed together by two processes, either of which finishes when the other \
             is killed: the run leaves all old or all new. If one rename is refused, what was \
             renamed is put back.\n\nUTC and Etc/UTC are different names of one zone: to set the \
             one where the other stands is a change.",
        ),
        (
            "WHAT KEEPS THE OLD ZONE",
            "Processes that began before the change may go on with the old zone. Named are those \
             that have the old zone's file in their memory (the C library of Alpine maps it; to \
             see this for others' processes needs root), and those of programs that are known to \
             read the zone once, at their start: cron, syslog, Java, databases, web servers. \
             --restart restarts services by name, through systemd, OpenRC, runit or \
             /etc/init.d; one that began after the change is left alone, so that a second run \
             changes nothing.",
        ),
        (
            "REFUSALS",
            "Nothing is changed where /etc/localtime or another of the files is a mount point \
             (writing through it would change the file of a container's host) or on a read-only \
             file system, where /etc/timezone is a directory, where a zone's rules are not on the \
             machine, and on NixOS and Guix System, which make /etc/localtime from their \
             configuration.",
        ),
    ],
    statuses: &[
        (ExitStatus::Done, "the zone is set, or was already"),
        (
            ExitStatus::Usage,
            "there is no such zone; near names are shown",
        ),
        (
            ExitStatus::NoInput,
            "the machine has no data for the zone, there is no such image, or no such service to restart",
        ),
        (
            ExitStatus::Unavailable,
            "the zone is set, but a service could not be restarted",
        ),
        (
            ExitStatus::CantCreate,
            "a file cannot be replaced: a mount point, a read-only file system",
        ),
        (
            ExitStatus::Config,
            "the distribution declares the zone elsewhere (NixOS, Guix), or /etc/timezone is a directory",
        ),
    ],
    see_also: &[
        "clockbox-timezone-show(1)",
        "clockbox-timezone-list(1)",
        "localtime(5)",
        "tzfile(5)",
    ],
};

/// `timezone show`.
pub(super) const SHOW: ManPage = ManPage {
    examples: &[
        ("Show the zone", "clockbox timezone show"),
        (
            "Only its name",
            "clockbox timezone show --json | jq -r .zone",
        ),
        (
            "Of an image mounted at /mnt",
            "clockbox timezone show --root /mnt",
        ),
    ],
    files: PLACES,
    sections: &[(
        "HOW THE ZONE IS KNOWN",
        "/etc/localtime decides what programs use. Where it is a link, its target has the name; \
         where it is a copy, the zones of the database with the same octets are looked up, and of \
         these the one is taken that another file names. Every other place that names a different \
         zone is a finding, with the command that mends it.",
    )],
    statuses: &[
        (ExitStatus::Done, "the zone is known, and all places agree"),
        (
            ExitStatus::NotHeld,
            "places disagree, or the zone cannot be used; the findings say how",
        ),
        (ExitStatus::NoInput, "there is no such image"),
    ],
    see_also: &[
        "clockbox-timezone-set(1)",
        "clockbox-timezone-list(1)",
        "localtime(5)",
    ],
};

/// `timezone list`.
pub(super) const LIST: ManPage = ManPage {
    examples: &[
        ("All zones", "clockbox timezone list"),
        ("Zones with a part of a name", "clockbox timezone list york"),
        ("Zones of a country", "clockbox timezone list JP"),
        (
            "Zones that are nine hours ahead of UTC now",
            "clockbox timezone list +09:00",
        ),
        (
            "Choose one",
            "clockbox timezone set $(clockbox timezone list | fzf | cut -d' ' -f1)",
        ),
    ],
    files: &[
        (
            "/usr/share/zoneinfo",
            "the zone database; without one the built-in zones are listed",
        ),
        (
            "zone1970.tab, iso3166.tab",
            "in the database: which countries a zone is in",
        ),
    ],
    sections: &[(
        "PATTERNS",
        "A two-letter code of ISO 3166 is a country; +09:00, -3 or UTC+9 an offset, as it is now \
         (daylight saving counts); anything else a part of the name, or of a country's name. Case \
         does not matter. On a terminal there is a heading; in a pipe each line is a zone, its \
         name first.",
    )],
    statuses: &[
        (ExitStatus::Done, "zones are listed"),
        (ExitStatus::NotHeld, "no zone matches"),
    ],
    see_also: &["clockbox-timezone-set(1)", "clockbox-timezone-show(1)"],
};
