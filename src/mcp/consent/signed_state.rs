//! Seals texts that a client must return unchanged: the state of a question and the token of a preview.
//!
//! The seal is HMAC-SHA256 by rmcp's codec, with one key for each purpose. All keys are derived from the operator's
//! key, or from a key that this process made.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use rmcp::model::{RequestStateCodec, RequestStateError, SealOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::{Caller, ClockReading, OperationTarget, Status, boot_id, digest_of, unguessable};

/// How long a token is valid.
const TOKEN_LIFE: Duration = Duration::from_secs(300);
/// How long a token is valid if a person thinks about a question that was put while it was valid.
const THOUGHT_OVER: Duration = Duration::from_secs(900);
/// By how many seconds the wall clocks of replicas may differ.
const SKEW: i64 = 30;
/// The length of the digest of what was seen, in bytes.
const SEEN: usize = 16;
/// The length of the nonce, in bytes.
const NONCE: usize = 16;

/// The keys that seal. The first key seals, and every key opens. There are two while one key replaces another.
///
/// The keys are read on first use, so the start waits for no file. A read that failed is tried again at the next use.
#[derive(Clone)]
pub struct SealingKeys {
    source: Arc<KeyFile>,
    /// The account. A seal for one account does not open for another.
    account: String,
}

struct KeyFile {
    read: Box<dyn Fn() -> Result<Vec<Vec<u8>>, String> + Send + Sync>,
    kept: OnceLock<Vec<Vec<u8>>>,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keys({})", self.source.kept.get().map_or(0, Vec::len))
    }
}

impl SealingKeys {
    /// Takes the operator's keys. `None` if there is none or one is shorter than 32 bytes.
    pub fn new(keys: Vec<Vec<u8>>) -> Option<Self> {
        are_keys(&keys).then(|| Self::read_by(move || Ok(keys.clone())))
    }

    /// Makes a random key for this process alone.
    pub fn of_this_process() -> Self {
        let key = unguessable().to_vec();
        Self::read_by(move || Ok(vec![key.clone()]))
    }

    /// Takes a function that reads the keys on first use. Its error says why there are none.
    pub fn read_by(read: impl Fn() -> Result<Vec<Vec<u8>>, String> + Send + Sync + 'static) -> Self {
        let source = KeyFile { read: Box::new(read), kept: OnceLock::new() };
        Self { source: Arc::new(source), account: String::new() }
    }

    /// Returns the same keys for one account of Truedy.
    #[must_use]
    pub fn of(&self, account: String) -> Self {
        Self { source: Arc::clone(&self.source), account }
    }

    /// Returns the sealer for one purpose. Its seals do not open for another purpose.
    pub(crate) fn sealer(&self, purpose: &'static str) -> Sealer {
        Sealer { keys: self.clone(), purpose, made: OnceLock::new() }
    }

    /// Returns the codec for one purpose. An error says why the keys cannot be used.
    pub fn codec(&self, purpose: &str) -> Result<RequestStateCodec, String> {
        let kept = match self.source.kept.get() {
            Some(kept) => kept,
            None => {
                let read = (self.source.read)()?;
                if !are_keys(&read) {
                    return Err("a key has at least 32 bytes".to_owned());
                }
                self.source.kept.get_or_init(|| read)
            }
        };
        let derived = kept.iter().map(|key| {
            let mut derived = [0_u8; 32];
            // This fails only for outputs that are far longer than 32 bytes.
            let _ = Hkdf::<Sha256>::new(Some(self.account.as_bytes()), key).expand(purpose.as_bytes(), &mut derived);
            let name = digest_of(&derived).chars().take(8).collect::<String>();
            (name, derived.to_vec())
        });
        let keys: Vec<(String, Vec<u8>)> = derived.collect();
        let first = keys.first().map(|(name, _)| name.clone()).unwrap_or_default();
        // A key that is given twice counts once.
        let mut once = keys;
        once.dedup_by(|a, b| a.0 == b.0);
        RequestStateCodec::new_with_keyring(first, once).map_err(|error| error.to_string())
    }
}

