//! `paceline provider`: the simulated provider as a server.

mod limits;

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use paceline_simulator::{
    ChargeFormula, FaultRule, HeaderSettings, Latency, Likeness, OutputLength, PoolScope,
    Simulator, SimulatorSettings, StartError,
};

use crate::exit::{self, Failure};
use crate::figures::{counted, grouped};
use crate::runtime;
use crate::terminal::Terminal;

use limits::LimitArgs;

const EXAMPLES: &str = "\
Examples:
  paceline provider --tpm 60000 --rpm 300 --first-token-ms 300
  paceline provider --tpm 60000 --kind quantised --quantum-ms 1000 --charge sum
  paceline provider --like anthropic --itpm 50000
  paceline provider --fault 500:0.01 --fault 'cut_stream;after=3:0.02'
  paceline serve --upstream http://127.0.0.1:4190/v1      a gateway in front of it

Any key that starts with sk- is taken, and with providers whose keys begin otherwise any key at
all. GET /_simulator/state tells levels and counters, POST /_simulator/reset starts afresh,
POST /_simulator/faults {\"rules\": [{\"fault\": \"500\"}]} lets it fail from now on.";

/// Run a simulated provider that enforces limits as the real ones do
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProviderArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4190")]
    listen: SocketAddr,
    /// Provider whose paths, bodies, headers, limits and charges it has; limits below replace its
    /// own. Without it, OpenAI's, with no limits but those below
    #[arg(long, value_name = "NAME", value_parser = likenesses())]
    like: Option<Likeness>,
    #[command(flatten)]
    limits: LimitArgs,
    /// How the token charge of a request is computed [default: max, or the provider's]
    #[arg(long, value_name = "FORMULA")]
    charge: Option<Charge>,
    /// Correct the charge to the actual use when a request ends
    #[arg(long)]
    refund: bool,
    /// Which requests share a limit pool [default: organization, or the provider's]
    #[arg(long, value_name = "SCOPE")]
    scope: Option<Scope>,
    /// Time to the first token
    #[arg(long, value_name = "MS", default_value_t = 0)]
    first_token_ms: u64,
    /// Time for each further token
    #[arg(long, value_name = "MS", default_value_t = 0)]
    token_ms: u64,
    /// How much times vary around their values
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    jitter_percent: u32,
    /// Shortest time for which a request is on its way before it is judged
    #[arg(long, value_name = "MS", default_value_t = 0)]
    arrival_min_ms: u64,
    /// Longest such time; each request's is drawn between the two
    #[arg(long, value_name = "MS", default_value_t = 0)]
    arrival_max_ms: u64,
    /// Mean number of tokens of an answer
    #[arg(long, value_name = "TOKENS", default_value_t = 48)]
    output_tokens: u64,
    /// Send no x-ratelimit-* headers
    #[arg(long)]
    no_limit_headers: bool,
    /// Something that goes wrong, and for which share of the requests (FAULT or FAULT:SHARE, as in
    /// 500:0.05, hang, cut_stream;after=3); may be repeated
    #[arg(long = "fault", value_name = "FAULT", value_parser = fault_rule)]
    faults: Vec<FaultRule>,
    /// Threads that serve connections
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    threads: usize,
    /// Varies all answers, times and faults
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

/// How the token charge of a request is computed.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Charge {
    /// The larger of characters / 4 and max_tokens
    Max,
    /// characters / 4 and max_tokens together
    Sum,
    /// characters / 4, and max_tokens for each choice
    SumChoices,
    /// characters / 4 alone
    Input,
}

/// Which requests share a limit pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// All of them
    Organization,
    /// Those that name the same openai-project
    Project,
    /// Those with the same key
    Key,
    /// Those for the same model
    Model,
}

/// Reads the name of a provider, and knows which there are.
fn likenesses() -> impl TypedValueParser<Value = Likeness> {
    PossibleValuesParser::new(Likeness::ALL.map(Likeness::name))
        .try_map(|name| name.parse::<Likeness>())
}

/// Reads `FAULT` or `FAULT:SHARE`.
fn fault_rule(text: &str) -> Result<FaultRule, String> {
    let (fault, share) = match text.rsplit_once(':') {
        None => (text, 1.0),
        Some((fault, share)) => {
            let share = share
                .parse()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share));
            (
                fault,
                share.ok_or("the share after the colon must be from 0 to 1")?,
            )
        }
    };
    fault
        .parse::<paceline_simulator::FaultOrder>()
        .map_err(|error| error.to_string())?;
    Ok(FaultRule {
        fault: fault.to_owned(),
        share,
        ..FaultRule::default()
    })
}

impl ProviderArgs {
    /// The provider that it is like, with what the options change.
    fn settings(&self) -> SimulatorSettings {
        let like = self.like.map(SimulatorSettings::like).unwrap_or_default();
        let mut settings = SimulatorSettings {
            listen: self.listen,
            worker_threads: self.threads,
            charge_formula: self.charge.map_or(like.charge_formula, ChargeFormula::from),
            output_length: OutputLength::Mean(self.output_tokens),
            latency: self.latency(),
            headers: HeaderSettings {
                rate_limits: !self.no_limit_headers,
                ..like.headers
            },
            faults: self.faults.clone(),
            seed: self.seed,
            ..like
        };
        self.limits.change(&mut settings);
        settings.limits.refund |= self.refund;
        if let Some(scope) = self.scope {
            settings.pool_scope = match scope {
                Scope::Organization | Scope::Model => PoolScope::Organization,
                Scope::Project => PoolScope::Project,
                Scope::Key => PoolScope::Key,
            };
            settings.pool_per_model = scope == Scope::Model;
        }
        settings
    }

