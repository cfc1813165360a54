//! The clients that are known here.

use clap::ValueEnum;

/// A client whose configuration is printed or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ClientKind {
    /// Claude Code
    ClaudeCode,
    /// Claude Desktop
    ClaudeDesktop,
    /// VS Code
    #[value(alias = "vs-code")]
    Vscode,
    /// Cursor
    Cursor,
    /// Windsurf
    Windsurf,
    /// Codex
    Codex,
    /// Gemini CLI
    #[value(alias = "gemini-cli")]
    Gemini,
    /// Zed
    Zed,
    /// Cline
    Cline,
    /// opencode
    Opencode,
    /// LM Studio
    #[value(name = "lmstudio", alias = "lm-studio")]
    LmStudio,
    /// Goose
    Goose,
    /// LibreChat
    #[value(name = "librechat")]
    LibreChat,
}

impl ClientKind {
    /// Returns the name of the client as its maker writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Vscode => "VS Code",
            Self::Cursor => "Cursor",
            Self::Windsurf => "Windsurf",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Zed => "Zed",
            Self::Cline => "Cline",
            Self::Opencode => "opencode",
            Self::LmStudio => "LM Studio",
            Self::Goose => "Goose",
            Self::LibreChat => "LibreChat",
        }
    }

    /// Returns the word for the client on the command line.
    pub fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether the file of the client is YAML. This program prints such an entry and does not change the file.
    pub fn is_print_only(self) -> bool {
        matches!(self, Self::Goose | Self::LibreChat)
    }

    /// Returns the field of the file that lists the servers.
    pub fn list(self) -> &'static str {
        match self {
            Self::Vscode => "servers",
            Self::Codex => "mcp_servers",
            Self::Zed => "context_servers",
            Self::Opencode => "mcp",
            Self::Goose => "extensions",
            _ => "mcpServers",
        }
    }

    /// Returns how the client is told to take this variable from its own environment, or to ask for its value.
    /// `None` if the client can do neither.
    pub fn reference(self, variable: &str) -> Option<String> {
        match self {
            Self::ClaudeCode | Self::LibreChat => Some(format!("${{{variable}}}")),
            Self::Cursor | Self::Windsurf => Some(format!("${{env:{variable}}}")),
            Self::Gemini => Some(format!("${variable}")),
            Self::Opencode => Some(format!("{{env:{variable}}}")),
            Self::ClaudeDesktop
            | Self::Vscode
            | Self::Codex
            | Self::Zed
            | Self::Cline
            | Self::LmStudio
            | Self::Goose => None,
        }
    }

    /// Returns what has to be done before the client reads its file again.
    pub fn restart(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Start Claude Code anew; /mcp lists its servers.",
            Self::ClaudeDesktop => "Quit Claude Desktop, not only its window, and start it again.",
            Self::Vscode => "VS Code starts the server with the next chat; \"MCP: List Servers\" shows it.",
            Self::Cursor => "Restart Cursor; Settings > MCP shows the server.",
            Self::Windsurf => "Restart Windsurf, or press Refresh in its list of MCP servers.",
            Self::Codex => "Start Codex anew; codex mcp list shows its servers.",
            Self::Gemini => "Start Gemini CLI anew; /mcp lists its servers.",
            Self::Zed => "Zed starts the server by itself; its agent panel shows it.",
            Self::Cline => "Restart Cline, or the editor that it runs in.",
            Self::Opencode => "Start opencode anew.",
            Self::LmStudio => "LM Studio reads the file again by itself; else restart it.",
            Self::Goose => "Start Goose anew.",
            Self::LibreChat => "Restart LibreChat.",
        }
    }
}
