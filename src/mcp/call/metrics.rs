//! Metrics of calls. Labels come from closed sets: tools, statuses and rules of this server. They hold no data of a
//! caller.

use std::time::Duration;

use metrics::{counter, histogram};
use serde_json::Value;

use crate::domain::Status;
use crate::mcp::call::service::{CallResult, FinishedCall};

/// Records a call that was answered.
pub(crate) fn call(tool: &'static str, reply: &CallResult, time: Duration) {
    let known = reply.status();
    let status = known.map_or("asked", Status::as_str);
    histogram!("tool_call_seconds", "tool" => tool).record(time.as_secs_f64());
    if known.is_none_or(Status::is_of_the_gate) {
        counter!("gate_total", "tool" => tool, "result" => status).increment(1);
    }
    if let CallResult::Done(FinishedCall { body, is_error: true, .. }) = reply
        && let Some(rule) = body.get("rule").and_then(Value::as_str)
    {
        counter!("policy_denied_total", "rule" => rule.to_owned()).increment(1);
    }
    counter!("tool_calls_total", "tool" => tool, "status" => status).increment(1);
}
