//! `[models.NAME]` and `[[routes]]`: what is behind a model's name.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Pattern;
use crate::checker::Checker;
use crate::nearest::nearest;
use crate::node::{clip, join};
use crate::providers::UPSTREAM;
use crate::quantity::Span;

/// The longest name of a model or tag, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// The most lanes behind one name.
const LANES_MAX: usize = 64;

/// What is behind a model's name.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRule {
    /// The names that callers use; without `*` it is one.
    pub name: Pattern,
    /// The ways to reach it.
    pub lanes: Vec<LaneRule>,
    /// Which lane a call takes.
    pub choose: Choose,
    /// What makes a call go on to a lane of a later priority.
    pub fall_back_on: Vec<FallBack>,
    /// The wait for a turn that is accepted before a later priority is used.
    pub fall_back_after: Duration,
    /// How much longer a session waits for the lane that it had last; zero keeps no session.
    pub session_patience: Duration,
    /// When calls that somebody waits for are sent a second time, over another lane; `None`: never.
    pub hedge: Option<HedgeRule>,
}

/// Second attempts beside first ones that are late.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HedgeRule {
    /// When a first attempt is late; `None`: later than 95 % of its lane's answers begin.
    pub after: Option<Duration>,
    /// The share of calls that may have one, from 0 to 1.
    pub share_max: f64,
}

/// A way to reach a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRule {
    /// Name of the provider.
    pub provider: String,
    /// The model's name there; `None`: as the caller has it.
    pub model: Option<String>,
    /// Share relative to other lanes of its priority.
    pub weight: u32,
    /// Lower ones are used first.
    pub priority: u32,
    /// The most tokens that input and output may have together; `None`: not known.
    pub context_tokens: Option<u64>,
}

/// Which lane a call takes, among those of one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choose {
    /// The one whose quota lets it go first; where several do, by weight and what is left.
    Soonest,
    /// By weight, passing over those that would have it wait while another would not.
    Weighted,
    /// The first in the list that can take it.
    InOrder,
    /// The cheapest that lets it go in time.
    Cheapest,
    /// The one that begins to answer first.
    Fastest,
}

/// What makes a call go on to a lane of a later priority.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FallBack {
    /// The wait for the quota is longer than fall_back_after, or the quota is spent.
    Quota,
    /// The provider is overloaded.
    Overload,
    /// The provider fails or cannot be reached.
    Error,
    /// The input is too long for the model.
    ContextLength,
}

/// Calls with these tags and models go to another name.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// Tags that a call has to have, all of them.
    pub tags: Vec<String>,
    /// Models that are meant; empty: all.
    pub models: Vec<Pattern>,
    /// The name that is used instead.
    pub to: String,
}

/// What is behind a model's name.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["lanes"]))]
pub(crate) struct RawModel {
    /// The ways to reach it. Needed.
    #[schemars(extend("examples" = [[{ "provider": "upstream", "model": "gpt-4o-mini" }]]))]
    lanes: Vec<RawLane>,
    /// Which lane a call takes, among those of one priority.
    choose: Choose,
    /// What makes a call go on to a lane of a later priority: quota, overload, error, context_length.
    #[schemars(extend("examples" = [["error"]]))]
    fall_back_on: Vec<FallBack>,
    /// The wait for a turn that is accepted before a later priority is used.
    #[schemars(extend("x-maximum" = "24h"))]
    fall_back_after: Span,
    /// How much longer a session waits for the lane that it had last: that provider has its prompt in
    /// the cache. 0s keeps no session.
    #[schemars(extend("x-maximum" = "1h"))]
    session_patience: Span,
    /// Whether an interactive call whose answer is late is sent a second time, over another lane that
    /// could take it at once; the first answer counts, and both are paid.
    hedge: bool,
    /// When an answer is late. Left out: later than 95 % of that lane's answers begin, and 200 ms at
    /// the least.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "1h", "examples" = ["2s"]))]
    hedge_after: Option<Span>,
    /// The share of calls that may be sent a second time.
    #[schemars(range(min = 0.001, max = 1.0))]
    hedge_share_max: f64,
}

/// A way to reach a model.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawLane {
    /// Name of the provider: upstream, or one of [providers].
    provider: String,
    /// The model's name there. Left out: as the caller has it.
    #[schemars(extend("examples" = ["gpt-4o-mini"]))]
    model: Option<String>,
    /// Share relative to other lanes of its priority.
    #[schemars(range(min = 1, max = 1_000_000))]
    weight: u32,
    /// Lower ones are used first.
    #[schemars(range(min = 1, max = 100))]
    priority: u32,
    /// The most tokens that input and output may have together. Left out: not known.
    #[schemars(extend("minimum" = 1, "maximum" = 1_000_000_000, "examples" = [128_000]))]
    context_tokens: Option<u64>,
}

