//! The parameters of operations.

use serde_json::{Value, json};

/// A parameter of a path or a query.
#[derive(Debug)]
pub(super) struct Parameter {
    name: &'static str,
    is_in_path: bool,
    description: &'static str,
    schema: fn() -> Value,
}

impl Parameter {
    pub(super) fn described(&self) -> Value {
        json!({
            "name": self.name,
            "in": if self.is_in_path { "path" } else { "query" },
            "required": self.is_in_path,
            "description": self.description,
            "schema": (self.schema)(),
        })
    }
}

const fn query(name: &'static str, description: &'static str, schema: fn() -> Value) -> Parameter {
    Parameter {
        name,
        is_in_path: false,
        description,
        schema,
    }
}

const fn path(name: &'static str, description: &'static str, schema: fn() -> Value) -> Parameter {
    Parameter {
        is_in_path: true,
        ..query(name, description, schema)
    }
}

/// Which time.
pub(super) const TIME: &[Parameter] = &[
    query(
        "from",
        "Calls that ended then or later; left out: 24 hours before `to`.",
        moment,
    ),
    query("to", "Calls that ended before; left out: now.", moment),
];

/// Of which pool, and since when.
pub(super) const HISTORY: &[Parameter] = &[
    query(
        "from",
        "Steps from then on; left out: an hour ago. Up to an hour back there are steps of 10 seconds, up to a day back of 5 minutes.",
        moment,
    ),
    query(
        "pool",
        "Of this pool; left out: of all that are remembered.",
        name,
    ),
];

/// Of which pool.
pub(super) const POOL: &[Parameter] = &[query("pool", "Of this pool; left out: of all.", name)];

/// Which request that waits.
pub(super) const WAITING: &[Parameter] = &[path("id", "The id of the request.", name)];

/// Which lane.
pub(super) const LANE: &[Parameter] = &[path(
    "name",
    "The lane's name, percent-encoded: `claude%2Fclaude-haiku-4-5`.",
    lane_name,
)];

/// Whose waits.
pub(super) const WAITING_SESSION: &[Parameter] = &[path("id", "The name of the session.", name)];

/// Which time of a session.
pub(super) const TIME_OF_SESSION: &[Parameter] = &[
    query(
        "from",
        "Calls that ended then or later; left out: as far back as records are kept.",
        moment,
    ),
    query("to", "Calls that ended before; left out: now.", moment),
];

/// Which calls.
pub(super) const CALLS: &[Parameter] = &[
    query("tenant", "Of this tenant.", name),
    query("session", "Of this session.", name),
    query("model", "For this model, as it was asked for.", name),
    query(
        "key",
        "With the caller's key of this id; empty: without one.",
        name_or_none,
    ),
    query("provider", "At this provider.", name),
    query(
        "route",
        "At this endpoint, such as `chat_completions`.",
        name,
    ),
    query("tag", "With this tag among theirs.", name),
    query("outcome", "That ended in this way.", outcome),
    query(
        "lane",
        "Over this lane, as in `claude/claude-haiku-4-5`; sums by lane are of the records that are kept.",
        name,
    ),
];

/// Which calls of a session.
pub(super) const CALLS_OF_SESSION: &[Parameter] = &[
    query(
        "tenant",
        "Of this tenant; left out: of all that use the name.",
        name,
    ),
    query("model", "For this model, as it was asked for.", name),
    query(
        "key",
        "With the caller's key of this id; empty: without one.",
        name_or_none,
    ),
    query("provider", "At this provider.", name),
    query(
        "route",
        "At this endpoint, such as `chat_completions`.",
        name,
    ),
    query("tag", "With this tag among theirs.", name),
    query("outcome", "That ended in this way.", outcome),
    query(
        "lane",
        "Over this lane, as in `claude/claude-haiku-4-5`; sums by lane are of the records that are kept.",
        name,
    ),
];

