//! Aligned tables with a header, for people at a terminal.

use anstyle::{AnsiColor, Style};

/// The style of a header.
const HEADER: Style = Style::new().bold();
/// The style of what went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// The style of what was refused.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// The style of what somebody must look after.
pub(crate) const ALERT: Style = AnsiColor::Red.on_default().bold();
/// The style of what matters most.
pub(crate) const STRONG: Style = Style::new().bold();
/// The style of what matters less.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// One cell of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, style: Style::new() }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Cell {
    /// Returns a cell in a style.
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }

    /// Fills the cell with spaces up to a width.
    pub(crate) fn widen(&mut self, width: usize) {
        let missing = width.saturating_sub(self.text.chars().count());
        self.text.extend(std::iter::repeat_n(' ', missing));
    }
}

/// A table. Columns that are empty in every row are left out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// The columns that stay whole.
    kept: Vec<String>,
}

impl Table {
    /// Begins a table with the names of its columns.
    pub(crate) fn new(header: impl IntoIterator<Item = String>) -> Self {
        Self { header: header.into_iter().collect(), ..Self::default() }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Names columns that are neither cut nor left out, since without them a row does not say what it is about.
    pub(crate) fn keeping(mut self, names: &[&str]) -> Self {
        self.kept = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Returns the lines of the table for a terminal of this width, and the columns that found no room.
    ///
    /// Wide columns are cut, but not below [`NARROWEST`]. Then the last columns are left out, until the rest fits.
    pub(crate) fn fitted(mut self, width: usize) -> (String, Vec<String>) {
        let mut left_out = Vec::new();
        loop {
            let narrowed = self.narrowed(width);
            let last = self.widths().iter().enumerate().rposition(|(at, wide)| *wide > 0 && !self.is_kept(at));
            match last {
                Some(at) if narrowed.width() > width => {
                    left_out.insert(0, self.header.get(at).cloned().unwrap_or_default());
                    self.rows.iter_mut().filter_map(|row| row.get_mut(at)).for_each(|cell| cell.text.clear());
                }
                _ => return (narrowed.to_text(), left_out),
            }
        }
    }

    /// Returns the table with its widest columns cut for this width, as far as that may be.
    fn narrowed(&self, width: usize) -> Self {
        let mut table = self.clone();
        loop {
            let all = table.width();
            let widths = table.widths().into_iter().enumerate();
            let widest = widths.filter(|(at, _)| !table.is_kept(*at)).max_by_key(|(_, width)| *width);
            match widest {
                Some((at, most)) if all > width && most > NARROWEST => {
                    let most = most.saturating_sub(all - width).max(NARROWEST);
                    table.header.get_mut(at).into_iter().for_each(|name| cut(name, most));
                    table.rows.iter_mut().filter_map(|row| row.get_mut(at)).for_each(|cell| cut(&mut cell.text, most));
                }
                _ => return table,
            }
        }
    }

    fn is_kept(&self, at: usize) -> bool {
        self.header.get(at).is_some_and(|name| self.kept.contains(name))
    }

    /// Returns the width of the table, in characters.
    pub(crate) fn width(&self) -> usize {
        let shown = self.widths().into_iter().filter(|width| *width > 0);
        shown.map(|width| width + 2).sum::<usize>().saturating_sub(2)
    }

    /// Returns the widths of the columns. An empty column has none.
    fn widths(&self) -> Vec<usize> {
        let width = |text: &str| text.chars().count();
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |at: usize| self.rows.iter().filter_map(|row| row.get(at)).map(|cell| width(&cell.text)).max();
        let named = |at: usize| self.header.get(at).map_or(0, |name| width(name));
        (0..columns)
            .map(|at| widest(at).filter(|widest| *widest > 0).map_or(0, |widest| widest.max(named(at))))
            .collect()
    }

    /// Returns the lines of the table with their styles. Two spaces part the columns.
    pub(crate) fn to_text(&self) -> String {
        let width = |text: &str| text.chars().count();
        let widths = self.widths();
        let header: Vec<Cell> = self.header.iter().map(|name| Cell::styled(name.as_str(), HEADER)).collect();
        let mut text = String::new();
        for row in Some(&header).filter(|header| !header.is_empty()).into_iter().chain(&self.rows) {
            let cells = row.iter().zip(&widths).filter(|(_, width)| **width > 0);
            let padded = cells.map(|(Cell { text, style }, most)| {
                let gap = " ".repeat(most.saturating_sub(width(text)));
                format!("{style}{text}{style:#}{gap}")
            });
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }
}

/// The width to which a column is cut at most, in characters.
const NARROWEST: usize = 12;

/// Cuts a text to a width.
fn cut(text: &mut String, most: usize) {
    if text.chars().count() > most {
        *text = text.chars().take(most.saturating_sub(1)).chain(['…']).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let mut table = Table::new(["A", "EMPTY", "LONG NAME", "B"].map(str::to_owned));
        table.row(vec!["é".into(), "".into(), Cell::styled("x", ALERT), "1".into()]);
        table.row(vec!["three".into(), "".into(), "y".into(), "".into()]);
        let plain = anstream::adapter::strip_str(&table.to_text()).to_string();
        assert_eq!(plain, "A      LONG NAME  B\né      x          1\nthree  y\n");
        let mut table = Table::new(["A".to_owned()]);
        table.row(vec![Cell::styled("x", ALERT)]);
        assert!(table.to_text().contains("\u{1b}[1m\u{1b}[31mx\u{1b}[0m"), "{:?}", table.to_text());
    }

    #[test]
    fn what_says_which_row_it_is_stays_whole_and_the_last_columns_go() {
        let mut table = Table::new(["NUMBER", "NAME", "PLACE", "NOTE"].map(str::to_owned)).keeping(&["NUMBER"]);
        table.row(vec!["+1 415 555 0100".into(), "x".repeat(40).into(), "San Francisco".into(), "y".repeat(20).into()]);
        let fitted = |width| {
            let (text, left_out) = table.clone().fitted(width);
            (anstream::adapter::strip_str(&text).to_string(), left_out.join(" "))
        };
        for width in [100, 60, 50, 40, 30, 20, 15] {
            let (text, left_out) = fitted(width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
            assert!(text.contains("+1 415 555 0100"), "{width}: {text}");
            let shown = ["NAME", "PLACE", "NOTE"].iter().filter(|name| text.contains(*name)).count();
            assert_eq!(shown + left_out.split_whitespace().count(), 3, "{width}: {text}{left_out}");
        }
        assert_eq!(fitted(40).1, "PLACE NOTE");
        assert_eq!(fitted(100).1, "");
    }
}
