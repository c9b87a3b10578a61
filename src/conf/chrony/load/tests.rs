use super::*;
use crate::conf::diagnostic::Severity;
use crate::conf::diagnostic::render_all;

fn files(list: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    list.iter()
        .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()))
        .collect()
}

fn hosts(loaded: &Loaded) -> Vec<String> {
    loaded
        .statements
        .iter()
        .filter_map(|statement| match &statement.value {
            Value::Source(source) => Some(source.name.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn includes_directories_and_source_directories_are_read_in_order() {
    let files = files(&[
        (
            "/c",
            "confdir /run/c.d /etc/c.d\nsourcedir /etc/s.d /none\ninclude /etc/more/*.conf\nserver main\n",
        ),
        ("/run/c.d/b.conf", "server run-b\n"),
        ("/etc/c.d/a.conf", "server etc-a\n"),
        ("/etc/c.d/b.conf", "server etc-b-hidden-by-run\n"),
        ("/etc/c.d/x.txt", "nonsense\n"),
        ("/etc/more/1.conf", "server more\n"),
        (
            "/etc/s.d/dhcp.sources",
            "# from dhcp\nserver dhcp iburst\nmakestep 1 3\nserver bad badoption\nserver lost",
        ),
    ]);
    let loaded = load("/c", &files);
    assert_eq!(hosts(&loaded), ["etc-a", "run-b", "more", "main", "dhcp"]);
    let messages: Vec<&str> = loaded
        .diagnostics
        .iter()
        .map(|d| d.message.as_str())
        .collect();
    assert_eq!(
        messages.len(),
        3,
        "{}",
        render_all(&loaded.diagnostics, &loaded.map)
    );
    let origin = loaded.map.origin(loaded.statements.last().unwrap().span);
    assert_eq!(origin.to_string(), "/etc/s.d/dhcp.sources:2");
}

#[test]
fn a_faulty_line_of_a_source_file_is_only_a_warning() {
    let files = files(&[
        ("/c", "sourcedir /s\nserver a\n"),
        ("/s/x.sources", "server b nonsense\n"),
    ]);
    let loaded = load("/c", &files);
    assert_eq!(hosts(&loaded), ["a"]);
    assert!(
        !loaded.has_errors(),
        "{}",
        render_all(&loaded.diagnostics, &loaded.map)
    );
    assert_eq!(loaded.diagnostics.len(), 1);
}

#[test]
fn a_file_that_includes_itself_ends() {
    let files = files(&[("/c", "server a\ninclude /c\ninclude /c\n")]);
    let loaded = load("/c", &files);
    assert!(loaded.has_errors());
    assert!(
        loaded.map.files().len() <= MAX_FILES + 1,
        "{}",
        loaded.map.files().len()
    );
}

#[test]
fn missing_binary_and_huge_files_are_errors() {
    let mut tree = files(&[(
        "/c",
        "include /none\ninclude /none/*.conf\nconfdir /none\ninclude /bin\ninclude /big\n",
    )]);
    tree.insert("/bin".to_owned(), b"\x7fELF\0\0".to_vec());
    tree.insert("/big".to_owned(), vec![b'#'; MAX_SIZE + 1]);
    let loaded = load("/c", &tree);
    let at: Vec<usize> = loaded
        .diagnostics
        .iter()
        .map(|d| loaded.map.origin(d.span).line)
        .collect();
    assert_eq!(at, [1, 2, 4, 5]);
    let warned = |d: &&Diagnostic| d.severity == Severity::Warning;
    let warned: Vec<&Diagnostic> = loaded.diagnostics.iter().filter(warned).collect();
    assert_eq!(warned.len(), 1, "{warned:?}");
    assert!(warned[0].message.contains("/none is not there"));
    assert_eq!(load("/nowhere", &tree).unreadable, Some(ReadError::Missing));
}

#[test]
fn a_line_longer_than_chronyd_reads_is_an_error() {
    let text = format!("server a{}\n", " iburst".repeat(400));
    assert!(parse_alone("f", text.as_bytes()).has_errors());
    let text = format!("# {}\nserver a\n", "x".repeat(4000));
    assert!(!parse_alone("f", text.as_bytes()).has_errors());
}

#[test]
fn defaults_are_chronys() {
    let loaded = parse_alone(
        "f",
        b"server a\nmakestep 1 3\nport 0\nallow 10/8\ncmddeny all\nbindcmdaddress ::1\n",
    );
    let settings = crate::conf::chrony::Settings::new(&loaded);
    assert_eq!((settings.port, settings.command_port), (0, 323));
    assert_eq!(settings.makestep.unwrap().limit, 3);
    assert_eq!(
        (settings.access.len(), settings.command_access.len()),
        (1, 1)
    );
    assert!(settings.bind_command_addresses[0].is_none());
    assert!(settings.bind_command_addresses[1].is_some());
    assert_eq!(settings.sources[0].value.name, "a");
}
