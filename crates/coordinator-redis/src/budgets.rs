//! Budgets in the store: one hash for each account, and one script that deals with all the accounts of a
//! message at once.

mod wire;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use paceline_coordinator::budgets::{BudgetAnswer, BudgetAsk, BudgetStore, BudgetWakes, Wake};
use paceline_coordinator::{Later, StoreError, Wakes as _};
use redis::{Cmd, Script, Value};

use crate::coordinator::error;
use crate::link::{Failure, Link};
use crate::servers::Servers;
use crate::settings::{Settings, SettingsError};
use crate::wakes::{self, Told};

/// The rules, in the server's language. Its name carries the format of the state it works on.
const BUDGETS: &str = include_str!("../lua/budgets_v1.lua");

/// The format of the state, which keys carry.
const FORMAT: u32 = 1;

/// Budgets in Redis or Valkey. Clones share one connection.
#[derive(Clone)]
pub struct RedisBudgets {
    name: String,
    prefix: String,
    channel: String,
    hash: String,
    link: Link,
}

impl fmt::Debug for RedisBudgets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisBudgets")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl RedisBudgets {
    /// Connects. A store that cannot be reached within two seconds is no error: calls fail until it
    /// can be, which a task on the present runtime finds out.
    ///
    /// # Errors
    /// When the settings cannot be used.
    pub async fn connect(settings: &Settings) -> Result<Self, SettingsError> {
        let servers = Servers::new(settings)?;
        let link = Link::open(servers, settings.time_box).await;
        Ok(Self::new(&settings.name(), &settings.prefix, link))
    }

    pub(crate) fn new(name: &str, prefix: &str, link: Link) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            channel: format!("{prefix}wake:budgets"),
            hash: Script::new(BUDGETS).get_hash().to_owned(),
            link,
        }
    }

    /// The key that holds the account of a budget, by its [`paceline_coordinator::budgets::Budget::key`].
    #[must_use]
    pub fn key(&self, budget: &str) -> String {
        format!("{}budget{{budgets}}:{budget}:v{FORMAT}", self.prefix)
    }

    async fn say(&self, ask: &BudgetAsk) -> Result<BudgetAnswer, StoreError> {
        let unreadable = || {
            let reason = "the script's answer cannot be read".to_owned();
            error(&self.name, Failure::Refused(reason))
        };
        let names: Vec<String> = ask.lines.iter().map(|line| line.budget.key()).collect();
        let keys: Vec<String> = names.iter().map(|name| self.key(name)).collect();
        let Some(first) = keys.first() else {
            return Err(error(
                &self.name,
                Failure::Refused("a message is about no budget".to_owned()),
            ));
        };
        let message = wire::encode(ask);
        let call = |name: &str, script: &str| {
            command(name, script, &keys, &message, &self.channel, &names)
        };
        let by_hash = |_: &str| call("EVALSHA", &self.hash);
        let by_text = |_: &str| call("EVAL", BUDGETS);
        let answer = self.link.call(first, by_hash, by_text).await;
        let answer = answer.map_err(|failure| error(&self.name, failure))?;
        match &answer {
            Value::BulkString(bytes) => wire::decode(ask, bytes).ok_or_else(unreadable),
            _ => Err(unreadable()),
        }
    }
}

fn command(
    name: &str,
    script: &str,
    keys: &[String],
    message: &[u8],
    channel: &str,
    names: &[String],
) -> Cmd {
    let mut command = Cmd::new();
    command.arg(name).arg(script).arg(keys.len()).arg(keys);
    command.arg(message).arg(channel).arg(names);
    command
}

impl BudgetStore for RedisBudgets {
    fn exchange<'a>(&'a self, ask: &'a BudgetAsk) -> Later<'a, BudgetAnswer> {
        Box::pin(self.say(ask))
    }

    fn wakes(&self) -> Later<'_, Box<dyn BudgetWakes>> {
        Box::pin(async move {
            let servers = self.link.servers().clone();
            let told = wakes::listen(servers, self.channel.clone()).await;
            let told = told.map_err(|reason| error(&self.name, Failure::Away(reason)))?;
            Ok(Box::new(Words(told)) as Box<dyn BudgetWakes>)
        })
    }
}

/// What the script publishes, understood.
struct Words(Told);

impl BudgetWakes for Words {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Wake>> + Send + '_>> {
        Box::pin(async move {
            let word = self.0.next().await?;
            Some(match (word.strip_prefix('+'), word.strip_prefix('-')) {
                (Some(key), _) => Wake::Room(key.to_owned()),
                (_, Some(key)) => Wake::Return(key.to_owned()),
                _ => Wake::All,
            })
        })
    }
}

#[cfg(test)]
mod tests;
