//! Budgets at work: which hold for a call, what it may cost, and what it did cost.

mod alerts;
mod books;
mod webhook;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use paceline_config::{
    BudgetPeriod, BudgetRule, BudgetScope, BudgetUnit, Settings, UPSTREAM, UnknownPrice,
};
use paceline_coordinator::InstanceId;
use paceline_coordinator::budgets::{
    Budget, BudgetSettings, BudgetStore, Budgets, InProcessBudgets, NoBooks, Outcome, Period,
    Refusal, RefusalReason, Reserved, SCOPE_MAX, Spend, Standing, Unit,
};
use paceline_telemetry::Metrics;
use paceline_tokens::prices::{CostBound, Date, ServiceTier};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

pub(crate) use alerts::{Alerts, RaisedAlert, shown_scope};

use webhook::Webhook;

use crate::caller::Caller;
use crate::clock::utc;
use crate::exchange::Exchange;
use crate::lanes::Lane;
use crate::record::{Account, Kept, service_tier, split_tags};
use crate::respond::Problem;
use crate::shared::Shared;

/// Budgets of callers that are remembered for those who look at them.
const SEEN_MAX: usize = 10_000;

/// Input may turn out larger than its estimate: by this part of it, and by this many tokens.
const INPUT_MARGIN_PERCENT: u64 = 20;
const INPUT_MARGIN_TOKENS: u64 = 50;

/// The tokens of an answer that nothing bounds, where the model is not known either.
const OUTPUT_TOKENS_MAX: u64 = 128_000;

/// Keeps budgets for all calls of this gateway.
#[derive(Debug)]
pub(crate) struct Purse {
    budgets: Budgets,
    pub(crate) alerts: Arc<Alerts>,
    seen: RwLock<HashMap<String, Budget>>,
}

impl Purse {
    /// Opens the budgets, in `store` where there is one.
    ///
    /// # Errors
    /// When the address that alerts are to be posted to cannot be used.
    pub(crate) fn open(
        store: Option<Arc<dyn BudgetStore>>,
        records: Option<Arc<Kept>>,
        alerting: (&Settings, &Arc<Metrics>),
        control: &Handle,
    ) -> Result<Self, String> {
        let (settings, metrics) = alerting;
        let _entered = control.enter();
        let store = store.unwrap_or_else(|| Arc::new(InProcessBudgets::new()));
        let number = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        let kept = BudgetSettings::default();
        let instance = InstanceId(number);
        let (budgets, raised) = match records {
            Some(records) => {
                Budgets::open(store, Arc::new(books::LedgerBooks(records)), instance, kept)
            }
            None => Budgets::open(store, Arc::new(NoBooks), instance, kept),
        };
        let webhook = settings.webhook.as_ref();
        let webhook = webhook.map(|to| Webhook::start(to, Arc::clone(metrics)));
        let alerts = Alerts::new(Arc::clone(metrics), webhook.transpose()?);
        let alerts = Arc::new(alerts);
        control.spawn(Arc::clone(&alerts).listen(raised));
        Ok(Self {
            budgets,
            alerts,
            seen: RwLock::default(),
        })
    }

    /// Reserves what a call may cost; `None` where no budget holds for it.
    ///
    /// # Errors
    /// When a budget refuses it, or room does not come in the time that it may wait.
    pub(crate) async fn reserve(
        &self,
        settings: &Settings,
        exchange: &Exchange,
        patience: Duration,
    ) -> Result<Option<Reserved>, Problem> {
        let budgets = budgets_of(&settings.budgets, &exchange.caller);
        if budgets.is_empty() {
            return Ok(None);
        }
        let needs_price = budgets
            .iter()
            .any(|budget| budget.is_hard && budget.unit == Unit::Nanousd);
        let (expected, worst) = bounds(settings, exchange, needs_price)?;
        self.note(&budgets);
        let asked = self.budgets.acquire(budgets, expected, worst);
        match tokio::time::timeout(patience, asked).await {
            Ok(Outcome::Go(reserved)) => Ok(Some(reserved)),
            Ok(Outcome::Refused(refusal)) => Err(refused(&refusal, exchange)),
            Err(_) => Err(self.busy(settings, exchange, worst).await),
        }
    }

