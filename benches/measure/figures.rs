//! Samples, what they come to, and the table of it.

use std::time::Duration;

/// Observations of one quantity.
#[derive(Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Adds one.
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
        self.0.sort_by(f64::total_cmp);
    }

    /// Adds many durations, in milliseconds.
    pub(crate) fn extend(&mut self, times: impl IntoIterator<Item = Duration>) {
        self.0.extend(times.into_iter().map(milliseconds));
        self.0.sort_by(f64::total_cmp);
    }

    /// The value below which this share of them lies.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        self.0.get(self.0.len().saturating_sub(1) * percent / 100).copied().unwrap_or(f64::NAN)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The middle one.
    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The middle one and where most of the others lie.
    fn shown(&self) -> String {
        format!("{} ({} to {})", figure(self.median()), figure(self.percentile(10)), figure(self.percentile(90)))
    }
}

/// A duration in milliseconds.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How ours is compared with the floor, and what it should not exceed.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// Above the floor by at most this much.
    Above(f64),
    /// At most so many times the floor.
    Times(f64),
    /// At least so many times the floor.
    AtLeast(f64),
    /// Nothing is asked; the difference is shown.
    Difference,
    /// Nothing is asked; the ratio is shown.
    Ratio,
}

/// One line of the table.
pub(crate) struct Row([String; 6]);

impl Row {
    /// What the columns are.
    pub(crate) fn heading() -> Self {
        Self(["", "floor", "ours", "compared", "target", ""].map(str::to_owned))
    }

    /// Ours beside the floor.
    pub(crate) fn pair(what: &str, floor: &Samples, ours: &Samples, target: Target) -> Self {
        let (difference, ratio) = (ours.median() - floor.median(), ours.median() / floor.median());
        let (compared, asked, met) = match target {
            Target::Above(most) => (signed(difference), format!("<= +{most}"), Some(difference <= most)),
            Target::Times(most) => (format!("x {ratio:.2}"), format!("<= x {most}"), Some(ratio <= most)),
            Target::AtLeast(least) => (format!("x {ratio:.2}"), format!(">= x {least}"), Some(ratio >= least)),
            Target::Difference => (signed(difference), String::new(), None),
            Target::Ratio => (format!("x {ratio:.2}"), String::new(), None),
        };
        Self([what.to_owned(), floor.shown(), ours.shown(), compared, asked, verdict(met)])
    }

    /// A figure of ours that has no floor; `most` is what it should not exceed.
    pub(crate) fn alone(what: &str, ours: f64, most: Option<f64>) -> Self {
        let asked = most.map(|most| format!("<= {most}")).unwrap_or_default();
        let met = verdict(most.map(|most| ours <= most));
        Self([what.to_owned(), String::new(), figure(ours), String::new(), asked, met])
    }

    /// One figure of ours in several cases; `most` is what none of them should exceed.
    pub(crate) fn series(what: &str, ours: &[f64], most: Option<f64>) -> Self {
        let shown: Vec<String> = ours.iter().map(|value| figure(*value)).collect();
        let asked = most.map(|most| format!("<= {most}")).unwrap_or_default();
        let met = verdict(most.map(|most| ours.iter().all(|value| *value <= most)));
        Self([what.to_owned(), String::new(), shown.join(" / "), String::new(), asked, met])
    }

    /// Something that this system does not show.
    pub(crate) fn absent(what: &str, why: &str) -> Self {
        Self([what.to_owned(), String::new(), why.to_owned(), String::new(), String::new(), String::new()])
    }
}

fn verdict(met: Option<bool>) -> String {
    met.map(|met| if met { "met" } else { "MISSED" }).unwrap_or_default().to_owned()
}

fn signed(value: f64) -> String {
    format!("{}{}", if value < 0.0 { "-" } else { "+" }, figure(value.abs()))
}

/// Three significant digits, or all of a larger number's whole part.
fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 100.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// The rows as aligned text, the first one underlined.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut widths = [0; 6];
    for Row(cells) in rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (index, Row(cells)) in rows.iter().enumerate() {
        let line: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
        if index == 0 {
            text.push_str(&format!("{}\n", "-".repeat(widths.iter().sum::<usize>() + 10)));
        }
    }
    text
}
