//! One connection for all calls, and what happens while there is none: calls fail at once, and a task
//! looks whether the store is back.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{Cmd, RedisError, RedisResult, Value};
use tokio::time::{sleep, timeout};

use crate::servers::{Connection, PATIENCE, Servers};

/// How often it is looked whether the store is back; at first, and at last.
const LOOK_FIRST: Duration = Duration::from_millis(50);
const LOOK_LAST: Duration = Duration::from_secs(1);

/// What the servers say when another one, or a later time, would do.
const PASSING: [&str; 10] = [
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOREPLICAS",
    "READONLY",
    "TRYAGAIN",
    "UNKILLABLE",
];

/// Why a call has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing came, or nothing of use.
    Away(String),
    /// The server refuses.
    Refused(String),
}

struct State {
    /// The connection that calls use, and its number.
    connection: Option<(u64, Connection)>,
    /// Why there is none.
    reason: String,
    number: u64,
    /// Keys of a cluster whose node does not answer.
    silent: HashMap<String, String>,
}

/// The way to the store. Clones share it.
#[derive(Clone)]
pub(crate) struct Link {
    servers: Servers,
    time_box: Duration,
    state: Arc<Mutex<State>>,
}

impl Link {
    /// Connects; in the background if that does not work at once.
    pub(crate) async fn open(servers: Servers, time_box: Duration) -> Self {
        let link = Self {
            servers,
            time_box,
            state: Arc::new(Mutex::new(State {
                connection: None,
                reason: "not connected yet".to_owned(),
                number: 0,
                silent: HashMap::new(),
            })),
        };
        match link.look().await {
            Ok(connection) => link.state.lock().connection = Some((0, connection)),
            Err(reason) => {
                link.state.lock().reason = reason;
                link.reconnect();
            }
        }
        link
    }

    pub(crate) const fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Asks something about a key, within the time box. `ask` makes the question from the name of the
    /// server's run; a second one follows where the server does not know the script.
    pub(crate) async fn call(
        &self,
        key: &str,
        ask: impl Fn(&str) -> Cmd,
        again: impl Fn(&str) -> Cmd,
    ) -> Result<Value, Failure> {
        let (number, mut connection) = self.connection(key)?;
        let answer = async {
            let command = ask(connection.server());
            match connection.ask(&command).await {
                Err(error) if error.code() == Some("NOSCRIPT") => {
                    let command = again(connection.server());
                    connection.ask(&command).await
                }
                answer => answer,
            }
        };
        let reason = match timeout(self.time_box, answer).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if is_refusal(&error) => {
                return Err(Failure::Refused(in_its_words(&error)));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} ms", self.time_box.as_millis()),
        };
        self.give_up(number, key, &reason);
        Err(Failure::Away(reason))
    }

    /// Says something that does not matter much: no failure of it has any effect.
    pub(crate) async fn mention(&self, command: &Cmd) -> Result<Value, String> {
        let connection = self.state.lock().connection.clone();
        let Some((_, mut connection)) = connection else {
            return Err("the store is away".to_owned());
        };
        match timeout(PATIENCE, connection.ask(command)).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    fn connection(&self, key: &str) -> Result<(u64, Connection), Failure> {
        let state = self.state.lock();
        if let Some(reason) = state.silent.get(key) {
            return Err(Failure::Away(reason.clone()));
        }
        let connection = state.connection.clone();
        connection.ok_or_else(|| Failure::Away(state.reason.clone()))
    }

    /// Nobody uses this connection any more, or nobody asks for this key of a cluster, until it has been
    /// seen that there is somebody who answers.
    fn give_up(&self, number: u64, key: &str, reason: &str) {
        let mut state = self.state.lock();
        let Some((_, connection)) = state.connection.take_if(|(current, _)| *current == number)
        else {
            return;
        };
        if let Connection::Cluster(_) = connection {
            state.connection = Some((number, connection.clone()));
            if state
                .silent
                .insert(key.to_owned(), reason.to_owned())
                .is_none()
            {
                tracing::warn!(key, reason, "a node of the cluster does not answer");
                tokio::spawn(hear_again(
                    Arc::downgrade(&self.state),
                    connection,
                    key.to_owned(),
                ));
            }
            return;
        }
        reason.clone_into(&mut state.reason);
        drop(state);
        tracing::warn!(reason, "the store of shared limits is away");
        self.reconnect();
    }

    async fn look(&self) -> Result<Connection, String> {
        match timeout(PATIENCE, self.servers.connect()).await {
            Ok(connected) => connected.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    fn reconnect(&self) {
        let state = Arc::downgrade(&self.state);
        let (servers, time_box) = (self.servers.clone(), self.time_box);
        tokio::spawn(async move {
            let mut pause = LOOK_FIRST;
            loop {
                sleep(pause).await;
                pause = (pause * 2).min(LOOK_LAST);
                let Some(state) = state.upgrade() else { return };
                let link = Self {
                    servers: servers.clone(),
                    time_box,
                    state,
                };
                match link.look().await {
                    Ok(connection) => {
                        let mut state = link.state.lock();
                        state.number += 1;
                        state.connection = Some((state.number, connection));
                        tracing::info!("the store of shared limits is back");
                        return;
                    }
                    Err(reason) => link.state.lock().reason = reason,
                }
            }
        });
    }
}

/// Asks a cluster for a key until its node answers.
async fn hear_again(state: Weak<Mutex<State>>, mut connection: Connection, key: String) {
    let mut exists = Cmd::new();
    exists.arg("EXISTS").arg(&key);
    let mut pause = LOOK_FIRST;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_LAST);
        let answer: Result<RedisResult<Value>, _> =
            timeout(PATIENCE, connection.ask(&exists)).await;
        let Some(state) = state.upgrade() else { return };
        if matches!(answer, Ok(Ok(_))) {
            state.lock().silent.remove(&key);
            tracing::info!(key, "the node of the cluster answers again");
            return;
        }
    }
}

/// Whether a server has said no to what was asked, and would say so again.
pub(crate) fn is_refusal(error: &RedisError) -> bool {
    error.code().is_some_and(|code| !PASSING.contains(&code))
}

pub(crate) fn in_its_words(error: &RedisError) -> String {
    let (code, detail) = (error.code(), error.detail());
    format!(
        "{} {}",
        code.unwrap_or_default(),
        detail.unwrap_or_default()
    )
}
