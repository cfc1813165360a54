//! Where the file of each client is, on each system. Sources: the documentation of each client.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::config::clients::client::ClientKind;

/// Whose entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ConfigScope {
    /// For all projects of this user
    #[default]
    User,
    /// For the project in this folder
    Project,
}

/// The systems that differ in where clients keep their files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatingSystem {
    /// Linux, and other systems with the folders of XDG.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl OperatingSystem {
    /// Returns the system that this program was built for.
    pub fn this() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

/// The folders below which clients keep their files.
#[derive(Debug, Clone)]
pub struct ClientFolders {
    system: OperatingSystem,
    home: PathBuf,
    /// The folder for settings: XDG's on Linux, `Application Support` on macOS, `%APPDATA%` on Windows.
    settings: PathBuf,
    /// The folder of XDG, which some clients use on every system.
    xdg: PathBuf,
    /// The folder of a project.
    project: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
}

/// Variables by which a client is told where its files are.
const VARIABLES: [&str; 4] = ["CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME", "CLINE_MCP_SETTINGS_PATH"];

impl ClientFolders {
    /// Returns the folders of this user and of the project in the working directory. `None` if no home is known.
    pub fn here() -> Option<Self> {
        let home = std::env::home_dir().filter(|home| home.is_absolute())?;
        let project = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        Some(Self::of(OperatingSystem::this(), home, project, |name| std::env::var_os(name)))
    }

    /// Returns the folders below this home, by these variables.
    pub fn of(
        system: OperatingSystem,
        home: PathBuf,
        project: PathBuf,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let xdg = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).unwrap_or_else(|| home.join(".config"));
        let settings = match system {
            OperatingSystem::Linux => xdg.clone(),
            OperatingSystem::MacOs => home.join("Library").join("Application Support"),
            OperatingSystem::Windows => set("APPDATA").unwrap_or_else(|| home.join("AppData").join("Roaming")),
        };
        let variables = VARIABLES.iter().filter_map(|name| Some((*name, set(name)?))).collect();
        Self { system, home, settings, xdg, project, variables }
    }

    fn variable(&self, name: &str) -> Option<PathBuf> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, path)| path.clone())
    }

    /// Returns the folder of this program's own settings.
    pub fn own(&self) -> PathBuf {
        self.settings.join("truedy-mcp")
    }

    /// Whether this is the home.
    pub fn is_home(&self, folder: &std::path::Path) -> bool {
        folder == self.home
    }

    /// Returns the path as people write it: with `~` in the place of their home.
    pub fn shown(&self, path: &std::path::Path) -> String {
        let rest = path.strip_prefix(&self.home).ok().filter(|_| self.home.parent().is_some());
        let shown = rest.map_or_else(|| path.to_owned(), |rest| PathBuf::from("~").join(rest));
        crate::redact::shown_path(&shown)
    }
}

/// Returns where the file of a client may be, the usual place first. Empty if the client has no such file.
pub fn places(client: ClientKind, scope: ConfigScope, folders: &ClientFolders) -> Vec<PathBuf> {
    match scope {
        ConfigScope::User => of_user(client, folders),
        ConfigScope::Project => of_project(client)
            .iter()
            .map(|parts| parts.iter().fold(folders.project.clone(), |at, p| at.join(p)))
            .collect(),
    }
}

fn of_user(client: ClientKind, folders: &ClientFolders) -> Vec<PathBuf> {
    let below = |base: &PathBuf, parts: &[&str]| parts.iter().fold(base.clone(), |at, part| at.join(part));
    let (home, settings, xdg) = (&folders.home, &folders.settings, &folders.xdg);
    let is_windows = folders.system == OperatingSystem::Windows;
    match client {
        ClientKind::ClaudeCode => {
            vec![folders.variable("CLAUDE_CONFIG_DIR").unwrap_or_else(|| home.clone()).join(".claude.json")]
        }
        ClientKind::ClaudeDesktop => vec![below(settings, &["Claude", "claude_desktop_config.json"])],
        ClientKind::Vscode => vec![below(settings, &["Code", "User", "mcp.json"])],
        ClientKind::Cursor => vec![below(home, &[".cursor", "mcp.json"])],
        ClientKind::Windsurf => vec![below(home, &[".codeium", "windsurf", "mcp_config.json"])],
        ClientKind::Codex => {
            vec![folders.variable("CODEX_HOME").unwrap_or_else(|| home.join(".codex")).join("config.toml")]
        }
        ClientKind::Gemini => {
            let base = folders.variable("GEMINI_CLI_HOME").unwrap_or_else(|| home.clone());
            vec![below(&base, &[".gemini", "settings.json"])]
        }
        ClientKind::Zed if is_windows => vec![below(settings, &["Zed", "settings.json"])],
        ClientKind::Zed => vec![below(xdg, &["zed", "settings.json"])],
        ClientKind::Cline => match folders.variable("CLINE_MCP_SETTINGS_PATH") {
            Some(file) => vec![file],
            // Older versions of its command line have the second.
            None => vec![
                below(home, &[".cline", "data", "settings", "cline_mcp_settings.json"]),
                below(home, &[".cline", "mcp.json"]),
            ],
        },
        ClientKind::Opencode => {
            vec![below(xdg, &["opencode", "opencode.json"]), below(xdg, &["opencode", "opencode.jsonc"])]
        }
        ClientKind::LmStudio => vec![below(home, &[".lmstudio", "mcp.json"])],
        ClientKind::Goose if is_windows => vec![below(settings, &["Block", "goose", "config", "config.yaml"])],
        ClientKind::Goose => vec![below(xdg, &["goose", "config.yaml"])],
        ClientKind::LibreChat => Vec::new(),
    }
}

