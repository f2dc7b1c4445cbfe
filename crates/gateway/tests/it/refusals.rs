//! What is seen and logged of refusals by the provider.

use std::time::Duration;

use anyhow::{Result, bail};
use http::Method;
use paceline_simulator::Quota;
use paceline_testkit::{TestGateway, chat};

use crate::lanes::always;
use crate::log::Log;
use crate::provider::provider;

/// The lines of a pool that contain `text`.
fn lines(log: &Log, pool: &str, text: &str) -> Vec<String> {
    let mut lines = log.lines(text);
    lines.retain(|line| line.contains(&format!("pool=\"{pool}\"")));
    lines
}

fn configuration(pool: &str, tokens_per_minute: u64, stabilisation: &str) -> String {
    format!(
        "[retry]\nstabilisation = \"{stabilisation}\"\njitter = \"0ms\"\n\
         [[domains]]\nname = \"{pool}\"\nmodels = [\"*\"]\nwindow = \"bucket\"\n\
         tokens_per_minute = {tokens_per_minute}\npenalty_tokens = 70\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_episode_is_one_line_one_cut_and_one_penalty_and_its_end_is_another_line() -> Result<()>
{
    let log = Log::capture();
    // The refusals say that all is used, and ask for five seconds: all come within them.
    // Where headers told the level, there would be nothing to stabilise.
    let mut mute = crate::provider::settings(vec![Quota::tokens_per_minute(6_000)]);
    mute.headers.rate_limits = false;
    let simulator = paceline_simulator::Simulator::start(mute).await?;
    let gateway = TestGateway::start(
        simulator.address(),
        &configuration("together", 6_000, "10m"),
    )?;
    let calls: Vec<_> = (0..4)
        .map(|index| {
            let caller = gateway.caller();
            tokio::spawn(async move {
                let fault = format!("429;times=1;key={index}");
                let headers = [("x-simulator-fault", fault.as_str())];
                caller.chat(&headers, chat(500, false)).await
            })
        })
        .collect();
    // On a slow machine the last ones may come so late that the pause holds them.
    let all_refused = |pool: &paceline_admin_api::PoolState| {
        let received = simulator.state().counters.received;
        let refusals = pool.episode.as_ref().map(|episode| episode.refusals);
        pool.in_flight == 0 && refusals == Some(received)
    };
    let pool = gateway.until_pool(all_refused).await?;
    let Some(episode) = &pool.episode else {
        bail!("{pool:?}")
    };
    assert_eq!((episode.number, episode.over), (1, false));
    assert_eq!(
        (episode.kind.as_str(), episode.penalty_tokens),
        ("quota", 70)
    );
    assert_eq!((episode.limit, episode.requested), (Some(6_000), Some(500)));
    let throttle = |kind: &str| pool.throttles.iter().find(|throttle| throttle.kind == kind);
    let Some(stabilisation) = throttle("stabilisation") else {
        bail!("{pool:?}")
    };
    assert!((0.8..0.82).contains(&stabilisation.share), "{pool:?}");
    assert!(stabilisation.remaining_ms > 500_000, "{pool:?}");
    assert_eq!(stabilisation.metric.as_deref(), Some("tokens"));
    assert!(throttle("slow_start").is_some(), "{pool:?}");
    let metric = |name, labels| gateway.metric(name, labels);
    assert_eq!(
        metric("paceline_refusal_episodes_total", "quota").await?,
        1.0
    );
    let share = metric("paceline_throttle_share_ratio", "stabilisation").await?;
    assert!((0.8..0.82).contains(&share), "{share}");
    let lines = lines(&log, "together", "WARN");
    let [line] = &lines[..] else {
        bail!("not one line but {lines:#?}")
    };
    for part in [
        "episode=1",
        "limit=6000",
        "requested=500",
        "penalty_tokens=70",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    for part in [
        "slow_start_percent=25",
        "stabilisation_percent=80",
        "pause_ms=5",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    for call in calls {
        call.abort();
    }
    its_end(&log).await
}

/// Without stabilisation a short pause is soon over, though nobody asks for anything any more.
async fn its_end(log: &Log) -> Result<()> {
    let simulator = provider(vec![Quota::tokens_per_minute(6_000_000)]).await?;
    let gateway = TestGateway::start(
        simulator.address(),
        &configuration("alone", 6_000_000, "0s"),
    )?;
    let fault = [("x-simulator-fault", "429;times=1;key=end")];
    let answer = gateway.caller().chat(&fault, chat(500, false)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for _ in 0..100 {
        let lines = lines(log, "alone", "whole again");
        if let [line] = &lines[..] {
            assert!(
                line.contains("INFO") && line.contains("refusals=1"),
                "{line}"
            );
            let pool = gateway.pool().await?;
            assert!(pool.throttles.is_empty(), "{pool:?}");
            assert!(pool.episode.is_some_and(|episode| episode.over));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the end of the episode was not told within five seconds")
}

#[tokio::test]
async fn growth_that_is_refused_is_held_and_the_level_stays() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(
        simulator.address(),
        &configuration("slope", 6_000_000, "10m"),
    )?;
    let fault = [("x-simulator-fault", "slow_down;times=1;key=slope")];
    let answer = gateway.caller().chat(&fault, chat(500, false)).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pool = gateway.assert_settled().await?;
    let kinds: Vec<_> = pool
        .throttles
        .iter()
        .map(|throttle| throttle.kind.as_str())
        .collect();
    assert_eq!(kinds, ["growth"], "{pool:?}");
    assert!(pool.limits[0].used <= 500, "{pool:?}");
    assert!(
        pool.episode
            .is_some_and(|episode| episode.kind == "acceleration")
    );
    Ok(())
}

#[tokio::test]
async fn the_gateways_own_key_is_shown_to_nobody_when_the_provider_repeats_it() -> Result<()> {
    let log = Log::capture();
    let simulator = provider(vec![]).await?;
    let key = "sk-never-to-be-shown";
    let text = format!(
        "[upstream]\nprofile = \"openai\"\napi_key = \"{key}\"\n\
         [models.\"gpt-*\"]\nlanes = [{{}}]\n"
    );
    let gateway = TestGateway::start(simulator.address(), &text)?;
    let caller = gateway.caller();
    let bodies = [
        ("/v1/chat/completions", chat(5, false)),
        ("/v1/chat/completions", chat(5, true)),
        // In other words than the provider's.
        ("/v1/messages", chat(5, false)),
    ];
    for (path, body) in bodies {
        simulator.set_faults(always("401"))?;
        let answer = caller.post(path, &[], body).await?;
        assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        assert!(answer.text().contains("Bearer ***"), "{}", answer.text());
        let lanes = gateway.admin("/monitoring/lanes").await?;
        let kept = lanes.text();
        assert!(kept.contains("Bearer ***"), "{kept}");
        assert!(
            !kept.contains(key) && !answer.text().contains(key),
            "{kept}"
        );
        let lane = "/monitoring/lanes/upstream%2Fgpt-4o-mini/reset";
        let reset = gateway.admin_order(Method::POST, lane, "").await?;
        assert!(reset.status.is_success(), "{}", reset.text());
    }
    let told = log.lines("Bearer ***");
    assert!(!told.is_empty(), "the trip is in the log");
    let shown = log.lines(key);
    assert!(shown.is_empty(), "{shown:?}");
    Ok(())
}
