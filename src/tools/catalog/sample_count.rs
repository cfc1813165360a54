//! A sample of a tool that reads. The feature `sample-tools` builds it; no release has it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Effect, Status};
use crate::guard::Scope;
use crate::tools::account::number_rows::all_numbers;
use crate::tools::account::pages::RowStore;
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};

arguments! {
    /// Count the phone numbers of this account.
    SampleCount {}
}

/// How many numbers there are.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct NumberCount {
    numbers: usize,
}

impl Tool for SampleCount {
    const NAME: &'static str = "sample_count";
    const TITLE: &'static str = "Count the numbers";
    const SEARCH_HINT: &'static str = "count the numbers";
    const EFFECT: Effect = Effect::Reads;
    const SCOPE: Scope = Scope::NumbersRead;
    type Output = NumberCount;
}

impl Read for SampleCount {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<NumberCount>, ToolFailure> {
        let numbers = all_numbers(&context).await?.0.rows.count();
        Ok(ToolResponse::new(Status::Ok, format!("{numbers} numbers."), NumberCount { numbers }))
    }
}
