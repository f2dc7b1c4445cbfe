//! Three tenants that share one key.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Full;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::board::Board;
use super::dice::Dice;
use super::fixed_rate::FixedRate;
use super::sdk;

/// The one model, and so the one limit pool.
const MODEL: &str = "gpt-4o-mini";

/// Mean time between two questions of the chat.
const CHAT_GAP: Duration = Duration::from_millis(1_250);

/// Requests that each batch tenant always has under way.
const BACKLOG: u64 = 12;

/// One of those who share the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenant {
    /// People who wait for an answer.
    Chat,
    /// Batch work of weight 1.
    BatchA,
    /// Batch work of weight 3.
    BatchB,
}

/// How large a tenant's requests are: short questions and long documents, both with room for long
/// answers, which is what the provider charges for.
struct Size {
    prompt_characters: usize,
    max_tokens: u64,
}

impl Size {
    /// What the provider of the stage charges at admission: the larger of a quarter of the
    /// characters and the answer limit.
    fn charge_tokens(&self) -> u64 {
        self.max_tokens
            .max(self.prompt_characters.div_ceil(4) as u64)
    }
}

impl Tenant {
    pub(super) const ALL: [Self; 3] = [Self::Chat, Self::BatchA, Self::BatchB];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::BatchA => "batch-a",
            Self::BatchB => "batch-b",
        }
    }

    /// The share of the quota relative to other batch work.
    pub(super) fn weight(self) -> u32 {
        match self {
            Self::Chat | Self::BatchA => 1,
            Self::BatchB => 3,
        }
    }

    fn priority(self) -> &'static str {
        match self {
            Self::Chat => "interactive",
            Self::BatchA | Self::BatchB => "batch",
        }
    }

    fn size(self) -> Size {
        match self {
            Self::Chat => Size {
                prompt_characters: 400,
                max_tokens: 500,
            },
            Self::BatchA | Self::BatchB => Size {
                prompt_characters: 1_600,
                max_tokens: 500,
            },
        }
    }
}

/// Where requests go, and how.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) address: SocketAddr,
    /// Whether a gateway is there, which is told who asks.
    pub(super) names_tenant: bool,
    /// What every attempt waits for before it is made.
    pub(super) limiter: Option<Arc<FixedRate>>,
}

/// One request, ready to be made as often as need be.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) tenant: Tenant,
    /// Tokens that the provider charges for it.
    pub(super) charge_tokens: u64,
    route: Route,
    body: Bytes,
}

impl Job {
    fn new(tenant: Tenant, route: &Route, number: u64) -> Self {
        let size = tenant.size();
        let opening = format!("{} question {number}: ", tenant.name());
        let prompt: String = opening
            .chars()
            .chain("how long does it take to wait one's turn? ".chars().cycle())
            .take(size.prompt_characters)
            .collect();
        let body = json!({
            "model": MODEL,
            "messages": [{ "role": "user", "content": prompt }],
            "max_tokens": size.max_tokens,
        });
        Self {
            tenant,
            charge_tokens: size.charge_tokens(),
            route: route.clone(),
            body: Bytes::from(body.to_string()),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.route.address
    }

    /// Waits until an attempt may be made.
    pub(super) async fn turn(&self) {
        if let Some(limiter) = &self.route.limiter {
            limiter.turn(self.charge_tokens).await;
        }
    }

    pub(super) fn request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static("/v1/chat/completions");
        let mut set = |name: &'static str, value: &'static str| {
            let value = http::HeaderValue::from_static(value);
            request.headers_mut().insert(name, value);
        };
        set(header::CONTENT_TYPE.as_str(), "application/json");
        set(header::AUTHORIZATION.as_str(), "Bearer sk-demo");
        if self.route.names_tenant {
            set("x-paceline-tenant", self.tenant.name());
            set("x-paceline-priority", self.tenant.priority());
        }
        request
    }
}

/// The tenants at work.
#[derive(Debug)]
pub(super) struct Workload(JoinSet<()>);

impl Workload {
    /// Starts all tenants; they ask the same in every run.
    pub(super) fn start(route: &Route, board: &Arc<Board>) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(chat(route.clone(), Arc::clone(board)));
        for worker in 0..BACKLOG {
            for tenant in [Tenant::BatchA, Tenant::BatchB] {
                tasks.spawn(batch(tenant, route.clone(), worker, Arc::clone(board)));
            }
        }
        Self(tasks)
    }

    /// Cuts everything that is under way.
    pub(super) async fn stop(mut self) {
        self.0.shutdown().await;
    }
}

/// Questions come when they come, whether the last one is answered or not.
async fn chat(route: Route, board: Arc<Board>) {
    let mut dice = Dice::new(1);
    let mut questions = JoinSet::new();
    for number in 0.. {
        sleep(dice.gap(CHAT_GAP)).await;
        let mut dice = Dice::new(1_000 + number);
        let job = Job::new(Tenant::Chat, &route, number);
        let board = Arc::clone(&board);
        questions.spawn(async move { sdk::ask(job, &board, &mut dice).await });
        while questions.try_join_next().is_some() {}
    }
}

/// One job after the other, for ever.
async fn batch(tenant: Tenant, route: Route, worker: u64, board: Arc<Board>) {
    let mut dice = Dice::new(worker + 100 * u64::from(tenant.weight()));
    for number in 0.. {
        let job = Job::new(tenant, &route, number * BACKLOG + worker);
        sdk::ask(job, &board, &mut dice).await;
    }
}
