//! How a client starts this program: by its path, or by the command that fetched it.
//!
//! `npx` and `uvx` keep what they fetch in a cache, which they clean. So an entry must not name a path in there.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::clients::program::this_program;
use crate::config::ConfigError;

/// The name of the program.
const PROGRAM: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A program and the arguments before those of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
}

impl Launch {
    /// Returns how a client that was configured by this process starts the program: as this process was started.
    pub(crate) fn of_this_process() -> Result<Self, ConfigError> {
        Self::fetching().map_or_else(|| Ok(Self { program: this_program()?, arguments: Vec::new() }), Ok)
    }

    /// Returns the command that fetched this program. Without one, the name of the program.
    pub(crate) fn by_name() -> Self {
        Self::fetching().unwrap_or_else(|| Self { program: PROGRAM.to_owned(), arguments: Vec::new() })
    }

    /// Returns all words of the command line that start `stdio` with these arguments.
    pub(crate) fn line(&self, arguments: &[String]) -> Vec<String> {
        let program = std::slice::from_ref(&self.program);
        [program, &self.arguments[..], &["stdio".to_owned()], arguments].concat()
    }

    /// Returns the command that fetched the program of this process.
    fn fetching() -> Option<Self> {
        let program = std::env::current_exe().ok()?;
        Self::fetching_program(&program.canonicalize().unwrap_or(program))
    }

    /// Returns the command that fetches this program, in the version of today. `None` if it is in no cache.
    fn fetching_program(program: &Path) -> Option<Self> {
        let launch = |words: &[&str]| {
            let mut words = words.iter().map(|word| (*word).to_owned());
            Some(Self { program: words.next()?, arguments: words.collect() })
        };
        if let Some(name) = npm_package(program) {
            let package = format!("{name}@{VERSION}");
            // On Windows npx is a script, which only the shell starts.
            return if cfg!(windows) {
                launch(&["cmd", "/c", "npx", "-y", &package])
            } else {
                launch(&["npx", "-y", &package])
            };
        }
        match python_package(program)?.as_str() {
            PROGRAM => launch(&["uvx", &format!("{PROGRAM}@{VERSION}")]),
            name => launch(&["uvx", "--from", &format!("{name}=={VERSION}"), PROGRAM]),
        }
    }
}

/// Returns the package that `npx` fetched this program with. Its folder is below `_npx` in npm's cache.
fn npm_package(program: &Path) -> Option<String> {
    names_of(program).find(|name| name == "_npx")?;
    let package = fs::read(program.parent()?.parent()?.join("package.json")).ok()?;
    let package: Value = serde_json::from_slice(&package).ok()?;
    // The program is in a package for one machine, which is named after the one that people name.
    let first = |field: &str| package.get(field)?.get(0)?.as_str();
    let machine = format!("-{}-{}", first("os")?, first("cpu")?);
    plain_name(package.get("name")?.as_str()?.strip_suffix(&machine)?)
}

/// Returns the package that `uvx` fetched this program with. Its environment is below `archive-v0` in uv's cache.
fn python_package(program: &Path) -> Option<String> {
    names_of(program).find(|name| name.starts_with("archive-v"))?;
    let environment = program.parent()?.parent()?;
    let libraries = folders_in(&environment.join("lib")).chain([environment.join("Lib")]);
    let packages = libraries.flat_map(|library| folders_in(&library.join("site-packages")));
    let file = program.file_name()?.to_str()?;
    packages.filter(|folder| folder.extension().is_some_and(|end| end == "dist-info")).find_map(|about| {
        let files = fs::read_to_string(about.join("RECORD")).ok()?;
        let paths = files.lines().filter_map(|line| line.split(',').next());
        paths.filter_map(|path| path.rsplit(['/', '\\']).next()).find(|name| *name == file)?;
        // A package from a file or an address cannot be fetched by its name.
        if about.join("direct_url.json").exists() {
            return None;
        }
        let about = fs::read_to_string(about.join("METADATA")).ok()?;
        plain_name(about.lines().find_map(|line| line.strip_prefix("Name:"))?.trim())
    })
}

