//! Handshakes and lines that real clients send on stdio.
