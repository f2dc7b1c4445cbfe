//! `paceline top`: what a running gateway is doing, live and on a whole screen.

mod ask;
mod draw;
mod feed;
#[cfg(test)]
mod fixture;
mod health;
mod keys;
mod picture;
mod screen;
mod session;
mod state;

use clap::Args;
use paceline_admin_api::RateLimits;

use crate::admin::GatewayArgs;
use crate::exit::Failure;
use crate::runtime;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  paceline top
  paceline top --address http://127.0.0.1:4200
  PACELINE_ADMIN_TOKEN=... paceline top --address http://10.0.0.5:4101

Keys: 1 and 2 show what goes on now and who waits, c ends a wait, / filters, p pauses the display,
? lists all keys, q leaves.

Exit codes: 6 when no gateway answers there, 7 when the admin token is missing or wrong.";

/// Watch the limits, the queue and who waits in a running gateway, and end waits
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
}

pub(crate) fn run(args: &TopArgs) -> Result<(), Failure> {
    let terminal = Terminal::stdout();
    if !terminal.can_be_drawn_on() || !keys::are_there() {
        return Err(Failure::other(
            "`paceline top` needs a terminal to draw on and keys to obey, and TERM to name one that is not \
             \"dumb\"; elsewhere `paceline status` tells the same once, with --json for programs",
        ));
    }
    let gateway = args.gateway.find()?;
    runtime::on_this_thread()?.block_on(async {
        // A gateway that is not there, or a wrong token, is an error and no empty screen.
        let first = gateway.get::<RateLimits>("/monitoring/rate-limits");
        let limits = gateway.within(first).await?;
        session::run(gateway, limits, terminal.style().is_coloured()).await
    })
}