fn are_keys(keys: &[Vec<u8>]) -> bool {
    !keys.is_empty() && keys.iter().all(|key| key.len() >= RequestStateCodec::MIN_KEY_LENGTH)
}

/// Seals for one purpose, once the keys can be read.
pub(crate) struct Sealer {
    keys: SealingKeys,
    purpose: &'static str,
    made: OnceLock<RequestStateCodec>,
}

impl Sealer {
    /// Returns the codec, built on first use. An error says why the keys cannot be used.
    pub(crate) fn codec(&self) -> Result<&RequestStateCodec, String> {
        match self.made.get() {
            Some(made) => Ok(made),
            None => {
                let made = self.keys.codec(self.purpose);
                let made = made.inspect_err(|why| tracing::error!(why, "the key for confirmations cannot be used"))?;
                Ok(self.made.get_or_init(|| made))
            }
        }
    }
}

/// When something was sealed, by two clocks. So a wrong wall clock does not make a seal valid for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IssueTime {
    /// Seconds since 1970.
    at: i64,
    /// The id of the machine's start, and the seconds since then.
    boot: (u32, u32),
}

/// Why a seal is not valid at this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeError {
    /// It is too old.
    Old,
    /// It was sealed later than now.
    FromTheFuture,
}

impl IssueTime {
    const BYTES: usize = 16;

    pub(crate) fn now() -> Self {
        Self::of(&ClockReading::now(), boot_id())
    }

    pub(crate) fn of(now: &ClockReading, boot_id: u32) -> Self {
        let boot = u32::try_from(now.boot / 1000).unwrap_or(u32::MAX);
        Self { at: now.wall.div_euclid(1000), boot: (boot_id, boot) }
    }

    /// Checks that this time is at most `life` ago and not in the future. If both times are from one start of a
    /// machine, the clock since that start counts as well.
    pub(crate) fn holds(&self, life: Duration) -> Result<(), TimeError> {
        self.holds_at(&Self::now(), life)
    }

    fn holds_at(&self, now: &Self, life: Duration) -> Result<(), TimeError> {
        let by_wall = now.at.saturating_sub(self.at);
        let by_boot = (now.boot.0 == self.boot.0).then(|| i64::from(now.boot.1) - i64::from(self.boot.1));
        if by_wall < -SKEW || by_boot.is_some_and(|age| age < -1) {
            return Err(TimeError::FromTheFuture);
        }
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        if by_wall.max(by_boot.unwrap_or(0)) > life { Err(TimeError::Old) } else { Ok(()) }
    }

    fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let parts = self.at.to_be_bytes().into_iter().chain(self.boot.0.to_be_bytes()).chain(self.boot.1.to_be_bytes());
        bytes.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (at, boot) = bytes.split_first_chunk::<8>()?;
        let (id, rest) = boot.split_first_chunk::<4>()?;
        let since: [u8; 4] = rest.try_into().ok()?;
        Some(Self { at: i64::from_be_bytes(*at), boot: (u32::from_be_bytes(*id), u32::from_be_bytes(since)) })
    }
}

/// What a token is bound to.
pub(crate) struct Binding<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) tool: &'a str,
    pub(crate) object: &'a OperationTarget,
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
        // Each part follows its length, so that two different lists never give the same bytes.
        parts.iter().flat_map(|part| [part.len().to_string().as_bytes(), b":", part.as_bytes()].concat()).collect()
    }
}

/// Issues and checks the confirmation tokens of previews.
pub(crate) struct ConfirmationTokens(Sealer);

impl ConfirmationTokens {
    pub(crate) fn new(keys: &SealingKeys) -> Self {
        Self(keys.sealer("truedy-mcp confirmation token"))
    }

    /// Issues a token for this binding and what is seen now. An error says why the keys cannot be used.
    pub(crate) fn issue(&self, binding: &Binding<'_>, seen: &str) -> Result<String, String> {
        self.issue_at(binding, seen, IssueTime::now())
    }

    fn issue_at(&self, binding: &Binding<'_>, seen: &str, issued: IssueTime) -> Result<String, String> {
        let payload = [Uuid::new_v4().as_bytes().as_slice(), &digest(seen), &issued.to_bytes()].concat();
        let bound = binding.bytes();
        let options = SealOptions::new().associated_data(&bound).ttl(THOUGHT_OVER);
        Ok(self.0.codec()?.seal_with(&payload, &options))
    }

