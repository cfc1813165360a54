//! Decides whether a list continues after the rows that were read, for every form of response.
//!
//! Source: contract §2. A statement about more pages that is not understood counts as "more". An incomplete list must
//! never pass for a complete one.

use serde_json::Value;

use crate::truedy::ApiReply;

/// Usual default page sizes. A list of exactly this many rows without pagination may continue.
const USUAL: [usize; 4] = [10, 20, 25, 50];
/// Rows for each page, the most that the API gives.
pub(crate) const PAGE: usize = 100;

/// Whether more rows may follow the `shown` ones, which begin at `offset`. `asked` rows were requested.
pub(crate) fn has_more(pagination: Option<&Value>, offset: usize, shown: usize, asked: usize) -> bool {
    let read = offset.saturating_add(shown);
    let by_size = shown >= asked || USUAL.contains(&shown);
    match pagination.filter(|pagination| pagination.is_object()) {
        // A total below what was shown is out of date. So it says nothing about what follows a full page.
        Some(told) if shown >= asked && is_below(told, read) => true,
        Some(told) => says_more(told, read).unwrap_or(by_size),
        None => by_size,
    }
}

/// Whether the pagination tells fewer rows in all than were read.
fn is_below(told: &Value, read: usize) -> bool {
    ["total", "total_results"].into_iter().filter_map(|field| told.get(field).and_then(count)).any(|total| total < read)
}

/// Whether a response that is not read in pages says that it is incomplete.
pub(crate) fn is_cut_off(reply: &ApiReply) -> bool {
    let told = [reply.pagination.as_ref(), reply.data.get("pagination")];
    told.into_iter()
        .flatten()
        .any(|told| told.get("has_more").is_some_and(|more| flag(more) != Some(false)) || names_next(told))
}

/// Returns what the pagination fields say about more rows. `None` if none of them says anything.
fn says_more(told: &Value, read: usize) -> Option<bool> {
    let beyond = |field: &str| told.get(field).and_then(count).map(|total| total > read);
    let pages = told.get("page").and_then(count).zip(told.get("total_pages").and_then(count));
    let said = [
        told.get("has_more").map(|more| flag(more).unwrap_or(true)),
        beyond("total"),
        beyond("total_results"),
        pages.map(|(page, pages)| page < pages),
        names_next(told).then_some(true),
    ];
    said.into_iter().flatten().reduce(|one, other| one || other)
}

/// Whether the pagination names a cursor, page or link to more rows.
fn names_next(told: &Value) -> bool {
    let names = told.as_object().into_iter().flatten();
    names.filter(|(name, _)| name.starts_with("next")).any(|(_, value)| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    })
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Null => Some(false),
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn count(value: &Value) -> Option<usize> {
    let count = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    usize::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_total_below_the_rows_that_were_shown_ends_no_list() {
        for (pagination, offset, shown, more) in [
            (json!({ "total": 980, "has_more": false }), 891, 100, true),
            (json!({ "total": 980, "has_more": false }), 990, 10, false),
            (json!({ "total": 0, "has_more": false }), 0, 100, true),
            (json!({ "total": 100, "has_more": false }), 0, 100, false),
            (json!({ "limit": 100, "offset": 0 }), 0, 50, true),
            (json!({ "limit": 100, "offset": 0 }), 0, 37, false),
        ] {
            assert_eq!(has_more(Some(&pagination), offset, shown, PAGE), more, "{pagination} {offset} {shown}");
        }
    }

    #[test]
    fn whatever_says_that_a_list_goes_on_is_heard() {
        for (told, read, more) in [
            (json!({ "total": 2, "has_more": false }), 2, Some(false)),
            (json!({ "total": 130, "has_more": false }), 60, Some(true)),
            (json!({ "total": "2", "has_more": "true" }), 1, Some(true)),
            (json!({ "total": "2" }), 2, Some(false)),
            (json!({ "next_cursor": "abc", "limit": 1 }), 1, Some(true)),
            (json!({ "next_cursor": null, "has_more": false }), 1, Some(false)),
            (json!({ "next": "" , "limit": 1 }), 1, None),
            (json!({ "page": 1, "page_size": 1, "total_results": 2, "total_pages": 2 }), 1, Some(true)),
            (json!({ "page": 2, "total_pages": 2 }), 2, Some(false)),
            (json!({ "has_more": 1 }), 1, Some(true)),
            (json!({ "limit": 100, "offset": 0 }), 1, None),
        ] {
            assert_eq!(says_more(&told, read), more, "{told}");
        }
    }
}
