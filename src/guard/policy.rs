//! The policy: what the operator allows. No argument of a call can override it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::domain::{
    CapRule, ChangeKind, ConfirmationToken, CountryCode, E164, Money, NumberType, OperationIds, OperationTarget,
    PhoneDigits, Refusal, SipServer, Status, digits_of, id_key,
};

/// Whether a person is asked if the client can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AskMode {
    /// A person is asked whenever the client declares that it can ask.
    #[default]
    Auto,
    /// A person is never asked.
    Off,
}

/// What a release and a purchase need. A higher level needs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// The flag `confirm: true`. For a purchase, the yes of a person replaces it if the client can ask.
    #[default]
    Flag,
    /// The flag in every case, and the token of a preview.
    Token,
    /// The flag, the token, and a person who was asked and agreed.
    Human,
}

/// How often an action may succeed in 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// At most this many times. 0 means never.
    Most(u32),
    /// Without a limit.
    Unlimited,
}

impl Cap {
    /// Returns the limit. `None` means no limit.
    pub fn most(&self) -> Option<u32> {
        match self {
            Self::Most(most) => Some(*most),
            Self::Unlimited => None,
        }
    }
}

/// The caps for any 24 hours, for each tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// The cap for purchases.
    pub purchases: Cap,
    /// The cap for releases.
    pub releases: Cap,
    /// The cap for imports.
    pub imports: Cap,
    /// What all purchases together may cost: the first month plus what is paid once.
    pub spend: Option<Money>,
}

impl Default for Caps {
    fn default() -> Self {
        Self { purchases: Cap::Most(10), releases: Cap::Most(10), imports: Cap::Most(50), spend: None }
    }
}

impl Caps {
    /// Returns the cap for a kind of change. `None` if it is not counted.
    pub fn of(&self, kind: &ChangeKind) -> Option<Cap> {
        kind.cap.map(|rule| match rule {
            CapRule::Purchases => self.purchases,
            CapRule::Releases => self.releases,
            CapRule::Imports => self.imports,
        })
    }
}

/// The policy of the operator.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The level: what a release and a purchase need.
    pub level: Level,
    /// The caps for 24 hours.
    pub caps: Caps,
    /// The highest price of a number for a month.
    pub max_monthly: Option<Money>,
    /// The only countries in which numbers may be bought. `None` means all countries.
    pub countries: Option<BTreeSet<CountryCode>>,
    /// The only types of numbers that may be bought. `None` means all types.
    pub number_types: Option<BTreeSet<NumberType>>,
    /// Whether only tools that read are allowed.
    pub read_only: bool,
    /// The only tools that are allowed. `None` means all tools.
    pub only: Option<BTreeSet<String>>,
    /// The tools that are not allowed.
    pub except: BTreeSet<String>,
    /// The numbers that must never be released, as ids or E.164. They are recognised in any notation.
    pub protected: BTreeSet<String>,
    /// Set once the protected entries were compared with a complete list of the account's numbers.
    pub protect_checked: Arc<OnceLock<()>>,
    /// Whether a number that an agent uses may be released.
    pub release_in_use: bool,
    /// The only SIP hosts from which numbers may be imported. `None` means any public host.
    pub sip_hosts: Option<BTreeSet<String>>,
    /// Whether a person is asked.
    pub ask: AskMode,
    /// Whether carrier keys are forbidden as arguments. They then come from profiles or from a page for the user.
    pub no_inline_secrets: bool,
}

/// What a call requests, as its arguments say before anything is read.
#[derive(Debug, Clone, Default)]
pub struct RequestedChange {
    /// Whether `confirm: true` was given.
    pub confirm: bool,
    /// The host that Truedy would connect to.
    pub sip_server: Option<SipServer>,
    /// The number that the call buys.
    pub buys: Option<E164>,
    /// The number that the call adds to the account.
    ///
    /// Truedy cannot distinguish two such calls, so only one may run at a time.
    pub makes: Option<String>,
    /// The number, agent or carrier that the call names.
    pub about: OperationTarget,
    /// The token of a preview.
    pub token: Option<ConfirmationToken>,
    /// The unresolved operations that the caller acknowledges.
    pub acknowledged: OperationIds,
}

impl Policy {
    /// Checks whether a number may be bought, by its country and type.
    ///
    /// `kind` is the type that the carrier states. It counts only if the digits do not show a type.
    pub fn admit_purchase(&self, number: &E164, kind: Option<NumberType>) -> Result<(), Refusal> {
        self.admit_country(number)?;
        self.admit_type(number, kind)
    }

