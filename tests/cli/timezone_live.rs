//! `clockbox timezone set` on this machine itself, with an /etc of the test's own laid over the
//! real one in a mount namespace: afterwards `date`, Python and Java tell the new zone at once.

use crate::net::skip;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

/// Lays an empty, writable layer over /etc, and goes on with the rest of the script.
const LAYER: &str = r#"
set -e
mount -t tmpfs clockbox "$DIR"
mkdir "$DIR/upper" "$DIR/work"
mount -t overlay clockbox -o "lowerdir=/etc,upperdir=$DIR/upper,workdir=$DIR/work" /etc
unset TZ
"#;

/// Runs a script with its own /etc; `None`, said aloud, where that cannot be.
fn with_own_etc(script: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let run = |script: &str| {
        Command::new("unshare")
            .args(["-m", "--propagation", "private", "bash", "-c", script])
            .env("DIR", dir.path())
            .env("CLOCKBOX", env!("CARGO_BIN_EXE_clockbox"))
            .stdin(Stdio::null())
            .output()
    };
    if !run(LAYER).is_ok_and(|output| output.status.success()) {
        skip("no /etc can be laid over the real one: needs root, unshare and overlayfs");
        return None;
    }
    if !Path::new("/usr/share/zoneinfo/Japan").exists() {
        skip("there is no zone database here");
        return None;
    }
    let output = run(&format!("{LAYER}\n{script}")).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    Some(said)
}

#[test]
fn the_seed_story_needs_no_reboot() {
    let script = r#"
mkdir -p /etc/sysconfig
printf 'ID="amzn"\nID_LIKE="centos rhel fedora"\n' >"$DIR/os-release"
rm -f /etc/os-release /etc/timezone
cp "$DIR/os-release" /etc/os-release
printf '#ZONE="UTC"\nZONE="UTC"\nUTC=true\n' >/etc/sysconfig/clock
ln -sf ../usr/share/zoneinfo/UTC /etc/localtime
date -d @1624166683 +'before %Y-%m-%d %H:%M:%S %Z'
"$CLOCKBOX" timezone set Japan --quiet
date -d @1624166683 +'after %Y-%m-%d %H:%M:%S %Z'
cat /etc/sysconfig/clock
readlink /etc/localtime
"#;
    let Some(said) = with_own_etc(script) else {
        return;
    };
    let want = "before 2021-06-20 05:24:43 UTC\nafter 2021-06-20 14:24:43 JST\n\
                #ZONE=\"UTC\"\nZONE=\"Japan\"\nUTC=true\n../usr/share/zoneinfo/Japan\n";
    assert_eq!(said, want);
}

#[test]
fn python_and_java_tell_the_new_zone() {
    let java = Command::new("java").arg("-version").output();
    let java = java.is_ok_and(|output| output.status.success());
    let script = r#"
rm -f /etc/timezone
echo Etc/UTC >/etc/timezone
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
"$CLOCKBOX" timezone set America/St_Johns --quiet
python3 -c '
import datetime, os, zoneinfo
here = datetime.datetime.fromtimestamp(1795000000).astimezone()
name = os.readlink("/etc/localtime").split("zoneinfo/")[1]
there = datetime.datetime.fromtimestamp(1795000000, zoneinfo.ZoneInfo(name))
assert here.utcoffset() == there.utcoffset() == datetime.timedelta(hours=-3.5), here
print("python", name)
'
cat /etc/timezone
cat >"$DIR/Zone.java" <<'JAVA'
public class Zone {
    public static void main(String[] arguments) {
        System.out.println("java " + java.util.TimeZone.getDefault().getID());
    }
}
JAVA
"#;
    let java_run = "java \"$DIR/Zone.java\"\n";
    let script = if java {
        format!("{script}{java_run}")
    } else {
        script.to_owned()
    };
    let Some(said) = with_own_etc(&script) else {
        return;
    };
    if !java {
        skip("there is no java here: its part is left out");
    }
    assert!(
        said.contains("python America/St_Johns\nAmerica/St_Johns\n"),
        "{said}"
    );
    assert!(!java || said.contains("java America/St_Johns\n"), "{said}");
}

#[test]
fn an_older_process_with_the_zone_mapped_or_known_to_keep_it_is_named() {
    // `cron` here is sleep(1) under that name; the other maps the zone's file, as musl does.
    let script = r#"
ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime
cp "$(command -v sleep)" "$DIR/cron"
"$DIR/cron" 60 & cron=$!
python3 -c '
import mmap, os, time
file = open("/usr/share/zoneinfo/Etc/UTC", "rb")
data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
open(os.environ["DIR"] + "/mapped", "w").close()
time.sleep(60)
' & mapper=$!
for _ in $(seq 300); do [ -e "$DIR/mapped" ] && break || sleep 0.1; done
sleep 2.1
"$CLOCKBOX" timezone set Japan --json
kill $cron $mapper
echo "$cron $mapper"
"#;
    let Some(said) = with_own_etc(script) else {
        return;
    };
    let (json, pids) = said.trim().split_once('\n').unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    crate::run::check_schema(&json);
    let old = json["old_zone_processes"].as_array().unwrap();
    let mut found = pids.split(' ').map(|pid| {
        let pid: u64 = pid.parse().unwrap();
        old.iter()
            .find(|process| process["pid"] == pid)
            .map(|p| p["mapped"] == true)
    });
    assert_eq!(found.next().unwrap(), Some(false), "cron in {json}");
    assert_eq!(found.next().unwrap(), Some(true), "the mapper in {json}");
}
