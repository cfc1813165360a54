//! The errors of SQLite, as texts for operators.

use rusqlite::ErrorCode;

use crate::journal::store::Unavailable;

pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Checks whether the error says that the file is damaged.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Checks whether the connection should be replaced after this error.
///
/// It need not be if the file is busy, the disk is full, or a row violated a constraint.
pub(crate) fn is_broken(error: &rusqlite::Error) -> bool {
    let passing = Some(ErrorCode::DiskFull) == error.sqlite_error_code()
        || Some(ErrorCode::ConstraintViolation) == error.sqlite_error_code();
    !passing && !is_busy(error)
}

pub(crate) fn explain(error: &rusqlite::Error) -> Unavailable {
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program holds it",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "its file is damaged or is none of ours",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "it cannot be written",
        Some(ErrorCode::CannotOpen) => "its file cannot be opened",
        Some(ErrorCode::SystemIoFailure) => "its file cannot be read or written",
        _ => "the store reported a fault",
    };
    tracing::debug!(%error, "the journal");
    Unavailable::Failed(why.to_owned())
}
