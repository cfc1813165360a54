//! Hints where the rows of an account were last seen, one for each page of its list.
//!
//! A hint tells a fresh process where to look. It is never a fact, and a lost one costs a few requests.

use futures::FutureExt;

use crate::journal::journal::Journal;
use crate::journal::store::{SqlValue, StoreResult, Transaction, Unavailable};

/// The largest text that one page keeps, in bytes.
const ENTRIES_LIMIT: usize = 64 * 1024;
/// How many pages of one account are kept. The lowest ones stay.
const PAGES: i64 = 4_000;

impl Journal {
    /// Returns the hints of this tenant and account, ordered by page. The text is what the caller kept.
    ///
    /// Hints belong to a tenant and to the digest of its API key. So no tenant ever reads those of another. A fresh
    /// process knows both before it has read anything, and finds what an earlier process kept. The organization is not
    /// a part of it, because it is known only after a reading. After the key was replaced there are no hints at first.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn page_hints(&self) -> StoreResult<Vec<(u64, String)>> {
        let scope = self.hint_scope();
        self.run(move |transaction| async move { read(transaction, &scope).await }.boxed()).await
    }

    /// Keeps hints for the next process: `Some` replaces the text of a page, `None` deletes it.
    ///
    /// A text has at most 64 KiB. At most 4,000 pages are kept, those with the lowest numbers. A crash of the machine
    /// may lose what was kept last.
    ///
    /// # Errors
    ///
    /// If the store cannot be written, or a text is too large. Then nothing is changed.
    pub async fn keep_page_hints(&self, pages: Vec<(u64, Option<String>)>) -> StoreResult<()> {
        let scope = self.hint_scope();
        if pages.iter().any(|(_, entries)| entries.as_ref().is_some_and(|text| text.len() > ENTRIES_LIMIT)) {
            return Err(Unavailable::Failed(format!("a page of hints has more than {ENTRIES_LIMIT} bytes")));
        }
        self.run(move |transaction| async move { keep(transaction, &scope, pages).await }.boxed()).await
    }

    /// Returns the key of the hints. The quotes of the debug format keep different pairs different.
    fn hint_scope(&self) -> String {
        format!("tenant:{:?} account:{:?}", self.tenant, self.account)
    }
}

async fn read(transaction: &mut dyn Transaction, scope: &str) -> StoreResult<Vec<(u64, String)>> {
    let all = "SELECT page, entries FROM page_hints WHERE scope = $1 ORDER BY page";
    let rows = transaction.query(all, &[scope.into()]).await?;
    let hint = |row: Vec<SqlValue>| {
        let page = u64::try_from(row.first()?.int()?).ok()?;
        Some((page, row.get(1)?.text()?))
    };
    Ok(rows.into_iter().filter_map(hint).collect())
}

async fn keep(transaction: &mut dyn Transaction, scope: &str, pages: Vec<(u64, Option<String>)>) -> StoreResult<()> {
    let put = "INSERT INTO page_hints (scope, page, entries) VALUES ($1, $2, $3) \
        ON CONFLICT (scope, page) DO UPDATE SET entries = excluded.entries";
    let mut grows = false;
    for (page, entries) in pages {
        // Pages beyond this range would be deleted below in any case.
        let Ok(page) = i64::try_from(page) else { continue };
        let key = [scope.into(), page.into()];
        match entries {
            Some(text) => {
                grows = true;
                transaction.execute(put, &[&key[..], &[text.into()]].concat()).await?
            }
            None => transaction.execute("DELETE FROM page_hints WHERE scope = $1 AND page = $2", &key).await?,
        };
    }
    if grows {
        let excess = "DELETE FROM page_hints WHERE scope = $1 AND page >= \
            (SELECT page FROM page_hints WHERE scope = $1 ORDER BY page LIMIT 1 OFFSET $2)";
        transaction.execute(excess, &[scope.into(), PAGES.into()]).await?;
    }
    Ok(())
}
