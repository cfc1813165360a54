//! Who calls, what they may do, and for which tenant: made by the way in, which has verified it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::instructions::instructions;
use super::route::Service;
use crate::domain::Caller;
use crate::guard::{Rights, Scope};

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

/// Whose a session or a stream is: the same caller with another token may not have the same rights, and what is answered in it
/// is answered by whoever opened it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) caller: Caller,
    scopes: BTreeSet<Scope>,
}

impl Principal {
    /// This principal as an owner.
    pub(super) fn owner(&self) -> Owner {
        Owner { caller: self.caller.clone(), scopes: self.rights.scopes.clone() }
    }

    /// Somebody of a tenant.
    pub fn new(tenant: Arc<Tenant>, name: String, rights: Rights) -> Self {
        let caller = Caller { tenant: tenant.name.clone(), principal: name };
        Self { tenant, caller, rights: Arc::new(rights) }
    }

    /// The one who started the server, and may do whatever its policy allows.
    pub fn local(service: Arc<Service>, mode: &str) -> Self {
        let Caller { tenant, principal } = Caller::local();
        Self::new(Tenant::new(tenant, service, mode), principal, Rights::default())
    }
}
