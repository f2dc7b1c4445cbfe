//! `paceline status`: what a running gateway is doing.

mod beliefs;
mod estimates;
mod lanes;
mod show;

use clap::Args;
use paceline_admin_api::{Estimates, Lanes, QueueStatus, RateLimits};
use serde::Serialize;

use crate::admin::{Gateway, GatewayArgs};
use crate::exit::Failure;
use crate::runtime;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline status
  paceline status --address http://127.0.0.1:4200
  paceline status --estimates
  PACELINE_ADMIN_TOKEN=... paceline status --address http://10.0.0.5:4101 --json

Exit codes: 6 when no gateway answers there, 7 when the admin token is missing or wrong.";

/// Show the limits, the queue, who waits and which lanes are ill in a running gateway
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Waiting requests to show
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    calls: usize,
    /// Show the error of token estimates and the length of answers too
    #[arg(long)]
    estimates: bool,
    /// Print what the gateway answers, as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &StatusArgs) -> Result<(), Failure> {
    let gateway = args.gateway.find()?;
    let asked = gateway.within(State::of(&gateway, args.calls, args.estimates));
    let state = runtime::on_this_thread()?.block_on(asked)?;
    let mut terminal = Terminal::stdout();
    if args.json {
        let text = serde_json::to_string_pretty(&state)
            .map_err(|error| Failure::other(format!("the state cannot be written: {error}")))?;
        return terminal.line(&text);
    }
    let lines = show::lines(&state, terminal.style());
    terminal.line(&lines.join("\n"))
}

/// What a gateway says about itself.
#[derive(Debug, Serialize)]
struct State {
    address: String,
    rate_limits: RateLimits,
    queue_status: QueueStatus,
    lanes: Lanes,
    /// Only where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimates: Option<Estimates>,
}

impl State {
    /// Asks for limits, lanes and queue, with up to `calls` waiting requests, and for what was learned about
    /// tokens if `estimates` says so.
    async fn of(gateway: &Gateway, calls: usize, estimates: bool) -> Result<Self, Failure> {
        let estimates = match estimates {
            true => Some(gateway.get("/monitoring/estimates").await?),
            false => None,
        };
        Ok(Self {
            address: gateway.address(),
            rate_limits: gateway.get("/monitoring/rate-limits").await?,
            queue_status: gateway
                .get(&format!("/monitoring/queue-status?limit={calls}"))
                .await?,
            lanes: gateway.get("/monitoring/lanes").await?,
            estimates,
        })
    }
}
