//! The source of a folder as syntax trees: what each file defines, and which paths it names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// A module path, from the top of the crate.
pub(super) type Place = Vec<String>;

/// A source file.
pub(super) struct SourceFile {
    /// Its place below the folder, without `.rs`.
    pub(super) place: Place,
    pub(super) text: String,
    /// The paths that the code names, without those of tests, each as it is written.
    pub(super) paths: Vec<(Vec<String>, usize)>,
    /// The types that it defines, without those inside functions.
    pub(super) types: Vec<String>,
    /// The functions: name, lines, and whether it is part of a test.
    pub(super) functions: Vec<(String, usize, bool)>,
    /// What a `mod.rs` has besides modules and `use`.
    pub(super) code_items: usize,
    /// What it shows of other files: name, and the path that it stands for.
    pub(super) shown: Vec<(String, Vec<String>)>,
}

impl SourceFile {
    pub(super) fn room(&self) -> &str {
        &self.place[0]
    }

    pub(super) fn is_mod(&self) -> bool {
        self.place.last().is_some_and(|name| name == "mod" || name == "lib")
    }

    /// Whether it holds tests alone.
    pub(super) fn is_test(&self) -> bool {
        self.place.iter().any(|name| name == "tests" || name.ends_with("_tests"))
    }

    /// The module that this file is.
    pub(super) fn module(&self) -> Place {
        self.place.iter().filter(|name| *name != "mod").cloned().collect()
    }

    /// Where a path leads that starts with `crate`, `super` or `self`, seen from the top of the crate. `inline` is how many
    /// modules within the file it stands in. `None` for a path that stays within the file's own modules.
    pub(super) fn resolve(&self, path: &[String], inline: usize) -> Option<Place> {
        let mut at: Vec<Option<String>> = match path[0].as_str() {
            "crate" | "truedy_mcp" => Vec::new(),
            _ => self.module().into_iter().map(Some).chain(std::iter::repeat_n(None, inline)).collect(),
        };
        for step in path {
            match step.as_str() {
                "super" => drop(at.pop()),
                "crate" | "truedy_mcp" | "self" => {}
                name => at.push(Some(name.to_owned())),
            }
        }
        at.into_iter().collect()
    }
}

/// Every Rust file below `src`, and below `tests`: read once, since several tests look at them.
pub(super) static SRC: LazyLock<Vec<SourceFile>> = LazyLock::new(|| source("src"));
pub(super) static TESTS: LazyLock<Vec<SourceFile>> = LazyLock::new(|| source("tests"));

fn source(part: &str) -> Vec<SourceFile> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(part);
    let mut paths = Vec::new();
    files_below(&folder, &mut paths);
    paths.sort();
    paths.into_iter().map(|path| read(&folder, &path)).collect()
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn read(folder: &Path, path: &Path) -> SourceFile {
    let place = path.strip_prefix(folder).unwrap().with_extension("");
    let place = place.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    let text = fs::read_to_string(path).unwrap();
    let tree = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut seen = Seen::default();
    seen.visit_file(&tree);
    let code_items = tree.items.iter().filter(|item| !only_gathers(item)).count();
    let shown = tree.items.iter().filter_map(|item| match item {
        Item::Use(item) if !matches!(item.vis, syn::Visibility::Inherited) => Some(leaves(&item.tree)),
        _ => None,
    });
    let shown = shown.flatten().collect();
    SourceFile { place, text, paths: seen.paths, types: seen.types, functions: seen.functions, code_items, shown }
}

fn only_gathers(item: &Item) -> bool {
    matches!(item, Item::Use(_)) || matches!(item, Item::Mod(module) if module.content.is_none())
}

/// Whether an item is compiled for tests alone.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg");
        let inside = attribute.meta.require_list().map(|list| list.tokens.to_string()).unwrap_or_default();
        (is_cfg && inside == "test") || attribute.path().segments.last().is_some_and(|last| last.ident == "test")
    })
}

/// Every name that a `use` brings, with the path that it stands for.
fn leaves(tree: &UseTree) -> Vec<(String, Vec<String>)> {
    fn walk(tree: &UseTree, above: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
        match tree {
            UseTree::Path(path) => {
                above.push(path.ident.to_string());
                walk(&path.tree, above, found);
                above.pop();
            }
            UseTree::Name(name) if name.ident == "self" => {
                found.push((above.last().cloned().unwrap_or_default(), above.clone()));
            }
            UseTree::Name(name) => {
                found.push((name.ident.to_string(), [&above[..], &[name.ident.to_string()]].concat()))
            }
            UseTree::Rename(name) => {
                found.push((name.rename.to_string(), [&above[..], &[name.ident.to_string()]].concat()));
            }
            UseTree::Glob(_) => found.push(("*".to_owned(), above.clone())),
            UseTree::Group(group) => group.items.iter().for_each(|item| walk(item, above, found)),
        }
    }
    let mut found = Vec::new();
    walk(tree, &mut Vec::new(), &mut found);
    found
}

