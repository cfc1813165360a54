//! Which cases of a large matrix a run tries. All of them take minutes, so a run tries a share of them.

use std::time::{SystemTime, UNIX_EPOCH};

/// The share of a matrix that one run tries: every `of`-th case, from one that changes with the day.
///
/// So `of` days try all cases. `TRUEDY_TEST_WHOLE=1` tries all at once, as the nightly checks do.
pub(crate) fn share<T>(of: usize, cases: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let whole = std::env::var_os("TRUEDY_TEST_WHOLE").is_some();
    let day = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400);
    let (of, first) = if whole { (1, 0) } else { (of, usize::try_from(day).unwrap_or(0) % of) };
    println!("of {of} parts of the cases, part {} is tried; TRUEDY_TEST_WHOLE=1 tries all", first + 1);
    cases.skip(first).step_by(of)
}
