//! Draws how many requests a call costs by the size of the account, as `docs/pictures/growth.svg`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::Measured;

/// Sizes of the account, each with the requests of one call.
type Points = [(usize, f64); 5];

/// Before there was an index: requests by the numbers of the account. With 8,000 numbers the number was not found.
const BEFORE: [(&str, &str, Points); 2] = [
    (
        "release_number before",
        "before release",
        [(100, 4.0), (500, 12.0), (1_000, 22.0), (2_000, 42.0), (5_000, 102.0)],
    ),
    ("assign_number before", "before", [(100, 4.0), (500, 8.0), (1_000, 13.0), (2_000, 23.0), (5_000, 53.0)]),
];
const MOST: f64 = 110.0;
const SIZES: [(usize, &str); 6] =
    [(100, "100"), (500, "500"), (1_000, "1,000"), (2_000, "2,000"), (5_000, "5,000"), (20_000, "20,000")];
/// The area of the lines: left, top, right and bottom edge.
const AREA: [f64; 4] = [60.0, 70.0, 540.0, 370.0];
/// The least distance of two labels.
const APART: f64 = 17.0;

/// One line of the picture, with its label.
struct Line {
    label: String,
    class: &'static str,
    points: Vec<(usize, f64)>,
}

/// Draws the measured calls beside those of before.
pub(crate) fn draw(now: &[(&str, Vec<(usize, f64)>)]) -> Measured<()> {
    let before = BEFORE.map(|(label, class, points)| Line { label: label.to_owned(), class, points: points.to_vec() });
    let now = now.iter().map(|(tool, points)| {
        let class = if tool.starts_with("release") { "now release" } else { "now" };
        Line { label: format!("{tool} now"), class, points: points.clone() }
    });
    let lines: Vec<Line> = before.into_iter().chain(now).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/pictures/growth.svg");
    fs::create_dir_all(path.parent().ok_or("the picture has no folder")?)?;
    Ok(fs::write(path, picture(&lines)?)?)
}

/// From 100 to 20,000, each tenfold as wide.
fn x(size: usize) -> f64 {
    let [left, _, right, _] = AREA;
    left + (right - left) * ((size as f64).log10() - 2.0) / (20_000_f64.log10() - 2.0)
}

fn y(requests: f64) -> f64 {
    let [_, top, _, bottom] = AREA;
    bottom - (bottom - top) * requests / MOST
}

fn picture(lines: &[Line]) -> Measured<String> {
    let [left, top, right, bottom] = AREA;
    let mut svg = format!("{HEAD}<desc id=\"desc\">{}</desc>\n{STYLE}", description(lines));
    writeln!(svg, "<rect class=\"ground\" width=\"800\" height=\"440\"/>")?;
    writeln!(svg, "<text class=\"head\" x=\"{left}\" y=\"32\">Requests to Truedy for one call</text>")?;
    writeln!(svg, "<text x=\"{left}\" y=\"52\">by the numbers in the account, on a logarithmic scale</text>")?;
    for requests in [0.0, 20.0, 40.0, 60.0, 80.0, 100.0] {
        let y = y(requests);
        writeln!(svg, "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>")?;
        writeln!(svg, "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{requests}</text>", left - 8.0, y + 4.0)?;
    }
    for (size, label) in SIZES {
        let x = x(size);
        writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {top}V{bottom}\"/>")?;
        writeln!(svg, "<text class=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>", bottom + 20.0)?;
    }
    let middle = (left + right) / 2.0;
    writeln!(svg, "<text class=\"middle\" x=\"{middle:.1}\" y=\"{:.1}\">numbers in the account</text>", bottom + 44.0)?;
    let mut below = f64::INFINITY;
    let mut sorted: Vec<&Line> = lines.iter().collect();
    sorted.sort_by(|one, other| last(one).1.total_cmp(&last(other).1));
    for line in sorted {
        let points: Vec<String> =
            line.points.iter().map(|(size, requests)| format!("{:.1},{:.1}", x(*size), y(*requests))).collect();
        writeln!(svg, "<polyline class=\"{}\" points=\"{}\"/>", line.class, points.join(" "))?;
        for (size, requests) in &line.points {
            writeln!(
                svg,
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
                line.class,
                x(*size),
                y(*requests)
            )?;
        }
        // The labels stand beside the ends of their lines, and never on each other.
        let (size, requests) = last(line);
        let at = (y(requests) + 4.0).min(below - APART);
        below = at;
        let (x, class, label) = (x(size) + 10.0, line.class, &line.label);
        let gone = if size < 8_000 { "; not found at 8,000" } else { "" };
        writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{at:.1}\">{label}: {requests}{gone}</text>")?;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn last(line: &Line) -> (usize, f64) {
    line.points.last().copied().unwrap_or((100, 0.0))
}

/// The same in words, for who does not see the picture.
fn description(lines: &[Line]) -> String {
    let told = lines.iter().map(|line| {
        let points: Vec<String> = line.points.iter().map(|(size, requests)| format!("{requests} at {size}")).collect();
        format!("{}: {}.", line.label, points.join(", "))
    });
    told.collect::<Vec<_>>().join(" ")
}

const HEAD: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 440" role="img" aria-labelledby="title desc">
<title id="title">Requests to Truedy for one call, by the numbers in the account</title>
"#;
/// The picture has a ground of its own, so that it can be read on any page.
const STYLE: &str = "<style>
.ground { fill: #ffffff }
text { font: 13px system-ui, sans-serif; fill: #24292f }
.head { font-size: 17px; font-weight: 600 }
.end { text-anchor: end } .middle { text-anchor: middle }
.grid { stroke: #d0d7de; stroke-width: 1; fill: none }
polyline { fill: none; stroke-width: 2.5 }
polyline.before { stroke: #bc4c00 } circle.before, text.before { fill: #bc4c00 }
polyline.now { stroke: #0969da } circle.now, text.now { fill: #0969da }
polyline.release { stroke-dasharray: 7 4 }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 }
text { fill: #e6edf3 }
.grid { stroke: #30363d }
polyline.before { stroke: #f0883e } circle.before, text.before { fill: #f0883e }
polyline.now { stroke: #58a6ff } circle.now, text.now { fill: #58a6ff }
}
</style>
";
