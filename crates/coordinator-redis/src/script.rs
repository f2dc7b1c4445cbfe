//! The script that decides on the server, and how it is called.

use std::collections::HashMap;

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
        let code = with_constants_in_place(code);
        let hash = Script::new(&code).get_hash().to_owned();
        Self { code, hash }
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

/// Puts numbers where the names of constants are, and leaves their lines empty.
///
/// The server makes the script's functions anew with every call, and each takes time for every name
/// outside of it that it uses.
fn with_constants_in_place(code: &str) -> String {
    let mut values = HashMap::new();
    let mut rest = Vec::new();
    for line in code.lines() {
        let constants = constants(line);
        rest.push(if constants.is_empty() { line } else { "" });
        values.extend(constants);
    }
    let mut inlined = String::with_capacity(code.len());
    for line in rest {
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        for word in line.split_inclusive(|letter| !is_part(letter)) {
            let name = word.trim_end_matches(|letter| !is_part(letter));
            inlined.push_str(values.get(name).copied().unwrap_or(name));
            inlined.push_str(&word[name.len()..]);
        }
        inlined.push('\n');
    }
    inlined
}

/// The names and numbers of a line that is about nothing else.
fn constants(line: &str) -> Vec<(&str, &str)> {
    let sides = line
        .strip_prefix("local ")
        .and_then(|line| line.split_once(" = "));
    let Some((names, numbers)) = sides else {
        return Vec::new();
    };
    let pairs: Vec<_> = names.split(", ").zip(numbers.split(", ")).collect();
    let is_constant = |(name, number): &(&str, &str)| {
        let is_upper = |letter: char| letter.is_ascii_uppercase() || letter == '_';
        name.chars().all(is_upper) && number.parse::<f64>().is_ok()
    };
    if pairs.iter().all(is_constant) {
        pairs
    } else {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
