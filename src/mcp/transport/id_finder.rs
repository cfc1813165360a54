//! Finds the id of a request in a text that is not parsed. Such a text is too long to keep, or not valid JSON.

use serde_json::Value;

/// The longest name or value that is kept, in bytes.
const TOKEN: usize = 320;
/// The longest id that is sent back, in bytes.
const ID: usize = 256;

/// Finds the id at the outermost level of a text, which may come in pieces.
#[derive(Default)]
pub(crate) struct IdFinder {
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// The name of the current member, as raw bytes with its quotes.
    name: Vec<u8>,
    /// The bytes read since the last comma or colon of the outermost level.
    token: Vec<u8>,
    id: Option<Value>,
    answers: bool,
}

impl IdFinder {
    /// Reads the next piece of the text.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.step(*byte));
    }

    /// Returns the id, once it was read. Returns `None` for a response, which itself gets no response.
    pub(crate) fn found(&self) -> Option<Value> {
        self.id.clone().filter(|_| !self.answers)
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            self.keep(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.keep(byte);
            }
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' => {
                self.member_ends();
                self.depth = self.depth.saturating_sub(1);
            }
            b':' if self.depth == 1 => self.name = std::mem::take(&mut self.token),
            b',' => self.member_ends(),
            _ if byte.is_ascii_whitespace() => {}
            _ => self.keep(byte),
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.token.len() < TOKEN {
            self.token.push(byte);
        }
    }

    fn member_ends(&mut self) {
        if self.depth != 1 {
            return;
        }
        match self.name.as_slice() {
            b"\"id\"" => {
                let id = serde_json::from_slice::<Value>(&self.token).ok();
                self.id = id.filter(|id| id.is_i64() || id.as_str().is_some_and(|id| id.len() <= ID));
            }
            b"\"result\"" | b"\"error\"" => self.answers = true,
            _ => {}
        }
        self.name.clear();
        self.token.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_id_of_a_request_is_found_wherever_it_stands() {
        let long = "x".repeat(5_000);
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"#.to_owned(), Some(json!(7))),
            (format!(r#"{{"method":"a","params":{{"id":1,"x":["{long}\""]}},"id" : "b\"c" }}"#), Some(json!("b\"c"))),
            (format!(r#"{{"id":"{long}","method":"a"}}"#), None),
            (r#"{"id":7,"result":{"action":"accept"}}"#.to_owned(), None),
            (r#"{"params":{"id":7},"id":null}"#.to_owned(), None),
            (r#"{"id":1.5,"method":"a"}"#.to_owned(), None),
            (r#"{"method":"\"id\":9,","x":1}"#.to_owned(), None),
            ("id: 7, }]}".to_owned(), None),
        ] {
            for piece in [1, 7, text.len()] {
                let mut finder = IdFinder::default();
                text.as_bytes().chunks(piece).for_each(|piece| finder.read(piece));
                assert_eq!(finder.found(), id, "{text}");
            }
        }
    }
}
