//! `paceline demo`: a race of the same workload with and without the gateway, against a hidden quota.

mod board;
mod contestant;
mod dice;
mod fixed_rate;
mod history;
mod page;
mod race;
mod report;
mod score;
mod screen;
mod sdk;
mod stage;
mod verdict;
mod view;
mod workload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use clap::Args;

use crate::exit::{self, Failure};
use crate::runtime;
use crate::terminal::Terminal;

use page::Page;
use race::Race;
use report::Report;
use screen::Screen;
use stage::Limits;

/// Time for everything but the race.
const OVERHEAD: Duration = Duration::from_secs(3);

const EXAMPLES: &str = "\
Three tenants share one key: chat (a question about every second, interactive) and two batch jobs
with weights 1 and 3 that always have work. They run three times at once, each against a simulated
provider of its own with the same hidden quota: as stock SDKs do (2 retries, backoff, Retry-After
honoured), behind a token bucket set by hand to the advertised limits, and through a gateway that
is told no limits and learns them. No key, no network; nothing is left behind.

Examples:
  paceline demo
  paceline demo --page               the page in the browser stays when the race is over
  paceline demo --seconds 20 --plain
  paceline demo --configured         the gateway is told the limits
  paceline demo --json result.json --html race.html

Exit code: 1 when behind the gateway a request was lost, or the provider refused more than it takes
to find out that it enforces its quota in pieces, which its headers do not tell.";

/// See the difference: one workload without and with paceline, as a race
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Length of the whole demonstration
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(15..=3_600))]
    seconds: u64,
    /// Lines instead of a live view; so it is too where output is not a terminal
    #[arg(long)]
    plain: bool,
    /// Tell the gateway the limits, instead of having it learn them from the provider's answers
    #[arg(long)]
    configured: bool,
    /// Keep the page for the browser after the race, until Ctrl-C
    #[arg(long)]
    page: bool,
    /// Serve no page
    #[arg(long, conflicts_with_all = ["page", "page_listen"])]
    no_page: bool,
    /// Where the page is served: a loopback address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = loopback)]
    page_listen: SocketAddr,
    /// Write the figures of all three to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the finished race to a file, as a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// The page is for this machine alone: it asks for no token.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text
        .parse()
        .map_err(|_| "write an address and a port, such as 127.0.0.1:8080".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("the page is for this machine alone: use 127.0.0.1 or [::1]".to_owned())
    }
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let runtime = runtime::with_threads(2)?;
    let performed = runtime.block_on(perform(args));
    runtime.shutdown_timeout(Duration::from_secs(2));
    performed
}

/// Ends well at Ctrl-C: dropping the race closes its ports and removes its folder.
async fn perform(args: &DemoArgs) -> Result<(), Failure> {
    // Listened for from the start to the end: one that comes between the race and the wait counts.
    let mut interrupted = pin!(ctrl_c());
    let (report, page) = tokio::select! {
        played = play(args) => played?,
        heard = &mut interrupted => {
            heard?;
            return Err(Failure::quiet(exit::INTERRUPTED));
        }
    };
    if let Some(page) = page {
        if args.page {
            let stays = format!("The page stays at {} until Ctrl-C.", page.url());
            Terminal::stdout().line(&stays)?;
            interrupted.await?;
        }
        page.close().await;
    }
    outcome(&report)
}

async fn ctrl_c() -> Result<(), Failure> {
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| Failure::other(format!("cannot wait for Ctrl-C: {error}")))
}

async fn play(args: &DemoArgs) -> Result<(Report, Option<Page>), Failure> {
    let length = Duration::from_secs(args.seconds).saturating_sub(OVERHEAD);
    let limits = if args.configured {
        Limits::Configured
    } else {
        Limits::Learned
    };
    let mut screen = Screen::new(args.plain);
    let race = Race::prepare(length, limits).await?;
    let page = if args.no_page {
        None
    } else {
        Some(Page::open(args.page_listen, &race.before()).await?)
    };
    screen.begin(limits, page.as_ref().map(Page::url))?;
    let report = race
        .run(|report| {
            screen.draw(report)?;
            page.as_ref().map_or(Ok(()), |page| page.show(report))
        })
        .await?;
    screen.end(&report)?;
    if let Some(file) = &args.json {
        report.write_figures(file)?;
    }
    if let Some(file) = &args.html {
        page::write(file, &report)?;
    }
    Ok((report, page))
}

fn outcome(report: &Report) -> Result<(), Failure> {
    if report.verdict.as_ref().is_some_and(|verdict| verdict.held) {
        Ok(())
    } else {
        Err(Failure::other(
            "behind the gateway the provider refused too much, or a request was lost",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_served_to_this_machine_alone() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:8080").is_ok());
        for refused in ["0.0.0.0:8080", "192.168.0.1:80", "localhost", "8080"] {
            assert!(loopback(refused).is_err(), "{refused}");
        }
    }
}
