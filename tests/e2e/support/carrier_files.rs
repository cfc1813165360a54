//! A configuration with one carrier profile a carrier, the files that it names, and what an import by each of them sends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::era::Era;
use super::fake_truedy::Upstream;
use super::program::{Ran, program, run, server};
use super::raw_client::{Called, Wire};

/// One secret for each place; every kind of character that some encoding changes is in it.
pub(crate) const TELNYX_KEY: &str = r#"KEYc4nary/Telnyx+own=key"with\all&of%7Eit <'!*>"#;
pub(crate) const TWILIO_KEY: &str = r#"SKc4nary/Twilio+api=key"with\all&of%2Fit;:@,"#;
pub(crate) const TWILIO_TOKEN: &str = r#"Tc4nary/Twilio+auth=token"with\all&of%3Fit;:@,"#;
pub(crate) const SIP_PASSWORD: &str = r#"Pc4nary/SIP+pass=word"with\all&of%it #?[]$"#;
pub(crate) const SECRETS: [&str; 4] = [TELNYX_KEY, TWILIO_KEY, TWILIO_TOKEN, SIP_PASSWORD];
/// What is no secret, and nobody's business all the same.
pub(crate) const SID: &str = "ACc4a0a100112233000000000000000000";
pub(crate) const USER: &str = "trunk-c4nary-77";
pub(crate) const HOST: &str = "sip.c4nary-trunk.example.com:5061";

/// What looks like a key of Truedy, of Telnyx, of Twilio.
pub(crate) const STRAY: [&str; 4] = [
    "truedy_Str4yStr4yStr4yStr4yStr4yStr4yX1",
    "KEY0193A5C4E2D17B8F6A9C0D3E4F5A6B7C_StrAy9zQ2vX7",
    "SK0123456789abcdef0123456789abcdef",
    "9f86d081884c7d659a2feaa0c55ad015",
];

/// A folder with a configuration and what it names.
pub(crate) struct Files(pub(crate) TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.path("config.toml")
    }

    /// Writes a file that nobody else may read; its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let file = self.path(name);
        fs::write(&file, text).unwrap();
        mode(&file, 0o600);
        file.display().to_string()
    }

    /// One profile for each carrier, from every kind of source; `server` sets the variables.
    pub(crate) fn three(&self) {
        let (key, token) = (self.write("twilio.key", TWILIO_KEY), self.write("twilio.token", TWILIO_TOKEN));
        let password = self.write("password", SIP_PASSWORD);
        self.write(
            "config.toml",
            &format!(
                "[carriers.main]\nprovider = \"telnyx\"\napi_key = {{ env = \"MAIN_KEY\" }}\n\
                 [carriers.line]\nprovider = \"twilio\"\napi_key = {{ file = {key:?} }}\naccount_sid = {{ env = \"LINE_SID\" }}\n\
                 auth_token = {{ command = [\"cat\", {token:?}] }}\n\
                 [carriers.trunk]\nprovider = \"custom_sip\"\nsip_username = \"{USER}\"\nsip_server = \"{HOST}\"\n\
                 sip_password = {{ command = [\"cat\", {password:?}] }}\n"
            ),
        );
    }

    /// The server on this Truedy with this configuration, as loud as can be.
    pub(crate) fn server(&self, upstream: &Upstream) -> Command {
        let mut command = server(&upstream.base_url());
        command.args(["--imports-per-day", "unlimited"]);
        command.env("TRUEDY_MCP_CONFIG", self.config()).env("HOME", self.0.path()).env("RUST_LOG", "trace");
        command.env("MAIN_KEY", TELNYX_KEY).env("LINE_SID", SID);
        command
    }

    pub(crate) fn open(&self, upstream: &Upstream, era: Era) -> Wire {
        Wire::open(self.server(upstream), era)
    }

    /// `truedy-mcp carriers …` on this configuration.
    pub(crate) fn carriers(&self, arguments: &[&str]) -> Ran {
        self.carriers_with(arguments, &[])
    }

    pub(crate) fn carriers_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mut command = program();
        command.arg("carriers").args(arguments).env("TRUEDY_MCP_CONFIG", self.config()).env("HOME", self.0.path());
        command.envs(variables.iter().copied()).current_dir(self.0.path());
        run(command, "")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.config()).unwrap()
    }

    /// What lies in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn mode(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every file below, one after the other: the journal with its side files, and whatever else is kept.
pub(crate) fn kept(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        text.push_str(&if path.is_dir() {
            kept(&path)
        } else {
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
        });
    }
    text
}

/// Refused so, in both halves of the answer.
#[track_caller]
pub(crate) fn refused(called: &Called, status: &str, words: &[&str]) {
    assert!(called.is_error() && called.status() == status, "{}", called.0);
    for word in words {
        assert!(called.summary().contains(word), "{word}: {}", called.0);
    }
}

/// What the body of an import by this profile is.
pub(crate) fn body(carrier: &str, number: &str) -> Value {
    match carrier {
        "main" => json!({ "phone_number": number, "provider_type": "telnyx", "api_key": TELNYX_KEY }),
        "line" => {
            json!({ "phone_number": number, "provider_type": "twilio", "api_key": TWILIO_KEY, "account_sid": SID, "auth_token": TWILIO_TOKEN })
        }
        _ => {
            json!({ "phone_number": number, "provider_type": "custom_sip", "sip_username": USER, "sip_password": SIP_PASSWORD, "sip_server": HOST })
        }
    }
}

/// The bodies that an upstream was sent on a route.
pub(crate) fn bodies(upstream: &Upstream, route: &str) -> Vec<Value> {
    upstream.seen().iter().filter(|seen| seen.is(route)).map(|seen| seen.json()).collect()
}

pub(crate) const NUMBERS: [(&str, &str); 3] =
    [("main", "+14155550111"), ("line", "+14155550112"), ("trunk", "+14155550113")];
