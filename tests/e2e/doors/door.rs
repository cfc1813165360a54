//! Requests that real clients and proxies send over HTTP.
