//! The help pages: short ones of the commands, the two of the settings, and one of each tool.

pub(crate) mod groups;
pub(crate) mod layout;
pub(crate) mod pages;
pub(crate) mod requested;
pub(crate) mod tool_page;
