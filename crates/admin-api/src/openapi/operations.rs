//! What the admin plane answers to: one entry for each path and method.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::parameters::{self, Parameter};
use crate::{
    Alerts, BudgetStandings, CallRecord, Cancelled, Changes, CostBreakdown, DashboardSession,
    DashboardTicket, Estimates, Forecasts, History, LaneState, Lanes, LedgerState, Now,
    Performance, PromptSizes, QueueStatus, RateLimits, RequestsPage, ResetAnswer, ResetRequest,
    SessionUsage, SignIn, Simulation, SimulationProposal, SimulationRequest, Suggestions,
    TokenUsage, WaitingCall,
};

/// Makes the schema of an answer.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Value;

/// One path and method.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) parameters: &'static [&'static [Parameter]],
    /// The body of the request, with whether it is needed.
    pub(super) body: Option<(bool, SchemaOf)>,
    /// Media types of the answer, with the schema of each; none: the answer is empty.
    pub(super) answers: &'static [(&'static str, SchemaOf)],
    /// Besides those that every operation behind the token has.
    pub(super) errors: &'static [Status],
    /// Whether it asks for no token.
    pub(super) is_open: bool,
    /// Whether what answers is the data plane, with any status.
    pub(super) is_passed_on: bool,
}

/// A way in which an operation may not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    LedgerOff,
    TooManyAttempts,
    StoreFailed,
    StoreAway,
    TooManyListeners,
    SimulationBusy,
    SimulationFailed,
    NotReady,
}

impl Status {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::BadRequest => "400",
            Self::Unauthorized => "401",
            Self::Forbidden => "403",
            Self::NotFound => "404",
            Self::LedgerOff => "409",
            Self::TooManyAttempts => "429",
            Self::StoreFailed | Self::SimulationFailed => "500",
            Self::StoreAway | Self::TooManyListeners | Self::SimulationBusy | Self::NotReady => {
                "503"
            }
        }
    }

    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::BadRequest => {
                "A parameter is wrong, unknown or given twice, or the body is not understood."
            }
            Self::Unauthorized => "The admin token is missing or wrong, or the session is over.",
            Self::Forbidden => {
                "The request comes from a page of another origin or names a host that is not served."
            }
            Self::TooManyAttempts => "Too many wrong tokens came lately; try again later.",
            Self::NotFound => "There is no such thing.",
            Self::LedgerOff => "No usage records are kept; ledger.enabled = true turns them on.",
            Self::StoreFailed => "The ledger's store refuses, or is not a ledger.",
            Self::StoreAway => "The ledger's store is away; ask again later.",
            Self::TooManyListeners => "As many listen as may, or the gateway stops.",
            Self::SimulationBusy => "Another simulation is under way; ask again in a moment.",
            Self::SimulationFailed => "The simulation was ended by an error of its own.",
            Self::NotReady => "The gateway stops, or the provider could not be reached.",
        }
    }
}

impl Operation {
    /// A name for generated clients: `get_monitoring_token_usage`.
    pub(super) fn id(&self) -> String {
        let words = self.path.split(['/', '-', '.', '_', '{', '}']);
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        format!("{}_{}", self.method, words.join("_"))
    }

    /// Errors that need not be listed with each operation.
    pub(super) fn always(&self) -> &'static [Status] {
        match self.is_open {
            true => &[],
            false => &[
                Status::BadRequest,
                Status::Unauthorized,
                Status::Forbidden,
                Status::TooManyAttempts,
            ],
        }
    }
}

/// An operation of the ledger with these parameters.
const fn ledger(path: &'static str, summary: &'static str) -> Operation {
    Operation {
        errors: &[Status::LedgerOff, Status::StoreFailed, Status::StoreAway],
        tag: "usage",
        ..live(path, summary)
    }
}

/// An operation that is answered from memory.
const fn live(path: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: "get",
        path,
        tag: "limits",
        summary,
        parameters: &[],
        body: None,
        answers: &[],
        errors: &[],
        is_open: false,
        is_passed_on: false,
    }
}

const fn open(path: &'static str, summary: &'static str) -> Operation {
    Operation {
        tag: "health",
        is_open: true,
        answers: &[(TEXT, text)],
        ..live(path, summary)
    }
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

fn json_of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

/// A body that is sent to the gateway: what may be left out of it is not needed.
fn body_of<T: JsonSchema>(_: &mut SchemaGenerator) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schemas = settings.for_deserialize().into_generator();
    schemas.into_root_schema_for::<T>().to_value()
}

