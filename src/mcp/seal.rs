//! Sealing what goes out and must come back unchanged: the state of a question, the token of a preview.
//!
//! HMAC-SHA256 by rmcp's codec, one key a purpose, all derived from the operator's key or from one of this process's own.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use jiff::Timestamp;
use rmcp::model::{RequestStateCodec, RequestStateError, SealOptions};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::{Caller, Object, Status, digest_of, unguessable};

/// How long a token is good for.
const TOKEN_LIFE: Duration = Duration::from_secs(300);
/// The same while a person thinks about a question that was put while the token was good.
const THOUGHT_OVER: Duration = Duration::from_secs(900);
/// Of the digest of what was seen, in bytes.
const SEEN: usize = 16;
const NONCE: usize = 16;

/// The keys that seal: the first seals, all of them open. Two while one is replaced by another.
#[derive(Clone)]
pub struct Keys(Vec<Vec<u8>>);

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// The operator's keys; `None` if there is none or one is shorter than 32 bytes.
    pub fn new(keys: Vec<Vec<u8>>) -> Option<Self> {
        let long = keys.iter().all(|key| key.len() >= RequestStateCodec::MIN_KEY_LENGTH);
        (long && !keys.is_empty()).then_some(Self(keys))
    }

    /// A key of this process's own.
    pub fn of_this_process() -> Self {
        Self(vec![unguessable().to_vec()])
    }

    /// A codec for one purpose; what it seals, none for another purpose opens.
    pub fn codec(&self, purpose: &str) -> RequestStateCodec {
        let derived = self.0.iter().map(|key| {
            let mut derived = [0_u8; 32];
            // Fails only for lengths far beyond this one.
            let _ = Hkdf::<Sha256>::new(None, key).expand(purpose.as_bytes(), &mut derived);
            let name = digest_of(&derived).chars().take(8).collect::<String>();
            (name, derived.to_vec())
        });
        let keys: Vec<(String, Vec<u8>)> = derived.collect();
        let first = keys.first().map(|(name, _)| name.clone()).unwrap_or_default();
        // The same key twice is one key.
        let mut once = keys.clone();
        once.dedup_by(|a, b| a.0 == b.0);
        RequestStateCodec::new_with_keyring(first, once)
            .unwrap_or_else(|_| RequestStateCodec::new_unchecked(keys.into_iter().next().unwrap_or_default().1))
    }
}

/// What a token is good for.
pub(super) struct Binding<'a> {
    pub(super) caller: &'a Caller,
    pub(super) tool: &'a str,
    pub(super) object: &'a Object,
}

impl Binding<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (caller, object) = (self.caller, self.object);
        let parts = [
            "token",
            &caller.tenant,
            &caller.principal,
            self.tool,
            object.number.as_deref().unwrap_or_default(),
            object.number_id.as_deref().unwrap_or_default(),
        ];
        // Lengths first, so that no two lists of parts read alike.
        parts.iter().flat_map(|part| [part.len().to_string().as_bytes(), b":", part.as_bytes()].concat()).collect()
    }
}

/// Makes and checks the tokens of previews.
pub(super) struct Tokens(RequestStateCodec);

impl Tokens {
    pub(super) fn new(keys: &Keys) -> Self {
        Self(keys.codec("truedy-mcp confirmation token"))
    }

    /// A token for this, as it is seen now.
    pub(super) fn issue(&self, binding: &Binding<'_>, seen: &str) -> String {
        self.issue_at(binding, seen, Timestamp::now().as_second())
    }

    fn issue_at(&self, binding: &Binding<'_>, seen: &str, at: i64) -> String {
        let payload = [Uuid::new_v4().as_bytes().as_slice(), &digest(seen), &at.to_be_bytes()].concat();
        self.0.seal_with(&payload, &SealOptions::new().associated_data(&binding.bytes()).ttl(THOUGHT_OVER))
    }

