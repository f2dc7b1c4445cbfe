//! A master, its replica, and the sentinels that watch over them.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};

use super::server::{Kind, PASSWORD, USER};
use super::{RedisOptions, RedisServer, Reply, until};

/// What the sentinels call the master.
const NAME: &str = "paceline";

/// Long enough that a busy machine does not make a server that is well seem down. Where a test has
/// made one be down, it is shorter for a while.
const DOWN_AFTER_MS: &str = "5000";

/// How often the sentinels do what they do every few seconds in production, so that a change is
/// known everywhere in a moment. A stall of a busy machine is not taken for a clock that jumps.
const PACE: [(&str, &str); 8] = [
    ("info-period", "200"),
    ("ping-period", "200"),
    ("ask-period", "200"),
    ("publish-period", "200"),
    ("min-link-reconnect-period", "500"),
    ("election-timeout", "2000"),
    ("tilt-trigger", "60000"),
    ("tilt-period", "1000"),
];

/// One master, one replica and some sentinels.
///
/// A master that does not answer for five seconds is held for down by a sentinel, and replaced when
/// most of them hold it for that. The servers are asked and frozen like any others.
#[derive(Debug)]
pub struct SentinelSet {
    servers: [RedisServer; 2],
    sentinels: Vec<RedisServer>,
}

impl SentinelSet {
    /// Starts a set with so many sentinels, and waits until each knows everyone.
    ///
    /// # Errors
    /// When one does not start or they do not find each other within half a minute.
    pub fn start(sentinels: usize) -> Result<Self> {
        Self::start_with(sentinels, &RedisOptions::new())
    }

    /// The same, with master and replica as `options` say, TLS excepted.
    ///
    /// # Errors
    /// As [`SentinelSet::start`].
    pub fn start_with(sentinels: usize, options: &RedisOptions) -> Result<Self> {
        ensure!(sentinels > 0, "a set needs a sentinel");
        ensure!(
            options.certificates.is_none(),
            "a set with sentinels speaks no TLS"
        );
        let master = RedisServer::start_with(options.clone())?;
        let address = master.address();
        let replica = RedisServer::start_with(options.clone().replica_of(address))?;
        replica.until_following()?;
        let watching = watching(address, most_of(sentinels));
        let sentinels: Result<Vec<_>> = (0..sentinels)
            .map(|_| RedisServer::launch(Kind::Sentinel, watching.clone()))
            .collect();
        let set = Self {
            servers: [master, replica],
            sentinels: sentinels?,
        };
        for sentinel in &set.sentinels {
            sentinel.until_ready()?;
            let pace = PACE.iter().flat_map(|(name, value)| [*name, *value]);
            let words: Vec<&str> = ["SENTINEL", "DEBUG"].into_iter().chain(pace).collect();
            sentinel.command(&words)?;
        }
        set.until_acquainted()?;
        set.until_fed()?;
        Ok(set)
    }

    /// What clients ask the sentinels for.
    pub fn master_name(&self) -> &'static str {
        NAME
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// Where the sentinels listen.
    pub fn sentinel_addresses(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(RedisServer::address).collect()
    }

