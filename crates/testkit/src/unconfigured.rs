//! The unconfigured run: a gateway that was told nothing, in front of a provider that enforces.
//!
//! More callers than the quota can serve, each with its next request ready, and requests whose
//! characters and token limits both vary. The provider's own journal tells what was refused and
//! what of the quota was used; the gateway's own pool tells what it believes at the end.

mod load;
mod truth;

use std::time::{Duration, Instant};

use anyhow::Result;
use paceline_limiter::{ChargeFormula as Formula, Combine, DomainSnapshot, LimitBelief, LimitView};
use paceline_simulator::{
    ChargeFormula, EnforcerSettings, JournalEntry, Latency, OutputLength, Quota, QuotaKind,
    Simulator, SimulatorSettings,
};

use crate::journal::nanoseconds;
use crate::{TestGateway, journal};
use load::{Load, Until};

/// The window of all quotas.
const MINUTE: Duration = Duration::from_secs(60);

/// One provider and its traffic.
#[derive(Clone, Copy, Debug)]
pub struct UnconfiguredRun {
    /// How the provider counts, tokens and requests alike.
    pub kind: QuotaKind,
    /// Tokens a minute; a sixtieth of it is the limit on requests.
    pub tokens_per_minute: u64,
    /// How the provider charges a request.
    pub formula: ChargeFormula,
    /// Whether it corrects the charge when a request ends.
    pub refund: bool,
    /// The mean length of answers, in percent of the mean token limit of requests.
    pub output_percent: u64,
    /// The shortest and the longest time that a request is on its way to it.
    pub arrival: (Duration, Duration),
}

/// What is believed of the limit on tokens, and how far it is from the truth.
#[derive(Clone, Debug)]
pub struct Believed {
    /// The belief and the figures that go with it; none where nothing was learned.
    pub limit: Option<LimitView>,
    /// How the charge is computed.
    pub charge: paceline_limiter::ChargeBelief,
    /// Whether kind and piece are those of the provider.
    pub kind_is_right: bool,
    /// Whether the formula is the provider's, refunds included.
    pub formula_is_right: bool,
    /// The believed amount over the true one.
    pub amount_ratio: Option<f64>,
    /// The believed length of a window less the true one, in milliseconds.
    pub window_error_ms: Option<i64>,
    /// The end of the present window as believed at the latest, less the true end, in
    /// milliseconds; only for fixed windows.
    pub phase_error_ms: Option<i64>,
    /// The believed piece over the true quantum's amount; only for quantised limits.
    pub piece_ratio: Option<f64>,
}

/// What came of a run against a constant backlog.
#[derive(Clone, Debug)]
pub struct UnconfiguredReport {
    /// Refusals by the provider in the first minute.
    pub refused_first: u64,
    /// Refusals by the provider after it.
    pub refused_after: u64,
    /// Requests that it admitted.
    pub admitted: u64,
    /// Calls whose caller did not get an answer with success.
    pub failed: u64,
    /// What the provider counted in the whole minutes after the first one, net of refunds, over
    /// the quota of these minutes.
    pub utilisation: f64,
    /// What the gateway believes at the end.
    pub believed: Believed,
}

/// What came of a finite job, begun on a full bucket.
#[derive(Clone, Copy, Debug)]
pub struct JobReport {
    /// Refusals by the provider.
    pub refused: u64,
    /// Calls whose caller did not get an answer with success.
    pub failed: u64,
    /// From the first admission to the last.
    pub last_admission: Duration,
    /// The earliest that the last admission could have been for anybody.
    pub best: Duration,
}

impl UnconfiguredRun {
    /// Keeps a constant backlog for `time`, which is some whole minutes.
    ///
    /// # Errors
    /// When simulator or gateway cannot start, or nothing was admitted.
    pub async fn run(&self, time: Duration) -> Result<UnconfiguredReport> {
        let simulator = Simulator::start(self.simulator_settings()).await?;
        let gateway = TestGateway::start(simulator.address(), "")?;
        // A little longer, so that the last minute is whole although the first admission is late.
        let until = Until::Time(Instant::now() + time + Duration::from_secs(2));
        let load = Load::new(self);
        let running = tokio::spawn(load.run(gateway.caller(), until));
        tokio::time::sleep(time).await;
        let snapshot = gateway.snapshot()?;
        let believed = self.believed(&snapshot, &simulator);
        let failed = running.await?;
        let journal = simulator.journal(0);
        let first_ns = journal::first_admission(&journal)?;
        let minute_ns = nanoseconds(MINUTE);
        let report = UnconfiguredReport {
            refused_first: journal::refused(&journal, 0, first_ns + minute_ns),
            refused_after: journal::refused(&journal, first_ns + minute_ns, u64::MAX),
            admitted: simulator.state().counters.admitted,
            failed,
            utilisation: self.utilisation(&journal, first_ns, time),
            believed,
        };
        gateway.stop().await?;
        simulator.shutdown().await;
        Ok(report)
    }