    const fn latency(&self) -> Latency {
        Latency {
            first_token: Duration::from_millis(self.first_token_ms),
            per_token: Duration::from_millis(self.token_ms),
            jitter_percent: self.jitter_percent,
            arrival_min: Duration::from_millis(self.arrival_min_ms),
            arrival_max: Duration::from_millis(self.arrival_max_ms),
        }
    }
}

impl From<Charge> for ChargeFormula {
    fn from(charge: Charge) -> Self {
        match charge {
            Charge::Max => Self::MaxOfEstimateAndLimit,
            Charge::Sum => Self::EstimatePlusLimit,
            Charge::SumChoices => Self::EstimatePlusLimitTimesChoices,
            Charge::Input => Self::InputOnly,
        }
    }
}

pub(crate) fn run(args: &ProviderArgs) -> Result<(), Failure> {
    runtime::on_this_thread()?.block_on(serve(args.settings()))
}

async fn serve(settings: SimulatorSettings) -> Result<(), Failure> {
    let limits = limits_in_words(&settings);
    let likeness = settings.likeness;
    let simulator = Simulator::start(settings).await.map_err(refused)?;
    // Before anybody is told where it is, and may end it.
    let ended = ended()?;
    let mut terminal = Terminal::stdout();
    let like = match likeness {
        Likeness::OpenAi => String::new(),
        other => format!(" like {other}"),
    };
    let base_url = simulator.base_url();
    terminal.line(&format!(
        "simulated provider{like} on {base_url}; limits: {limits}"
    ))?;
    ended.await;
    let counters = simulator.state().counters;
    simulator.shutdown().await;
    terminal.line(&format!(
        "{} served, {} refused",
        counted(counters.served, "request"),
        grouped(counters.refused_in_total()),
    ))
}

fn limits_in_words(settings: &SimulatorSettings) -> String {
    let limits = &settings.limits;
    let quotas = limits.quotas.iter();
    let mut words: Vec<String> = quotas
        .map(|quota| format!("{} {quota}", grouped(quota.amount)))
        .collect();
    words.extend(
        limits
            .max_in_flight
            .map(|most| format!("{} at once", counted(most, "request"))),
    );
    words.extend(
        limits
            .ramp
            .map(|_| "a rate that follows traffic".to_owned()),
    );
    if words.is_empty() {
        return "none".to_owned();
    }
    words.join(", ")
}

fn refused(error: StartError) -> Failure {
    let code = match &error {
        StartError::Listen { .. } => exit::ADDRESS,
        StartError::Worker(_) | StartError::Fault(_) => exit::FAILURE,
    };
    Failure::new(code, error.to_string())
}

/// Catches SIGINT and SIGTERM from now on; what is returned waits for one of them.
fn ended() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let cannot = |error| Failure::other(format!("cannot wait for signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use paceline_simulator::{Quota, QuotaKind};

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ProviderArgs,
    }

    fn settings(options: &[&str]) -> SimulatorSettings {
        let words = std::iter::once("provider").chain(options.iter().copied());
        let line = <Line as clap::Parser>::try_parse_from(words).unwrap();
        line.args.settings()
    }

    #[test]
    fn a_provider_keeps_what_no_option_changes() {
        for likeness in Likeness::ALL {
            let like = SimulatorSettings::like(likeness);
            let chosen = settings(&["--like", likeness.name()]);
            assert_eq!(chosen.limits, like.limits, "{likeness}");
            assert_eq!(chosen.likeness, likeness);
            assert_eq!(chosen.charge_formula, like.charge_formula);
            assert_eq!(chosen.pool_per_model, like.pool_per_model);
        }
        assert_eq!(settings(&[]).limits, SimulatorSettings::default().limits);
    }

    #[test]
    fn options_change_the_limits_of_the_provider() {
        let azure = settings(&["--like", "azure", "--rpm", "600", "--tpm", "9000"]);
        let amounts = azure.limits.quotas.iter().map(|quota| quota.amount);
        assert_eq!(amounts.collect::<Vec<_>>(), [100, 9_000]);
        let anthropic = settings(&["--like=anthropic", "--itpm=700", "--otpm=300"]);
        let amounts = anthropic.limits.quotas.iter().map(|quota| quota.amount);
        assert_eq!(amounts.collect::<Vec<_>>(), [50, 700, 300]);
        let alone = settings(&["--tpm", "100", "--kind", "sliding"]);
        let kept = Quota::tokens_per_minute(100).kept_as(QuotaKind::Sliding);
        assert_eq!(alone.limits.quotas, [kept]);
    }

    #[test]
    fn every_kind_of_limit_is_told_in_words() {
        let told = |options: &[&str]| limits_in_words(&settings(options));
        assert_eq!(told(&[]), "none");
        assert_eq!(told(&["--like", "deepseek"]), "20 requests at once");
        assert_eq!(told(&["--like", "together"]), "a rate that follows traffic");
        let azure = told(&["--like", "azure"]);
        assert_eq!(
            azure,
            "60 requests per 10s (RP10s), 60,000 tokens per min (TPM)"
        );
    }

    #[test]
    fn a_fault_may_have_a_share() {
        let rule = fault_rule("cut_stream;after=3:0.25").unwrap();
        assert_eq!(
            (rule.fault.as_str(), rule.share),
            ("cut_stream;after=3", 0.25)
        );
        assert_eq!(fault_rule("500").unwrap().share, 1.0);
        for wrong in ["500:2", "500:x", "no_such_fault"] {
            assert!(fault_rule(wrong).is_err(), "{wrong}");
        }
    }
}
