//! Builds the floor beside our own program, in the same profile, with the cargo that runs this.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Measured;

/// The path of the bare server, freshly built.
pub(crate) fn build() -> Measured<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let this = env::current_exe()?;
    // target/release/deps/measure-…: the third folder up is where this was built.
    let target = this.ancestors().nth(3).ok_or("this program is not in a target folder")?;
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--profile", "bench", "--bench", "bare", "--message-format", "json"])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .stderr(Stdio::inherit())
        .output()?;
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").and_then(Value::as_str) == Some("bare"))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .ok_or_else(|| "the bare server could not be built".into())
}
