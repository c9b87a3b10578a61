//! `sources set` on the files of an image: which lines stay, which go, and what the new ones say.

use crate::run::run;
use std::path::Path;

/// An image with this file in it.
fn image(path: &str, text: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
    root
}

/// The file after `sources set` with these words; a second run changes nothing.
fn after(root: &Path, path: &str, words: &[&str]) -> String {
    let mut args = vec!["sources", "set", "--json", "--root", root.to_str().unwrap()];
    args.extend(words);
    let ran = run(&args);
    assert_eq!(ran.status, 0, "{words:?} {ran:?}");
    assert_eq!(ran.json()["changed"], true, "{words:?}");
    assert_eq!(run(&args).json()["changed"], false, "{words:?}");
    std::fs::read_to_string(root.join(path)).unwrap()
}

#[test]
fn the_line_of_a_host_that_is_named_keeps_its_key_nts_and_prefer() {
    let chrony = "server a.example key 5 prefer iburst\nserver b.example iburst nts\nserver c.example\n# end\n";
    let path = "etc/chrony/chrony.conf";
    let set = |words: &[&str]| after(image(path, chrony).path(), path, words);
    // Those that are named stay as they are, the rest makes way.
    assert_eq!(
        set(&["b.example", "a.example"]),
        "server a.example key 5 prefer iburst\nserver b.example iburst nts\n#server c.example\n# end\n"
    );
    assert_eq!(
        set(&["a.example", "d.example"]),
        "server a.example key 5 prefer iburst\n#server b.example iburst nts\n#server c.example\n\
         server d.example iburst\n# end\n"
    );
    // Nothing makes way: the new line stands behind the others.
    assert_eq!(
        set(&["a.example", "b.example", "c.example", "d.example"]),
        "server a.example key 5 prefer iburst\nserver b.example iburst nts\nserver c.example\n\
         server d.example iburst\n# end\n"
    );
    // As a pool, with what its line had.
    assert_eq!(
        set(&["--pool", "b.example"]),
        "#server a.example key 5 prefer iburst\n#server b.example iburst nts\n#server c.example\n\
         pool b.example iburst nts\n# end\n"
    );
    // Options that are typed are all there are; a line that has just those stays.
    assert_eq!(
        set(&["--options", "iburst nts", "a.example", "b.example"]),
        "#server a.example key 5 prefer iburst\nserver b.example iburst nts\n#server c.example\n\
         server a.example iburst nts\n# end\n"
    );
}

#[test]
fn a_pool_that_becomes_a_server_leaves_what_only_a_pool_has() {
    let path = "etc/chrony.conf";
    let image = image(path, "pool p.example maxsources 3 iburst key 7\n");
    assert_eq!(
        after(image.path(), path, &["p.example"]),
        "#pool p.example maxsources 3 iburst key 7\nserver p.example iburst key 7\n"
    );
}

#[test]
fn ntpd_keeps_its_lines_too_and_a_second_line_of_one_host_goes() {
    let path = "etc/ntp.conf";
    let text =
        "driftfile /var/lib/ntp/drift\nserver a.example key 3\nserver b.example\nserver a.example";
    let image = image(path, text);
    assert_eq!(
        after(image.path(), path, &["a.example"]),
        "driftfile /var/lib/ntp/drift\nserver a.example key 3\n#server b.example\n#server a.example"
    );
}

#[test]
fn what_is_out_already_is_not_said_to_be_there() {
    let image = image("etc/chrony.conf", "server a.example\nserver b.example\n");
    let root = image.path().to_str().unwrap();
    let unset = || run(&["sources", "unset", "--root", root, "b.example"]);
    assert_eq!(unset().status, 0);
    let again = unset();
    assert_eq!(again.status, 0, "{again:?}");
    assert!(
        again
            .stdout
            .contains("has no b.example any more: unchanged"),
        "{again:?}"
    );
}
