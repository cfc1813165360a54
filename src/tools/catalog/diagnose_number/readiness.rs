//! Whether a call would be answered: the agents, their readiness, and the carrier.

use serde_json::json;

use crate::domain::{Direction, Slot};
use crate::tools::account::roster::Roster;
use crate::tools::catalog::diagnose_number::case::{DiagnosisCase, SyncState, is_missing};
use crate::tools::catalog::diagnose_number::findings::{Finding, FindingAction, NO_OUTBOUND, Weight, call};

impl DiagnosisCase {
    /// Nobody has a direction: the agent of the other one may be meant.
    pub(crate) fn nobody(&self, direction: Direction) -> Finding {
        let (code, what, other) = match direction {
            Direction::Inbound => (
                "no_inbound_agent",
                "No agent answers the number. Assign one for inbound calls, if the user wants it answered.",
                &self.number.outbound,
            ),
            Direction::Outbound => (
                NO_OUTBOUND,
                "No agent calls from the number. Assign one for outbound calls, if the user wants it to call out.",
                &self.number.inbound,
            ),
        };
        let next = match other {
            Slot::Held(id) if !is_missing(&self.roster, id) => {
                let arguments =
                    json!({ "number_id": self.number.name(), "agent_id": id, "assignment_type": direction });
                call("assign_number", arguments)
            }
            _ => call("list_agents", json!({ "status": "active" })),
        };
        // A number that is answered need not call out; one that nobody answers leaves its callers with nothing.
        let answered = direction == Direction::Outbound && matches!(other, Slot::Held(_));
        let meant = answered && self.directions.len() > 1;
        Finding::new(code, if meant { Weight::Check } else { Weight::Fault }, what, next).of(direction)
    }

    /// Whether the agents that hold the number can take and make calls.
    pub(crate) fn agents(&self, slots: &[(Direction, Slot)], findings: &mut Vec<Finding>) {
        let mut seen: Vec<&str> = Vec::new();
        for (direction, slot) in slots {
            let Slot::Held(id) = slot else { continue };
            if seen.contains(&id.as_str()) {
                continue;
            }
            seen.push(id);
            let both = slots.iter().all(|(_, other)| other == slot) && slots.len() > 1;
            let sync = self.asked.iter().find(|asked| asked.id == *id).map(|asked| &asked.sync);
            let found = readiness(&self.roster, id, sync).into_iter().map(|finding| self.agent(finding, id));
            findings.extend(found.map(|finding| if both { finding } else { finding.of(*direction) }));
        }
    }

    /// What an own carrier must do for its number; none of it can be read.
    pub(crate) fn carrier(&self, slots: &[(Direction, Slot)], findings: &mut Vec<Finding>) {
        if self.number.managed == Some(true) {
            return;
        }
        let provider = self.history.iter().flatten().find_map(|one| one.object.provider.as_deref());
        for (direction, slot) in slots {
            let Slot::Held(id) = slot else { continue };
            let sync = self.asked.iter().find(|asked| asked.id == *id).map(|asked| &asked.sync);
            let mut finding = match direction {
                Direction::Inbound if matches!(sync, Some(SyncState::NotSynced)) || is_missing(&self.roster, id) => {
                    continue;
                }
                Direction::Inbound => Finding::new(
                    "carrier_webhook",
                    Weight::Check,
                    "A number with an own carrier rings only if that carrier sends its calls to this agent's webhook URL; what is set there cannot be seen from here.",
                    FindingAction::Outside(
                        "carrier",
                        "Compare the number's voice webhook for incoming calls with webhook_url and set it (Twilio: A call comes in, HTTP POST). For Telnyx, Truedy's guide speaks of a SIP connection instead. get_webhook_url says where.",
                    ),
                ),
                Direction::Outbound => Finding::new(
                    "carrier_credential",
                    Weight::Check,
                    "Calls out go through the own carrier with the credential given at import, which Truedy does not verify.",
                    FindingAction::Outside(
                        "carrier",
                        "See that the key or SIP account is valid and may call from this number.",
                    ),
                ),
            };
            if let (Direction::Inbound, Some(SyncState::Url(hook))) = (direction, sync) {
                finding = finding.with("webhook_url", hook.url.as_str());
            }
            if let Some(provider) = provider {
                finding = finding.with("provider", provider);
            }
            if self.number.managed.is_none() {
                finding = finding.with("kind", self.number.kind());
            }
            findings.push(self.agent(finding.of(*direction), id));
        }
    }
}

/// What keeps an agent from taking and making calls.
pub(crate) fn readiness(roster: &Roster, id: &str, sync: Option<&SyncState>) -> Vec<Finding> {
    let not_synced = matches!(sync, Some(SyncState::NotSynced));
    let mut findings = Vec::new();
    match roster.agent(id).map(|agent| agent.status.as_str()) {
        None if is_missing(roster, id) => {
            return vec![Finding::new(
                "agent_missing",
                Weight::Fault,
                "The agent is not among the agents of this account; it may have been deleted. Assign another.",
                call("list_agents", json!({ "status": "active" })),
            )];
        }
        None => findings.push(Finding::new(
            "agent_unread",
            Weight::Unknown,
            "The agents could not be read, so whether this one is active is not known.",
            call("list_agents", json!({})),
        )),
        Some("active") => {}
        Some(status @ ("draft" | "creating" | "failed" | "inactive")) => {
            let mut finding = Finding::new(
                "agent_not_active",
                Weight::Fault,
                "The agent is not active; only an active one takes and makes calls.",
                FindingAction::Outside("dashboard", "Finish, repair or activate the agent there (one that is being created becomes active by itself), or assign another."),
            )
            .with("agent_status", status);
            if not_synced {
                finding = finding.with("synced", false);
            }
            return vec![finding];
        }
        Some(status) => findings.push(
            Finding::new(
                "agent_status_unclear",
                Weight::Unknown,
                "The agent is not said to be active; what its status means is not known here.",
                FindingAction::Outside("dashboard", "Look at the agent."),
            )
            .with("agent_status", status),
        ),
    }
    findings.extend(unsynced(sync, id));
    findings
}

/// Whether the voice engine does not know the agent, or that could not be read.
fn unsynced(sync: Option<&SyncState>, id: &str) -> Option<Finding> {
    match sync {
        Some(SyncState::Url(_)) => None,
        Some(SyncState::NotSynced) => Some(Finding::new(
            "agent_not_synced",
            Weight::Fault,
            "The agent is not synced to the voice engine, so no call reaches it.",
            FindingAction::Outside(
                "dashboard",
                "Save and activate the agent again, or ask Truedy's support; or assign another.",
            ),
        )),
        _ => Some(Finding::new(
            "sync_unread",
            Weight::Unknown,
            "The agent's webhook URL could not be read, so whether the voice engine knows the agent is not known.",
            call("get_webhook_url", json!({ "agent_id": id })),
        )),
    }
}
