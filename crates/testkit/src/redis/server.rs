//! One server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::{Connection, RedisOptions, Reply, until};
use crate::ports::ReservedPort;
use crate::process::{PATIENCE, Process, Program, needed};

/// The kit's own user on each server: what a test asks of a server works whatever it asks others for.
pub(super) const USER: &str = "testkit";
pub(super) const PASSWORD: &str = "testkit-looks-inside";

/// What every server of the kit has in common. Everything that Redis does at leisure in production
/// (copying to replicas, ending while one lags) it does at once.
const COMMON: &str = "\
bind 127.0.0.1
protected-mode no
enable-debug-command local
tcp-backlog 128
save \"\"
appendfsync always
repl-diskless-sync yes
repl-diskless-sync-delay 0
repl-ping-replica-period 1
shutdown-timeout 0
";

/// A real server on a free loopback port, in a folder of its own; killed and removed when dropped.
///
/// The port stays the same through every restart. While the server is down, connections are refused.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: ReservedPort,
    tls_port: Option<ReservedPort>,
    bus_port: Option<ReservedPort>,
    options: RedisOptions,
    folder: TempDir,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Alone,
    ClusterNode,
    Sentinel,
}

impl RedisServer {
    /// Starts one that keeps everything in memory and is open to all.
    ///
    /// # Errors
    /// When no server is installed or it does not answer within half a minute; with its log.
    pub fn start() -> Result<Self> {
        Self::start_with(RedisOptions::new())
    }

    /// Starts one.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn start_with(options: RedisOptions) -> Result<Self> {
        Self::start_as(Kind::Alone, options)
    }

    pub(super) fn start_as(kind: Kind, options: RedisOptions) -> Result<Self> {
        let server = Self::launch(kind, options)?;
        server.until_ready()?;
        Ok(server)
    }

    /// Starts one without waiting until it is ready.
    pub(super) fn launch(kind: Kind, options: RedisOptions) -> Result<Self> {
        let program = needed(&["redis-server", "valkey-server"], "redis-server")?;
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("data"))?;
        let port = ReservedPort::take()?;
        let tls = options.certificates.is_some();
        let tls_port = tls.then(ReservedPort::take).transpose()?;
        let clustered = kind == Kind::ClusterNode;
        let bus_port = clustered.then(ReservedPort::take).transpose()?;
        let ports = Ports {
            plain: port.number(),
            tls: tls_port.as_ref().map(ReservedPort::number),
            bus: bus_port.as_ref().map(ReservedPort::number),
        };
        let file = folder.path().join("redis.conf");
        fs::write(&file, configuration(&options, &ports, folder.path()))?;
        fs::write(folder.path().join("users.acl"), users(&options))?;
        let mut program = Program::new(program, folder.path()).argument(&file);
        if kind == Kind::Sentinel {
            program = program.argument("--sentinel");
        }
        Ok(Self {
            process: Process::start(program, &folder.path().join("server.log"))?,
            port,
            tls_port,
            bus_port,
            options,
            folder,
        })
    }

    /// Where clients are to connect, over TLS if the server was started with certificates.
    pub fn address(&self) -> SocketAddr {
        let tls = self.tls_port.as_ref().map(ReservedPort::address);
        tls.unwrap_or_else(|| self.plain_address())
    }

    /// Where it listens without TLS.
    pub fn plain_address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where a cluster's nodes talk to it.
    pub(super) fn bus_port(&self) -> Option<u16> {
        self.bus_port.as_ref().map(ReservedPort::number)
    }

    /// What clients are to be configured with: `redis://:password@127.0.0.1:6379`, `rediss` with TLS.
    pub fn url(&self) -> String {
        self.url_through(self.address())
    }

    /// The same, by way of a proxy.
    pub fn url_through(&self, proxy: SocketAddr) -> String {
        match &self.options.password {
            Some(password) => self.url_for("", password, proxy),
            None => format!("{}://{proxy}", self.scheme()),
        }
    }

    /// The same, for a certain user.
    pub fn url_of_user(&self, user: &str, password: &str) -> String {
        self.url_for(user, password, self.address())
    }

    fn url_for(&self, user: &str, password: &str, address: SocketAddr) -> String {
        format!("{}://{user}:{password}@{address}", self.scheme())
    }

    fn scheme(&self) -> &'static str {
        match self.tls_port {
            Some(_) => "rediss",
            None => "redis",
        }
    }

    /// Its process: to freeze and thaw it, for the processor time it has used and for its log.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The folder with its data, which [`RedisServer::restart_empty`] empties.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Kills it with SIGKILL. Nothing happens when it is down already.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn stop(&self) -> Result<()> {
        self.process.kill()
    }

    /// Ends it in good order, with SIGTERM.
    ///
    /// # Errors
    /// When it is down already or does not end within half a minute.
    pub fn terminate(&self) -> Result<ExitStatus> {
        self.process.terminate()
    }

    /// Stops it from running: connections are accepted and nothing is answered.
    ///
    /// # Errors
    /// When it is down.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets it run on.
    ///
    /// # Errors
    /// When it is down.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// The processor time that it has used since its last start.
    ///
    /// # Errors
    /// When it is down.
    pub fn cpu_time(&self) -> Result<Duration> {
        self.process.cpu_time()
    }

    /// Kills it if it runs and starts it on the same port without its data. A cluster's node stays
    /// the node that it was.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub fn restart_empty(&self) -> Result<()> {
        self.stop()?;
        fs::remove_dir_all(self.data_folder())?;
        fs::create_dir(self.data_folder())?;
        self.process.start_again()?;
        self.until_ready()
    }

    /// Kills it if it runs and starts it on the same port with its data. One that is not persistent
    /// saves them first.
    ///
    /// # Errors
    /// As [`RedisServer::start`], or when the data are lost: it was not persistent and is down.
    pub fn restart_with_data(&self) -> Result<()> {
        if !self.options.persistent {
            let saved = self.command(&["SAVE"]);
            saved.context("a server that is not persistent can save nothing while it is down")?;
        }
        self.process.start_again()?;
        self.until_ready()
    }

    /// Asks it something, over a connection of its own and as a user who may do everything.
    ///
    /// # Errors
    /// When it refuses (the message is the server's own) or does not answer within half a minute.
    pub fn command(&self, words: &[&str]) -> Result<Reply> {
        self.command_within(PATIENCE, words)
    }

    /// The same, for servers that may not answer at all.
    ///
    /// # Errors
    /// When it refuses or does not answer within `patience`.
    pub fn command_within(&self, patience: Duration, words: &[&str]) -> Result<Reply> {
        self.connect(patience)?.command(words)
    }

    /// A connection of a user who may do everything.
    ///
    /// # Errors
    /// When there is none within `patience`.
    pub fn connect(&self, patience: Duration) -> Result<Connection> {
        let mut connection = Connection::open(self.plain_address(), patience)?;
        connection.command(&["AUTH", USER, PASSWORD])?;
        Ok(connection)
    }

    /// A field of what INFO tells, such as `used_memory`; empty when there is none.
    ///
    /// # Errors
    /// As [`RedisServer::command`].
    pub fn info(&self, field: &str) -> Result<String> {
        let text = self.command(&["INFO", "everything"])?.text();
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| *name == field);
        Ok(found.map(|(_, value)| value.to_owned()).unwrap_or_default())
    }

    /// Waits until it has copied its master and follows it.
    ///
    /// # Errors
    /// When it does not within half a minute.
    pub fn until_following(&self) -> Result<()> {
        until("a replica to follow its master", || {
            match self.info("master_link_status")?.as_str() {
                "up" => Ok(()),
                other => bail!("the link is `{other}`; {}", self.process.log().told()),
            }
        })
    }

    pub(super) fn until_ready(&self) -> Result<()> {
        // A server that still reads its data refuses, and a frozen machine answers late.
        let ping = || self.command_within(Duration::from_secs(1), &["PING"]);
        self.process.until_ready(|| ping().map(drop))
    }
}

