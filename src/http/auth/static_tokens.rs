//! Static bearer tokens. A file lists their holders. It holds digests only and is read again when it changes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use parking_lot::RwLock;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::{Caller, digest_of, hex, unguessable};
use crate::files::{FolderLock, TemporaryFile, field_names, read_toml, real_place};
use crate::guard::Scope;
use crate::redact::TOKEN_PREFIX as PREFIX;

/// The largest size of a file of tokens, in bytes.
pub const FILE_LIMIT: u64 = 1024 * 1024;

/// The holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenHolder {
    /// The name of the principal.
    pub principal: String,
    /// The tenant whose account the holder uses.
    pub tenant: String,
    /// The scopes of the token.
    pub scopes: BTreeSet<Scope>,
    /// The moment from which the token is not accepted any more. `None` if it does not expire.
    pub expires: Option<Timestamp>,
}

/// All tokens of a file, by their digests.
#[derive(Debug, Default)]
struct TokenEntries(Vec<([u8; 32], TokenHolder)>);

impl TokenEntries {
    /// Returns an error for every entry whose tenant does not exist. Such an entry gives no access.
    fn of_nobody<'a>(&'a self, tenants: &'a BTreeSet<String>) -> impl Iterator<Item = String> + 'a {
        let lost = self.0.iter().zip(1..).filter(|((_, holder), _)| !tenants.contains(&holder.tenant));
        lost.map(|(_, at)| {
            let known = tenants.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let first = tenants.first().map_or("default", String::as_str);
            format!(
                "token {at}: its field tenant names no tenant of this server; expected one of: {known}; for example tenant = \"{first}\""
            )
        })
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    #[serde(default)]
    token: Vec<TokenEntry>,
}

/// Returns the names of all fields of the file, one list for each section.
pub fn file_fields() -> Vec<(&'static str, &'static [&'static str])> {
    vec![("", field_names::<TokensFile>()), ("token", field_names::<TokenEntry>())]
}

/// One token in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenEntry {
    sha256: String,
    principal: String,
    #[serde(default = "default_tenant")]
    tenant: String,
    scopes: Option<Vec<String>>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    expires: Option<String>,
}

fn default_tenant() -> String {
    "default".to_owned()
}

/// Reads a whole file, or says why it cannot be used. The function checks the permissions of the file.
pub type FileReader = dyn Fn(&Path) -> Result<Vec<u8>, String> + Send + Sync;

/// The tokens of a file, from its current content.
pub struct StaticTokens {
    file: PathBuf,
    reader: Arc<FileReader>,
    tenants: BTreeSet<String>,
    entries: RwLock<Result<TokenEntries, String>>,
}

impl StaticTokens {
    /// Opens a file of tokens for these tenants. It is an error if the file cannot be read or understood.
    pub fn open(file: PathBuf, tenants: BTreeSet<String>, reader: Arc<FileReader>) -> Result<Self, String> {
        let entries = parse(&reader(&file)?)?;
        if let Some(why) = entries.of_nobody(&tenants).next() {
            return Err(why);
        }
        Ok(Self { file, reader, tenants, entries: RwLock::new(Ok(entries)) })
    }

    /// Returns the path of the file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Reads the file again. If it cannot be understood, no token is accepted, since a removed token must not stay
    /// valid.
    pub(crate) fn reload(&self) -> Result<usize, String> {
        let entries = (self.reader)(&self.file).and_then(|bytes| parse(&bytes));
        // A wrong entry affects only its own holder.
        for why in entries.iter().flat_map(|entries| entries.of_nobody(&self.tenants)) {
            tracing::error!(why, "an entry of the file of tokens is refused");
        }
        let told = entries.as_ref().map(|entries| entries.0.len()).map_err(Clone::clone);
        *self.entries.write() = entries;
        told
    }

    /// Whether no token is accepted.
    pub fn is_empty(&self) -> bool {
        let entries = self.entries.read();
        entries.as_ref().map_or(true, |entries| entries.0.is_empty())
    }

    /// Whether the file could be used when it was last read.
    pub(crate) fn is_readable(&self) -> bool {
        self.entries.read().is_ok()
    }

    /// Returns the holder of a token. The token is compared with every entry, each in constant time.
    pub(crate) fn holder(&self, token: &str) -> Option<TokenHolder> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let entries = self.entries.read();
        let mut found = None;
        for (known, holder) in entries.as_ref().map(|entries| entries.0.as_slice()).unwrap_or_default() {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(holder);
            }
        }
        found.filter(|holder| holder.expires.is_none_or(|expires| Timestamp::now() < expires)).cloned()
    }
}

