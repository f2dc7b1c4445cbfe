//! Two lanes, and the provider of the first one falls ill and is mended: what callers see of it, when
//! the gateway notices, and when the lane has all of its calls again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use paceline_admin_api::{LaneState, Lanes};
use paceline_simulator::{
    EnforcerSettings, FaultRule, Latency, Likeness, OutputLength, Quota, Simulator,
    SimulatorSettings,
};

use super::calls::{Calls, FirstBytes};
use super::{MODEL, NAME, SECOND};
use crate::TestGateway;

/// Quotas that nobody notices, in a minute.
const REQUESTS_PER_MINUTE: u64 = 100_000;
const TOKENS_PER_MINUTE: u64 = 10_000_000;

/// Tokens of each answer.
const OUTPUT_TOKENS: u32 = 20;

/// How much the times of answers vary, in percent: 0.5 s is 0.3 to 0.7 s.
const JITTER_PERCENT: u32 = 40;

/// A first byte after this is late.
const LATE: Duration = Duration::from_secs(3);

/// From one look at the lanes to the next.
const LOOK: Duration = Duration::from_millis(100);

/// Steady streaming calls over two lanes, of which the first falls ill.
#[derive(Clone, Debug)]
pub struct IllnessRun {
    /// What happens to all calls of the first lane, in the simulator's words; `None` for nothing.
    pub fault: Option<String>,
    /// More of `[models.fast]`, as TOML.
    pub model: String,
    /// More of `[breaker]`, as TOML.
    pub breaker: String,
    /// `first_byte_timeout` of both lanes.
    pub first_byte_timeout: Duration,
    /// From one call to the next.
    pub spacing: Duration,
    /// The mean time to the first token.
    pub begins_after: Duration,
    /// The mean time from the first token to the last.
    pub lasts: Duration,
    /// The time before the illness.
    pub well: Duration,
    /// The time of the illness.
    pub ill: Duration,
    /// How long at the most the lane has to come back; one that is not left alone has `well`.
    pub return_max: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct IllnessReport {
    /// Calls in all.
    pub calls: u64,
    /// Calls whose caller got no whole answer.
    pub lost: u64,
    /// Attempts over the first lane that failed, lost or not.
    pub failed_attempts: u64,
    /// Calls whose first byte came later than three seconds.
    pub late: u64,
    /// Calls that were sent a second time beside the first.
    pub hedged: u64,
    /// First bytes of calls that were due before the illness.
    pub well: FirstBytes,
    /// First bytes of calls that were due in its time.
    pub ill: FirstBytes,
    /// From its beginning until the lane was left alone.
    pub tripped_after: Option<Duration>,
    /// Calls that the lane got from then until its provider was mended.
    pub sent_after_trip: u64,
    /// From mending until the lane takes all calls; `None` also where it was not left alone.
    pub returned_after: Option<Duration>,
    /// How often each lane was found to be ill.
    pub trips: [u64; 2],
}

impl IllnessReport {
    /// The share of calls that were answered to the end.
    #[must_use]
    pub fn whole(&self) -> f64 {
        1.0 - self.lost as f64 / self.calls.max(1) as f64
    }
}

impl IllnessRun {
    /// Twenty calls a second, answers that begin after 0.3 to 0.7 s and take a second more; ill from the
    /// 15th second on, for half a minute.
    #[must_use]
    pub fn of(fault: Option<&str>) -> Self {
        Self {
            fault: fault.map(str::to_owned),
            model: String::new(),
            breaker: String::new(),
            first_byte_timeout: Duration::from_secs(10),
            spacing: Duration::from_millis(50),
            begins_after: Duration::from_millis(500),
            lasts: Duration::from_secs(1),
            well: Duration::from_secs(15),
            ill: Duration::from_secs(30),
            return_max: Duration::from_secs(90),
        }
    }

