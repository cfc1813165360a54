//! An account whose sources say of a number what a test needs: its row, the lists of agents, and each agent's own answer.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::era::Era;
use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, FRONT_DESK, FRONT_OFFICE, LIST, Play, RELEASE, UNASSIGN, Upstream,
};
use crate::support::program::server;
use crate::support::raw_client::{Called, Wire};

pub(super) const NUMBER: &str = "+14155550111";
pub(super) const ID: &str = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
pub(super) const OTHER: &str = "+14155550112";
pub(super) const OTHER_ID: &str = "7c0c2b7e-2f0f-4b43-9d35-3c1a52b9b0aa";
pub(super) const LEVELS: [&str; 3] = ["flag", "token", "human"];

/// What Truedy says of the account, in each of its lists.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) numbers: Value,
    pub(super) agents: Value,
    /// What an agent says itself of inbound and outbound; another status than 200 where it fails.
    pub(super) own: fn(&Scene, &str) -> (u16, Value),
    /// How many rows stand on a page whatever the offset; 0 for all.
    pub(super) stuck_at: usize,
}

pub(super) fn row(id: &str, number: &str) -> Value {
    json!({
        "id": id, "phone_number": number, "status": "active", "is_trudy_managed": true,
        "inbound_agent_id": null, "outbound_agent_id": null
    })
}

pub(super) fn agent(id: &str, name: &str, inbound: Value) -> Value {
    json!({
        "id": id, "name": name, "status": "active", "inbound_phone_numbers": inbound, "outbound_phone_numbers": []
    })
}

/// Says the same as its row in the list of agents.
pub(super) fn agrees(scene: &Scene, agent: &str) -> (u16, Value) {
    let agents = scene.agents.as_array().unwrap();
    let row = agents.iter().find(|row| row["id"] == agent).cloned().unwrap_or_default();
    (200, json!({ "data": { "inbound": row["inbound_phone_numbers"], "outbound": row["outbound_phone_numbers"] } }))
}

/// Says that it has no number at all.
pub(super) fn denies(_: &Scene, _: &str) -> (u16, Value) {
    (200, json!({ "data": { "inbound": [], "outbound": [] } }))
}

/// Cannot be read.
pub(super) fn fails(_: &Scene, _: &str) -> (u16, Value) {
    (403, json!({ "error": { "code": "forbidden", "message": "x" } }))
}

/// One agent says what its row says, the other cannot be read.
pub(super) fn half_fails(scene: &Scene, agent: &str) -> (u16, Value) {
    if agent == FRONT_OFFICE { fails(scene, agent) } else { agrees(scene, agent) }
}

impl Scene {
    /// Two numbers of which the rows know nobody, and this entry in an agent's list.
    pub(super) fn with(entry: Value) -> Self {
        Self {
            numbers: json!([row(ID, NUMBER), row(OTHER_ID, OTHER)]),
            agents: json!([
                agent(FRONT_DESK, "Front desk", json!([entry])),
                agent(FRONT_OFFICE, "Front office", json!([]))
            ]),
            own: agrees,
            stuck_at: 0,
        }
    }

    /// Nobody has anything, by all sources.
    pub(super) fn free() -> Self {
        let agents =
            json!([agent(FRONT_DESK, "Front desk", json!([])), agent(FRONT_OFFICE, "Front office", json!([]))]);
        Self { agents, ..Self::with(json!(null)) }
    }

    /// The list of numbers has no columns for assignments.
    pub(super) fn without_columns(mut self) -> Self {
        for row in self.numbers.as_array_mut().unwrap() {
            let row = row.as_object_mut().unwrap();
            row.remove("inbound_agent_id");
            row.remove("outbound_agent_id");
        }
        self
    }

    pub(super) fn page(&self, rows: &Value, query: &str) -> Play {
        let rows = rows.as_array().unwrap();
        let asked = |name: &str, default: usize| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
            pair.and_then(|value| value.parse().ok()).unwrap_or(default)
        };
        let (limit, offset) = (asked("limit", 50), asked("offset", 0));
        let shown: Vec<&Value> = match self.stuck_at {
            0 => rows.iter().skip(offset).take(limit).collect(),
            most => rows.iter().take(most).collect(),
        };
        let more = if self.stuck_at > 0 { shown.len() < rows.len() } else { offset + shown.len() < rows.len() };
        let pagination = json!({ "total": rows.len(), "limit": limit, "offset": offset, "has_more": more });
        Play::json(200, &json!({ "data": shown, "pagination": pagination }))
    }
}

/// A Truedy that plays whatever scene is set.
pub(super) struct Stage {
    pub(super) upstream: Upstream,
    pub(super) scene: Arc<Mutex<Scene>>,
}

impl Stage {
    pub(super) fn new(scene: Scene) -> Self {
        let (upstream, scene) = (Upstream::start(), Arc::new(Mutex::new(scene)));
        let plays = || Arc::clone(&scene);
        let (numbers, agents, own) = (plays(), plays(), plays());
        upstream
            .on(LIST, move |seen, _| {
                let scene = numbers.lock().unwrap();
                scene.page(&scene.numbers, &seen.query)
            })
            .on(AGENTS, move |seen, _| {
                let scene = agents.lock().unwrap();
                scene.page(&scene.agents, &seen.query)
            })
            .on(AGENT_NUMBERS, move |seen, _| {
                let scene = own.lock().unwrap();
                let (status, body) = (scene.own)(&scene, seen.path.split('/').nth(3).unwrap());
                Play::json(status, &body)
            })
            .always(ASSIGN, Play::json(200, &json!({ "data": {} })))
            .always(UNASSIGN, Play::json(200, &json!({ "data": {} })))
            .always(RELEASE, Play::json(200, &json!({ "data": { "deleted": true } })));
        Self { upstream, scene }
    }

    pub(super) fn set(&self, scene: Scene) {
        *self.scene.lock().unwrap() = scene;
    }

    pub(super) fn wire(&self, era: Era, flags: &[&str]) -> Wire {
        let mut command = server(&self.upstream.base_url());
        command.args(flags);
        Wire::open(command, era)
    }
}

pub(super) fn sure() -> Value {
    json!({ "number_id": ID, "confirm": true })
}

pub(super) fn surely() -> Value {
    json!({ "number_id": ID, "confirm": true, "phone_number": NUMBER })
}

pub(super) fn status(called: &Called) -> String {
    called.status().to_owned()
}

/// The other number is with an agent in both directions, by rows and lists: both carry what they are asked for.
pub(super) fn proven() -> Scene {
    let mut scene = Scene::free();
    for field in ["inbound_agent_id", "outbound_agent_id"] {
        scene.numbers[1][field] = json!(FRONT_DESK);
    }
    for field in ["inbound_phone_numbers", "outbound_phone_numbers"] {
        scene.agents[0][field] = json!([{ "id": OTHER_ID }]);
    }
    scene
}