    /// Whether all hard budgets that hold for a caller's calls have room for a batch now.
    ///
    /// # Errors
    /// The budget that has none, or whose price is not known.
    pub(crate) async fn could_hold(
        &self,
        settings: &Settings,
        caller: &Caller,
        batch: BatchSpend<'_>,
        shared: &Shared,
    ) -> Result<(), Problem> {
        let budgets = budgets_of(&settings.budgets, caller);
        let hard: Vec<_> = budgets.iter().filter(|budget| budget.is_hard).collect();
        let needs_price = hard.iter().any(|budget| budget.unit == Unit::Nanousd);
        let spend = batch.spend(settings, shared, needs_price)?;
        for budget in hard {
            // One that cannot be asked now is asked again by each request of the batch.
            let Ok(standing) = self.budgets.look(budget).await else {
                continue;
            };
            let held = standing.held.saturating_add(standing.elsewhere);
            let taken = standing.spent.saturating_add(held);
            let need = spend.of(budget.unit);
            if taken.saturating_add(need) > budget.amount {
                return Err(no_room(budget, &standing, need, shared));
            }
        }
        Ok(())
    }

    /// What a call is told whose patience ended while it waited for room: which budget has none.
    async fn busy(&self, settings: &Settings, exchange: &Exchange, worst: Spend) -> Problem {
        let budgets = budgets_of(&settings.budgets, &exchange.caller);
        for budget in budgets.iter().filter(|budget| budget.is_hard) {
            let Ok(standing) = self.budgets.look(budget).await else {
                continue;
            };
            let held = standing.held.saturating_add(standing.elsewhere);
            let need = worst.of(budget.unit);
            let taken = standing.spent.saturating_add(held);
            if taken.saturating_add(need) > budget.amount {
                let amount = |units: u64| alerts::amount(budget.unit, units);
                return Problem::budget_busy(&format!(
                    "the budget {} of {} ({}): {} of {} are spent and {} held, and this one may take {}",
                    budget.name,
                    shown_scope(&budget.scope),
                    budget.period.name(),
                    amount(standing.spent),
                    amount(budget.amount),
                    amount(held),
                    amount(need)
                ));
            }
        }
        Problem::budget_busy("a budget")
    }

    /// Budgets that calls were held to lately, and how they stand; those that cannot be asked now are
    /// left out.
    pub(crate) async fn standings(&self, count_max: usize) -> Vec<(Budget, Standing)> {
        let mut budgets: Vec<_> = self.seen.read().values().cloned().collect();
        budgets.sort_by_key(Budget::key);
        budgets.truncate(count_max);
        let mut standings = Vec::with_capacity(budgets.len());
        for budget in budgets {
            if let Ok(standing) = self.budgets.look(&budget).await {
                standings.push((budget, standing));
            }
        }
        standings
    }

    /// Waits until the store has been told of all that has ended.
    pub(crate) async fn settled(&self) {
        self.budgets.settled().await;
    }

    /// Remembers budgets for those who look at them; nearly all are known already.
    fn note(&self, budgets: &[Budget]) {
        for budget in budgets {
            let key = budget.key();
            if self.seen.read().get(&key) == Some(budget) {
                continue;
            }
            let mut seen = self.seen.write();
            if seen.len() < SEEN_MAX || seen.contains_key(&key) {
                seen.insert(key, budget.clone());
            }
        }
    }
}

/// What a batch is going to spend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BatchSpend<'a> {
    /// The lanes that its requests can take: the dearest counts.
    pub(crate) lanes: &'a [&'a Lane],
    pub(crate) requests: u64,
    pub(crate) input_each: u64,
    pub(crate) output_each: u64,
}

