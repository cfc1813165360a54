//! Files that people write: TOML, and where in one something is wrong.

use serde::de::DeserializeOwned;

/// What a file says, or its line and what is wrong there. The message alone: what stands around it is nobody's business.
pub fn read_toml<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text".to_owned())?;
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text.get(..span.start).unwrap_or_default().matches('\n').count());
        format!("line {line}: {}", error.message())
    })
}
