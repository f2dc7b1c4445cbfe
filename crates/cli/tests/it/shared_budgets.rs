//! Budgets of gateways that are processes of their own, alone and on a real Redis. The provider's journal
//! is the judge of what went out.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures_util::future::join_all;
use paceline_admin_api::{BudgetStanding, BudgetStandings};
use paceline_simulator::{Decision, Latency, OutputLength, Simulator, SimulatorSettings};
use paceline_testkit::redis::RedisServer;
use paceline_testkit::{Answer, Caller, GatewayCommand, ProcessGroup};
use tokio::task::{JoinHandle, block_in_place};

/// Each is held to the budgets of its name and has a model of its own, so that the journal tells them apart.
const TENANTS: [&str; 3] = ["requests", "dollars", "both"];

/// Calls of each tenant.
const CALLS: usize = 200;

/// As many calls as the budgets allow.
const ALLOWED: usize = 50;

const TOKEN: &str = "0123456789abcdef-test";

/// A call takes 8 tokens of input and 100 of output: 0.001008 dollars, and is held to cost 0.00005 more.
const PRICES: &str = "format = 1\n[[price]]\nprovider = \"openai\"\nmodels = [\"model-*\"]\n\
    effective_from = 2020-01-01\nas_of = 2026-01-01\nsource = \"https://intranet.example/contract\"\n\
    input = 1\noutput = 10\n";

const COST_NANOUSD: u64 = 1_008_000;

/// Dollars for half a call more than 50: the 50th fits as it is held, the 51st does not.
const BUDGETS: &str = "[budgets.calls]\namount = \"50 requests\"\nperiod = \"month\"\nonly = [\"requests\", \"both\"]\n\
    [budgets.money]\namount = \"0.050904 usd\"\nperiod = \"month\"\nonly = [\"dollars\", \"both\"]\n";

/// Limits that hold nothing back.
const LIMITS: &str = "[limits]\nrequests_per_minute = 1_000_000\nwindow = \"bucket\"\n";

/// What runs; the store ends after the gateways.
struct Stage {
    gateways: ProcessGroup,
    _store: Option<RedisServer>,
    _prices: tempfile::TempDir,
    simulator: Simulator,
}

/// A call: the gateway that it goes through, whose it is, and how it ended.
struct Call {
    gateway: usize,
    tenant: &'static str,
    answer: Result<Answer>,
}

impl Stage {
    /// So many gateways, which share a store where they are several.
    async fn set(count: usize, first_token: Duration, max_wait: &str) -> Result<Self> {
        let simulator = Simulator::start(SimulatorSettings {
            output_length: OutputLength::Exactly(100),
            latency: Latency {
                first_token,
                ..Latency::default()
            },
            ..SimulatorSettings::default()
        });
        let simulator = simulator.await?;
        let prices = tempfile::tempdir()?;
        let file = prices.path().join("prices.toml");
        fs::write(&file, PRICES)?;
        let mut configuration = format!(
            "[queue]\nmax_wait = \"{max_wait}\"\n[prices]\nprovider = \"openai\"\nfile = {file:?}\n{LIMITS}{BUDGETS}"
        );
        let address = simulator.address();
        block_in_place(|| {
            let store = (count > 1).then(RedisServer::start).transpose()?;
            if let Some(store) = &store {
                // A machine that is busy with other tests must not pass for a store that is away.
                let url = store.url();
                configuration += &format!("[store]\nurl = {url:?}\ntime_box = \"10s\"\n");
            }
            let command = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), address)
                .configuration(&configuration)
                .variable("PACELINE_ADMIN_TOKEN", TOKEN);
            Ok(Self {
                gateways: ProcessGroup::start(&vec![command; count])?,
                _store: store,
                _prices: prices,
                simulator,
            })
        })
    }

    /// All calls at once, spread over the gateways.
    fn calls(&self) -> Vec<JoinHandle<Call>> {
        let members = self.gateways.members();
        let each = (0..CALLS * TENANTS.len()).map(|number| {
            let (tenant, gateway) = (
                TENANTS[number % TENANTS.len()],
                number / TENANTS.len() % members.len(),
            );
            let caller = members[gateway].caller();
            tokio::spawn(async move {
                let answer = call(caller, tenant).await;
                Call {
                    gateway,
                    tenant,
                    answer,
                }
            })
        });
        each.collect()
    }

    /// How many of a tenant's calls the provider took.
    fn admitted(&self, tenant: &str) -> usize {
        let journal = self.simulator.journal(0);
        let of_tenant = journal.iter().filter(|entry| {
            matches!(entry.decision, Decision::Admitted { .. })
                && entry.model.strip_prefix("model-") == Some(tenant)
        });
        of_tenant.count()
    }

    /// How the budgets of a tenant stand, as a gateway tells it.
    async fn standings(&self, gateway: usize, tenant: &str) -> Result<Vec<BudgetStanding>> {
        let caller = self.gateways.members()[gateway].caller();
        let authorization = format!("Bearer {TOKEN}");
        let headers = [("authorization", authorization.as_str())];
        let answer = caller.get("/monitoring/budgets", &headers).await?;
        let standings: BudgetStandings = serde_json::from_slice(&answer.body)?;
        let scope = format!("tenant:{tenant}");
        let of_tenant = standings
            .budgets
            .into_iter()
            .filter(|budget| budget.scope == scope);
        Ok(of_tenant.collect())
    }
}

async fn call(caller: Caller, tenant: &str) -> Result<Answer> {
    let body = format!(
        r#"{{"model":"model-{tenant}","max_tokens":100,"messages":[{{"role":"user","content":"hello"}}]}}"#
    );
    caller.chat(&[("x-paceline-tenant", tenant)], body).await
}

