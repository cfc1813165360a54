//! What real clients, proxies and operators send: each gets in or learns what is wrong, and no secret gets out.

mod door;
mod oauth;
mod secrets;
mod secrets_settings;
mod stdio;
mod words;
