//! How a server is to be.

use std::net::SocketAddr;

use super::Certificates;

/// What sets a server apart from one that keeps everything in memory and is open to all.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    pub(super) password: Option<String>,
    pub(super) users: Vec<String>,
    pub(super) certificates: Option<Certificates>,
    pub(super) persistent: bool,
    pub(super) settings: Vec<(String, String)>,
}

impl RedisOptions {
    /// Those of a server that keeps everything in memory and is open to all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everyone for a password, that of the user `default`.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// One more user, as a rule of an ACL file: `name on >password ~paceline:* &* +@all`.
    #[must_use]
    pub fn user(mut self, rule: &str) -> Self {
        self.users.push(rule.to_owned());
        self
    }

    /// Speaks TLS on the port that [`RedisServer::url`](super::RedisServer::url) names. The kit
    /// itself uses another, without.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.certificates = Some(certificates.clone());
        self
    }

    /// Refuses to store more than this, with an error rather than by forgetting something.
    #[must_use]
    pub fn max_memory_bytes(self, bytes: u64) -> Self {
        self.setting("maxmemory", &bytes.to_string())
            .setting("maxmemory-policy", "noeviction")
    }

    /// Copies another server of this kit; its address may be that of a proxy in front of it.
    #[must_use]
    pub fn replica_of(self, master: SocketAddr) -> Self {
        let master = format!("{} {}", master.ip(), master.port());
        self.setting("replicaof", &master)
    }

    /// Writes everything to disk before it is answered, so that nothing is lost when it is killed.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// Any other line of its configuration. The last one for a name counts.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}
