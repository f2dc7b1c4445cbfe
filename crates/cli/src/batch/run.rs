//! `paceline batch run`: from the command line to the last result.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use paceline_admin_api::RateLimits;
use paceline_batch::{
    Control, Event, Listener, Opened, Pricing, Report, Run, RunEnd, RunSettings, Stop, open,
};
use paceline_config::Settings;
use tokio::time::{MissedTickBehavior, interval};
use url::{Host, Url};

use super::arguments::RunArgs;
use super::engine::Engine;
use super::keyboard::{Key, Keyboard};
use super::screen::{Screen, Seen};
use super::summary;
use crate::exit::{self, Failure};
use crate::load::{SettingsArgs, environment, explain};
use crate::runtime;
use crate::serve::signals::{Signal, Signals};
use crate::serve::start_logs;
use crate::terminal::Terminal;

/// How often the view is drawn.
const FRAME: Duration = Duration::from_millis(250);

/// How often limits are asked for.
const LIMITS: Duration = Duration::from_secs(1);

/// Where clients find a gateway, or a provider.
const BASE_URL: &str = "OPENAI_BASE_URL";

/// What is logged beside the view: a line for each request would say what the results say.
const QUIET: &str = "warn,paceline::request=off";

/// Threads for requests and files.
const THREADS: usize = 2;

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let (mut settings, via) = settings(&args.settings, args.via.clone(), environment())?;
    if args.settings.log_level.is_none() {
        settings.log.level = QUIET.to_owned();
    }
    let mut screen = Screen::new(args.json, args.plain, args.title());
    if !screen.is_live() {
        start_logs(&settings)?;
    }
    let job = args.job()?;
    let runtime = runtime::with_threads(THREADS)?;
    let entered = runtime.enter();
    let mut signals = Signals::install()
        .map_err(|error| Failure::other(format!("cannot wait for signals: {error}")))?;
    let opened = open(&job).map_err(|error| Failure::other(error.to_string()))?;
    screen.opened(&opened.found)?;
    if opened.found.to_do == 0 {
        return finish_idle(&runtime, opened, screen, args);
    }
    let pricing = pricing(&settings)?;
    let engine = Engine::start(args, via.as_ref(), settings)?;
    let listener = screen.listener();
    let run_settings = run_settings(args, &engine, pricing, listener);
    let run = Run::start(opened, run_settings)
        .map_err(|error| Failure::new(exit::CONFIGURATION, error.to_string()))?;
    let keyboard = Keyboard::new(screen.is_live() && !args.reads_stdin());
    let shown = runtime.block_on(show(run, &engine, &mut screen, &mut signals, keyboard));
    engine.stop();
    drop(entered);
    runtime.shutdown_timeout(Duration::from_secs(1));
    let (report, code) = shown?;
    screen.ended(&report)?;
    conclude(&report, code, screen.is_json(), args)
}

/// The settings, and the gateway to send through, if it is not one of this process.
///
/// Where `OPENAI_BASE_URL` leads to the gateway of this configuration, as it does for every client of it,
/// the batch goes through it too.
pub(super) fn settings(
    args: &SettingsArgs,
    via: Option<Url>,
    mut environment: BTreeMap<String, String>,
) -> Result<(Settings, Option<Url>), Failure> {
    let load = |environment: BTreeMap<String, String>| {
        let loaded = args.load(environment);
        loaded.or_else(|problems| explain(&problems))
    };
    let base_url = environment.remove(BASE_URL);
    let mut settings = load(environment.clone())?.settings;
    let mut via = via;
    if let Some(text) = base_url.filter(|_| via.is_none() && args.upstream.is_none()) {
        let url = Url::parse(&text).ok();
        match url.filter(|url| leads_to(url, settings.server.listen)) {
            Some(url) => via = Some(url),
            None => {
                environment.insert(BASE_URL.to_owned(), text);
                settings = load(environment)?.settings;
            }
        }
    }
    settings.upstream.check = false;
    Ok((settings, via))
}

/// Whether a client's address is that of a gateway that listens here.
fn leads_to(url: &Url, listen: SocketAddr) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    is_here && url.port_or_known_default() == Some(listen.port())
}

pub(super) fn pricing(settings: &Settings) -> Result<Pricing, Failure> {
    let (book, provider) = paceline_gateway::prices(settings)
        .map_err(|error| Failure::new(exit::CONFIGURATION, error))?;
    Ok(Pricing { book, provider })
}

