//! One way that a call can take: a lane, the limits there, the charge, and in whose words it is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use paceline_config::{DomainRule, Settings, SettleRule, UPSTREAM, Upstream};
use paceline_limiter::{Charge, ChargeParts};
use paceline_provider::{EndpointKind, Known, Profile};
use paceline_translate::Asked;

use super::choose::Trigger;
use super::words::Translation;
use crate::caller::Caller;
use crate::lanes::Lane;
use crate::pace::{Asks, Holder, Pool, PoolKey};
use crate::respond::Problem;
use crate::route::Behind;
use crate::shared::{Live, Shared};
use crate::upstream::OwnKey;

/// A way that a call can take.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) lane: Arc<Lane>,
    pub(crate) profile: &'static Profile,
    pub(crate) weight: u32,
    pub(crate) priority: u32,
    /// The most tokens that input and output may have together, where that is known.
    pub(crate) context_tokens: Option<u64>,
    /// The limit pool and the charge; `None` for calls that are not paced.
    pub(crate) paced: Option<Paced>,
    /// Whether it is sent with the gateway's own key.
    pub(crate) own_key: bool,
    pub(crate) wording: Wording,
    /// The body in the words of another dialect, and what its answer depends on; made before the call
    /// waits, so that what cannot be said is told at once.
    pub(super) said: Option<(Bytes, Asked)>,
    /// Whether an attempt of the call has failed here.
    pub(super) has_failed: bool,
    /// Why the call went on from here, if it did.
    pub(crate) passed: Option<Trigger>,
}

impl Way {
    /// Whether the call may still take it.
    pub(super) fn is_left(&self) -> bool {
        self.passed.is_none() && self.wording != Wording::None
    }

    /// Whether the model has another name there than the caller's.
    pub(super) fn is_renamed(&self) -> bool {
        matches!(self.wording, Wording::Renamed | Wording::Translated(_))
    }

    /// Puts a body into the words of the provider's dialect, where these are not the caller's.
    ///
    /// # Errors
    /// What cannot be said in them. The call may not take this way then.
    pub(super) fn say(&mut self, body: Option<&Bytes>, settings: &Settings) -> Result<(), Problem> {
        let (Wording::Translated(translation), None, Some(body)) = (self.wording, &self.said, body)
        else {
            return Ok(());
        };
        let upstream = settings.reach(&self.lane.provider);
        let options = upstream.unwrap_or(&settings.upstream).translation;
        match translation.request(body, &self.lane.model, &options) {
            Ok(said) => self.said = Some(said),
            Err(problem) => {
                self.wording = Wording::None;
                return Err(problem);
            }
        }
        Ok(())
    }

    /// How what is used over it is settled.
    pub(super) fn terms(&self) -> Terms {
        let set = self.paced.as_ref().map(|paced| paced.settle);
        // What a provider documents to come back is not waited for until it is learned.
        let comes_back = matches!(self.profile.unused_comes_back, Known::Documented(true));
        let rule = match set.unwrap_or(SettleRule::AtAdmission) {
            SettleRule::Learned if comes_back => SettleRule::Actual,
            rule => rule,
        };
        Terms {
            rule,
            counted: Some((self.profile, Arc::clone(&self.lane.model))),
        }
    }
}

/// How a call is settled.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) rule: SettleRule,
    /// Who counts what was used, and the model's name there.
    pub(crate) counted: Option<(&'static Profile, Arc<str>)>,
}

impl Terms {
    /// Those of a call that holds nothing.
    pub(crate) const NONE: Self = Self {
        rule: SettleRule::AtAdmission,
        counted: None,
    };
}

/// Under which limits a call is paced.
#[derive(Clone, Debug)]
pub(crate) struct Paced {
    pub(crate) pool: Arc<Pool>,
    /// What decides which pool it is.
    pub(crate) asks: Asks,
    pub(crate) charge: Charge,
    /// What the tokens of the charge are made from, where the provider's formula is learned.
    pub(crate) parts: Option<ChargeParts>,
    pub(crate) settle: SettleRule,
    pub(crate) penalty_tokens: u64,
}

/// In whose words a call is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wording {
    /// The caller's, to the byte.
    AsIs,
    /// The caller's, with another name for the model.
    Renamed,
    /// Those of another dialect.
    Translated(Translation),
    /// None are needed: tokens are counted here for a provider that does not count.
    Counted,
    /// There are none: the provider's dialect does not have such a call.
    None,
}

