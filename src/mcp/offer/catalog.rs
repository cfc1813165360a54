//! The catalogue: every tool as clients see it, and the way to call it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rmcp::model::{MetaObject, Tool as ToolCard, ToolAnnotations};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::guard::{Policy, Scope};
use crate::mcp::apps::pages;
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::metrics;
use crate::mcp::call::service::{CallResult, Handler};
use crate::mcp::consent::elicitation::Elicitor;
use crate::mcp::offer::buy_offer;
use crate::mcp::tenant::principal::Principal;
use crate::tools::{Change, Effect, Read, Tool, Visitor, drop_bookkeeping, input_schema, output_schema, visit};

/// One tool.
pub struct CatalogEntry {
    /// As clients see it.
    pub card: ToolCard,
    /// What calling it does.
    pub effect: Effect,
    /// What a caller must have been given to call it.
    pub scope: Scope,
    /// The names of its arguments.
    fields: &'static [&'static str],
    /// The names of arguments that carry secrets.
    pub secrets: Vec<&'static str>,
    /// As clients see it where a carrier's keys may not be arguments.
    without_keys: Option<ToolCard>,
    tool: &'static str,
    way: Handler,
}

impl CatalogEntry {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.card.name
    }

    /// As clients see it under this policy.
    pub fn shown(&self, policy: &Policy) -> &ToolCard {
        self.without_keys.as_ref().filter(|_| policy.no_inline_secrets).unwrap_or(&self.card)
    }

    /// Calls it. `unwanted` is cancelled when the caller no longer wants it.
    pub async fn call(
        &self,
        arguments: Map<String, Value>,
        principal: &Principal,
        asking: (Elicitor, AppsSupport),
        unwanted: CancellationToken,
    ) -> CallResult {
        let Principal { tenant, caller, rights } = principal;
        let begun = Instant::now();
        let reply = tenant.service.call(self.effect, self.way, arguments, (caller, rights), asking, unwanted).await;
        metrics::call(self.tool, &reply, begun.elapsed());
        reply
    }

    /// Takes out of the arguments what a client adds for itself: nobody is asked about it, and no second round differs by it.
    pub fn drop_bookkeeping(&self, arguments: &mut Map<String, Value>) {
        drop_bookkeeping(arguments, self.fields);
    }

    /// Whether it is offered to a caller: the operator and the caller's rights must both allow it.
    pub(crate) fn is_offered(&self, principal: &Principal) -> bool {
        let (tool, reads) = (self.tool, self.effect.reads());
        principal.tenant.service.policy.offers(tool, reads) && principal.rights.offers(tool, self.scope, reads)
    }
}

/// Every tool, in the order in which clients see them.
pub struct Catalog {
    tools: Vec<CatalogEntry>,
    /// Other doors to tools, for pages that a client shows and not for models.
    of_pages: Vec<CatalogEntry>,
}

impl Catalog {
    /// Derives the catalogue from the tools.
    pub fn new() -> Self {
        let mut catalog = Self { tools: Vec::new(), of_pages: Vec::new() };
        visit(&mut catalog);
        catalog
    }

    /// Their names alone, for which no schema is derived.
    pub fn names() -> Vec<&'static str> {
        let mut names = ToolNames(Vec::new());
        visit(&mut names);
        names.0
    }

    /// What each needs of its caller, by name; no schema is derived either.
    pub fn scopes() -> HashMap<&'static str, Scope> {
        let mut scopes = Scopes(HashMap::new());
        visit(&mut scopes);
        scopes.0
    }

    /// The scopes that callers of somebody under this policy have a use for. No schema is derived either.
    pub fn useful_scopes(policy: &Policy) -> BTreeSet<Scope> {
        // What may be done no time at all is listed, so that its refusal says why; nobody need log in for it.
        Self::scopes_of(policy, |tool| policy.caps.of(tool).is_none_or(|(_, cap)| cap.most() != Some(0)))
    }

    /// The scopes that give a caller a tool under this policy.
    pub fn offered_scopes(policy: &Policy) -> BTreeSet<Scope> {
        Self::scopes_of(policy, |_| true)
    }

    fn scopes_of(policy: &Policy, counts: impl Fn(&str) -> bool) -> BTreeSet<Scope> {
        let mut found = ScopesUnder { policy, counts, scopes: BTreeSet::new() };
        visit(&mut found);
        found.scopes
    }

    /// All of them.
    pub fn entries(&self) -> &[CatalogEntry] {
        &self.tools
    }

    /// What pages may call besides.
    pub(crate) fn of_pages(&self, name: &str) -> Option<&CatalogEntry> {
        self.of_pages.iter().find(|entry| entry.name() == name)
    }

    /// All of that, for a client that shows pages.
    pub(crate) fn entries_of_pages(&self) -> &[CatalogEntry] {
        &self.of_pages
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<&CatalogEntry> {
        self.tools.iter().find(|entry| entry.name() == name)
    }

    /// Whether there is a tool of this name that is offered to this caller.
    pub(crate) fn offers(&self, name: &str, principal: &Principal) -> bool {
        self.get(name).is_some_and(|entry| entry.is_offered(principal))
    }

    /// Those the operator offers.
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

/// The scopes of the tools that a policy offers, as far as they count.
struct ScopesUnder<'a, F> {
    policy: &'a Policy,
    counts: F,
    scopes: BTreeSet<Scope>,
}

impl<F: Fn(&str) -> bool> ScopesUnder<'_, F> {
    fn tool<T: Tool>(&mut self) {
        if self.policy.offers(T::NAME, T::EFFECT.reads()) && (self.counts)(T::NAME) {
            self.scopes.insert(T::SCOPE);
        }
    }
}

impl<F: Fn(&str) -> bool> Visitor for ScopesUnder<'_, F> {
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
            // It takes no keys in any case.
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
    if effect.grave() {
        let mut meta = MetaObject::default();
        meta.0.insert("anthropic/requiresUserInteraction".to_owned(), json!(true));
        card = pages::with_more_meta(card, meta);
    }
    card = pages::with_page(card);
    let without_keys = without(&card, &T::inline());
    CatalogEntry { card, effect, scope: T::SCOPE, fields: T::FIELDS, secrets, without_keys, tool: T::NAME, way }
}

/// The same tool without these arguments; `None` if it has none of them.
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