fn parse(bytes: &[u8]) -> Result<TokenEntries, String> {
    let written: TokensFile = read_toml(bytes)?;
    let mut entries = TokenEntries::default();
    for (at, entry) in written.token.into_iter().enumerate() {
        let bad = |why: String| format!("token {}: {why}", at + 1);
        let digest = from_hex(&entry.sha256).ok_or_else(|| {
            bad("sha256 is not 64 hexadecimal digits; expected what truedy-mcp token new writes".to_owned())
        })?;
        Caller::check_name("principal", &entry.principal).map_err(bad)?;
        let scopes = match entry.scopes {
            None => Scope::ALL.into(),
            Some(names) => scopes(names.iter().map(String::as_str)).map_err(bad)?,
        };
        if entries.0.iter().any(|(known, _)| *known == digest) {
            return Err(bad(
                "its sha256 is that of an earlier entry; each token has one entry, as truedy-mcp token new writes it"
                    .to_owned(),
            ));
        }
        let expires = entry.expires.map(|text| text.parse()).transpose().map_err(|_| {
            bad("expires is no moment; expected what --expires writes, for example \"2027-01-31T00:00:00Z\"".to_owned())
        })?;
        entries.0.push((digest, TokenHolder { principal: entry.principal, tenant: entry.tenant, scopes, expires }));
    }
    Ok(entries)
}

/// Reads scopes from their names.
pub fn scopes<'a>(names: impl Iterator<Item = &'a str>) -> Result<BTreeSet<Scope>, String> {
    let all = || Scope::ALL.map(Scope::as_str).join(", ");
    let numbered = names.zip(1..);
    numbered
        .map(|(name, at)| Scope::parse(name).ok_or_else(|| format!("scope {at} is not known; there are: {}", all())))
        .collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Creates a token from 32 random bytes, which nobody can guess.
pub fn fresh() -> String {
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(unguessable()))
}

