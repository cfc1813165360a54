//! The stored data of an organization: its numbers, agents, credentials and calls.
//!
//! Every function reads one organization only. The data of other organizations is invisible to it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

/// A phone number of the organization in its present state.
#[derive(Debug)]
pub(crate) struct StoredNumber {
    pub(crate) id: String,
    pub(crate) phone_number: String,
    pub(crate) provider_id: Option<String>,
    pub(crate) managed: bool,
    pub(crate) credential_id: Option<String>,
    pub(crate) inbound_agent_id: Option<String>,
    pub(crate) outbound_agent_id: Option<String>,
    pub(crate) status: String,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// The calls of a number in which an agent takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberDirection {
    Inbound,
    Outbound,
}

impl NumberDirection {
    /// Returns the name of the direction in the API.
    pub(crate) fn word(self) -> &'static str {
        match self {
            NumberDirection::Inbound => "inbound",
            NumberDirection::Outbound => "outbound",
        }
    }
}

/// A number that is about to be added.
#[derive(Debug)]
pub(crate) struct NewNumber<'a> {
    pub(crate) id: &'a str,
    pub(crate) phone_number: &'a str,
    pub(crate) provider_id: Option<&'a str>,
    pub(crate) credential_id: Option<&'a str>,
    pub(crate) status: &'a str,
    /// When the number changes its status by itself, and to which status.
    pub(crate) settles: Option<(&'a str, &'a str)>,
}

/// An agent of the organization.
#[derive(Debug)]
pub(crate) struct StoredAgent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) status: String,
    pub(crate) ultravox_agent_id: Option<String>,
    pub(crate) voice_id: Option<String>,
    pub(crate) system_prompt: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// A carrier account with which numbers were imported. Its secrets are not stored.
#[derive(Debug)]
pub(crate) struct StoredCredential {
    pub(crate) id: String,
    pub(crate) provider_type: String,
    pub(crate) friendly_name: Option<String>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
}

/// The rows of one organization in the database, at one moment.
#[derive(Debug)]
pub(crate) struct AccountRows<'a> {
    pub(crate) database: &'a Connection,
    pub(crate) organization: &'a str,
    pub(crate) now: &'a str,
}

// A status that has changed with time is computed from the time. So a restart neither loses nor repeats the change.
const NUMBER: &str = "
    SELECT id, phone_number, provider_id, managed, credential_id, inbound_agent_id, outbound_agent_id,
        CASE WHEN settles_at <= :now THEN settles_as ELSE status END AS status, created_at,
        CASE WHEN settles_at <= :now THEN max(updated_at, settles_at) ELSE updated_at END AS updated_at
    FROM numbers WHERE organization_id = :organization";

const AGENT: &str = "
    SELECT id, name, description, status, ultravox_agent_id, voice_id, system_prompt, created_at, updated_at
    FROM agents WHERE organization_id = :organization";

