//! Reads the fields of a request as strictly as the schema says. Collects every problem before refusing.

use serde_json::{Map, Value, json};

use crate::sandbox::error::{FieldError, SECRET};
use crate::sandbox::response::ApiRefusal;

/// The body of a request: an object whose fields are read one by one.
#[derive(Debug)]
pub(crate) struct JsonBody {
    fields: Map<String, Value>,
    problems: Vec<FieldError>,
}

impl JsonBody {
    /// Parses a body. A body that is not a JSON object is refused at once.
    pub(crate) fn parse(content_type: Option<&str>, bytes: &[u8]) -> Result<JsonBody, ApiRefusal> {
        let of_body = |kind, message: &str| FieldError::new("body", None, kind, message);
        if bytes.is_empty() {
            return Err(ApiRefusal::schema(vec![of_body("missing", "Field required")], false));
        }
        let object = "Input should be a valid dictionary";
        if !content_type.is_none_or(is_json) {
            return Err(ApiRefusal::schema(vec![of_body("model_attributes_type", object)], false));
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(JsonBody { fields, problems: Vec::new() }),
            Ok(_) => Err(ApiRefusal::schema(vec![of_body("model_attributes_type", object)], false)),
            Err(error) => Err(ApiRefusal::malformed(of_body("json_invalid", &format!("JSON decode error: {error}")))),
        }
    }

    /// Refuses if any field that was read did not fit. With `echo`, the refusal repeats the whole body.
    pub(crate) fn check(&mut self, echo: bool) -> Result<(), ApiRefusal> {
        if self.problems.is_empty() {
            return Ok(());
        }
        let mut problems = std::mem::take(&mut self.problems);
        if echo {
            for problem in &mut problems {
                problem.input = Some(Value::Object(self.fields.clone()));
            }
        }
        Err(ApiRefusal::schema(problems, echo))
    }

    /// Reads a text that may be missing or null.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.fields.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                let problem = string_type(name).showing(other);
                self.problems.push(problem);
                None
            }
        }
    }

    /// Reads a required text. Returns an empty text if it does not fit; `check` then refuses.
    pub(crate) fn required_text(&mut self, name: &str) -> String {
        match self.fields.get(name) {
            None => {
                self.problems.push(FieldError::new("body", Some(name), "missing", "Field required"));
                String::new()
            }
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                let problem = string_type(name).showing(other);
                self.problems.push(problem);
                String::new()
            }
        }
    }

    /// Reads a required identifier.
    pub(crate) fn id(&mut self, name: &str) -> String {
        let id = self.required_text(name);
        if self.fits(name) && !is_id(&id) {
            let problem = FieldError::new("body", Some(name), "string_pattern_mismatch", "Must be an identifier");
            self.problems.push(problem.showing(&json!(id)));
        }
        id
    }

    /// Reads a required phone number.
    pub(crate) fn phone(&mut self, name: &str) -> String {
        let number = self.required_text(name);
        if self.fits(name) {
            self.check_phone(name, &number);
        }
        number
    }

    /// Reads a text that may be missing, but not null.
    pub(crate) fn text_or(&mut self, name: &str, default: &str) -> String {
        if self.has(name) { self.required_text(name) } else { default.to_owned() }
    }

    /// Reads a required text that must be one of several words.
    pub(crate) fn choice(&mut self, name: &str, words: &[&str]) -> String {
        let word = self.required_text(name);
        if self.fits(name) && !words.contains(&word.as_str()) {
            self.complain(name, "enum", &format!("Input should be one of: {}", words.join(", ")));
        }
        word
    }

    /// Whether a field was sent.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Whether no problem with a field was found so far.
    pub(crate) fn fits(&self, name: &str) -> bool {
        self.problems.iter().all(|problem| problem.field.as_deref() != Some(name))
    }

    /// Reads a phone number that may be missing or null.
    pub(crate) fn phone_or_none(&mut self, name: &str) -> Option<String> {
        let number = self.text(name)?;
        self.check_phone(name, &number);
        Some(number)
    }

    /// Reads a whole number within bounds. Returns the default if it is missing.
    pub(crate) fn whole(&mut self, name: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(given) = self.fields.get(name) else {
            return default;
        };
        let problem = match given {
            Value::Number(number) => match whole_of(number) {
                Some(whole) => match bounds(whole, least, most) {
                    Ok(whole) => return whole,
                    Err((kind, message)) => FieldError::new("body", Some(name), kind, message),
                },
                None => FieldError::new("body", Some(name), "int_from_float", "Input should be a valid integer"),
            },
            _ => FieldError::new("body", Some(name), "int_type", "Input should be a valid integer"),
        };
        self.problems.push(problem.showing(given));
        default
    }

    /// Checks an object that may be missing or null. It is not used further.
    pub(crate) fn object_or_none(&mut self, name: &str) {
        if let Some(other) = self.fields.get(name)
            && !other.is_object()
            && !other.is_null()
        {
            let problem = FieldError::new("body", Some(name), "dict_type", "Input should be a valid dictionary");
            self.problems.push(problem.showing(other));
        }
    }

    /// Adds a problem with a field whose type is right but whose value is wrong.
    pub(crate) fn complain(&mut self, name: &str, kind: &'static str, message: &str) {
        let problem = FieldError::new("body", Some(name), kind, message);
        let problem = match self.fields.get(name) {
            Some(given) => problem.showing(given),
            None => problem,
        };
        self.problems.push(problem);
    }

    fn check_phone(&mut self, name: &str, number: &str) {
        if !is_e164(number) {
            let problem = FieldError::new("body", Some(name), "string_pattern_mismatch", "Must be in E.164 format");
            self.problems.push(problem.showing(&json!(number)));
        }
    }
}

