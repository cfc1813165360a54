//! The catalog: every tool as clients see it, with its handler.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rmcp::model::{MetaObject, Tool as ToolCard, ToolAnnotations};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::Effect;
use crate::guard::{Cap, Policy, Scope};
use crate::mcp::apps::pages;
use crate::mcp::call::client_call::ClientCall;
use crate::mcp::call::metrics;
use crate::mcp::call::service::{CallResult, Handler};
use crate::mcp::offer::buy_offer;
use crate::mcp::tenant::principal::Principal;
use crate::tools::{Change, Read, Tool, Visitor, drop_bookkeeping, input_schema, output_schema, visit};

/// The metadata key of the words by which Claude Code's search of tools finds a tool. Models do not see them.
const SEARCH_HINT: &str = "anthropic/searchHint";

/// One tool of the catalog.
pub struct CatalogEntry {
    /// The tool as clients see it.
    pub card: ToolCard,
    /// The effect of calling it.
    pub effect: Effect,
    /// The scope that a caller needs to call it.
    pub scope: Scope,
    /// The names of its arguments.
    fields: &'static [&'static str],
    /// The names of its arguments that carry secrets.
    pub secrets: Vec<&'static str>,
    /// What follows the name in an example of a call on the sandbox, as a shell reads it.
    pub example: Option<&'static str>,
    /// The tool as clients see it where the keys of a carrier may not be arguments.
    without_keys: Option<ToolCard>,
    tool: &'static str,
    way: Handler,
}

impl CatalogEntry {
    /// Returns the name of the tool.
    pub fn name(&self) -> &str {
        &self.card.name
    }

    /// Returns the tool as clients see it under this policy.
    pub fn shown(&self, policy: &Policy) -> &ToolCard {
        self.without_keys.as_ref().filter(|_| policy.no_inline_secrets).unwrap_or(&self.card)
    }

    /// Calls the tool. `unwanted` is cancelled when the caller cancels the call.
    pub async fn call(
        &self,
        arguments: Map<String, Value>,
        principal: &Principal,
        from: ClientCall,
        unwanted: CancellationToken,
    ) -> CallResult {
        let Principal { tenant, caller, rights } = principal;
        let begun = Instant::now();
        let reply = tenant.service.call(self.effect, self.way, arguments, (caller, rights), from, unwanted).await;
        metrics::call(self.tool, &reply, begun.elapsed());
        reply
    }

    /// Removes arguments that a client adds for its own use. So no question shows them, and a second call may differ in
    /// them.
    pub fn drop_bookkeeping(&self, arguments: &mut Map<String, Value>) {
        drop_bookkeeping(arguments, self.fields);
    }

    /// Checks whether the tool is offered to a caller. The policy and the caller's rights must both allow it.
    pub(crate) fn is_offered(&self, principal: &Principal) -> bool {
        let (tool, reads) = (self.tool, self.effect.reads());
        principal.tenant.service.policy.offers(tool, reads) && principal.rights.offers(tool, self.scope, reads)
    }
}

/// Every tool, in the order in which clients list them.
pub struct Catalog {
    tools: Vec<CatalogEntry>,
    /// Additional tools for the pages that a client shows, hidden from models.
    of_pages: Vec<CatalogEntry>,
}

impl Catalog {
    /// Builds the catalog from all tools.
    pub fn new() -> Self {
        let mut catalog = Self { tools: Vec::new(), of_pages: Vec::new() };
        visit(&mut catalog);
        catalog
    }

