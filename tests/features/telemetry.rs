//! Traces as a collector gets them: whose they are, what they are called, and that nothing private is in their bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::era::{Era, MODERN};
use crate::support::program::{LONG, nobody, program};
use crate::support::raw_client::Wire;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
/// What nobody may find in a trace: an argument, and a key of a carrier.
const CANARIES: [&str; 3] = ["+12125550143", "KEY0canary0canary0", "canary-agent"];

/// A collector that takes everything: the bodies of what is sent to it.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (sender, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut head, mut line) = (String::new(), String::new());
            while matches!(stream.read_line(&mut line), Ok(3..)) {
                head.push_str(&line.to_ascii_lowercase());
                line.clear();
            }
            assert!(head.starts_with("post /v1/traces http/1.1\r\n"), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).unwrap().trim();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
            drop(sender.send(body));
        }
    });
    (endpoint, bodies)
}

/// The fields of a protobuf message that are texts, bytes or messages, with their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let (number, rest) = bytes.split_at(end);
        *bytes = rest;
        number.iter().rev().fold(0, |all, byte| (all << 7) | u64::from(byte & 0x7f))
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes);
        match tag & 7 {
            0 => drop(number(&mut bytes)),
            1 => bytes = &bytes[8..],
            5 => bytes = &bytes[4..],
            _ => {
                let length = usize::try_from(number(&mut bytes)).unwrap();
                let (field, rest) = bytes.split_at(length);
                found.push((tag >> 3, field));
                bytes = rest;
            }
        }
    }
    found
}

fn inside(message: &[u8], number: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).into_iter().filter(move |(at, _)| *at == number).map(|(_, field)| field)
}

/// A span, as far as it is looked at.
#[derive(Debug)]
struct Seen {
    trace: String,
    id: String,
    parent: String,
    name: String,
    attributes: Vec<(String, String)>,
}

impl Seen {
    fn says(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Every span of an `ExportTraceServiceRequest`.
fn spans(body: &[u8]) -> Vec<Seen> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let of = |span: &[u8], number: u64| inside(span, number).next().unwrap_or_default().to_vec();
    let seen = |span: &[u8]| Seen {
        trace: hex(&of(span, 1)),
        id: hex(&of(span, 2)),
        parent: hex(&of(span, 4)),
        name: text(&of(span, 5)),
        // The value is a message of its own; of numbers only that they are there is looked at.
        attributes: inside(span, 9).map(|pair| (text(&of(pair, 1)), text(&of(&of(pair, 2), 1)))).collect(),
    };
    let scopes = inside(body, 1).flat_map(|resource| inside(resource, 2).collect::<Vec<_>>());
    scopes.flat_map(|scope| inside(scope, 2).collect::<Vec<_>>()).map(seen).collect()
}

fn call(wire: &mut Wire, id: u64, tool: &str, arguments: &Value) -> Value {
    wire.send(&json!({
        "jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": "wire", "version": "1" },
            "traceparent": format!("00-{TRACE}-{PARENT}-01"), "tracestate": "vendor=1",
        } },
    }));
    wire.answer(id)
}

#[test]
fn a_call_is_a_span_of_its_callers_trace_and_holds_nothing_private() {
    let (endpoint, bodies) = collector();
    let mut command = program();
    command.args(["stdio", "--sandbox", "--ephemeral"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
    let mut wire = Wire::open(command, Era::Modern);
    let [number, key, agent] = CANARIES;
    call(&mut wire, 101, "list_numbers", &json!({}));
    call(
        &mut wire,
        102,
        "import_number",
        &json!({ "phone_number": number, "provider_type": "telnyx", "api_key": key }),
    );
    call(&mut wire, 103, "get_agent_numbers", &json!({ "agent_id": agent }));
    call(&mut wire, 104, agent, &json!({}));
    wire.running.close();
    assert_eq!(wire.running.ended(LONG), Some(0));
    // What was left went out before the program ended.
    let bodies: Vec<Vec<u8>> = bodies.try_iter().collect();
    let seen: Vec<Seen> = bodies.iter().flat_map(|body| spans(body)).collect();
    let calls: Vec<&Seen> = seen.iter().filter(|span| span.says("mcp.method.name") == Some("tools/call")).collect();
    let names: Vec<&str> = calls.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(
        names,
        ["tools/call list_numbers", "tools/call import_number", "tools/call get_agent_numbers", "tools/call"]
    );
    for call in &calls {
        assert_eq!((call.trace.as_str(), call.parent.as_str()), (TRACE, PARENT), "{call:?}");
        assert_eq!(call.says("mcp.protocol.version"), Some(MODERN));
        assert_eq!(call.says("network.transport"), Some("pipe"));
    }
    assert_eq!((calls[0].says("gen_ai.tool.name"), calls[0].says("error.type")), (Some("list_numbers"), None));
    assert_eq!(calls[2].says("error.type"), Some("tool_error"));
    assert_eq!((calls[3].says("rpc.response.status_code"), calls[3].says("gen_ai.tool.name")), (Some("-32602"), None));
    let below =
        |id: &str| seen.iter().filter(|span| span.parent == id).map(|span| span.name.as_str()).collect::<Vec<_>>();
    let mut requests = below(&calls[0].id);
    requests.sort_unstable();
    assert_eq!(requests, ["GET /agents", "GET /telephony/numbers"]);
    assert!(below(&calls[1].id).contains(&"POST /telephony/numbers/import"), "{seen:?}");
    let all = bodies.concat();
    for canary in CANARIES.into_iter().chain([&number[1..], "truedy_Sandbox", "127.0.0.1"]) {
        let found = all.windows(canary.len()).any(|part| part == canary.as_bytes());
        assert!(!found, "{canary} is in a trace: {seen:?}");
    }
}

#[test]
fn a_collector_that_is_not_there_or_says_nothing_costs_nobody_anything() {
    let (_nobody, url) = nobody();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
    for (endpoint, exported) in [
        (url.trim_end_matches("/api/public/v1"), true),
        (silent.0.as_str(), true),
        ("http://collector.example.com", false),
        ("nonsense", false),
    ] {
        let mut command = program();
        command.args(["stdio", "--sandbox", "--ephemeral"]).env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        let mut wire = Wire::open(command, Era::Modern);
        assert!(call(&mut wire, 101, "list_numbers", &json!({}))["result"].is_object(), "{endpoint}");
        wire.running.close();
        let begun = Instant::now();
        assert_eq!(wire.running.ended(LONG), Some(0), "{endpoint}");
        // One request to it may take ten seconds; the end does not wait for that.
        assert!(begun.elapsed() < Duration::from_secs(8), "{endpoint}: {:?}", begun.elapsed());
        let said = wire.running.stderr();
        assert_eq!(said.contains("traces are not exported"), !exported, "{said}");
    }
}
