//! Connections to the servers, however they are found.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;

use crate::settings::{Credentials, Settings, SettingsError, Topology};

/// How long it may take to connect, in the background.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Ways to servers.
#[derive(Clone)]
pub(crate) enum Servers {
    Single(Box<Client>),
    Sentinel(Arc<Mutex<SentinelClient>>),
    Cluster(Box<ClusterClient>, Vec<Client>),
}

/// A connection that many calls share. Answers come in the order of the questions, each to whoever
/// asked; that of somebody who has given up waiting goes nowhere.
#[derive(Clone)]
pub(crate) enum Connection {
    /// To one server; with the name of its present run.
    One(MultiplexedConnection, Arc<str>),
    /// To a cluster.
    Cluster(ClusterConnection),
}

impl Connection {
    pub(crate) async fn ask(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection, _) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// Which run of which server answers; empty where that differs from key to key.
    pub(crate) fn server(&self) -> &str {
        match self {
            Self::One(_, run) => run,
            Self::Cluster(_) => "",
        }
    }
}

impl Servers {
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let certificates = certificates(settings)?;
        let client = |error: redis::RedisError| SettingsError::Client(error.to_string());
        Ok(match settings.topology {
            Topology::Single => {
                Self::Single(Box::new(plain(settings, 0, certificates).map_err(client)?))
            }
            Topology::Sentinel => {
                let built = sentinel(settings, certificates).map_err(client)?;
                Self::Sentinel(Arc::new(Mutex::new(built)))
            }
            Topology::Cluster => {
                let nodes = (0..settings.nodes.len())
                    .map(|index| plain(settings, index, certificates.clone()));
                let nodes: RedisResult<Vec<_>> = nodes.collect();
                let built = cluster(settings, certificates).map_err(client)?;
                Self::Cluster(Box::new(built), nodes.map_err(client)?)
            }
        })
    }

    pub(crate) async fn connect(&self) -> RedisResult<Connection> {
        let mut connection = self.connect_unasked().await?;
        if let Connection::One(server, run) = &mut connection {
            let mut info = Cmd::new();
            info.arg("INFO").arg("server");
            let info: String = info.query_async(server).await?;
            let found = info.lines().find_map(|line| line.strip_prefix("run_id:"));
            *run = found.unwrap_or_default().into();
        }
        Ok(connection)
    }

    /// The same, without asking which run of the server answers.
    pub(crate) async fn connect_unasked(&self) -> RedisResult<Connection> {
        if let Self::Cluster(client, _) = self {
            return client.get_async_connection().await.map(Connection::Cluster);
        }
        let client = self.one(0).await?;
        // What a call may take is up to the caller.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(None);
        let connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(Connection::One(connection, Arc::default()))
    }

    /// One server that takes messages for listeners; the next one with each attempt in a cluster, where
    /// every node hears all of them.
    pub(crate) async fn one(&self, attempt: usize) -> RedisResult<Client> {
        match self {
            Self::Single(client) => Ok(Client::clone(client)),
            Self::Sentinel(client) => client.lock().await.async_get_client().await,
            Self::Cluster(_, nodes) => {
                let node = nodes.get(attempt % nodes.len().max(1));
                node.cloned()
                    .ok_or_else(|| std::io::Error::other("no node is known").into())
            }
        }
    }
}

fn certificates(settings: &Settings) -> Result<Option<TlsCertificates>, SettingsError> {
    if !settings.is_tls {
        return Ok(None);
    }
    let read = |path: &std::path::PathBuf| {
        fs::read(path).map_err(|error| SettingsError::Authority {
            path: path.clone(),
            reason: error.to_string(),
        })
    };
    Ok(Some(TlsCertificates {
        client_tls: None,
        root_cert: settings.authority.as_ref().map(read).transpose()?,
    }))
}

fn address(settings: &Settings, index: usize) -> ConnectionAddr {
    let (host, port) = settings.nodes[index].clone();
    if settings.is_tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn login(credentials: &Credentials, database: i64) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default()
        .set_db(database)
        .set_skip_set_lib_name();
    if let Some(user) = &credentials.user {
        info = info.set_username(user);
    }
    if let Some(password) = &credentials.password {
        info = info.set_password(password);
    }
    info
}

fn plain(
    settings: &Settings,
    index: usize,
    certificates: Option<TlsCertificates>,
) -> RedisResult<Client> {
    let info = address(settings, index)
        .into_connection_info()?
        .set_redis_settings(login(&settings.credentials, settings.database));
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

fn sentinel(
    settings: &Settings,
    certificates: Option<TlsCertificates>,
) -> RedisResult<SentinelClient> {
    let nodes: Vec<_> = (0..settings.nodes.len())
        .map(|index| address(settings, index))
        .collect();
    let master = settings.master.clone();
    let mut builder = SentinelClientBuilder::new(nodes, master, SentinelServerType::Master)?
        .set_client_to_redis_db(settings.database);
    if let Some(certificates) = certificates {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates.clone())
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(certificates);
    }
    if let Some(user) = &settings.credentials.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &settings.credentials.password {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(user) = &settings.sentinel_credentials.user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = &settings.sentinel_credentials.password {
        builder = builder.set_client_to_sentinel_password(password);
    }
    builder.build()
}

fn cluster(
    settings: &Settings,
    certificates: Option<TlsCertificates>,
) -> RedisResult<ClusterClient> {
    let nodes: RedisResult<Vec<_>> = (0..settings.nodes.len())
        .map(|index| address(settings, index).into_connection_info())
        .collect();
    let mut builder = ClusterClientBuilder::new(nodes?)
        .connection_timeout(PATIENCE)
        .response_timeout(PATIENCE);
    if let Some(certificates) = certificates {
        builder = builder.tls(TlsMode::Secure).certs(certificates);
    }
    if let Some(user) = &settings.credentials.user {
        builder = builder.username(user);
    }
    if let Some(password) = &settings.credentials.password {
        builder = builder.password(password);
    }
    builder.build()
}