/// How time is divided.
pub(super) const SERIES: &[Parameter] = &[
    query(
        "bucket",
        "Length of the stretches of `series`; of minutes and hours there may be 10000; left out: by the minute for up to 3 hours, by the hour for up to 8 days, else by the day.",
        bucket,
    ),
    query(
        "utc_offset",
        "How far local time is ahead of UTC, for the days and hours of `series`; left out: `Z`.",
        utc_offset,
    ),
];

/// How calls are told apart.
pub(super) const GROUPS: &[Parameter] = &[
    query(
        "group_by",
        "One or two of model, tenant, key, session, tag, route, provider, outcome and lane, with a comma between them; left out: `model`.",
        group_by,
    ),
    query("limit", "The most groups; left out: 100.", limit),
];

/// How many.
pub(super) const LIMIT: &[Parameter] = &[query("limit", "The most of them; left out: 100.", limit)];

/// Where a page starts.
pub(super) const CURSOR: &[Parameter] = &[query(
    "cursor",
    "`next` of the page before, as it is.",
    cursor,
)];

/// How records are written.
pub(super) const FORMAT: &[Parameter] = &[query("format", "Left out: `csv`.", format)];

/// How many of those that wait.
pub(super) const QUEUE: &[Parameter] = &[query(
    "limit",
    "The most waiting requests; left out: 1000.",
    queue_limit,
)];

/// A session.
pub(super) const SESSION_PATH: &[Parameter] = &[path("session_id", "The session's name.", name)];

/// A record.
pub(super) const RECORD_PATH: &[Parameter] = &[path(
    "id",
    "The id of a record, 32 hexadecimal digits, or the one that the answer told in x-paceline-request-id.",
    record_id,
)];

/// The longest name that records hold.
const NAME_CHARACTERS_MAX: u32 = 256;

/// Printable: no control characters.
const NAME: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

fn name() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": NAME_CHARACTERS_MAX,
        "pattern": NAME,
    })
}

/// A provider's name, a slash, and a model's name.
fn lane_name() -> Value {
    json!({ "type": "string", "minLength": 3, "pattern": NAME })
}

fn name_or_none() -> Value {
    json!({ "type": "string", "maxLength": NAME_CHARACTERS_MAX, "pattern": NAME })
}

fn moment() -> Value {
    json!({
        "anyOf": [
            {
                "type": "string",
                "format": "date-time",
                "description": "RFC 3339, from 1970 on.",
                "examples": ["2026-10-01T00:00:00Z"],
            },
            {
                "type": "integer",
                "minimum": 0,
                "maximum": 253_402_300_799_i64,
                "description": "Seconds since 1970.",
            },
            {
                "type": "string",
                "pattern": "^-[0-9]{1,6}[smhdw]$",
                "description": "So many seconds, minutes, hours, days or weeks ago.",
                "examples": ["-24h"],
            },
            { "type": "string", "const": "now" },
        ],
    })
}

fn outcome() -> Value {
    let names = [
        "ok",
        "provider_error",
        "refused",
        "upstream_failed",
        "caller_gone",
    ];
    json!({ "type": "string", "enum": names })
}

fn bucket() -> Value {
    json!({ "type": "string", "enum": ["minute", "hour", "day"] })
}

fn utc_offset() -> Value {
    json!({
        "type": "string",
        "pattern": "^(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
        "examples": ["+02:00"],
    })
}

fn group_by() -> Value {
    let one = "(model|tenant|key|session|tag|route|provider|outcome|lane)";
    json!({
        "type": "string",
        "pattern": format!("^{one}(,{one})?$"),
        "examples": ["model", "tenant,model"],
    })
}

fn limit() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": 1000 })
}

fn queue_limit() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": 10000 })
}

fn cursor() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{1,15}-[0-9a-f]{32}$" })
}

fn record_id() -> Value {
    json!({ "type": "string", "pattern": "^(pl-)?[0-9a-f]{32}$" })
}

fn format() -> Value {
    json!({ "type": "string", "enum": ["csv", "jsonl"] })
}