fn names_of(path: &Path) -> impl Iterator<Item = String> {
    path.components().filter_map(|one| one.as_os_str().to_str().map(str::to_owned))
}

fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|one| Some(one.ok()?.path()))
}

/// Returns a name as a package may have it. `None` for a text that a shell or a registry would understand otherwise.
fn plain_name(name: &str) -> Option<String> {
    let is_plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"@/-_.".contains(&b));
    (is_plain && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '@')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A cache in which a program is at this path, with another file beside it.
    fn cached(program: &str, file: &str, content: &str) -> (TempDir, PathBuf) {
        let cache = TempDir::new().unwrap();
        for (path, content) in [(program, ""), (file, content)] {
            let path = cache.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let program = cache.path().join(program);
        (cache, program)
    }

    fn line(program: &Path) -> Option<String> {
        let Launch { program, arguments } = Launch::fetching_program(program)?;
        Some([&[program], &arguments[..]].concat().join(" "))
    }

    #[test]
    #[cfg(not(windows))]
    fn a_program_in_the_cache_of_npx_is_fetched_by_the_package_that_people_name() {
        for (folder, package, wanted) in [
            ("_npx/1a2b/node_modules/truedy-mcp-linux-x64", "truedy-mcp-linux-x64", Some("npx -y truedy-mcp@")),
            ("_npx/1/node_modules/@a/truedy-mcp-linux-x64", "@a/truedy-mcp-linux-x64", Some("npx -y @a/truedy-mcp@")),
            ("lib/node_modules/truedy-mcp-linux-x64", "truedy-mcp-linux-x64", None),
            ("_npx/1/node_modules/truedy-mcp-linux-x64", "truedy-mcp", None),
            ("_npx/1/node_modules/truedy-mcp-linux-x64", "a;b-linux-x64", None),
        ] {
            let about = format!(r#"{{ "name": "{package}", "os": ["linux"], "cpu": ["x64"] }}"#);
            let (_cache, program) =
                cached(&format!("{folder}/bin/truedy-mcp"), &format!("{folder}/package.json"), &about);
            assert_eq!(line(&program), wanted.map(|start| format!("{start}{VERSION}")), "{folder} {package}");
        }
    }

    #[test]
    fn a_program_in_the_cache_of_uv_is_fetched_by_its_package() {
        for (root, name, wanted) in [
            ("uv/archive-v0/x1", "truedy-mcp", Some(format!("uvx truedy-mcp@{VERSION}"))),
            ("uv/archive-v0/x1", "a-truedy-mcp", Some(format!("uvx --from a-truedy-mcp=={VERSION} truedy-mcp"))),
            ("share/uv/tools/truedy-mcp", "truedy-mcp", None),
            ("uv/archive-v0/x1", "--index x", None),
        ] {
            let about = format!("{root}/lib/python3.12/site-packages/truedy_mcp-1.dist-info");
            let (cache, program) = cached(
                &format!("{root}/bin/truedy-mcp"),
                &format!("{about}/METADATA"),
                &format!("Metadata-Version: 2.4\nName: {name}\nVersion: 1\n"),
            );
            let file = |name: &str| cache.path().join(&about).join(name);
            fs::write(file("RECORD"), "../../../bin/truedy-mcp,sha256=x,1\n").unwrap();
            assert_eq!(line(&program), wanted, "{root} {name}");
            fs::write(file("direct_url.json"), "{}").unwrap();
            assert_eq!(line(&program), None, "a package that came from a file");
            fs::remove_file(file("direct_url.json")).unwrap();
            fs::write(file("RECORD"), "../../../bin/other,sha256=x,1\n").unwrap();
            assert_eq!(line(&program), None, "a package that has another program");
        }
    }

    #[test]
    fn a_program_elsewhere_is_started_by_its_path() {
        let launch = Launch::of_this_process().unwrap();
        assert!(launch.arguments.is_empty() && Path::new(&launch.program).is_absolute(), "{launch:?}");
        assert_eq!(Launch::by_name().line(&["--sandbox".to_owned()]), ["truedy-mcp", "stdio", "--sandbox"]);
    }
}
