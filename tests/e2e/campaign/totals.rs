//! What was bought and given up, as the journal adds it up: after a random history in three currencies it is what the
//! sandbox's own account and ledger say.
//!
//! Two processes share the journal. They are ended and started anew, in the middle of purchases, too.
//! `TRUEDY_CAMPAIGN_OPERATIONS` says how many operations a history has.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use truedy_mcp::sandbox::KEY;

use super::chance::Chance;
use super::number;
use super::store::Store;
use super::truedy::Truedy;
use crate::support::database::Database;
use crate::support::era::Era;
use crate::support::fake_truedy::FRONT_DESK;
use crate::support::program::{LONG, program, run};
use crate::support::raw_client::{Called, Wire};

/// How many operations a history has unless it is told.
const OPERATIONS: usize = 100;
/// Time in which a request of a process that ended arrives, if it was sent.
const ARRIVAL: Duration = Duration::from_secs(2);
/// What is searched for numbers to buy: three currencies, and in each of them several prices.
const SHELVES: [(&str, &str, &str); 11] = [
    ("US", "area_code", "312"),
    ("CA", "area_code", "416"),
    ("GB", "locality", "London"),
    ("US", "area_code", "212"),
    ("CA", "area_code", "604"),
    ("GB", "phone_number_type", "mobile"),
    ("US", "phone_number_type", "toll_free"),
    ("CA", "area_code", "514"),
    ("GB", "phone_number_type", "toll_free"),
    ("US", "area_code", "206"),
    ("GB", "locality", "Cardiff"),
];

/// A price of the sandbox: the currency, and the amounts in hundredths.
#[derive(Debug, Clone)]
struct Price {
    currency: String,
    monthly: i64,
    once: i64,
}

/// What was bought and given up, by currency and in hundredths.
#[derive(Default)]
struct Books {
    added: BTreeMap<String, i64>,
    once: BTreeMap<String, i64>,
    removed: BTreeMap<String, i64>,
    bought: usize,
    released: usize,
    /// How many of these have no known price.
    unpriced: usize,
}

fn hundredths(amount: &Value) -> i64 {
    let text = amount.as_str().expect("an amount");
    let (whole, rest) = text.split_once('.').expect("a point");
    assert!(rest[2..].chars().all(|digit| digit == '0'), "{text} has no smaller parts");
    whole.parse::<i64>().unwrap() * 100 + rest[..2].parse::<i64>().unwrap()
}

