//! Requests and what becomes of them.

use paceline_admin_api::SimulatedSender;
use paceline_config::{Overrides, Settings, SourceFile, Sources};
use serde_json::{Value, json};

use super::*;

/// About three times the tokens that there are, for two minutes.
fn request() -> Value {
    json!({
        "duration_s": 120,
        "quota": [{ "metric": "tokens", "amount": 60_000 }],
        "workload": [{
            "tenant": "a",
            "requests_per_minute": 120.0,
            "prompt_tokens": 1_500,
            "max_tokens": 300,
        }],
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut changed = request();
    *changed.pointer_mut(path).unwrap_or(&mut Value::Null) = value.clone();
    if changed.pointer(path).is_none() {
        let (above, key) = path.rsplit_once('/').unwrap();
        changed.pointer_mut(above).unwrap()[key] = value;
    }
    changed
}

fn parsed(request: &Value) -> Result<SimulationRequest, Problem> {
    understood(request.to_string().as_bytes())
}

fn played(request: &Value) -> Simulation {
    let request = parsed(request).unwrap();
    let scenario = scenario::of(&request).unwrap();
    outcome::play(&request, &scenario, &mut || true).unwrap()
}

/// The path that a request is refused for.
fn refused(request: &Value) -> String {
    let problem = match parsed(request) {
        Ok(request) => scenario::of(&request).unwrap_err(),
        Err(problem) => problem,
    };
    problem.path().to_owned()
}

#[test]
fn what_is_wrong_is_named_with_its_path() {
    for (path, value, named) in [
        ("/duration_s", json!(5), "duration_s"),
        ("/duration_s", json!("long"), "duration_s"),
        ("/senders", json!([]), "senders"),
        ("/senders", json!(["gateway", "gateway"]), "senders"),
        ("/senders", json!(["nobody"]), "senders[0]"),
        ("/foreign_percent", json!(101), "foreign_percent"),
        ("/quota", json!([]), "quota"),
        ("/quota/0/amount", json!(0), "quota[0].amount"),
        (
            "/quota",
            json!([{ "metric": "tokens", "amount": 1 }, { "metric": "tokens", "amount": 2 }]),
            "quota[1]",
        ),
        ("/quota/0/amount", json!(-1), "quota[0].amount"),
        ("/quota/0/kind", json!("round"), "quota[0].kind"),
        ("/workload", json!([]), "workload"),
        ("/workload/0/tenant", json!("a\nb"), "workload[0].tenant"),
        ("/workload/0/job", json!({ "requests": 5 }), "workload[0]"),
        ("/workload/0/requests_per_minute", json!(30_000), "workload"),
        (
            "/workload/0/prompt_tokens",
            json!(0),
            "workload[0].prompt_tokens",
        ),
        ("/workload/0/weight", json!(0), "workload[0].weight"),
        ("/gateway", json!({ "preset": "fast" }), "gateway.preset"),
        (
            "/gateway",
            json!({ "guard_ms": 30_001 }),
            "gateway.guard_ms",
        ),
        (
            "/gateway",
            json!({ "batch_percent": 26 }),
            "gateway.interactive_percent",
        ),
        (
            "/gateway",
            json!({ "waiting_max": 0 }),
            "gateway.waiting_max",
        ),
    ] {
        assert_eq!(refused(&with(path, value.clone())), named, "{path} {value}");
    }
    assert!(understood(b"{").is_err() && understood(b"").is_err());
    assert!(understood(b"{} {}").is_err());
    let unknown = refused(&with("/gateway", json!({ "guard": 1 })));
    assert!(unknown.starts_with("gateway"), "{unknown}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let mut request = with("/duration_s", json!(1));
    request["quota"][0]["amount"] = json!(0);
    let request = parsed(&request).unwrap();
    let text = scenario::of(&request).unwrap_err().message().to_owned();
    assert!(
        text.contains("duration_s:") && text.contains("quota[0].amount:"),
        "{text}"
    );
}

#[test]
fn a_gateway_that_knows_the_limits_is_not_refused_and_others_are() {
    let senders = json!(["gateway", "retries_only", "fixed_rate"]);
    let simulation = played(&with("/senders", senders));
    let of = |wanted| {
        simulation
            .senders
            .iter()
            .find(|it| it.sender == wanted)
            .unwrap()
    };
    let gateway = of(SimulatedSender::Gateway);
    assert_eq!(gateway.refused_by_provider, 0);
    assert_eq!(gateway.failed, 0);
    assert!(gateway.quota_used.is_some_and(|used| used > 0.9));
    let retries = of(SimulatedSender::RetriesOnly);
    assert!(retries.refused_by_provider > 10, "{retries:?}");
    assert_eq!(retries.requests, gateway.requests);
    assert!(
        gateway.wait.p50_ms <= gateway.wait.p95_ms && gateway.wait.p95_ms <= gateway.wait.max_ms
    );
    assert_eq!(gateway.tenants[0].tenant, "a");
    for sender in &simulation.senders {
        assert!((1..=300).contains(&sender.points.len()));
        let served: u64 = sender.points.iter().map(|point| point.served).sum();
        assert_eq!(served, sender.served);
        let refused: u64 = sender.points.iter().map(|point| point.refused).sum();
        assert!(refused <= sender.refused_by_provider);
        assert!(sender.points.iter().map(|point| point.tokens).sum::<u64>() > 60_000);
    }
    let limit = &simulation.limits_per_step[0];
    assert_eq!((&*limit.metric, limit.window_s), ("tokens", 60));
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let step_s = simulation.step_s as f64;
    assert!((limit.units - 1_000.0 * step_s).abs() < 1e-6);
}

#[test]
fn settings_change_what_comes_of_it() {
    let impatient = played(&with("/gateway", json!({ "max_wait_s": 5 })));
    assert!(impatient.senders[0].failed > 0);
    assert!(
        impatient.senders[0].wait.max_ms <= 6_000,
        "{:?}",
        impatient.senders[0].wait
    );
    let patient = played(&request());
    assert_eq!(patient.senders[0].failed, 0);
    let careful = played(&with("/gateway", json!({ "headroom_percent": 50 })));
    let used = |it: &Simulation| it.senders[0].quota_used.unwrap();
    assert!(used(&careful) < 0.7 && used(&patient) > 0.9);
    let full = played(&with("/gateway", json!({ "waiting_max": 1 })));
    assert!(full.senders[0].failed > 0);
    let learning = played(&with("/gateway", json!({ "knows_limits": false })));
    assert!(
        learning.senders[0].refused_by_provider <= 5,
        "{:?}",
        learning.senders[0]
    );
}

#[test]
fn a_preset_is_in_force_where_nothing_else_is_said() {
    let asked = parsed(&with("/gateway", json!({ "preset": "development" }))).unwrap();
    let filled = settings::with_preset(&asked.gateway);
    assert_eq!((filled.retries_max, filled.max_wait_s), (Some(2), Some(60)));
    let own = json!({ "preset": "development", "max_wait_s": 7 });
    let asked = parsed(&with("/gateway", own)).unwrap();
    assert_eq!(settings::with_preset(&asked.gateway).max_wait_s, Some(7));
    let listed = settings::all_presets();
    let known = |name: &str| {
        let preset = listed.iter().find(|preset| preset.name == name).unwrap();
        preset.settings.iter().filter(|it| it.simulated).count()
    };
    assert_eq!((known("development"), known("production")), (2, 0));
}

#[test]
fn what_was_asked_for_is_told_as_a_file_that_is_understood() {
    let mut request = with(
        "/gateway",
        json!({
            "preset": "development", "headroom_percent": 10, "guard_ms": 300, "concurrency": 8,
            "spacing_ms": 20, "penalty_tokens": 5, "probe_concurrency": 3, "retries_max": 4,
            "stabilisation_s": 90, "max_wait_s": 120, "waiting_max": 50, "waiting_per_tenant_max": 40,
            "interactive_percent": 40, "standard_percent": 30, "batch_percent": 10,
        }),
    );
    let limit = |metric: &str, window_s: u64| json!({ "metric": metric, "amount": 600, "window_s": window_s, "kind": "sliding" });
    request["quota"] = json!([
        limit("tokens", 60),
        limit("requests", 30),
        limit("tokens", 3_600)
    ]);
    let text = settings::toml(&parsed(&request).unwrap());
    let env = [("HOME".to_owned(), "/home/ada".to_owned())].into();
    let file = SourceFile {
        name: "tried.toml".into(),
        content: text.clone().into_bytes(),
    };
    let overrides = Overrides::default();
    let sources = Sources {
        file: Some(file),
        env: &env,
        overrides,
    };
    let loaded = Settings::load(sources).map_err(|problems| problems.to_string());
    let loaded = loaded
        .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
        .settings;
    let rule = &loaded.default_domain;
    assert_eq!(rule.limits.len(), 3, "{text}");
    assert!(rule.limits.iter().all(|limit| limit.amount == 540));
    let again = settings::in_force(&loaded, rule);
    let mut asked = parsed(&request).unwrap().gateway;
    (asked.preset, asked.headroom_percent) = (None, 0);
    assert_eq!(again, asked);
}

#[test]
fn one_that_takes_too_long_is_ended() {
    let request = parsed(&request()).unwrap();
    let scenario = scenario::of(&request).unwrap();
    let problem = outcome::play(&request, &scenario, &mut || false).unwrap_err();
    assert!(
        problem.message().contains("10 seconds"),
        "{}",
        problem.message()
    );
}
