//! Changes a client's file as a whole, or not at all, and gives it back as it was.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::clients::client::ClientKind;
use crate::config::clients::entry::{self, ClientEntry, InputField};
use crate::config::clients::record::{InstallRecord, digest, forget};
use crate::files::{FolderLock, TemporaryFile, make_private_folder, private_file, real_place};
use crate::redact::shown_path;

/// Largest file that is read, in bytes. Claude Code keeps much in its own.
const FILE_LIMIT: u64 = 64 * 1024 * 1024;
/// What the name of a copy ends with.
const BACKUP: &str = ".truedy-backup";
/// The most copies of one file. None is overwritten.
const MOST_BACKUPS: u32 = 100;

/// A client's file as it was read.
#[derive(Debug)]
pub struct ClientFile {
    client: ClientKind,
    path: PathBuf,
    /// The path behind all links.
    place: PathBuf,
    bytes: Option<Vec<u8>>,
    entry: Option<Value>,
}

/// What was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Written {
    /// The copy of the file as it was before. `None` if there was no file.
    pub backup: Option<PathBuf>,
}

/// How an entry was taken out.
#[derive(Debug, PartialEq, Eq)]
pub enum Removed {
    /// The file is again as it was before the entry, to the last byte.
    Restored,
    /// The file was made for the entry, and is gone again.
    Deleted,
    /// The entry alone was taken out. The copy, if there is one, is the file with it.
    Alone(Option<PathBuf>),
}

