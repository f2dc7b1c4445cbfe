//! What the gateway itself answers below `/v1` about batches: the question before one, and, where that is
//! asked for, OpenAI's files and batches.

mod desk;
mod drive;
mod files;
mod finish;
mod jobs;
mod object;
mod preflight;
mod upload;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use paceline_config::KeyUse;
use serde::Serialize;
use serde_json::Value;

use crate::body::ReplyBody;
use crate::caller::Caller;
use crate::intake::{IntakeBounds, IntakeError, read_whole};
use crate::respond::Problem;
use crate::server::{CallerBody, Worker};
use crate::shared::Live;

pub(crate) use desk::Desk;
pub(crate) use drive::keep_house;

use object::RunAs;

/// What creates a batch is short.
const BODY_BYTES_MAX: u64 = 64 * 1024;

/// Most objects of a page.
const PAGE_MAX: usize = 10_000;

/// Which of these calls a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Whether a batch would be through in time.
    Preflight,
    Upload,
    ListFiles,
    File(String),
    DeleteFile(String),
    Content(String),
    Create,
    ListBatches,
    Batch(String),
    Cancel(String),
    /// Below these paths, and nothing that there is.
    Nothing,
}

impl Own {
    /// The call that a request is; `None` where it is the provider's to answer. `is_served`: files and
    /// batches are served here.
    pub(crate) fn of(method: &Method, path: &str, is_served: bool) -> Option<Self> {
        let mut segments = path
            .strip_prefix("/v1/")?
            .split('/')
            .filter(|s| !s.is_empty());
        let rest = [
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ];
        let method = method.as_str();
        if (method, rest) == ("POST", [Some("batches"), Some("preflight"), None, None]) {
            return Some(Self::Preflight);
        }
        if !is_served || !matches!(rest[0], Some("files" | "batches")) {
            return None;
        }
        Some(match (method, rest) {
            ("POST", [Some("files"), None, ..]) => Self::Upload,
            ("GET", [Some("files"), None, ..]) => Self::ListFiles,
            ("GET", [Some("files"), Some(id), None, _]) => Self::File(id.to_owned()),
            ("DELETE", [Some("files"), Some(id), None, _]) => Self::DeleteFile(id.to_owned()),
            ("GET", [Some("files"), Some(id), Some("content"), None]) => {
                Self::Content(id.to_owned())
            }
            ("POST", [Some("batches"), None, ..]) => Self::Create,
            ("GET", [Some("batches"), None, ..]) => Self::ListBatches,
            ("GET", [Some("batches"), Some(id), None, _]) => Self::Batch(id.to_owned()),
            ("POST", [Some("batches"), Some(id), Some("cancel"), None]) => {
                Self::Cancel(id.to_owned())
            }
            _ => Self::Nothing,
        })
    }
}

/// A request that is answered here, and who sends it.
pub(crate) struct OwnCall {
    pub(crate) own: Own,
    pub(crate) live: Arc<Live>,
    pub(crate) caller: Caller,
    pub(crate) request: Request<CallerBody>,
}

/// Whose files and batches they are.
struct Owner {
    /// Nobody else has this one.
    name: String,
    run_as: Arc<RunAs>,
    /// Headers with the owner's key for the provider.
    key: HeaderMap,
}

impl Owner {
    fn of(call: &OwnCall) -> Self {
        let (caller, headers) = (&call.caller, call.request.headers());
        let upstream = &call.live.settings.upstream;
        let replaced = upstream.api_key.is_some() && upstream.api_key_use == KeyUse::Replace;
        let mut key = HeaderMap::new();
        if caller.key.is_none() && !replaced {
            for name in [AUTHORIZATION.as_str(), "api-key", "x-api-key"] {
                if let (Some(value), Ok(name)) =
                    (headers.get(name), name.parse::<http::HeaderName>())
                {
                    key.insert(name, value.clone());
                }
            }
        }
        let mut kept = BTreeMap::new();
        for name in [
            "openai-organization",
            "openai-project",
            "x-paceline-session",
            "x-paceline-tags",
        ] {
            if let Some(text) = headers.get(name).and_then(|value| value.to_str().ok()) {
                kept.insert(name.to_owned(), text.to_owned());
            }
        }
        if caller.key.is_none() {
            kept.insert("x-paceline-tenant".to_owned(), caller.tenant.to_string());
        }
        let name = match &caller.key {
            Some(_) => format!("tenant:{}", caller.tenant),
            None => format!("caller:{:016x}:{}", caller.credential, caller.tenant),
        };
        let run_as = RunAs {
            tenant: caller.tenant.to_string(),
            credential: caller.credential,
            key_id: caller.key.as_ref().map(|key| key.id.to_string()),
            needs_key: !key.is_empty(),
            headers: kept,
        };
        Self {
            name,
            run_as: Arc::new(run_as),
            key,
        }
    }
}