    /// Checks a token against this binding and what is seen now. Returns its nonce. `thinking` means that a person has
    /// just answered a question that was put while the token was valid.
    pub(crate) fn check(
        &self,
        token: &str,
        binding: &Binding<'_>,
        seen: &str,
        thinking: bool,
    ) -> Result<String, Status> {
        let codec = self.0.codec().map_err(|_| Status::ConfirmationInvalid)?;
        let payload = codec.open_with(token, &binding.bytes()).map_err(|error| match error {
            RequestStateError::Expired => Status::ConfirmationExpired,
            _ => Status::ConfirmationInvalid,
        })?;
        let (nonce, rest) = payload.split_at_checked(NONCE).ok_or(Status::ConfirmationInvalid)?;
        let (then, issued) = rest.split_at_checked(SEEN).ok_or(Status::ConfirmationInvalid)?;
        let issued = IssueTime::from_bytes(issued).ok_or(Status::ConfirmationInvalid)?;
        issued.holds(if thinking { THOUGHT_OVER } else { TOKEN_LIFE }).map_err(|untimely| match untimely {
            TimeError::Old => Status::ConfirmationExpired,
            TimeError::FromTheFuture => Status::ConfirmationInvalid,
        })?;
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

    fn keys(names: &[&str]) -> SealingKeys {
        let keys = names.iter().map(|name| name.repeat(40).into_bytes()).collect();
        SealingKeys::new(keys).expect("long enough")
    }

    fn local() -> Caller {
        Caller::local()
    }

    #[test]
    fn a_token_holds_for_one_thing_as_it_was_seen() {
        let (tokens, caller, object) =
            (ConfirmationTokens::new(&keys(&["a"])), local(), OperationTarget::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let token = tokens.issue(&binding, "1.00 USD").expect("a token");
        assert!(tokens.check(&token, &binding, "1.00 USD", false).is_ok());
        assert!(token.len() <= 512, "{}", token.len());
        assert_eq!(tokens.check(&token, &binding, "2.00 USD", false), Err(Status::StateChanged));
        let other_number = OperationTarget::number("+14155550151");
        let with_id = OperationTarget { number_id: Some("n".to_owned()), ..object.clone() };
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
        let (tokens, caller, object) =
            (ConfirmationTokens::new(&keys(&["a"])), local(), OperationTarget::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let token = tokens.issue(&binding, "s").expect("a token");
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
        let (tokens, caller, object) =
            (ConfirmationTokens::new(&keys(&["a"])), local(), OperationTarget::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let old = tokens.issue_at(&binding, "s", ago(301, 301)).expect("a token");
        assert_eq!(tokens.check(&old, &binding, "s", false), Err(Status::ConfirmationExpired));
        assert!(tokens.check(&old, &binding, "s", true).is_ok());
    }

    /// Returns the time `wall` seconds ago by the wall clock. By the clock since the machine's start, it is `boot`
    /// seconds ago.
    fn ago(wall: i64, boot: i64) -> IssueTime {
        let now = ClockReading::now();
        let then = ClockReading { wall: now.wall - wall * 1000, boot: now.boot - boot * 1000, ..now };
        IssueTime::of(&then, boot_id())
    }

    #[test]
    fn a_token_from_the_future_is_none_and_either_clock_may_end_its_life() {
        let (tokens, caller, object) =
            (ConfirmationTokens::new(&keys(&["a"])), local(), OperationTarget::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        for (issued, thinking, verdict) in [
            (ago(0, 0), false, Ok(())),
            // Clocks of replicas may differ a little.
            (ago(-20, 0), false, Ok(())),
            (ago(-60, 0), false, Err(Status::ConfirmationInvalid)),
            (ago(-60, 0), true, Err(Status::ConfirmationInvalid)),
            (ago(-91 * 86_400, 0), false, Err(Status::ConfirmationInvalid)),
            (ago(0, -10), false, Err(Status::ConfirmationInvalid)),
            // The wall clock was set back after it was issued.
            (ago(0, 301), false, Err(Status::ConfirmationExpired)),
            (ago(0, 301), true, Ok(())),
            (ago(0, 901), true, Err(Status::ConfirmationExpired)),
            // The wall clock was set ahead after it was issued.
            (ago(301, 0), false, Err(Status::ConfirmationExpired)),
        ] {
            let token = tokens.issue_at(&binding, "s", issued).expect("a token");
            assert_eq!(tokens.check(&token, &binding, "s", thinking).map(drop), verdict, "{issued:?} {thinking}");
        }
        // For another machine, or another start of this one, only the wall clock counts.
        let elsewhere = IssueTime { boot: (boot_id() ^ 1, 5), ..ago(0, 0) };
        let token = tokens.issue_at(&binding, "s", elsewhere).expect("a token");
        assert!(tokens.check(&token, &binding, "s", false).is_ok());
        assert_eq!(IssueTime::from_bytes(&elsewhere.to_bytes()), Some(elsewhere));
    }

    #[test]
    fn keys_that_cannot_be_read_seal_nothing_until_they_can() {
        let (caller, object) = (local(), OperationTarget::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let there = Arc::clone(&mended);
        let tokens = ConfirmationTokens::new(&SealingKeys::read_by(move || {
            if there.load(std::sync::atomic::Ordering::Relaxed) { Ok(vec![vec![7; 32]]) } else { Err("no".to_owned()) }
        }));
        assert_eq!(tokens.issue(&binding, "s"), Err("no".to_owned()));
        assert_eq!(tokens.check("x", &binding, "s", false), Err(Status::ConfirmationInvalid));
        mended.store(true, std::sync::atomic::Ordering::Relaxed);
        let token = tokens.issue(&binding, "s").expect("a token");
        assert!(tokens.check(&token, &binding, "s", false).is_ok());
        assert!(ConfirmationTokens::new(&SealingKeys::read_by(|| Ok(vec![vec![7; 31]]))).issue(&binding, "s").is_err());
        assert!(ConfirmationTokens::new(&SealingKeys::read_by(|| Ok(Vec::new()))).issue(&binding, "s").is_err());
    }

    #[test]
    fn a_token_for_one_account_is_none_for_another() {
        let (caller, object, all) = (local(), OperationTarget::number(NUMBER), keys(&["a"]));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let of = |account: &str| ConfirmationTokens::new(&all.of(account.to_owned()));
        let token = of("one").issue(&binding, "s").expect("a token");
        assert!(of("one").check(&token, &binding, "s", false).is_ok());
        for other in ["two", "", "sandbox"] {
            assert_eq!(of(other).check(&token, &binding, "s", false), Err(Status::ConfirmationInvalid), "{other}");
        }
    }

    #[test]
    fn keys_are_replaced_one_by_one_and_kept_apart_by_purpose() {
        let (caller, object) = (local(), OperationTarget::number(NUMBER));
        let binding = Binding { caller: &caller, tool: "purchase_number", object: &object };
        let old = ConfirmationTokens::new(&keys(&["a"])).issue(&binding, "s").expect("a token");
        assert!(
            ConfirmationTokens::new(&keys(&["a"])).check(&old, &binding, "s", false).is_ok(),
            "another replica, same key"
        );
        assert!(
            ConfirmationTokens::new(&keys(&["b", "a"])).check(&old, &binding, "s", false).is_ok(),
            "while it is replaced"
        );
        assert!(ConfirmationTokens::new(&keys(&["a", "a"])).check(&old, &binding, "s", false).is_ok());
        for gone in [ConfirmationTokens::new(&keys(&["b"])), ConfirmationTokens::new(&SealingKeys::of_this_process())] {
            assert_eq!(gone.check(&old, &binding, "s", false), Err(Status::ConfirmationInvalid));
        }
        let question = ConfirmationTokens(keys(&["a"]).sealer("another purpose"));
        assert_eq!(question.check(&old, &binding, "s", false), Err(Status::ConfirmationInvalid));
        assert!(SealingKeys::new(vec![b"short-key".to_vec()]).is_none());
        assert!(SealingKeys::new(Vec::new()).is_none());
    }
}
