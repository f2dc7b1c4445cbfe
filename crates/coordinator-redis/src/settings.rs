//! Where the store is, and how it is spoken to.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// How long a call takes at most.
const TIME_BOX: Duration = Duration::from_millis(50);

/// What keys and channels begin with.
const PREFIX: &str = "ratelimit:";

/// Servers that are reached in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One server.
    Single,
    /// Sentinels that know which server is the master.
    Sentinel,
    /// A cluster.
    Cluster,
}

/// Name and password; the password is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "***");
        out.debug_struct("Credentials")
            .field("user", &self.user)
            .field("password", &password)
            .finish()
    }
}

/// Where the store is, and how it is spoken to. Shows no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub(crate) topology: Topology,
    pub(crate) is_tls: bool,
    /// Host and port of servers, or of sentinels.
    pub(crate) nodes: Vec<(String, u16)>,
    pub(crate) credentials: Credentials,
    pub(crate) sentinel_credentials: Credentials,
    /// The name that sentinels know the master by.
    pub(crate) master: String,
    pub(crate) database: i64,
    pub(crate) prefix: String,
    pub(crate) time_box: Duration,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) plain_keys: bool,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address begins with something else.
    #[error(
        "the store's address begins with `{0}`: use redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// or rediss+cluster://"
    )]
    Scheme(String),
    /// A part of the address is not what it should be.
    #[error("the store's address has {0}")]
    Address(&'static str),
    /// One of the hosts cannot be read.
    #[error(
        "`{0}` in the store's address is no host: write host or host:port, several with commas"
    )]
    Host(String),
    /// Something behind the question mark is not known.
    #[error("`{0}` in the store's address is not known: {1}")]
    Parameter(String, &'static str),
    /// The prefix would spoil the hash tag.
    #[error("the prefix `{0}` has a brace: the name of the domain goes between braces, behind it")]
    Prefix(String),
    /// The certificates of the authority cannot be had.
    #[error("the certificates in {path} cannot be used: {reason}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The client refuses the settings.
    #[error("the store's address cannot be used: {0}")]
    Client(String),
}

impl Settings {
    /// Reads an address:
    ///
    /// - `redis://[[user]:password@]host[:port][/database]`: one server
    /// - `redis+sentinel://[[user]:password@]host[:port],…[/database]?master=name`: sentinels; user and
    ///   password are those of the servers, the sentinels' own are `sentinel_user` and
    ///   `sentinel_password` behind the question mark
    /// - `redis+cluster://[[user]:password@]host[:port],…`: some nodes of a cluster
    ///
    /// and `rediss` in place of `redis` with TLS. User and password are percent-encoded.
    ///
    /// # Errors
    /// When it is not like that. The message has no password in it.
    pub fn from_url(url: &str) -> Result<Self, SettingsError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(SettingsError::Address("no `://`: write redis://host:port"));
        };
        let (topology, is_tls) = match scheme {
            "redis" | "valkey" => (Topology::Single, false),
            "rediss" | "valkeys" => (Topology::Single, true),
            "redis+sentinel" => (Topology::Sentinel, false),
            "rediss+sentinel" => (Topology::Sentinel, true),
            "redis+cluster" => (Topology::Cluster, false),
            "rediss+cluster" => (Topology::Cluster, true),
            other => return Err(SettingsError::Scheme(other.to_owned())),
        };
        // Where a password ends would be a guess, and what is said of a wrong address could show the rest.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        if rest.get(end..).is_some_and(|behind| behind.contains('@')) {
            return Err(SettingsError::Address(
                "an `@` behind its first `/` or `?`: percent-encode user and password",
            ));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let default_port = if topology == Topology::Sentinel {
            26_379
        } else {
            6_379
        };
        let nodes: Result<Vec<_>, _> = hosts
            .split(',')
            .map(|host| node(host, default_port))
            .collect();
        let database = if path.is_empty() { Ok(0) } else { path.parse() };
        let mut settings = Self {
            topology,
            is_tls,
            nodes: nodes?,
            credentials: credentials(user)?,
            sentinel_credentials: Credentials::default(),
            master: String::new(),
            database: database.map_err(|_| {
                SettingsError::Address("a path that is no database's number: write /0")
            })?,
            prefix: PREFIX.to_owned(),
            time_box: TIME_BOX,
            authority: None,
            plain_keys: true,
        };
        settings.take_parameters(query)?;
        settings.check()
    }

    fn take_parameters(&mut self, query: &str) -> Result<(), SettingsError> {
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let sentinel = self.topology == Topology::Sentinel;
            match &*name {
                "master" if sentinel => self.master = value.into_owned(),
                "sentinel_user" if sentinel => {
                    self.sentinel_credentials.user = Some(value.into_owned());
                }
                "sentinel_password" if sentinel => {
                    self.sentinel_credentials.password = Some(value.into_owned());
                }
                _ => {
                    let remedy = if sentinel {
                        "master, sentinel_user and sentinel_password are"
                    } else {
                        "leave it out"
                    };
                    return Err(SettingsError::Parameter(name.into_owned(), remedy));
                }
            }
        }
        Ok(())
    }

    fn check(self) -> Result<Self, SettingsError> {
        let problem = match self.topology {
            Topology::Single if self.nodes.len() > 1 => {
                "several hosts: use redis+sentinel:// or redis+cluster://"
            }
            Topology::Sentinel if self.master.is_empty() => {
                "no name of the master: add ?master=name"
            }
            Topology::Cluster if self.database != 0 => {
                "a database, and clusters have only one: leave it out"
            }
            _ => return Ok(self),
        };
        Err(SettingsError::Address(problem))
    }

    /// What keys and channels begin with; `ratelimit:` unless it is set.
    ///
    /// # Errors
    /// When it has a brace.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, SettingsError> {
        if prefix.contains(['{', '}']) {
            return Err(SettingsError::Prefix(prefix.to_owned()));
        }
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    /// How long a call takes at most; 50 ms unless it is set.
    #[must_use]
    pub const fn time_box(mut self, time_box: Duration) -> Self {
        self.time_box = time_box;
        self
    }

    /// A file with the certificates (PEM) of those who may vouch for the servers; without it those that
    /// the system trusts.
    #[must_use]
    pub fn certificate_authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.authority = Some(file.into());
        self
    }

    /// Whether the present counts are also written under plain names, `<prefix><domain>` and
    /// `<prefix><domain>:tokens`, for dashboards and scripts; they are unless it is set.
    #[must_use]
    pub const fn plain_keys(mut self, are_written: bool) -> Self {
        self.plain_keys = are_written;
        self
    }

    /// The store as people know it; no secrets.
    pub(crate) fn name(&self) -> String {
        let nodes = self
            .nodes
            .iter()
            .map(|(host, port)| format!("{host}:{port}"));
        let nodes = nodes.collect::<Vec<_>>().join(",");
        match self.topology {
            Topology::Single => format!("redis at {nodes}"),
            Topology::Sentinel => format!("redis master {} of {nodes}", self.master),
            Topology::Cluster => format!("redis cluster at {nodes}"),
        }
    }
}

