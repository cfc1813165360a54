//! The wall: what the operator allows. No argument of a call lifts any of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use crate::domain::{
    ConfirmationToken, CountryCode, E164, Money, NumberType, OperationIds, OperationTarget, PhoneDigits, Refusal,
    SipServer, Status, digits_of, id_key,
};

/// Whether a person is asked where the client can carry the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AskMode {
    /// Asked whenever the client declares that it can.
    #[default]
    Auto,
    /// Never asked.
    Off,
}

/// What a release and a purchase need beside the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// `confirm: true`; for a purchase the yes of a person is enough, where one can be asked.
    #[default]
    Flag,
    /// The same flag in every case, and the token of a preview.
    Token,
    /// The same, and a person who was asked and accepted.
    Human,
}

/// How often something may be done in 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// At most so often; 0 is never.
    Most(u32),
    /// As often as one likes.
    Unlimited,
}

impl Cap {
    /// How often at most; `None` for as often as one likes.
    pub fn most(&self) -> Option<u32> {
        match self {
            Self::Most(most) => Some(*most),
            Self::Unlimited => None,
        }
    }
}

/// What may be done in any 24 hours, by tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caps {
    /// Purchases.
    pub purchases: Cap,
    /// Releases.
    pub releases: Cap,
    /// Imports.
    pub imports: Cap,
    /// What the purchases may cost in all: the first month and what is paid once.
    pub spend: Option<Money>,
}

impl Default for Caps {
    fn default() -> Self {
        Self { purchases: Cap::Most(10), releases: Cap::Most(10), imports: Cap::Most(50), spend: None }
    }
}

impl Caps {
    /// How often a tool may succeed in 24 hours, with the name of the rule; `None` for a tool that is not counted.
    pub fn of(&self, tool: &str) -> Option<(&'static str, Cap)> {
        match tool {
            "purchase_number" => Some(("purchases_per_day", self.purchases)),
            "release_number" => Some(("releases_per_day", self.releases)),
            "import_number" => Some(("imports_per_day", self.imports)),
            _ => None,
        }
    }
}

/// What the operator allows.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// What a release and a purchase need.
    pub level: Level,
    /// What may be done in 24 hours.
    pub caps: Caps,
    /// What a number may cost at most a month.
    pub max_monthly: Option<Money>,
    /// The only countries numbers may be bought in; `None` for all.
    pub countries: Option<BTreeSet<CountryCode>>,
    /// The only types of numbers that may be bought; `None` for all.
    pub number_types: Option<BTreeSet<NumberType>>,
    /// Only tools that read.
    pub read_only: bool,
    /// Only these tools; `None` for all.
    pub only: Option<BTreeSet<String>>,
    /// Not these tools.
    pub except: BTreeSet<String>,
    /// Numbers never to be released: ids or E.164. They are recognised in any notation.
    pub protected: BTreeSet<String>,
    /// Set once the protected entries were held against a whole list of the account's numbers.
    pub protect_checked: Arc<OnceLock<()>>,
    /// Whether a number that an agent uses may be released.
    pub release_in_use: bool,
    /// The only SIP hosts numbers may be imported from; `None` for any public one.
    pub sip_hosts: Option<BTreeSet<String>>,
    /// Whether a person is asked.
    pub ask: AskMode,
    /// Whether a carrier's keys may not be arguments of a call: they come from profiles or from the page of a person.
    pub no_inline_secrets: bool,
}

/// What a call says about itself before anything is read.
#[derive(Debug, Clone, Default)]
pub struct RequestedChange {
    /// `confirm: true` was given.
    pub confirm: bool,
    /// Truedy would be told to connect to this host.
    pub sip_server: Option<SipServer>,
    /// The number that the call buys.
    pub buys: Option<E164>,
    /// The number that the call makes ours. Nothing at Truedy tells two such calls apart, so only one may run at a time.
    pub makes: Option<String>,
    /// What the call is about, as far as it says so itself.
    pub about: OperationTarget,
    /// The token of a preview.
    pub token: Option<ConfirmationToken>,
    /// Unresolved operations that the caller says it knows of.
    pub acknowledged: OperationIds,
}

