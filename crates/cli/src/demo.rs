//! `paceline demo`: the same workload with and without the gateway, against a hidden quota.

mod board;
mod dice;
mod score;
mod screen;
mod sdk;
mod stage;
mod summary;
mod view;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::exit::{self, Failure};
use crate::runtime;
use crate::terminal::Terminal;

use board::Board;
use score::{Meter, Score};
use screen::Screen;
use stage::{Limits, PacedStage, Stage};
use view::Scene;
use workload::Workload;

/// Time for everything but the two phases.
const OVERHEAD: Duration = Duration::from_secs(3);

/// How often the levels are read and the screen is drawn.
const TICK: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Three tenants share one key: chat (a question about every second, interactive) and two batch jobs
with weights 1 and 3 that always have work. First they call a simulated provider as stock SDKs do:
2 retries, backoff, Retry-After honoured. Then they do the same through a gateway that is told
no limits and learns them. No key, no network; nothing is left behind.

Examples:
  paceline demo
  paceline demo --seconds 60 --plain
  paceline demo --configured         the gateway is told the limits
  paceline demo --json result.json

Exit code: 1 when the provider refused anything, or a request was lost, behind the gateway.";

/// See the difference: a workload without and with paceline, side by side
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Length of the whole demonstration
    #[arg(long, value_name = "SECONDS", default_value_t = 110,
          value_parser = clap::value_parser!(u64).range(15..=3_600))]
    seconds: u64,
    /// Lines instead of a live view; so it is too where output is not a terminal
    #[arg(long)]
    plain: bool,
    /// Tell the gateway the limits, instead of having it learn them from the provider's answers
    #[arg(long)]
    configured: bool,
    /// Write the figures of both phases to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let runtime = runtime::with_threads(2)?;
    let played = runtime.block_on(async {
        tokio::select! {
            played = play(args) => played,
            interrupted = interrupted() => interrupted,
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(2));
    played
}

/// Ends well at Ctrl-C: dropping the demonstration closes its ports and removes its folder.
async fn interrupted() -> Result<(), Failure> {
    tokio::signal::ctrl_c()
        .await
        .map_err(|error| Failure::other(format!("cannot wait for Ctrl-C: {error}")))?;
    Err(Failure::quiet(exit::INTERRUPTED))
}

async fn play(args: &DemoArgs) -> Result<(), Failure> {
    let phase = Duration::from_secs(args.seconds).saturating_sub(OVERHEAD) / 2;
    let limits = if args.configured {
        Limits::Configured
    } else {
        Limits::Learned
    };
    let mut screen = Screen::new(args.plain);
    screen.begin()?;
    let stage = Stage::build().await?;
    let without = perform(&stage, Scene::unpaced(phase), &mut screen).await?;
    stage.reset().await;
    let paced = PacedStage::build(&stage, limits)?;
    let with = perform(
        &paced,
        Scene::paced(phase, limits, without.clone()),
        &mut screen,
    )
    .await?;
    paced.close().await?;
    screen.end()?;
    let mut terminal = Terminal::stdout();
    let style = terminal.style();
    terminal.line(&view::conclusion(limits, &without, &with, style).join("\n"))?;
    if let Some(file) = &args.json {
        summary::write(file, limits, &without, &with)?;
    }
    if with.refused_429 > 0 || with.lost > 0 {
        return Err(Failure::other(
            "behind the gateway the provider refused something, or a request was lost",
        ));
    }
    Ok(())
}

/// Lets the tenants work for one phase, and shows it.
async fn perform(
    venue: &impl stage::Venue,
    scene: Scene,
    screen: &mut Screen,
) -> Result<Score, Failure> {
    let board = Arc::new(Board::default());
    let workload = Workload::start(venue.route(), &board);
    let begun = Instant::now();
    let mut meter = Meter::new(scene.length());
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let elapsed = begun.elapsed();
        let counters = venue.simulator().state().counters;
        meter.sample(elapsed, counters.charged.tokens);
        let score = Score::now(&board, &meter, &counters);
        screen.draw(&scene, elapsed, &score)?;
        if elapsed >= scene.length() {
            workload.stop().await;
            return Ok(score);
        }
    }
}
