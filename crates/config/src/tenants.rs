//! `[tenants.NAME]`: the weights of those who share a quota.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Tier;
use crate::checker::Checker;
use crate::node::join;

/// The longest name of a tenant, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// One of those who share a quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Share of the quota relative to other tenants that have work.
    pub weight: u32,
    /// Tier of the tenant's requests that name none; `None` means `queue.default_tier`.
    pub tier: Option<Tier>,
}

impl Default for Tenant {
    fn default() -> Self {
        Self {
            weight: 1,
            tier: None,
        }
    }
}

/// One of those who share a quota. Tenants that are not listed have the defaults.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawTenant {
    /// Share of the quota relative to other tenants that have work.
    #[schemars(range(min = 1, max = 1_000_000))]
    weight: u32,
    /// Tier of the tenant's requests that name none. Left out: that of `queue.default_tier`.
    #[schemars(extend("examples" = ["batch"]))]
    tier: Option<Tier>,
}

impl Default for RawTenant {
    fn default() -> Self {
        let Tenant { weight, tier } = Tenant::default();
        Self { weight, tier }
    }
}

/// Checks the names, which arrive in a header, and takes the rest as it is.
pub(crate) fn check(
    raw: BTreeMap<String, RawTenant>,
    checker: &mut Checker<'_>,
) -> BTreeMap<String, Tenant> {
    let mut tenants = BTreeMap::new();
    for (name, RawTenant { weight, tier }) in raw {
        let sendable = name.bytes().all(|byte| byte.is_ascii_graphic());
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !sendable {
            let what = format!(
                "the name must be 1 to {NAME_BYTES_MAX} visible ASCII characters without spaces"
            );
            checker.problem(
                &join("tenants", &name),
                what,
                "it is compared with a header",
            );
        }
        tenants.insert(name, Tenant { weight, tier });
    }
    tenants
}
