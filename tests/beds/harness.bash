# Sourced by the bed tests: finds the bed scripts, installs what they need, and gives `vm`, `check`.
# The scripts are looked for in $CLOCKBOX_BEDS, else in ../shared/beds. Exit status 77 is "skipped".
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BEDS_DIR=${CLOCKBOX_BEDS:-../shared/beds}
CLOCKBOX=${CLOCKBOX:-target/debug/clockbox}
MOCK=${CLOCKBOX_MOCK:-target/debug/examples/mock_servers}
failures=0

# What failed before stays a failure.
skip() { echo "SKIPPED: $*" && [ "$failures" = 0 ] && exit 77 || exit 1; }

[ -x "$BEDS_DIR/bed-vm" ] || skip "no bed scripts in $BEDS_DIR (set CLOCKBOX_BEDS)"
[ "$(id -u)" = 0 ] || skip "virtual machines and booted beds need root"
if command -v apt-get >/dev/null; then
    missing=
    for package in $(scripts/beds packages); do
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
    CLOCKBOX_BEDS=$BEDS_DIR scripts/beds up "$VM" "$1" >/dev/null 2>&1 || skip "no virtual machine $1 can be started"
    "$BEDS_DIR/bed-vm" push "$VM" "$CLOCKBOX" /root/clockbox
    "$BEDS_DIR/bed-vm" push "$VM" "$MOCK" /root/mock_servers
}
down() { "$BEDS_DIR/bed-vm" down "$VM" >/dev/null 2>&1; }
# vm COMMAND: its output and exit status. Now and then the channel to the machine loses the answer of a
# command that has ended: then it is fetched from where it was kept.
vm() {
    local kept=/tmp/vm-$BASHPID-$RANDOM status=0
    "$BEDS_DIR/bed-vm" exec "$VM" "( $*
) >$kept.out 2>$kept.err; echo \$? >$kept.status; cat $kept.err >&2; cat $kept.out; exit \$(cat $kept.status)" || status=$?
    [ $status = 124 ] || return $status
    status=$(BED_TIMEOUT=30 "$BEDS_DIR/bed-vm" exec "$VM" "cat $kept.status" 2>/dev/null) && [ -n "$status" ] || return 124
    BED_TIMEOUT=30 "$BEDS_DIR/bed-vm" exec "$VM" "cat $kept.err >&2; cat $kept.out"
    return "$status"
}
# mocks SPEC...: mock servers in the machine that run on while its clock is set
mocks() { vm "sleep 600 | setsid /root/mock_servers --seconds 600 $* >/tmp/mocks 2>&1 & sleep 0.5; grep -q ready /tmp/mocks"; }

# packages: the .deb and .rpm of $CLOCKBOX in $out, as $deb and $rpm; made once
packages() {
    case $(ldd "$CLOCKBOX" 2>&1) in
        *"statically linked"* | *"not a dynamic executable"*) ;;
        *) skip "$CLOCKBOX is not the static program (scripts/check builds it before this; CLOCKBOX names another)" ;;
    esac
    local said status=0
    out=$PWD/target/package
    if ! cmp -s "$CLOCKBOX" "$out"/clockbox-*-linux ||
        find Cargo.toml README.md CHANGELOG.md LICENSE-* man completions examples/ansible scripts/package scripts/packaging scripts/systemd -newer "$out/SHA256SUMS" | grep -q .; then
        said=$(scripts/package --program "$CLOCKBOX" 2>&1) || status=$?
        [ "$status" != 77 ] || skip "no packages can be built: ${said##*$'\n'}"
        [ "$status" = 0 ] || { echo "NOT OK: scripts/package"; echo "$said" | sed 's/^/    /'; exit 1; }
    fi
    deb=$(ls "$out"/*.deb) rpm=$(ls "$out"/*.rpm)
}

# wire SPEC...: a network of the test's own ($net), with mock servers on its addresses; 10.77.9.1 is free
wire() {
    local spec n
    ip netns add "$net" || skip "no network namespaces"
    ip -n "$net" link set lo up
    ip -n "$net" link add wire type bridge || skip "no bridge between network namespaces"
    ip -n "$net" link set wire up
    ip -n "$net" addr add 10.77.9.1/24 dev wire
    for spec; do ip -n "$net" addr add "${spec%%:*}/24" dev wire; done
    ip netns exec "$net" sh -c 'sleep 1500 | "$0" --seconds 1500 "$@"' "$MOCK" "$@" >"$share/mocks" 2>&1 &
    for n in $(seq 100); do
        ! grep -q ready "$share/mocks" || return 0
        sleep 0.1
    done
    skip "the servers do not start: $(cat "$share/mocks")"
}
# wired NSPAWN-BED LAST: it is 10.77.9.LAST on that network
wired() {
    ip link add "w$2-$$" netns "$net" type veth peer name eth0 netns "/proc/$("$BEDS_DIR/bed-nspawn" pid "$1")/ns/net"
    ip -n "$net" link set "w$2-$$" master wire up
    "$BEDS_DIR/bed-nspawn" exec "$1" sh -c "ip addr add 10.77.9.$2/24 dev eth0; ip link set eth0 up; ip link set lo up; ip route add default via 10.77.9.1"
}
unwire() {
    local each
    for each in $(ip netns pids "$net" 2>/dev/null); do kill "$each" 2>/dev/null; done
    ip netns del "$net" 2>/dev/null
}

# into NSPAWN-BED PACKAGE...: Debian's packages and what they need there, as apt works it out from the
# bed's own state; for what is not in the pool of the beds, which have no network
into() {
    local bed=$1 dir status=0
    shift
    dir=$(mktemp -d)
    mkdir -p "$dir/debs/partial"
    "$BEDS_DIR/bed-nspawn" exec "$bed" cat /var/lib/dpkg/status >"$dir/status"
    apt-get -qq -y --no-install-recommends --download-only -o Dir::State::status="$dir/status" -o Dir::Cache::archives="$dir/debs" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User=root install "$@" >/dev/null 2>&1 &&
        tar -C "$dir/debs" -cf - --exclude=partial . | "$BEDS_DIR/bed-nspawn" exec "$bed" sh -c 'mkdir -p /tmp/debs && tar -C /tmp/debs -xf - && apt-get -q -y --no-install-recommends install /tmp/debs/*.deb' >/dev/null 2>&1 || status=1
    rm -rf "$dir"
    return $status
}

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