    /// Returns the names of all tools, without building schemas.
    pub fn names() -> Vec<&'static str> {
        let mut names = ToolNames(Vec::new());
        visit(&mut names);
        names.0
    }

    /// Returns the scope that each tool needs, by tool name, without building schemas.
    pub fn scopes() -> HashMap<&'static str, Scope> {
        let mut scopes = Scopes(HashMap::new());
        visit(&mut scopes);
        scopes.0
    }

    /// Returns the scopes that are useful to callers under this policy, without building schemas.
    pub fn useful_scopes(policy: &Policy) -> BTreeSet<Scope> {
        // A tool with a cap of zero is listed, so that its refusal gives the reason. Nobody must log in for it.
        Self::scopes_of(policy, |effect| effect.kind().and_then(|kind| policy.caps.of(kind)) != Some(Cap::Most(0)))
    }

    /// Returns the scopes with which a caller is offered at least one tool under this policy.
    pub fn offered_scopes(policy: &Policy) -> BTreeSet<Scope> {
        Self::scopes_of(policy, |_| true)
    }

    fn scopes_of(policy: &Policy, counts: impl Fn(Effect) -> bool) -> BTreeSet<Scope> {
        let mut found = ScopesUnder { policy, counts, scopes: BTreeSet::new() };
        visit(&mut found);
        found.scopes
    }

    /// Returns all tools, without those for pages only.
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.tools
    }

    /// Returns the tool with this name that only pages may call.
    pub(crate) fn of_pages(&self, name: &str) -> Option<&CatalogEntry> {
        self.of_pages.iter().find(|entry| entry.name() == name)
    }

    /// Returns the tools that only pages may call, for a client that shows pages.
    pub(crate) fn entries_of_pages(&self) -> &[CatalogEntry] {
        &self.of_pages
    }

    /// Returns the tool with this name.
    pub fn get(&self, name: &str) -> Option<&CatalogEntry> {
        self.tools.iter().find(|entry| entry.name() == name)
    }

    /// Checks whether a tool with this name exists and is offered to this caller.
    pub(crate) fn offers(&self, name: &str, principal: &Principal) -> bool {
        self.get(name).is_some_and(|entry| entry.is_offered(principal))
    }

    /// Returns the tools that the policy offers.
    pub fn offered<'a>(&'a self, policy: &'a Policy) -> impl Iterator<Item = &'a CatalogEntry> {
        self.tools.iter().filter(|entry| policy.offers(entry.name(), entry.effect.reads()))
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

struct ToolNames(Vec<&'static str>);

impl Visitor for ToolNames {
    fn read<T: Read>(&mut self) {
        self.0.push(T::NAME);
    }

    fn change<T: Change>(&mut self) {
        self.0.push(T::NAME);
    }
}

struct Scopes(HashMap<&'static str, Scope>);

impl Visitor for Scopes {
    fn read<T: Read>(&mut self) {
        self.0.insert(T::NAME, T::SCOPE);
    }

    fn change<T: Change>(&mut self) {
        self.0.insert(T::NAME, T::SCOPE);
        if T::NAME == buy_offer::BUYS {
            self.0.insert(buy_offer::NAME, T::SCOPE);
        }
    }
}

/// Collects the scopes of the tools that a policy offers and `counts` accepts.
struct ScopesUnder<'a, F> {
    policy: &'a Policy,
    counts: F,
    scopes: BTreeSet<Scope>,
}

impl<F: Fn(Effect) -> bool> ScopesUnder<'_, F> {
    fn tool<T: Tool>(&mut self) {
        if self.policy.offers(T::NAME, T::EFFECT.reads()) && (self.counts)(T::EFFECT) {
            self.scopes.insert(T::SCOPE);
        }
    }
}

impl<F: Fn(Effect) -> bool> Visitor for ScopesUnder<'_, F> {
    fn read<T: Read>(&mut self) {
        self.tool::<T>();
    }

    fn change<T: Change>(&mut self) {
        self.tool::<T>();
    }
}

impl Visitor for Catalog {
    fn read<T: Read>(&mut self) {
        self.tools
            .push(entry::<T>(|service, arguments, call_context| Box::pin(service.read::<T>(arguments, call_context))));
    }

    fn change<T: Change>(&mut self) {
        self.tools.push(entry::<T>(|service, arguments, call_context| {
            Box::pin(service.change::<T>(arguments, call_context))
        }));
        if T::NAME == buy_offer::BUYS {
            let door = entry::<T>(|service, arguments, call_context| {
                Box::pin(buy_offer::buy::<T>(service, arguments, call_context))
            });
            // This tool never takes keys.
            self.of_pages.push(CatalogEntry { card: buy_offer::card(door.card), without_keys: None, ..door });
        }
    }
}

fn entry<T: Tool>(way: Handler) -> CatalogEntry {
    let effect = T::EFFECT;
    let annotations = ToolAnnotations::with_title(T::TITLE)
        .read_only(effect.reads())
        .destructive(!effect.reads())
        .idempotent(effect.idempotent())
        .open_world(true);
    let (description, input) = input_schema::<T>();
    let secrets = T::secrets();
    let mut card = ToolCard::new(T::NAME, Cow::Owned(description), input)
        .with_title(T::TITLE)
        .with_raw_output_schema(Arc::new(output_schema::<T::Output>(effect.reads())))
        .with_annotations(annotations);
    let mut meta = MetaObject::default();
    meta.0.insert(SEARCH_HINT.to_owned(), json!(T::SEARCH_HINT));
    if effect.grave() {
        meta.0.insert("anthropic/requiresUserInteraction".to_owned(), json!(true));
    }
    card = pages::with_more_meta(card, meta);
    card = pages::with_page(card);
    let without_keys = without(&card, &T::inline());
    let (scope, fields, example) = (T::SCOPE, T::FIELDS, T::EXAMPLE);
    CatalogEntry { card, effect, scope, fields, secrets, example, without_keys, tool: T::NAME, way }
}

/// Returns the same tool without these arguments; `None` if the list is empty.
fn without(card: &ToolCard, arguments: &[&str]) -> Option<ToolCard> {
    if arguments.is_empty() {
        return None;
    }
    let mut schema = (*card.input_schema).clone();
    schema.get_mut("properties")?.as_object_mut()?.retain(|name, _| !arguments.contains(&name.as_str()));
    let mut card = card.clone();
    card.input_schema = Arc::new(schema);
    Some(card)
}
