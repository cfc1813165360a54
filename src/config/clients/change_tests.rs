//! Tests of changes to whole files: what is kept, what is given back, and what is refused.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::*;

fn entry_for(client: ClientKind) -> ClientEntry {
    let fields = vec![("command", "/opt/truedy-mcp".into()), ("args", json!(["stdio", "--sandbox"]))];
    let input = InputField { id: "truedy-key".to_owned(), description: "Truedy API key".to_owned() };
    let inputs = if client == ClientKind::Vscode { vec![input] } else { Vec::new() };
    ClientEntry { fields, inputs }
}

struct Scene {
    dir: TempDir,
    client: ClientKind,
}

impl Scene {
    fn new(client: ClientKind, text: Option<&[u8]>) -> Self {
        let scene = Self { dir: tempfile::tempdir().expect("a directory"), client };
        if let Some(text) = text {
            fs::write(scene.path(), text).expect("written");
        }
        scene
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("file")
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn read(&self) -> ClientFile {
        ClientFile::read(self.client, &[self.path()]).expect("it is read")
    }

    fn now(&self) -> Option<Vec<u8>> {
        fs::read(self.path()).ok()
    }

    fn remove(&self) -> Result<Removed, String> {
        self.read().remove(&entry_for(self.client).inputs, &self.state())
    }
}

#[test]
fn a_file_that_changed_since_it_was_read_is_left_alone() {
    for before in [None, Some(&b"{}"[..])] {
        let scene = Scene::new(ClientKind::Cursor, before);
        let file = scene.read();
        fs::write(scene.path(), "{\"a\": 1}").expect("written");
        let why = file.install(&entry_for(ClientKind::Cursor), &scene.state()).expect_err("refused");
        assert!(why.contains("another program changed it meanwhile") && why.ends_with("Nothing was changed"), "{why}");
        assert_eq!(scene.now().as_deref(), Some(&b"{\"a\": 1}"[..]));
    }
    let scene = Scene::new(ClientKind::Cursor, Some(b"{}"));
    scene.read().install(&entry_for(ClientKind::Cursor), &scene.state()).expect("written");
    let file = scene.read();
    fs::write(scene.path(), "{\"a\": 1}").expect("written");
    file.remove(&[], &scene.state()).expect_err("refused");
    assert_eq!(scene.now().as_deref(), Some(&b"{\"a\": 1}"[..]));
}

#[test]
fn a_file_that_was_made_is_gone_again_with_its_folders() {
    let scene = Scene::new(ClientKind::Cursor, None);
    let path = scene.dir.path().join("a").join("b").join("mcp.json");
    let read = || ClientFile::read(ClientKind::Cursor, std::slice::from_ref(&path)).expect("read");
    let written = read().install(&entry_for(ClientKind::Cursor), &scene.state()).expect("written");
    assert_eq!(written.backup, None);
    assert_eq!(read().remove(&[], &scene.state()), Ok(Removed::Deleted));
    assert!(!scene.dir.path().join("a").exists());
    let read = || ClientFile::read(ClientKind::Cursor, std::slice::from_ref(&path)).expect("read");
    read().install(&entry_for(ClientKind::Cursor), &scene.state()).expect("written");
    fs::write(path.with_file_name("other"), "").expect("written");
    assert_eq!(read().remove(&[], &scene.state()), Ok(Removed::Deleted));
    assert!(path.with_file_name("other").exists());
}

#[cfg(unix)]
#[test]
fn a_file_that_was_made_below_a_link_is_gone_again() {
    let scene = Scene::new(ClientKind::Cursor, None);
    fs::create_dir(scene.dir.path().join("real")).expect("a folder");
    std::os::unix::fs::symlink("real", scene.dir.path().join("link")).expect("a link");
    let path = scene.dir.path().join("link").join("mcp.json");
    let read = || ClientFile::read(ClientKind::Cursor, std::slice::from_ref(&path)).expect("read");
    read().install(&entry_for(ClientKind::Cursor), &scene.state()).expect("written");
    assert_eq!(read().remove(&[], &scene.state()), Ok(Removed::Deleted));
}

#[cfg(unix)]
#[test]
fn a_copy_is_for_its_user_alone_even_where_an_older_one_was_not() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::new(ClientKind::Cursor, Some(b"{ }"));
    let copy = backup_of(&scene.path(), 0);
    fs::write(&copy, "{ }").expect("written");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).expect("mode");
    scene.read().install(&entry_for(ClientKind::Cursor), &scene.state()).expect("written");
    assert_eq!(fs::read(&copy).ok().as_deref(), Some(&b"{ }"[..]));
    assert_eq!(fs::metadata(&copy).expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_entry_that_was_replaced_comes_back_and_no_copy_of_it_is_overwritten() {
    let own = br#"{"mcpServers": {"truedy": {"command": "truedy-mcp", "args": ["stdio"], "env": {"K": "hunter2"}}}}"#;
    let scene = Scene::new(ClientKind::Cursor, Some(own));
    let entry = entry_for(ClientKind::Cursor);
    scene.read().install(&entry, &scene.state()).expect("written");
    assert_eq!(scene.remove(), Ok(Removed::Restored));
    assert_eq!(scene.now().as_deref(), Some(&own[..]));
    // Something else changes meanwhile: the entry alone is taken out, and the copy of before stays.
    scene.read().install(&entry, &scene.state()).expect("written");
    let changed = String::from_utf8(scene.now().expect("there")).expect("text").replacen('{', "{\"a\": 1, ", 1);
    fs::write(scene.path(), &changed).expect("written");
    let with_entry = Some(backup_of(&scene.path(), 1));
    assert_eq!(scene.remove(), Ok(Removed::Alone(with_entry.clone())));
    assert_eq!(fs::read(backup_of(&scene.path(), 0)).ok().as_deref(), Some(&own[..]));
    assert_eq!(with_entry.and_then(|copy| fs::read(copy).ok()).as_deref(), Some(changed.as_bytes()));
    // The entry of this program, put in again after another change, is not what was before it.
    let scene = Scene::new(ClientKind::Cursor, Some(b"{ }"));
    scene.read().install(&entry, &scene.state()).expect("written");
    let changed = String::from_utf8(scene.now().expect("there")).expect("text").replacen('{', "{\"a\": 1, ", 1);
    fs::write(scene.path(), &changed).expect("written");
    let mut other = entry;
    other.fields.push(("disabled", false.into()));
    scene.read().install(&other, &scene.state()).expect("written again");
    assert!(matches!(scene.remove(), Ok(Removed::Alone(Some(_)))));
    assert_eq!(scene.read().entry(), None);
}

#[test]
fn an_update_keeps_what_gives_the_file_back() {
    let scene = Scene::new(ClientKind::Cursor, Some(b"{ }"));
    let mut entry = entry_for(ClientKind::Cursor);
    scene.read().install(&entry, &scene.state()).expect("written");
    entry.fields.push(("disabled", false.into()));
    scene.read().install(&entry, &scene.state()).expect("written again");
    assert!(scene.read().has(&entry));
    assert_eq!(scene.remove(), Ok(Removed::Restored));
    assert_eq!(scene.now().as_deref(), Some(&b"{ }"[..]));
    assert!(!backup_of(&scene.path(), 0).exists());
}

#[test]
fn an_entry_in_a_file_that_changed_is_taken_out_alone() {
    let scene = Scene::new(ClientKind::Cursor, Some(b"{\"mcpServers\": {}}"));
    scene.read().install(&entry_for(ClientKind::Cursor), &scene.state()).expect("written");
    let changed = String::from_utf8(scene.now().expect("there")).expect("text").replace("{\"mcp", "{\"a\": 1, \"mcp");
    fs::write(scene.path(), changed).expect("written");
    assert!(matches!(scene.remove(), Ok(Removed::Alone(Some(_)))));
    assert_eq!(scene.now().as_deref(), Some(&b"{\"a\": 1, \"mcpServers\": {}}"[..]));
    // An older entry of this program may have been written by hand, with what is nowhere else.
    let old = b"{\"mcpServers\": {\"truedy\": {\"command\": \"/old/truedy-mcp\"}}}";
    let scene = Scene::new(ClientKind::Cursor, Some(old));
    scene.read().install(&entry_for(ClientKind::Cursor), &scene.state()).expect("written");
    assert_eq!(scene.remove(), Ok(Removed::Restored));
    assert_eq!(scene.now().as_deref(), Some(&old[..]));
}

#[test]
fn the_program_of_an_entry_is_known_by_its_name() {
    for (entry, own) in [
        (json!({ "command": "truedy-mcp" }), true),
        (json!({ "command": "C:\\x y\\truedy-mcp.exe" }), true),
        (json!({ "command": ["/opt/truedy-mcp", "stdio"] }), true),
        (json!({ "command": "python3", "args": ["truedy.py"] }), false),
        (json!({ "url": "http://127.0.0.1/mcp" }), false),
    ] {
        assert_eq!(is_own(&entry), own, "{entry}");
    }
}

/// White space and comments between two parts of a JSON text.
fn gap() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just(""), 3 => Just(" "), 3 => Just("\n"), 1 => Just("\r\n"), 1 => Just("\t"), 1 => Just("\n    "), 1 => Just("/* \" } */"), 1 => Just("// {\"\n")
    ];
    prop::collection::vec(part, 0..3).prop_map(|parts| parts.concat())
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ,:{}\\[\\]/*#äß🎈]{0,8}".prop_map(|text| json!(text).to_string())
}

/// A JSON value with comments and last commas.
fn node() -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![text(), Just("true".to_owned()), Just("null".to_owned()), "-?(0|[1-9][0-9]{0,4})(\\.[0-9]{1,3})?"];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let list = prop::collection::vec((gap(), inner.clone(), gap()), 0..4);
        let list = (list, any::<bool>(), gap()).prop_map(|(items, comma, end)| {
            let inner: Vec<String> =
                items.iter().map(|(before, item, after)| format!("{before}{item}{after}")).collect();
            format!("[{}{}{end}]", inner.join(","), if comma && !inner.is_empty() { "," } else { "" })
        });
        prop_oneof![list, object(inner, "n", None)]
    })
}

/// An object whose members are named by their number, and perhaps one more of this name.
fn object(
    inner: impl Strategy<Value = String> + 'static,
    name: &'static str,
    more: Option<(String, BoxedStrategy<String>)>,
) -> BoxedStrategy<String> {
    let (more_name, more) = more.unwrap_or_else(|| (String::new(), Just(String::new()).boxed()));
    let members = prop::collection::vec((gap(), gap(), inner, gap()), 0..4);
    (members, any::<bool>(), gap(), more, any::<bool>())
        .prop_map(move |(members, comma, end, more, first)| {
            let mut written: Vec<String> = members
                .iter()
                .enumerate()
                .map(|(n, (before, colon, value, after))| format!("{before}\"{name}{n}\":{colon}{value}{after}"))
                .collect();
            if !more.is_empty() {
                let at = if first { 0 } else { written.len() };
                written.insert(at, format!("\"{more_name}\": {more}"));
            }
            format!("{{{}{}{end}}}", written.join(","), if comma && !written.is_empty() { "," } else { "" })
        })
        .boxed()
}

/// A whole file for a client, perhaps with other servers in it.
fn file(list: &'static str) -> impl Strategy<Value = String> {
    let whole = object(node(), "k", Some((list.to_owned(), object(node(), "s", None))));
    let mark = prop_oneof![9 => Just(""), 1 => Just("\u{feff}")];
    (mark, gap(), prop_oneof![whole, object(node(), "k", None)], gap())
        .prop_map(|(mark, before, object, after)| format!("{mark}{before}{object}{after}"))
}

fn toml_file() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("# a comment".to_owned()),
        Just(String::new()),
        Just("  ".to_owned()),
        (0..90_u32, text()).prop_map(|(n, text)| format!("k{n}_{{}} = {text} # [x]")),
        Just("k{}.b = { c = [1,\n 2], d = '''a\n[b]''' }".to_owned()),
        Just("[t{}]".to_owned()),
        Just("[[a{}.\"b c\"]]".to_owned()),
        Just("[mcp_servers.s{}]".to_owned()),
        Just("[mcp_servers.\"s {}\".env]".to_owned()),
    ];
    let mark = prop_oneof![9 => Just(""), 1 => Just("\u{feff}")];
    (mark, prop::collection::vec(line, 0..12), any::<bool>(), any::<bool>()).prop_map(|(mark, lines, crlf, end)| {
        let lines: Vec<String> = lines.iter().enumerate().map(|(n, line)| line.replace("{}", &n.to_string())).collect();
        let text = format!("{}{}", lines.join("\n"), if end { "\n" } else { "" });
        format!("{mark}{}", if crlf { text.replace('\n', "\r\n") } else { text })
    })
}

fn there_and_back(client: ClientKind, text: &str) -> Result<(), TestCaseError> {
    let scene = Scene::new(client, Some(text.as_bytes()));
    let entry = entry_for(client);
    let written = scene.read().install(&entry, &scene.state());
    prop_assert!(written.is_ok(), "{:?}: {}", written, text);
    let file = scene.read();
    prop_assert!(file.has(&entry));
    // The entry alone can be taken out, and leaves a file that can be read.
    let left = entry::take(client, file.text().expect("text"), &entry.inputs);
    prop_assert!(left.is_ok_and(|left| entry::read(client, &left) == Ok(None)), "{}", text);
    prop_assert_eq!(scene.remove(), Ok(Removed::Restored));
    let now = scene.now();
    prop_assert_eq!(now.as_deref(), Some(text.as_bytes()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_json_file_is_the_same_to_the_last_byte_after_an_entry_came_and_went(text in file("mcpServers")) {
        there_and_back(ClientKind::Cursor, &text)?;
    }

    #[test]
    fn a_file_with_inputs_is_the_same_after_an_entry_came_and_went(text in file("servers")) {
        there_and_back(ClientKind::Vscode, &text)?;
    }

    #[test]
    fn a_toml_file_is_the_same_to_the_last_byte_after_an_entry_came_and_went(text in toml_file()) {
        there_and_back(ClientKind::Codex, &text)?;
    }
}
