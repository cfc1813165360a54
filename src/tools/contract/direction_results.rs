//! What came of each direction, in an answer about both.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::tools::contract::schema::any_object;

/// The answer to the change of each direction, by its name. Its fields are those of an answer about one direction.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DirectionResults(Map<String, Value>);

any_object!(DirectionResults);