    pub(super) fn admit_country(&self, number: &E164) -> Result<(), Refusal> {
        let Some(allowed) = &self.countries else { return Ok(()) };
        let countries = number.countries();
        let is_allowed = |country: &&str| allowed.iter().any(|one| one.as_str() == *country);
        // A toll-free number serves every country of its numbering plan, so one allowed country is enough. Any
        // other number belongs to one country. If several are possible, all of them must be allowed.
        let passes = match number.number_type() {
            Some(NumberType::TollFree) => countries.iter().any(is_allowed),
            _ => !countries.is_empty() && countries.iter().all(is_allowed),
        };
        if passes {
            return Ok(());
        }
        let belongs = match countries.as_slice() {
            [] => "It is not known which country it belongs to".to_owned(),
            [country] => format!("It belongs to {country}"),
            several => format!("It may belong to {}", several.join(" or ")),
        };
        Err(not_bought("countries", number, &belongs, &words(allowed)))
    }

    pub(super) fn admit_type(&self, number: &E164, kind: Option<NumberType>) -> Result<(), Refusal> {
        let Some(allowed) = &self.number_types else { return Ok(()) };
        let kind = number.number_type().or(kind);
        if kind.is_some_and(|kind| allowed.contains(&kind)) {
            return Ok(());
        }
        let is = kind.map_or_else(|| "Its type is not known".to_owned(), |kind| format!("Its type is {kind}"));
        Err(not_bought("number_types", number, &is, &words(allowed)))
    }

    /// Checks whether a number may be bought at its price: the monthly price, and what is paid once.
    ///
    /// Returns the cost now: the first month plus what is paid once. Returns `None` if it is unknown and no limit needs
    /// it.
    pub fn admit_price(&self, monthly: Option<&Money>, upfront: Option<&Money>) -> Result<Option<Money>, Refusal> {
        let now = monthly.and_then(|monthly| upfront.map_or_else(|| Some(monthly.clone()), |once| monthly.plus(once)));
        let limits = [(&self.max_monthly, monthly), (&self.caps.spend, now.as_ref())];
        for (limit, price) in limits.into_iter().filter_map(|(limit, price)| limit.as_ref().map(|limit| (limit, price)))
        {
            if price.is_none_or(|price| price.currency() != limit.currency()) {
                return Err(price_unknown(limit, monthly, upfront));
            }
        }
        if let (Some(most), Some(monthly)) = (&self.max_monthly, monthly)
            && monthly.micros() > most.micros()
        {
            let summary = format!(
                "Nothing was bought. The number costs {monthly} a month, and the operator of this server allows at most {most} (rule max_monthly_cost)."
            );
            let refusal = denied("max_monthly_cost", &summary);
            return Err(refusal.with("monthly", monthly.to_string()).with("limit", most.to_string()));
        }
        Ok(now)
    }

    /// Returns the refusal for a kind of change that has reached its cap for 24 hours.
    pub fn cap_reached(&self, kind: &ChangeKind, used: u32) -> Refusal {
        let limit = self.caps.of(kind).and_then(|cap| cap.most()).unwrap_or(used);
        let (rule, what) = kind.cap.map_or(("caps", "calls"), |rule| (rule.name(), rule.counted()));
        let why = if limit == 0 {
            format!("The operator of this server allows no {what}")
        } else {
            format!("{used} of {limit} {what} allowed in 24 hours are used up")
        };
        denied(rule, &format!("{} {why} (rule {rule}).", kind.nothing)).with("used", used).with("limit", limit)
    }

    /// Returns the refusal for a purchase that would exceed the spending limit for 24 hours.
    pub fn spend_reached(&self, spent: &Money, price: &Money) -> Refusal {
        let limit = self.caps.spend.as_ref().unwrap_or(spent);
        let summary = format!(
            "Nothing was bought. The number costs {price} now, and {spent} of the {limit} that purchases may cost in 24 hours are used up (rule spend_per_day)."
        );
        let refusal = denied("spend_per_day", &summary).with("price", price.to_string());
        refusal.with("spent", spent.to_string()).with("limit", limit.to_string())
    }

    /// Checks the arguments that contain carrier keys, given by name. They are refused if keys are forbidden as
    /// arguments.
    pub fn admit_inline(&self, given: &[&str]) -> Result<(), Refusal> {
        if !self.no_inline_secrets || given.is_empty() {
            return Ok(());
        }
        let summary = format!(
            "Nothing was done. {} may not be given here: the operator of this server keeps carrier keys out of conversations (rule inline_secrets). Name a carrier profile in carrier; or, to import, leave the keys out and give provider_type: a client that can open a page lets its user enter them there.",
            given.join(", ")
        );
        Err(denied("inline_secrets", &summary))
    }

    /// Checks the host that Truedy connects to with the password. A host inside a private network is refused (threat
    /// T29).
    pub fn admit_sip(&self, server: &SipServer) -> Result<(), Refusal> {
        self.check_sip(server).map_err(|(rule, why)| denied(rule, &format!("Nothing was imported. {why}.")))
    }

