//! Tests of `list_chain.rs`: lists that change while they are read.

use super::*;
use crate::domain::{OrganizationRow, OwnedNumber};
use crate::tools::account::compact_numbers::CompactNumbers;
use crate::tools::account::pages::NumberRows;
use proptest::prelude::*;
use serde_json::{Value, json};

const PAGE: usize = 10;

fn row(n: u32) -> Value {
    json!({ "id": format!("n{n}"), "phone_number": format!("+1415{n:07}") })
}

type Page = ApiReply<ListedRows<OwnedNumber>>;

fn page(list: &[u32], offset: usize) -> Page {
    page_of(list, offset, PAGE)
}

fn page_of(list: &[u32], offset: usize, most: usize) -> Page {
    let shown: Vec<Value> = list.iter().skip(offset).take(most).copied().map(row).collect();
    let more = offset + shown.len() < list.len();
    let pagination = Some(json!({ "total": list.len(), "has_more": more }));
    let rows = ListedRows::<OrganizationRow>::of(&Value::Array(shown)).expect("a list");
    ApiReply { data: rows.filter_map(|row| row.number), pagination, request_id: None, date: None }
}

fn ids(chain: &ListChain<OwnedNumber, impl NumberRows>) -> Vec<String> {
    chain.listing.rows.views().map(|row| row.id.to_owned()).collect()
}

fn join<R: RowStore<OwnedNumber>>(chain: &mut ListChain<OwnedNumber, R>, reply: Page, place: (usize, usize)) -> Joined {
    chain.join(ListPage::of(reply, place))
}

/// Ends a reading with the pages from the top as they are in `list`, until one shows a known row.
fn finish<R: RowStore<OwnedNumber>>(chain: &mut ListChain<OwnedNumber, R>, list: &[u32]) {
    let (mut newest, mut offset) = (ListChain::new(), 0);
    while join(&mut newest, page(list, offset), (offset, PAGE)) == Joined::More && !chain.meets(&newest) {
        offset += PAGE - 1;
    }
    chain.finish(newest);
}

/// Reads this list to its end, as it is.
fn read_to_end(list: &[u32]) -> ListChain<OwnedNumber> {
    let (mut chain, mut offset) = (ListChain::new(), 0);
    while join(&mut chain, page(list, offset), (offset, PAGE)) == Joined::More {
        offset += PAGE - 1;
    }
    chain
}

#[test]
fn more_rows_than_a_page_can_be_added_while_the_list_is_read() {
    let before: Vec<u32> = (0..25).collect();
    let now: Vec<u32> = (100..125).chain(before.clone()).collect();
    let mut chain = read_to_end(&before);
    finish(&mut chain, &now);
    assert!(chain.listing.complete && chain.has_moved());
    assert_eq!(ids(&chain), now.iter().map(|n| format!("n{n}")).collect::<Vec<_>>(), "in their order");
    // The first page alone shows no known row. So rows may stand between it and the list.
    let mut chain = read_to_end(&before);
    let mut newest = ListChain::new();
    join(&mut newest, page(&now, 0), (0, PAGE));
    assert!(!chain.meets(&newest));
    chain.finish(newest);
    assert!(!chain.listing.complete);
}

#[test]
fn a_page_that_shows_no_known_row_leaves_a_gap() {
    let list: Vec<u32> = (0..40).collect();
    let mut chain = ListChain::<OwnedNumber>::new();
    assert_eq!(join(&mut chain, page(&list, 0), (0, PAGE)), Joined::More);
    assert_eq!(join(&mut chain, page(&list, 10), (10, PAGE)), Joined::Gap);
    assert_eq!(join(&mut chain, page(&list, 9), (9, PAGE)), Joined::More);
    assert_eq!(join(&mut chain, page(&list, 9), (9, PAGE)), Joined::Nothing, "a page that repeats");
    assert_eq!(chain.listing.rows.len(), 19);
}

#[test]
fn fewer_rows_than_told_are_not_the_whole_list() {
    let list: Vec<u32> = (0..8).collect();
    let mut short = page(&list, 0);
    short.pagination = Some(json!({ "total": 9, "has_more": false }));
    let mut chain = ListChain::<OwnedNumber>::new();
    join(&mut chain, short.clone(), (0, PAGE));
    let mut newest = ListChain::new();
    join(&mut newest, short, (0, PAGE));
    chain.finish(newest);
    assert!(!chain.listing.complete && !chain.has_moved(), "it would be read in the same way again");
    let mut chain = ListChain::<OwnedNumber>::new();
    assert_eq!(join(&mut chain, page(&list, 0), (0, PAGE)), Joined::Last);
    finish(&mut chain, &list);
    assert!(chain.listing.complete);
}

#[test]
fn rows_that_were_read_one_by_one_are_whole_only_if_their_number_stayed() {
    let mut chain = ListChain::<OwnedNumber>::new();
    for (list, offset) in [([1, 2, 3, 4].as_slice(), 0), (&[1, 2, 3, 4], 1), (&[2, 3, 4], 2)] {
        join(&mut chain, page_of(list, offset, 1), (offset, 1));
    }
    assert_eq!((ids(&chain).len(), chain.total), (3, Some(3)), "as many as told, but the third was passed over");
    assert!(!chain.has_enough());
}

proptest! {
    /// Numbers come at the top and leave anywhere between any two requests. What was there all the time is never missed,
    /// and what came meanwhile is not missed either if the reading calls itself whole.
    #[test]
    fn nothing_that_stayed_is_missed(size in 0_usize..80, steps in proptest::collection::vec((0_u8..4, 0_usize..80), 0..60)) {
        let mut list: Vec<u32> = (0..u32::try_from(size).expect("small")).collect();
        let (stayed, mut next) = (list.clone(), 1_000);
        let mut gone = Vec::new();
        let mut steps = steps.into_iter();
        let mut change = |list: &mut Vec<u32>| match steps.next() {
            Some((0, _)) => { list.insert(0, next); next += 1; }
            Some((1, at)) if at < list.len() => gone.push(list.remove(at)),
            _ => {}
        };
        let mut chain = ListChain::<OwnedNumber, CompactNumbers>::new();
        let (mut offset, mut tries) = (0, 0);
        let ended = loop {
            tries += 1;
            if tries > 300 { break false }
            let reply = page(&list, offset);
            change(&mut list);
            let shown = reply.data.shown;
            match join(&mut chain, reply, (offset, PAGE)) {
                Joined::Last => break true,
                Joined::Gap => offset = offset.saturating_sub(PAGE / 2),
                Joined::More | Joined::Nothing => offset += shown - 1,
            }
        };
        finish(&mut chain, &list);
        prop_assert!(ended);
        if chain.listing.complete {
            let ids = ids(&chain);
            for number in stayed.iter().chain(&list).filter(|number| !gone.contains(number)) {
                prop_assert!(ids.contains(&format!("n{number}")), "{number} is missing");
            }
        }
    }
}