fn run_settings(
    args: &RunArgs,
    engine: &Engine,
    pricing: Pricing,
    listener: Option<Listener>,
) -> RunSettings {
    RunSettings {
        target: engine.target.clone(),
        orders: args.orders(),
        attempts_max: args.attempts(),
        line_deadline: args.line_deadline(),
        attempt_timeout: args.attempt_timeout(),
        pricing,
        listener,
    }
}

/// Nothing is left to do: says so, and writes the files that belong to it.
fn finish_idle(
    runtime: &tokio::runtime::Runtime,
    opened: Opened,
    mut screen: Screen,
    args: &RunArgs,
) -> Result<(), Failure> {
    let manifest = runtime
        .block_on(opened.journal.finish(RunEnd::Complete))
        .map_err(|error| Failure::other(error.to_string()))?;
    screen.nothing_to_do(&manifest)?;
    match manifest.lines.failed + manifest.lines.invalid {
        0 => Ok(()),
        _ => Err(summary::failed_lines(&manifest, args.output())),
    }
}

/// Shows the run until it ends, and obeys signals and keys; with the exit code of a signal that ended it.
async fn show(
    run: Run,
    engine: &Engine,
    screen: &mut Screen,
    signals: &mut Signals,
    mut keyboard: Keyboard,
) -> Result<(Report, Option<u8>), Failure> {
    let control = run.control();
    let mut ended = std::pin::pin!(run.ended());
    let mut frames = interval(FRAME);
    frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut asked = interval(LIMITS);
    asked.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut limits: Option<RateLimits> = None;
    let mut code = None;
    loop {
        tokio::select! {
            report = &mut ended => return Ok((report, code)),
            signal = signals.next() => if let Signal::End(by) = signal {
                code = Some(by);
                ask_to_stop(&control);
            },
            key = keyboard.next() => if obey(&control, key) { code = Some(exit::INTERRUPTED); },
            _ = asked.tick(), if screen.wants_limits() => limits = ask(engine).await.or(limits),
            _ = frames.tick() => {
                let progress = control.progress();
                screen.draw(&Seen { progress: &progress, limits: limits.as_ref() })?;
            }
        }
    }
}

/// The first time, what runs finishes; the second time, nothing is waited for.
fn ask_to_stop(control: &Control) {
    let stop = match control.orders().stop {
        None => Stop::WhenDone,
        Some(_) => Stop::Now,
    };
    control.stop(stop);
}

/// Does what a key means; whether it ends the run.
fn obey(control: &Control, key: Key) -> bool {
    match key {
        Key::Pause if control.orders().paused => control.resume(),
        Key::Pause => control.pause(),
        Key::More => control.change(|orders| orders.concurrency = orders.concurrency.more()),
        Key::Fewer => control.change(|orders| orders.concurrency = orders.concurrency.fewer()),
        Key::Quit => {
            ask_to_stop(control);
            return true;
        }
    }
    false
}

async fn ask(engine: &Engine) -> Option<RateLimits> {
    let gateway = engine.admin.as_ref()?;
    gateway
        .within(gateway.get("/monitoring/rate-limits"))
        .await
        .ok()
}

fn conclude(report: &Report, code: Option<u8>, json: bool, args: &RunArgs) -> Result<(), Failure> {
    if let Some(error) = &report.error {
        let message = match json {
            true => String::new(),
            false => error.to_string(),
        };
        return Err(Failure::new(exit::FAILURE, message));
    }
    if let Some(code) = code {
        return Err(Failure::quiet(code));
    }
    match (report.end, &report.manifest) {
        (RunEnd::Complete, Some(manifest))
            if manifest.lines.failed + manifest.lines.invalid > 0 =>
        {
            Err(summary::failed_lines(manifest, args.output()))
        }
        (RunEnd::Complete, _) => Ok(()),
        _ => Err(Failure::quiet(exit::LEFT)),
    }
}

/// What is told to a program of each event.
pub(super) fn json_line(event: &Event) -> Option<String> {
    serde_json::to_string(event).ok()
}

/// Prints each event as a line.
pub(super) fn json_listener() -> Listener {
    Arc::new(|event| {
        if let Some(line) = json_line(event) {
            // Whoever reads is told the end by the closed pipe.
            drop(Terminal::stdout().line(&line));
        }
    })
}
