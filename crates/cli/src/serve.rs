//! `paceline serve`: the gateway as a process.

mod banner;
mod open_files;
mod reload;
pub(crate) mod signals;
pub(crate) mod store;

use std::sync::Arc;

use clap::Args;
use paceline_config::{Loaded, LogFormat, Secret, Settings, Store};
use paceline_gateway::{Gateway, StartError, admin_token};
use paceline_telemetry::{Metrics, init_logs};

use crate::exit::{self, Failure};
use crate::load::SettingsArgs;
use crate::runtime;
use crate::terminal::Terminal;

pub(crate) use banner::reachable;
use reload::Reloader;
use signals::{Signal, Signals};

const EXAMPLES: &str = "\
Examples:
  paceline serve
      Listens on 127.0.0.1:4100, forwards to OpenAI with each caller's own key, learns every limit.
  paceline serve --upstream http://127.0.0.1:8000/v1 --listen 127.0.0.1:4200
  paceline serve --config paceline.toml --preset production
  paceline serve --redis redis://10.0.0.5:6379      shares its quota with others that do the same

Signals:
  SIGHUP            read the configuration again; a bad one is logged and changes nothing
  SIGINT, SIGTERM   stop accepting and let requests in flight finish; a second one cuts them";

/// Run the gateway
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
}

pub(crate) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let Loaded {
        settings, notices, ..
    } = args.settings.load_or_explain()?;
    start_logs(&settings)?;
    for notice in &notices {
        tracing::warn!("{notice}");
    }
    open_files::raise_limit(settings.server.connections_max);
    let runtime = runtime::on_this_thread()?;
    let entered = runtime.enter();
    // Installed before anything listens: whoever sees the address may send a signal.
    let mut signals = Signals::install()
        .map_err(|error| Failure::other(format!("cannot wait for signals: {error}")))?;
    let gateway = start(&settings)?;
    announce(&settings, &gateway)?;
    let reloader = Reloader::new(args.settings.clone(), settings);
    runtime.block_on(async {
        loop {
            match signals.next().await {
                Signal::HangUp => reloader.reload(&gateway),
                Signal::End(code) => break tracing::info!(code, "stopping"),
            }
        }
    });
    let stopped = runtime.block_on(stop(gateway, &mut signals));
    // What a second signal cuts must not be waited for.
    drop(entered);
    runtime.shutdown_background();
    stopped
}

pub(crate) fn start_logs(settings: &Settings) -> Result<(), Failure> {
    let format = match settings.log.format {
        LogFormat::Text => paceline_telemetry::LogFormat::Text,
        LogFormat::Json => paceline_telemetry::LogFormat::Json,
    };
    init_logs(format, &settings.log.level)
        .map_err(|error| Failure::new(exit::CONFIGURATION, error.to_string()))
}

fn start(settings: &Settings) -> Result<Gateway, Failure> {
    let token = if settings.admin.enabled {
        admin_token(&settings.admin).map_err(|error| Failure::other(error.to_string()))?
    } else {
        // Without an admin plane nothing asks for it.
        Secret::new("")
    };
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let connect = settings.store.as_ref().map(store::connect);
    Gateway::start_with(settings.clone(), metrics, token, connect).map_err(|error| failure(&error))
}

/// Why a gateway does not start, with the exit code for it.
pub(crate) fn failure(error: &StartError) -> Failure {
    let code = match error {
        StartError::Listen(_) => exit::ADDRESS,
        StartError::Upstream(_)
        | StartError::Store(_)
        | StartError::Keys(_)
        | StartError::Record(_)
        | StartError::Batches(_)
        | StartError::Telemetry(_) => exit::CONFIGURATION,
        StartError::Thread(_) => exit::FAILURE,
    };
    Failure::new(code, error.to_string())
}

/// Says where the gateway is: to people in a few lines, to machines as a log event.
fn announce(settings: &Settings, gateway: &Gateway) -> Result<(), Failure> {
    let mut terminal = Terminal::stderr();
    if terminal.is_interactive() || settings.log.format == LogFormat::Text {
        let lines = banner::lines(settings, gateway.address(), gateway.admin_address());
        return terminal.line(&lines.join("\n"));
    }
    let admin = gateway.admin_address().unwrap_or(gateway.address());
    tracing::info!(
        address = %gateway.address(),
        admin = settings.admin.enabled.then(|| tracing::field::display(admin)),
        dashboard = settings.admin.enabled.then(|| banner::dashboard(admin)),
        upstream = %settings.upstream.base_url,
        store = settings.store.as_ref().map(Store::address),
        "listening"
    );
    Ok(())
}

/// Stops the gateway in good order, or at once at the next signal that asks for an end.
async fn stop(gateway: Gateway, signals: &mut Signals) -> Result<(), Failure> {
    let mut stopping = tokio::task::spawn_blocking(|| gateway.stop());
    loop {
        tokio::select! {
            ended = &mut stopping => {
                tracing::info!("stopped");
                return ended.map_err(|error| Failure::other(format!("stopping failed: {error}")));
            }
            signal = signals.next() => if let Signal::End(code) = signal {
                tracing::warn!("cut by a second signal");
                return Err(Failure::quiet(code));
            }
        }
    }
}