struct Ports {
    plain: u16,
    tls: Option<u16>,
    bus: Option<u16>,
}

fn configuration(options: &RedisOptions, ports: &Ports, folder: &Path) -> String {
    let folder = folder.display();
    let mut lines = COMMON.to_owned();
    let mut line = |text: String| {
        lines.push_str(&text);
        lines.push('\n');
    };
    line(format!("port {}", ports.plain));
    line(format!("dir {folder}/data"));
    line(format!("aclfile {folder}/users.acl"));
    line(format!("masteruser {USER}"));
    line(format!("masterauth {PASSWORD}"));
    if options.persistent {
        line("appendonly yes".to_owned());
    }
    if let (Some(port), Some(files)) = (ports.tls, &options.certificates) {
        line(format!("tls-port {port}"));
        line(format!("tls-cert-file {}", files.certificate().display()));
        line(format!("tls-key-file {}", files.key().display()));
        line(format!("tls-ca-cert-file {}", files.authority().display()));
        line("tls-auth-clients no".to_owned());
    }
    if let Some(port) = ports.bus {
        line("cluster-enabled yes".to_owned());
        line(format!("cluster-port {port}"));
        line(format!("cluster-config-file {folder}/nodes.conf"));
        line("cluster-announce-ip 127.0.0.1".to_owned());
    }
    for (name, value) in &options.settings {
        line(format!("{name} {value}"));
    }
    lines
}

fn users(options: &RedisOptions) -> String {
    let default = match &options.password {
        Some(password) => format!("on >{password}"),
        None => "on nopass".to_owned(),
    };
    let mut rules = format!("user default {default} ~* &* +@all\n");
    rules.push_str(&format!("user {USER} on >{PASSWORD} ~* &* +@all\n"));
    for rule in &options.users {
        rules.push_str(&format!("user {rule}\n"));
    }
    rules
}
