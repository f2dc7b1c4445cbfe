//! Who goes before whom, over all instances: start-time fair queueing between tenants, and
//! guaranteed shares between tiers.

use std::collections::BTreeMap;

use paceline_limiter::Tier;

/// Tiers are owed or owe at most this many times the largest cost.
const CREDIT_COSTS_MAX: f64 = 2.0;

const PPM: f64 = 1_000_000.0;

/// One tier's standing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Standing {
    virtual_time: f64,
    /// Service that the tier is owed.
    credit: f64,
}

/// The standing of tiers and tenants.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Precedence {
    tiers: [Standing; 3],
    /// Where the next request of a tenant starts, if that is ahead of its tier.
    tags: BTreeMap<(usize, u64), f64>,
    /// The largest cost so far.
    scale: f64,
}

pub(crate) fn place(tier: Tier) -> usize {
    Tier::ALL
        .iter()
        .position(|other| *other == tier)
        .unwrap_or(0)
}

impl Precedence {
    /// Where a tenant's next request starts in its tier's virtual time.
    pub(crate) fn start(&self, tier: usize, tenant: u64) -> f64 {
        let virtual_time = self.tiers[tier].virtual_time;
        let tag = self.tags.get(&(tier, tenant)).copied();
        tag.map_or(virtual_time, |tag| tag.max(virtual_time))
    }

    /// Whether a tier has had less than its share.
    pub(crate) fn is_owed(&self, tier: usize) -> bool {
        self.tiers[tier].credit > 0.0
    }

    /// The tier that goes next of those where somebody waits: the one that is owed most, else the
    /// most urgent.
    pub(crate) fn next_tier(&self, waiting: [bool; 3]) -> usize {
        let mut next = None;
        let mut most = 0.0;
        for (tier, standing) in self.tiers.iter().enumerate() {
            if waiting[tier] && standing.credit > most {
                (next, most) = (Some(tier), standing.credit);
            }
        }
        next.or_else(|| waiting.iter().position(|waits| *waits))
            .unwrap_or(0)
    }

    /// A request of this cost goes; `least` is where the first of those that wait in its tier starts:
    /// nobody loses a turn because somebody else had room before.
    pub(crate) fn serve(
        &mut self,
        (tier, tenant, weight): (usize, u64, u32),
        (cost, least): (f64, f64),
        waiting: [bool; 3],
        shares_ppm: [u32; 3],
    ) {
        let start = self.start(tier, tenant);
        let virtual_time = self.tiers[tier].virtual_time;
        self.tiers[tier].virtual_time = virtual_time.max(start.min(least));
        self.tags
            .insert((tier, tenant), start + cost / f64::from(weight.max(1)));
        self.scale = self.scale.max(cost);
        let bound = CREDIT_COSTS_MAX * self.scale;
        for (other, standing) in self.tiers.iter_mut().enumerate() {
            if waiting[other] || other == tier {
                let earned = cost * f64::from(shares_ppm[other]) / PPM;
                let spent = if other == tier { cost } else { 0.0 };
                standing.credit = (standing.credit + earned - spent).clamp(-bound, bound);
            }
        }
    }

    /// What a request was charged is corrected.
    pub(crate) fn correct(&mut self, (tier, tenant, weight): (usize, u64, u32), cost: f64) {
        if let Some(tag) = self.tags.get_mut(&(tier, tenant)) {
            *tag += cost / f64::from(weight.max(1));
        }
    }

    /// Forgets tenants that are not ahead of anybody.
    pub(crate) fn forget(&mut self) {
        let tiers = self.tiers;
        self.tags
            .retain(|(tier, _), tag| *tag > tiers[*tier].virtual_time);
    }
}
