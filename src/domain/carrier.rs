//! Carriers (Telnyx, Twilio, a SIP trunk), and the values that identify an account or host of a carrier.

use std::net::Ipv6Addr;

use crate::domain::argument::choice::checked_choice;
use crate::domain::argument::text::{checked_text, digits_of_number, within};

checked_choice! {
    /// Who carries an imported number.
    ProviderType, expected "telnyx, twilio or custom_sip", example "twilio",
    Telnyx = "telnyx", Twilio = "twilio", CustomSip = "custom_sip"
}

impl ProviderType {
    /// Returns the name of the carrier, as people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Telnyx => "Telnyx",
            Self::Twilio => "Twilio",
            Self::CustomSip => "the SIP trunk",
        }
    }
}

checked_text! {
    /// A Twilio account SID. Names an account, proves nothing.
    AccountSid,
    pattern r"^AC[0-9A-Fa-f]{32}$",
    expected "the account SID: AC, then 32 digits 0 to 9 and letters a to f",
    example "AC00000000000000000000000000000000",
    |text| if is_account_sid(text) { Ok(()) } else { Err(no_account_sid(text)) }
}

/// The length of every Twilio SID, in characters. Source: Twilio's documentation of its SIDs.
const SID_LENGTH: usize = 34;
/// The prefixes of Twilio SIDs that are not accounts, and what they name.
const SIDS: [(&str, &str); 3] = [("PN", "a phone number"), ("TK", "a SIP trunk"), ("CA", "a call")];

/// Checks whether a text is the SID of a Twilio account.
pub fn is_account_sid(text: &str) -> bool {
    text.len() == SID_LENGTH && text.strip_prefix("AC").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Returns why a text is not the SID of an account.
fn no_account_sid(text: &str) -> String {
    if let Err(why) = within(text, 64, |c| c.is_ascii_alphanumeric()) {
        return format!("{why}; an account SID begins with AC and has 34 characters");
    }
    if text.len() != SID_LENGTH {
        return format!("an account SID begins with AC and has 34 characters, and this has {}", text.len());
    }
    match SIDS.iter().find(|(prefix, _)| text.starts_with(prefix)) {
        Some((prefix, what)) => {
            format!("an account SID begins with AC and has 34 characters, and {prefix} begins the SID of {what}")
        }
        None if text.starts_with("AC") => "after AC an account SID has digits and the letters a to f only".to_owned(),
        None => "an account SID begins with AC and has 34 characters".to_owned(),
    }
}

checked_text! {
    /// The user name of a SIP trunk.
    SipUsername,
    pattern r"^\S{1,128}$",
    expected "the SIP user name: 1 to 128 ASCII characters, no spaces",
    example "truedy-trunk",
    |text| within(text, 128, |c| c.is_ascii_graphic()),
    reads digits_of_number
}

checked_text! {
    /// The host of a SIP trunk, with a port where it is not the usual one.
    SipServer,
    pattern r"^[^\s/@]{1,260}$",
    expected "a host name or public IP address, with :port where needed; no sip: prefix, no user name",
    example "sip.example.com",
    host_and_port
}

/// Checks that a text is a host, with or without a port. The error names any other part of an address that it contains.
fn host_and_port(text: &str) -> Result<(), String> {
    let lower = text.to_ascii_lowercase();
    let scheme = ["sips:", "sip:", "https:", "http:", "tel:"].into_iter().find(|scheme| lower.starts_with(scheme));
    if let Some(scheme) = scheme {
        return Err(format!("it begins with the scheme {scheme} and only the host is wanted; leave that out"));
    }
    for (mark, what) in [(';', "a parameter"), ('?', "a query"), ('@', "a user name"), ('/', "a path")] {
        if text.contains(mark) {
            let part = if mark == '@' { "all up to" } else { "all from" };
            return Err(format!("it has {what}; leave out {part} {mark}"));
        }
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(format!("an IPv6 address stands in brackets; write [{text}]"));
    }
    if text.starts_with('[') && !text.contains(']') {
        return Err("the [ of the address is not closed".to_owned());
    }
    let (host, port) = split_port(text);
    if let Some(port) = port {
        let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
        if !digits || !port.parse::<u32>().is_ok_and(|port| (1..=65_535).contains(&port)) {
            return Err("the port after : is not a whole number from 1 to 65535".to_owned());
        }
    }
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or("only :port may follow the ] of the address")?;
        return inner.parse::<Ipv6Addr>().map(drop).map_err(|_| "what stands in [ ] is no IPv6 address".to_owned());
    }
    within(host, 253, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))?;
    if host.contains("..") {
        return Err("between two dots of a host name stands a label, and here nothing does".to_owned());
    }
    // The name of a trunk may have an underscore, also at the start or end of a label.
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    if edge(host.chars().next()) && edge(host.chars().last()) {
        Ok(())
    } else {
        Err("a host name starts and ends with a letter or digit".to_owned())
    }
}

impl SipServer {
    /// Returns the host without brackets and port.
    pub fn host(&self) -> &str {
        split_port(self.as_str()).0.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Splits a text into host and port. The host keeps its brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rfind(']') {
        Some(end) => match text.get(end + 1..).and_then(|rest| rest.strip_prefix(':')) {
            Some(port) => (text.get(..=end).unwrap_or(text), Some(port)),
            None => (text, None),
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    }
}
