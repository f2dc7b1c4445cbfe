//! Several keys and providers behind one name: choice, fallback, breakers, and what callers see of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::join_all;
use paceline_simulator::{FaultRule, Metric, Quota, Simulator, SimulatorSettings};
use paceline_testkit::{Answer, TestGateway, chat};

use crate::provider::provider;

/// Retries that do not make a test wait.
const QUICK: &str = "[retry]\nretries_max = 3\nbase_delay = \"10ms\"\njitter = \"0s\"\n";

/// A gateway with these providers behind the name `fast`, in the order of their priority.
pub(crate) fn gateway_to(providers: &[&Simulator], lanes: &str, more: &str) -> Result<TestGateway> {
    let (first, others) = providers.split_first().context("a provider")?;
    let mut text = format!("{QUICK}[upstream]\napi_key = \"sk-0\"\n");
    for (index, other) in others.iter().enumerate() {
        let number = index + 1;
        text += &format!(
            "[providers.p{number}]\nbase_url = \"http://{}/v1\"\napi_key = \"sk-{number}\"\n",
            other.address()
        );
    }
    text += &format!("[models.fast]\nlanes = [{lanes}]\n{more}\n");
    TestGateway::start(first.address(), &text)
}

async fn ask(gateway: &TestGateway, headers: &[(&str, &str)]) -> Result<Answer> {
    let body = chat(5, false).replace("gpt-4o-mini", "fast");
    gateway.caller().chat(headers, body).await
}

/// Lets a provider do this with every call.
pub(crate) fn always(fault: &str) -> Vec<FaultRule> {
    vec![FaultRule {
        fault: fault.to_owned(),
        share: 1.0,
        skip: 0,
        times: None,
        path: None,
        model: None,
    }]
}

const TWO: &str =
    "{ model = \"gpt-4o\" }, { provider = \"p1\", model = \"gpt-4o-mini\", priority = 2 }";

const EQUAL: &str = "{}, { provider = \"p1\" }";

