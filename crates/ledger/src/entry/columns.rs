//! Records as rows.

use super::{CallId, Entry, Outcome};
use crate::table::{Column, Merge, Table};
use crate::value::{Kind, Value};

use Kind::{Integer, Text};

/// The columns after the id, in the order of the fields.
pub(crate) const COLUMNS: [(&str, Kind); 40] = [
    ("ended_at_ms", Integer),
    ("tenant", Text),
    ("session", Text),
    ("key_id", Text),
    ("tags", Text),
    ("route", Text),
    ("provider", Text),
    ("model", Text),
    ("model_answered", Text),
    ("service_tier", Text),
    ("priority", Text),
    ("input_tokens", Integer),
    ("cached_tokens", Integer),
    ("cache_write_tokens", Integer),
    ("output_tokens", Integer),
    ("reasoning_tokens", Integer),
    ("audio_in_tokens", Integer),
    ("audio_out_tokens", Integer),
    ("image_in_tokens", Integer),
    ("image_out_tokens", Integer),
    ("images", Integer),
    ("audio_ms", Integer),
    ("price_version", Text),
    ("cost_nanousd", Integer),
    ("estimate_tokens", Integer),
    ("charge_tokens", Integer),
    ("wait_ms", Integer),
    ("attempts", Integer),
    ("first_byte_ms", Integer),
    ("duration_ms", Integer),
    ("outcome", Integer),
    ("status", Integer),
    ("error_code", Text),
    ("binding_limit", Text),
    ("pool", Text),
    ("instance", Text),
    ("lane", Text),
    ("passed", Text),
    ("hedged", Text),
    ("hedge_cost_nanousd", Integer),
];

/// The table of records; one that is there already is left as it is.
pub(crate) fn entry_table() -> Table {
    let id = Column::new("call_id", Kind::Bytes, Merge::Key);
    let others = COLUMNS.map(|(name, kind)| Column::new(name, kind, Merge::Keep));
    Table {
        name: "paceline_entry",
        columns: std::iter::once(id).chain(others).collect(),
    }
}

/// The table to search records by tag.
pub(crate) fn tag_table() -> Table {
    Table {
        name: "paceline_entry_tag",
        columns: vec![
            Column::new("call_id", Kind::Bytes, Merge::Key),
            Column::new("tag", Text, Merge::Key),
            Column::new("ended_at_ms", Integer, Merge::Keep),
        ],
    }
}

impl CallId {
    pub(crate) fn to_value(self) -> Value {
        Value::Bytes(self.0.to_be_bytes().to_vec())
    }

    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let bytes = value.bytes()?.try_into().ok()?;
        Some(Self(u128::from_be_bytes(bytes)))
    }
}

impl Entry {
    /// Its row, the id first.
    pub(crate) fn to_row(&self) -> Vec<Value> {
        let tags = serde_json::Value::from(self.tags.clone()).to_string();
        vec![
            self.call_id.to_value(),
            self.ended_at_ms.into(),
            self.tenant.clone().into(),
            self.session.clone().into(),
            self.key_id.clone().into(),
            tags.into(),
            self.route.clone().into(),
            self.provider.clone().into(),
            self.model.clone().into(),
            self.model_answered.clone().into(),
            self.service_tier.clone().into(),
            self.priority.clone().into(),
            self.input_tokens.into(),
            self.cached_tokens.into(),
            self.cache_write_tokens.into(),
            self.output_tokens.into(),
            self.reasoning_tokens.into(),
            self.audio_in_tokens.into(),
            self.audio_out_tokens.into(),
            self.image_in_tokens.into(),
            self.image_out_tokens.into(),
            self.images.into(),
            self.audio_ms.into(),
            self.price_version.clone().into(),
            self.cost_nanousd.into(),
            self.estimate_tokens.into(),
            self.charge_tokens.into(),
            self.wait_ms.into(),
            self.attempts.into(),
            self.first_byte_ms.into(),
            self.duration_ms.into(),
            self.outcome.code().into(),
            i64::from(self.status).into(),
            self.error_code.clone().into(),
            self.binding_limit.clone().into(),
            self.pool.clone().into(),
            self.instance.clone().into(),
            self.lane.clone().into(),
            self.passed.clone().into(),
            self.hedged.clone().into(),
            self.hedge_cost_nanousd.into(),
        ]
    }

    /// The record of a row; `None` when the row is not one.
    pub(crate) fn from_row(row: &[Value]) -> Option<Self> {
        let mut fields = Fields(row.iter());
        // In the order of the columns, which is the order in which these are evaluated.
        Some(Self {
            call_id: CallId::from_value(fields.0.next()?)?,
            ended_at_ms: fields.0.next()?.integer()?,
            tenant: fields.text()?,
            session: fields.maybe_text()?,
            key_id: fields.maybe_text()?,
            tags: serde_json::from_str(fields.0.next()?.text()?).ok()?,
            route: fields.text()?,
            provider: fields.text()?,
            model: fields.text()?,
            model_answered: fields.maybe_text()?,
            service_tier: fields.maybe_text()?,
            priority: fields.maybe_text()?,
            input_tokens: fields.count()?,
            cached_tokens: fields.count()?,
            cache_write_tokens: fields.count()?,
            output_tokens: fields.count()?,
            reasoning_tokens: fields.count()?,
            audio_in_tokens: fields.count()?,
            audio_out_tokens: fields.count()?,
            image_in_tokens: fields.count()?,
            image_out_tokens: fields.count()?,
            images: fields.count()?,
            audio_ms: fields.count()?,
            price_version: fields.maybe_text()?,
            cost_nanousd: fields.maybe_count()?,
            estimate_tokens: fields.count()?,
            charge_tokens: fields.count()?,
            wait_ms: fields.count()?,
            attempts: fields.count()?,
            first_byte_ms: fields.maybe_count()?,
            duration_ms: fields.count()?,
            outcome: Outcome::from_code(fields.0.next()?.integer()?)?,
            status: u16::try_from(fields.0.next()?.integer()?).ok()?,
            error_code: fields.maybe_text()?,
            binding_limit: fields.maybe_text()?,
            pool: fields.maybe_text()?,
            instance: fields.text()?,
            lane: fields.maybe_text()?,
            passed: fields.maybe_text()?,
            hedged: fields.maybe_text()?,
            hedge_cost_nanousd: fields.maybe_count()?,
        })
    }
}

struct Fields<'a>(std::slice::Iter<'a, Value>);

impl Fields<'_> {
    fn text(&mut self) -> Option<String> {
        self.0.next()?.text().map(str::to_owned)
    }

    fn count(&mut self) -> Option<u64> {
        u64::try_from(self.0.next()?.integer()?).ok()
    }

    fn maybe_text(&mut self) -> Option<Option<String>> {
        match self.0.next()? {
            Value::Null => Some(None),
            value => Some(Some(value.text()?.to_owned())),
        }
    }

    fn maybe_count(&mut self) -> Option<Option<u64>> {
        match self.0.next()? {
            Value::Null => Some(None),
            value => Some(Some(u64::try_from(value.integer()?).ok()?)),
        }
    }
}
