//! MCP Apps: pages that a client may show in the chat beside the result of a tool. No page has a fact or an ability
//! that the tools lack.
//!
//! Sources: specification `2026-01-26` of `io.modelcontextprotocol/ui` (modelcontextprotocol/ext-apps). The page that
//! asks a person follows SEP-3118, which is a draft. Only [`AppsSupport::of`] and [`extension`] depend on that draft.

use rmcp::RoleServer;
use rmcp::model::{
    ExtensionCapabilities, JsonObject, MetaObject, ReadResourceResult, Resource, ResourceContents, Tool as ToolCard,
};
use rmcp::service::RequestContext;
use serde_json::{Map, Value, json};

use crate::tools::{ListNumbers, SearchNumbers, Tool};
/// The name of the extension.
const EXTENSION: &str = "io.modelcontextprotocol/ui";
/// The media type of a page.
const PAGE: &str = "text/html;profile=mcp-app";
/// The page on which a person confirms a purchase or a release.
pub(crate) const CONFIRM: &str = "ui://truedy/confirm.html";

/// A page of this server.
struct AppPage {
    uri: &'static str,
    name: &'static str,
    title: &'static str,
    /// The tool whose results it shows. `None` for the page that asks a person.
    tool: Option<&'static str>,
    html: &'static str,
}

/// All pages. The script and the style that they share are in separate files. They are inserted when a page is read.
const PAGES: [AppPage; 3] = [
    AppPage {
        uri: CONFIRM,
        name: "confirm",
        title: "Confirm a purchase or a release",
        tool: None,
        html: include_str!("views/confirm.html"),
    },
    AppPage {
        uri: "ui://truedy/number-picker.html",
        name: "number-picker",
        title: "Numbers for sale",
        tool: Some(SearchNumbers::NAME),
        html: include_str!("views/number-picker.html"),
    },
    AppPage {
        uri: "ui://truedy/inventory.html",
        name: "inventory",
        title: "Numbers of the account",
        tool: Some(ListNumbers::NAME),
        html: include_str!("views/inventory.html"),
    },
];
const CLIENT: &str = include_str!("views/client.js");
const STYLE: &str = include_str!("views/style.css");

impl AppPage {
    /// Returns the whole page. It loads nothing from elsewhere.
    fn text(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let client = CLIENT.replace("{{name}}", self.name).replace("{{version}}", version);
        self.html.replace("{{style}}", STYLE.trim_end()).replace("{{client}}", client.trim_end())
    }
}

/// Which pages the client of a request shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct AppsSupport {
    /// Whether it shows pages beside the results of tools.
    pub(crate) pages: bool,
    /// Whether it shows a page instead of its own form, where a question comes with one.
    pub(crate) cards: bool,
}

impl AppsSupport {
    /// Reads what the client declared for this request.
    pub(crate) fn of(context: &RequestContext<RoleServer>) -> Self {
        let declared = context.client_capabilities().and_then(|capabilities| capabilities.extensions);
        let Some(declared) = declared.as_ref().and_then(|all| all.get(EXTENSION)) else {
            return Self::default();
        };
        let pages =
            declared.get("mimeTypes").and_then(Value::as_array).is_some_and(|types| types.contains(&json!(PAGE)));
        Self { pages, cards: pages && declared.get("elicitation").is_some_and(Value::is_object) }
    }
}

/// Returns what the server declares of the extension.
pub(crate) fn extension() -> ExtensionCapabilities {
    let mut declared = JsonObject::new();
    declared.insert("elicitation".to_owned(), json!({}));
    ExtensionCapabilities::from([(EXTENSION.to_owned(), declared)])
}

/// Returns whether the client of this request shows pages of this server.
pub(crate) fn shows(context: &RequestContext<RoleServer>) -> bool {
    AppsSupport::of(context).pages
}

/// Returns the pages as resources, for a client that shows them.
pub(crate) fn list() -> Vec<Resource> {
    let resource = |page: &AppPage| {
        Resource::new(page.uri, page.name).with_title(page.title).with_mime_type(PAGE).with_meta(presented())
    };
    PAGES.iter().map(resource).collect()
}

/// Returns a page by its address. `None` if there is none.
pub(crate) fn read(uri: &str) -> Option<ReadResourceResult> {
    let page = PAGES.iter().find(|page| page.uri == uri)?;
    let content = ResourceContents::text(page.text(), page.uri).with_mime_type(PAGE).with_meta(presented());
    Some(ReadResourceResult::new(vec![content]))
}

/// Returns how a host frames a page. It declares no address to connect to and no permission, so the strictest rules
/// apply.
fn presented() -> MetaObject {
    meta("ui", json!({ "prefersBorder": true }))
}

/// Adds to a tool the page that shows its results. Every client gets this, because not every host declares that it shows
/// pages.
pub(crate) fn with_page(card: ToolCard) -> ToolCard {
    match PAGES.iter().find(|page| page.tool == Some(&*card.name)) {
        Some(page) => with_more_meta(card, meta("ui", json!({ "resourceUri": page.uri }))),
        None => card,
    }
}

