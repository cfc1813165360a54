//! The wall: what the operator allows. No argument of a call lifts any of it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::domain::{
    ConfirmationToken, CountryCode, Money, NumberType, Object, OperationIds, Refusal, SipServer, Status,
};

/// Whether a person is asked where the client can carry the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ask {
    /// Asked whenever the client declares that it can.
    #[default]
    Auto,
    /// Never asked.
    Off,
}

/// What a release and a purchase need beside the flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing: a release needs `confirm: true`, a purchase not even that.
    #[default]
    Flag,
    /// `confirm: true` and the token of a preview.
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
    /// Numbers never to be released: ids or E.164, exactly.
    pub protected: BTreeSet<String>,
    /// Whether a number that an agent uses may be released.
    pub release_in_use: bool,
    /// The only SIP hosts numbers may be imported from; `None` for any public one.
    pub sip_hosts: Option<BTreeSet<String>>,
    /// Whether a person is asked.
    pub ask: Ask,
}

/// What a call says about itself before anything is read.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// `confirm: true` was given.
    pub confirm: bool,
    /// Truedy would be told to connect to this host.
    pub sip_server: Option<SipServer>,
    /// The number that the call makes ours. Nothing at Truedy tells two such calls apart, so only one may run at a time.
    pub makes: Option<String>,
    /// What the call is about, as far as it says so itself.
    pub about: Object,
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
    pub fn admit(&self, tool: &str, reads: bool, claims: &Claims) -> Result<(), Refusal> {
        if let Some(rule) = self.rule_against(tool, reads) {
            return Err(denied(
                rule,
                &format!(
                    "Nothing was done. {tool} is not allowed here: the operator of this server has switched it off (rule {rule})."
                ),
            ));
        }
        if let Some(server) = &claims.sip_server {
            self.admit_sip(server)?;
        }
        Ok(())
    }

    /// Truedy connects to this host with the password: never one inside a network (threat T29).
    fn admit_sip(&self, server: &SipServer) -> Result<(), Refusal> {
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

    /// Whether a number is protected against release.
    pub fn protects(&self, id: Option<&str>, number: Option<&str>) -> bool {
        let named: Vec<String> = [id, number].into_iter().flatten().map(as_protected).collect();
        self.protected.iter().any(|name| named.contains(&as_protected(name)))
    }
}

/// A name as it is compared: a number by its digits, an id without regard to case. Protecting too much is the safe side.
fn as_protected(name: &str) -> String {
    let is_number = name.chars().all(|c| c.is_ascii_digit() || "+-. ()".contains(c));
    if is_number { name.chars().filter(char::is_ascii_digit).collect() } else { name.to_ascii_lowercase() }
}

/// A refusal by policy.
pub(super) fn denied(rule: &str, summary: &str) -> Refusal {
    Refusal::new(Status::PolicyDenied, format!("{summary} No argument changes this.")).with("rule", rule)
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
mod tests {
    use super::*;

    fn sip(host: &str) -> bool {
        let claims = Claims { sip_server: Some(SipServer::try_from(host).expect("syntax")), ..Claims::default() };
        Policy::default().admit("import_number", false, &claims).is_ok()
    }

    #[test]
    fn only_public_sip_hosts_pass() {
        for host in ["sip.example.com", "sip.twilio.com:5061", "8.8.8.8", "[2606:4700::1111]:5060"] {
            assert!(sip(host), "{host}");
        }
        for host in [
            "localhost",
            "127.0.0.1",
            "127.1",
            "0x7f.0x1",
            "10.0.0.1:5060",
            "192.168.1.1",
            "172.16.0.9",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "[::1]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "pbx",
            "pbx.local",
            "pbx.internal",
            "a..b.com",
            "2130706433",
            "metadata.google.internal",
        ] {
            assert!(!sip(host), "{host}");
        }
    }

    #[test]
    fn the_wall_stands_whatever_the_call_claims() {
        let policy = Policy { read_only: true, ..Policy::default() };
        let confirmed = Claims { confirm: true, ..Claims::default() };
        let refusal = policy.admit("release_number", false, &confirmed).expect_err("read only");
        assert_eq!(refusal.status, Status::PolicyDenied);
        assert!(policy.admit("list_numbers", true, &confirmed).is_ok());
        let policy = Policy {
            only: Some(["list_numbers".to_owned()].into()),
            except: ["list_numbers".to_owned()].into(),
            ..Policy::default()
        };
        assert!(!policy.offers("list_numbers", true) && !policy.offers("search_numbers", true));
        let policy = Policy { sip_hosts: Some(["sip.example.com".to_owned()].into()), ..Policy::default() };
        let claims =
            Claims { sip_server: Some(SipServer::try_from("sip.other.com").expect("syntax")), ..Claims::default() };
        assert!(policy.admit("import_number", false, &claims).is_err());
    }
}
