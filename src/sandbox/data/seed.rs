//! The initial content of the account: a small company with twelve numbers and six agents.
//!
//! It suffices for a first conversation, and for meeting every rule. Agents and numbers are in every state.

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use crate::sandbox::keys::{KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SECOND_KEY};

pub(crate) const FIRST_ORGANIZATION: &str = "org_2SandboxFirstOrganization1";
pub(crate) const OTHER_ORGANIZATION: &str = "org_2SandboxOtherOrganization2";

pub(crate) const FRONT_DESK: &str = "1f4baf16-1540-4d91-9696-7f34b2f2cb77";
pub(crate) const FRONT_OFFICE: &str = "3a9c5d20-8b1e-4f6a-9c47-51d0e2a6b318";
pub(crate) const NIGHT_LINE: &str = "6be0c7f1-2d34-4a85-b0f9-8e7716c3d942";
pub(crate) const OVERFLOW: &str = "c25d1e88-90ab-4c6d-8f13-4b7ae9d05521";
pub(crate) const SALES: &str = "5d2e9b70-3c16-4f8a-a7d4-90e1c6b28f53";
pub(crate) const REMINDERS: &str = "a90c4e17-6b85-4d23-8e5f-2f71d0b9c384";
const ELSEWHERE: &str = "e8f31b06-7c59-4d02-a1be-93d4c6f7082a";

const MAIN_LINE: &str = "5a4b0d0e-8f57-4d8e-a1de-1f2c9b8f7a10";
const OFFICE_PBX: &str = "8c1f6a3d-4e90-4b27-95d8-b0a7e2c61f34";
const OLD_CARRIER: &str = "f07d2b95-61c8-4e3f-8a24-7d9e0b5c3a16";

struct SeedAgent(
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
);

const AGENTS: &[SeedAgent] = &[
    SeedAgent(
        FIRST_ORGANIZATION,
        FRONT_DESK,
        "Front desk",
        "Answers the main line, takes messages and books appointments",
        "active",
        Some("6a1d8c0e-1c53-4a8e-9a57-0c1f9f0f2b11"),
        "2026-02-02T09:00:00.000000Z",
    ),
    SeedAgent(
        FIRST_ORGANIZATION,
        FRONT_OFFICE,
        "Front office",
        "Calls customers back and confirms appointments",
        "active",
        Some("b47e92d5-3f08-4c1a-8d66-2e5a71c9f084"),
        "2026-02-09T10:30:00.000000Z",
    ),
    SeedAgent(
        FIRST_ORGANIZATION,
        NIGHT_LINE,
        "Night line",
        "Will answer after hours; still being written",
        "draft",
        None,
        "2026-03-01T17:45:00.000000Z",
    ),
    SeedAgent(
        FIRST_ORGANIZATION,
        OVERFLOW,
        "Overflow",
        "Takes calls when the front desk is busy",
        "failed",
        Some("0d93f7c4-a516-4b80-9e2f-6c8b14d7e530"),
        "2026-03-02T08:15:00.000000Z",
    ),
    SeedAgent(
        FIRST_ORGANIZATION,
        SALES,
        "Sales",
        "Answers questions about products and takes orders",
        "active",
        Some("e1b7d5a2-48c9-4f06-93ad-7c20f86e1b54"),
        "2025-09-01T08:00:00.000000Z",
    ),
    SeedAgent(
        FIRST_ORGANIZATION,
        REMINDERS,
        "Reminders",
        "Will call customers the day before an appointment; being created",
        "creating",
        None,
        "2026-03-06T09:10:00.000000Z",
    ),
    SeedAgent(
        OTHER_ORGANIZATION,
        ELSEWHERE,
        "Front desk",
        "Answers for somebody else",
        "active",
        Some("4f6a0b91-d2c3-4e75-87a8-1b9c5e3d7f02"),
        "2026-02-15T12:00:00.000000Z",
    ),
];

struct SeedCredential(&'static str, &'static str, &'static str, &'static str);

const CREDENTIALS: &[SeedCredential] = &[
    SeedCredential(OLD_CARRIER, "telnyx", "Old carrier", "2026-02-10T15:20:00.000000Z"),
    SeedCredential(MAIN_LINE, "twilio", "Main line", "2026-02-20T09:00:00.000000Z"),
    SeedCredential(OFFICE_PBX, "custom_sip", "Office PBX", "2026-02-24T11:05:00.000000Z"),
];

struct SeedNumber {
    organization: &'static str,
    id: &'static str,
    number: &'static str,
    order: Option<&'static str>,
    credential: Option<&'static str>,
    inbound: Option<&'static str>,
    outbound: Option<&'static str>,
    status: &'static str,
    created_at: &'static str,
}

