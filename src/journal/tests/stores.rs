//! Runs every case with every store.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};

use crate::journal::tests::{cases, server};

/// How many cases run over PostgreSQL at the same time, each in a database of its own.
const AT_ONCE: usize = 3;

macro_rules! over_every_store {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::journal::tests::cases::$case(crate::journal::tests::fixture::Fixture::sqlite()).await;
            })*
        }

        /// One test: where there is no server, it is one that says so, and not many that seem to have passed.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn over_postgres_where_there_is_a_server() {
            let Some(server) = server::TestDatabaseServer::find() else { return };
            let server = Arc::new(server);
            let cases: Vec<(&str, BoxFuture<'static, ()>)> = vec![$({
                let server = Arc::clone(&server);
                (stringify!($case), async move { cases::$case(server.fixture().await).await }.boxed())
            }),*];
            let run = async |(name, case)| {
                tokio::spawn(case).await.unwrap_or_else(|_| panic!("over PostgreSQL: {name}"));
            };
            stream::iter(cases).for_each_concurrent(AT_ONCE, run).await;
        }
    };
}

over_every_store!(
    an_operation_is_followed_from_its_intent_to_its_outcome,
    a_lost_answer_stays_unknown_until_something_is_known,
    one_number_is_made_ours_by_one_operation_at_a_time,
    the_same_number_is_bought_once_however_many_try_at_once,
    what_a_dead_process_left_is_given_back_or_not_known,
    a_cap_is_reached_and_never_passed,
    a_limit_of_money_is_kept_to_the_last_millionth,
    only_what_did_not_happen_is_given_back,
    a_token_is_good_for_one_operation_and_for_another_if_nothing_was_sent,
    what_is_not_known_stops_its_principal_until_acknowledged,
    more_that_is_not_known_than_is_shown_still_stops,
    a_number_just_made_ours_is_not_made_ours_again,
    that_it_happened_wins,
    an_operator_resolves_what_is_not_known_and_nothing_else,
    operations_are_found_by_what_they_are,
    what_is_old_is_forgotten_but_never_what_is_not_known,
    refusals_are_kept_by_principal_and_by_tenant,
    equal_refusals_are_one_row_with_a_count,
    nobodys_refusals_push_out_anothers,
    a_used_nonce_outlives_the_row_it_came_with,
    a_wall_clock_alone_frees_and_erases_nothing,
    a_number_is_not_bought_again_because_a_clock_says_so,
    a_purchase_that_nobody_waits_for_stops_the_others,
    what_is_not_known_is_the_tenants_under_any_key,
    rows_survive,
    a_frozen_journal_begins_nothing_and_sends_nothing,
    what_was_sent_before_a_freeze_is_settled,
    a_freeze_of_one_tenant_stops_no_other,
    a_freeze_lasts_and_no_pruning_ends_it,
    a_freeze_says_who_has_the_journal_open,
    while_many_begin_a_freeze_lets_none_through,
    every_older_layout_is_brought_up_to_date,
    rows_of_the_first_layout_in_every_state_are_kept,
    rows_of_the_second_layout_in_every_state_are_kept,
    rows_of_the_third_layout_in_every_state_are_kept,
    what_a_number_costs_is_kept_and_a_release_knows_it,
    totals_are_those_of_a_period_and_of_one_number,
    a_list_is_read_in_pages_without_gaps,
    a_call_that_comes_again_is_the_first_one,
    a_newer_layout_is_refused_by_a_program_that_runs,
    a_program_of_an_older_layout_ends_what_it_sent_and_begins_nothing,
    hints_are_kept_for_the_next_process,
    hints_never_cross_tenants_or_accounts,
    hints_are_bounded,
    changes_of_one_number_do_not_run_at_once,
    a_number_is_not_released_while_it_is_still_bought,
    what_was_read_before_another_change_is_stale,
    old_rows_go_in_slices_beside_calls,
    a_newer_layout_is_refused_and_left_alone,
    an_error_takes_all_of_it_back,
);

/// Those that need one process only.
mod memory {
    use crate::journal::place::JournalPlace;
    use crate::journal::tests::fixture::Fixture;

    fn memory() -> Fixture {
        Fixture { place: JournalPlace::Memory, home: None }
    }

    macro_rules! alone {
        ($($case:ident),* $(,)?) => {
            $(#[tokio::test]
            async fn $case() {
                crate::journal::tests::cases::$case(memory()).await;
            })*
        };
    }

    alone!(
        an_operation_is_followed_from_its_intent_to_its_outcome,
        a_lost_answer_stays_unknown_until_something_is_known,
        only_what_did_not_happen_is_given_back,
        more_that_is_not_known_than_is_shown_still_stops,
        that_it_happened_wins,
        operations_are_found_by_what_they_are,
        what_is_old_is_forgotten_but_never_what_is_not_known,
        equal_refusals_are_one_row_with_a_count,
        an_error_takes_all_of_it_back,
    );
}
