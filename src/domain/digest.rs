//! Digests, random values, and bytes as hexadecimal digits.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Returns bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the SHA-256 of bytes, as hexadecimal digits.
pub fn digest_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns 32 random bytes.
pub fn unguessable() -> [u8; 32] {
    // A UUID has 122 random bits. Three of them have more than the 256 bits of the result.
    let random = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()].map(Uuid::into_bytes).concat();
    Sha256::digest(random).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_they_are_and_no_two_values_are_alike() {
        assert_eq!(hex(&[0, 1, 0xab, 0xff]), "0001abff");
        assert_ne!(unguessable(), unguessable());
    }
}
