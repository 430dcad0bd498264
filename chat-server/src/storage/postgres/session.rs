//! A connection in use by one operation, and whether it goes back. As with [`super::super::lease`], work that was
//! abandoned half-way closes its connection, so the pool heals by itself.

use std::sync::Arc;

use deadpool::managed::Object;
use sqlx::Connection as _;
use sqlx::postgres::{PgArguments, PgConnection};

use super::super::lease::is_fit_after;
use super::super::{STATEMENT_LIMIT, StorageError};
use super::connect::{Connector, is_demoted};
use super::pool::Generation;

pub(in super::super) struct Session {
    connection: Connection,
    generation: Arc<Generation>,
    is_pooler: bool,
    is_transaction: bool,
}

/// A connection that is closed unless it is given back.
struct Connection(Option<Object<Connector>>);

impl Session {
    pub(super) async fn start(
        connection: Object<Connector>,
        generation: Arc<Generation>,
    ) -> Result<Self, StorageError> {
        let mut session = Self {
            connection: Connection(Some(connection)),
            is_pooler: generation.is_behind_pooler(),
            is_transaction: false,
            generation,
        };
        if session.is_pooler {
            session.begin().await?;
        }
        Ok(session)
    }

    /// Make what follows one transaction.
    pub(in super::super) async fn begin(&mut self) -> Result<(), StorageError> {
        if !self.is_transaction {
            // Behind a pooler, the settings of the session weren't taken.
            let begin = format!(
                "BEGIN; SET LOCAL statement_timeout = {}",
                STATEMENT_LIMIT.as_millis()
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(begin))
                .execute(self.connection()?)
                .await?;
            self.is_transaction = true;
        }
        Ok(())
    }

    pub(in super::super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        // It is there until the session ends.
        self.connection
            .0
            .as_mut()
            .map(|opened| &mut opened.connection)
            .ok_or(sqlx::Error::PoolClosed)
    }

    /// A statement, prepared in the way that lasts as long as it may.
    pub(in super::super) fn query<'q>(
        &self,
        sql: &'static str,
    ) -> sqlx::query::Query<'q, sqlx::Postgres, PgArguments> {
        sqlx::query(sql).persistent(!self.is_pooler)
    }

    /// End the operation with its outcome, which decides whether the connection is used again. What was written is
    /// committed when this returns well.
    pub(in super::super) async fn end<T>(
        mut self,
        outcome: Result<T, sqlx::Error>,
    ) -> Result<T, StorageError> {
        let outcome = match outcome {
            Ok(value) if self.is_transaction => sqlx::raw_sql("COMMIT")
                .execute(self.connection()?)
                .await
                .map(|_| value),
            outcome => outcome,
        };
        if outcome.as_ref().is_err_and(is_demoted) {
            self.generation.demotion().note();
        }
        // A transaction that failed goes with its connection.
        if outcome.as_ref().map_or_else(
            |error| !self.is_transaction && is_fit_after(error),
            |_| true,
        ) {
            self.connection.give_back();
        }
        Ok(outcome?)
    }

    /// The server that this connection leads to has become read-only: leave it, and all connections as old as this one.
    pub(in super::super) fn end_demoted(self) -> StorageError {
        self.generation.demotion().note();
        StorageError::ReadOnly
    }
}

impl Connection {
    fn give_back(&mut self) {
        self.0 = None;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(opened) = self.0.take() {
            // A goodbye, where the database still listens; it may hang, so nobody waits for it.
            tokio::spawn(tokio::time::timeout(
                STATEMENT_LIMIT,
                Object::take(opened).connection.close(),
            ));
        }
    }
}