    /// Makes the same check. The error is the rule and what it says, without a full stop.
    pub fn check_sip(&self, server: &SipServer) -> Result<(), (&'static str, &'static str)> {
        let host = server.host().to_ascii_lowercase();
        if let Some(allowed) = &self.sip_hosts {
            if allowed.contains(&host) {
                return Ok(());
            }
            let why = "The SIP host is not among those that the operator of this server allows (rule sip_hosts)";
            return Err(("sip_hosts", why));
        }
        let public = match host.parse::<IpAddr>() {
            Ok(address) => is_public(address),
            Err(_) => is_public_name(&host),
        };
        if public {
            return Ok(());
        }
        let why = "sip_server must be a public host: no loopback, private or link-local address, no .local or .internal name (rule sip_host)";
        Err(("sip_host", why))
    }

    /// Checks whether any protected entry is a number and not an id.
    pub fn protects_numbers(&self) -> bool {
        self.protected.iter().any(|name| name.starts_with('+'))
    }

    /// Checks whether a number is protected against release, in any notation that Truedy uses.
    pub fn protects(&self, id: Option<&str>, number: Option<&str>) -> bool {
        self.protected.iter().any(|entry| [id, number].into_iter().flatten().any(|name| is_protected(entry, name)))
    }

    /// Returns the protected entries that match none of these numbers. They protect nothing.
    ///
    /// Each number is given as an id and a number.
    pub fn unmatched<'a>(&self, numbers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<&str> {
        let mut left: Vec<&str> = self.protected.iter().map(String::as_str).collect();
        for (id, number) in numbers {
            left.retain(|entry| !is_protected(entry, id) && !is_protected(entry, number));
        }
        left
    }
}

/// Checks whether an entry names this id or number. If in doubt, it protects too much.
fn is_protected(entry: &str, name: &str) -> bool {
    if entry.eq_ignore_ascii_case(name) || id_key(entry) == id_key(name) {
        return true;
    }
    // Ids are compared as ids, and numbers by their digits.
    let Some(protected) = entry.strip_prefix('+').and_then(|_| PhoneDigits::read(entry)) else { return false };
    match PhoneDigits::read(name) {
        Some(read) => read.may_equal(&protected),
        // Other words around a number do not hide it. Ids have digits among letters, so their digits are not compared.
        None => {
            let is_id = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            !is_id && digits_of(name).contains(protected.as_str())
        }
    }
}

/// The end of each refusal by the policy, without a full stop.
pub const FINAL: &str = "No argument changes this";

/// Returns a refusal by the policy.
pub(super) fn denied(rule: &str, summary: &str) -> Refusal {
    Refusal::new(Status::PolicyDenied, format!("{summary} {FINAL}.")).with("rule", rule)
}

/// Returns the refusal of a purchase because of the number itself.
fn not_bought(rule: &str, number: &E164, why: &str, allowed: &str) -> Refusal {
    let summary = format!("Nothing was bought. {why}, and the operator of this server allows {allowed} (rule {rule}).");
    denied(rule, &summary).with("number", number.as_str())
}

/// Returns the refusal of a purchase because its price cannot be compared with a limit.
fn price_unknown(limit: &Money, monthly: Option<&Money>, upfront: Option<&Money>) -> Refusal {
    let mut currencies: Vec<&str> = [monthly, upfront].into_iter().flatten().map(Money::currency).collect();
    currencies.dedup();
    let why = if monthly.is_none() {
        "What the number costs a month is not known".to_owned()
    } else {
        format!("The price is in {}, the limit in {}", currencies.join(" and "), limit.currency())
    };
    let summary = format!(
        "Nothing was bought. {why}, and the operator of this server has set a limit of {limit} (rule price_unknown)."
    );
    denied("price_unknown", &summary).with("limit", limit.to_string())
}

/// Lists what is allowed: `only US, CA`, or `none`.
fn words<T: ToString>(allowed: &BTreeSet<T>) -> String {
    if allowed.is_empty() {
        return "none".to_owned();
    }
    format!("only {}", allowed.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}

fn is_public_name(host: &str) -> bool {
    let inside = [
        "localhost",
        "local",
        "internal",
        "intranet",
        "lan",
        "home",
        "corp",
        "localdomain",
        "arpa",
        "test",
        "invalid",
        "onion",
    ];
    let last = host.rsplit('.').next().unwrap_or_default();
    // A last label of digits only is another form of an IP address (`127.1`, `0x7f.1`).
    let disguised = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
    host.contains('.') && !host.contains("..") && !disguised && !inside.contains(&last)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.is_documentation())
                && a != 0
                && a < 240
                && !(a == 100 && (64..128).contains(&b))
                && !(a == 198 && (18..20).contains(&b))
                && !(a == 192 && b == 0 && c == 0)
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4() {
                return is_public(IpAddr::V4(v4));
            }
            let first = v6.segments().first().copied().unwrap_or_default();
            // Only global unicast is public. 2001:db8::/32 is for documentation, and 2002::/16 contains an IPv4
            // address.
            (0x2000..0x4000).contains(&first)
                && first != 0x2002
                && !(first == 0x2001 && matches!(v6.segments().get(1), Some(0xdb8 | 0)))
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
