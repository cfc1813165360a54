//! As much of Markdown as the pages need: prose, links, and the anchors that GitHub makes of headings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::papers::root;

/// A page, and where it is.
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl Page {
    pub(super) fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// The path below the root of the repository.
    pub(super) fn name(&self) -> String {
        self.path.strip_prefix(root()).expect("a file of the repository").display().to_string()
    }

    /// The file that a relative link names; an empty one names the page itself.
    pub(super) fn resolve(&self, link: &str) -> PathBuf {
        if link.is_empty() {
            return self.path.clone();
        }
        let mut file = PathBuf::new();
        for part in self.path.parent().unwrap_or(Path::new("")).join(link).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => drop(file.pop()),
                part => file.push(part),
            }
        }
        file
    }

    /// The lines outside blocks of code, with their numbers.
    fn lines(&self) -> Vec<(usize, &str)> {
        let mut fence: Option<&str> = None;
        let mut lines = Vec::new();
        for (number, line) in self.text.lines().enumerate() {
            let marks = line.trim_start();
            let marks = &marks[..marks.len() - marks.trim_start_matches(['`', '~']).len()];
            match fence {
                Some(open) if marks.starts_with(open) => fence = None,
                Some(_) => {}
                None if marks.len() >= 3 => fence = Some(marks),
                None => lines.push((number + 1, line)),
            }
        }
        assert!(fence.is_none(), "{}: a block of code has no end", self.name());
        lines
    }

    /// The lines that are read as text: no code, no table, no comment, no line that is one link, no generated page.
    pub(super) fn prose(&self) -> Vec<(usize, &str)> {
        let is_prose = |line: &str| {
            let line = line.trim_start();
            let line = line.trim_start_matches(['-', '*', '>', ' ']);
            let one_link = line.starts_with('[') && line.ends_with(')') && line.matches("](").count() == 1;
            !(line.starts_with('|') || line.starts_with("<!--") || line.starts_with("<img") || one_link)
        };
        if self.name().starts_with("docs/reference/") {
            return Vec::new();
        }
        self.lines().into_iter().filter(|(_, line)| is_prose(line)).collect()
    }

    /// The targets of the links to files and headings of the repository, with their lines.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (number, line) in self.lines() {
            let line = without_code(line);
            let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let defined = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target);
            let in_html = ["src=\"", "href=\"", "srcset=\""].into_iter();
            let in_html = in_html.flat_map(|name| line.split(name).skip(1).filter_map(|rest| rest.split('"').next()));
            for target in inline.chain(defined).chain(in_html) {
                let target = target.split(' ').next().unwrap_or_default();
                if !target.contains("://") && !target.starts_with("mailto:") {
                    found.push((number, target.to_owned()));
                }
            }
        }
        found
    }

    /// The anchors of the headings.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (_, line) in self.lines() {
            let title = line.trim_start_matches('#');
            if title.len() == line.len() || !title.starts_with(' ') {
                continue;
            }
            let anchor = anchor_of(title.trim());
            let further = (1..).map(|n| format!("{anchor}-{n}"));
            let free = std::iter::once(anchor.clone()).chain(further).find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        anchors
    }
}

/// The line with blanks in the place of each code span.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let blank = |(n, part): (usize, &&str)| if n % 2 == 1 { " ".repeat(part.len()) } else { (*part).to_owned() };
    parts.iter().enumerate().map(blank).collect()
}

/// What GitHub makes of a heading: small letters, digits, `-` and `_`; a blank becomes `-`.
fn anchor_of(title: &str) -> String {
    // Of a link only the text counts.
    let mut plain = title.to_owned();
    while let Some((before, rest)) = plain.split_once("](") {
        plain = before.replacen('[', "", 1) + rest.split_once(')').map_or("", |(_, after)| after);
    }
    let kept = plain.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

#[test]
fn links_anchors_and_prose_are_told_from_the_rest() {
    let text = "# A `b_c`: d, e?\n\n[a](b.md#c) `[no](x)` [`d`](../e) [out](https://example.com)\n\n```sh\n# no [n](n)\n```\n\
        ## Same\n## Same\n| [t](t.md) |\n[r]: r.md\n- [one](one.md)\n<img src=\"p.svg\">\n";
    let page = Page { path: root().join("docs/README.md"), text: text.to_owned() };
    let links: Vec<String> = page.links().into_iter().map(|(_, target)| target).collect();
    assert_eq!(links, ["b.md#c", "../e", "t.md", "r.md", "one.md", "p.svg"]);
    assert_eq!(page.anchors().into_iter().collect::<Vec<_>>(), ["a-b_c-d-e", "same", "same-1"]);
    let prose: Vec<usize> = page.prose().into_iter().filter(|(_, line)| !line.is_empty()).map(|(n, _)| n).collect();
    assert_eq!(prose, [1, 3, 8, 9, 11]);
    assert_eq!(page.resolve("../e"), root().join("e"));
    assert_eq!(page.resolve(""), page.path);
}