impl ClientFile {
    /// Reads the first of these files that exists, else nothing.
    ///
    /// Errors: the file cannot be changed safely. The error names file and line, says what to do, and repeats nothing of
    /// the file.
    pub fn read(client: ClientKind, places: &[PathBuf]) -> Result<Self, String> {
        let path = places.iter().find(|path| path.symlink_metadata().is_ok()).or_else(|| places.first());
        let path = path.ok_or("the client has no such file")?.clone();
        let refuse = |why: String| format!("{}: {why}", shown_path(&path));
        let place = real_place(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                refuse("it is a link to a file that does not exist; make that file, or remove the link".to_owned())
            }
            _ => refuse(error.to_string()),
        })?;
        let bytes = bytes_of(&place).map_err(refuse)?;
        let mut file = Self { client, path, place, bytes, entry: None };
        file.entry = entry::read(client, file.text()?).map_err(|why| file.refused(&why))?;
        Ok(file)
    }

    /// Returns the path of the file, as the client names it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file exists.
    pub fn exists(&self) -> bool {
        self.bytes.is_some()
    }

    /// Returns the entry that is in it.
    pub fn entry(&self) -> Option<&Value> {
        self.entry.as_ref()
    }

    /// Returns a file that does not exist.
    pub fn none(client: ClientKind, places: &[PathBuf]) -> Self {
        let path = places.first().cloned().unwrap_or_default();
        Self { client, place: path.clone(), path, bytes: None, entry: None }
    }

    /// Whether the entry in the file is this one. An empty list of variables is none.
    pub fn has(&self, entry: &ClientEntry) -> bool {
        self.entry.as_ref().is_some_and(|there| without_empty(there.clone()) == without_empty(entry.value()))
    }

    fn text(&self) -> Result<&str, String> {
        std::str::from_utf8(self.bytes.as_deref().unwrap_or_default())
            .map_err(|_| self.refused("it is no UTF-8 text; save it as UTF-8"))
    }

    fn refused(&self, why: &str) -> String {
        format!("{}: {why}. Nothing was changed", shown_path(&self.path))
    }

    /// Returns the text of the file with this entry in it. Nothing is written.
    pub fn with(&self, entry: &ClientEntry) -> Result<String, String> {
        entry.put(self.client, self.text()?).map_err(|why| self.refused(&why))
    }

    /// Checks that the file may be changed.
    pub fn check_writable(&self) -> Result<(), String> {
        may_change(&self.place).map_err(|why| self.refused(&why))
    }

    /// Writes the entry. A copy of the file is kept beside it, for its user alone.
    ///
    /// `state` is the directory in which is kept what gives the file back. Nothing is written if somebody else changed
    /// the file since it was read.
    pub fn install(&self, entry: &ClientEntry, state: &Path) -> Result<Written, String> {
        let text = self.with(entry)?;
        self.check_writable()?;
        let failed = |error: io::Error| self.refused(&error.to_string());
        let folders = made_folders(&self.place).map_err(failed)?;
        let _turn = FolderLock::on(folder_of(&self.place)).map_err(failed)?;
        let backup = self.keep_copy(state).map_err(failed)?;
        self.replace(text.as_bytes())?;
        self.note(state, backup.clone(), folders, text.as_bytes());
        Ok(Written { backup })
    }

    /// Keeps a copy of the file, where its client is about to change it itself.
    pub fn keep_copy(&self, state: &Path) -> io::Result<Option<PathBuf>> {
        let Some(bytes) = &self.bytes else { return Ok(None) };
        // The copy from before this program's first change is worth more than one of its own entry.
        if let Some(InstallRecord { before: Some((kept, digest_of)), .. }) = self.record(state)
            && fs::read(&kept).is_ok_and(|kept| digest(&kept) == digest_of)
        {
            return Ok(Some(kept));
        }
        let copy = free_backup(&self.place, bytes)?;
        // A copy of the same bytes may be open to others, and a new one would take its permissions.
        private_file(&copy)?;
        TemporaryFile::beside(&copy, bytes)?.replace()?;
        Ok(Some(copy))
    }

    /// Notes how the file is now, after its client has changed it itself.
    pub fn note_change(&self, state: &Path, backup: Option<PathBuf>) {
        let now = fs::read(real_place(&self.path).unwrap_or_else(|_| self.place.clone())).unwrap_or_default();
        self.note(state, backup, Vec::new(), &now);
    }

    fn record(&self, state: &Path) -> Option<InstallRecord> {
        InstallRecord::matching(state, &self.place, self.bytes.as_deref()?)
    }

    /// Notes what gives the file back. Without it, only the entry can be taken out; that is no reason to fail.
    fn note(&self, state: &Path, backup: Option<PathBuf>, folders: Vec<PathBuf>, now: &[u8]) {
        let known = self.record(state);
        if known.is_none() && self.has_entry_of_before(state) {
            forget(state, &self.place);
            return;
        }
        let (before, folders) = match known {
            Some(known) => (known.before, known.folders),
            None => (backup.map(|copy| (copy, digest(self.bytes.as_deref().unwrap_or_default()))), folders),
        };
        // A file that did not exist had no real path yet: a folder above it may be a link.
        let file = real_place(&self.path).unwrap_or_else(|_| self.place.clone());
        let entry = std::str::from_utf8(now).ok().and_then(|text| entry::read(self.client, text).ok()?);
        let record = InstallRecord { file, after: digest(now), before, folders, entry: entry.map(digest_of_entry) };
        if record.keep(state).is_err() {
            forget(state, &self.place);
        }
    }

    /// Whether the entry in the file is the one that was put there, although the rest of the file changed since. Then the
    /// file as it is now is not how it was before the entry.
    fn has_entry_of_before(&self, state: &Path) -> bool {
        let (Some(record), Some(entry)) = (InstallRecord::of(state, &self.place), &self.entry) else { return false };
        record.entry.map_or_else(|| is_own(entry), |known| known == digest_of_entry(entry.clone()))
    }

    /// Returns the file as it was before the entry, if nothing else changed since. The inner `None` is no file.
    pub fn before(&self, state: &Path) -> Option<Option<Vec<u8>>> {
        match self.record(state)?.before {
            None => Some(None),
            Some((copy, digest_of)) => fs::read(copy).ok().filter(|bytes| digest(bytes) == digest_of).map(Some),
        }
    }

    /// Takes the entry out. The file is given back as it was, if nothing else changed since.
    pub fn remove(&self, inputs: &[InputField], state: &Path) -> Result<Removed, String> {
        self.check_writable()?;
        let failed = |error: io::Error| self.refused(&error.to_string());
        let _turn = FolderLock::on(folder_of(&self.place)).map_err(failed)?;
        let Some(before) = self.before(state) else {
            let text = entry::take(self.client, self.text()?, inputs).map_err(|why| self.refused(&why))?;
            forget(state, &self.place);
            let copy = self.keep_copy(state).map_err(failed)?;
            self.replace(text.as_bytes())?;
            return Ok(Removed::Alone(copy));
        };
        let record = self.record(state);
        let removed = match before {
            Some(bytes) => {
                self.replace(&bytes)?;
                if let Some((copy, _)) = record.and_then(|record| record.before) {
                    drop(fs::remove_file(copy));
                }
                Removed::Restored
            }
            None => {
                self.check_unchanged()?;
                fs::remove_file(&self.place).map_err(failed)?;
                // A folder that has something else in it by now stays.
                record.iter().flat_map(|record| &record.folders).for_each(|folder| drop(fs::remove_dir(folder)));
                Removed::Deleted
            }
        };
        forget(state, &self.place);
        Ok(removed)
    }

    /// Puts these bytes into the place of the file, unless somebody else changed it since it was read.
    fn replace(&self, bytes: &[u8]) -> Result<(), String> {
        let failed = |error: io::Error| self.refused(&error.to_string());
        let fresh = TemporaryFile::beside(&self.place, bytes).map_err(failed)?;
        self.check_unchanged()?;
        fresh.replace().map_err(failed)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        let now = match fs::read(&self.place) {
            Ok(now) => Some(now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.refused(&error.to_string())),
        };
        if now == self.bytes {
            return Ok(());
        }
        Err(self.refused("another program changed it meanwhile; run the command again"))
    }
}