    /// The nonce of a token that holds for this, as it is seen now. `thinking`: a question that was put while it was good has
    /// just been answered.
    pub(super) fn check(
        &self,
        token: &str,
        binding: &Binding<'_>,
        seen: &str,
        thinking: bool,
    ) -> Result<String, Status> {
        let payload = self.0.open_with(token, &binding.bytes()).map_err(|error| match error {
            RequestStateError::Expired => Status::ConfirmationExpired,
            _ => Status::ConfirmationInvalid,
        })?;
        let (nonce, rest) = payload.split_at_checked(NONCE).ok_or(Status::ConfirmationInvalid)?;
        let (then, at) = rest.split_at_checked(SEEN).ok_or(Status::ConfirmationInvalid)?;
        let at = i64::from_be_bytes(at.try_into().map_err(|_| Status::ConfirmationInvalid)?);
        let age = Timestamp::now().as_second().saturating_sub(at);
        if !thinking && age > i64::try_from(TOKEN_LIFE.as_secs()).unwrap_or(0) {
            return Err(Status::ConfirmationExpired);
        }
        if then != digest(seen) {
            return Err(Status::StateChanged);
        }
        Ok(URL_SAFE_NO_PAD.encode(nonce))
    }
}

fn digest(seen: &str) -> Vec<u8> {
    Sha256::digest(seen.as_bytes()).iter().copied().take(SEEN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = "+14155550150";

    fn keys(names: &[&str]) -> Keys {
        let keys = names.iter().map(|name| name.repeat(40).into_bytes()).collect();
        Keys::new(keys).expect("long enough")
    }

    fn local() -> Caller {
        Caller::local()
    }

    #[test]
    fn a_token_holds_for_one_thing_as_it_was_seen() {
        let (tokens, caller, object) = (Tokens::new(&keys(&["a"])), local(), Object::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let token = tokens.issue(&binding, "1.00 USD");
        assert!(tokens.check(&token, &binding, "1.00 USD", false).is_ok());
        assert!(token.len() <= 512, "{}", token.len());
        assert_eq!(tokens.check(&token, &binding, "2.00 USD", false), Err(Status::StateChanged));
        let other_number = Object::number("+14155550151");
        let with_id = Object { number_id: Some("n".to_owned()), ..object.clone() };
        let other_tenant = Caller { tenant: "other".to_owned(), ..local() };
        let other_principal = Caller { principal: "other".to_owned(), ..local() };
        for wrong in [
            Binding { tool: "release_number", ..binding },
            Binding { object: &other_number, ..binding },
            Binding { object: &with_id, ..binding },
            Binding { caller: &other_tenant, ..binding },
            Binding { caller: &other_principal, ..binding },
        ] {
            assert_eq!(tokens.check(&token, &wrong, "1.00 USD", false), Err(Status::ConfirmationInvalid));
        }
        for length in 0..token.len() {
            assert!(tokens.check(&token[..length], &binding, "1.00 USD", false).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn no_bit_of_a_token_can_be_turned() {
        let (tokens, caller, object) = (Tokens::new(&keys(&["a"])), local(), Object::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let token = tokens.issue(&binding, "s");
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                if let Ok(turned) = String::from_utf8(bytes) {
                    assert!(tokens.check(&turned, &binding, "s", false).is_err(), "{turned}");
                }
            }
        }
    }

    #[test]
    fn a_token_expires_and_a_thinking_person_is_waited_for() {
        let (tokens, caller, object) = (Tokens::new(&keys(&["a"])), local(), Object::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let old = tokens.issue_at(&binding, "s", Timestamp::now().as_second() - 301);
        assert_eq!(tokens.check(&old, &binding, "s", false), Err(Status::ConfirmationExpired));
        assert!(tokens.check(&old, &binding, "s", true).is_ok());
    }

    #[test]
    fn keys_are_replaced_one_by_one_and_kept_apart_by_purpose() {
        let (caller, object) = (local(), Object::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let old = Tokens::new(&keys(&["a"])).issue(&binding, "s");
        assert!(Tokens::new(&keys(&["a"])).check(&old, &binding, "s", false).is_ok(), "another replica, same key");
        assert!(Tokens::new(&keys(&["b", "a"])).check(&old, &binding, "s", false).is_ok(), "while it is replaced");
        assert!(Tokens::new(&keys(&["a", "a"])).check(&old, &binding, "s", false).is_ok());
        for gone in [Tokens::new(&keys(&["b"])), Tokens::new(&Keys::of_this_process())] {
            assert_eq!(gone.check(&old, &binding, "s", false), Err(Status::ConfirmationInvalid));
        }
        let question = Tokens(keys(&["a"]).codec("another purpose"));
        assert_eq!(question.check(&old, &binding, "s", false), Err(Status::ConfirmationInvalid));
        assert!(Keys::new(vec![b"short-key".to_vec()]).is_none());
        assert!(Keys::new(Vec::new()).is_none());
    }
}