/// What is seen of one file.
#[derive(Default)]
struct Seen {
    paths: Vec<(Vec<String>, usize)>,
    types: Vec<String>,
    functions: Vec<(String, usize, bool)>,
    inline: usize,
    in_test: bool,
    in_function: bool,
}

impl Seen {
    fn path(&mut self, path: Vec<String>) {
        if !self.in_test && path.len() > 1 {
            self.paths.push((path, self.inline));
        }
    }

    fn type_named(&mut self, name: &syn::Ident) {
        if !self.in_function && !self.in_test {
            self.types.push(name.to_string());
        }
    }

    fn function(&mut self, name: &syn::Ident, span: proc_macro2::Span, for_tests: bool) {
        let lines = span.end().line - span.start().line + 1;
        self.functions.push((name.to_string(), lines, self.in_test || for_tests));
    }

    /// Paths in what a macro is given, which has no syntax tree.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if path.is_empty() || colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) => {
                    self.path(std::mem::replace(&mut path, vec![name.to_string()]));
                    colons = 0;
                    continue;
                }
                TokenTree::Group(group) => {
                    self.path(std::mem::take(&mut path));
                    self.tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.path(std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.path(path);
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let before = self.in_test;
        self.in_test |= is_for_tests(&item.attrs);
        self.inline += 1;
        visit::visit_item_mod(self, item);
        self.inline -= 1;
        self.in_test = before;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for (_, path) in leaves(&item.tree) {
            self.path(path);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.type_named(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_named(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.type_named(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.type_named(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig.ident, item.span(), is_for_tests(&item.attrs));
        let before = (self.in_function, self.in_test);
        (self.in_function, self.in_test) = (true, self.in_test || is_for_tests(&item.attrs));
        visit::visit_item_fn(self, item);
        (self.in_function, self.in_test) = before;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, item.span(), is_for_tests(&item.attrs));
        let before = self.in_function;
        self.in_function = true;
        visit::visit_impl_item_fn(self, item);
        self.in_function = before;
    }
}

/// The files of `src`, and which of them a path leads to.
pub(super) struct Tree {
    pub(super) files: &'static [SourceFile],
    modules: BTreeSet<Place>,
    shown: BTreeMap<Place, Place>,
}

impl Tree {
    pub(super) fn new() -> Self {
        let files = SRC.as_slice();
        let modules = files.iter().map(SourceFile::module).collect();
        let mut shown = BTreeMap::new();
        for file in files.iter().filter(|file| file.is_mod()) {
            for (name, path) in &file.shown {
                let from = match path[0].as_str() {
                    "crate" | "super" | "self" => file.resolve(path, 0),
                    _ => Some([&file.module()[..], path].concat()),
                };
                if let Some(from) = from {
                    shown.insert([&file.module()[..], std::slice::from_ref(name)].concat(), from);
                }
            }
        }
        Self { files, modules, shown }
    }

    /// What a `mod.rs` shows under this path, if it is no module itself.
    pub(super) fn shown_at(&self, target: &[String]) -> Option<&Place> {
        (1..=target.len()).find_map(|end| self.shown.get(&target[..end]))
    }

    /// The module of the file that a path leads to.
    pub(super) fn file_of(&self, target: &[String]) -> Option<Place> {
        let through = self.shown_at(target).filter(|_| !self.modules.contains(target));
        let target = through.map_or(target, Vec::as_slice);
        if let Some(further) = self.shown.get(target).filter(|further| further.as_slice() != target) {
            return self.file_of(further);
        }
        (1..=target.len()).rev().map(|end| target[..end].to_vec()).find(|at| self.modules.contains(at))
    }

    /// Every arrow from a file to another place of `src`: the file, the path as written, and where it leads.
    pub(super) fn arrows(&self) -> impl Iterator<Item = (&'static SourceFile, &'static [String], Place)> {
        self.files.iter().filter(|file| !file.is_test()).flat_map(|file| {
            file.paths.iter().filter_map(move |(path, inline)| {
                let ours = matches!(path[0].as_str(), "crate" | "super" | "truedy_mcp");
                let target = file.resolve(path, *inline).filter(|target| ours && !target.is_empty())?;
                Some((file, path.as_slice(), target))
            })
        })
    }
}
