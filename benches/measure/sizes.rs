//! What a model has to read: bytes and o200k tokens of the catalogue and of a list of numbers.

use serde_json::{Value, json};
use tiktoken_rs::CoreBPE;

use crate::Measured;
use crate::child::{Program, call, request};
use crate::figures::Row;
use crate::upstream::{ROWS, phone};

/// The catalogue as clients get it and as most show it to a model, and a list of fifty numbers in both its forms.
pub(crate) async fn measure(ours: &Program) -> Measured<Vec<Row>> {
    let tokens = tiktoken_rs::o200k_base()?;
    let mut server = ours.connect().await?;
    let catalogue = server.result(&request("tools/list", &json!({}))).await?;
    let numbers = server.result(&call("list_numbers")).await?;
    server.end().await?;
    let tools = catalogue.get("tools").ok_or("tools/list shows no tools")?;
    let mut rows = Vec::new();
    rows.extend(sized(&tokens, "catalogue as a model sees it", &model_view(tools)?.to_string(), 3_000.0));
    rows.extend(sized(&tokens, "catalogue, whole", &tools.to_string(), 5_200.0));
    let structured = numbers.get("structuredContent").ok_or("list_numbers has no structuredContent")?.to_string();
    let text = numbers.pointer("/content/0/text").and_then(Value::as_str).ok_or("list_numbers has no text")?;
    for (form, list) in [("structuredContent", structured.as_str()), ("text", text)] {
        if let Some(missing) = (0..ROWS).map(phone).find(|phone| !list.contains(phone.as_str())) {
            return Err(format!("the {form} of list_numbers does not show {missing}").into());
        }
        rows.extend(per_number(&tokens, form, list));
    }
    Ok(rows)
}

/// Name, description and input schema of each tool.
fn model_view(tools: &Value) -> Measured<Value> {
    let tools = tools.as_array().ok_or("the tools are no list")?;
    let view = |tool: &Value| json!({ "name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"] });
    Ok(tools.iter().map(view).collect())
}

fn sized(tokens: &CoreBPE, what: &str, text: &str, most: f64) -> [Row; 2] {
    [
        Row::alone(&format!("{what}, bytes"), text.len() as f64, None),
        Row::alone(&format!("{what}, tokens"), tokens.encode_ordinary(text).len() as f64, Some(most)),
    ]
}

/// The same for a list of [`ROWS`] numbers, a number.
fn per_number(tokens: &CoreBPE, form: &str, text: &str) -> [Row; 2] {
    let each = |count: usize| count as f64 / ROWS as f64;
    let count = tokens.encode_ordinary(text).len();
    let what = |unit: &str| format!("list of {ROWS} numbers, {form}, {unit} a number");
    [Row::alone(&what("bytes"), each(text.len()), None), Row::alone(&what("tokens"), each(count), Some(45.0))]
}