/// Appends the entry of a new token to a file and returns the token. The token cannot be read again later.
///
/// The file is created if it is missing.
pub fn add(file: &Path, holder: &TokenHolder, now: &str) -> Result<String, String> {
    let token = fresh();
    let digest = digest_of(token.as_bytes());
    let scopes: Vec<String> = holder.scopes.iter().map(|scope| format!("\"{scope}\"")).collect();
    let entry = format!(
        "\n[[token]]\nsha256 = \"{digest}\"\nprincipal = \"{}\"\ntenant = \"{}\"\nscopes = [{}]\ncreated = \"{now}\"\n{}",
        holder.principal,
        holder.tenant,
        scopes.join(", "),
        holder.expires.map(|expires| format!("expires = \"{expires}\"\n")).unwrap_or_default()
    );
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    // Nobody takes a token out meanwhile, whose new file would lack this one.
    let _lock = FolderLock::on(folder_of(file)).map_err(|error| error.to_string())?;
    let there = match fs::read(file) {
        Ok(there) => there,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.to_string()),
    };
    // Nothing is written into a file of another kind, such as a key. Nothing is appended to content that cannot be
    // read.
    parse(&there).map_err(|why| format!("it is no file of tokens, and nothing was written: {why}"))?;
    let length = u64::try_from(there.len()).unwrap_or(u64::MAX);
    if length + u64::try_from(entry.len()).unwrap_or(u64::MAX) > FILE_LIMIT {
        return Err(format!(
            "it would be larger than {} KiB: take out tokens that are no longer used",
            FILE_LIMIT / 1024
        ));
    }
    // One write, so that a concurrent reader sees the whole entry or nothing.
    let written = options.open(file).and_then(|mut file| {
        file.write_all(entry.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| error.to_string())?;
    Ok(token)
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// One token of a file, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedToken {
    /// The first twelve digits of the digest. They name the token, and do not help to guess it.
    pub id: String,
    /// Its holder.
    pub holder: TokenHolder,
    /// When it was made, as the file says it.
    pub created: Option<String>,
}

/// Returns the tokens of a file of this content, in its order. The error says where the content is wrong.
pub fn listed(bytes: &[u8]) -> Result<Vec<ListedToken>, String> {
    let created = read_toml::<TokensFile>(bytes)?.token.into_iter().map(|entry| entry.created);
    let tokens = parse(bytes)?.0.into_iter().zip(created).map(|((digest, holder), created)| {
        let id = hex(digest.get(..6).unwrap_or_default());
        ListedToken { id, holder, created }
    });
    Ok(tokens.collect())
}

/// Takes the token of this id out of a file. The others stay byte for byte. Returns it, or `None` if there is none.
pub fn revoke(file: &Path, id: &str) -> Result<Option<ListedToken>, String> {
    let said = |error: std::io::Error| error.to_string();
    let file = real_place(file).map_err(said)?;
    let _lock = FolderLock::on(folder_of(&file)).map_err(said)?;
    let bytes = fs::read(&file).map_err(said)?;
    let Some(token) = listed(&bytes)?.into_iter().find(|token| token.id == id) else { return Ok(None) };
    let rest = without(&bytes, id)?;
    TemporaryFile::beside(&file, rest.as_bytes()).and_then(TemporaryFile::replace).map_err(said)?;
    Ok(Some(token))
}

/// Returns the content of a file without the token of this id. Other entries stay byte for byte.
fn without(bytes: &[u8], id: &str) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut blocks = vec![String::new()];
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with("[[") {
            blocks.push(String::new());
        }
        blocks.last_mut().into_iter().for_each(|block| block.push_str(line));
    }
    let is_it = |block: &str| listed(block.as_bytes()).is_ok_and(|tokens| tokens.iter().any(|token| token.id == id));
    let rest: String = blocks.iter().filter(|block| !is_it(block)).map(String::as_str).collect();
    let wanted: Vec<ListedToken> = listed(bytes)?.into_iter().filter(|token| token.id != id).collect();
    // Entries may be written in other ways, which are not taken apart here.
    if listed(rest.as_bytes())? == wanted { Ok(rest) } else { Err("its entry must be deleted by hand".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants() -> BTreeSet<String> {
        ["default".to_owned(), "acme".to_owned()].into()
    }

    fn holder(principal: &str) -> TokenHolder {
        TokenHolder {
            principal: principal.to_owned(),
            tenant: "acme".to_owned(),
            scopes: [Scope::NumbersRead].into(),
            expires: None,
        }
    }

    fn open(file: &Path) -> Result<StaticTokens, String> {
        let reader = |file: &Path| fs::read(file).map_err(|error| error.to_string());
        StaticTokens::open(file.to_owned(), tenants(), Arc::new(reader))
    }

    #[test]
    fn a_new_token_opens_for_its_holder_and_only_its_digest_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.toml");
        let (ana, ben) = (holder("ana@example.com"), holder("ben"));
        let (first, second) = (add(&file, &ana, "now").unwrap(), add(&file, &ben, "now").unwrap());
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains(&first) && first.starts_with(PREFIX) && first.len() == 48 && first != second);
        let tokens = open(&file).unwrap();
        assert_eq!((tokens.holder(&first), tokens.holder(&second)), (Some(ana), Some(ben)));
        let (mut other, last) = (first.clone(), if first.ends_with('A') { 'B' } else { 'A' });
        other.pop();
        for wrong in
            ["", PREFIX, other.as_str(), &format!("{other}{last}"), &format!("{first} "), &first.to_lowercase()]
        {
            assert_eq!(tokens.holder(wrong), None, "{wrong}");
        }
        #[cfg(unix)]
        assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(&file).unwrap()) & 0o777, 0o600);
    }

    #[test]
    fn what_is_taken_out_is_out_and_what_is_broken_lets_nobody_in() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.toml");
        let first = add(&file, &holder("ana"), "now").unwrap();
        let kept = fs::read_to_string(&file).unwrap();
        let second = add(&file, &holder("ben"), "now").unwrap();
        let tokens = open(&file).unwrap();
        fs::write(&file, &kept).unwrap();
        assert_eq!(tokens.reload(), Ok(1));
        assert!(tokens.holder(&first).is_some() && tokens.holder(&second).is_none());
        fs::write(&file, "[[token]\n").unwrap();
        assert!(tokens.reload().is_err() && !tokens.is_readable() && tokens.holder(&first).is_none());
        fs::remove_file(&file).unwrap();
        assert!(tokens.reload().is_err() && tokens.holder(&first).is_none());
        fs::write(&file, &kept).unwrap();
        assert!(tokens.reload().is_ok() && tokens.is_readable() && tokens.holder(&first).is_some());
    }

    #[test]
    fn a_token_that_has_expired_opens_nothing_and_one_is_taken_out_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.toml");
        let in_hours = |hours: i64| Some(Timestamp::now() + jiff::SignedDuration::from_hours(hours));
        let made = ["ana", "ben", "eve"].map(|name| TokenHolder { expires: in_hours(1), ..holder(name) });
        let past = TokenHolder { expires: in_hours(-1), ..holder("old") };
        let tokens: Vec<String> = made.iter().chain([&past]).map(|holder| add(&file, holder, "now").unwrap()).collect();
        let opened = open(&file).unwrap();
        assert_eq!(tokens.iter().filter(|token| opened.holder(token).is_some()).count(), 3);
        let before = fs::read_to_string(&file).unwrap();
        let all = listed(before.as_bytes()).unwrap();
        let rest = without(before.as_bytes(), &all[1].id).unwrap();
        fs::write(&file, &rest).unwrap();
        assert_eq!(opened.reload(), Ok(3));
        assert!(opened.holder(&tokens[0]).is_some() && opened.holder(&tokens[1]).is_none());
        assert!(before.starts_with(rest.split("\n[[token]]").next().unwrap()) && rest.len() < before.len());
        let entry = |digits: &str| format!("{{ sha256 = \"{}\", principal = \"ana\" }}", digits.repeat(32));
        let odd = format!("token = [{}, {}]\n", entry("ab"), entry("cd"));
        assert!(without(odd.as_bytes(), "abababababab").is_err());
    }

    #[test]
    fn a_tenant_that_there_is_not_stops_the_start_and_later_shuts_out_its_holder_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.toml");
        let first = add(&file, &holder("ana"), "now").unwrap();
        let tokens = open(&file).unwrap();
        let lost = add(&file, &TokenHolder { tenant: "acmee".to_owned(), ..holder("zed") }, "now").unwrap();
        assert_eq!(tokens.reload(), Ok(2));
        assert!(tokens.is_readable() && tokens.holder(&first).is_some());
        // The authenticator knows no such tenant, whatever the file says.
        assert_eq!(tokens.holder(&lost).map(|holder| holder.tenant), Some("acmee".to_owned()));
        let error = open(&file).err().unwrap();
        assert!(
            error.contains("token 2: ")
                && error.contains("; expected one of: acme, default;")
                && !error.contains("acmee"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_token_goes_into_no_other_file_and_no_file_that_would_not_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let (link, large) = (dir.path().join("link"), dir.path().join("large"));
        std::os::unix::fs::symlink(dir.path().join("target"), &link).unwrap();
        assert!(add(&link, &holder("ana"), "now").is_err() && !dir.path().join("target").exists());
        fs::write(&large, vec![b'\n'; usize::try_from(FILE_LIMIT).unwrap()]).unwrap();
        assert!(add(&large, &holder("ana"), "now").is_err());
        for other in ["-----BEGIN PRIVATE KEY-----\nxx\n", "truedy_0123456789\n", "[[token]]\nprincipal = \"ana\"\n"] {
            let file = dir.path().join("other");
            fs::write(&file, other).unwrap();
            assert!(add(&file, &holder("ana"), "now").unwrap_err().contains("no file of tokens"), "{other}");
            assert_eq!(fs::read_to_string(&file).unwrap(), other);
        }
    }

    #[test]
    fn a_file_that_is_not_understood_says_where() {
        let digest = "ab".repeat(32);
        let entry = |rest: &str| format!("[[token]]\nsha256 = \"{digest}\"\nprincipal = \"ana\"\n{rest}");
        let told = |text: &str| parse(text.as_bytes()).map(|entries| entries.0.len());
        assert_eq!(told(""), Ok(0));
        assert_eq!(told(&entry("")), Ok(1));
        let all = parse(entry("").as_bytes()).unwrap();
        assert_eq!((all.0[0].1.tenant.as_str(), all.0[0].1.scopes.len()), ("default", 6));
        for (text, part) in [
            (entry("scopes = [\"numbers:write\"]"), "scope 1 is not known; there are: numbers:read"),
            (entry("secret = \"x\""), "line 4"),
            (entry("") + &entry(""), "token 2: its sha256 is that of an earlier entry"),
            (entry("").replace(&digest, "xy"), "sha256"),
            (entry("").replace("ana", "a:b"), "token 1: the principal is not 1 to 64"),
            ("[[token]]\nprincipal = \"ana\"".to_owned(), "sha256"),
        ] {
            let error = told(&text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
