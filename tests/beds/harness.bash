# Sourced by the bed tests: finds the bed scripts, installs what they need, and gives `vm`, `check`.
# The scripts are looked for in $CLOCKBOX_BEDS, else in ../shared/beds. Exit status 77 is "skipped".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BEDS_DIR=${CLOCKBOX_BEDS:-../shared/beds}
CLOCKBOX=${CLOCKBOX:-target/debug/clockbox}
MOCK=${CLOCKBOX_MOCK:-target/debug/examples/mock_servers}
failures=0

skip() { echo "SKIPPED: $*" && exit 77; }

[ -x "$BEDS_DIR/bed-vm" ] || skip "no bed scripts in $BEDS_DIR (set CLOCKBOX_BEDS)"
[ "$(id -u)" = 0 ] || skip "virtual machines and booted beds need root"
if command -v apt-get >/dev/null; then
    missing=
    for package in systemd-container debootstrap qemu-system-x86 busybox-static cpio kmod e2fsprogs squashfs-tools xz-utils socat dpkg-dev gcc python3; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        apt-get -qq update
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install $missing >/dev/null ||
            skip "these packages cannot be installed:$missing"
    fi
fi
[ -x "$CLOCKBOX" ] && [ -x "$MOCK" ] || cargo build --quiet --bins --examples || exit 1

# layer SUITE NAME PACKAGE...: an image with packages, made once
layer() {
    local suite=$1 name=$2
    shift 2
    "$BEDS_DIR/bed-nspawn" bake "$suite" "$name" "$@" >/dev/null 2>&1 &&
        "$BEDS_DIR/mkvm" "$suite+$name" >/dev/null 2>&1
}

VM=
up() { # SUITE[+LAYER]: a virtual machine with clockbox and the mock servers in /root
    VM=cbx$$
    trap '"$BEDS_DIR/bed-vm" down "$VM" >/dev/null 2>&1' EXIT
    BED_TIMEOUT=60 "$BEDS_DIR/bed-vm" up "$VM" "$1" >/dev/null 2>&1 || skip "no virtual machine $1 can be started"
    "$BEDS_DIR/bed-vm" push "$VM" "$CLOCKBOX" /root/clockbox
    "$BEDS_DIR/bed-vm" push "$VM" "$MOCK" /root/mock_servers
}
down() { "$BEDS_DIR/bed-vm" down "$VM" >/dev/null 2>&1; }
vm() { "$BEDS_DIR/bed-vm" exec "$VM" "$*"; }
# mocks SPEC...: mock servers in the machine that run on while its clock is set
mocks() { vm "sleep 600 | setsid /root/mock_servers --seconds 600 $* >/tmp/mocks 2>&1 & sleep 0.5; grep -q ready /tmp/mocks"; }

check() { # WHAT COMMAND...: says what must hold, and whether it does
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok: $what"
    else
        echo "NOT OK: $what"
        echo "$output" | sed 's/^/    /'
        failures=$((failures + 1))
    fi
}

finish() { [ "$failures" = 0 ] && echo "all hold" || { echo "$failures do not hold" && exit 1; }; }
