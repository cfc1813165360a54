//! A tool is one file and one line: no other room knows a tool by its name.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{ItemFn, ItemMod, LitStr, Macro};

use super::named;
use super::source::{SRC, SourceFile, is_for_tests};

/// The names of the tools, as the list of tools has them.
fn tools() -> BTreeSet<String> {
    let list = SRC.iter().find(|file| named(&file.place) == "tools/catalog").expect("the list of tools");
    let lines = list.text.lines().map(str::trim);
    let declared = lines.filter_map(|line| {
        let (effect, path) = line.strip_suffix(';')?.split_once(' ')?;
        ["read", "change"].contains(&effect).then(|| path.split("::").next())?
    });
    declared.map(str::to_owned).collect()
}

/// The texts of a file, without those of tests.
#[derive(Default)]
struct Texts {
    /// Each text, and whether it names the tool of a call (`"tool": "list_numbers"`) or is an example.
    found: Vec<(String, bool)>,
}

impl Texts {
    fn of(file: &SourceFile) -> Vec<(String, bool)> {
        let mut texts = Self::default();
        texts.visit_file(&syn::parse_file(&file.text).expect("it was read before"));
        texts.found
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let mut before = [String::new(), String::new()];
        for token in tokens {
            let shown = token.to_string();
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        // The example of an argument is a text, too.
                        let is_call = before == [r#""tool""#, ":"] || before[1] == "example";
                        self.found.push((text.value(), is_call));
                    }
                }
                _ => {}
            }
            before = [std::mem::take(&mut before[1]), shown];
        }
    }
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.found.push((text.value(), false));
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.tokens(item.tokens.clone());
    }
}

#[test]
fn no_room_knows_a_tool_by_its_name() {
    let tools = tools();
    assert!(tools.len() > 10, "{tools:?}");
    let mut known = Vec::new();
    let others = SRC.iter().filter(|file| !file.is_test() && !named(&file.place).starts_with("tools/catalog"));
    for file in others {
        for (text, may_name) in Texts::of(file) {
            // A call that an answer suggests names its tool.
            if tools.contains(&text) && !may_name {
                known.push(format!("{} has \"{text}\"", named(&file.place)));
            }
        }
    }
    assert!(known.is_empty(), "take the name from the tool, or the fact from its ChangeKind:\n{}", known.join("\n"));
}

#[test]
fn every_tool_that_a_text_names_exists() {
    let tools = tools();
    let verbs: BTreeSet<&str> = tools.iter().filter_map(|tool| tool.split('_').next()).collect();
    let nouns: BTreeSet<&str> = tools.iter().filter_map(|tool| tool.split_once('_')).map(|(_, noun)| noun).collect();
    let mut seen = 0;
    let mut unknown = Vec::new();
    for file in SRC.iter().filter(|file| !file.is_test() && file.place[0] != "sandbox") {
        for (text, _) in Texts::of(file) {
            for word in text.split(|c: char| !c.is_ascii_lowercase() && c != '_') {
                let Some((verb, noun)) = word.split_once('_') else { continue };
                if !verbs.contains(verb)
                    || !nouns.iter().any(|known| known.trim_end_matches('s') == noun.trim_end_matches('s'))
                {
                    continue;
                }
                seen += 1;
                if !tools.contains(word) {
                    unknown.push(format!("{} names {word}", named(&file.place)));
                }
            }
        }
    }
    assert!(seen > 50 && unknown.is_empty(), "{seen}\n{}", unknown.join("\n"));
}

#[test]
fn a_sample_tool_is_one_file_and_one_line() {
    for sample in ["sample_count", "sample_reserve"] {
        let camel: String = sample.split('_').map(|part| part[..1].to_uppercase() + &part[1..]).collect();
        let mut files = Vec::new();
        for file in SRC.iter() {
            let lines = file.text.lines().filter(|line| line.contains(sample) || line.contains(&camel)).count();
            if lines > 0 {
                files.push((named(&file.place), lines));
            }
        }
        let own = format!("tools/catalog/{sample}");
        files.retain(|(place, _)| *place != own);
        assert_eq!(files, [("tools/catalog".to_owned(), 1)], "beside its own file, one line in the list");
    }
}