impl BatchSpend<'_> {
    fn spend(
        &self,
        settings: &Settings,
        shared: &Shared,
        needs_price: bool,
    ) -> Result<Spend, Problem> {
        let mut nanousd = 0;
        for lane in self.lanes.iter().filter(|_| needs_price) {
            nanousd = nanousd.max(self.price_over(lane, settings, shared)?);
        }
        let tokens = self.input_each.saturating_add(self.output_each);
        Ok(Spend {
            nanousd: nanousd.saturating_mul(self.requests),
            tokens: tokens.saturating_mul(self.requests),
            requests: self.requests,
        })
    }

    /// What each request can cost over a lane, in billionths of a dollar.
    fn price_over(
        &self,
        lane: &Lane,
        settings: &Settings,
        shared: &Shared,
    ) -> Result<u64, Problem> {
        let (book, provider) = shared.recorder.prices_at(&lane.provider);
        let day = Date::of_unix_seconds(shared.now_ms().unsigned_abs() / 1_000);
        let price = book.price_at(&provider, &lane.model, day).cloned();
        let price = match settings.prices.unknown {
            UnknownPrice::Dearest => price.or_else(|| book.dearest(day)),
            UnknownPrice::Refuse => price,
        };
        let price = price.ok_or_else(|| Problem::price_unknown(&lane.model, &provider))?;
        let bound = CostBound::text(self.input_each, Some(self.output_each));
        let most = price.most_of(&bound);
        most.map_err(|unpriced| Problem::unpriced(&unpriced))
    }
}

/// A budget that cannot hold a batch.
fn no_room(budget: &Budget, standing: &Standing, need: u64, shared: &Shared) -> Problem {
    let amount = |units: u64| alerts::amount(budget.unit, units);
    let now_ms = shared.now_ms().unsigned_abs();
    let free_at_ms = standing.window_end_ms.filter(|_| need <= budget.amount);
    let wait = free_at_ms.map(|at| Duration::from_millis(at.saturating_sub(now_ms).max(1)));
    let free = free_at_ms.map_or(String::new(), |at| {
        format!("; it starts anew at {}", utc(at))
    });
    Problem::budget(
        format!(
            "the budget {} of {} ({}) has no room for the batch: {} of {} are spent and {} held, and it may \
             take {}{free}",
            budget.name,
            shown_scope(&budget.scope),
            budget.period.name(),
            amount(standing.spent),
            amount(budget.amount),
            amount(standing.held.saturating_add(standing.elsewhere)),
            amount(need)
        ),
        wait,
    )
}

/// Settles what was reserved for a call that is over, and went out so many times.
pub(crate) fn settle(reserved: Reserved, attempts: u32, account: &Account) {
    if attempts == 0 {
        return reserved.release();
    }
    let Some(tokens) = account.tokens() else {
        // Dropped, it counts as what was assumed of it: an unknown usage is not nothing.
        return drop(reserved);
    };
    // Nor is an unknown cost.
    let worst = reserved.worst().nanousd;
    reserved.settle(Spend {
        nanousd: account.cost_nanousd().unwrap_or(worst),
        tokens,
        requests: 1,
    });
}

/// Settles what was reserved for an attempt that was made beside the one that answered: what it cost is
/// spent besides, and its call and the tokens of the answer count once, as they do in the ledger.
pub(crate) fn settle_beside(reserved: Reserved, attempts: u32, account: &Account) {
    if attempts == 0 {
        return reserved.release();
    }
    let worst = reserved.worst().nanousd;
    reserved.settle(Spend {
        nanousd: account.cost_nanousd().unwrap_or(worst),
        ..Spend::default()
    });
}

/// The budgets that hold for a caller's calls.
fn budgets_of(rules: &[BudgetRule], caller: &Caller) -> Vec<Budget> {
    let named = |rule: &BudgetRule| {
        let key = caller.key.as_ref();
        key.is_some_and(|key| key.budgets.contains(&rule.name))
    };
    rules
        .iter()
        .filter(|rule| !rule.named_only || named(rule))
        .flat_map(|rule| {
            let scopes = scopes_of(rule, caller);
            scopes.into_iter().map(|scope| budget(rule, &scope))
        })
        .collect()
}

