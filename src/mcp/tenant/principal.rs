//! The principal of a request: who calls, what they may do, and for which tenant. Whatever accepts the request verifies
//! the caller and makes the principal.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::domain::{AccessField, AccountSid, ArgumentProblem, Caller, CarrierAccess, SipServer};
use crate::guard::{FINAL, Rights, Scope};
use crate::mcp::call::service::Service;
use crate::mcp::consent::credential_forms::{FormContent, FormError};
use crate::mcp::tenant::instructions::instructions;
use crate::redact::Secret;
use crate::tools::change_kinds;

/// One tenant: its own Truedy account, limits and view of the journal.
pub struct Tenant {
    /// The name in tokens and in the journal.
    pub name: String,
    /// The service that runs its calls.
    pub service: Arc<Service>,
    /// The instructions that its clients get.
    pub instructions: Arc<str>,
    /// Whether its Truedy account is a sandbox.
    pub sandbox: bool,
}

impl Tenant {
    /// Returns what a purchase needs under the policy of this tenant. The text completes the sentence "A purchase needs".
    pub fn purchase_needs(&self) -> &'static str {
        self.service.policy.purchase_needs(change_kinds())
    }

    /// Creates a tenant on a service. `mode` names the kind of Truedy account: `live` or `sandbox`.
    pub fn new(name: String, service: Arc<Service>, mode: &str) -> Arc<Self> {
        let instructions = instructions(mode, &service.policy).into();
        Arc::new(Self { name, service, instructions, sandbox: mode == "sandbox" })
    }
}

/// A caller whose identity was verified. A request without one is not served.
#[derive(Clone)]
pub struct Principal {
    /// The tenant whose account is used.
    pub tenant: Arc<Tenant>,
    /// The caller: tenant and principal by name.
    pub caller: Caller,
    /// What it may do within the tenant's policy.
    pub rights: Arc<Rights>,
}

/// The sender of a message in a session or on a stream, and what the message's token is good for.
///
/// A session belongs to the caller. The scopes are those of each message's own token. They may grow or shrink within a
/// session.
#[derive(Debug, Clone)]
pub(crate) struct MessageSender {
    pub(crate) caller: Caller,
    pub(crate) scopes: BTreeSet<Scope>,
}

impl Principal {
    /// This principal as the sender of a message.
    pub(crate) fn sender(&self) -> MessageSender {
        MessageSender { caller: self.caller.clone(), scopes: self.rights.scopes.clone() }
    }

    /// Creates a principal of a tenant.
    pub fn new(tenant: Arc<Tenant>, name: String, rights: Rights) -> Self {
        let caller = Caller { tenant: tenant.name.clone(), principal: name };
        Self { tenant, caller, rights: Arc::new(rights) }
    }

    /// Returns a token that counts as running work until it is dropped. The end of the program waits for it.
    pub fn work(&self) -> TaskTrackerToken {
        self.tenant.service.tasks.token()
    }

    /// Returns what a page of this principal shows.
    pub fn look_at_page(&self, id: &str) -> Result<FormContent, FormError> {
        self.tenant.service.pages.look(id, &self.caller)
    }

    /// Enters these values on a page of this principal. From now on, the redactor looks for them in all results.
    pub fn fill_page(&self, id: &str, csrf: &str, given: Vec<(AccessField, Secret)>) -> Result<(), FormError> {
        let service = &self.tenant.service;
        let fields: Vec<AccessField> = given.iter().map(|(field, _)| *field).collect();
        let admit = |access: &CarrierAccess| match access.sip_server().map(|server| service.policy.check_sip(&server)) {
            Some(Err((_, why))) => {
                let reason = format!("{why}. {FINAL}");
                Err(ArgumentProblem::of::<SipServer>(AccessField::SipServer.name(), reason, None))
            }
            _ => match AccessField::of(access.provider()).iter().find(|(field, _)| field.is_advised()) {
                // The person who has the page open knows this value. Without it, the page would be used up for nothing.
                Some((field, _)) if !fields.contains(field) => {
                    Err(ArgumentProblem::of::<AccountSid>(field.name(), "it is missing".to_owned(), None))
                }
                _ => {
                    service.remember(access.secrets());
                    Ok(service.keep_hidden(access.secrets()))
                }
            },
        };
        service.pages.fill(id, &self.caller, csrf, given, admit)
    }

    /// Records on a page of this principal that the person does not want to enter anything.
    pub fn refuse_page(&self, id: &str, csrf: &str) -> Result<(), FormError> {
        self.tenant.service.pages.refuse(id, &self.caller, csrf)
    }

    /// Returns the principal of the person who started the server. It may do whatever the policy allows.
    pub fn local(service: Arc<Service>, mode: &str) -> Self {
        let Caller { tenant, principal } = Caller::local();
        Self::new(Tenant::new(tenant, service, mode), principal, Rights::default())
    }
}
