//! The traffic: callers who each have their next request ready, and what became of every request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::{Answer, Caller};

/// The mean charge as a share of the minute: 0.2 s of it.
const MEAN_CHARGE_PART: u64 = 300;

/// How long a caller whose call has failed rests. Sizes are not made for more calls than that leaves.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What sets a request apart in the provider's journal: its estimated prompt and its token limit, a
/// pair that no other request of the run has. The larger of both is its charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) estimate: u64,
    pub(super) max_tokens: u64,
}

/// The pairs in an order in which both sizes are mixed evenly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    least: u64,
    count: u64,
}

impl Sizes {
    /// Sizes whose mean charge is a fifth of a second of the quota.
    pub(super) fn of_quota(tokens_per_minute: u64) -> Self {
        // Of two even draws from 0.1 to 1.9, the larger is 1.3 on average.
        let mean = (tokens_per_minute / MEAN_CHARGE_PART * 10 / 13).max(20);
        let least = mean / 10;
        Self {
            least,
            count: mean * 19 / 10 - least + 1,
        }
    }

    /// The largest charge.
    pub(super) fn largest(&self) -> u64 {
        self.least + self.count - 1
    }

    /// How many requests can be told apart.
    pub(super) fn pairs(&self) -> u64 {
        self.count * self.count
    }

    fn identity(&self, number: u64) -> Identity {
        // A step of the golden ratio, less than which nothing is spread more evenly, and one that
        // shares no factor with the number of pairs, so that each is had once.
        let pairs = self.pairs();
        let golden = pairs * 618 / 1_000;
        let step = (golden..).find(|step| greatest_common_factor(*step, pairs) == 1);
        let place = number.wrapping_mul(step.unwrap_or(1)) % pairs;
        Identity {
            estimate: self.least + place / self.count,
            max_tokens: self.least + place % self.count,
        }
    }
}

fn greatest_common_factor(one: u64, other: u64) -> u64 {
    if other == 0 {
        return one;
    }
    greatest_common_factor(other, one % other)
}

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) identity: Identity,
    /// The gateway that its caller began at, which decides about the tenant.
    pub(super) home: usize,
    /// The gateway that it was sent to.
    pub(super) gateway: usize,
    pub(super) began: Instant,
    pub(super) ending: Ending,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// It had not when the run did.
    UnderWay,
    /// With success.
    Answered(Instant),
    /// With an error: its status and code, or that the connection broke.
    Failed(Instant, String),
}

/// The callers of one run.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub(super) gateways: Vec<SocketAddr>,
    pub(super) callers_per_gateway: usize,
    /// How long a caller waits between an answer and the next request.
    pub(super) rest: Duration,
    pub(super) sizes: Sizes,
    /// The tenant of those who begin at each gateway; empty where they name none.
    pub(super) tenants: Vec<&'static str>,
    pub(super) calls: Arc<Mutex<Vec<Call>>>,
}

impl Load {
    /// Starts all callers; they end with what is returned.
    pub(super) fn start(&self) -> JoinSet<()> {
        let mut callers = JoinSet::new();
        for home in 0..self.gateways.len() {
            for _ in 0..self.callers_per_gateway {
                callers.spawn(self.clone().call(home));
            }
        }
        callers
    }

    async fn call(self, home: usize) {
        let mut place = home;
        while let Some(address) = self.gateways.get(place).copied() {
            let mut line = Line::new(address);
            while self.ask(&mut line, home, place).await {}
            // Its gateway is gone: it goes on at the next one.
            place = (place + 1) % self.gateways.len();
        }
    }

    /// Makes one call; whether the gateway could be spoken to.
    async fn ask(&self, line: &mut Line, home: usize, gateway: usize) -> bool {
        let (number, identity) = self.open(home, gateway);
        let answer = line.chat(self.tenants.get(home).copied(), &identity).await;
        let now = Instant::now();
        let (ending, rest) = match &answer {
            Ok(answer) if answer.status == StatusCode::OK => (Ending::Answered(now), self.rest),
            Ok(answer) => {
                let told = format!("{} {}", answer.status.as_u16(), answer.error_code());
                (Ending::Failed(now, told), REST_AFTER_FAILURE)
            }
            Err(error) => {
                let told = format!("connection: {}", error.root_cause());
                (Ending::Failed(now, told), REST_AFTER_FAILURE)
            }
        };
        if let Some(call) = self.calls.lock().get_mut(number) {
            call.ending = ending;
        }
        sleep(rest).await;
        answer.is_ok()
    }

    fn open(&self, home: usize, gateway: usize) -> (usize, Identity) {
        let mut calls = self.calls.lock();
        let number = calls.len();
        let identity = self.sizes.identity(number as u64);
        calls.push(Call {
            identity,
            home,
            gateway,
            began: Instant::now(),
            ending: Ending::UnderWay,
        });
        (number, identity)
    }
}

/// A connection that is kept from call to call.
#[derive(Debug)]
struct Line {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Line {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            sender: None,
        }
    }

    async fn chat(&mut self, tenant: Option<&str>, identity: &Identity) -> Result<Answer> {
        let headers = tenant.map(|tenant| ("x-paceline-tenant", tenant));
        let caller = Caller::new(self.address);
        let request = caller.post_request(
            "/v1/chat/completions",
            headers.as_slice(),
            body_of(identity),
        )?;
        let (head, body) = self.send(request).await?.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: body
                .collect()
                .await
                .context("the answer was cut")?
                .to_bytes(),
        })
    }

    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<http::Response<hyper::body::Incoming>> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        self.sender = Some(sender);
        Ok(answer)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A chat request with a prompt of four characters for each token that is estimated.
fn body_of(identity: &Identity) -> String {
    let Identity {
        estimate,
        max_tokens,
    } = identity;
    let width = usize::try_from(4 * estimate).unwrap_or_default();
    let mut content = "lorem ipsum dolor sit amet ".repeat(width / 27 + 1);
    content.truncate(width);
    format!(
        r#"{{"model":"gpt-4o-mini","max_tokens":{max_tokens},"messages":[{{"role":"user","content":"{content}"}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_pair_of_sizes_is_had_once_and_charges_have_their_mean() {
        for tokens_per_minute in [30_000, 100_000] {
            let sizes = Sizes::of_quota(tokens_per_minute);
            let all: Vec<_> = (0..sizes.pairs())
                .map(|number| sizes.identity(number))
                .collect();
            let different: HashSet<_> = all.iter().collect();
            assert_eq!(different.len(), all.len());
            let charge = |identity: &Identity| identity.estimate.max(identity.max_tokens);
            assert_eq!(all.iter().map(charge).max(), Some(sizes.largest()));
            // The first ones are as mixed as all of them.
            let mean = all.iter().take(500).map(charge).sum::<u64>() / 500;
            let wanted = tokens_per_minute / MEAN_CHARGE_PART;
            assert!(
                (wanted * 9 / 10..wanted * 11 / 10).contains(&mean),
                "{mean}"
            );
        }
    }

    #[test]
    fn a_prompt_has_four_characters_for_each_token_that_is_estimated() {
        let identity = Identity {
            estimate: 50,
            max_tokens: 7,
        };
        let body: serde_json::Value = serde_json::from_str(&body_of(&identity)).unwrap();
        let content = body["messages"][0]["content"].as_str().unwrap();
        assert_eq!(content.len(), 200);
        assert_eq!(body["max_tokens"], 7);
    }
}
