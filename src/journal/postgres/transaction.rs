//! A transaction, and the conversion of its values.

use bytes::BytesMut;
use deadpool_postgres::Object;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_postgres::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, WrongType, to_sql_checked};

use crate::journal::postgres::errors::explain;
use crate::journal::store::{SqlRow, SqlValue, StoreResult, Transaction, Unavailable};

/// An open transaction, and whether any of its statements failed.
pub(crate) struct PostgresTransaction<'c> {
    pub(crate) object: &'c mut Object,
    pub(crate) failed: bool,
}

impl PostgresTransaction<'_> {
    async fn rows(&self, sql: &str, values: &[SqlValue]) -> Result<Vec<SqlRow>, Error> {
        let statement = self.object.prepare_cached(sql).await?;
        let rows = self.object.query(&statement, &parameters(values)).await?;
        rows.iter().map(|row| (0..row.len()).map(|at| cell(row, at)).collect()).collect()
    }

    async fn change(&self, sql: &str, values: &[SqlValue]) -> Result<u64, Error> {
        // Statements that create tables run only once and need no prepared statement.
        if values.is_empty() {
            return self.object.execute(sql, &[]).await;
        }
        let statement = self.object.prepare_cached(sql).await?;
        self.object.execute(&statement, &parameters(values)).await
    }

    fn noted<T>(&mut self, outcome: Result<T, Error>) -> StoreResult<T> {
        self.failed |= outcome.is_err();
        outcome.map_err(|error| explain(&error))
    }
}

fn parameters(values: &[SqlValue]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn cell(row: &tokio_postgres::Row, at: usize) -> Result<SqlValue, Error> {
    let kind = row.columns().get(at).map(|column| column.type_().clone());
    Ok(match kind {
        Some(Type::INT8) => row.try_get::<_, Option<i64>>(at)?.into(),
        Some(Type::INT4) => row.try_get::<_, Option<i32>>(at)?.map(i64::from).into(),
        Some(Type::BOOL) => row.try_get::<_, Option<bool>>(at)?.map(i64::from).into(),
        _ => row.try_get::<_, Option<String>>(at)?.into(),
    })
}

impl ToSql for SqlValue {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self, kind) {
            (Self::Null, _) => Ok(IsNull::Yes),
            (Self::Int(value), &Type::INT8) => value.to_sql(kind, out),
            (Self::Int(value), &Type::INT4) => i32::try_from(*value)?.to_sql(kind, out),
            (Self::Text(text), &Type::TEXT | &Type::VARCHAR) => text.to_sql(kind, out),
            _ => Err(Box::new(WrongType::new::<Self>(kind.clone()))),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::INT4 | Type::TEXT | Type::VARCHAR)
    }

    to_sql_checked!();
}

impl Transaction for PostgresTransaction<'_> {
    fn query<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<Vec<SqlRow>>> {
        async move {
            let rows = self.rows(sql, values).await;
            self.noted(rows)
        }
        .boxed()
    }

    fn execute<'a>(&'a mut self, sql: &'a str, values: &'a [SqlValue]) -> BoxFuture<'a, StoreResult<u64>> {
        async move {
            let changed = self.change(sql, values).await;
            self.noted(changed)
        }
        .boxed()
    }

    fn now(&mut self) -> BoxFuture<'_, StoreResult<i64>> {
        // The current time is needed, not the start of the transaction, since the transaction waited for the lock.
        async move { self.first("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)", &[]).await }
            .boxed()
    }

    fn lives(&mut self, owner: i64) -> BoxFuture<'_, StoreResult<bool>> {
        async move { Ok(self.first("SELECT pg_try_advisory_xact_lock($1)", &[owner.into()]).await? == 0) }.boxed()
    }

    fn other_processes(&mut self) -> BoxFuture<'_, StoreResult<usize>> {
        // Each process holds a lock with one key on a session of its own. One of these sessions is this process's.
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted \
            AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        async move { Ok(usize::try_from(self.first(held, &[]).await?.saturating_sub(1)).unwrap_or(0)) }.boxed()
    }
}

impl PostgresTransaction<'_> {
    async fn first(&mut self, sql: &str, values: &[SqlValue]) -> StoreResult<i64> {
        let rows = self.query(sql, values).await?;
        let nothing = || Unavailable::Failed("the database gave no answer".to_owned());
        rows.first().and_then(|row| row.first()?.int()).ok_or_else(nothing)
    }
}
