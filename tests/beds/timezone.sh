#!/bin/bash
# clockbox timezone in booted machines with a real systemd (Debian 12 and 11): after `set`,
# timedatectl, date, a reader of /etc/timezone and the package's own scripts agree; services that
# keep the old zone are named, and restarted only when asked for.
#
#   CLOCKBOX=target/debug/clockbox tests/beds/timezone.sh [SUITE...]
# BED_NSPAWN names the script that boots the machines. Exit status 77: it cannot be done here.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() { echo "SKIPPED: $*"; exit 77; }
BED=${BED_NSPAWN:-scripts/beds/bed-nspawn}
CLOCKBOX=${CLOCKBOX:-target/debug/clockbox}
[ -x "$BED" ] || skip "no $BED to boot machines with"
[ -x "$CLOCKBOX" ] || skip "no $CLOCKBOX: cargo build"
[ "$(id -u)" = 0 ] || skip "booting machines needs root"
command -v systemd-nspawn >/dev/null || skip "no systemd-nspawn (apt-get install systemd-container)"

share=$(mktemp -d)
bed=tz$$
trap '"$BED" down $bed; rm -rf "$share"' EXIT
cp "$CLOCKBOX" "$share/clockbox"
export SHARE=$share
failures=0
skipped=0

in_bed() { "$BED" exec $bed "$@"; }
clockbox() { in_bed /host/clockbox timezone "$@"; }
is() { # WHAT FOUND WANTED
    if [ "$2" = "$3" ]; then echo "  ok: $1: $2"; else echo "  FAILED: $1: '$2', not '$3'"; failures=$((failures + 1)); fi
}
has() { # WHAT TEXT PART
    case $2 in *"$3"*) echo "  ok: $1: has $3" ;; *) echo "  FAILED: $1: no '$3' in: $2"; failures=$((failures + 1)) ;; esac
}

everything_says() { # ZONE LETTERS
    is "timedatectl" "$(in_bed timedatectl show -p Timezone --value)" "$1"
    is "date" "$(in_bed date +%Z)" "$2"
    is "the link" "$(in_bed readlink /etc/localtime | sed 's,.*zoneinfo/,,')" "$1"
    # As a Java machine and many scripts find it.
    [ "$(in_bed sh -c '[ -f /etc/timezone ] && echo there')" != there ] ||
        is "a reader of /etc/timezone" "$(in_bed head -n 1 /etc/timezone)" "$1"
    is "clockbox" "$(clockbox show --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["zone"])')" "$1"
}

json() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }

[ $# -gt 0 ] || set -- bookworm bullseye
for suite; do
    echo "== $suite"
    "$BED" up $bed "$suite" || skip "$suite does not boot here"
    if ! clockbox --help >/dev/null 2>&1; then
        # Debian 11 has an older C library than a dynamic build may want.
        echo "  SKIPPED: $CLOCKBOX does not run on $suite; a static build does"
        skipped=1
        "$BED" down $bed
        continue
    fi
    in_bed sh -c 'cp /bin/sleep /usr/local/sbin/cron && cat >/etc/systemd/system/cron.service' <<'UNIT'
[Service]
ExecStart=/usr/local/sbin/cron infinity
UNIT
    in_bed systemctl daemon-reload
    in_bed systemctl start cron

    pid() { in_bed systemctl show -p MainPID cron; }
    before=$(pid)

    set=$(clockbox set Japan --json)
    is "changed" "$(json '["changed"]' <<<"$set")" True
    has "processes with the old zone" "$set" '"service":"cron"'
    everything_says Japan JST
    is "nothing is restarted unasked" "$(pid)" "$before"
    is "changed by the second run" "$(clockbox set Japan --json | json '["changed"]')" False

    restart=$(clockbox set Japan --restart cron --json)
    is "restart" "$(json '["restarts"][0]["state"]' <<<"$restart")" restarted
    [ "$(pid)" != "$before" ] || { echo "  FAILED: cron has its old process"; failures=$((failures + 1)); }
    after=$(pid)
    restart=$(clockbox set Japan --restart cron --json)
    is "the second restart" "$(json '["restarts"][0]["state"]' <<<"$restart")" not_needed
    is "changed by it" "$(json '["changed"]' <<<"$restart")" False
    is "its process" "$(pid)" "$after"
    status=0
    clockbox set UTC --restart no-such-service >/dev/null 2>&1 || status=$?
    is "a service that is not there" "$status" 66
    everything_says Japan JST

    echo " after timedatectl set-timezone"
    in_bed timedatectl set-timezone Europe/Berlin
    is "the link" "$(in_bed readlink /etc/localtime)" ../usr/share/zoneinfo/Europe/Berlin
    show=$(clockbox show) || true
    [ "$(in_bed sh -c '[ ! -f /etc/timezone ] || head -n 1 /etc/timezone')" != Japan ] ||
        has "the stale /etc/timezone" "$show" "/etc/timezone says Japan, but programs use Europe/Berlin"
    # timedated still runs, and shows what it read at its start: it is named too.
    set=$(clockbox set America/New_York --json)
    has "processes with the old zone" "$set" '"service":"systemd-timedated"'
    clockbox set America/New_York --restart systemd-timedated >/dev/null
    is "the link keeps its style" "$(in_bed readlink /etc/localtime)" ../usr/share/zoneinfo/America/New_York
    everything_says America/New_York "$(TZ=America/New_York date +%Z)"

    echo " after an update of tzdata"
    in_bed dpkg-reconfigure -f noninteractive tzdata >/dev/null 2>&1
    everything_says America/New_York "$(TZ=America/New_York date +%Z)"

    echo " without D-Bus"
    in_bed systemctl stop dbus.socket dbus.service 2>/dev/null || true
    is "changed" "$(clockbox set UTC --json | json '["changed"]')" True
    is "date" "$(in_bed date +%Z)" UTC
    "$BED" down $bed
done
[ "$failures" = 0 ] || { echo "$failures failures"; exit 1; }
echo "all agree"
[ "$skipped" = 0 ] || exit 77