impl AccountRows<'_> {
    /// Whether a carrier account is set up. Without one, numbers cannot be searched and bought.
    pub(crate) fn provider_configured(&self) -> rusqlite::Result<bool> {
        let mut statement =
            self.database.prepare_cached("SELECT provider_configured FROM organizations WHERE id = ?1")?;
        statement.query_row(params![self.organization], |row| row.get(0))
    }

    /// Returns the state of the subscription. It is `active` while the subscription pays.
    pub(crate) fn subscription_state(&self) -> rusqlite::Result<String> {
        let mut statement =
            self.database.prepare_cached("SELECT subscription_state FROM organizations WHERE id = ?1")?;
        statement.query_row(params![self.organization], |row| row.get(0))
    }

    /// Returns one page of numbers, newest first, and the number of all rows.
    pub(crate) fn numbers(&self, limit: u64, offset: u64) -> rusqlite::Result<(Vec<StoredNumber>, u64)> {
        let total: i64 = self
            .database
            .prepare_cached("SELECT count(*) FROM numbers WHERE organization_id = ?1")?
            .query_row(params![self.organization], |row| row.get(0))?;
        let mut statement = self
            .database
            .prepare_cached(&format!("{NUMBER} ORDER BY created_at DESC, rowid DESC LIMIT :limit OFFSET :offset"))?;
        let numbers = statement
            .query_map(
                named_params! {
                    ":now": self.now, ":organization": self.organization,
                    ":limit": whole(limit), ":offset": whole(offset),
                },
                number,
            )?
            .collect::<rusqlite::Result<_>>()?;
        Ok((numbers, total.unsigned_abs()))
    }

    /// Returns the number with an id.
    pub(crate) fn number(&self, id: &str) -> rusqlite::Result<Option<StoredNumber>> {
        self.database
            .prepare_cached(&format!("{NUMBER} AND id = :id"))?
            .query_row(named_params! { ":now": self.now, ":organization": self.organization, ":id": id }, number)
            .optional()
    }

    /// Returns the numbers that an agent holds in one direction, the oldest assignment first.
    pub(crate) fn numbers_of(&self, agent: &str, direction: NumberDirection) -> rusqlite::Result<Vec<StoredNumber>> {
        let held = match direction {
            NumberDirection::Inbound => "AND inbound_agent_id = :agent ORDER BY created_at, rowid",
            NumberDirection::Outbound => "AND outbound_agent_id = :agent ORDER BY outbound_since, rowid",
        };
        let mut statement = self.database.prepare_cached(&format!("{NUMBER} {held}"))?;
        statement
            .query_map(named_params! { ":now": self.now, ":organization": self.organization, ":agent": agent }, number)?
            .collect()
    }

    /// Adds a number. Returns false if this or another organization has it already.
    pub(crate) fn add_number(&self, new: &NewNumber<'_>) -> rusqlite::Result<bool> {
        let (settles_at, settles_as) = new.settles.unzip();
        let added = self.database.execute(
            "INSERT INTO numbers (id, organization_id, phone_number, provider_id, managed, credential_id, status,
                settles_at, settles_as, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10) ON CONFLICT (phone_number) DO NOTHING",
            params![
                new.id,
                self.organization,
                new.phone_number,
                new.provider_id,
                new.credential_id.is_none(),
                new.credential_id,
                new.status,
                settles_at,
                settles_as,
                self.now,
            ],
        )?;
        Ok(added == 1)
    }

    /// Removes a number from the organization.
    pub(crate) fn remove_number(&self, id: &str) -> rusqlite::Result<()> {
        self.database
            .execute("DELETE FROM numbers WHERE organization_id = ?1 AND id = ?2", params![self.organization, id])?;
        Ok(())
    }

    /// Gives one direction of a number to an agent, or to none. Changes nothing if it is so already.
    pub(crate) fn set_slot(&self, id: &str, direction: NumberDirection, agent: Option<&str>) -> rusqlite::Result<()> {
        let change = match direction {
            NumberDirection::Inbound => {
                "UPDATE numbers SET inbound_agent_id = ?1, updated_at = ?2
                 WHERE organization_id = ?3 AND id = ?4 AND inbound_agent_id IS NOT ?1"
            }
            NumberDirection::Outbound => {
                "UPDATE numbers SET outbound_agent_id = ?1, updated_at = ?2, outbound_since = iif(?1 IS NULL, NULL, ?2)
                 WHERE organization_id = ?3 AND id = ?4 AND outbound_agent_id IS NOT ?1"
            }
        };
        self.database.execute(change, params![agent, self.now, self.organization, id])?;
        Ok(())
    }

    /// Returns one page of agents, newest first, and the number of all that match.
    /// `name` matches any part of a name, regardless of case.
    pub(crate) fn agents(
        &self,
        status: Option<&str>,
        name: Option<&str>,
        limit: u64,
        offset: u64,
    ) -> rusqlite::Result<(Vec<StoredAgent>, u64)> {
        let mut statement = self.database.prepare_cached(&format!("{AGENT} ORDER BY created_at DESC, rowid DESC"))?;
        let name = name.map(str::to_lowercase);
        let mut page = Vec::new();
        let mut total = 0_u64;
        for found in statement.query_map(named_params! { ":organization": self.organization }, agent)? {
            let found = found?;
            let fits = status.is_none_or(|status| found.status == status)
                && name.as_ref().is_none_or(|name| found.name.to_lowercase().contains(name));
            if !fits {
                continue;
            }
            if total >= offset && (page.len() as u64) < limit {
                page.push(found);
            }
            total += 1;
        }
        Ok((page, total))
    }

    /// Returns the agent with an id.
    pub(crate) fn agent(&self, id: &str) -> rusqlite::Result<Option<StoredAgent>> {
        self.database
            .prepare_cached(&format!("{AGENT} AND id = :id"))?
            .query_row(named_params! { ":organization": self.organization, ":id": id }, agent)
            .optional()
    }

    /// Returns all credentials, newest first.
    pub(crate) fn credentials(&self) -> rusqlite::Result<Vec<StoredCredential>> {
        let mut statement = self.database.prepare_cached(
            "SELECT id, provider_type, friendly_name, created_at, updated_at FROM credentials
             WHERE organization_id = ?1 ORDER BY created_at DESC, rowid DESC",
        )?;
        statement
            .query_map(params![self.organization], |row| {
                Ok(StoredCredential {
                    id: row.get(0)?,
                    provider_type: row.get(1)?,
                    friendly_name: row.get(2)?,
                    created_at: row.get(3)?,
                    updated_at: row.get(4)?,
                })
            })?
            .collect()
    }

    /// Adds a credential.
    pub(crate) fn add_credential(&self, id: &str, provider: &str, name: Option<&str>) -> rusqlite::Result<()> {
        self.database.execute(
            "INSERT INTO credentials VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            params![id, self.organization, provider, name, self.now],
        )?;
        Ok(())
    }

    /// Adds a call.
    pub(crate) fn add_call(&self, id: &str, agent: &str, to: &str, from: &str) -> rusqlite::Result<()> {
        self.database.execute(
            "INSERT INTO calls VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, self.organization, agent, to, from, self.now],
        )?;
        Ok(())
    }

    /// Returns the stored response to the same request with the same idempotency key, if it is newer than `since`.
    pub(crate) fn replay(&self, key: &str, request: &str, since: &str) -> rusqlite::Result<Option<String>> {
        self.database
            .prepare_cached(
                "SELECT data FROM replays
                 WHERE organization_id = ?1 AND idempotency_key = ?2 AND request_sha256 = ?3 AND created_at > ?4",
            )?
            .query_row(params![self.organization, key, request, since], |row| row.get(0))
            .optional()
    }

    /// Stores a response for replays.
    pub(crate) fn keep_replay(&self, key: &str, request: &str, data: &str) -> rusqlite::Result<()> {
        self.database.execute(
            "INSERT OR REPLACE INTO replays VALUES (?1, ?2, ?3, ?4, ?5)",
            params![self.organization, key, request, data, self.now],
        )?;
        Ok(())
    }

    /// Returns every number that the carrier cannot offer: sold, withheld after a release, or owned by any
    /// organization.
    pub(crate) fn gone(&self) -> rusqlite::Result<HashSet<String>> {
        let mut statement = self.database.prepare_cached(
            "SELECT phone_number FROM gone WHERE until IS NULL OR until > ?1 UNION SELECT phone_number FROM numbers",
        )?;
        statement.query_map(params![self.now], |row| row.get(0))?.collect()
    }

    /// Whether the carrier cannot offer this number.
    pub(crate) fn is_gone(&self, number: &str) -> rusqlite::Result<bool> {
        let mut statement = self.database.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM gone WHERE phone_number = ?1 AND (until IS NULL OR until > ?2))
                OR EXISTS (SELECT 1 FROM numbers WHERE phone_number = ?1)",
        )?;
        statement.query_row(params![number, self.now], |row| row.get(0))
    }

    /// Makes a number unavailable at the carrier, for ever or until a moment.
    pub(crate) fn take_from_shelf(&self, number: &str, until: Option<&str>) -> rusqlite::Result<()> {
        self.database.execute("INSERT OR REPLACE INTO gone VALUES (?1, ?2)", params![number, until])?;
        Ok(())
    }
}