    /// Has twice a minute's quota of tokens done; where windows count, a fiftieth less, because
    /// requests do not add up to a window's last token.
    ///
    /// # Errors
    /// When simulator or gateway cannot start, or nothing was admitted.
    pub async fn job(&self) -> Result<JobReport> {
        let simulator = Simulator::start(self.simulator_settings()).await?;
        let gateway = TestGateway::start(simulator.address(), "")?;
        let total = match self.kind {
            QuotaKind::Fixed | QuotaKind::FixedFromFirstUse | QuotaKind::Sliding => {
                2 * self.tokens_per_minute - self.tokens_per_minute / 25
            }
            _ => 2 * self.tokens_per_minute,
        };
        let failed = Load::new(self)
            .run(gateway.caller(), Until::Charged(total))
            .await;
        let journal = simulator.journal(0);
        let report = JobReport {
            refused: simulator.state().counters.refused_in_total(),
            failed,
            last_admission: journal::span(&journal)?,
            best: truth::best_of_job(&journal, self.kind, self.tokens_per_minute)?,
        };
        gateway.stop().await?;
        simulator.shutdown().await;
        Ok(report)
    }

    fn simulator_settings(&self) -> SimulatorSettings {
        let requests = self.tokens_per_minute / 60;
        let quotas = vec![
            Quota::tokens_per_minute(self.tokens_per_minute).kept_as(self.kind),
            Quota::requests_per_minute(requests).kept_as(self.kind),
        ];
        SimulatorSettings {
            limits: EnforcerSettings {
                quotas,
                refund: self.refund,
                ..EnforcerSettings::default()
            },
            charge_formula: self.formula,
            output_length: OutputLength::Mean(load::mean_part(self) * self.output_percent / 100),
            latency: Latency {
                first_token: Duration::from_millis(200),
                jitter_percent: 50,
                arrival_min: self.arrival.0,
                arrival_max: self.arrival.1,
                ..Latency::default()
            },
            ..SimulatorSettings::default()
        }
    }

    /// The use of whole minutes after the first. Where windows follow the clock, they are those of
    /// the clock: any other minute can hold parts of two windows that were used unevenly.
    fn utilisation(&self, journal: &[JournalEntry], first_ns: u64, time: Duration) -> f64 {
        let minute_ns = nanoseconds(MINUTE);
        let from_ns = match self.kind {
            QuotaKind::Fixed => (first_ns / minute_ns + 1) * minute_ns,
            _ => first_ns + minute_ns,
        };
        let minutes = (time.as_secs() / 60).saturating_sub(1).max(1);
        let used = journal::net_tokens(journal, from_ns, from_ns + minutes * minute_ns);
        used as f64 / (minutes * self.tokens_per_minute) as f64
    }

    fn believed(&self, snapshot: &DomainSnapshot, simulator: &Simulator) -> Believed {
        let mut limits = snapshot.limits.iter();
        let limit = limits.find(|limit| limit.metric == paceline_limiter::Metric::Tokens);
        let limit = limit.copied();
        let belief = limit.and_then(|limit| limit.belief);
        let now_ns = simulator.state().time_ns;
        let phase_error_ms = belief
            .and_then(|belief| belief.ends_in)
            .zip(truth::window_end(&simulator.journal(0), self.kind, now_ns))
            .map(|(ends_in, end_ns)| error_ms(now_ns + nanoseconds(ends_in), end_ns));
        Believed {
            limit,
            charge: snapshot.charge,
            kind_is_right: belief.is_some_and(|belief| self.is_kind(&belief)),
            formula_is_right: self.is_formula(snapshot.charge.formula),
            amount_ratio: limit.map(|limit| limit.amount as f64 / self.tokens_per_minute as f64),
            window_error_ms: limit
                .map(|limit| error_ms(nanoseconds(limit.window), nanoseconds(MINUTE))),
            phase_error_ms,
            piece_ratio: belief
                .and_then(|belief| belief.piece)
                .zip(self.true_piece())
                .map(|(believed, piece)| believed as f64 / piece),
        }
    }

    /// A quantised limit is believed to be a bucket with a piece, and a bucket to be one without.
    fn is_kind(&self, belief: &LimitBelief) -> bool {
        use paceline_limiter::WindowKind;
        let whole = belief.piece.is_none();
        match self.kind {
            QuotaKind::Bucket => belief.kind == Some(WindowKind::Bucket) && whole,
            QuotaKind::Quantised { .. } => belief.piece.is_some(),
            QuotaKind::Fixed | QuotaKind::FixedFromFirstUse => {
                belief.kind == Some(WindowKind::Fixed) && whole
            }
            QuotaKind::Sliding => belief.kind == Some(WindowKind::Sliding) && whole,
            QuotaKind::BucketBurst { .. } => belief.kind == Some(WindowKind::Bucket),
        }
    }

    /// Without an `n` above one, both sums are the same.
    fn is_formula(&self, believed: Formula) -> bool {
        let combine = match self.formula {
            ChargeFormula::MaxOfEstimateAndLimit => Combine::Max,
            ChargeFormula::EstimatePlusLimit | ChargeFormula::EstimatePlusLimitTimesChoices => {
                Combine::Sum
            }
            ChargeFormula::InputOnly => Combine::Input,
        };
        believed.combine == combine && believed.refunds == self.refund
    }

    fn true_piece(&self) -> Option<f64> {
        let QuotaKind::Quantised { quantum_ms } = self.kind else {
            return None;
        };
        Some(self.tokens_per_minute as f64 * quantum_ms as f64 / 60_000.0)
    }
}

fn error_ms(believed_ns: u64, true_ns: u64) -> i64 {
    let difference = i128::from(believed_ns) - i128::from(true_ns);
    i64::try_from(difference / 1_000_000).unwrap_or(i64::MAX)
}