fn amount(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

impl Books {
    fn buy(&mut self, price: &Price) {
        self.bought += 1;
        *self.added.entry(price.currency.clone()).or_default() += price.monthly;
        *self.once.entry(price.currency.clone()).or_default() += price.once;
    }

    fn release(&mut self, price: Option<&Price>) {
        self.released += 1;
        match price {
            Some(price) => *self.removed.entry(price.currency.clone()).or_default() += price.monthly,
            None => self.unpriced += 1,
        }
    }

    /// The books in the form of the answer.
    fn to_json(&self) -> Value {
        let mut money = Vec::new();
        for (currency, added) in &self.added {
            let mut row = json!({ "currency": currency, "added_monthly": amount(*added) });
            row["spent_once"] = json!(amount(self.once[currency]));
            if let Some(removed) = self.removed.get(currency) {
                row["removed_monthly"] = json!(amount(*removed));
            }
            money.push(row);
        }
        let mut totals = json!({ "purchases": self.bought, "releases": self.released, "money": money });
        if self.unpriced > 0 {
            totals["unknown_price"] = json!({ "releases": self.unpriced });
        }
        totals
    }
}

/// One history.
struct History {
    truedy: Truedy,
    store: Store,
    chance: Chance,
    wires: [Wire; 2],
    /// The numbers for sale that nobody was asked for so far.
    shelf: Vec<String>,
    prices: BTreeMap<String, Price>,
    /// The numbers that the account had at the beginning.
    seed: BTreeSet<String>,
    /// The numbers that were released, in the order in which they were.
    released: Vec<String>,
}

fn open(truedy: &Truedy, store: &Store) -> Wire {
    let mut command = program();
    command.args(["stdio", "--upstream-rpm", "off"]);
    for cap in ["--purchases-per-day", "--releases-per-day"] {
        command.args([cap, "unlimited"]);
    }
    command.env("TRUEDY_BASE_URL", &truedy.base_url).env("TRUEDY_API_KEY", KEY);
    store.give(&mut command);
    let mut wire = Wire::open(command, Era::Modern);
    // Outside North America digits do not say where a number is sold. So its price is found only after a search.
    for (country, field, value) in SHELVES.into_iter().filter(|(country, ..)| *country == "GB") {
        let found = wire.call("search_numbers", json!({ "country_code": country, field: value, "page_size": 100 }));
        assert_eq!(found.status(), "ok", "{}", found.0);
    }
    wire
}

/// Calls a tool, and again while the list of numbers is still being read for it.
fn call(wire: &mut Wire, tool: &str, arguments: &Value) -> Called {
    let since = Instant::now();
    loop {
        let called = wire.call(tool, arguments.clone());
        if called.status() != "still_reading" {
            return called;
        }
        assert!(since.elapsed() < LONG, "it is not read: {}", called.0);
        thread::sleep(Duration::from_millis(500));
    }
}

impl History {
    fn new(seed: u64, store: Store) -> Self {
        let truedy = Truedy::start();
        let (mut prices, mut shelves) = (BTreeMap::new(), Vec::new());
        for (country, field, value) in SHELVES {
            let rows = truedy.search(&json!({ "country_code": country, field: value, "page_size": 100 }));
            let mut shelf = Vec::new();
            for row in rows {
                let number = row["phone_number"].as_str().unwrap().to_owned();
                let cost = &row["cost_information"];
                let [monthly, once] = ["monthly_cost", "upfront_cost"].map(|field| hundredths(&cost[field]));
                let price = Price { currency: cost["currency"].as_str().unwrap().to_owned(), monthly, once };
                prices.insert(number.clone(), price);
                // These are said to misbehave.
                if !["0197", "0198", "0199"].iter().any(|end| number.ends_with(end)) {
                    shelf.push(number);
                }
            }
            shelves.push(shelf.into_iter());
        }
        // One of each shelf after the other, so that a short history has all currencies.
        let mut shelf = Vec::new();
        loop {
            let round: Vec<String> = shelves.iter_mut().filter_map(Iterator::next).collect();
            if round.is_empty() {
                break;
            }
            shelf.extend(round);
        }
        shelf.reverse();
        let seed_numbers =
            truedy.numbers().iter().map(|row| row["phone_number"].as_str().unwrap().to_owned()).collect();
        let wires = [open(&truedy, &store), open(&truedy, &store)];
        let (chance, seed, released) = (Chance::new(seed), seed_numbers, Vec::new());
        Self { truedy, store, chance, wires, shelf, prices, seed, released }
    }

    /// Makes one operation.
    fn step(&mut self) {
        let who = self.chance.below(2);
        match self.chance.below(20) {
            0..12 => {
                let number = self.shelf.pop().expect("a number for sale");
                let wish = json!({ "phone_number": number, "confirm": true });
                let called = call(&mut self.wires[who], "purchase_number", &wish);
                assert_eq!(called.status(), "purchased", "{}", called.0);
            }
            12..18 => self.release(who),
            18 => {
                // The process ends somewhere in a purchase. Who asked learns nothing.
                let number = self.shelf.pop().expect("a number for sale");
                self.wires[who].send_call("purchase_number", json!({ "phone_number": number, "confirm": true }));
                thread::sleep(Duration::from_millis(self.chance.below(120) as u64));
                self.wires[who].running.kill();
                self.restart(who);
            }
            _ => {
                self.wires[who].running.kill();
                self.restart(who);
            }
        }
    }

    fn restart(&mut self, who: usize) {
        self.wires[who] = open(&self.truedy, &self.store);
        // What the ended process left is looked for. Until it is known, no purchase begins.
        self.settle(who);
    }

    /// Waits until nothing is unresolved.
    ///
    /// What ended before its request arrived is never found, and nothing proves that it is not under way. So the server
    /// leaves it unknown. Here the ledger shows that nothing arrived, and the operator says so.
    fn settle(&mut self, who: usize) {
        let since = Instant::now();
        loop {
            let told = self.wires[who].call("list_operations", json!({ "state": "unknown" }));
            if told.object()["unresolved"] == json!(0) {
                return;
            }
            let rows = told.object()["operations"].as_array().expect("operations").clone();
            assert!(since.elapsed() < 2 * LONG, "still not known: {}", told.0);
            if since.elapsed() > ARRIVAL {
                rows.iter().filter(|row| !self.arrived(row)).for_each(|row| self.resolve(row));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether a request of this operation reached the sandbox.
    fn arrived(&self, operation: &Value) -> bool {
        self.truedy.changes().iter().any(|request| request.body["phone_number"] == operation["number"])
    }

    /// Says as the operator that a purchase did not happen.
    fn resolve(&self, operation: &Value) {
        assert_eq!((&operation["tool"], &operation["state"]), (&json!("purchase_number"), &json!("unknown")));
        let mut command = program();
        command.args(["operations", "resolve", operation["id"].as_str().unwrap(), "--as", "not-bought"]);
        command.args(["--note", "nothing arrived"]).env("TRUEDY_API_KEY", KEY);
        self.store.give(&mut command);
        let ran = run(command, "");
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    }

    /// Releases a number that no agent has.
    fn release(&mut self, who: usize) {
        let free = |row: &Value| row["inbound_agent_id"].is_null() && row["outbound_agent_id"].is_null();
        let rows: Vec<Value> = self
            .truedy
            .numbers()
            .into_iter()
            .filter(|row| row["is_trudy_managed"] == json!(true) && free(row))
            .collect();
        let Some(row) = self.chance.pick(&rows) else { return };
        let number = row["phone_number"].as_str().unwrap().to_owned();
        // Assignments in between change nothing about money.
        if self.chance.one_in(3) {
            for (tool, agent) in [("assign_number", Some(FRONT_DESK)), ("unassign_number", None)] {
                let mut slot = json!({ "number_id": number, "assignment_type": "both" });
                agent.into_iter().for_each(|agent| slot["agent_id"] = json!(agent));
                let called = call(&mut self.wires[who], tool, &slot);
                assert!(!called.is_error(), "{}", called.0);
            }
        }
        let wish = json!({ "number_id": number, "confirm": true });
        let called = call(&mut self.wires[who], "release_number", &wish);
        assert_eq!(called.status(), "released", "{}", called.0);
        self.released.push(number);
    }

    /// What the sandbox says of it all.
    fn books(&self) -> Books {
        let account = self.truedy.numbers();
        let kept: BTreeSet<&str> = account.iter().filter_map(|row| row["phone_number"].as_str()).collect();
        let changes = self.truedy.changes();
        let mut books = Books::default();
        let mut asked: BTreeSet<&str> = BTreeSet::new();
        for request in changes.iter().filter(|request| request.path.ends_with("/purchase")) {
            let number = request.body["phone_number"].as_str().unwrap();
            assert!(asked.insert(number), "two requests bought {number}");
            if kept.contains(number) || self.released.iter().any(|gone| gone == number) {
                books.buy(&self.prices[number]);
            }
        }
        let released = changes.iter().filter(|request| request.method == "DELETE" && request.status.is_some()).count();
        assert_eq!(released, self.released.len(), "the ledger counts releases, too");
        for number in &self.released {
            assert!(!kept.contains(number.as_str()));
            books.release(self.prices.get(number).filter(|_| !self.seed.contains(number)));
        }
        let left = |number: &&str| !(self.seed.contains(*number) || asked.contains(*number));
        assert_eq!(kept.iter().filter(|number| left(number)).count(), 0, "nothing was bought without a request");
        books
    }

    fn goes_on_for(mut self, operations: usize) {
        (0..operations).for_each(|_| self.step());
        for who in [0, 1] {
            self.settle(who);
        }
        let books = self.books();
        assert!(operations < 50 || books.added.len() == 3, "three currencies: {:?}", books.added);
        for wire in &mut self.wires {
            let told = wire.call("list_operations", json!({ "since": "1d" }));
            assert_eq!(told.object()["totals"], books.to_json(), "{}", told.0);
        }
        self.store.was_used();
    }
}

/// Goes through a history and says how it can be repeated.
fn history(name: &str, share: usize, store: Store) {
    let seed = number("TRUEDY_CAMPAIGN_SEED").unwrap_or_else(super::now);
    let operations = number("TRUEDY_CAMPAIGN_OPERATIONS").map_or(OPERATIONS, |all| usize::try_from(all).unwrap());
    println!("{name}: TRUEDY_CAMPAIGN_SEED={seed} TRUEDY_CAMPAIGN_OPERATIONS={operations}");
    History::new(seed, store).goes_on_for(operations / share);
}

#[test]
fn totals_are_what_the_ledger_of_the_sandbox_says() {
    history("totals", 1, Store::directory());
}

#[test]
fn totals_on_a_shared_database_are_what_the_ledger_says() {
    match Database::server() {
        Some(url) => history("totals on PostgreSQL", 4, Store::postgres(&url)),
        None => println!("TRUEDY_TEST_POSTGRES is not set: totals on PostgreSQL are left out"),
    }
}