impl Policy {
    /// Whether the tool is offered at all.
    pub fn offers(&self, tool: &str, reads: bool) -> bool {
        self.rule_against(tool, reads).is_none()
    }

    /// The rule that stands against a tool.
    fn rule_against(&self, tool: &str, reads: bool) -> Option<&'static str> {
        if self.read_only && !reads {
            return Some("read_only");
        }
        if self.except.contains(tool) {
            return Some("exclude_tools");
        }
        self.only.as_ref().filter(|only| !only.contains(tool)).map(|_| "tools")
    }

    /// Lets a call pass or refuses it, before anything is sent.
    pub fn admit(&self, tool: &str, reads: bool, claims: &RequestedChange) -> Result<(), Refusal> {
        if let Some(rule) = self.rule_against(tool, reads) {
            return Err(denied(
                rule,
                &format!(
                    "Nothing was done. {tool} is not allowed here: the operator of this server has switched it off (rule {rule})."
                ),
            ));
        }
        // Where none is allowed nothing need be counted.
        if self.caps.of(tool).is_some_and(|(_, cap)| cap.most() == Some(0)) {
            return Err(self.cap_reached(tool, 0));
        }
        if let Some(server) = &claims.sip_server {
            self.admit_sip(server)?;
        }
        // Nothing is known of the number yet but its digits.
        claims.buys.as_ref().map_or(Ok(()), |number| self.admit_purchase(number, None))
    }

    /// Whether a number may be bought, by its country and type. `kind` is what the carrier says of it: it counts where the
    /// digits show no type.
    pub fn admit_purchase(&self, number: &E164, kind: Option<NumberType>) -> Result<(), Refusal> {
        let shown = number.number_type();
        if let Some(allowed) = &self.countries {
            let countries = number.countries();
            let is_allowed = |country: &&str| allowed.iter().any(|one| one.as_str() == *country);
            // A toll-free number serves every country of its plan: one of them is enough. Any other belongs to one country,
            // and where it is not known to which, it must be allowed whichever it is.
            let passes = match shown {
                Some(NumberType::TollFree) => countries.iter().any(is_allowed),
                _ => !countries.is_empty() && countries.iter().all(is_allowed),
            };
            if !passes {
                let belongs = match countries.as_slice() {
                    [] => "It is not known which country it belongs to".to_owned(),
                    [country] => format!("It belongs to {country}"),
                    several => format!("It may belong to {}", several.join(" or ")),
                };
                return Err(not_bought("countries", number, &belongs, &words(allowed)));
            }
        }
        if let Some(allowed) = &self.number_types {
            let kind = shown.or(kind);
            if kind.is_none_or(|kind| !allowed.contains(&kind)) {
                let is = kind.map_or_else(|| "Its type is not known".to_owned(), |kind| format!("Its type is {kind}"));
                return Err(not_bought("number_types", number, &is, &words(allowed)));
            }
        }
        Ok(())
    }

    /// Whether a number may be bought at its price: each month, and what is paid once, where something is.
    ///
    /// Returns what it costs now, the first month and what is paid once; `None` where that is not known and no limit asks for it.
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

    /// What is answered where a tool has succeeded as often as it may in 24 hours.
    pub fn cap_reached(&self, tool: &str, used: u32) -> Refusal {
        let (rule, cap) = self.caps.of(tool).unwrap_or(("caps", Cap::Most(used)));
        let limit = cap.most().unwrap_or(used);
        let (done, what) = match rule {
            "purchases_per_day" => ("bought", "purchases"),
            "releases_per_day" => ("released", "releases"),
            "imports_per_day" => ("imported", "imports"),
            _ => ("done", "calls"),
        };
        let why = if limit == 0 {
            format!("The operator of this server allows no {what}")
        } else {
            format!("{used} of {limit} {what} allowed in 24 hours are used up")
        };
        denied(rule, &format!("Nothing was {done}. {why} (rule {rule}).")).with("used", used).with("limit", limit)
    }

    /// What is answered where a purchase at this price would pass what may be spent in 24 hours.
    pub fn spend_reached(&self, spent: &Money, price: &Money) -> Refusal {
        let limit = self.caps.spend.as_ref().unwrap_or(spent);
        let summary = format!(
            "Nothing was bought. The number costs {price} now, and {spent} of the {limit} that purchases may cost in 24 hours are used up (rule spend_per_day)."
        );
        let refusal = denied("spend_per_day", &summary).with("price", price.to_string());
        refusal.with("spent", spent.to_string()).with("limit", limit.to_string())
    }

    /// Lets arguments pass in which a carrier's key stands, by name; refuses them where keys may not be arguments.
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

    /// Truedy connects to this host with the password: never one inside a network (threat T29).
    pub fn admit_sip(&self, server: &SipServer) -> Result<(), Refusal> {
        let host = server.host().to_ascii_lowercase();
        if let Some(allowed) = &self.sip_hosts {
            if allowed.contains(&host) {
                return Ok(());
            }
            return Err(denied(
                "sip_hosts",
                "Nothing was imported. The SIP host is not among those that the operator of this server allows (rule sip_hosts).",
            ));
        }
        let public = match host.parse::<IpAddr>() {
            Ok(address) => is_public(address),
            Err(_) => is_public_name(&host),
        };
        if public {
            return Ok(());
        }
        Err(denied(
            "sip_host",
            "Nothing was imported. sip_server must be a public host: no loopback, private or link-local address, no .local or .internal name (rule sip_host).",
        ))
    }

    /// Whether any number is protected by the number itself, and not by its id.
    pub fn protects_numbers(&self) -> bool {
        self.protected.iter().any(|name| name.starts_with('+'))
    }

    /// Whether a number is protected against release, in whatever notation Truedy writes it.
    pub fn protects(&self, id: Option<&str>, number: Option<&str>) -> bool {
        self.protected.iter().any(|entry| [id, number].into_iter().flatten().any(|name| is_protected(entry, name)))
    }

    /// The protected entries that match none of these numbers, each an id and a number: they protect nothing.
    pub fn unmatched<'a>(&self, numbers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<&str> {
        let mut left: Vec<&str> = self.protected.iter().map(String::as_str).collect();
        for (id, number) in numbers {
            left.retain(|entry| !is_protected(entry, id) && !is_protected(entry, number));
        }
        left
    }
}

