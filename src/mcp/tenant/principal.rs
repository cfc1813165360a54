//! Who calls, what they may do, and for which tenant: made by the way in, which has verified it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::domain::{AccessField, AccountSid, ArgumentProblem, Caller, CarrierAccess, SipServer};
use crate::guard::{Rights, Scope};
use crate::mcp::call::service::Service;
use crate::mcp::consent::credential_forms::{FormContent, FormError};
use crate::mcp::tenant::instructions::instructions;
use crate::redact::Secret;

/// One tenant: its own Truedy account, limits and view of the journal.
pub struct Tenant {
    /// As tokens and the journal name it.
    pub name: String,
    /// The way of its calls.
    pub service: Arc<Service>,
    /// What its clients are told of the server.
    pub instructions: Arc<str>,
}

impl Tenant {
    /// A tenant on a service. `mode` says which Truedy it works on, in a word: `live` or `sandbox`.
    pub fn new(name: String, service: Arc<Service>, mode: &str) -> Arc<Self> {
        let instructions = instructions(mode, &service.policy).into();
        Arc::new(Self { name, service, instructions })
    }
}

/// A caller whose identity was verified. A request that carries none is not served.
#[derive(Clone)]
pub struct Principal {
    /// Whose account is worked on.
    pub tenant: Arc<Tenant>,
    /// Who it is.
    pub caller: Caller,
    /// What it may do of what the tenant's policy allows.
    pub rights: Arc<Rights>,
}

/// Who sends a message in a session or on a stream, and what the token that came with it is good for.
///
/// A session belongs to the caller. The scopes are those of each message's own token, and may grow or shrink within a session.
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

    /// Somebody of a tenant.
    pub fn new(tenant: Arc<Tenant>, name: String, rights: Rights) -> Self {
        let caller = Caller { tenant: tenant.name.clone(), principal: name };
        Self { tenant, caller, rights: Arc::new(rights) }
    }

    /// Counts as work under way until it is dropped: the end of the program waits for it.
    pub fn work(&self) -> TaskTrackerToken {
        self.tenant.service.tasks.token()
    }

    /// What a page of this principal's shows.
    pub fn look_at_page(&self, id: &str) -> Result<FormContent, FormError> {
        self.tenant.service.pages.look(id, &self.caller)
    }

    /// Enters these values on a page of this principal's; they are looked for in all that comes back from now on.
    pub fn fill_page(&self, id: &str, csrf: &str, given: Vec<(AccessField, Secret)>) -> Result<(), FormError> {
        let service = &self.tenant.service;
        let fields: Vec<AccessField> = given.iter().map(|(field, _)| *field).collect();
        let admit = |access: &CarrierAccess| match access.sip_server().map(|server| service.policy.admit_sip(&server)) {
            Some(Err(refusal)) => {
                let reason = refusal.summary.trim_start_matches("Nothing was imported. ").to_owned();
                Err(ArgumentProblem::of::<SipServer>(AccessField::SipServer.name(), reason, None))
            }
            _ => match AccessField::of(access.provider()).iter().find(|(field, _)| field.is_advised()) {
                // Whoever has the page open has it, and without it the page would be spent for nothing.
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

    /// Says on a page of this principal's that it is not wanted.
    pub fn refuse_page(&self, id: &str, csrf: &str) -> Result<(), FormError> {
        self.tenant.service.pages.refuse(id, &self.caller, csrf)
    }

    /// The one who started the server, and may do whatever its policy allows.
    pub fn local(service: Arc<Service>, mode: &str) -> Self {
        let Caller { tenant, principal } = Caller::local();
        Self::new(Tenant::new(tenant, service, mode), principal, Rights::default())
    }
}
