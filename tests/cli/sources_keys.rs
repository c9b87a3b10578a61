//! `sources set` with a key: a daemon that misses it only says so in its log, so it is looked for
//! before anything is written.

use crate::net::Net;
use crate::net::peer;
use crate::run::run;
use crate::sources::file;
use crate::sources::inside;
use crate::sources::json;
use serde_json::Value;

/// The command is typed as it stands, and then the running chronyd, which read its keys before,
/// follows with the new one.
#[test]
fn a_key_that_is_missing_is_named_and_the_command_makes_it() {
    let Some(mut net) = Net::new() else { return };
    let Some(chronyc) = peer("chrony", "usr/bin/chronyc") else {
        return;
    };
    if net.chronyd("10.77.0.10", "").is_none() {
        return;
    }
    let script = format!(
        "
PATH=$PATH:{}; umask 077
printf 'server 10.77.0.10 iburst\\nkeyfile /etc/chrony/chrony.keys\\n' >/etc/chrony/chrony.conf; cp /etc/chrony/chrony.conf $DIR/conf
echo '1 SHA256 HEX:0123456789ABCDEF0123456789ABCDEF' >/etc/chrony/chrony.keys
daemon; sleep 2
follow() {{ $CB sources set --add 10.77.0.11 --options 'iburst minpoll 0 key 99' --wait 20 --json; }}
follow >$DIR/refused 2>$DIR/said; echo $? >$DIR/refused.code
cmp /etc/chrony/chrony.conf $DIR/conf || exit 1
sh -c \"$(sed -n 's/^  \\(chronyc .*\\)/\\1/p' $DIR/said)\"
cp /etc/chrony/chrony.keys $DIR/keys
printf 'local stratum 1\\nallow\\nbindaddress 10.77.0.11\\ncmdport 0\\nbindcmdaddress /\\npidfile /run/server.pid\\nkeyfile /etc/chrony/chrony.keys\\n' >$DIR/server.conf
$CHRONYD -x -d -U -u root -f $DIR/server.conf >>$DIR/server.log 2>&1 &
sleep 1; follow >$DIR/set; echo $? >$DIR/set.code; $CB sources --json >$DIR/sources; true
",
        chronyc.parent().unwrap().display()
    );
    if inside(&net, &script).is_none() {
        return;
    }
    let refused: Value = serde_json::from_str(&file(&net, "refused")).unwrap();
    let message = refused["error"]["message"].as_str().unwrap();
    for words in [
        "no key 99 in /etc/chrony/chrony.keys",
        "nothing was changed",
        "the server has to have too",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(
        refused["error"]["hint"],
        "chronyc keygen 99 SHA256 256 >>/etc/chrony/chrony.keys"
    );
    assert_eq!(file(&net, "refused.code"), "65\n");
    assert!(file(&net, "keys").contains("\n99 SHA256 HEX:"));
    assert_eq!(file(&net, "set.code"), "0\n", "{}", file(&net, "set"));
    let sources = json(&net, "sources");
    let rows = sources["sources"].as_array().unwrap();
    let row = rows.iter().find(|row| row["address"] == "10.77.0.11");
    let row = row.unwrap_or_else(|| panic!("{sources}"));
    assert_eq!(row["authentication"], "key", "{row}");
    assert_ne!(row["reach"], 0, "{row}");
}

const CHRONY: &str = "etc/chrony/chrony.conf";
const OWN: &str = "etc/clockbox/clockbox.conf";
const NTP: &str = "etc/ntp.conf";

/// The file, its text, the keys in it, the status, words of the message, the command.
const CASES: &[(&str, &str, &str, u8, &str, &str)] = &[
    (
        CHRONY,
        "keyfile /etc/k\n",
        "9 SHA1 HEX:00112233\n",
        0,
        "",
        "",
    ),
    (
        CHRONY,
        "server a.example\n",
        "",
        65,
        "names no file of keys (keyfile)",
        "echo \"keyfile /etc/chrony/chrony.keys\" >>/etc/chrony/chrony.conf",
    ),
    (
        CHRONY,
        "keyfile /etc/k\n",
        "9 SHA1 HEX:zz\n",
        65,
        "chronyd does not use it",
        "sudoedit /etc/k",
    ),
    (
        OWN,
        "keyfile /etc/none\n",
        "",
        65,
        "no key 9 in /etc/none",
        "echo \"9 SHA256 HEX:$(openssl rand -hex 32)\" >>/etc/none",
    ),
    (
        NTP,
        "keys /etc/k\ntrustedkey 5 9\n",
        "9 MD5 secret\n",
        0,
        "",
        "",
    ),
    (
        NTP,
        "keys /etc/k\ntrustedkey 5\n",
        "9 MD5 secret\n",
        65,
        "key 9 is not in trustedkey",
        "echo \"trustedkey 9\" >>/etc/ntp.conf",
    ),
    (
        NTP,
        "keys /etc/k\ntrustedkey 9\n",
        "5 MD5 secret\n",
        65,
        "no key 9 in /etc/k",
        "echo \"9 SHA1 $(openssl rand -hex 20)\" >>/etc/k",
    ),
];

#[test]
fn every_daemons_keys_are_looked_for_where_its_file_says() {
    for (path, text, keys, status, words, hint) in CASES {
        let root = tempfile::tempdir().unwrap();
        let conf = root.path().join(path);
        std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
        std::fs::write(&conf, text).unwrap();
        std::fs::write(root.path().join("etc/k"), keys).unwrap();
        let at = root.path().to_str().unwrap();
        let ran = run(&[
            "sources",
            "set",
            "--json",
            "--root",
            at,
            "--options",
            "iburst key 9",
            "b.example",
        ]);
        assert_eq!(ran.status, i32::from(*status), "{text} {ran:?}");
        let left = std::fs::read_to_string(&conf).unwrap();
        if *status == 0 {
            assert!(left.contains("server b.example iburst key 9\n"), "{left}");
            continue;
        }
        assert_eq!(&left, text);
        let error = &ran.json()["error"];
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{words}: {error}"
        );
        assert_eq!(error["hint"], *hint);
        assert!(!ran.stderr.contains("secret"), "{ran:?}");
    }
}
