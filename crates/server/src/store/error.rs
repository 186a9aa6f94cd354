//! Why a store cannot be used.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Nothing in the data directory was changed.
#[derive(Debug)]
pub enum StoreError {
    /// Another server, or a command, has it.
    InUse(PathBuf),
    /// It is no file of this server.
    Foreign(PathBuf),
    /// It is one, and it does not hold what a server wrote.
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A newer version of the server wrote it.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u64,
    },
    /// The system refused something.
    System {
        /// The file.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Something else that is said to a person as it is.
    Refused(String),
}

impl StoreError {
    /// The system refused something about `path`.
    pub fn system(path: &Path, error: io::Error) -> StoreError {
        StoreError::System {
            path: path.to_owned(),
            error,
        }
    }

    /// `path` is damaged.
    pub fn damaged(path: &Path, what: impl fmt::Display) -> StoreError {
        StoreError::Damaged {
            path: path.to_owned(),
            what: what.to_string(),
        }
    }

    /// What the database says of `path`.
    pub fn of(path: &Path, error: redb::Error) -> StoreError {
        match error {
            redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                StoreError::Foreign(path.to_owned())
            }
            // A file that was cut off.
            redb::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                StoreError::damaged(path, "it ends too early")
            }
            redb::Error::Io(error) => StoreError::system(path, error),
            other => StoreError::damaged(path, other),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::InUse(path) => write!(
                f,
                "{} is in use by another server or command; only one at a time may have it",
                path.display()
            ),
            StoreError::Foreign(path) => write!(
                f,
                "{} is not a store of tim-presence-server; it was left as it is. Choose another data_dir, or move the file away",
                path.display()
            ),
            StoreError::Damaged { path, what } => write!(
                f,
                "{} is damaged ({what}); it was left as it is. Restore a backup with tim-presence-server restore, or move the \
                 file away to begin anew",
                path.display()
            ),
            StoreError::Newer { path, format } => write!(
                f,
                "{} has format {format}, of a newer version of tim-presence-server; this one knows formats up to {}. It was \
                 left as it is",
                path.display(),
                super::file::FORMAT
            ),
            StoreError::System { path, error } => write!(f, "{}: {error}", path.display()),
            StoreError::Refused(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for StoreError {}
