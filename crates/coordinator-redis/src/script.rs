//! The script that decides on the server, and how it is called.

use redis::{Cmd, Script};

/// The rules, in the server's language. Its name carries the format of the state it works on.
const EXCHANGE: &str = include_str!("../lua/exchange_v1.lua");

/// The format of the state, which keys carry.
pub(crate) const FORMAT: u32 = 1;

/// A script that the server may know already.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    code: String,
    hash: String,
}

/// What it is called with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    /// The domain's hash.
    pub(crate) key: &'a str,
    /// The message.
    pub(crate) message: &'a [u8],
    /// Which run of which server this is said to; empty: not known.
    pub(crate) server: &'a str,
    /// What the names of channels begin with.
    pub(crate) channels: &'a str,
    /// What listeners are told.
    pub(crate) domain: &'a str,
}

impl Exchange {
    pub(crate) fn new() -> Self {
        Self::of(EXCHANGE)
    }

    fn of(code: &str) -> Self {
        Self {
            code: code.to_owned(),
            hash: Script::new(code).get_hash().to_owned(),
        }
    }

    /// Calls it by its hash; the server refuses when it has forgotten it.
    pub(crate) fn by_hash(&self, call: &Call<'_>) -> Cmd {
        command("EVALSHA", &self.hash, call)
    }

    /// Calls it by its text, so that the server knows it from then on.
    pub(crate) fn by_text(&self, call: &Call<'_>) -> Cmd {
        command("EVAL", &self.code, call)
    }
}

fn command(name: &str, script: &str, call: &Call<'_>) -> Cmd {
    let mut command = Cmd::new();
    command.arg(name).arg(script).arg(1).arg(call.key);
    command.arg(call.message).arg(call.server);
    command.arg(call.channels).arg(call.domain);
    command
}

#[cfg(test)]
mod tests;
