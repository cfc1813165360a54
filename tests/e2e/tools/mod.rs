//! What is offered and what it answers: the tools, and the prompts and resources beside them.

mod arguments;
mod audit;
mod budgets;
mod carriers;
mod catalog;
mod choosing;
mod completions;
mod diagnosis;
mod journeys;
mod operations;
mod owner_tasks;
mod prompts_and_resources;
mod searches;
mod skills;
