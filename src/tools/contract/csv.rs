//! Tables as CSV, by RFC 4180. A spreadsheet that opens one runs nothing of it.

use std::borrow::Cow;

/// The media type.
pub const CSV: &str = "text/csv";

/// The characters with which a formula begins, in some spreadsheet. The last four are full-width forms.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// A table as CSV: a header, then rows. Lines end with CR and LF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvTable {
    text: String,
    columns: usize,
}

impl CsvTable {
    /// Begins a table with the names of its columns.
    pub fn new(header: &[&str]) -> Self {
        let mut table = Self { text: String::new(), columns: header.len() };
        table.row(header);
        table
    }

    /// Adds a row. Cells that are missing are empty, and cells beyond the header are left out.
    pub fn row<T: AsRef<str>>(&mut self, cells: &[T]) {
        for at in 0..self.columns {
            if at > 0 {
                self.text.push(',');
            }
            let cell = harmless(cells.get(at).map_or("", AsRef::as_ref));
            if cell.contains(['"', ',', '\r', '\n']) {
                self.text.push('"');
                self.text.push_str(&cell.replace('"', "\"\""));
                self.text.push('"');
            } else {
                self.text.push_str(&cell);
            }
        }
        self.text.push_str("\r\n");
    }

    /// Returns the text of the table.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// Returns the cell so that no spreadsheet takes it for a formula: an apostrophe precedes what would begin one.
///
/// A spreadsheet may also divide lines at semicolons or tabs, so the text behind each of them is treated alike. A cell
/// that is a number stays as it is: an amount, or a phone number with its plus.
fn harmless(cell: &str) -> Cow<'_, str> {
    if is_number(cell) || !cell.contains(FORMULA) {
        return Cow::Borrowed(cell);
    }
    let mut guarded = String::with_capacity(cell.len() + 1);
    let mut begins = true;
    for c in cell.chars() {
        if begins && FORMULA.contains(&c) {
            guarded.push('\'');
        }
        // Spaces and quotes before it do not hide a formula from every spreadsheet.
        begins = matches!(c, ';' | '\t' | '\r' | '\n') || (begins && matches!(c, ' ' | '"'));
        guarded.push(c);
    }
    Cow::Owned(guarded)
}

/// Checks whether a cell is a sign and digits, with at most one point among them.
fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let whole = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match digits.split_once('.') {
        Some((before, after)) => whole(before) && whole(after),
        None => whole(digits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(text: &str) -> String {
        let mut table = CsvTable::new(&["a"]);
        table.row(&[text]);
        table.into_text().strip_prefix("a\r\n").unwrap().strip_suffix("\r\n").unwrap().to_owned()
    }

    #[test]
    fn a_formula_is_text_and_a_number_stays_a_number() {
        for (given, written) in [
            ("Front desk", "Front desk"),
            ("=1+2", "'=1+2"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("-2+3", "'-2+3"),
            ("+cmd", "'+cmd"),
            ("\tx", "'\tx"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            (" =1", " '=1"),
            ("a;=1", "a;'=1"),
            ("=HYPERLINK(\"http://evil.example\",\"x\")", "\"'=HYPERLINK(\"\"http://evil.example\"\",\"\"x\"\")\""),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("\r\n=1", "\"'\r'\n'=1\""),
            ("+14155550123", "+14155550123"),
            ("-1.50", "-1.50"),
            ("1.00", "1.00"),
            ("2026-11-25T08:00:00+01:00", "2026-11-25T08:00:00+01:00"),
            ("+1-415", "'+1-415"),
            ("", ""),
        ] {
            assert_eq!(cell(given), written, "{given:?}");
        }
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_header() {
        let mut table = CsvTable::new(&["a", "b"]);
        table.row(&["1"]);
        table.row(&["1", "2", "3"]);
        assert_eq!(table.into_text(), "a,b\r\n1,\r\n1,2\r\n");
    }

    /// Reads a table as RFC 4180 says.
    fn read(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '"' if quoted && rest.peek() == Some(&'"') => cell.extend(rest.next()),
                '"' => quoted = !quoted,
                ',' if !quoted => row.push(std::mem::take(&mut cell)),
                '\r' if !quoted && rest.peek() == Some(&'\n') => {
                    rest.next();
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                other => cell.push(other),
            }
        }
        assert!(!quoted && cell.is_empty() && row.is_empty(), "{text:?}");
        rows
    }

    proptest! {
        #[test]
        fn a_table_is_read_back_as_it_was_written(
            cells in proptest::collection::vec(proptest::collection::vec("[-=+@;,\"'a1. \\t\\r\\n]{0,8}", 3), 0..5)
        ) {
            let mut table = CsvTable::new(&["a", "b", "c"]);
            cells.iter().for_each(|row| table.row(row));
            let back = read(&table.into_text());
            prop_assert_eq!(back.len(), cells.len() + 1);
            for (row, given) in back.iter().skip(1).zip(&cells) {
                let harmless: Vec<_> = given.iter().map(|cell| harmless(cell).into_owned()).collect();
                prop_assert_eq!(row, &harmless);
                for (cell, given) in row.iter().zip(given) {
                    let plain = cell.replace('\'', "");
                    prop_assert_eq!(plain, given.replace('\'', ""));
                    let begins = cell.trim_start_matches([' ', '"']).chars().next();
                    prop_assert!(is_number(cell) || !matches!(begins, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n')));
                }
            }
        }
    }
}
