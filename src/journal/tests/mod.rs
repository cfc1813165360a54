//! The journal as its users meet it, over every store; and what each store must hold by itself.

pub(crate) mod cases;
pub(crate) mod clocks;
pub(crate) mod doubt;
pub(crate) mod files;
pub(crate) mod fixture;
pub(crate) mod layouts;
pub(crate) mod leaving;
pub(crate) mod model;
pub(crate) mod refusals;
pub(crate) mod server;
pub(crate) mod stores;
