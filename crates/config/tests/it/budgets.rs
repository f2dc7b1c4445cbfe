//! `[budgets.NAME]` and `[alerts]`.

use paceline_config::{BudgetPeriod, BudgetScope, BudgetUnit, Secret};

use crate::loading::{notices, problems, settings};

#[test]
fn a_budget_is_monthly_for_each_tenant_unless_it_is_said_otherwise() {
    let budgets = settings("[budgets.cap]\namount = \"12.5 usd\"\n", &[]).budgets;
    let budget = &budgets[0];
    assert_eq!((&*budget.name, budget.amount), ("cap", 12_500_000_000));
    assert_eq!(
        (budget.unit, budget.scope, budget.period),
        (
            BudgetUnit::Nanousd,
            BudgetScope::Tenant,
            BudgetPeriod::Month
        )
    );
    assert!(budget.is_hard && !budget.named_only);
    assert_eq!(budget.alerts_percent, [80, 100]);
}

#[test]
fn what_is_wrong_with_a_budget_is_told_with_its_remedy() {
    for (text, part) in [
        ("amount = \"12 eur\"", "usd, tokens or requests"),
        ("amount = \"0.5 tokens\"", "usd, tokens or requests"),
        (
            "amount = \"1 usd\"\nalerts_percent = [90, 50]",
            "the smallest first",
        ),
        ("amount = \"1 usd\"\nalerts_percent = [0]", "from 1 to 1000"),
        ("amount = \"1 usd\"\nutc_offset_minutes = 2000", "1080"),
        ("amount = \"1 usd\"\nscope = \"team\"", "tenant"),
    ] {
        let said = problems(&format!("[budgets.cap]\n{text}\n"), &[]);
        assert!(
            said.contains("budgets.cap") && said.contains(part),
            "{said}"
        );
    }
    let said = problems("[budgets.\"a b\"]\namount = \"1 usd\"\n", &[]);
    assert!(said.contains("give it another name"), "{said}");
    let said = notices("[budgets.cap]\nperiod = \"day\"\n", &[]).join(" ");
    assert!(said.contains("has no amount, and does nothing"), "{said}");
}

#[test]
fn a_webhook_is_an_address_that_is_not_shown() {
    let variables = [
        ("PACELINE_ALERTS_WEBHOOK", "https://hooks.example/canary"),
        ("PACELINE_ALERTS_WEBHOOK_SECRET", "0123456789abcdef"),
    ];
    let webhook = settings("", &variables).webhook.unwrap();
    assert_eq!(webhook.url.expose(), "https://hooks.example/canary");
    assert!(webhook.secret.as_ref().map(Secret::expose).is_some());
    assert!(!format!("{webhook:?}").contains("canary"));
    let said = problems(
        "[alerts]\nwebhook = \"canary\"\nwebhook_secret = \"short-canary\"\n",
        &[],
    );
    assert!(
        said.contains("alerts.webhook:") && said.contains("at least 16"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
}
