//! Helpers that the tests of the sandbox share.

pub(crate) use std::net::SocketAddr;

pub(crate) use serde_json::{Value, json};
pub(crate) use tokio::io::{AsyncReadExt, AsyncWriteExt};
pub(crate) use tokio::net::TcpStream;

pub(crate) use crate::sandbox::faults::active::Faults;
pub(crate) use crate::sandbox::keys::{KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SECOND_KEY};
pub(crate) use crate::sandbox::options::{SandboxOptions, SandboxStore};
pub(crate) use crate::sandbox::server::Sandbox;
pub(crate) use crate::sandbox::server::reset;

pub(crate) const LIST: &str = "/telephony/numbers";
pub(crate) const SEARCH: &str = "/telephony/numbers/search";
pub(crate) const PURCHASE: &str = "/telephony/numbers/purchase";
pub(crate) const IMPORT: &str = "/telephony/numbers/import";
pub(crate) const ASSIGN: &str = "/telephony/numbers/assign";
pub(crate) const UNASSIGN: &str = "/telephony/numbers/unassign";

pub(crate) async fn start(store: SandboxStore, faults: &[&str]) -> Sandbox {
    let listen = ([127, 0, 0, 1], 0).into();
    let faults = Faults::parse(faults).unwrap();
    Sandbox::start(SandboxOptions { listen, store, faults, ledger: None }).await.unwrap()
}

pub(crate) async fn fresh(faults: &[&str]) -> Sandbox {
    start(SandboxStore::Memory, faults).await
}

/// Sends one request on a connection of its own and gives back all that came, nothing if the line went dead.
pub(crate) async fn raw(address: SocketAddr, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!("{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

impl Sandbox {
    pub(crate) async fn text(&self, key: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
        let head = format!(
            "{method} /api/public/v1{path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json{headers}"
        );
        raw(self.address(), &head, body).await
    }

    pub(crate) async fn ask_as(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        parsed(&self.text(key, method, path, "", &body).await)
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.ask_as(KEY, "GET", path, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask_as(KEY, "POST", path, &body).await
    }

    pub(crate) async fn buy(&self, number: &str) -> (u16, Value) {
        self.post(PURCHASE, json!({ "phone_number": number })).await
    }

    pub(crate) async fn release(&self, id: &str) -> u16 {
        self.ask_as(KEY, "DELETE", &format!("{LIST}/{id}"), &Value::Null).await.0
    }

    /// The row of a number in the list.
    pub(crate) async fn row(&self, number: &str) -> Option<Value> {
        let (_, list) = self.get(&format!("{LIST}?limit=100")).await;
        list["data"].as_array().unwrap().iter().find(|row| row["phone_number"] == number).cloned()
    }

    /// How many numbers an area code still offers.
    pub(crate) async fn stock(&self, area_code: &str) -> u64 {
        let (_, page) = self.post(SEARCH, json!({ "area_code": area_code })).await;
        page["pagination"]["total_results"].as_u64().unwrap()
    }

    pub(crate) async fn set_faults(&self, faults: Value) -> (u16, Value) {
        parsed(&raw(self.address(), "PUT /sandbox/faults HTTP/1.1", &faults.to_string()).await)
    }
}

/// Status and JSON of an answer; status 0 stands for none.
pub(crate) fn parsed(answer: &str) -> (u16, Value) {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return (0, Value::Null);
    };
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

pub(crate) fn message(answer: &(u16, Value)) -> &str {
    answer.1["error"]["message"].as_str().unwrap_or_default()
}

pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