/// Answers such a request.
///
/// # Errors
/// Refusals in the caller's dialect, and a caller that is gone.
pub(crate) async fn answer(
    worker: &Arc<Worker>,
    call: OwnCall,
) -> Result<Response<ReplyBody>, IntakeError> {
    let tenant = Arc::clone(&call.caller.tenant);
    let answered = match (&call.own, &worker.shared.batches) {
        (Own::Preflight, _) => preflight::answer(&worker.shared, call).await,
        (_, Some(desk)) => serve(worker, desk, call).await,
        (_, None) => Err(IntakeError::Problem(Problem::internal())),
    };
    let (status, code) = match &answered {
        Ok(response) => (response.status().as_u16(), None),
        Err(IntakeError::Problem(problem)) => (problem.status.as_u16(), Some(problem.code)),
        Err(IntakeError::Gone) => (0, None),
    };
    tracing::info!(
        target: "paceline::request",
        outcome = if status < 400 { "own" } else { "refused" },
        %tenant,
        status,
        code,
        "request"
    );
    answered
}

async fn serve(
    worker: &Arc<Worker>,
    desk: &Arc<Desk>,
    call: OwnCall,
) -> Result<Response<ReplyBody>, IntakeError> {
    let owner = Owner::of(&call);
    if owner.run_as.needs_key {
        desk.note_key(&owner.name, &owner.key);
    }
    let server = &call.live.settings.server;
    let parameters = Parameters::of(call.request.uri().query());
    let name = &*owner.name;
    let answered = match call.own {
        Own::Upload => return upload::answer(desk, name, call.request, server.body_timeout).await,
        Own::Create => {
            let bounds = IntakeBounds {
                bytes_max: BODY_BYTES_MAX,
                pause_max: server.body_timeout,
            };
            let body = read_whole(call.request.into_body(), bounds, &worker.shared).await?;
            jobs::create(desk, &owner, &body.bytes).await
        }
        Own::ListFiles => files::list(desk, name, &parameters),
        Own::File(id) => {
            files::find(desk, name, &id).map(|file| json(StatusCode::OK, &file.view()))
        }
        Own::DeleteFile(id) => files::delete(desk, name, &id).await,
        Own::Content(id) => files::content(desk, name, &id).await,
        Own::ListBatches => jobs::list(desk, name, &parameters),
        Own::Batch(id) => jobs::get(desk, name, &id),
        Own::Cancel(id) => jobs::cancel(desk, name, &id).await,
        Own::Preflight | Own::Nothing => {
            let head = (call.request.method(), call.request.uri().path());
            Err(Problem::not_found(head.0, head.1))
        }
    };
    answered.map_err(IntakeError::Problem)
}

/// Runs what blocks; what the disk says goes to the log.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    drive::on_disk(work).await.map_err(|error| {
        tracing::error!(%error, "files of batches cannot be read or written");
        Problem::internal()
    })
}

/// What stands behind the question mark.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn of(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// A page of objects that are given by their ids, in order.
fn page(
    objects: Vec<(String, Value)>,
    parameters: &Parameters,
    usual: usize,
) -> Result<Response<ReplyBody>, Problem> {
    let limit = match parameters.text("limit") {
        None => usual,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=PAGE_MAX).contains(limit))
            .ok_or_else(|| {
                let what = format!("\"limit\" has to be a number from 1 to {PAGE_MAX}");
                Problem::invalid_request(what, Some("limit"))
            })?,
    };
    let begin = match parameters.text("after") {
        None => 0,
        Some(after) => {
            let found = objects.iter().position(|(id, _)| *id == after);
            found.map(|at| at + 1).ok_or_else(|| {
                let what = format!("\"after\" has to be an id of the list, and {after:?} is none");
                Problem::invalid_request(what.chars().take(300).collect(), Some("after"))
            })?
        }
    };
    let more = objects.len() - begin > limit;
    let shown: Vec<_> = objects.into_iter().skip(begin).take(limit).collect();
    let id = |object: Option<&(String, Value)>| object.map(|(id, _)| id.clone());
    let (first, last) = (id(shown.first()), id(shown.last()));
    let data: Vec<_> = shown.into_iter().map(|(_, object)| object).collect();
    let list = serde_json::json!({
        "object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more,
    });
    Ok(json(StatusCode::OK, &list))
}

/// An answer in JSON.
fn json(status: StatusCode, value: &impl Serialize) -> Response<ReplyBody> {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(ReplyBody::whole(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