/// The name of a hard budget that holds for a caller's calls, if there is one.
pub(crate) fn hard_budget_of(rules: &[BudgetRule], caller: &Caller) -> Option<String> {
    let mut budgets = budgets_of(rules, caller).into_iter();
    budgets
        .find(|budget| budget.is_hard)
        .map(|budget| budget.name)
}

/// Whose accounts a caller's calls go to by a rule.
fn scopes_of(rule: &BudgetRule, caller: &Caller) -> Vec<String> {
    let is_meant = |name: &str| rule.only.is_empty() || rule.only.iter().any(|only| only == name);
    let one = |kind: &str, name: &str| is_meant(name).then(|| format!("{kind}:{name}"));
    match rule.scope {
        BudgetScope::All => vec!["all".to_owned()],
        BudgetScope::Tenant => one("tenant", &caller.tenant).into_iter().collect(),
        BudgetScope::Key => {
            let key = caller.key.as_ref();
            key.and_then(|key| one("key", &key.id))
                .into_iter()
                .collect()
        }
        BudgetScope::Session => {
            let session = caller
                .session
                .as_deref()
                .filter(|session| is_meant(session));
            let scope = session.map(|session| books::session_scope(&caller.tenant, session));
            scope.into_iter().collect()
        }
        BudgetScope::Tag => {
            let tags = caller.tags.as_deref().map(split_tags).unwrap_or_default();
            tags.iter().filter_map(|tag| one("tag", tag)).collect()
        }
    }
}

fn budget(rule: &BudgetRule, scope: &str) -> Budget {
    Budget {
        name: rule.name.clone(),
        scope: bounded_scope(scope),
        unit: match rule.unit {
            BudgetUnit::Nanousd => Unit::Nanousd,
            BudgetUnit::Tokens => Unit::Tokens,
            BudgetUnit::Requests => Unit::Requests,
        },
        amount: rule.amount,
        period: match rule.period {
            BudgetPeriod::Minute => Period::Minute,
            BudgetPeriod::Hour => Period::Hour,
            BudgetPeriod::Day => Period::Day,
            BudgetPeriod::Week => Period::Week,
            BudgetPeriod::Month => Period::Month,
            BudgetPeriod::Forever => Period::Forever,
        },
        utc_offset_min: rule.utc_offset_minutes,
        is_hard: rule.is_hard,
        thresholds: rule.alerts_percent.clone(),
    }
}

/// Names that callers choose can be long; longer ones are known by their hash.
fn bounded_scope(scope: &str) -> String {
    if scope.len() <= SCOPE_MAX {
        return scope.to_owned();
    }
    let (kind, _) = scope.split_once(':').unwrap_or((scope, ""));
    format!("{kind}#{:x}", Sha256::digest(scope))
}

/// What a call is expected to cost, and what it can cost.
///
/// Where the call bounds its answer, both are what it costs with an answer of that length: such a call
/// never passes a budget. Where nothing does, what was learned of its like is expected, and the longest
/// answer of the model is the worst.
///
/// Of a call that can go several ways, the dearest counts.
fn bounds(
    settings: &Settings,
    exchange: &Exchange,
    needs_price: bool,
) -> Result<(Spend, Spend), Problem> {
    let asked = exchange.model.as_deref().unwrap_or_default();
    let lanes = exchange.lanes.iter();
    let mut ways: Vec<_> = lanes.map(|lane| (&*lane.provider, &*lane.model)).collect();
    if ways.is_empty() {
        ways.push((UPSTREAM, asked));
    }
    let mut most = (Spend::default(), Spend::default());
    for way in ways {
        let (expected, worst) = bounds_at(settings, exchange, needs_price, way)?;
        most = (larger(most.0, expected), larger(most.1, worst));
    }
    Ok(most)
}

