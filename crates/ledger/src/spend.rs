//! What somebody has spent since a time, for budgets.

use serde::{Deserialize, Serialize};

use crate::measures::{COST_OF_ROW, UNPRICED_OF_ROW};
use crate::period::Period;
use crate::query::{Level, Segment, segments};
use crate::rollup::{SPEND_SUMS, ScopeKind};
use crate::value::{Row, Statement, Value};

/// Whose spending.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// A tenant's.
    Tenant(String),
    /// That with the key of this id.
    Key(String),
    /// That of a session of a tenant. Callers choose the names of sessions: two tenants may choose
    /// the same one.
    Session {
        /// The tenant.
        tenant: String,
        /// The session.
        session: String,
    },
    /// That of calls with a tag.
    Tag(String),
}

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Calls that were sent to the provider. Refused ones take nothing of a budget.
    pub requests: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Cost in billionths of a dollar, of calls whose price is known.
    pub cost_nanousd: u64,
    /// Calls that were sent and whose price, or that of their second attempt, is not known.
    pub unpriced: u64,
}

impl Spent {
    /// Input and output tokens together.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    pub(crate) fn from_row(row: &[Value]) -> Self {
        let mut sums = row.iter().map(|value| {
            let sum = value.integer().unwrap_or(0);
            u64::try_from(sum).unwrap_or(0)
        });
        let mut next = || sums.next().unwrap_or(0);
        Self {
            requests: next(),
            input_tokens: next(),
            output_tokens: next(),
            cost_nanousd: next(),
            unpriced: next(),
        }
    }
}

impl Scope {
    fn parts(&self) -> (ScopeKind, &str, &str) {
        match self {
            Self::Tenant(tenant) => (ScopeKind::Tenant, tenant, ""),
            Self::Key(key) => (ScopeKind::Key, "", key),
            Self::Session { tenant, session } => (ScopeKind::Session, tenant, session),
            Self::Tag(tag) => (ScopeKind::Tag, "", tag),
        }
    }

    /// The statement that sums up what was spent in a stretch of time.
    pub(crate) fn statement(&self, from_ms: i64, until_ms: i64) -> Option<Statement> {
        let mut sql = Statement::new("SELECT ");
        let sums = SPEND_SUMS.map(|name| format!("CAST(coalesce(sum({name}), 0) AS BIGINT)"));
        sql.push(&sums.join(", ")).push(" FROM (");
        let segments = segments(from_ms, until_ms, Level::Rollup(Period::Day));
        for (index, segment) in segments.iter().enumerate() {
            if index > 0 {
                sql.push(" UNION ALL ");
            }
            self.push_segment(&mut sql, *segment);
        }
        sql.push(") parts");
        (!segments.is_empty()).then_some(sql)
    }

    fn push_segment(&self, sql: &mut Statement, segment: Segment) {
        let (kind, tenant, name) = self.parts();
        if let Level::Rollup(period) = segment.level {
            let columns = SPEND_SUMS.join(", ");
            sql.push(&format!(
                "SELECT {columns} FROM paceline_spend WHERE scope = "
            ));
            sql.bind(kind.code()).push(" AND tenant = ").bind(tenant);
            sql.push(" AND name = ")
                .bind(name)
                .push(" AND period = ")
                .bind(period.code());
            sql.push(" AND bucket_ms >= ").bind(segment.from_ms);
            sql.push(" AND bucket_ms < ").bind(segment.until_ms);
            return;
        }
        sql.push("SELECT CASE WHEN e.attempts > 0 THEN 1 ELSE 0 END AS sent, e.input_tokens, ");
        sql.push(&format!(
            "e.output_tokens, {COST_OF_ROW} AS cost_nanousd, {UNPRICED_OF_ROW} AS unpriced FROM "
        ));
        sql.push(match kind {
            ScopeKind::Tag => "paceline_entry_tag g CROSS JOIN paceline_entry e WHERE g.tag = ",
            ScopeKind::Tenant => "paceline_entry e WHERE e.tenant = ",
            ScopeKind::Key => "paceline_entry e WHERE e.key_id = ",
            ScopeKind::Session => "paceline_entry e WHERE e.session = ",
        });
        sql.bind(if kind == ScopeKind::Tenant {
            tenant
        } else {
            name
        });
        if kind == ScopeKind::Session {
            sql.push(" AND e.tenant = ").bind(tenant);
        }
        let time = if kind == ScopeKind::Tag { "g" } else { "e" };
        sql.push(&format!(" AND {time}.ended_at_ms >= "))
            .bind(segment.from_ms);
        sql.push(&format!(" AND {time}.ended_at_ms < "))
            .bind(segment.until_ms);
        if kind == ScopeKind::Tag {
            sql.push(" AND e.call_id = g.call_id");
        }
    }
}

/// Somebody and what they spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spender {
    /// Whose spending it is.
    pub scope: Scope,
    /// What was spent.
    pub spent: Spent,
}

/// What kind of scope to rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpenderKind {
    /// Tenants.
    Tenant,
    /// Keys.
    Key,
    /// Sessions.
    Session,
    /// Tags.
    Tag,
}

impl SpenderKind {
    fn scope_kind(self) -> ScopeKind {
        match self {
            Self::Tenant => ScopeKind::Tenant,
            Self::Key => ScopeKind::Key,
            Self::Session => ScopeKind::Session,
            Self::Tag => ScopeKind::Tag,
        }
    }

    /// The statement that ranks spenders by cost, then by tokens, over whole hours.
    pub(crate) fn ranking(self, from_ms: i64, until_ms: i64, limit: u64) -> Statement {
        let mut sql = Statement::new("SELECT tenant, name, ");
        let sums = SPEND_SUMS.map(|name| format!("CAST(sum({name}) AS BIGINT)"));
        sql.push(&sums.join(", "));
        sql.push(" FROM paceline_spend WHERE scope = ")
            .bind(self.scope_kind().code());
        sql.push(" AND ((").push("1 = 0");
        let hours = segments(from_ms, until_ms, Level::Rollup(Period::Day));
        for Segment {
            level,
            from_ms,
            until_ms,
        } in hours
        {
            if let Level::Rollup(period) = level {
                sql.push(") OR (period = ").bind(period.code());
                sql.push(" AND bucket_ms >= ").bind(from_ms);
                sql.push(" AND bucket_ms < ").bind(until_ms);
            }
        }
        sql.push(")) GROUP BY tenant, name ORDER BY sum(cost_nanousd) DESC, ");
        sql.push("sum(input_tokens + output_tokens) DESC, tenant, name LIMIT ")
            .bind(limit);
        sql
    }

    pub(crate) fn spender(self, row: &Row) -> Option<Spender> {
        let (tenant, name) = (
            row.first()?.text()?.to_owned(),
            row.get(1)?.text()?.to_owned(),
        );
        let scope = match self {
            Self::Tenant => Scope::Tenant(tenant),
            Self::Key => Scope::Key(name),
            Self::Session => Scope::Session {
                tenant,
                session: name,
            },
            Self::Tag => Scope::Tag(name),
        };
        Some(Spender {
            scope,
            spent: Spent::from_row(&row[2..]),
        })
    }
}