async fn ended(calls: Vec<JoinHandle<Call>>) -> Result<Vec<Call>> {
    let ended: Result<_, _> = join_all(calls).await.into_iter().collect();
    Ok(ended?)
}

/// A refusal says which budget, what is spent of it, and when it is free again.
fn assert_refused(answer: &Answer, tenant: &str) {
    let text = answer.text();
    assert_eq!(answer.status, 429, "{text}");
    assert_eq!(answer.error_code(), "budget_exceeded", "{text}");
    let calls = format!("the budget calls of tenant:{tenant} (month) has no room: ");
    let calls = calls + "50 requests of 50 requests are spent";
    let money = format!("the budget money of tenant:{tenant} (month) has no room: 0.0504");
    let is_named = match tenant {
        "requests" => text.contains(&calls),
        "dollars" => text.contains(&money),
        _ => text.contains(&calls) || text.contains(&money),
    };
    assert!(is_named, "{tenant}: {text}");
    assert!(text.contains("it starts anew at 20"), "{text}");
    assert_eq!(answer.header("x-should-retry"), "false");
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
}

/// A call whose patience ended is told which budget has no room, and that others hold it; whether it was,
/// for there may be room again in that very moment.
fn is_told_who_holds_it(answer: &Answer, tenant: &str) -> bool {
    let text = answer.text();
    let is_named = ["calls", "money"].iter().any(|name| {
        let words = format!("what is left of the budget {name} of tenant:{tenant} (month): ");
        text.contains(&words)
    });
    let is_unnamed = text.contains("what is left of a budget; ");
    assert!(is_named || is_unnamed, "{text}");
    assert!(!text.contains(" are spent and 0 "), "{text}");
    is_named
}

/// Of 200 calls of each tenant at once exactly 50 are answered, whichever budgets hold it.
async fn exactly_as_many_go_as_fit(gateways: usize) -> Result<()> {
    let stage = Stage::set(gateways, Duration::ZERO, "2m").await?;
    let calls = ended(stage.calls()).await?;
    for tenant in TENANTS {
        let of_tenant = calls.iter().filter(|call| call.tenant == tenant);
        let mut refused = 0;
        for call in of_tenant {
            let answer = call.answer.as_ref().unwrap();
            if answer.status != 200 {
                assert_refused(answer, tenant);
                refused += 1;
            }
        }
        assert_eq!(refused, CALLS - ALLOWED, "{tenant}");
        assert_eq!(stage.admitted(tenant), ALLOWED, "{tenant}");
        for budget in stage.standings(0, tenant).await? {
            let each = if budget.unit == "nanousd" {
                COST_NANOUSD
            } else {
                1
            };
            let expected = (ALLOWED as u64 * each, 0);
            assert_eq!((budget.spent, budget.held), expected, "{budget:?}");
        }
    }
    block_in_place(|| drop(stage));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_lets_exactly_as_many_go_as_fit() -> Result<()> {
    exactly_as_many_go_as_fit(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_on_one_store_let_exactly_as_many_go_as_fit() -> Result<()> {
    exactly_as_many_go_as_fit(3).await
}

/// Kills the first gateway as soon as the provider is busy with calls of each tenant.
async fn kill_while_calls_are_under_way(stage: &Stage) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while TENANTS.iter().any(|tenant| stage.admitted(tenant) < 15) {
        let admitted = TENANTS.map(|tenant| stage.admitted(tenant));
        ensure!(
            Instant::now() < deadline,
            "of all calls only {admitted:?} went out"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    block_in_place(|| stage.gateways.members()[0].kill())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_of_three_killed_no_more_go_and_what_it_held_stays_held() -> Result<()> {
    let stage = Stage::set(3, Duration::from_secs(2), "6s").await?;
    let calls = stage.calls();
    kill_while_calls_are_under_way(&stage).await?;
    let calls = ended(calls).await?;
    let (mut lost, mut reserved, mut told) = (0, 0, 0);
    for tenant in TENANTS {
        let admitted = stage.admitted(tenant);
        assert!(admitted <= ALLOWED, "{tenant}: {admitted} went out");
        let mut answered = 0;
        for call in calls.iter().filter(|call| call.tenant == tenant) {
            let answer = match &call.answer {
                Ok(answer) => answer,
                Err(error) => {
                    assert_eq!(call.gateway, 0, "{error}");
                    continue;
                }
            };
            match (answer.status.as_u16(), &*answer.error_code()) {
                (200, _) => answered += 1,
                // What the killed one held may never be told: until its lease is over it counts.
                (429, "budget_busy") => told += usize::from(is_told_who_holds_it(answer, tenant)),
                _ => assert_refused(answer, tenant),
            }
        }
        lost += admitted - answered;
        for budget in stage.standings(1, tenant).await? {
            let case = format!("{tenant}: {admitted} went out, {answered} answered; {budget:?}");
            assert!(budget.spent + budget.held <= budget.amount, "{case}");
            if budget.unit == "requests" {
                assert!(budget.spent >= answered as u64, "{case}");
                assert!(budget.spent + budget.held >= admitted as u64, "{case}");
                reserved += budget.held;
            } else {
                let spent = budget.spent + budget.held;
                assert!(spent >= admitted as u64 * COST_NANOUSD, "{case}");
            }
        }
    }
    assert!(lost > 0, "nothing was under way in the killed one");
    assert!(reserved > 0, "what it had under way stays held");
    assert!(told > 0, "whoever waits for that is told so");
    block_in_place(|| drop(stage));
    Ok(())
}
