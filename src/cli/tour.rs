//! `truedy-mcp tour`: runs a whole conversation on a fresh sandbox, and prints each call and response.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::bootstrap;
use crate::cli::given::{SetSetting, unused};
use crate::cli::output::{Exit, complain, print};
use crate::config::ConfigError;
use crate::mcp::TourClient;
use crate::tools::{
    AssignNumber, DiagnoseNumber, GetAgentNumbers, ListAgents, ListNumbers, PurchaseNumber, ReleaseNumber,
    SearchNumbers, Tool, UnassignNumber,
};

/// The settings that the tour sets itself.
pub(super) const SETTINGS: [&str; 2] = ["sandbox", "ephemeral"];

pub(super) fn run(set: &[SetSetting]) -> Result<Exit, ConfigError> {
    warn_of_variables(set);
    let walked = bootstrap::runtime()?.block_on(walk());
    match walked {
        Ok(()) => Ok(Exit::Fine),
        Err(why) => {
            complain(&format!("the tour stopped: {why}"));
            Ok(Exit::Failed)
        }
    }
}

/// Returns the message for flags that the tour would not use.
pub(super) fn on_unused(flags: &str) -> String {
    format!(
        "The tour has a sandbox of its own with the defaults, and {flags} would do nothing: leave it out, or try it with truedy-mcp call TOOL --sandbox."
    )
}

/// Warns of variables that do not hold on the tour.
fn warn_of_variables(set: &[SetSetting]) {
    let variables: Vec<String> = unused(set, &SETTINGS).filter(|one| one.by_variable).map(SetSetting::place).collect();
    if !variables.is_empty() {
        complain(&format!(
            "the tour has a sandbox of its own with the defaults; these variables do not hold there: {}",
            variables.join(", ")
        ));
    }
}

/// Runs the steps of the tour: prints what happens, and stops at an unexpected result.
struct TourGuide {
    client: TourClient,
    step: u32,
}

impl TourGuide {
    /// Calls a tool and expects this status.
    async fn call(
        &mut self,
        says: &str,
        tool: &'static str,
        arguments: Value,
        expected: &str,
    ) -> Result<Value, String> {
        self.step += 1;
        print(&format!("\n{}. {says}\n   → {tool} {arguments}\n", self.step));
        let (answer, is_error) = self.client.call(tool, arguments).await?;
        for asked in self.client.asked() {
            print(&format!("   ? the user is asked: {}\n   ! and answers: {}\n", asked.question, asked.answer));
        }
        let status = text(&answer, "status");
        print(&format!("   ← {status}{}: {}\n", if is_error { " (refused)" } else { "" }, text(&answer, "summary")));
        for line in highlights(&answer) {
            print(&format!("     {line}\n"));
        }
        if status == expected {
            Ok(answer)
        } else {
            Err(format!("step {} answered {status}, not {expected}", self.step))
        }
    }
}

