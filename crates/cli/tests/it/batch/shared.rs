//! A batch beside a gateway, both counting one quota in a store.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use paceline_simulator::{EnforcerSettings, Latency, OutputLength, Quota, SimulatorSettings};
use paceline_testkit::redis::RedisServer;
use paceline_testkit::{Caller, GatewayCommand, chat};
use tokio::task::block_in_place;

use super::{Stage, told, within};

/// What goes at once, and what each minute brings after that.
const PER_MINUTE: u64 = 300;

const LINES: usize = 310;
const CALLERS: usize = 4;

/// Those who call a gateway while the batch runs, one call after the other.
async fn keep_calling(caller: Caller, calls: usize) -> Result<()> {
    for _ in 0..calls {
        let headers = [("authorization", "Bearer sk-test")];
        let answer = caller.chat(&headers, chat(10, false)).await?;
        ensure!(answer.status == 200, "{}", answer.text());
    }
    Ok(())
}

/// Both together want more than goes at once, and each of them alone would not know.
#[tokio::test(flavor = "multi_thread")]
async fn beside_a_gateway_with_the_same_store_a_batch_keeps_to_the_common_quota() -> Result<()> {
    const CALLS_EACH: usize = 12;
    let settings = SimulatorSettings {
        limits: EnforcerSettings {
            quotas: vec![Quota::requests_per_minute(PER_MINUTE)],
            ..EnforcerSettings::default()
        },
        output_length: OutputLength::Exactly(10),
        latency: Latency {
            first_token: Duration::from_millis(20),
            ..Latency::default()
        },
        ..SimulatorSettings::default()
    };
    let stage = Stage::of(LINES, settings).await?;
    let redis = block_in_place(RedisServer::start)?;
    let configuration = format!(
        "[store]\nurl = \"{}\"\n[limits]\nrequests_per_minute = {PER_MINUTE}\nwindow = \"bucket\"\n",
        redis.url()
    );
    fs::write(stage.path("paceline.toml"), &configuration)?;
    let gateway = block_in_place(|| {
        GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), stage.simulator.address())
            .configuration(&configuration)
            .start()
    })?;
    // From here on it has a part of the quota.
    keep_calling(gateway.caller(), 1).await?;
    let batch = stage.command(&[]).spawn()?;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| tokio::spawn(keep_calling(gateway.caller(), CALLS_EACH)))
        .collect();
    let output = block_in_place(|| within(batch))?;
    ensure!(output.status.success(), "{}", told(&output));
    for caller in callers {
        caller.await??;
    }
    let results = stage.results()?;
    ensure!(results.len() == LINES, "{} of {LINES}", results.len());
    ensure!(results.values().all(|count| *count == 1), "{results:?}");
    let counters = stage.simulator.state().counters;
    ensure!(counters.refused_in_total() == 0, "{counters:?}");
    ensure!(
        counters.served == (LINES + CALLERS * CALLS_EACH + 1) as u64,
        "{counters:?}"
    );
    Ok(())
}