#[tokio::test]
async fn a_name_leads_to_the_model_of_its_lane_with_the_lanes_own_key() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let gateway = gateway_to(&[&first, &second], TWO, "")?;
    let answer = ask(&gateway, &[("authorization", "Bearer sk-caller")]).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-paceline-lane"), "upstream/gpt-4o");
    assert_eq!(answer.header("x-paceline-passed"), "");
    let told: serde_json::Value = serde_json::from_slice(&answer.body)?;
    assert_eq!(told["model"], "gpt-4o");
    assert_eq!(second.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn a_call_goes_on_to_the_next_lane_and_says_why() -> Result<()> {
    for (fault, why) in [
        ("500", "error"),
        ("503", "overload"),
        ("429", "quota"),
        ("insufficient_quota", "error"),
        ("reset", "error"),
        ("cut_body", "error"),
        ("garbage", "error"),
    ] {
        let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
        first.set_faults(always(fault))?;
        let gateway = gateway_to(&[&first, &second], TWO, "")?;
        let answer = ask(&gateway, &[]).await?;
        assert_eq!(answer.status, 200, "{fault}: {}", answer.text());
        assert_eq!(
            answer.header("x-paceline-lane"),
            "p1/gpt-4o-mini",
            "{fault}"
        );
        let passed = format!("upstream/gpt-4o;{why}");
        assert_eq!(answer.header("x-paceline-passed"), passed, "{fault}");
        assert_eq!(answer.header("x-paceline-attempts"), "2", "{fault}");
        gateway.assert_settled_everywhere().await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_to_be_fallen_back_on_is_retried_where_it_was() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    first.set_faults(always("500"))?;
    let gateway = gateway_to(&[&first, &second], TWO, "fall_back_on = [\"overload\"]")?;
    let answer = ask(&gateway, &[("x-paceline-max-wait", "100ms")]).await?;
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(second.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn the_callers_own_errors_stay_the_callers() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let gateway = gateway_to(&[&first, &second], TWO, "")?;
    let body = r#"{"model":"fast","messages":"none"}"#;
    for _ in 0..20 {
        let answer = gateway.caller().chat(&[], body.to_owned()).await?;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.header("x-paceline-passed"), "");
    }
    assert_eq!(second.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn a_lane_that_fails_is_left_alone_and_taken_again_when_it_is_well() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    first.set_faults(always("500"))?;
    let more = "[breaker]\nopen = \"300ms\"\n";
    let gateway = gateway_to(&[&first, &second], TWO, more)?;
    for _ in 0..30 {
        assert_eq!(ask(&gateway, &[]).await?.status, 200);
    }
    let seen = first.state().counters.received;
    // Three in a row open it; then there is a probe now and then.
    assert!((3..=6).contains(&seen), "{seen}");
    first.set_faults(Vec::new())?;
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = ask(&gateway, &[]).await?;
        assert_eq!(answer.status, 200);
        if answer.header("x-paceline-lane") == "upstream/gpt-4o" {
            return Ok(());
        }
        assert!(Instant::now() < end, "the lane did not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn while_every_lane_is_ill_calls_wait_for_the_first_that_comes_back() -> Result<()> {
    let only = provider(vec![]).await?;
    only.set_faults(always("500"))?;
    let more = "[breaker]\nopen = \"200ms\"\nopen_max = \"200ms\"\n";
    let gateway = gateway_to(&[&only], "{}", more)?;
    // Three open it, and are told the provider's words.
    for _ in 0..3 {
        let told = ask(&gateway, &[]).await?;
        assert_eq!(told.status, 500, "{}", told.text());
    }
    let impatient = ask(&gateway, &[("x-paceline-max-wait", "0s")]).await?;
    if impatient.status == 503 {
        assert_eq!(impatient.error_code(), "lanes_ill", "{}", impatient.text());
        assert!(!impatient.header("retry-after-ms").is_empty());
    }
    only.set_faults(Vec::new())?;
    let patient = ask(&gateway, &[]).await?;
    assert_eq!(patient.status, 200, "{}", patient.text());
    gateway.assert_settled_everywhere().await?;
    Ok(())
}

#[tokio::test]
async fn a_request_that_a_provider_cannot_answer_does_not_take_the_lane_from_others() -> Result<()>
{
    let only = provider(vec![]).await?;
    only.set_faults(vec![FaultRule {
        times: Some(4),
        ..always("500").remove(0)
    }])?;
    let gateway = gateway_to(
        &[&only],
        "{}",
        "[breaker]\nopen = \"1h\"\nopen_max = \"1h\"\n",
    )?;
    let poisoned = ask(&gateway, &[]).await?;
    assert_eq!(poisoned.status, 500, "{}", poisoned.text());
    assert_eq!(poisoned.header("x-paceline-attempts"), "4");
    let other = ask(&gateway, &[("x-paceline-max-wait", "0s")]).await?;
    assert_eq!(other.status, 200, "{}", other.text());
    Ok(())
}

#[tokio::test]
async fn a_lane_that_answers_late_is_left_alone_where_a_bound_is_set() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    first.set_faults(always("delay;ms=150"))?;
    let more = "[breaker]\nlate_after = \"100ms\"\nopen = \"1h\"\nopen_max = \"1h\"\n";
    let gateway = gateway_to(&[&first, &second], TWO, more)?;
    for _ in 0..12 {
        assert_eq!(ask(&gateway, &[]).await?.status, 200);
    }
    assert_eq!(first.state().counters.received, 10);
    Ok(())
}

#[tokio::test]
async fn where_no_lane_is_fit_one_that_is_not_ill_says_why() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    first.set_faults(always("500"))?;
    let small = "{ context_tokens = 5 }, { provider = \"p1\", context_tokens = 5 }";
    let gateway = gateway_to(
        &[&first, &second],
        small,
        "[breaker]\nopen = \"1h\"\nopen_max = \"1h\"\n",
    )?;
    for _ in 0..8 {
        let answer = ask(&gateway, &[]).await?;
        assert!(
            [200, 500].contains(&answer.status.as_u16()),
            "{}",
            answer.text()
        );
    }
    let answer = ask(&gateway, &[]).await?;
    assert_eq!(
        answer.header("x-paceline-lane"),
        "p1/fast",
        "{}",
        answer.text()
    );
    Ok(())
}

#[tokio::test]
async fn a_call_that_cannot_be_sent_again_in_time_is_told_at_once() -> Result<()> {
    let only = provider(vec![]).await?;
    only.set_faults(always("500"))?;
    let patient = "[retry]\nbase_delay = \"30s\"\ndelay_max = \"60s\"\n";
    let gateway = TestGateway::start(only.address(), patient)?;
    let began = Instant::now();
    let answer = ask(&gateway, &[("x-paceline-max-wait", "3")]).await?;
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(answer.header("x-paceline-attempts"), "1");
    assert!(began.elapsed() < Duration::from_secs(3));
    Ok(())
}

#[tokio::test]
async fn where_no_lane_comes_back_in_time_calls_are_told_at_once() -> Result<()> {
    let only = provider(vec![]).await?;
    only.set_faults(always("500"))?;
    let gateway = gateway_to(
        &[&only],
        "{}",
        "[breaker]\nopen = \"1h\"\nopen_max = \"1h\"\n",
    )?;
    for _ in 0..3 {
        assert_eq!(ask(&gateway, &[]).await?.status, 500);
    }
    let began = Instant::now();
    let answer = ask(&gateway, &[]).await?;
    assert_eq!(answer.error_code(), "lanes_ill", "{}", answer.text());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    Ok(())
}

#[tokio::test]
async fn a_model_that_a_provider_does_not_have_is_its_lanes_fault() -> Result<()> {
    let strict = SimulatorSettings {
        unknown_models: vec!["gone".to_owned()],
        ..SimulatorSettings::default()
    };
    let (first, second) = (Simulator::start(strict).await?, provider(vec![]).await?);
    let lanes = "{ model = \"gone\" }, { provider = \"p1\", model = \"gpt-4o\" }";
    let gateway = gateway_to(&[&first, &second], lanes, "choose = \"in_order\"")?;
    for _ in 0..5 {
        let answer = ask(&gateway, &[]).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-paceline-lane"), "p1/gpt-4o");
    }
    assert_eq!(first.state().counters.received, 3);
    // The caller's own mistake stays its own.
    let body = chat(5, false).replace("gpt-4o-mini", "gone");
    let answer = gateway.caller().chat(&[], body).await?;
    assert_eq!(answer.status, 404, "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn lanes_in_order_do_not_go_on_where_nothing_is_to_be_fallen_back_on() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    first.set_faults(always("500"))?;
    let gateway = gateway_to(
        &[&first, &second],
        EQUAL,
        "choose = \"in_order\"\nfall_back_on = []",
    )?;
    let answer = ask(&gateway, &[]).await?;
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(second.state().counters.received, 0);
    Ok(())
}

#[tokio::test]
async fn each_provider_says_for_itself_whether_streams_are_asked_for_their_usage() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let text = format!(
        "[upstream]\napi_key = \"sk-0\"\ninclude_usage = false\n[providers.p1]\n\
         base_url = \"http://{}/v1\"\napi_key = \"sk-1\"\n",
        second.address()
    );
    let gateway = TestGateway::start(first.address(), &text)?;
    for (name, told) in [("upstream/gpt-4o-mini", 0.0), ("p1/gpt-4o-mini", 5.0)] {
        let body = chat(5, true).replace("gpt-4o-mini", name);
        let answer = gateway.caller().chat(&[], body).await?;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        gateway.assert_settled_everywhere().await?;
        let output = gateway.metric("paceline_usage_tokens_total", "kind=\"output\"");
        let output = output.await?;
        assert!(
            (output - told).abs() < 0.01,
            "{name}: {output} tokens are told"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_continues_or_reads_a_response_goes_where_it_is() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let gateway = gateway_to(&[&first, &second], EQUAL, "choose = \"weighted\"")?;
    let caller = gateway.caller();
    let key = [("authorization", "Bearer sk-caller")];
    let mut lanes = Vec::new();
    for stream in [false, false, true, true] {
        let body = format!(r#"{{"model":"fast","input":"hello","store":true,"stream":{stream}}}"#);
        let answer = caller.post("/v1/responses", &key, body).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        let id = text.split('"').find(|word| word.starts_with("resp_"));
        let id = id.context("an id")?.to_owned();
        let lane = answer.header("x-paceline-lane").to_owned();
        for _ in 0..3 {
            let more = format!(r#"{{"model":"fast","input":"on","previous_response_id":"{id}"}}"#);
            let answer = caller.post("/v1/responses", &key, more).await?;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.header("x-paceline-lane"), lane);
        }
        let path = format!("/v1/responses/{id}");
        let read = caller.get(&path, &key).await?;
        assert_eq!(
            (read.status.as_u16(), read.json()["id"].as_str()),
            (200, Some(&*id))
        );
        let removed = caller.request(http::Method::DELETE, &path, &key, "")?;
        assert_eq!(caller.send(removed).await?.status, 200);
        lanes.push(lane);
    }
    lanes.sort();
    lanes.dedup();
    assert_eq!(lanes.len(), 2, "they were spread: {lanes:?}");
    let unknown = caller.get("/v1/responses/resp_none", &key).await?;
    assert_eq!(unknown.status, 404);
    Ok(())
}

/// Tokens that were admitted by all providers together, with `calls` of `tokens` each at once.
async fn admitted(gateway: &TestGateway, calls: usize, tokens: u64) -> Result<usize> {
    let ask = |_| {
        let caller = gateway.caller();
        let body = chat(tokens, false).replace("gpt-4o-mini", "fast");
        async move { caller.chat(&[("x-paceline-max-wait", "3s")], body).await }
    };
    let answers = join_all((0..calls).map(ask)).await;
    let mut served = 0;
    for answer in answers {
        served += usize::from(answer?.status == 200);
    }
    Ok(served)
}

/// What a bucket holds goes at once; the refill during a test is less than one call.
fn ten_thousand() -> Vec<Quota> {
    vec![Quota::bucket(Metric::Tokens, 10_000, 86_400_000)]
}

const LIMIT: &str = "tokens_per_day = 10000\nwindow = \"bucket\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keys_of_two_projects_have_twice_the_quota() -> Result<()> {
    let (first, second) = (
        provider(ten_thousand()).await?,
        provider(ten_thousand()).await?,
    );
    let more = format!(
        "[limits]\n{LIMIT}[[domains]]\nname = \"p1\"\nprovider = \"p1\"\nmodels = [\"*\"]\n{LIMIT}"
    );
    let gateway = gateway_to(&[&first, &second], EQUAL, &more)?;
    assert_eq!(admitted(&gateway, 40, 1_000).await?, 20);
    for provider in [&first, &second] {
        let counters = provider.state().counters;
        assert_eq!((counters.admitted, counters.refused_in_total()), (10, 0));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_keys_of_one_account_have_its_quota_once() -> Result<()> {
    let only = provider(ten_thousand()).await?;
    let text = format!(
        "[upstream]\napi_key = \"sk-0\"\naccount = \"acme\"\n[providers.p1]\n\
         base_url = \"http://{}/v1\"\napi_key = \"sk-1\"\naccount = \"acme\"\n\
         [models.fast]\nlanes = [{EQUAL}]\n[limits]\n{LIMIT}",
        only.address()
    );
    let gateway = TestGateway::start(only.address(), &text)?;
    assert_eq!(admitted(&gateway, 40, 1_000).await?, 10);
    assert_eq!(only.state().counters.refused_in_total(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_that_draw_on_one_quota_take_turns_also_while_calls_wait() -> Result<()> {
    let only = provider(vec![]).await?;
    let text = format!(
        "[upstream]\napi_key = \"sk-0\"\naccount = \"acme\"\n[providers.p1]\n\
         base_url = \"http://{}/v1\"\napi_key = \"sk-1\"\naccount = \"acme\"\n\
         [models.fast]\nlanes = [{EQUAL}]\n\
         [limits]\nrequests_per_second = 10\nwindow = \"bucket\"\n",
        only.address()
    );
    let gateway = TestGateway::start(only.address(), &text)?;
    assert_eq!(admitted(&gateway, 20, 5).await?, 20);
    for provider in ["upstream", "p1"] {
        let labels = format!("lane=\"{provider}/fast\",outcome=\"whole\"");
        let name = "paceline_lane_calls_total";
        let calls = gateway.metric(name, &labels).await?;
        assert!((7.5..12.5).contains(&calls), "{provider}: {calls}");
    }
    Ok(())
}

/// The state of each lane, by name.
async fn states(gateway: &TestGateway) -> Result<Vec<(String, String)>> {
    let shown = gateway.admin("/monitoring/lanes").await?;
    let shown: paceline_admin_api::Lanes = serde_json::from_slice(&shown.body)?;
    let lanes = shown.lanes.into_iter();
    Ok(lanes.map(|lane| (lane.name, lane.state)).collect())
}

#[tokio::test]
async fn what_one_request_may_not_do_leaves_the_lane_to_the_others() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    let gateway = gateway_to(&[&first, &second], TWO, "")?;
    first.set_faults(always("403"))?;
    for _ in 0..5 {
        // Another key may be allowed to.
        let answer = ask(&gateway, &[]).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-paceline-passed"), "upstream/gpt-4o;error");
    }
    assert_eq!(first.state().counters.received, 5, "it stays in use");
    second.set_faults(always("403"))?;
    let answer = ask(&gateway, &[]).await?;
    assert_eq!(answer.status, 403, "{}", answer.text());
    first.set_faults(Vec::new())?;
    let answer = ask(&gateway, &[]).await?;
    assert_eq!(answer.header("x-paceline-lane"), "upstream/gpt-4o");
    let closed = |(_, state): &(String, String)| state == "closed";
    let states = states(&gateway).await?;
    assert!(states.iter().all(closed), "{states:?}");
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_refused_takes_the_lane_out_for_a_minute_at_first() -> Result<()> {
    let (first, second) = (provider(vec![]).await?, provider(vec![]).await?);
    first.set_faults(always("401"))?;
    let gateway = gateway_to(&[&first, &second], TWO, "")?;
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &[]).await?.status, 200);
    }
    assert_eq!(first.state().counters.received, 1);
    let shown = gateway.admin("/monitoring/lanes").await?;
    let shown: paceline_admin_api::Lanes = serde_json::from_slice(&shown.body)?;
    let ill = shown.lanes.iter().find(|lane| lane.state == "open");
    let ill = ill.context("the lane is ill")?;
    let left = ill.next_probe_in_ms.context("a probe comes")?;
    assert!((50_000..=72_000).contains(&left), "{left} ms");
    Ok(())
}

#[tokio::test]
async fn a_caller_names_no_account_beside_the_gateways_own_key() -> Result<()> {
    let provider = provider(vec![]).await?;
    let named = [("openai-project", "proj_of_somebody_else")];
    let own = gateway_to(&[&provider], "{}", "")?;
    let answer = ask(&own, &named).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("openai-project"), "");
    let lent = TestGateway::start(provider.address(), "")?;
    let answer = lent.caller().chat(&named, chat(5, false)).await?;
    assert_eq!(answer.header("openai-project"), "proj_of_somebody_else");
    Ok(())
}
