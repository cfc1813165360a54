//! The small account that the faulty Truedy keeps: what it holds, and what the documented API answers about it.

use serde_json::{Value, json};

use super::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, CREDENTIALS, IMPORT, LIST, PURCHASE, RELEASE, Reply, SEARCH, Seen, UNASSIGN, WEBHOOK,
};

/// The two agents of a fresh account.
pub(crate) const FRONT_DESK: &str = "1f4baf16-1540-4d91-9696-7f34b2f2cb77";
pub(crate) const FRONT_OFFICE: &str = "3a9c5d20-8b1e-4f6a-9c47-51d0e2a6b318";

/// What the account holds.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) numbers: Vec<Value>,
    pub(crate) agents: Vec<Value>,
    pub(crate) credentials: Vec<Value>,
    pub(crate) offers: Vec<Value>,
    made: u32,
}

impl Account {
    pub(super) fn new() -> Self {
        let agent = |id: &str, name: &str| json!({ "id": id, "name": name, "status": "active" });
        Self {
            numbers: Vec::new(),
            agents: vec![agent(FRONT_DESK, "Front desk"), agent(FRONT_OFFICE, "Front office")],
            credentials: Vec::new(),
            offers: Vec::new(),
            made: 0,
        }
    }

    /// A number nobody uses; its id.
    pub(crate) fn add(&mut self, number: &str, managed: bool) -> String {
        self.made += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.made);
        self.numbers.push(json!({
            "id": id, "phone_number": number, "status": if managed { "pending" } else { "active" },
            "is_trudy_managed": managed, "inbound_agent_id": null, "outbound_agent_id": null
        }));
        id
    }

    pub(crate) fn has(&self, number: &str) -> bool {
        self.numbers.iter().any(|row| row["phone_number"] == json!(number))
    }

    fn row(&mut self, id: &str) -> Option<&mut Value> {
        self.numbers.iter_mut().find(|row| row["id"] == json!(id))
    }

    fn held(&self, agent: &Value, direction: &str) -> Vec<Value> {
        self.numbers.iter().filter(|row| &row[format!("{direction}_agent_id")] == agent).cloned().collect()
    }

    /// Does what is asked and answers as the documented API does.
    pub(crate) fn usual(&mut self, seen: &Seen) -> Reply {
        let data = match () {
            () if seen.is(LIST) => return page(&self.numbers, seen),
            () if seen.is(AGENTS) => {
                let agents: Vec<Value> = self.agents.iter().map(|agent| self.with_numbers(agent)).collect();
                return page(&agents, seen);
            }
            () if seen.is(CREDENTIALS) => json!(self.credentials),
            () if seen.is(SEARCH) => json!(self.offers),
            () if seen.is(AGENT_NUMBERS) => {
                let agent = json!(seen.path.split('/').nth(3));
                json!({ "inbound": self.held(&agent, "inbound"), "outbound": self.held(&agent, "outbound") })
            }
            () if seen.is(WEBHOOK) => {
                json!({ "webhook_url": "https://api.ultravox.ai/api/agents/6a1d8c0e/telephony_xml" })
            }
            () if seen.is(PURCHASE) => {
                let number = seen.says("phone_number");
                let id = self.add(&number, true);
                let order = json!({ "data": { "status": "pending", "requirements_met": true } });
                json!({ "number_id": id, "phone_number": number, "purchase_response": order })
            }
            () if seen.is(IMPORT) => {
                let number = seen.says("phone_number");
                let id = self.add(&number, false);
                json!({ "number_id": id, "credential_id": format!("c{}", &id[1..]), "phone_number": number })
            }
            () if seen.is(ASSIGN) || seen.is(UNASSIGN) => {
                let (slot, agent) =
                    (format!("{}_agent_id", seen.says("assignment_type")), seen.json()["agent_id"].clone());
                match self.row(&seen.says("number_id")) {
                    Some(row) => row[slot] = agent,
                    None => return missing(),
                }
                seen.json()
            }
            () if seen.is(RELEASE) => {
                let id = seen.last_segment();
                if self.row(id).is_none() {
                    return missing();
                }
                self.numbers.retain(|row| row["id"] != json!(id));
                json!({ "id": id, "deleted": true })
            }
            () => return missing(),
        };
        Reply::json(200, &json!({ "data": data, "meta": { "request_id": "req-usual" } }))
    }

    fn with_numbers(&self, agent: &Value) -> Value {
        let mut agent = agent.clone();
        for direction in ["inbound", "outbound"] {
            let held = self.held(&agent["id"], direction);
            agent[format!("{direction}_phone_numbers")] = json!(held);
        }
        agent
    }
}

fn missing() -> Reply {
    Reply::json(404, &json!({ "error": { "code": "not_found", "message": "Not found" } }))
}

fn page(rows: &[Value], seen: &Seen) -> Reply {
    let asked = |name: &str, default: usize| {
        seen.query
            .split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
            .unwrap_or(default)
    };
    let (limit, offset) = (asked("limit", 50), asked("offset", 0));
    let shown: Vec<&Value> = rows.iter().skip(offset).take(limit).collect();
    let pagination = json!({
        "total": rows.len(), "limit": limit, "offset": offset, "has_more": offset + shown.len() < rows.len()
    });
    Reply::json(200, &json!({ "data": shown, "pagination": pagination, "meta": { "request_id": "req-page" } }))
}