    /// Plays it.
    ///
    /// # Errors
    /// When a simulator or the gateway cannot start, or the gateway does not tell of its lanes.
    pub async fn run(&self) -> Result<IllnessReport> {
        let first = Simulator::start(self.simulator_settings()).await?;
        let second = Simulator::start(self.simulator_settings()).await?;
        let configuration = self.configuration(&second);
        let gateway = TestGateway::start_at(&first.base_url(), &configuration)?;
        let received = || first.state().counters.received;

        let began = Instant::now();
        let (onset, mended) = (began + self.well, began + self.well + self.ill);
        let calls = Calls::start(gateway.caller(), self.spacing);
        tokio::time::sleep_until(onset.into()).await;
        first.set_faults(self.faults())?;
        let tripped = until(&gateway, mended, |lane| lane.trips > 0).await?;
        let received_until_trip = received();
        tokio::time::sleep_until(mended.into()).await;
        let sent_after_trip = received() - received_until_trip;
        first.set_faults(Vec::new())?;
        let returned = match tripped {
            Some(_) => {
                let patience = mended + self.return_max;
                until(&gateway, patience, |lane| lane.state == "closed").await?
            }
            None => {
                tokio::time::sleep_until((mended + self.well).into()).await;
                None
            }
        };

        let calls = calls.stop().await?;
        let failed = format!("lane=\"upstream/{MODEL}\",outcome=\"fault\"");
        let failed_attempts = gateway.metric("paceline_lane_calls_total", &failed).await?;
        let trips = [
            lane(&gateway, 0).await?.trips,
            lane(&gateway, 1).await?.trips,
        ];
        gateway.stop().await?;
        first.shutdown().await;
        second.shutdown().await;
        let is_late = |time: Duration| time > LATE;
        let count = |is: &dyn Fn(&super::calls::Call) -> bool| {
            calls.iter().filter(|call| is(call)).count() as u64
        };
        Ok(IllnessReport {
            calls: calls.len() as u64,
            lost: count(&|call| !call.is_whole),
            failed_attempts: failed_attempts as u64,
            late: count(&|call| call.first_byte.is_some_and(is_late)),
            hedged: count(&|call| call.is_hedged),
            well: FirstBytes::of(&calls, (began, onset)),
            ill: FirstBytes::of(&calls, (onset, mended)),
            tripped_after: tripped.map(|at| at.saturating_duration_since(onset)),
            sent_after_trip,
            returned_after: returned.map(|at| at.saturating_duration_since(mended)),
            trips,
        })
    }

    fn faults(&self) -> Vec<FaultRule> {
        let rule = |fault: &String| FaultRule {
            fault: fault.clone(),
            ..FaultRule::default()
        };
        self.fault.iter().map(rule).collect()
    }

    fn simulator_settings(&self) -> SimulatorSettings {
        SimulatorSettings {
            limits: EnforcerSettings {
                quotas: vec![
                    Quota::requests_per_minute(REQUESTS_PER_MINUTE),
                    Quota::tokens_per_minute(TOKENS_PER_MINUTE),
                ],
                ..EnforcerSettings::default()
            },
            output_length: OutputLength::Exactly(OUTPUT_TOKENS.into()),
            latency: Latency {
                first_token: self.begins_after,
                per_token: self.lasts / OUTPUT_TOKENS,
                jitter_percent: JITTER_PERCENT,
                ..Latency::default()
            },
            ..SimulatorSettings::like(Likeness::OpenAi)
        }
    }

    fn configuration(&self, second: &Simulator) -> String {
        let timeout_ms = self.first_byte_timeout.as_millis();
        let reach = |key: &str| {
            format!(
                "profile = \"openai\"\napi_key = \"{key}\"\nfirst_byte_timeout = \"{timeout_ms}ms\"\n"
            )
        };
        format!(
            "[upstream]\n{}[providers.{SECOND}]\nbase_url = \"{}\"\n{}\
             [models.{NAME}]\nchoose = \"soonest\"\n\
             lanes = [{{ model = \"{MODEL}\" }}, {{ provider = \"{SECOND}\", model = \"{MODEL}\" }}]\n\
             {}\n[breaker]\n{}\n",
            reach("sk-proj-red-0001"),
            second.base_url(),
            reach("sk-proj-blue-0002"),
            self.model,
            self.breaker
        )
    }
}

/// Looks at the first lane until `holds` is true of it; `None` where it does not come true in time.
async fn until(
    gateway: &TestGateway,
    end: Instant,
    holds: impl Fn(&LaneState) -> bool,
) -> Result<Option<Instant>> {
    while Instant::now() < end {
        if holds(&lane(gateway, 0).await?) {
            return Ok(Some(Instant::now()));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(None)
}

/// The first lane or the second, as the gateway tells of it.
async fn lane(gateway: &TestGateway, place: usize) -> Result<LaneState> {
    let provider = ["upstream", SECOND][place];
    let answer = gateway.admin("/monitoring/lanes").await?;
    let lanes: Lanes = serde_json::from_slice(&answer.body)?;
    let mut lanes = lanes.lanes.into_iter();
    let found = lanes.find(|lane| lane.provider == provider && lane.model == MODEL);
    found.with_context(|| format!("there is no lane of {provider}"))
}