/// Whether an entry names this id or number. Protecting too much is the safe side.
fn is_protected(entry: &str, name: &str) -> bool {
    if entry.eq_ignore_ascii_case(name) || id_key(entry) == id_key(name) {
        return true;
    }
    // Ids are compared as ids; a number by its digits.
    let Some(protected) = entry.strip_prefix('+').and_then(|_| PhoneDigits::read(entry)) else { return false };
    match PhoneDigits::read(name) {
        Some(read) => read.may_equal(&protected),
        // Words around a number do not hide it. Ids have digits among letters, and are not looked into.
        None => {
            let is_id = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            !is_id && digits_of(name).contains(protected.as_str())
        }
    }
}

/// A refusal by policy.
pub(super) fn denied(rule: &str, summary: &str) -> Refusal {
    Refusal::new(Status::PolicyDenied, format!("{summary} No argument changes this.")).with("rule", rule)
}

/// A refusal of a purchase because of the number itself.
fn not_bought(rule: &str, number: &E164, why: &str, allowed: &str) -> Refusal {
    let summary = format!("Nothing was bought. {why}, and the operator of this server allows {allowed} (rule {rule}).");
    denied(rule, &summary).with("number", number.as_str())
}

/// A refusal of a purchase because its price cannot be held against a limit.
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

/// What is allowed, in words: `only US, CA`, or `none`.
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
    // A last label of digits only is an address in disguise (`127.1`, `0x7f.1`).
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
            // Global unicast only; 2001:db8::/32 is documentation, 2002::/16 wraps an IPv4 address.
            (0x2000..0x4000).contains(&first)
                && first != 0x2002
                && !(first == 0x2001 && matches!(v6.segments().get(1), Some(0xdb8 | 0)))
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
