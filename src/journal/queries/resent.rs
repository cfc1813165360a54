//! Calls that a client sends again.

use crate::domain::Caller;
use crate::journal::operation::Operation;
use crate::journal::queries::clocks::ClockMoment;
use crate::journal::queries::row::select;
use crate::journal::store::{StoreResult, Transaction};

/// For how long a call counts as the same when its id comes again, in milliseconds: ten minutes.
pub(crate) const SAME_CALL: i64 = 10 * 60 * 1000;

/// Returns the operation that the same call of this principal began. One that was never sent does not count.
pub(crate) async fn first(
    transaction: &mut dyn Transaction,
    caller: &Caller,
    call_id: &str,
    now: &ClockMoment,
) -> StoreResult<Option<Operation>> {
    let same = "tenant = $1 AND principal = $2 AND call_id = $3 AND begun_at > $4 \
        AND (state <> 'refused' OR sent_at IS NOT NULL) ORDER BY begun_at DESC LIMIT 1";
    let since = now.oldest(SAME_CALL);
    let values = [(&caller.tenant).into(), (&caller.principal).into(), call_id.into(), since.into()];
    Ok(select(transaction, same, &values).await?.pop())
}
