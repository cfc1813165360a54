//! A transaction, and the conversion of its values.

use std::path::Path;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params_from_iter};

use crate::journal::queries::clocks::Clock;
use crate::journal::sqlite::errors::{explain, is_broken};
use crate::journal::sqlite::lease::{lives, others};
#[cfg(test)]
use crate::journal::sqlite::recorded::record;
use crate::journal::store::{SqlRow, SqlValue, StoreResult, Transaction, TransactionWork, Unavailable};

pub(crate) fn in_transaction(
    connection: &mut Connection,
    (place, own, clock): (Option<&Path>, i64, &dyn Clock),
    work: TransactionWork,
    broken: &mut bool,
) -> StoreResult<()> {
    // A fault in earlier work may have left a transaction open.
    if !connection.is_autocommit() {
        drop(connection.execute_batch("ROLLBACK"));
    }
    let mut failed = |error: &rusqlite::Error| {
        *broken |= is_broken(error);
        explain(error)
    };
    // `shrink_memory` drops the cache, so that rows are read from the file. Damage then shows before anything is sent.
    connection.execute_batch("PRAGMA shrink_memory; BEGIN IMMEDIATE").map_err(|error| failed(&error))?;
    let mut transaction = SqliteTransaction { connection, place, own, clock, failed: &mut failed };
    // All data is available at once, so the future never waits.
    let done = work(&mut transaction).now_or_never();
    let outcome = match done.unwrap_or_else(|| Err(Unavailable::Failed("its work did not end".to_owned()))) {
        Ok(()) => connection.execute_batch("COMMIT").map_err(|error| failed(&error)),
        Err(error) => Err(error),
    };
    if outcome.is_err() && !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err() {
        *broken = true;
    }
    outcome
}

pub(crate) struct SqliteTransaction<'c> {
    connection: &'c mut Connection,
    place: Option<&'c Path>,
    own: i64,
    clock: &'c dyn Clock,
    /// Converts an error into a text for operators, and remembers whether the connection is broken.
    failed: &'c mut (dyn FnMut(&rusqlite::Error) -> Unavailable + Send),
}

impl SqliteTransaction<'_> {
    fn rows(&mut self, sql: &str, values: &[SqlValue]) -> rusqlite::Result<Vec<SqlRow>> {
        let mut statement = self.connection.prepare_cached(&sql.replace('$', "?"))?;
        let width = statement.column_count();
        let mut rows = statement.query(params_from_iter(values))?;
        let mut read = Vec::new();
        while let Some(row) = rows.next()? {
            let cell = |at| {
                Ok(match row.get_ref(at)? {
                    ValueRef::Integer(value) => SqlValue::Int(value),
                    ValueRef::Text(text) => SqlValue::Text(String::from_utf8_lossy(text).into_owned()),
                    _ => SqlValue::Null,
                })
            };
            read.push((0..width).map(cell).collect::<rusqlite::Result<SqlRow>>()?);
        }
        drop(rows);
        #[cfg(test)]
        record(self.place, sql, &statement);
        Ok(read)
    }

    fn change(&mut self, sql: &str, values: &[SqlValue]) -> rusqlite::Result<u64> {
        let mut statement = self.connection.prepare_cached(&sql.replace('$', "?"))?;
        let changed = statement.execute(params_from_iter(values))?;
        #[cfg(test)]
        record(self.place, sql, &statement);
        Ok(changed as u64)
    }
}

impl rusqlite::ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => rusqlite::types::Null.into(),
            Self::Int(value) => (*value).into(),
            Self::Text(text) => text.as_str().into(),
        })
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn query<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<Vec<SqlRow>>> {
        ready(self.rows(sql, values).map_err(|error| (self.failed)(&error))).boxed()
    }

    fn execute<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<u64>> {
        ready(self.change(sql, values).map_err(|error| (self.failed)(&error))).boxed()
    }

    fn now(&mut self) -> BoxFuture<'_, StoreResult<i64>> {
        ready(Ok(self.clock.wall())).boxed()
    }

    fn lives(&mut self, owner: i64) -> BoxFuture<'_, StoreResult<bool>> {
        ready(Ok(self.place.is_some_and(|place| lives(place, owner)))).boxed()
    }

    fn other_processes(&mut self) -> BoxFuture<'_, StoreResult<usize>> {
        ready(Ok(self.place.map_or(0, |place| others(place, self.own)))).boxed()
    }
}
