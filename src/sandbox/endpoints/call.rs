//! An admitted request, as the endpoints receive it.

use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde_json::{Value, json};

use crate::sandbox::data::account::AccountRows;
use crate::sandbox::faults::active::Faults;
use crate::sandbox::response::ApiRefusal;
use crate::sandbox::validation::{JsonBody, QueryString};

/// A request that was admitted.
#[derive(Debug)]
pub(crate) struct EndpointCall<'a> {
    pub(crate) account: AccountRows<'a>,
    pub(crate) faults: &'a Faults,
    /// The id in the path, if the operation has one there.
    pub(crate) id: &'a str,
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
}

impl EndpointCall<'_> {
    pub(crate) fn query(&self) -> QueryString {
        QueryString::parse(self.parts.uri.query())
    }

    pub(crate) fn json(&self) -> Result<JsonBody, ApiRefusal> {
        let content_type = self.parts.headers.get(CONTENT_TYPE);
        // A content type that is not text cannot be JSON either.
        JsonBody::parse(content_type.map(|content_type| content_type.to_str().unwrap_or("?")), self.body)
    }
}

/// Reads the `limit` and `offset` of a list.
pub(crate) fn window(query: &mut QueryString) -> (u64, u64) {
    (query.whole("limit", 50, 1, 100), query.whole("offset", 0, 0, u64::MAX))
}

pub(crate) fn offset_pagination(total: u64, limit: u64, offset: u64) -> Value {
    let has_more = offset.saturating_add(limit) < total;
    json!({ "total": total, "limit": limit, "offset": offset, "has_more": has_more })
}