/// The query of a request.
#[derive(Debug)]
pub(crate) struct QueryString {
    pairs: Vec<(String, String)>,
    problems: Vec<FieldError>,
}

impl QueryString {
    pub(crate) fn parse(query: Option<&str>) -> QueryString {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        QueryString { pairs, problems: Vec::new() }
    }

    /// Returns a text. If the name appears several times, the last one counts.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads a whole number within bounds. Returns the default if it is missing.
    pub(crate) fn whole(&mut self, name: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(given) = self.text(name) else {
            return default;
        };
        let bounded = match whole_from_text(given) {
            Some(whole) => bounds(whole, least, most),
            None => {
                let message = "Input should be a valid integer, unable to parse string as an integer";
                Err(("int_parsing", message.to_owned()))
            }
        };
        match bounded {
            Ok(whole) => whole,
            Err((kind, message)) => {
                let problem = FieldError::new("query", Some(name), kind, message).showing(&json!(given));
                self.problems.push(problem);
                default
            }
        }
    }

    /// Refuses if anything that was read did not fit.
    pub(crate) fn check(&mut self) -> Result<(), ApiRefusal> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ApiRefusal::schema(std::mem::take(&mut self.problems), false))
        }
    }
}

/// Returns every secret in a body, whether it is used or not.
pub(crate) fn secrets(body: &[u8]) -> Vec<String> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Vec::new();
    };
    let texts = fields.into_iter().filter(|(name, _)| SECRET.contains(&name.as_str()));
    texts.filter_map(|(_, value)| value.as_str().map(str::to_owned)).filter(|text| !text.is_empty()).collect()
}

/// Whether a text is a number in E.164.
/// Source: ITU-T E.164 §6; the pattern `^\+[1-9]\d{1,14}$` of the API.
pub(crate) fn is_e164(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else {
        return false;
    };
    (2..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit())
}

fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.is_empty()
        || essence.strip_prefix("application/").is_some_and(|sub| sub == "json" || sub.ends_with("+json"))
}

fn string_type(name: &str) -> FieldError {
    FieldError::new("body", Some(name), "string_type", "Input should be a valid string")
}

/// Converts a whole number of any size. Negative numbers become `None`, and huge ones the largest possible number.
fn whole_of(number: &serde_json::Number) -> Option<Option<u64>> {
    if let Some(whole) = number.as_u64() {
        return Some(Some(whole));
    }
    if number.as_i64().is_some() {
        return Some(None);
    }
    let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
    // The cast saturates, as intended.
    Some((float >= 0.0).then_some(float as u64))
}

