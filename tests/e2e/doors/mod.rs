//! What real clients, proxies and operators send: each gets in or learns what is wrong, and no secret gets out.

mod carried;
mod door;
mod door_sandbox;
mod door_sessions;
mod named;
mod oauth;
mod secrets;
mod secrets_settings;
mod stdio;
mod stdio_busy;
mod stdio_http;
mod stdio_memory;
mod twice;
mod words;
