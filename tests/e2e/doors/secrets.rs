//! Secrets in the places of settings, and settings that would do nothing.