fn whole_from_text(text: &str) -> Option<Option<u64>> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole = digits.parse().unwrap_or(u64::MAX);
    Some((!negative || whole == 0).then_some(whole))
}

fn bounds(whole: Option<u64>, least: u64, most: u64) -> Result<u64, (&'static str, String)> {
    match whole {
        Some(whole) if whole > most => {
            Err(("less_than_equal", format!("Input should be less than or equal to {most}")))
        }
        Some(whole) if whole >= least => Ok(whole),
        _ => Err(("greater_than_equal", format!("Input should be greater than or equal to {least}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> JsonBody {
        JsonBody::parse(Some("application/json; charset=utf-8"), text.as_bytes()).unwrap()
    }

    #[test]
    fn e164_is_checked_at_every_edge() {
        for right in ["+12", "+14155550123", "+123456789012345"] {
            assert!(is_e164(right), "{right}");
        }
        for wrong in ["", "+", "+1", "+0123", "14155550123", "+1234567890123456", "+1415 555", "+1415\n", "+١٢٣"] {
            assert!(!is_e164(wrong), "{wrong}");
        }
    }

    #[test]
    fn whole_numbers_are_whole_and_within_bounds() {
        let ask = |text: &str| {
            let mut body = body(&format!("{{\"n\":{text}}}"));
            let whole = body.whole("n", 20, 1, 100);
            body.check(false).is_ok().then_some(whole)
        };
        assert_eq!(ask("1"), Some(1));
        assert_eq!(ask("100.0"), Some(100));
        for wrong in ["0", "101", "-1", "-1.0", "1.5", "\"5\"", "true", "null", "1e300", "99999999999999999999"] {
            assert_eq!(ask(wrong), None, "{wrong}");
        }
        let query = |text: &str| {
            let mut query = QueryString::parse(Some(&format!("n=7&n={text}")));
            let whole = query.whole("n", 0, 0, u64::MAX);
            query.check().is_ok().then_some(whole)
        };
        assert_eq!(query("8"), Some(8));
        assert_eq!(query("-0"), Some(0));
        assert_eq!(query("99999999999999999999999"), Some(u64::MAX));
        for wrong in ["", "abc", "1.5", "-1", "0x1", "1_000", "%00"] {
            assert_eq!(query(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn all_problems_are_collected_and_no_secret_is_shown() {
        let mut body = body(r#"{"phone_number":"555","api_key":12,"page":"x"}"#);
        body.phone("phone_number");
        body.text("api_key");
        body.whole("page", 1, 1, 9);
        body.required_text("agent_id");
        let listed: Vec<Value> = body.problems.iter().map(|problem| problem.listed(None)).collect();
        assert_eq!(listed.len(), 4);
        assert_eq!(listed[0]["input"], "555");
        assert!(listed[1].get("input").is_none());
        assert_eq!(listed[2]["loc"], json!(["body", "page"]));
        assert_eq!(listed[3]["type"], "missing");
        assert!(body.check(false).is_err());
    }

    #[test]
    fn bodies_that_are_no_objects_are_refused() {
        for text in ["", "nul", "[]", "\"x\"", "{\"a\":NaN}", "{\"a\":\"\\ud800\"}", "{} x"] {
            assert!(JsonBody::parse(None, text.as_bytes()).is_err(), "{text}");
        }
        assert!(JsonBody::parse(Some("text/plain"), b"{}").is_err());
        assert!(JsonBody::parse(Some("application/problem+json"), b"{}").is_ok());
        assert!(JsonBody::parse(None, &[b'{', b'"', 0xff]).is_err());
    }

    #[test]
    fn secrets_are_found() {
        assert_eq!(secrets(br#"{"api_key":"a","name":"b","auth_token":"","sip_password":"c"}"#), ["a", "c"]);
        assert!(secrets(b"no json").is_empty());
    }
}
