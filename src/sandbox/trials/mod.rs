//! The sandbox as its users meet it: started, driven over TCP, stopped, and started again.

mod keeping;
mod lives;
mod mischief;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Faults, KEY, OTHER_ORGANIZATION_KEY, Options, REVOKED_KEY, SECOND_KEY, Sandbox, Store, reset};

const LIST: &str = "/telephony/numbers";
const SEARCH: &str = "/telephony/numbers/search";
const PURCHASE: &str = "/telephony/numbers/purchase";
const IMPORT: &str = "/telephony/numbers/import";
const ASSIGN: &str = "/telephony/numbers/assign";
const UNASSIGN: &str = "/telephony/numbers/unassign";

async fn start(store: Store, faults: &[&str]) -> Sandbox {
    let listen = ([127, 0, 0, 1], 0).into();
    let faults = Faults::parse(faults).unwrap();
    Sandbox::start(Options { listen, store, faults, ledger: None }).await.unwrap()
}

async fn fresh(faults: &[&str]) -> Sandbox {
    start(Store::Memory, faults).await
}

/// Sends one request on a connection of its own and gives back all that came, nothing if the line went dead.
async fn raw(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

impl Sandbox {
    async fn text(&self, key: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
        let head = format!(
            "{method} /api/public/v1{path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json{headers}"
        );
        raw(self.address(), &head, body).await
    }

    async fn ask_as(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        parsed(&self.text(key, method, path, "", &body).await)
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.ask_as(KEY, "GET", path, &Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(KEY, "POST", path, &body).await
    }

    async fn buy(&self, number: &str) -> (u16, Value) {
        self.post(PURCHASE, json!({ "phone_number": number })).await
    }

    async fn release(&self, id: &str) -> u16 {
        self.ask_as(KEY, "DELETE", &format!("{LIST}/{id}"), &Value::Null).await.0
    }

    /// The row of a number in the list.
    async fn row(&self, number: &str) -> Option<Value> {
        let (_, list) = self.get(&format!("{LIST}?limit=100")).await;
        list["data"].as_array().unwrap().iter().find(|row| row["phone_number"] == number).cloned()
    }

    /// How many numbers an area code still offers.
    async fn stock(&self, area_code: &str) -> u64 {
        let (_, page) = self.post(SEARCH, json!({ "area_code": area_code })).await;
        page["pagination"]["total_results"].as_u64().unwrap()
    }

    async fn set_faults(&self, faults: Value) -> (u16, Value) {
        parsed(&raw(self.address(), "PUT /sandbox/faults HTTP/1.1", &faults.to_string()).await)
    }
}

/// Status and JSON of an answer; status 0 stands for none.
fn parsed(answer: &str) -> (u16, Value) {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return (0, Value::Null);
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn message(answer: &(u16, Value)) -> &str {
    answer.1["error"]["message"].as_str().unwrap_or_default()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
