//! The checked settings, whole.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::RawAdmin;
use crate::alerts::RawAlerts;
use crate::batches::RawBatches;
use crate::breaker::RawBreaker;
use crate::budgets::{self, RawBudget};
use crate::checker::Checker;
use crate::domains::{self, RawDomain, RawLimits};
use crate::estimator::RawEstimator;
use crate::ledger::RawLedger;
use crate::log::RawLog;
use crate::models::{self, RawModel, RawRoute};
use crate::preset::Preset;
use crate::prices::RawPrices;
use crate::providers::{self, RawProvider, UPSTREAM};
use crate::queue::RawQueue;
use crate::retry::RawRetry;
use crate::server::RawServer;
use crate::store::RawStore;
use crate::telemetry::RawTelemetry;
use crate::tenants::{self, RawTenant};
use crate::upstream::RawUpstream;
use crate::{
    Admin, Batches, Breaker, BudgetRule, DomainRule, EstimatorKind, Ledger, Log, ModelRule, Prices,
    Provider, Queue, Retry, RouteRule, Server, Store, Telemetry, Tenant, Tier, Upstream, Webhook,
};

/// Everything that can be set, checked and complete: nothing in here needs another look.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the bundle of settings that was chosen, if one was.
    pub preset: Option<&'static str>,
    /// The listener that callers reach.
    pub server: Server,
    /// The admin plane.
    pub admin: Admin,
    /// The provider that requests are sent to.
    pub upstream: Upstream,
    /// Further providers, keys and regions.
    pub providers: Vec<Provider>,
    /// What is behind names of models, the first that takes a name has it.
    pub models: Vec<ModelRule>,
    /// Names that calls with certain tags use instead.
    pub routes: Vec<RouteRule>,
    /// What happens while a way to a provider is ill.
    pub breaker: Breaker,
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
    /// The limit pool that a request for `model` at the provider of `[upstream]` draws on.
    pub fn domain_for(&self, model: &str) -> &DomainRule {
        self.domain_at(UPSTREAM, model)
    }

    /// The limit pool that a request for `model` at `provider` draws on.
    pub fn domain_at(&self, provider: &str, model: &str) -> &DomainRule {
        let account = self.account(provider);
        let is_own = |domain: &&DomainRule| {
            let is_shared = account.is_some() && self.account(&domain.provider) == account;
            domain.provider == provider || is_shared
        };
        let mut own = self.domains.iter().filter(is_own);
        let found = own.find(|domain| domain.takes(model));
        found.unwrap_or_else(|| match self.further(provider) {
            Some(provider) => &provider.default_domain,
            None => &self.default_domain,
        })
    }

    /// How the provider of this name is reached; `None` where there is none.
    pub fn reach(&self, provider: &str) -> Option<&Upstream> {
        match provider {
            UPSTREAM => Some(&self.upstream),
            name => self.further(name).map(|provider| &provider.upstream),
        }
    }

    /// All limit pools: those that are named, and the one of each provider for what is left.
    pub fn all_domains(&self) -> impl Iterator<Item = &DomainRule> {
        let defaults = self
            .providers
            .iter()
            .map(|provider| &provider.default_domain);
        let named = self.domains.iter().chain([&self.default_domain]);
        named.chain(defaults)
    }

    fn account(&self, provider: &str) -> Option<&str> {
        self.reach(provider)?.account.as_deref()
    }

    fn further(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
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
    providers: BTreeMap<String, RawProvider>,
    models: BTreeMap<String, RawModel>,
    routes: Vec<RawRoute>,
    breaker: RawBreaker,
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
        let upstream = self.upstream.check(UPSTREAM, &server, checker);
        let retry = self.retry.check(checker);
        let queue = self.queue.check(checker);
        let tenants = tenants::check(self.tenants, checker);
        let further: Vec<_> = self.providers.keys().cloned().collect();
        let further = further.iter().map(String::as_str);
        // One that takes that name is told apart, and there once.
        let further = further.filter(|name| *name != UPSTREAM);
        let names: Vec<_> = [UPSTREAM].into_iter().chain(further).collect();
        let (default_domain, domains) = domains::check(self.limits, self.domains, &names, checker);
        let providers = providers::check(
            self.providers,
            &server,
            (upstream.as_ref(), &default_domain),
            checker,
        );
        let lacks_key = |upstream: &Upstream| upstream.api_key.is_none();
        let own = upstream.as_ref().filter(|upstream| lacks_key(upstream));
        let further = providers
            .iter()
            .filter(|provider| lacks_key(&provider.upstream));
        let keyless: Vec<_> = own
            .map(|_| UPSTREAM)
            .into_iter()
            .chain(further.map(|provider| provider.name.as_str()))
            .collect();
        let breaker = self.breaker.check(checker);
        let around = models::Around {
            providers: &names,
            keyless: &keyless,
            are_lanes_watched: breaker.is_enabled,
        };
        let models = models::check(self.models, around, checker);
        let routes = models::check_routes(self.routes, (&models, &names), checker);
        let store = self.store.check(checker);
        let prices = self.prices.check(&admin.state_dir, checker);
        let batches = self.batches.check(&admin.state_dir, checker);
        let ledger = self.ledger.check(checker);
        let webhook = self.alerts.check(checker);
        let budgets = budgets::check(self.budgets, checker);
        let log = self.log.check(checker);
        let telemetry = self.telemetry.check(checker);
        Some(Settings {
            preset: self.preset.map(Preset::name),
            server,
            admin,
            upstream: upstream?,
            providers,
            models,
            routes,
            breaker,
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