/// Calls with these tags and models go to another name.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["tags", "to"]))]
pub(crate) struct RawRoute {
    /// Tags that a call has to have, all of them. Needed.
    #[schemars(extend("examples" = [["eu"]]))]
    tags: Vec<String>,
    /// Models that are meant; * stands for any characters. Left out: all.
    #[schemars(extend("examples" = [["gpt-*"]]))]
    models: Vec<String>,
    /// The model name that is used instead. Needed.
    #[schemars(extend("examples" = ["fast-eu"]))]
    to: Option<String>,
}

impl Default for RawModel {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            choose: Choose::Soonest,
            fall_back_on: vec![
                FallBack::Quota,
                FallBack::Overload,
                FallBack::Error,
                FallBack::ContextLength,
            ],
            fall_back_after: Span(Duration::from_secs(2)),
            session_patience: Span(Duration::from_secs(1)),
            hedge: false,
            hedge_after: None,
            hedge_share_max: 0.05,
        }
    }
}

impl Default for RawLane {
    fn default() -> Self {
        Self {
            provider: UPSTREAM.to_owned(),
            model: None,
            weight: 1,
            priority: 1,
            context_tokens: None,
        }
    }
}

/// What the check of a model has to know of other settings.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    /// Those that lanes may name.
    pub(crate) providers: &'a [&'a str],
    /// Those among them that have no key of their own.
    pub(crate) keyless: &'a [&'a str],
    /// Whether the breakers are on.
    pub(crate) are_lanes_watched: bool,
}

/// Checks all names.
pub(crate) fn check(
    raw: BTreeMap<String, RawModel>,
    around: Around<'_>,
    checker: &mut Checker<'_>,
) -> Vec<ModelRule> {
    let Around {
        providers, keyless, ..
    } = around;
    let mut rules: Vec<_> = raw
        .into_iter()
        .map(|(name, model)| {
            model.check_hedge(&name, around, checker);
            model.check_priorities(&name, checker);
            model.check(name, providers, checker)
        })
        .collect();
    for rule in rules.iter().filter(|rule| rule.lanes.len() > 1) {
        check_keys(rule, keyless, checker);
    }
    // The more of a name a pattern spells out, the earlier it is asked; a plain name is asked first.
    rules.sort_by_key(|rule| {
        let text = rule.name.as_str();
        let spelled = text.chars().filter(|c| *c != '*').count();
        (text.contains('*'), std::cmp::Reverse(spelled))
    });
    rules
}

/// A caller's key would go to every provider behind the name, and most of them have no business with
/// it.
fn check_keys(rule: &ModelRule, keyless: &[&str], checker: &mut Checker<'_>) {
    let path = join("models", rule.name.as_str());
    for (index, lane) in rule.lanes.iter().enumerate() {
        if keyless.contains(&lane.provider.as_str()) {
            let what = format!(
                "{} has no api_key: behind a name with several lanes the gateway's own keys are used",
                lane.provider
            );
            let hint = match lane.provider.as_str() {
                UPSTREAM => "set upstream.api_key".to_owned(),
                provider => format!("set {}.api_key", join("providers", provider)),
            };
            checker.problem(&format!("{path}.lanes[{index}]"), what, hint);
        }
    }
}

impl RawModel {
    fn check_hedge(&self, name: &str, around: Around<'_>, checker: &mut Checker<'_>) {
        let path = join("models", name);
        for key in ["hedge_after", "hedge_share_max"] {
            let path = join(&path, key);
            if !self.hedge && checker.is_set(&path) {
                checker.notice(&path, "has no effect: hedge is off");
            }
        }
        if self.hedge && self.lanes.len() == 1 {
            let what = "a second attempt needs a second lane";
            checker.problem(
                &join(&path, "hedge"),
                what,
                "add a lane, or leave hedge out",
            );
        }
        if self.hedge && self.hedge_after.is_none() && !around.are_lanes_watched {
            let what =
                "how late is late is not known: with breaker.enabled = false no lane is watched";
            checker.problem(&join(&path, "hedge"), what, "set hedge_after");
        }
    }

    /// Notes lanes that no call comes to from those before them.
    fn check_priorities(&self, name: &str, checker: &mut Checker<'_>) {
        let first = self.lanes.iter().map(|lane| lane.priority).min();
        let is_later = |index: usize, lane: &RawLane| match self.choose {
            // Each lane is a priority of its own.
            Choose::InOrder => index > 0,
            _ => Some(lane.priority) != first,
        };
        if !self.fall_back_on.is_empty() {
            return;
        }
        for (index, lane) in self.lanes.iter().enumerate() {
            if is_later(index, lane) {
                let path = format!("{}.lanes[{index}]", join("models", name));
                checker.notice(&path, "no call falls back on it: fall_back_on is empty");
            }
        }
    }

