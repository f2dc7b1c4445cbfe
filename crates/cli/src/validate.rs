//! `paceline validate`: whether this set-up keeps its promises, each with a figure and a verdict.

mod away;
mod caller;
mod check;
mod dual;
mod estimates;
mod latency;
mod load;
mod report;
mod stage;
mod store;
mod texts;
mod tracking;

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, Instant};

use clap::Args;
use paceline_config::{Settings, Store};

use crate::exit::{self, Failure};
use crate::figures::{counted, grouped};
use crate::load::SettingsArgs;
use crate::runtime;
use crate::terminal::Terminal;

use check::Check;
use report::Report;
use stage::Stage;

/// The longest that clearing up may take.
const CLEARING: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Gateways of its own share a quota of a simulated provider, through your store if you name one; that
takes about half a minute and costs nothing. What it writes into the store has names of its own, and
is removed at the end; nothing else there is touched.

Examples:
  paceline validate
  paceline validate --redis redis://10.0.0.5:6379
  paceline validate --config paceline.toml --json > validate.json
  OPENAI_API_KEY=sk-... paceline validate --live     estimates against what the provider counts

Exit codes: 0 when nothing failed, 1 when a check failed, 3 when the configuration is invalid.";

/// Check that limits hold, sharing works and what it costs, before you rely on it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Ask the built-in simulator alone; so it is unless --live is given
    #[arg(long, conflicts_with = "live")]
    simulator: bool,
    /// Ask the provider too: a few small requests, as many as is said before
    #[arg(long)]
    live: bool,
    /// Model whose tokens are estimated
    #[arg(long, default_value = "gpt-4o-mini")]
    model: String,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ValidateArgs) -> Result<(), Failure> {
    let settings = args.settings.load_or_explain()?.settings;
    let runtime = runtime::with_threads(2)?;
    let performed = runtime.block_on(perform(args, &settings));
    runtime.shutdown_timeout(Duration::from_secs(2));
    performed
}

/// Whatever happens, what was started ends and what was written is removed.
async fn perform(args: &ValidateArgs, settings: &Settings) -> Result<(), Failure> {
    let began = Instant::now();
    announce(args, settings)?;
    let stage = Stage::new(settings.store.clone())?;
    // Listened for before anything starts.
    let mut signalled = pin!(signalled()?);
    let ended = {
        let mut checked = pin!(checks(args, settings, &stage));
        tokio::select! {
            checks = &mut checked => checks,
            code = &mut signalled => Err(Failure::quiet(code)),
        }
    };
    clear(&stage).await?;
    let report = Report {
        provider: provider(args, settings),
        store: settings.store.as_ref().map(Store::address),
        checks: ended?,
        took: began.elapsed(),
    };
    let mut terminal = Terminal::stdout();
    if args.json {
        terminal.line(&report.json())?;
    } else {
        let lines = report.lines(terminal.style());
        terminal.line(&lines.join("\n"))?;
    }
    if report.has_failed() {
        return Err(Failure::quiet(exit::FAILURE));
    }
    Ok(())
}

/// Catches SIGINT and SIGTERM from now on; what is returned waits for one, and gives its exit code.
fn signalled() -> Result<impl Future<Output = u8>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error| Failure::other(format!("cannot wait for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => exit::INTERRUPTED,
            _ = terminate.recv() => exit::TERMINATED,
        }
    })
}

/// Clears up, and says so where something is left.
async fn clear(stage: &Stage) -> Result<(), Failure> {
    let left = match tokio::time::timeout(CLEARING, stage.clear()).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(why)) => why,
        Err(_) => format!("it took longer than {} s", CLEARING.as_secs()),
    };
    Terminal::stderr().line(&format!(
        "what was written into the store could not all be removed: {left}; its keys have `validate-` in \
         their names and expire within three hours"
    ))
}

/// Every check, in the order in which they are shown.
async fn checks(
    args: &ValidateArgs,
    settings: &Settings,
    stage: &Stage,
) -> Result<Vec<Check>, Failure> {
    let mut progress = Progress::new();
    progress.show("estimates of tokens")?;
    let mut checks = vec![if args.live {
        estimates::by_provider(stage, settings, &args.model).await
    } else {
        estimates::by_vocabulary(&args.model)
    }];
    progress.show("the store")?;
    let (of_store, is_usable) = store::checks(stage).await;
    checks.extend(of_store);
    // Alone, since times are taken.
    progress.show("added latency")?;
    let latency = latency::checks(stage, is_usable).await;
    progress.show("limits on requests and tokens, and a shared quota (about 20 s)")?;
    let (tracking, dual) = tokio::join!(tracking::check(stage, is_usable), dual::check(stage));
    checks.extend([tracking, dual]);
    checks.extend(latency);
    progress.show("a store that is away")?;
    let when_away = settings.default_domain.when_store_is_away;
    checks.push(away::check(stage, when_away).await);
    Ok(checks)
}

fn provider(args: &ValidateArgs, settings: &Settings) -> String {
    if args.live {
        settings.upstream.base_url.to_string()
    } else {
        "simulator".to_owned()
    }
}

/// Says what is going to be used, before it is.
fn announce(args: &ValidateArgs, settings: &Settings) -> Result<(), Failure> {
    let mut terminal = Terminal::stderr();
    if args.live {
        let (requests, tokens) = estimates::cost_at_most();
        terminal.line(&format!(
            "{} is asked at most {}, with at most {} tokens in all, as {}",
            settings.upstream.base_url,
            counted(requests, "time"),
            grouped(tokens),
            args.model,
        ))?;
    }
    if terminal.is_interactive() {
        let store = match &settings.store {
            Some(store) => format!("with the store {}", store.address()),
            None => "without a store (--redis URL, or store.url)".to_owned(),
        };
        terminal.line(&format!(
            "limits are tried on the built-in simulator, {store}"
        ))?;
    }
    Ok(())
}

/// A line on the terminal that says what is being looked at.
struct Progress(Option<Terminal>);

impl Progress {
    fn new() -> Self {
        let terminal = Terminal::stderr();
        Self(terminal.is_interactive().then_some(terminal))
    }

    fn show(&mut self, what: &str) -> Result<(), Failure> {
        match &mut self.0 {
            Some(terminal) => terminal.write(&format!("\r\x1b[Klooking at {what}")),
            None => Ok(()),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(terminal) = &mut self.0 {
            // Where even this cannot be written, the rest says so.
            let _ = terminal.write("\r\x1b[K");
        }
    }
}