fn node(text: &str, default_port: u16) -> Result<(String, u16), SettingsError> {
    let wrong = || SettingsError::Host(text.to_owned());
    let url = Url::parse(&format!("redis://{text}")).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), url.port().unwrap_or(default_port)))
}

fn credentials(text: &str) -> Result<Credentials, SettingsError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let part = |text: &str| -> Result<Option<String>, SettingsError> {
        if text.is_empty() {
            return Ok(None);
        }
        let wrong = "a user or password that is not percent-encoded UTF-8";
        decoded(text).map(Some).ok_or(SettingsError::Address(wrong))
    };
    Ok(Credentials {
        user: part(user)?,
        password: part(password)?,
    })
}

/// Text with percent-encoded bytes in it.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_address_is_read() {
        let single = Settings::from_url("redis://10.0.0.1/3").unwrap();
        assert_eq!(single.nodes, [("10.0.0.1".to_owned(), 6_379)]);
        assert_eq!((single.database, single.is_tls), (3, false));
        let url = "rediss+sentinel://app:p%40ss@a:1,b,[::1]:3/2?master=main&sentinel_password=x";
        let sentinel = Settings::from_url(url).unwrap();
        let nodes = [
            ("a".to_owned(), 1),
            ("b".to_owned(), 26_379),
            ("::1".to_owned(), 3),
        ];
        assert_eq!(sentinel.nodes, nodes);
        assert_eq!(sentinel.credentials.password.as_deref(), Some("p@ss"));
        assert_eq!((sentinel.master.as_str(), sentinel.is_tls), ("main", true));
        let cluster = Settings::from_url("redis+cluster://:secret@a:1,b:2").unwrap();
        assert_eq!(cluster.topology, Topology::Cluster);
        assert_eq!(cluster.credentials.user, None);
    }

    #[test]
    fn what_is_wrong_is_named_and_passwords_are_not() {
        let wrong = [
            ("http://h", "`http`"),
            ("localhost:6379", "://"),
            ("redis://:secret@a,b", "several hosts"),
            ("redis://:secret@a/x", "database"),
            ("redis+sentinel://:secret@a", "?master=name"),
            ("redis://:secret@a?ssl=true", "`ssl`"),
            ("redis+cluster://:secret@a/1", "only one"),
            ("redis://:secret@a:port", "`a:port`"),
            ("redis://:secret%@a", "percent-encoded"),
            ("redis://:secret/more@a", "percent-encode"),
            ("redis://:more?secret@a", "percent-encode"),
        ];
        for (url, part) in wrong {
            let error = Settings::from_url(url).unwrap_err().to_string();
            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let settings = Settings::from_url("redis://app:secret@host").unwrap();
        assert!(!format!("{settings:?} {}", settings.name()).contains("secret"));
        assert!(settings.prefix("a{b}").is_err());
    }
}