fn of_project(client: ClientKind) -> &'static [&'static [&'static str]] {
    match client {
        ClientKind::ClaudeCode => &[&[".mcp.json"]],
        ClientKind::Vscode => &[&[".vscode", "mcp.json"]],
        ClientKind::Cursor => &[&[".cursor", "mcp.json"]],
        ClientKind::Codex => &[&[".codex", "config.toml"]],
        ClientKind::Gemini => &[&[".gemini", "settings.json"]],
        ClientKind::Zed => &[&[".zed", "settings.json"]],
        ClientKind::Opencode => &[&["opencode.json"], &["opencode.jsonc"]],
        ClientKind::LibreChat => &[&["librechat.yaml"]],
        ClientKind::ClaudeDesktop
        | ClientKind::Windsurf
        | ClientKind::Cline
        | ClientKind::LmStudio
        | ClientKind::Goose => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(client: ClientKind, scope: ConfigScope, system: OperatingSystem) -> Vec<String> {
        let (home, project) = (PathBuf::from("/home/ana"), PathBuf::from("/project"));
        let variable = |name: &str| (name == "APPDATA").then(|| "/home/ana/AppData/Roaming".into());
        let folders = ClientFolders::of(system, home, project, variable);
        let places = places(client, scope, &folders);
        places.iter().map(|path| path.display().to_string().replace('\\', "/").replace("/home/ana", "~")).collect()
    }

    #[test]
    fn the_file_of_each_client_is_where_its_maker_says_on_every_system() {
        use ClientKind as C;
        const SAME: &str = "";
        for (client, linux, mac, windows) in [
            (C::ClaudeCode, "~/.claude.json", SAME, SAME),
            (
                C::ClaudeDesktop,
                "~/.config/Claude/claude_desktop_config.json",
                "~/Library/Application Support/Claude/claude_desktop_config.json",
                "~/AppData/Roaming/Claude/claude_desktop_config.json",
            ),
            (
                C::Vscode,
                "~/.config/Code/User/mcp.json",
                "~/Library/Application Support/Code/User/mcp.json",
                "~/AppData/Roaming/Code/User/mcp.json",
            ),
            (C::Cursor, "~/.cursor/mcp.json", SAME, SAME),
            (C::Windsurf, "~/.codeium/windsurf/mcp_config.json", SAME, SAME),
            (C::Codex, "~/.codex/config.toml", SAME, SAME),
            (C::Gemini, "~/.gemini/settings.json", SAME, SAME),
            (C::Zed, "~/.config/zed/settings.json", SAME, "~/AppData/Roaming/Zed/settings.json"),
            (C::Cline, "~/.cline/data/settings/cline_mcp_settings.json ~/.cline/mcp.json", SAME, SAME),
            (C::Opencode, "~/.config/opencode/opencode.json ~/.config/opencode/opencode.jsonc", SAME, SAME),
            (C::LmStudio, "~/.lmstudio/mcp.json", SAME, SAME),
            (C::Goose, "~/.config/goose/config.yaml", SAME, "~/AppData/Roaming/Block/goose/config/config.yaml"),
        ] {
            let or_same = |text: &'static str| if text == SAME { linux } else { text };
            for (system, place) in [
                (OperatingSystem::Linux, linux),
                (OperatingSystem::MacOs, or_same(mac)),
                (OperatingSystem::Windows, or_same(windows)),
            ] {
                assert_eq!(shown(client, ConfigScope::User, system).join(" "), place, "{client:?} {system:?}");
            }
        }
    }

    #[test]
    fn the_file_of_a_project_is_in_its_folder() {
        for client in ClientKind::value_variants() {
            for place in shown(*client, ConfigScope::Project, OperatingSystem::this()) {
                assert!(place.starts_with("/project/"), "{client:?}: {place}");
            }
        }
        let has_one = |client| !shown(client, ConfigScope::Project, OperatingSystem::Linux).is_empty();
        assert!(has_one(ClientKind::ClaudeCode) && has_one(ClientKind::Vscode) && !has_one(ClientKind::ClaudeDesktop));
    }

    #[test]
    fn a_variable_of_the_client_moves_its_file() {
        let variable = |name: &str| (name != "XDG_CONFIG_HOME" && name != "APPDATA").then(|| "/elsewhere".into());
        let folders = ClientFolders::of(OperatingSystem::Linux, "/home/ana".into(), "/project".into(), variable);
        for (client, place) in [
            (ClientKind::ClaudeCode, "/elsewhere/.claude.json"),
            (ClientKind::Codex, "/elsewhere/config.toml"),
            (ClientKind::Gemini, "/elsewhere/.gemini/settings.json"),
            (ClientKind::Cline, "/elsewhere"),
            (ClientKind::Cursor, "/home/ana/.cursor/mcp.json"),
        ] {
            assert_eq!(places(client, ConfigScope::User, &folders), [PathBuf::from(place)]);
        }
    }
}
