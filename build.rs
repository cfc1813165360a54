//! Records the commit, its date and the target for `truedy-mcp --version`. Works without git, too.

#![allow(clippy::print_stdout, reason = "cargo reads what a build script prints")]

use std::env;
use std::path::Path;
use std::process::Command;

/// What stands there if it is not known.
const UNKNOWN: &str = "unknown";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["TRUEDY_BUILD_COMMIT", "TRUEDY_BUILD_DATE"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let given = env::var("TRUEDY_BUILD_COMMIT").ok().map(|commit| (commit, env::var("TRUEDY_BUILD_DATE").ok()));
    let (commit, date) = given.or_else(of_git).or_else(of_package).unwrap_or_else(|| (UNKNOWN.to_owned(), None));
    println!("cargo::rustc-env=BUILD_COMMIT={commit}");
    println!("cargo::rustc-env=BUILD_DATE={}", date.as_deref().unwrap_or(UNKNOWN));
    println!("cargo::rustc-env=BUILD_TARGET={}", env::var("TARGET").unwrap_or_else(|_| UNKNOWN.to_owned()));
}

/// Returns the commit of the work tree and its day. A build for development does not ask: it would be built again after
/// every commit.
fn of_git() -> Option<(String, Option<String>)> {
    let root = env::var("CARGO_MANIFEST_DIR").ok()?;
    let top = git(&root, &["rev-parse", "--show-toplevel"])?;
    // A package that lies in somebody's own repository has another commit than that.
    let is_ours = Path::new(&top).canonicalize().ok()? == Path::new(&root).canonicalize().ok()?;
    if !is_ours || env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        return None;
    }
    for name in ["HEAD", "logs/HEAD"] {
        println!("cargo::rerun-if-changed={}", git(&root, &["rev-parse", "--git-path", name])?);
    }
    let changed = git(&root, &["status", "--porcelain", "--untracked-files=no"]).is_some_and(|list| !list.is_empty());
    let commit = git(&root, &["rev-parse", "HEAD"])? + if changed { "-changed" } else { "" };
    Some((commit, git(&root, &["log", "-1", "--format=%cs"])))
}

/// Returns the commit that a package of cargo names.
fn of_package() -> Option<(String, Option<String>)> {
    let file = Path::new(&env::var("CARGO_MANIFEST_DIR").ok()?).join(".cargo_vcs_info.json");
    let text = std::fs::read_to_string(file).ok()?;
    let commit = text.split("\"sha1\":").nth(1)?.split('"').nth(1)?;
    Some((commit.to_owned(), None))
}

fn git(root: &str, words: &[&str]) -> Option<String> {
    let ran = Command::new("git").current_dir(root).args(words).output().ok().filter(|ran| ran.status.success())?;
    String::from_utf8(ran.stdout).ok().map(|text| text.trim().to_owned())
}