    fn check(self, name: String, providers: &[&str], checker: &mut Checker<'_>) -> ModelRule {
        let path = join("models", &name);
        if name.is_empty() || name.len() > TEXT_BYTES_MAX {
            let what = format!("the name must be 1 to {TEXT_BYTES_MAX} characters");
            checker.problem(&path, what, "it is what callers put into \"model\"");
        }
        let place = join(&path, "lanes");
        // That the key is missing is told already.
        let lacks_lanes = self.lanes.is_empty() && checker.is_set(&place);
        if lacks_lanes || self.lanes.len() > LANES_MAX {
            let what = format!("must have 1 to {LANES_MAX} lanes");
            checker.problem(&place, what, "lanes = [{ model = \"gpt-4o-mini\" }]");
        }
        let mut lanes: Vec<LaneRule> = Vec::new();
        for (index, lane) in self.lanes.into_iter().enumerate() {
            let path = format!("{path}.lanes[{index}]");
            let lane = lane.check(&path, providers, checker);
            let is_same =
                |other: &LaneRule| (&other.provider, &other.model) == (&lane.provider, &lane.model);
            if lanes.iter().any(is_same) {
                checker.problem(
                    &path,
                    "is there already",
                    "give one of them a higher weight",
                );
            }
            lanes.push(lane);
        }
        ModelRule {
            name: Pattern::new(name),
            lanes,
            choose: self.choose,
            fall_back_on: self.fall_back_on,
            fall_back_after: self.fall_back_after.0,
            session_patience: self.session_patience.0,
            hedge: self.hedge.then_some(HedgeRule {
                after: self.hedge_after.map(|after| after.0),
                share_max: self.hedge_share_max,
            }),
        }
    }
}

impl RawLane {
    fn check(self, path: &str, providers: &[&str], checker: &mut Checker<'_>) -> LaneRule {
        if !providers.contains(&self.provider.as_str()) {
            let what = format!("{} is no provider", clip(&self.provider));
            let hint = match nearest(&self.provider, providers.iter().copied()) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("there are: {}", providers.join(", ")),
            };
            checker.problem(&format!("{path}.provider"), what, hint);
        }
        let is_unusable = |model: &String| model.is_empty() || model.len() > TEXT_BYTES_MAX;
        if self.model.as_ref().is_some_and(is_unusable) {
            let what = format!("must be 1 to {TEXT_BYTES_MAX} characters");
            checker.problem(
                &format!("{path}.model"),
                what,
                "leave it out to keep the caller's",
            );
        }
        LaneRule {
            provider: self.provider,
            model: self.model,
            weight: self.weight,
            priority: self.priority,
            context_tokens: self.context_tokens,
        }
    }
}

/// Notes a route to a provider that there is not: its name would be taken for a part of the model's.
fn check_lead(
    to: &str,
    place: &str,
    (models, providers): (&[ModelRule], &[&str]),
    checker: &mut Checker<'_>,
) {
    let Some((provider, _)) = to.split_once('/') else {
        return;
    };
    let is_there = providers.contains(&provider);
    if is_there || models.iter().any(|rule| rule.name.matches(to)) {
        return;
    }
    let meant = match nearest(provider, providers.iter().copied()) {
        Some(meant) => format!("; did you mean {meant:?}?"),
        None => String::new(),
    };
    let what = format!(
        "leads to no name of [models], and {} is no provider: {} is taken for a model's name{meant}",
        clip(provider),
        clip(to)
    );
    checker.notice(place, what);
}

/// Checks all routes.
pub(crate) fn check_routes(
    raw: Vec<RawRoute>,
    (models, providers): (&[ModelRule], &[&str]),
    checker: &mut Checker<'_>,
) -> Vec<RouteRule> {
    let mut routes = Vec::new();
    for (index, route) in raw.into_iter().enumerate() {
        let path = format!("routes[{index}]");
        let is_unusable = |text: &String| text.is_empty() || text.len() > TEXT_BYTES_MAX;
        let tags = format!("{path}.tags");
        // That a key is missing is told already.
        let lacks_tags = route.tags.is_empty() && checker.is_set(&tags);
        if lacks_tags || route.tags.iter().any(is_unusable) {
            let what = "must name the tags that a call has to have";
            checker.problem(&tags, what, "as in [\"eu\"]");
        }
        if route.models.iter().any(is_unusable) {
            let what = format!("must be 1 to {TEXT_BYTES_MAX} characters each");
            checker.problem(
                &format!("{path}.models"),
                what,
                "leave it out for all models",
            );
        }
        let place = format!("{path}.to");
        if route.to.as_ref().is_some_and(is_unusable) {
            let what = "must name the model that is used instead";
            checker.problem(&place, what, "a name of [models], or a provider's");
        }
        let to = route.to.unwrap_or_default();
        check_lead(&to, &place, (models, providers), checker);
        routes.push(RouteRule {
            tags: route.tags,
            models: route.models.into_iter().map(Pattern::new).collect(),
            to,
        });
    }
    routes
}
