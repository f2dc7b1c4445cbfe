//! The bearer token of the admin plane: made at the first start, readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use paceline_config::{Admin, Secret};

/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error(
        "the admin token in {} cannot be read or made: {source}; make the folder writable, choose \
         another with --state-dir, or set PACELINE_ADMIN_TOKEN", path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is there but empty or not text.
    #[error("the admin token in {} is not usable; remove the file to have one made", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("no random bytes for an admin token: {0}")]
    Random(String),
}

/// Where the token is kept.
pub fn token_path(admin: &Admin) -> PathBuf {
    admin.state_dir.join("admin-token")
}

/// The token to ask for: the configured one, or the one in the state folder, made if need be.
///
/// # Errors
/// When the file can be neither read nor made.
pub fn admin_token(admin: &Admin) -> Result<Secret, TokenError> {
    if let Some(token) = &admin.token {
        return Ok(token.clone());
    }
    let path = token_path(admin);
    match fs::read_to_string(&path) {
        Ok(text) => usable(&path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(source) => Err(TokenError::File { path, source }),
    }
}

fn usable(path: &Path, text: &str) -> Result<Secret, TokenError> {
    let token = text.trim();
    if token.len() < 16 || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Unusable {
            path: path.to_owned(),
        });
    }
    Ok(Secret::new(token))
}

fn make(path: &Path) -> Result<Secret, TokenError> {
    let failed = |source| TokenError::File {
        path: path.to_owned(),
        source,
    };
    let mut bytes = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| TokenError::Random(error.to_string()))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    if let Some(folder) = path.parent() {
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            file.write_all(token.as_bytes()).map_err(failed)?;
            file.write_all(b"\n").map_err(failed)?;
            Ok(Secret::new(token))
        }
        // Another process made it in the meantime.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = fs::read_to_string(path).map_err(failed)?;
            usable(path, &text)
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn admin(state_dir: &Path) -> Admin {
        Admin {
            enabled: true,
            listen: None,
            state_dir: state_dir.to_owned(),
            token: None,
            hosts: Vec::new(),
        }
    }

    #[test]
    fn a_token_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let admin = admin(&folder.path().join("state"));
        let first = admin_token(&admin).unwrap();
        let again = admin_token(&admin).unwrap();
        assert_eq!(first.expose(), again.expose());
        assert_eq!(first.expose().len(), 64);
        let mode = fs::metadata(token_path(&admin))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_empty_token_file_is_an_error_and_not_an_open_door() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("admin-token"), "\n").unwrap();
        let error = admin_token(&admin(folder.path())).unwrap_err();
        assert!(matches!(error, TokenError::Unusable { .. }));
    }
}
