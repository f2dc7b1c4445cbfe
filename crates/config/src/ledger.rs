//! `[ledger]`: where usage records are kept, and for how long.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::secret::RawSecret;
use crate::{Origin, Secret};

pub(crate) const DATABASE: &str = "ledger.database";

/// Where usage records are kept, and for how long.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Whether records are kept at all.
    pub enabled: bool,
    /// Address of a Postgres database, which may hold a password; `None` means a file in the state
    /// folder.
    pub database: Option<Secret>,
    /// Days for which records are kept.
    pub records_days: u32,
    /// Days for which sums by minute are kept.
    pub minutes_days: u32,
    /// Days for which sums by hour are kept.
    pub hours_days: u32,
    /// Days for which sums by day are kept; `None`: for good.
    pub days_days: Option<u32>,
    /// Days for which it is kept what sessions have spent.
    pub sessions_days: u32,
}

/// One record for each call: who, what, how much, and why it waited. No prompts, no answers, no keys.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLedger {
    /// Whether records are kept at all.
    enabled: bool,
    /// Postgres database, by which several gateways have one ledger, as in
    /// `postgres://paceline@10.0.0.6/paceline`. Left out: ledger.db in the state folder.
    #[schemars(extend("examples" = [{ "env": "DATABASE_URL" }]))]
    database: Option<RawSecret>,
    /// Days for which records are kept.
    #[schemars(range(min = 1, max = 36_500))]
    records_days: u32,
    /// Days for which sums by minute are kept.
    #[schemars(range(min = 1, max = 36_500))]
    minutes_days: u32,
    /// Days for which sums by hour are kept.
    #[schemars(range(min = 1, max = 36_500))]
    hours_days: u32,
    /// Days for which sums by day are kept. Left out: for good.
    #[schemars(range(min = 1, max = 36_500))]
    #[schemars(extend("examples" = [1_825]))]
    days_days: Option<u32>,
    /// Days for which it is kept what sessions have spent.
    #[schemars(range(min = 1, max = 36_500))]
    sessions_days: u32,
}

impl Default for RawLedger {
    fn default() -> Self {
        Self {
            enabled: true,
            database: None,
            records_days: 30,
            minutes_days: 7,
            hours_days: 400,
            days_days: None,
            sessions_days: 90,
        }
    }
}

impl RawLedger {
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Ledger {
        if !self.enabled && checker.is_set(DATABASE) {
            checker.notice(DATABASE, "has no effect with ledger.enabled = false");
        }
        Ledger {
            enabled: self.enabled,
            database: self
                .database
                .and_then(|database| check_database(database, checker)),
            records_days: self.records_days,
            minutes_days: self.minutes_days,
            hours_days: self.hours_days,
            days_days: self.days_days,
            sessions_days: self.sessions_days,
        }
    }
}

fn check_database(database: RawSecret, checker: &mut Checker<'_>) -> Option<Secret> {
    let is_literal = database.is_literal();
    let database = database.fetch(DATABASE, checker)?;
    let address = database.expose();
    let rest = ["postgres://", "postgresql://"]
        .into_iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    let Some(rest) = rest else {
        let what = "must begin with postgres:// or postgresql://";
        let hint = "as in postgres://paceline@10.0.0.6/paceline; the value is not shown here";
        checker.problem(DATABASE, what, hint);
        return None;
    };
    let has_password = rest
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'));
    if is_literal && has_password {
        match checker.origin(DATABASE) {
            Origin::File { .. } => {
                let what = "holds a password and is written in the file itself; \
                            { env = \"NAME\" } or { file = \"PATH\" } keeps it out";
                checker.notice(DATABASE, what);
            }
            Origin::Option(_) => {
                let what = "holds a password, and other users of this machine can see the \
                            command line; PACELINE_LEDGER_DATABASE keeps it out";
                checker.notice(DATABASE, what);
            }
            _ => {}
        }
    }
    Some(database)
}