const NUMBERS: &[SeedNumber] = &[
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "c4f81d36-0a5b-4e72-9b64-e8d3170c5af2",
        number: "+18005550142",
        order: Some("0f6b2c91-7de4-4a38-8c15-b93a5e47d206"),
        credential: None,
        inbound: Some(SALES),
        outbound: None,
        status: "active",
        created_at: "2025-09-15T10:00:00.000000Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "83b0e5d7-f296-4c1e-a3f8-5a0c7d91e46b",
        number: "+12065550118",
        order: Some("b1d49e60-35a7-4f82-9e0c-64f7d8a2c513"),
        credential: None,
        inbound: Some(SALES),
        outbound: Some(SALES),
        status: "active",
        created_at: "2025-10-02T16:20:00.000000Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "1ad6c728-b93e-4f50-8764-d2e09f5b3c81",
        number: "+15125550131",
        order: Some("6c7e0a84-d1f3-4b59-a2e6-0895bd3f71ca"),
        credential: None,
        inbound: None,
        outbound: None,
        status: "active",
        created_at: "2025-10-20T13:05:00.000000Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "e72f94a0-5c8d-4b13-b0e9-16a7c3d85f4e",
        number: "+14165550187",
        order: Some("d83a5f17-20c6-4e9b-8b74-a1f60e92d35c"),
        credential: None,
        inbound: Some(SALES),
        outbound: Some(SALES),
        status: "active",
        created_at: "2025-11-11T09:40:00.000000Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "4c05b9e8-6f31-4d7a-9ac2-7be8d1f0265a",
        number: "+13055550164",
        order: Some("25e9c6b0-84d7-4f13-a6f2-c07b1e58d94a"),
        credential: None,
        inbound: None,
        outbound: None,
        status: "active",
        created_at: "2025-12-05T18:30:00.000000Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "97a3d64c-e10f-4825-8d5b-f64b02c9e7a1",
        number: "+441614960231",
        order: Some("f4d07b29-61ae-4c85-9b3d-5e8a0f72c1d6"),
        credential: None,
        inbound: None,
        outbound: None,
        // Its order failed at the carrier.
        status: "inactive",
        created_at: "2026-01-12T11:15:00.000000Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "b85e2f07-9d4c-4a6e-a0b1-3c97f5e8d642",
        number: "+16045550129",
        order: Some("7a91c3e5-f06d-4b28-8e57-d2b4960f3ca8"),
        credential: None,
        inbound: Some(SALES),
        outbound: None,
        status: "active",
        created_at: "2026-01-28T20:00:00.000000Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "7c0c2b7e-2f0f-4b43-9d35-3c1a52b9b0aa",
        number: "+16175550155",
        order: None,
        credential: Some(MAIN_LINE),
        inbound: Some(FRONT_OFFICE),
        outbound: Some(FRONT_OFFICE),
        status: "active",
        created_at: "2026-02-20T09:00:00.512044Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "2e8d41b7-6f95-4a03-bc12-d7f0a9638e5c",
        number: "+442079460123",
        order: None,
        credential: Some(OFFICE_PBX),
        inbound: None,
        outbound: None,
        status: "active",
        created_at: "2026-02-24T11:05:00.730915Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0",
        number: "+14155550123",
        order: Some("1d068d77-a651-49ef-b65b-85a888a8bd0b"),
        credential: None,
        inbound: Some(FRONT_DESK),
        outbound: None,
        status: "active",
        created_at: "2026-03-03T20:30:21.310278Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "9b57e0c3-14da-4f28-a6e9-3c0d8b72f645",
        number: "+12125550142",
        order: Some("a3c86f19-70be-4d51-92f4-5e8d1b07c2a6"),
        credential: None,
        inbound: None,
        outbound: Some(FRONT_OFFICE),
        status: "active",
        created_at: "2026-03-05T14:12:40.087331Z",
    },
    SeedNumber {
        organization: FIRST_ORGANIZATION,
        id: "51f2a8d6-c073-4e9b-8d1c-a4b96e3f7205",
        number: "+13125550110",
        order: Some("7e04d2b8-59c1-4a6f-b830-f19d6c25e7a4"),
        credential: None,
        inbound: None,
        outbound: None,
        // It waits for documents that the carrier requires, so time alone does not change its status.
        status: "pending",
        created_at: "2026-03-06T08:55:03.644120Z",
    },
    SeedNumber {
        organization: OTHER_ORGANIZATION,
        id: "b6a0f3e1-8d27-4c94-9f5b-06e1c7d8a239",
        number: "+17735550160",
        order: Some("c90b5e72-1fa4-4d38-86c7-e2d4a1f9b053"),
        credential: None,
        inbound: Some(ELSEWHERE),
        outbound: Some(ELSEWHERE),
        status: "active",
        created_at: "2026-02-28T16:40:11.905227Z",
    },
];