fn without_empty(mut entry: Value) -> Value {
    if let Some(fields) = entry.as_object_mut() {
        fields.retain(|_, value| value.as_object().is_none_or(|variables| !variables.is_empty()));
    }
    entry
}

/// Whether an entry starts this program.
pub(super) fn is_own(entry: &Value) -> bool {
    let command = entry.get("command");
    let program = command.and_then(Value::as_str).or_else(|| command?.get(0)?.as_str()).unwrap_or_default();
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    name.trim_end_matches(".exe") == env!("CARGO_PKG_NAME")
}

/// Returns the folder of a file.
fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Returns where a copy of these bytes goes: beside the file, where no copy of other bytes is. An older copy may be the
/// only one of what an entry replaced.
fn free_backup(file: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    for number in 0..MOST_BACKUPS {
        let copy = backup_of(file, number);
        match fs::read(&copy) {
            Ok(there) if there == bytes => return Ok(copy),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(copy),
            _ => {}
        }
    }
    let first = backup_of(file, 0);
    Err(io::Error::other(format!("there are {MOST_BACKUPS} copies such as {}; move them away", shown_path(&first))))
}

fn backup_of(file: &Path, number: u32) -> PathBuf {
    let mut name: OsString = file.file_name().unwrap_or_default().to_owned();
    name.push(BACKUP);
    if number > 0 {
        name.push(format!(".{number}"));
    }
    file.with_file_name(name)
}

fn digest_of_entry(entry: Value) -> String {
    digest(without_empty(entry).to_string().as_bytes())
}

/// Makes the folders of a file. Returns those that were missing, the innermost first.
fn made_folders(file: &Path) -> io::Result<Vec<PathBuf>> {
    let missing = folder_of(file).ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    make_private_folder(folder_of(file))?;
    Ok(missing)
}

/// Reads the file. `None` if it does not exist.
fn bytes_of(place: &Path) -> Result<Option<Vec<u8>>, String> {
    let about = match fs::metadata(place) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if !about.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if about.len() > FILE_LIMIT {
        return Err(format!("it is larger than {} MiB", FILE_LIMIT / 1024 / 1024));
    }
    fs::read(place).map(Some).map_err(|error| error.to_string())
}

/// Checks that the file may be replaced: it belongs to this user, who may write it.
fn may_change(place: &Path) -> Result<(), String> {
    let Ok(about) = fs::metadata(place) else { return Ok(()) };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if about.uid() != rustix::process::geteuid().as_raw() {
            return Err("it belongs to another user".to_owned());
        }
        // The superuser could write it anyway, but its owner has forbidden that.
        if about.mode() & 0o200 == 0 {
            return Err("it is read-only; chmod u+w allows a change".to_owned());
        }
    }
    if about.permissions().readonly() {
        return Err("it is read-only; allow writing first".to_owned());
    }
    Ok(())
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