fn larger(a: Spend, b: Spend) -> Spend {
    Spend {
        nanousd: a.nanousd.max(b.nanousd),
        tokens: a.tokens.max(b.tokens),
        requests: a.requests.max(b.requests),
    }
}

/// The same at one provider, with the model's name there.
fn bounds_at(
    settings: &Settings,
    exchange: &Exchange,
    needs_price: bool,
    (provider, model): (&str, &str),
) -> Result<(Spend, Spend), Problem> {
    let recorder = &exchange.shared.recorder;
    let (book, provider) = recorder.prices_at(provider);
    let day = Date::of_unix_seconds(exchange.shared.now_ms().unsigned_abs() / 1_000);
    let known = book.price_at(&provider, model, day).cloned();
    let price = match (known, settings.prices.unknown) {
        (Some(price), _) => Some(price),
        (None, UnknownPrice::Dearest) => book.dearest(day),
        (None, UnknownPrice::Refuse) if needs_price => {
            return Err(Problem::price_unknown(model, &provider));
        }
        (None, UnknownPrice::Refuse) => None,
    };
    let estimate = exchange.estimated_input_tokens;
    let input = estimate
        .saturating_add(estimate / 100 * INPUT_MARGIN_PERCENT)
        .saturating_add(INPUT_MARGIN_TOKENS);
    let longest = price
        .as_ref()
        .and_then(|price| price.output_tokens_max())
        .unwrap_or(OUTPUT_TOKENS_MAX);
    let (expected_output, worst_output) = match exchange.output_bound {
        Some(bound) => (bound, bound),
        None => (exchange.expected_output_tokens.min(longest), longest),
    };
    let spend = |output: u64| {
        let cost = price.as_ref().map(|price| {
            price.most_of(&CostBound {
                tier: asked_tier(exchange),
                images: exchange.images,
                ..CostBound::text(input, Some(output))
            })
        });
        let nanousd = match cost {
            Some(Ok(nanousd)) => nanousd,
            Some(Err(_)) | None if !needs_price => 0,
            Some(Err(unpriced)) => return Err(Problem::unpriced(&unpriced)),
            None => 0,
        };
        Ok(Spend {
            nanousd,
            tokens: input.saturating_add(output),
            requests: 1,
        })
    };
    Ok((spend(expected_output)?, spend(worst_output)?))
}

/// The tier that was asked for: the default one may turn out to be any that costs no more.
fn asked_tier(exchange: &Exchange) -> ServiceTier {
    service_tier(exchange.service_tier.as_deref())
}

fn refused(refusal: &Refusal, exchange: &Exchange) -> Problem {
    let budget = &refusal.budget;
    let now_ms = exchange.shared.now_ms().unsigned_abs();
    let wait = refusal
        .free_at_ms
        .map(|at| Duration::from_millis(at.saturating_sub(now_ms).max(1)));
    let amount = |units: u64| alerts::amount(budget.unit, units);
    let what = match refusal.reason {
        RefusalReason::Spent => format!(
            "{} of {} are spent, and this call may take {}",
            amount(refusal.spent),
            amount(budget.amount),
            amount(refusal.need)
        ),
        RefusalReason::TooLarge => format!(
            "this call may take {}, more than the whole {}; lower max_tokens or the input",
            amount(refusal.need),
            amount(budget.amount)
        ),
        RefusalReason::StoreAway => format!(
            "the store of budgets is away, and what may be spent without it is used up ({} of {} \
             are known to be spent)",
            amount(refusal.spent),
            amount(budget.amount)
        ),
    };
    let free = match refusal.free_at_ms.filter(|_| wait.is_some()) {
        Some(at_ms) => format!("; it starts anew at {}", utc(at_ms)),
        None => String::new(),
    };
    Problem::budget(
        format!(
            "the budget {} of {} ({}) has no room: {what}{free}",
            budget.name,
            shown_scope(&budget.scope),
            budget.period.name()
        ),
        wait,
    )
}
