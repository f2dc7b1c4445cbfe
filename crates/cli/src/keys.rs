//! `paceline keys`: make, show, rotate and revoke the keys that callers present.

mod show;

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use paceline_keys::{KeyFile, KeyFileError, KeyId, ModelPattern, NewKey, Priority};

use crate::exit::Failure;
use crate::load::ClientArgs;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
A key is printed once, on standard output alone, and kept nowhere. Its hash is in keys.json of the
state folder, its secret in keys.secret beside it: keep both, and show neither.

Examples:
  paceline keys create --name \"chat app\" --tenant acme --expires 90d --model 'gpt-4o*'
  paceline keys create --name nightly --tenant acme --priority batch > nightly.key
  paceline keys list
  paceline keys rotate k-0123456789abcdef --grace 1d
  paceline keys revoke k-0123456789abcdef";

/// Make, list, rotate and revoke the keys that callers present
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum KeysCommand {
    Create(CreateArgs),
    List(ListArgs),
    Rotate(RotateArgs),
    Revoke(RevokeArgs),
}

/// Where the keys are.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    configured: ClientArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Make a key and print it, this once
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What to call it
    #[arg(long)]
    name: String,
    /// Tenant as which its calls count
    #[arg(long)]
    tenant: String,
    /// How long it is valid, such as 90d or 12h; without this, until it is revoked
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
    /// Model it may be used for, with * for anything; may be repeated; without this, all
    #[arg(long = "model", value_name = "PATTERN")]
    models: Vec<String>,
    /// Budget that its calls have to fit; may be repeated
    #[arg(long = "budget", value_name = "NAME")]
    budgets: Vec<String>,
    /// Weight of its tenant among others
    #[arg(long, value_name = "NUMBER")]
    weight: Option<u32>,
    /// Priority of its calls, unless they name one
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<PriorityArg>,
    #[command(flatten)]
    place: Place,
}

/// Show all keys; of each no more than its first letters
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    place: Place,
}

/// Put a new key in the place of one, and print it, this once
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Key, by its id
    #[arg(value_name = "ID")]
    id: String,
    /// How long the present key stays valid too, such as 1d, 12h or 0s
    #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "1d")]
    grace: u64,
    #[command(flatten)]
    place: Place,
}

/// Revoke a key, at once and for good
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// Key, by its id
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    Interactive,
    Standard,
    Batch,
}

impl From<PriorityArg> for Priority {
    fn from(priority: PriorityArg) -> Self {
        match priority {
            PriorityArg::Interactive => Self::Interactive,
            PriorityArg::Standard => Self::Standard,
            PriorityArg::Batch => Self::Batch,
        }
    }
}

pub(crate) fn run(command: &KeysCommand) -> Result<(), Failure> {
    let now = now_unix_s();
    match command {
        KeysCommand::Create(args) => create(args, now),
        KeysCommand::List(args) => list(args, now),
        KeysCommand::Rotate(args) => rotate(args, now),
        KeysCommand::Revoke(args) => revoke(args, now),
    }
}

fn create(args: &CreateArgs, now: u64) -> Result<(), Failure> {
    let new = NewKey {
        name: args.name.clone(),
        tenant: args.tenant.clone(),
        expires_unix_s: args.expires.map(|seconds| now.saturating_add(seconds)),
        models: args.models.iter().cloned().map(ModelPattern).collect(),
        budgets: args.budgets.clone(),
        weight: args.weight,
        priority: args.priority.map(Priority::from),
    };
    let (record, key) = args.place.open()?.create(new, now).map_err(failed)?;
    show::secret(&record, &key, now, args.place.json)?;
    Terminal::stderr().line(&format!(
        "made the key {} of tenant {}; it is not shown again",
        record.id, record.tenant
    ))
}

fn list(args: &ListArgs, now: u64) -> Result<(), Failure> {
    let file = args.place.open()?;
    if args.place.json {
        return show::json(file.records(), now);
    }
    if file.records().is_empty() {
        return Terminal::stderr()
            .line("no keys yet: paceline keys create --name NAME --tenant TENANT");
    }
    show::table(file.records(), now)
}

fn rotate(args: &RotateArgs, now: u64) -> Result<(), Failure> {
    let id = KeyId(args.id.clone());
    let rotated = args.place.open()?.rotate(&id, args.grace, now);
    let (record, key) = rotated.map_err(failed)?;
    show::secret(&record, &key, now, args.place.json)?;
    let until = show::time_left(args.grace);
    Terminal::stderr().line(&format!(
        "rotated the key {}; the former one is valid for {until} more",
        record.id
    ))
}

fn revoke(args: &RevokeArgs, now: u64) -> Result<(), Failure> {
    let id = KeyId(args.id.clone());
    let record = args.place.open()?.revoke(&id, now).map_err(failed)?;
    if args.place.json {
        show::json(std::slice::from_ref(&record), now)?;
    }
    Terminal::stderr().line(&format!(
        "revoked the key {} of tenant {}",
        record.id, record.tenant
    ))
}

impl Place {
    fn open(&self) -> Result<KeyFile, Failure> {
        let settings = self.configured.load_as_client()?;
        KeyFile::open(settings.admin.state_dir).map_err(failed)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form of map_err")]
fn failed(error: KeyFileError) -> Failure {
    Failure::other(error.to_string())
}

fn now_unix_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Reads a whole number with its unit.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: a number and s, m, h or d, such as 90d");
    let (number, unit) = text
        .split_at_checked(text.len().saturating_sub(1))
        .ok_or_else(wrong)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_with_units() {
        assert_eq!(seconds("90d"), Ok(7_776_000));
        assert_eq!(seconds("0s"), Ok(0));
        for wrong in [
            "",
            "d",
            "1",
            "1w",
            "-1d",
            "1é",
            "99999999999999999999d",
            "999999999999999999d",
        ] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
