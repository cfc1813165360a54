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

use crate::domain::{E164, NumberLocation};
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
        title: "Your numbers",
        tool: Some(ListNumbers::NAME),
        html: include_str!("views/inventory.html"),
    },
];
/// The mark and the tag that every page shows beside its title.
const HEAD: &str = include_str!("views/head.html");
/// What the pages of results share beside it.
const RESULTS: &str = include_str!("views/results.js");
const CLIENT: &str = include_str!("views/client.js");
const STYLE: &str = include_str!("views/style.css");

impl AppPage {
    /// Returns the whole page. It loads nothing from elsewhere. `sandbox` says whether the account is a sandbox.
    fn text(&self, sandbox: bool) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let client = CLIENT.replace("{{name}}", self.name).replace("{{version}}", version);
        let whole = self.html.replace("{{head}}", HEAD).replace("{{style}}", STYLE).replace("{{client}}", &client);
        let whole = whole.replace("{{results}}", RESULTS).replace("{{sandbox}}", if sandbox { "" } else { " hidden" });
        without_blanks(&whole)
    }
}

/// Returns a page without what only the reader of its source needs: blanks at the ends of lines, line ends after marks,
/// blanks in the style, and lines that are comments. No text of a script goes over several lines.
fn without_blanks(page: &str) -> String {
    const MARKS: [(&str, &str); 7] =
        [(" {", "{"), ("{ ", "{"), (": ", ":"), ("; ", ";"), (", ", ","), (" }", "}"), (";}", "}")];
    let mut sent = String::with_capacity(page.len());
    let mut is_style = false;
    for line in page.lines().map(str::trim) {
        if line.is_empty() || (line.starts_with("/*") && line.ends_with("*/")) {
            continue;
        }
        is_style = (is_style || line == "<style>") && line != "</style>";
        if is_style {
            sent.push_str(&MARKS.iter().fold(line.to_owned(), |line, (long, short)| line.replace(long, short)));
        } else {
            sent.push_str(line);
        }
        if !line.ends_with([';', '{', ',', '(']) {
            sent.push('\n');
        }
    }
    sent
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

/// Returns a page by its address. `None` if there is none. `sandbox` says whether the caller's account is a sandbox.
pub(crate) fn read(uri: &str, sandbox: bool) -> Option<ReadResourceResult> {
    let page = PAGES.iter().find(|page| page.uri == uri)?;
    let content = ResourceContents::text(page.text(sandbox), page.uri).with_mime_type(PAGE).with_meta(presented());
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
    let repeatable = !secrets.iter().any(|name| arguments.get(*name).is_some_and(|value| !value.is_null()));
    (shows_results(tool) && repeatable).then(|| Value::Object(arguments.clone()))
}

/// Returns whether a page shows the results of a tool.
pub(crate) fn shows_results(tool: &str) -> bool {
    PAGES.iter().any(|page| page.tool == Some(tool))
}

/// The most numbers of a result of which a page learns more.
const MOST_NUMBERS: usize = 250;

/// Returns how people write the numbers of a result, and where each number is from. Only the page reads it, so the
/// result itself stays small. A number of the North American plan has no `shown`, because the page groups it itself.
pub(crate) fn numbers(result: &Map<String, Value>) -> Value {
    let rows = |name: &str| result.get(name).and_then(Value::as_array).into_iter().flatten();
    let columns: Vec<&str> = rows("columns").filter_map(Value::as_str).collect();
    let column = columns.iter().position(|name| *name == "number").unwrap_or_default();
    let objects = rows("offers").chain(rows("numbers")).filter_map(|row| row.get("number")?.as_str());
    let cells = rows("rows").filter_map(|row| row.get(column)?.as_str());
    let known = |number: &str| {
        let read = E164::try_from(number).ok()?;
        let mut facts = Map::new();
        if !number.starts_with("+1") {
            facts.insert("shown".to_owned(), json!(read.for_people()));
        }
        facts.extend(NumberLocation::of(number).map(|place| ("place".to_owned(), json!(place.to_string()))));
        (!facts.is_empty()).then(|| (number.to_owned(), Value::Object(facts)))
    };
    Value::Object(objects.chain(cells).take(MOST_NUMBERS).filter_map(known).collect())
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
        for (page, text) in PAGES.iter().map(|page| (page, page.text(true))) {
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
            let text = page.text(true);
            for word in text
                .split(['"', '`'])
                .filter(|word| !word.contains(['<', ' ', ':', '.']) && word.contains('/') && !word.starts_with('/'))
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
    fn only_a_page_of_a_sandbox_shows_the_tag() {
        for page in &PAGES {
            let tag = |sandbox| page.text(sandbox).contains("<span class=\"amber\" hidden>Sandbox</span>");
            assert_eq!((tag(true), tag(false)), (false, true), "{}", page.name);
            assert!(page.text(true).contains("<span class=\"amber\">Sandbox</span>"), "{}", page.name);
        }
    }

    #[test]
    fn a_page_learns_how_numbers_are_written_and_where_they_are_from() {
        let given = |value: Value| value.as_object().cloned().unwrap_or_default();
        let (london, boston) = ("+442079460123", "+16175550155");
        let expected = json!({
            london: { "shown": "+44 20 7946 0123", "place": "GB" },
            boston: { "place": "Boston, MA" },
        });
        let objects = json!({ "numbers": [{ "number": london }, { "number": boston }, { "number": "no number" }] });
        assert_eq!(numbers(&given(objects)), expected);
        let table = json!({ "columns": ["id", "number"], "rows": [["1", london], ["2", boston]] });
        assert_eq!(numbers(&given(table)), expected);
        assert_eq!(numbers(&given(json!({ "status": "ok" }))), json!({}));
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