fn number(row: &Row<'_>) -> rusqlite::Result<StoredNumber> {
    Ok(StoredNumber {
        id: row.get(0)?,
        phone_number: row.get(1)?,
        provider_id: row.get(2)?,
        managed: row.get(3)?,
        credential_id: row.get(4)?,
        inbound_agent_id: row.get(5)?,
        outbound_agent_id: row.get(6)?,
        status: row.get(7)?,
        created_at: row.get(8)?,
        updated_at: row.get(9)?,
    })
}

pub(crate) fn agent(row: &Row<'_>) -> rusqlite::Result<StoredAgent> {
    Ok(StoredAgent {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        status: row.get(3)?,
        ultravox_agent_id: row.get(4)?,
        voice_id: row.get(5)?,
        system_prompt: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
    })
}

/// Converts a count to a number that `SQLite` accepts.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::data::seed::{FIRST_ORGANIZATION, FRONT_DESK, FRONT_OFFICE, OTHER_ORGANIZATION};
    use crate::sandbox::data::store;

    fn account<'a>(database: &'a Connection, now: &'a str) -> AccountRows<'a> {
        AccountRows { database, organization: FIRST_ORGANIZATION, now }
    }

    fn new<'a>(id: &'a str, phone_number: &'a str) -> NewNumber<'a> {
        NewNumber {
            id,
            phone_number,
            provider_id: Some("order"),
            credential_id: None,
            status: "pending",
            settles: Some(("2026-05-01T00:00:02.000000Z", "active")),
        }
    }

    #[test]
    fn a_pending_number_settles_with_time_alone() {
        let database = store::in_memory().unwrap();
        let at = |now: &str| {
            let number = account(&database, now).number("n").unwrap().unwrap();
            (number.status, number.updated_at)
        };
        assert!(account(&database, "2026-05-01T00:00:00.000000Z").add_number(&new("n", "+12125550100")).unwrap());
        assert_eq!(at("2026-05-01T00:00:01.999999Z"), ("pending".into(), "2026-05-01T00:00:00.000000Z".into()));
        assert_eq!(at("2026-05-01T00:00:02.000000Z"), ("active".into(), "2026-05-01T00:00:02.000000Z".into()));
    }

    #[test]
    fn a_number_is_unique_over_all_organizations() {
        let database = store::in_memory().unwrap();
        let mut account = account(&database, "2026-05-01T00:00:00.000000Z");
        assert!(!account.add_number(&new("n", "+17735550160")).unwrap());
        assert!(account.number("n").unwrap().is_none());
        assert!(account.is_gone("+17735550160").unwrap());
        account.organization = OTHER_ORGANIZATION;
        assert_eq!(account.numbers(50, 0).unwrap().1, 1);
        assert!(account.agent(FRONT_DESK).unwrap().is_none());
    }

    #[test]
    fn a_slot_moves_alone_and_repeating_changes_nothing() {
        let database = store::in_memory().unwrap();
        let id = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
        let first = account(&database, "2026-05-01T00:00:00.000000Z");
        first.set_slot(id, NumberDirection::Outbound, Some(FRONT_OFFICE)).unwrap();
        let later = account(&database, "2026-05-02T00:00:00.000000Z");
        later.set_slot(id, NumberDirection::Outbound, Some(FRONT_OFFICE)).unwrap();
        let number = later.number(id).unwrap().unwrap();
        assert_eq!(number.updated_at, "2026-05-01T00:00:00.000000Z");
        assert_eq!(number.inbound_agent_id.as_deref(), Some(FRONT_DESK));
        let outbound = later.numbers_of(FRONT_OFFICE, NumberDirection::Outbound).unwrap();
        assert_eq!(outbound.last().map(|number| number.id.as_str()), Some(id));
        later.set_slot(id, NumberDirection::Outbound, None).unwrap();
        assert_eq!(later.number(id).unwrap().unwrap().outbound_agent_id, None);
    }

    #[test]
    fn what_points_at_an_agent_or_a_credential_forgets_it_when_it_is_deleted() {
        let database = store::in_memory().unwrap();
        database.execute("DELETE FROM agents WHERE id = ?1", params![FRONT_DESK]).unwrap();
        database.execute("DELETE FROM credentials", []).unwrap();
        let (numbers, _) = account(&database, "2026-05-01T00:00:00.000000Z").numbers(50, 0).unwrap();
        assert!(numbers.iter().all(|number| number.inbound_agent_id.as_deref() != Some(FRONT_DESK)));
        assert!(numbers.iter().all(|number| number.credential_id.is_none()));
    }

    #[test]
    fn a_number_withheld_until_a_moment_comes_back_then() {
        let database = store::in_memory().unwrap();
        let before = account(&database, "2026-05-01T00:00:00.000000Z");
        before.take_from_shelf("+12125550101", Some("2026-05-01T00:00:05.000000Z")).unwrap();
        assert!(before.is_gone("+12125550101").unwrap() && before.gone().unwrap().contains("+12125550101"));
        let after = account(&database, "2026-05-01T00:00:05.000000Z");
        assert!(!after.is_gone("+12125550101").unwrap() && !after.gone().unwrap().contains("+12125550101"));
    }
}