async fn walk() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let client = TourClient::start(program, &["stdio", "--sandbox", "--ephemeral"]).await?;
    let tools = client.tools().await?;
    print(&format!(
        "A tour of truedy-mcp, on a sandbox of its own: made-up numbers, no money, no account.\n\
         The server runs as a child process and is spoken to over MCP, as Claude or another agent would.\n\
         It offers {} tools: {}.\n",
        tools.len(),
        tools.join(", ")
    ));
    let mut guide = TourGuide { client, step: 0 };
    let agents =
        guide.call("Which agent is \"Front desk\"?", ListAgents::NAME, json!({ "name": "front desk" }), "ok").await?;
    let agent = first(&agents, "agents", "name")?;
    let offers = guide
        .call(
            "Find a number in San Francisco.",
            SearchNumbers::NAME,
            json!({ "area_code": "415", "page_size": 3 }),
            "ok",
        )
        .await?;
    let number = first(&offers, "offers", "number")?;
    guide
        .call(
            "Buy the first one. It costs money, so the user is asked.",
            PurchaseNumber::NAME,
            json!({ "phone_number": number }),
            "purchased",
        )
        .await?;
    wait_until_active(&mut guide, &number).await?;
    let asked = json!({ "number_id": number, "assignment_type": "inbound" });
    guide
        .call("Would it ring now? What is in the way is found, with the next step.", DiagnoseNumber::NAME, asked, "ok")
        .await?;
    for direction in ["inbound", "outbound"] {
        let says = format!("Give its {direction} calls to the agent, by name and number: no ids needed.");
        guide
            .call(
                &says,
                AssignNumber::NAME,
                json!({ "number_id": number, "agent_id": agent, "assignment_type": direction }),
                "assigned",
            )
            .await?;
    }
    guide.call("Read it back.", GetAgentNumbers::NAME, json!({ "agent_id": agent }), "ok").await?;
    guide
        .call(
            "Release the number? Without confirm it is only a preview.",
            ReleaseNumber::NAME,
            json!({ "number_id": number }),
            "confirmation_required",
        )
        .await?;
    guide
        .call(
            "With confirm it is refused all the same: an agent uses it.",
            ReleaseNumber::NAME,
            json!({ "number_id": number, "confirm": true }),
            "number_in_use",
        )
        .await?;
    for direction in ["inbound", "outbound"] {
        let says = format!("So the {direction} calls are taken from the agent first, which can be undone.");
        guide
            .call(
                &says,
                UnassignNumber::NAME,
                json!({ "number_id": number, "assignment_type": direction }),
                "unassigned",
            )
            .await?;
    }
    guide
        .call(
            "Now release it. The user types the last four digits.",
            ReleaseNumber::NAME,
            json!({ "number_id": number, "confirm": true }),
            "released",
        )
        .await?;
    let left = guide.call("It is gone.", ListNumbers::NAME, json!({}), "ok").await?;
    let still = left
        .get("numbers")
        .and_then(Value::as_array)
        .is_some_and(|rows| rows.iter().any(|row| row.get("number") == Some(&json!(number))));
    guide.client.leave().await;
    if still {
        return Err(format!("{number} is still listed"));
    }
    print("\nThat is all of it. Connect it to your agent: truedy-mcp config print claude-code\n");
    Ok(())
}

/// Waits until a bought number is active. It is pending until the carrier has set it up.
async fn wait_until_active(guide: &mut TourGuide, number: &str) -> Result<(), String> {
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (listed, _) = guide.client.call(ListNumbers::NAME, json!({ "status": "active" })).await?;
        let active = listed
            .get("numbers")
            .and_then(Value::as_array)
            .is_some_and(|rows| rows.iter().any(|row| row.get("number") == Some(&json!(number))));
        if active {
            guide.step += 1;
            print(&format!(
                "\n{}. Wait until it is active.\n   → list_numbers {{\"status\":\"active\"}}\n   ← {number} is active\n",
                guide.step
            ));
            return Ok(());
        }
    }
    Err(format!("{number} did not become active"))
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn first(answer: &Value, list: &str, field: &str) -> Result<String, String> {
    let row = answer.get(list).and_then(|rows| rows.get(0)).ok_or_else(|| format!("there are no {list}"))?;
    Ok(text(row, field).to_owned())
}

/// Returns the facts of a response, short enough for a screen.
fn highlights(answer: &Value) -> Vec<String> {
    let quiet =
        ["status", "summary", "code", "retryable", "request_id", "next", "undo", "total", "next_offset", "next_page"];
    let fields = answer.as_object().into_iter().flatten().filter(|(name, _)| !quiet.contains(&name.as_str()));
    let mut lines = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Array(rows) => {
                for row in rows.iter().take(4) {
                    lines.push(format!("{name}: {row}"));
                }
                if rows.len() > 4 {
                    lines.push(format!("{name}: … {} more", rows.len() - 4));
                }
            }
            other => lines.push(format!("{name}: {other}")),
        }
    }
    lines
}
