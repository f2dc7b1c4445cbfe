//! How finely sums are told apart.
//!
//! Sums of every combination of names answer every question, and a month of hours has hundreds of
//! thousands of them. So there are coarser ones beside them, which few questions need more than: of all
//! calls, of kinds of calls, of tenants, of keys, of tags, and of the kinds of calls of tenants and tags. A query reads the coarsest that can tell apart
//! what it filters and groups by.

use crate::query::{Dimension, Query};

/// How finely sums are told apart; the order is that in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grain {
    /// All calls together.
    All,
    /// By model, provider, route and outcome.
    Kind,
    /// By tenant.
    Tenant,
    /// By tenant and key.
    Key,
    /// By tenant, model, provider, route and outcome.
    KindOfTenant,
    /// By all of these.
    Each,
    /// By tag: a call with several counts for each.
    Tag,
    /// By tag, model, provider, route and outcome.
    KindOfTag,
    /// By tag and all of the others.
    EachOfTag,
}

impl Grain {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::All,
        Self::Kind,
        Self::Tenant,
        Self::Key,
        Self::KindOfTenant,
        Self::Each,
        Self::Tag,
        Self::KindOfTag,
        Self::EachOfTag,
    ];

    /// Those that a call counts in once.
    pub(crate) const ONCE: [Self; 6] = [
        Self::All,
        Self::Kind,
        Self::Tenant,
        Self::Key,
        Self::KindOfTenant,
        Self::Each,
    ];

    /// Those that it counts in once for each of its tags.
    pub(crate) const FOR_EACH_TAG: [Self; 3] = [Self::Tag, Self::KindOfTag, Self::EachOfTag];

    /// Its number in the stores.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::All => 0,
            Self::Kind => 1,
            Self::Tenant => 2,
            Self::Key => 3,
            Self::Each => 4,
            Self::Tag => 5,
            Self::EachOfTag => 6,
            Self::KindOfTenant => 7,
            Self::KindOfTag => 8,
        }
    }

    /// Whether each combination of names has its own sums, so that there are many.
    pub(crate) const fn is_fine(self) -> bool {
        matches!(self, Self::Each | Self::EachOfTag)
    }

    /// Whether it may have so many sums that it is worth looking some up instead of reading all.
    pub(crate) const fn has_many(self) -> bool {
        matches!(self, Self::KindOfTenant | Self::KindOfTag) || self.is_fine()
    }

    /// Whether it tells these apart.
    pub(crate) const fn tells(self, dimension: Dimension) -> bool {
        match dimension {
            Dimension::Tag => matches!(self, Self::Tag | Self::KindOfTag | Self::EachOfTag),
            Dimension::Tenant => {
                matches!(self, Self::Tenant | Self::Key | Self::KindOfTenant) || self.is_fine()
            }
            Dimension::Key => matches!(self, Self::Key) || self.is_fine(),
            Dimension::Model | Dimension::Provider | Dimension::Route | Dimension::Outcome => {
                matches!(self, Self::Kind | Self::KindOfTenant | Self::KindOfTag) || self.is_fine()
            }
            Dimension::Session | Dimension::Lane => false,
        }
    }

    /// The coarsest that can answer a query. Sessions and lanes, which none tells apart, are asked of records.
    pub(crate) fn of(query: &Query) -> Self {
        let needed: Vec<Dimension> = query.needed().collect();
        let grains: &[Self] = match needed.contains(&Dimension::Tag) {
            true => &Self::FOR_EACH_TAG,
            false => &Self::ONCE,
        };
        let fits = |grain: &&Self| needed.iter().all(|dimension| grain.tells(*dimension));
        let finest = grains.last().copied().unwrap_or(Self::Each);
        grains.iter().find(fits).copied().unwrap_or(finest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Filter;

    #[test]
    fn a_query_is_answered_by_the_coarsest_sums_that_can() {
        let total = |filter: Filter| Query::total(filter);
        assert_eq!(Grain::of(&Query::default()), Grain::All);
        let by = |dimension| Grain::of(&Query::default().by(dimension));
        assert_eq!(by(Dimension::Route), Grain::Kind);
        assert_eq!(by(Dimension::Tenant), Grain::Tenant);
        assert_eq!(by(Dimension::Key), Grain::Key);
        assert_eq!(by(Dimension::Tag), Grain::Tag);
        let of_tenant = Filter {
            tenant: Some("acme".to_owned()),
            ..Filter::default()
        };
        assert_eq!(Grain::of(&total(of_tenant.clone())), Grain::Tenant);
        assert_eq!(
            Grain::of(&total(of_tenant.clone()).by(Dimension::Model)),
            Grain::KindOfTenant
        );
        assert_eq!(
            Grain::of(
                &total(of_tenant.clone())
                    .by(Dimension::Key)
                    .by(Dimension::Route)
            ),
            Grain::Each
        );
        assert_eq!(
            Grain::of(&Query::default().by(Dimension::Outcome).by(Dimension::Tag)),
            Grain::KindOfTag
        );
        assert_eq!(
            Grain::of(&total(of_tenant).by(Dimension::Tag)),
            Grain::EachOfTag
        );
    }
}
