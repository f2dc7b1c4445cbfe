//! What was spent before the budgets knew of it: the ledger tells.

use std::sync::Arc;

use paceline_coordinator::budgets::{Books, Budget, Unit, Window};
use paceline_coordinator::{Later, StoreError};
use paceline_ledger::{Ledger, Query, Scope, Spent};

use crate::record::Kept;

/// Parts the tenant from the session in a scope: no header can hold it.
const SEPARATOR: char = '\n';

/// The ledger as the books of budgets. While it cannot be opened, nothing is known.
pub(super) struct LedgerBooks(pub(super) Arc<Kept>);

impl Books for LedgerBooks {
    fn spent<'a>(&'a self, budget: &'a Budget, window: Window) -> Later<'a, u64> {
        Box::pin(async move {
            let since_ms = i64::try_from(window.start_ms).unwrap_or(i64::MAX);
            let ledger = self.0.ledger().ok_or_else(|| away(self.0.reason()))?;
            let spent = match scope(&budget.scope) {
                Some(scope) => ledger.spent(&scope, since_ms).await.map_err(away)?,
                None if budget.scope == "all" => total(ledger, since_ms).await?,
                // A name too long to be kept in full has no records under it.
                None => Spent::default(),
            };
            Ok(match budget.unit {
                Unit::Nanousd => spent.cost_nanousd,
                Unit::Tokens => spent.tokens(),
                Unit::Requests => spent.requests,
            })
        })
    }
}

async fn total(ledger: &Ledger, since_ms: i64) -> Result<Spent, StoreError> {
    let mut query = Query::default();
    query.filter.from_ms = Some(since_ms);
    let answer = ledger.query(&query).await.map_err(away)?;
    let usage = answer.groups.first().map(|group| &group.usage);
    Ok(usage.map_or_else(Spent::default, |usage| Spent {
        requests: usage.sent,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost_nanousd: usage.cost_nanousd,
        unpriced: 0,
    }))
}

fn away(error: impl std::fmt::Display) -> StoreError {
    StoreError::Away {
        store: "the ledger".to_owned(),
        reason: error.to_string(),
    }
}

/// The scope of a session: two tenants may choose the same name for theirs.
pub(super) fn session_scope(tenant: &str, session: &str) -> String {
    format!("session:{tenant}{SEPARATOR}{session}")
}

fn scope(text: &str) -> Option<Scope> {
    let (kind, name) = text.split_once(':')?;
    match kind {
        "tenant" => Some(Scope::Tenant(name.to_owned())),
        "key" => Some(Scope::Key(name.to_owned())),
        "tag" => Some(Scope::Tag(name.to_owned())),
        "session" => {
            let (tenant, session) = name.split_once(SEPARATOR)?;
            Some(Scope::Session {
                tenant: tenant.to_owned(),
                session: session.to_owned(),
            })
        }
        _ => None,
    }
}
