//! Where the database is, and what its errors mean to the ledger.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, config::SslMode};
use url::Url;

use crate::store::StoreError;

/// An address that was read.
#[derive(Clone, Debug)]
pub(crate) struct PostgresSettings {
    pub(super) config: Config,
    /// The certificates of an authority to trust instead of the public ones.
    pub(super) authority: Option<PathBuf>,
    /// For people: without the password.
    name: String,
}

/// An address of a database that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{reason}; the ledger's address is to look like postgres://user:password@host:5432/database"
)]
pub struct AddressError {
    reason: String,
}

impl AddressError {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl PostgresSettings {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…`. With
    /// `sslmode=disable` there is no TLS; with `prefer`, the default, there is where the server offers
    /// it; with `require`, `verify-ca` or `verify-full` there must be. Whenever there is, the server's
    /// certificate is checked for its name, against `sslrootcert` or the public authorities.
    pub(crate) fn read(address: &str) -> Result<Self, AddressError> {
        // An error of the parser is not passed on: it may quote the password.
        let mut url = Url::parse(address).map_err(|_| AddressError::new("it is not a URL"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(AddressError::new("it does not start with postgres://"));
        }
        let (mut authority, mut must_verify) = (None, false);
        let mut kept = Vec::new();
        for (name, value) in url.query_pairs().into_owned() {
            match (name.as_str(), value.as_str()) {
                ("sslrootcert", path) => authority = Some(PathBuf::from(path)),
                ("sslmode", "verify-ca" | "verify-full") => must_verify = true,
                _ => kept.push((name, value)),
            }
        }
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(&kept);
        }
        let config = Config::from_str(url.as_str());
        let mut config = config.map_err(|error| AddressError::new(error.to_string()))?;
        if must_verify {
            config.ssl_mode(SslMode::Require);
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(super::CONNECT);
        }
        let (host, port) = (url.host_str().unwrap_or(""), url.port().unwrap_or(5432));
        let name = format!("postgres at {host}:{port}{}", url.path());
        Ok(Self {
            config,
            authority,
            name,
        })
    }

    /// What it is called in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn away(&self, reason: impl Into<String>) -> StoreError {
        StoreError::Away {
            store: self.name.clone(),
            reason: reason.into(),
        }
    }

    pub(super) fn unreadable(&self, path: &Path, error: &dyn std::error::Error) -> StoreError {
        self.away(format!("{}: {error}", path.display()))
    }

    /// What an error means. Refusals of data concern what is asked; everything else may pass.
    pub(super) fn problem(&self, error: &tokio_postgres::Error) -> StoreError {
        let store = self.name.clone();
        let Some(told) = error.as_db_error() else {
            let source = std::error::Error::source(error);
            let reason =
                source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            return StoreError::Away { store, reason };
        };
        let (code, reason) = (told.code(), told.message().to_owned());
        if *code == SqlState::UNDEFINED_COLUMN || *code == SqlState::DUPLICATE_TABLE {
            return StoreError::Foreign { store, reason };
        }
        // Classes of the SQL standard: 22 data exceptions, 23 violated constraints.
        match code.code().get(..2) {
            Some("22" | "23") => StoreError::Refused { store, reason },
            _ => StoreError::Away { store, reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_not_told() {
        let address = "postgres://me:s%40cret@db.example:6543/ledger?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3";
        let settings = PostgresSettings::read(address).unwrap();
        assert_eq!(settings.name(), "postgres at db.example:6543/ledger");
        assert_eq!(settings.config.get_password(), Some(b"s@cret".as_slice()));
        assert_eq!(settings.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(settings.authority, Some(PathBuf::from("/ca.pem")));
        assert!(!format!("{settings:?}").contains("s@cret"));
    }

    #[test]
    fn an_address_that_makes_no_sense_is_refused_without_its_password() {
        for address in [
            "",
            "db",
            "mysql://me:secret@db",
            "postgres://me:secret@db?sslmode=maybe",
        ] {
            let error = PostgresSettings::read(address).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