fn text(_: &mut SchemaGenerator) -> Value {
    json!({ "type": "string" })
}

/// An event stream, whose events `now` hold this as their data.
fn events(schemas: &mut SchemaGenerator) -> Value {
    let data = schemas.subschema_for::<Now>().to_value();
    json!({
        "type": "string",
        "description": "Server-sent events named `now`; the data of each is JSON.",
        "contentMediaType": "text/event-stream",
        "x-event-data": data,
    })
}

fn any_object(_: &mut SchemaGenerator) -> Value {
    json!({ "type": "object" })
}

/// All of them.
pub(super) const OPERATIONS: &[Operation] = &[
    open("/healthz", "Whether the process serves."),
    Operation {
        errors: &[Status::NotReady],
        ..open("/readyz", "Whether requests should be sent here.")
    },
    Operation {
        tag: "health",
        answers: &[(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            text,
        )],
        ..live("/metrics", "Metrics in the OpenMetrics format.")
    },
    Operation {
        tag: "health",
        answers: &[(JSON, any_object)],
        ..live("/openapi.json", "This document.")
    },
    Operation {
        answers: &[(JSON, json_of::<RateLimits>)],
        ..live(
            "/monitoring/rate-limits",
            "Every limit pool: how full its limits are and what is believed of them.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<QueueStatus>)],
        parameters: &[parameters::QUEUE],
        ..live(
            "/monitoring/queue-status",
            "Who waits, for what and how long still.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<WaitingCall>)],
        parameters: &[parameters::WAITING],
        errors: &[Status::NotFound],
        ..live("/monitoring/queue/{id}", "One request that waits.")
    },
    Operation {
        method: "delete",
        answers: &[(JSON, json_of::<Cancelled>)],
        parameters: &[parameters::WAITING],
        errors: &[Status::NotFound],
        ..live(
            "/monitoring/queue/{id}",
            "Ends the wait of one request; its caller is answered with 409.",
        )
    },
    Operation {
        method: "delete",
        answers: &[(JSON, json_of::<Cancelled>)],
        parameters: &[parameters::WAITING_SESSION],
        ..live(
            "/monitoring/sessions/{id}",
            "Ends the waits of all requests of a session.",
        )
    },
    Operation {
        method: "post",
        body: Some((false, body_of::<ResetRequest>)),
        answers: &[(JSON, json_of::<ResetAnswer>)],
        errors: &[Status::NotFound],
        ..live(
            "/monitoring/reset-rate-limits",
            "Lets one pool or all forget what they learned and counted, without a burst. The body may \
             name a pool: {\"pool\": NAME}.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<Lanes>)],
        ..live(
            "/monitoring/lanes",
            "Lanes, which are the ways to reach models, how each does, and the providers.",
        )
    },
    Operation {
        method: "post",
        parameters: &[parameters::LANE],
        answers: &[(JSON, json_of::<LaneState>)],
        errors: &[Status::NotFound],
        ..live(
            "/monitoring/lanes/{name}/reset",
            "Takes a lane to be well, whatever its calls told; the answer is how it stands then.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<BudgetStandings>)],
        ..live(
            "/monitoring/budgets",
            "Budgets that calls were held to lately, and how they stand.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<Alerts>)],
        ..live(
            "/monitoring/alerts",
            "Thresholds of budgets that were reached, the latest first.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<Estimates>)],
        ..live(
            "/monitoring/estimates",
            "What was learned about the tokens of requests and answers.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<Forecasts>)],
        ..live(
            "/monitoring/forecasts",
            "When each limit will be hit at the present demand, and what will be spent.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<History>)],
        parameters: &[parameters::HISTORY],
        ..live(
            "/monitoring/history",
            "How full limits and queues were, over the last hour or day.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<Changes>)],
        parameters: &[parameters::POOL, parameters::LIMIT],
        ..live(
            "/monitoring/changes",
            "What happened to pools and to what is believed of them, the latest first.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<SimulationProposal>)],
        tag: "simulation",
        ..live(
            "/monitoring/simulation",
            "A simulation that could be asked for, filled in from the present, and the presets.",
        )
    },
    Operation {
        method: "post",
        body: Some((true, body_of::<SimulationRequest>)),
        answers: &[(JSON, json_of::<Simulation>)],
        tag: "simulation",
        errors: &[Status::SimulationFailed, Status::SimulationBusy],
        ..live(
            "/monitoring/simulation",
            "Plays a workload under a quota in virtual time; nothing of the gateway changes.",
        )
    },
    Operation {
        answers: &[("text/event-stream", events)],
        errors: &[Status::TooManyListeners],
        ..live(
            "/monitoring/events",
            "A feed of changes: the present state, at most twice a second and only when it has changed.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<LedgerState>)],
        tag: "usage",
        ..live(
            "/monitoring/ledger",
            "Whether usage records are kept, and how writing them goes.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<TokenUsage>)],
        parameters: &[
            parameters::TIME,
            parameters::CALLS,
            parameters::SERIES,
            parameters::GROUPS,
        ],
        ..ledger(
            "/monitoring/token-usage",
            "Tokens of calls: in all, over time and by what they have in common.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<SessionUsage>)],
        parameters: &[
            parameters::SESSION_PATH,
            parameters::TIME_OF_SESSION,
            parameters::CALLS_OF_SESSION,
            parameters::SERIES,
        ],
        ..ledger(
            "/monitoring/session-usage/{session_id}",
            "What a session did: tokens, costs, times, models and outcomes.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<CostBreakdown>)],
        parameters: &[
            parameters::TIME,
            parameters::CALLS,
            parameters::SERIES,
            parameters::GROUPS,
        ],
        ..ledger(
            "/monitoring/cost-breakdown",
            "What calls cost: in all, over time and by what they have in common.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<Performance>)],
        parameters: &[
            parameters::TIME,
            parameters::CALLS,
            parameters::SERIES,
            parameters::GROUPS,
        ],
        ..ledger(
            "/monitoring/performance",
            "How long calls waited and took, how they ended, and a score for it.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<PromptSizes>)],
        parameters: &[parameters::TIME, parameters::CALLS, parameters::LIMIT],
        ..ledger(
            "/monitoring/prompt-sizes",
            "How large prompts are, by endpoint and model.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<Suggestions>)],
        ..ledger(
            "/monitoring/suggestions",
            "What would save money or time, with the evidence of the last 7 days.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<RequestsPage>)],
        parameters: &[
            parameters::TIME,
            parameters::CALLS,
            parameters::LIMIT,
            parameters::CURSOR,
        ],
        ..ledger(
            "/monitoring/requests",
            "The records of calls, the latest first, page by page.",
        )
    },
    Operation {
        answers: &[(JSON, json_of::<CallRecord>)],
        parameters: &[parameters::RECORD_PATH],
        errors: &[
            Status::NotFound,
            Status::LedgerOff,
            Status::StoreFailed,
            Status::StoreAway,
        ],
        ..ledger("/monitoring/requests/{id}", "The record of one call.")
    },
    Operation {
        answers: &[
            ("text/csv; charset=utf-8", text),
            ("application/jsonl", text),
        ],
        parameters: &[parameters::TIME, parameters::CALLS, parameters::FORMAT],
        ..ledger(
            "/monitoring/export",
            "The records of calls as CSV or JSON lines, the oldest first.",
        )
    },
    Operation {
        method: "post",
        tag: "dashboard",
        body: Some((true, body_of::<SignIn>)),
        errors: &[
            Status::BadRequest,
            Status::Unauthorized,
            Status::Forbidden,
            Status::TooManyAttempts,
        ],
        is_open: true,
        ..live(
            "/dashboard/session",
            "Signs a browser in: the answer sets a cookie that opens what the token opens.",
        )
    },
    Operation {
        tag: "dashboard",
        answers: &[(JSON, json_of::<DashboardSession>)],
        ..live(
            "/dashboard/session",
            "What the dashboard's page has to know at its start.",
        )
    },
    Operation {
        method: "delete",
        tag: "dashboard",
        ..live(
            "/dashboard/session",
            "Signs the browser out: its cookie opens nothing any more.",
        )
    },
    Operation {
        method: "post",
        tag: "dashboard",
        answers: &[(JSON, json_of::<DashboardTicket>)],
        ..live(
            "/dashboard/ticket",
            "Makes a ticket that signs in once, in place of the token, within a minute.",
        )
    },
    Operation {
        method: "post",
        tag: "dashboard",
        body: Some((true, any_object)),
        answers: &[(JSON, any_object), ("text/event-stream", text)],
        is_passed_on: true,
        ..live(
            "/dashboard/chat/completions",
            "A chat completion through the data plane, as a call of whoever is signed in. Answers of the \
             data plane carry x-paceline-answered-by, whatever their status.",
        )
    },
];