/// Fills an empty database.
pub(crate) fn sow(database: &Connection) -> rusqlite::Result<()> {
    for organization in [FIRST_ORGANIZATION, OTHER_ORGANIZATION] {
        database.execute("INSERT INTO organizations VALUES (?1, 'active', 1)", params![organization])?;
    }
    for (key, organization, revoked) in [
        (KEY, FIRST_ORGANIZATION, false),
        (SECOND_KEY, FIRST_ORGANIZATION, false),
        (REVOKED_KEY, FIRST_ORGANIZATION, true),
        (OTHER_ORGANIZATION_KEY, OTHER_ORGANIZATION, false),
    ] {
        database
            .execute("INSERT INTO api_keys VALUES (?1, ?2, ?3)", params![fingerprint(key), organization, revoked])?;
    }
    for SeedAgent(organization, id, name, description, status, ultravox, at) in AGENTS {
        let prompt = format!("You are \"{name}\". {description}. Be brief and friendly.");
        database.execute(
            "INSERT INTO agents VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'a7f2ec82-f533-4f41-a8de-0e4351bd2ec5', ?7, ?8, ?8)",
            params![id, organization, name, description, status, ultravox, prompt, at],
        )?;
    }
    for SeedCredential(id, provider, name, at) in CREDENTIALS {
        database.execute(
            "INSERT INTO credentials VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            params![id, FIRST_ORGANIZATION, provider, name, at],
        )?;
    }
    for number in NUMBERS {
        let outbound_since = number.outbound.map(|_| number.created_at);
        database.execute(
            "INSERT INTO numbers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, NULL, NULL, ?11, ?11)",
            params![
                number.id,
                number.organization,
                number.number,
                number.order,
                number.credential.is_none(),
                number.credential,
                number.inbound,
                number.outbound,
                outbound_since,
                number.status,
                number.created_at,
            ],
        )?;
        if number.credential.is_none() {
            database.execute("INSERT INTO gone VALUES (?1, NULL)", params![number.number])?;
        }
    }
    Ok(())
}

/// Returns the digest of a key. Keys are stored only in this form.
pub(crate) fn fingerprint(key: &str) -> String {
    hexadecimal(&Sha256::digest(key.as_bytes()))
}

/// Returns bytes in lower-case hexadecimal.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::data::inventory;

    #[test]
    fn keys_have_the_documented_form_and_say_sandbox() {
        for key in [KEY, SECOND_KEY, REVOKED_KEY, OTHER_ORGANIZATION_KEY] {
            let random = key.strip_prefix("truedy_").unwrap();
            assert!(random.len() == 32 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{key}");
            assert!(random.starts_with("Sandbox"));
        }
    }

    #[test]
    fn the_company_has_twelve_numbers_and_six_agents_in_all_states() {
        use std::collections::BTreeSet;
        let own: Vec<&SeedNumber> = NUMBERS.iter().filter(|number| number.organization == FIRST_ORGANIZATION).collect();
        assert_eq!(own.len(), 12);
        let statuses: BTreeSet<&str> = own.iter().map(|number| number.status).collect();
        assert_eq!(statuses, BTreeSet::from(["active", "inactive", "pending"]));
        let areas: Vec<_> = own.iter().filter_map(|number| inventory::area_of(number.number)).collect();
        let countries: BTreeSet<&str> = areas.iter().map(|area| area.country).collect();
        assert_eq!(countries, BTreeSet::from(["CA", "GB", "US"]));
        assert_eq!(areas.iter().filter(|area| area.kind == "toll_free").count(), 1);
        let agents: Vec<&SeedAgent> = AGENTS.iter().filter(|agent| agent.0 == FIRST_ORGANIZATION).collect();
        let statuses: BTreeSet<&str> = agents.iter().map(|agent| agent.4).collect();
        assert_eq!((agents.len(), statuses), (6, BTreeSet::from(["active", "creating", "draft", "failed"])));
        // Some numbers are used in one direction, some in both, and some by nobody.
        let uses: BTreeSet<_> = own.iter().map(|one| (one.inbound.is_some(), one.outbound.is_some())).collect();
        assert_eq!(uses.len(), 4, "{uses:?}");
    }

    #[test]
    fn ids_are_uuids_and_numbers_are_for_fiction() {
        for number in NUMBERS {
            assert!(inventory::area_of(number.number).is_some(), "{}", number.number);
            assert!(inventory::Magic::of(number.number).is_none(), "{}", number.number);
            for id in [Some(number.id), number.order, number.credential, number.inbound].into_iter().flatten() {
                let id: uuid::Uuid = id.parse().unwrap();
                assert_eq!(id.get_version_num(), 4, "{id}");
            }
        }
        for SeedAgent(_, id, _, _, _, ultravox, _) in AGENTS {
            for id in [Some(*id), *ultravox].into_iter().flatten() {
                assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 4, "{id}");
            }
        }
    }
}