/// Returns the same tool with more `_meta`. The entries that it has already stay.
pub(crate) fn with_more_meta(mut card: ToolCard, more: MetaObject) -> ToolCard {
    card.meta.get_or_insert_default().0.extend(more.0);
    card
}

/// Returns the arguments of a call, with which its page can ask for more results. Some hosts do not give them to the
/// page. `None` if a secret was among them, so that a page cannot repeat the call. Also `None` if no page shows the
/// tool.
pub(crate) fn query(tool: &str, arguments: &Map<String, Value>, secrets: &[&str]) -> Option<Value> {
    let shown = PAGES.iter().any(|page| page.tool == Some(tool));
    let repeatable = !secrets.iter().any(|name| arguments.get(*name).is_some_and(|value| !value.is_null()));
    (shown && repeatable).then(|| Value::Object(arguments.clone()))
}

/// Returns a `_meta` with one entry.
pub(crate) fn meta(name: &str, value: Value) -> MetaObject {
    let mut meta = MetaObject::default();
    meta.0.insert(name.to_owned(), value);
    meta
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// All methods of `schema.json` of `@modelcontextprotocol/ext-apps` 2.0.4. Also the methods of MCP that pages and
    /// hosts exchange, and the method of SEP-3118.
    const METHODS: [&str; 21] = [
        "elicitation/create",
        "ping",
        "resources/read",
        "tools/call",
        "ui/download-file",
        "ui/initialize",
        "ui/message",
        "ui/notifications/host-context-changed",
        "ui/notifications/initialized",
        "ui/notifications/request-teardown",
        "ui/notifications/sandbox-proxy-ready",
        "ui/notifications/sandbox-resource-ready",
        "ui/notifications/size-changed",
        "ui/notifications/tool-cancelled",
        "ui/notifications/tool-input",
        "ui/notifications/tool-input-partial",
        "ui/notifications/tool-result",
        "ui/open-link",
        "ui/request-display-mode",
        "ui/resource-teardown",
        "ui/update-model-context",
    ];

    #[test]
    fn a_page_is_whole_small_and_asks_for_nothing_elsewhere() {
        for page in &PAGES {
            let text = page.text();
            assert!(text.len() < 16 * 1024, "{}: {} bytes", page.name, text.len());
            assert!(text.starts_with("<!doctype html>") && text.contains("lang=\"en\""), "{}", page.name);
            assert!(!text.contains("{{"), "{}: a place for a value is left", page.name);
            for reaches in [
                "http:",
                "https:",
                "//",
                "src=",
                "href=",
                "@import",
                "url(",
                "fetch(",
                "XMLHttp",
                "WebSocket",
                "import(",
                "import ",
                "eval(",
                "innerHTML",
                "outerHTML",
                "insertAdjacent",
                "document.write",
                "localStorage",
                "<select",
                "alert(",
                "overflow: auto",
                "overflow: scroll",
            ] {
                assert!(!text.contains(reaches), "{} has {reaches}", page.name);
            }
        }
    }

    #[test]
    fn pages_and_hosts_exchange_messages_of_the_schema_only() {
        let mut spoken = BTreeSet::new();
        for page in &PAGES {
            let text = page.text();
            for word in text.split(['"', '`']).filter(|word| !word.contains(['<', ' ', ':', '.']) && word.contains('/'))
            {
                if word.starts_with("truedy/") {
                    continue;
                }
                assert!(METHODS.contains(&word), "{} says {word}", page.name);
                spoken.insert(word.to_owned());
            }
            assert!(text.contains("\"2026-01-26\""), "{} names the version of the protocol", page.name);
        }
        for needed in [
            "elicitation/create",
            "tools/call",
            "ui/initialize",
            "ui/notifications/initialized",
            "ui/notifications/size-changed",
            "ui/notifications/tool-input",
            "ui/notifications/tool-result",
            "ui/notifications/host-context-changed",
            "ui/resource-teardown",
            "ui/update-model-context",
        ] {
            assert!(spoken.contains(needed), "nobody says {needed}");
        }
    }

    #[test]
    fn what_a_tool_says_of_itself_stays_beside_its_page() {
        let own = meta("anthropic/requiresUserInteraction", json!(true));
        let card = ToolCard::new("search_numbers", "", JsonObject::new()).with_meta(own);
        let meta = json!(with_page(card).meta);
        assert_eq!(meta["anthropic/requiresUserInteraction"], json!(true));
        assert!(meta["ui"]["resourceUri"].is_string());
    }

    #[test]
    fn a_call_with_a_secret_is_not_repeated_by_a_page() {
        let given = |value: Value| value.as_object().cloned().unwrap_or_default();
        let plain = given(json!({ "area_code": "415" }));
        assert_eq!(query("search_numbers", &plain, &["api_key"]), Some(json!({ "area_code": "415" })));
        assert_eq!(query("search_numbers", &given(json!({ "api_key": "KEY" })), &["api_key"]), None);
        assert_eq!(query("list_agents", &plain, &[]), None, "no page shows it");
    }
}
