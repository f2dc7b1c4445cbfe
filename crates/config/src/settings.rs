//! The checked settings, whole.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::RawAdmin;
use crate::alerts::RawAlerts;
use crate::batches::RawBatches;
use crate::budgets::{self, RawBudget};
use crate::checker::Checker;
use crate::domains::{self, RawDomain, RawLimits};
use crate::estimator::RawEstimator;
use crate::ledger::RawLedger;
use crate::log::RawLog;
use crate::preset::Preset;
use crate::prices::RawPrices;
use crate::queue::RawQueue;
use crate::retry::RawRetry;
use crate::server::RawServer;
use crate::store::RawStore;
use crate::telemetry::RawTelemetry;
use crate::tenants::{self, RawTenant};
use crate::upstream::RawUpstream;
use crate::{
    Admin, Batches, BudgetRule, DomainRule, EstimatorKind, Ledger, Log, Prices, Queue, Retry,
    Server, Store, Telemetry, Tenant, Tier, Upstream, Webhook,
};

/// Everything that can be set, checked and complete: nothing in here needs another look.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The listener that callers reach.
    pub server: Server,
    /// The admin plane.
    pub admin: Admin,
    /// The provider that requests are sent to.
    pub upstream: Upstream,
    /// What happens after the provider fails or refuses.
    pub retry: Retry,
    /// How long and in what order requests wait.
    pub queue: Queue,
    /// Tenants by name; see [`Settings::tenant`] for those that are not listed.
    pub tenants: BTreeMap<String, Tenant>,
    /// Limit pools in the order of the file: the first that takes a model has it.
    pub domains: Vec<DomainRule>,
    /// The pool of models that no other takes.
    pub default_domain: DomainRule,
    /// Where gateways that share one quota keep what is used of it; `None` means that this process
    /// has the quota for itself.
    pub store: Option<Store>,
    /// How tokens are estimated before they are known.
    pub estimator: EstimatorKind,
    /// Output tokens assumed for a request that names no maximum while nothing better is known.
    pub default_output_tokens: u64,
    /// Percent added by the generous estimator for calls that search or use tools.
    pub grounded_margin_percent: u32,
    /// Where prices of one's own are, and what a price that is not known means.
    pub prices: Prices,
    /// Where alerts are posted to; `None`: nowhere.
    pub webhook: Option<Webhook>,
    /// How much money, tokens or requests somebody may use in a period.
    pub budgets: Vec<BudgetRule>,
    /// Batches: OpenAI's batch API served here, and the question beforehand.
    pub batches: Batches,
    /// Where usage records are kept, and for how long.
    pub ledger: Ledger,
    /// What is logged, and in which form.
    pub log: Log,
    /// The collector that is told of calls; `None` means that none is.
    pub telemetry: Option<Telemetry>,
}

impl Settings {
    /// The limit pool that a request for `model` draws on.
    pub fn domain_for(&self, model: &str) -> &DomainRule {
        let found = self.domains.iter().find(|domain| domain.takes(model));
        found.unwrap_or(&self.default_domain)
    }

    /// The tenant called `name`; weight 1 and no tier of its own when it is not listed.
    pub fn tenant(&self, name: &str) -> Tenant {
        self.tenants.get(name).cloned().unwrap_or_default()
    }

    /// The tier of a request of `tenant` that names none.
    pub fn tier_of(&self, tenant: &str) -> Tier {
        let own = self.tenants.get(tenant).and_then(|tenant| tenant.tier);
        own.unwrap_or(self.queue.default_tier)
    }
}

/// Configuration of paceline. Precedence: command line, environment, file, preset, default.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "paceline configuration")]
pub(crate) struct RawSettings {
    /// A bundle of settings for a purpose; whatever is set explicitly wins over it.
    #[schemars(extend("examples" = ["production"]))]
    preset: Option<Preset>,
    server: RawServer,
    admin: RawAdmin,
    upstream: RawUpstream,
    retry: RawRetry,
    queue: RawQueue,
    tenants: BTreeMap<String, RawTenant>,
    limits: RawLimits,
    domains: Vec<RawDomain>,
    store: RawStore,
    estimator: RawEstimator,
    prices: RawPrices,
    batches: RawBatches,
    ledger: RawLedger,
    budgets: BTreeMap<String, RawBudget>,
    alerts: RawAlerts,
    log: RawLog,
    telemetry: RawTelemetry,
}

impl RawSettings {
    /// Checks what no schema can say; `None` when that leaves nothing to go on with, which is
    /// then among the problems.
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Option<Settings> {
        let server = self.server.check();
        let admin = self.admin.check(server.listen, checker);
        let upstream = self.upstream.check(&server, checker);
        let retry = self.retry.check(checker);
        let queue = self.queue.check(checker);
        let tenants = tenants::check(self.tenants, checker);
        let (default_domain, domains) = domains::check(self.limits, self.domains, checker);
        let store = self.store.check(checker);
        let prices = self.prices.check(&admin.state_dir, checker);
        let batches = self.batches.check(&admin.state_dir, checker);
        let ledger = self.ledger.check(checker);
        let webhook = self.alerts.check(checker);
        let budgets = budgets::check(self.budgets, checker);
        let log = self.log.check(checker);
        let telemetry = self.telemetry.check(checker);
        Some(Settings {
            server,
            admin,
            upstream: upstream?,
            retry,
            queue,
            tenants,
            domains,
            default_domain,
            store,
            estimator: self.estimator.kind,
            default_output_tokens: self.estimator.default_output_tokens,
            grounded_margin_percent: self.estimator.grounded_margin_percent,
            prices,
            batches,
            ledger,
            webhook,
            budgets,
            log,
            telemetry,
        })
    }
}