    /// The server that the first sentinel names as master.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn master(&self) -> Result<&RedisServer> {
        let address = self.master_address(&self.sentinels[0])?;
        let master = self.servers.iter().find(|one| one.address() == address);
        master.with_context(|| format!("{address} is none of the servers"))
    }

    /// The other server.
    ///
    /// # Errors
    /// When the first sentinel does not answer.
    pub fn replica(&self) -> Result<&RedisServer> {
        let master = self.master()?.address();
        let replica = self.servers.iter().find(|one| one.address() != master);
        replica.context("there are two servers")
    }

    /// Cuts the replica off from its master, so that what is written from here on is not copied and
    /// is lost when the master fails. The replica answers on, with what it has. The sentinels promote
    /// it if need be, unless it has been cut off for more than ten seconds.
    ///
    /// # Errors
    /// When a server does not answer, or the link does not go down within half a minute.
    pub fn pause_replication(&self) -> Result<()> {
        let replica = self.replica()?;
        // A link that is cut is made again at once; one that cannot log in is not.
        replica.command(&["CONFIG", "SET", "masterauth", "wrong"])?;
        self.master()?
            .command(&["CLIENT", "KILL", "TYPE", "replica"])?;
        until("the replica to lose its master", || {
            match replica.info("master_link_status")?.as_str() {
                "down" => Ok(()),
                other => bail!("the link is `{other}`"),
            }
        })
    }

    /// Ends [`SentinelSet::pause_replication`] and waits until the replica has caught up.
    ///
    /// # Errors
    /// When it has not within half a minute, or a server is down.
    pub fn resume_replication(&self) -> Result<()> {
        for server in &self.servers {
            server.command(&["CONFIG", "SET", "masterauth", PASSWORD])?;
        }
        self.replica()?.until_following()
    }

    /// Waits until the replica has all that was written so far.
    ///
    /// # Errors
    /// When it has not within half a minute, or a server is down.
    pub fn until_copied(&self) -> Result<()> {
        let offset = |server: &RedisServer, field| -> Result<i64> {
            let offset = server.info(field)?;
            offset
                .parse()
                .with_context(|| format!("{field} is `{offset}`"))
        };
        let written = offset(self.master()?, "master_repl_offset")?;
        until("the replica to have everything", || {
            let copied = offset(self.replica()?, "slave_repl_offset")?;
            ensure!(copied >= written, "it has {copied} bytes of {written}");
            Ok(())
        })
    }

    /// Makes the sentinels swap master and replica, both of them well, and waits until that is done:
    /// every sentinel names the new master and the old one follows it. Nothing is lost that was
    /// written before.
    ///
    /// # Errors
    /// When that takes more than half a minute.
    pub fn fail_over(&self) -> Result<()> {
        let old = self.master()?;
        self.until_copied()?;
        until("the sentinels to begin", || {
            self.sentinels[0].command(&["SENTINEL", "FAILOVER", NAME])
        })?;
        self.until_replaced(old.address())?;
        old.until_following()
    }

    /// Kills the master and waits until every sentinel names the replica in its place. The old one
    /// stays down; started again, it becomes the replica.
    ///
    /// # Errors
    /// When that takes more than half a minute.
    pub fn kill_master(&self) -> Result<()> {
        let old = self.master()?;
        old.stop()?;
        self.hold_for_down_after("1000")?;
        self.until_replaced(old.address())?;
        self.hold_for_down_after(DOWN_AFTER_MS)
    }

    /// Waits until every sentinel names another master than `old` and that one takes writes.
    ///
    /// # Errors
    /// When that takes more than half a minute.
    pub fn until_replaced(&self, old: SocketAddr) -> Result<()> {
        for sentinel in &self.sentinels {
            until("a sentinel to name another master", || {
                ensure!(
                    self.master_address(sentinel)? != old,
                    "it is {old}; {}",
                    sentinel.process().log().told()
                );
                Ok(())
            })?;
        }
        let new = self.master()?;
        until("the new master to be one", || {
            let role = new.info("role")?;
            ensure!(role == "master", "it is a {role}");
            Ok(())
        })
    }

    /// Waits until the master sends the replica what is written as it is written, which it begins up
    /// to a second after the replica has its first copy.
    fn until_fed(&self) -> Result<()> {
        until("the master to feed its replica", || {
            let replica = self.servers[0].info("slave0")?;
            ensure!(replica.contains("state=online"), "it is `{replica}`");
            Ok(())
        })
    }

    /// Sets the time without an answer after which most sentinels hold a server for down. The rest
    /// stay patient and only vote: if all stood for election at once, nobody might get most votes,
    /// and the next election would be seconds away.
    fn hold_for_down_after(&self, milliseconds: &str) -> Result<()> {
        for sentinel in &self.sentinels[..most_of(self.sentinels.len())] {
            let name = "down-after-milliseconds";
            sentinel.command(&["SENTINEL", "SET", NAME, name, milliseconds])?;
        }
        Ok(())
    }

    fn master_address(&self, sentinel: &RedisServer) -> Result<SocketAddr> {
        let reply = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
        let words: Vec<String> = reply.items().iter().map(Reply::text).collect();
        Ok(words.join(":").parse()?)
    }

    /// Waits until each sentinel knows the replica and all other sentinels.
    fn until_acquainted(&self) -> Result<()> {
        let others = self.sentinels.len() - 1;
        for sentinel in &self.sentinels {
            until("a sentinel to know everyone", || {
                let state = sentinel.command(&["SENTINEL", "MASTER", NAME])?;
                let count = |name| state.field(name).and_then(Reply::integer);
                let known = (count("num-slaves"), count("num-other-sentinels"));
                let all = (Some(1), Some(i64::try_from(others)?));
                ensure!(known == all, "it knows {known:?}");
                let replicas = sentinel.command(&["SENTINEL", "REPLICAS", NAME])?;
                let link = replicas.items()[0].field("master-link-status");
                let link = link.map(Reply::text);
                ensure!(link.as_deref() == Some("ok"), "the link is {link:?}");
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The smallest majority.
fn most_of(sentinels: usize) -> usize {
    sentinels / 2 + 1
}

fn watching(master: SocketAddr, quorum: usize) -> RedisOptions {
    let master = format!("monitor {NAME} {} {} {quorum}", master.ip(), master.port());
    RedisOptions::new()
        .setting("sentinel", &master)
        .setting("sentinel", &format!("auth-user {NAME} {USER}"))
        .setting("sentinel", &format!("auth-pass {NAME} {PASSWORD}"))
        .setting(
            "sentinel",
            &format!("down-after-milliseconds {NAME} {DOWN_AFTER_MS}"),
        )
        .setting("sentinel", &format!("failover-timeout {NAME} 3000"))
}
