//! What a carrier (Telnyx, Twilio, a SIP trunk) is reached by.

use super::choice::checked_choice;
use super::text::{checked_text, within};

checked_choice! {
    /// Who carries an imported number.
    ProviderType, expected "telnyx, twilio or custom_sip", example "twilio",
    Telnyx = "telnyx", Twilio = "twilio", CustomSip = "custom_sip"
}

impl ProviderType {
    /// As people call it.
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
    pattern r"^.{1,64}$",
    expected "the account SID: letters and digits, at most 64",
    example "AC00000000000000000000000000000000",
    |text| within(text, 64, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

checked_text! {
    /// The user name of a SIP trunk.
    SipUsername,
    pattern r"^\S{1,128}$",
    expected "the SIP user name: 1 to 128 ASCII characters, no spaces",
    example "truedy-trunk",
    |text| within(text, 128, |c| c.is_ascii_graphic())
}

checked_text! {
    /// The host of a SIP trunk, with a port where it is not the usual one.
    SipServer,
    pattern r"^[^\s/@]{1,260}$",
    expected "a host name or public IP address, with :port where needed; no sip: prefix, no user name",
    example "sip.example.com",
    |text| {
        let (host, port) = split_port(text);
        if let Some(port) = port {
            match port.parse::<u32>() {
                Ok(_) if port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) => {}
                _ => return Err("the port after : is not 1 to 5 digits".to_owned()),
            }
        }
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or("the [ of the address is not closed")?;
            return within(inner, 45, |c| c.is_ascii_hexdigit() || c == ':' || c == '.')
                .and_then(|()| if inner.len() < 2 { Err("the address in [ ] is too short".to_owned()) } else { Ok(()) });
        }
        within(host, 253, |c| c.is_ascii_alphanumeric() || c == '.' || c == '-')?;
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if edge(host.chars().next()) && edge(host.chars().last()) { Ok(()) } else { Err("a host name starts and ends with a letter or digit".to_owned()) }
    }
}

impl SipServer {
    /// The host without brackets and port.
    pub fn host(&self) -> &str {
        split_port(self.as_str()).0.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Host and port; the host keeps its brackets.
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
