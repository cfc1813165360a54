//! Recorded changes as a table, as CSV and as JSON.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::table::{ALERT, Cell, FAINT, GOOD, Table, WARNING};
use crate::domain::{Caller, ChangeClass, numbers_for_people};
use crate::journal::{Operation, OperationPhase};
use crate::tools::{
    CsvTable, RowStyle, change_kinds, displaced, local_moment, operation_row, prices, undo_of, zone_name,
};

/// The columns of the CSV.
const COLUMNS: [&str; 25] = [
    "id",
    "begun_at",
    "ended_at",
    "state",
    "tool",
    "number",
    "number_id",
    "direction",
    "agent_id",
    "displaced",
    "outcome",
    "rule",
    "monthly",
    "setup",
    "currency",
    "approved_by",
    "tenant",
    "principal",
    "client",
    "times",
    "known_by",
    "note",
    "request_id",
    "undo_of",
    "undo",
];

/// Returns the operations as a table with a header. Times are in the zone that the header names.
pub(super) fn table(found: &[Operation], zone: &TimeZone) -> String {
    let time = format!("TIME ({})", zone_name(zone));
    let names = ["STATE", "TOOL", "NUMBER", "OUTCOME", "COST", "APPROVED BY", "BY", "ID"];
    let mut table = Table::new(std::iter::once(time).chain(names.map(str::to_owned)));
    for operation in found {
        table.row(cells(operation, zone));
    }
    table.to_text()
}

/// Returns one operation in a line without a header.
pub(super) fn line(operation: &Operation, zone: &TimeZone) -> String {
    let mut table = Table::default();
    let mut cells = cells(operation, zone);
    // Lines of a stream are no table, so these columns have a width of their own.
    cells.iter_mut().zip([0, 9, 15]).for_each(|(cell, width)| cell.widen(width));
    table.row(cells);
    table.to_text()
}

fn cells(operation: &Operation, zone: &TimeZone) -> Vec<Cell> {
    let style = match operation.state {
        OperationPhase::Done => GOOD,
        OperationPhase::Unknown => ALERT,
        OperationPhase::Refused if operation.is_preview() => FAINT,
        OperationPhase::Refused => WARNING,
        OperationPhase::Begun | OperationPhase::Sent => anstyle::Style::new(),
    };
    // For a preview, the state already says so.
    let what = if operation.is_preview() { "" } else { operation.outcome.as_deref().unwrap_or_default() };
    let rule = operation.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
    let times = if operation.times > 1 { format!(" ×{}", operation.times) } else { String::new() };
    let direction = operation.object.direction.as_ref().map(|way| format!(" {way}")).unwrap_or_default();
    let at = Timestamp::from_millisecond(operation.begun_at).unwrap_or(Timestamp::UNIX_EPOCH);
    vec![
        at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string().into(),
        Cell::styled(operation.shown_state(), style),
        operation.tool.as_str().into(),
        format!("{}{direction}", numbers_for_people(operation.object.name())).into(),
        format!("{what}{rule}{times}").into(),
        cost(operation).into(),
        operation.approved_by().into(),
        by(operation).into(),
        Cell::styled(operation.id.as_str(), FAINT),
    ]
}

/// Returns what an operation costs: `1.00 USD a month + 0.50 once`. What a release ends: `-1.00 USD a month`. Empty if it
/// has no price.
fn cost(operation: &Operation) -> String {
    let ends = change_kinds().find(&operation.tool).is_some_and(|kind| kind.class == ChangeClass::Destroys);
    match prices(operation, change_kinds()) {
        None => String::new(),
        Some([Some(monthly), _, Some(currency)]) if ends => format!("-{monthly} {currency} a month"),
        Some([monthly, setup, Some(currency)]) => {
            let once = setup.map(|setup| format!(" + {setup} once")).unwrap_or_default();
            format!("{} {currency} a month{once}", monthly.unwrap_or_default())
        }
        Some([unknown, ..]) => {
            operation.price.as_ref().map_or(unknown.unwrap_or_default(), |at_once| format!("{at_once} at once"))
        }
    }
}

/// Returns who made the change. The local caller is left out, because the program then has no other caller.
fn by(operation: &Operation) -> String {
    let caller = Caller { tenant: operation.tenant.clone(), principal: operation.principal.clone() };
    let whose = if caller == Caller::local() { None } else { Some(format!("{}/{}", caller.tenant, caller.principal)) };
    whose.into_iter().chain(operation.origin.client.clone()).collect::<Vec<_>>().join(", ")
}

/// Returns one operation with everything that is recorded about it.
pub(super) fn whole(operation: &Operation, zone: &TimeZone) -> Value {
    let style = RowStyle { kinds: change_kinds(), zone, name: &str::to_owned, undo: &undo_of };
    let mut row = operation_row(operation, &style);
    row.insert("tenant".to_owned(), json!(operation.tenant));
    row.insert("evidence".to_owned(), json!(operation.evidence));
    row.insert("unresolved".to_owned(), json!(operation.is_unresolved()));
    if let Some(status) = operation.upstream_status {
        row.insert("upstream_status".to_owned(), json!(status));
    }
    row.insert("account".to_owned(), json!(operation.account));
    if operation.acknowledged {
        row.insert("acknowledged".to_owned(), json!(true));
    }
    if let Some(note) = &operation.note {
        row.insert("note".to_owned(), json!(note));
    }
    Value::Object(row)
}

/// Returns the operations as CSV.
pub(super) fn csv(found: &[Operation], zone: &TimeZone) -> String {
    let mut table = CsvTable::new(&COLUMNS);
    for operation in found {
        table.row(&csv_cells(operation, zone));
    }
    table.into_text()
}

fn csv_cells(operation: &Operation, zone: &TimeZone) -> [String; COLUMNS.len()] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let object = &operation.object;
    let [monthly, setup, currency] = prices(operation, change_kinds()).unwrap_or_default();
    [
        operation.id.clone(),
        local_moment(operation.begun_at, zone),
        operation.ended_at.map(|at| local_moment(at, zone)).unwrap_or_default(),
        operation.shown_state().to_owned(),
        operation.tool.clone(),
        text(&object.number),
        text(&object.number_id),
        text(&object.direction),
        text(&object.agent_id),
        displaced(operation, str::to_owned).unwrap_or_default(),
        text(&operation.outcome),
        text(&operation.rule),
        text(&monthly),
        text(&setup),
        text(&currency),
        operation.approved_by(),
        operation.tenant.clone(),
        operation.principal.clone(),
        text(&operation.origin.client),
        operation.times.to_string(),
        text(&operation.known_by),
        text(&operation.note),
        text(&operation.request_id),
        text(&operation.origin.undo_of),
        undo_of(operation)
            .map(|undo| undo.to_json())
            .map_or_else(String::new, |undo| undo.as_str().map_or_else(|| undo.to_string(), str::to_owned)),
    ]
}