impl Wording {
    /// How a call of this kind reaches a provider with this profile.
    ///
    /// Of a provider of which nothing is known nobody can say what it speaks: it is sent what the
    /// caller says, unless a rule of `[models]` put it `behind` a name.
    pub(super) fn of(
        kind: EndpointKind,
        profile: &'static Profile,
        (is_renamed, is_behind_rule): (bool, bool),
    ) -> Self {
        let same = if is_renamed {
            Self::Renamed
        } else {
            Self::AsIs
        };
        let is_known = is_behind_rule || profile.is_known();
        match kind.dialect() {
            None => same,
            Some(dialect) if dialect == profile.dialect || !is_known => same,
            Some(_) if kind == EndpointKind::MessagesCountTokens => Self::Counted,
            Some(_) => match Translation::of(kind, profile.dialect) {
                Some(translation) => Self::Translated(translation),
                None => Self::None,
            },
        }
    }
}

/// What is charged, and how it is settled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Toll {
    pub(crate) charge: Charge,
    pub(crate) parts: Option<ChargeParts>,
    pub(crate) input_tokens: u64,
}

impl Toll {
    /// The same everywhere, whatever is learned.
    pub(crate) const fn flat(charge: Charge) -> Self {
        Self {
            charge,
            parts: None,
            input_tokens: 0,
        }
    }
}

/// What is charged under a rule, at a provider with this profile.
pub(crate) type TollOf<'a> = &'a dyn Fn(&DomainRule, &'static Profile) -> Toll;

/// Makes ways of what is behind a name.
pub(crate) struct Maker<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) live: &'a Live,
    pub(crate) caller: &'a Caller,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) kind: EndpointKind,
    /// The model as the caller has it.
    pub(crate) model: &'a str,
    /// Whether a rule of `[models]` says what is behind the name.
    pub(crate) is_behind_rule: bool,
}

impl Maker<'_> {
    /// A way over a lane; `toll` says what is charged under the rule that holds there, and is not asked
    /// for calls that are not paced.
    pub(crate) fn way(
        &self,
        behind: &Behind<'_>,
        toll: Option<TollOf<'_>>,
    ) -> Result<Way, Problem> {
        let settings = &self.live.settings;
        let upstream = settings
            .reach(behind.provider)
            .unwrap_or(&settings.upstream);
        let profile = upstream.profile;
        let own = OwnKey::of(upstream, self.is_behind_rule);
        let own_key = own.is_used_for(self.headers);
        let is_renamed = *behind.model != *self.model;
        let lane = self.live.lanes.lane(behind.provider, &behind.model);
        let mut way = Way {
            lane,
            profile,
            weight: behind.weight,
            priority: behind.priority,
            context_tokens: behind.context_tokens,
            paced: None,
            own_key,
            wording: Wording::of(self.kind, profile, (is_renamed, self.is_behind_rule)),
            said: None,
            has_failed: false,
            passed: None,
        };
        if let Some(toll) = toll {
            let holder = self.holder(behind.provider, upstream, own_key);
            way.paced = Some(self.paced(behind, holder, profile, toll)?);
        }
        Ok(way)
    }

    /// Whose quota it is: that of the account or of the key that the call is sent with.
    fn holder(&self, provider: &str, upstream: &Upstream, own_key: bool) -> Holder {
        let names = &self.shared.names;
        let key = upstream.api_key.as_ref().filter(|_| own_key);
        let credential = match (&upstream.account, key) {
            (Some(account), _) => names.credential(&[b"account", account.as_bytes()]),
            (None, Some(key)) => names.credential(&[b"key", key.expose().as_bytes()]),
            (None, None) => self.caller.credential,
        };
        let named = (provider != UPSTREAM).then(|| upstream.account.as_deref().unwrap_or(provider));
        Holder {
            credential,
            name: named.map(Arc::from),
        }
    }

    fn paced(
        &self,
        behind: &Behind<'_>,
        holder: Holder,
        profile: &'static Profile,
        toll: TollOf<'_>,
    ) -> Result<Paced, Problem> {
        let settings = &self.live.settings;
        let rule = settings.domain_at(behind.provider, &behind.model);
        let Toll {
            charge,
            parts,
            input_tokens,
        } = toll(rule, profile);
        let asks = Asks {
            key: PoolKey::of(rule, holder.credential, &behind.model),
            holder: holder.name,
            input_tokens,
        };
        let pool = self.shared.registry.pool(&asks, rule, settings);
        let pool = pool.map_err(|error| {
            tracing::error!(%error, rule = %rule.name, "the limiter refuses its settings");
            Problem::internal()
        })?;
        Ok(Paced {
            pool,
            asks,
            charge,
            parts,
            settle: rule.settle,
            penalty_tokens: rule.penalty_tokens,
        })
    }
}

impl Paced {
    /// Uses the pool that calls like this one use by now.
    pub(crate) fn choose_pool_again(&mut self, shared: &Shared, live: &Live, lane: &Lane) {
        let settings = &live.settings;
        let rule = settings.domain_at(&lane.provider, &lane.model);
        // The settings were good for the first attempt; the pool of that one stays otherwise.
        if let Ok(pool) = shared.registry.pool(&self.asks, rule, settings) {
            self.pool = pool;
        }
    }
}
