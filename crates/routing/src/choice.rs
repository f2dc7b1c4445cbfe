//! The order in which a call tries the lanes of its model.
//!
//! Lanes of one priority are a *group*. The first group in which a lane can take the call, and let
//! it go soon enough, *leads*: the policy, or the call's session, chooses among its lanes. All
//! other lanes that could take the call follow, for when the first ones fail; lanes that have just
//! come back and are not to have this call come last. A group is passed over only if what is wrong
//! with each of its lanes is in [`FallBackOn`].

mod field;
mod rank;
mod reason;
mod settings;
mod turns;

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::affinity::{SessionKey, rendezvous};
use crate::lane::{Lane, LaneId, LaneKey};
use crate::time::Timestamp;
use field::{Field, Member, Standing};
use rank::rank;
pub use reason::{Out, Reason, Trigger};
pub use settings::{FallBackOn, Policy, RouterSettings};
use turns::Turns;

/// The session that a call belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Which one.
    pub key: SessionKey,
    /// Where [`Affinity::last`](crate::Affinity::last) says that it was.
    pub last: Option<LaneKey>,
}

/// What a choice has to know of the call, beside what its [`Lane`]s say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Call {
    /// Its session, if it has one that should stay where its prompt cache is.
    pub session: Option<Session>,
    /// Whether it may find out if an ill lane is well again. It is sent on elsewhere if not, which
    /// takes time.
    pub may_probe: bool,
    /// A fresh random number, from 0 to below 1.
    pub draw: f64,
}

/// One place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which lane.
    pub lane: LaneId,
    /// Why it is there.
    pub reason: Reason,
    /// Whether it is of a lower priority than the first: after a failure it may be used only if
    /// [`FallBackOn::allows`] what went wrong.
    pub lower: bool,
}

/// Where a call goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The lanes to try, in this order. Empty only if no lane can take the call now.
    pub order: Vec<Placed>,
    /// The other lanes, and why they are not to be tried.
    pub out: Vec<(LaneId, Out)>,
}

impl Choice {
    /// When the first ill lane may be tried again, where none can be used now.
    #[must_use]
    pub fn returns_at(&self) -> Option<Timestamp> {
        let untils = self.out.iter().filter_map(|(_, out)| match out {
            Out::Ill { until, .. } => Some(*until),
            _ => None,
        });
        untils.min()
    }
}

/// Chooses among the lanes of one model.
#[derive(Clone, Debug)]
pub struct Router {
    settings: RouterSettings,
    turns: Turns,
}

/// Which group leads, and how far down lanes may be used.
struct Lead {
    group: Option<usize>,
    /// Why groups above it were passed over.
    trigger: Option<Trigger>,
    /// The last group that may be used.
    lowest: usize,
}

impl Router {
    /// No call has been placed. The settings are used as they are: [`RouterSettings::check`] says
    /// whether they make sense.
    #[must_use]
    pub fn new(settings: RouterSettings) -> Self {
        Self {
            settings,
            turns: Turns::default(),
        }
    }

    /// How it chooses.
    #[must_use]
    pub const fn settings(&self) -> &RouterSettings {
        &self.settings
    }

    /// The order in which `call` tries `lanes`, which are given in the order of configuration.
    ///
    /// The call is counted as one of the first lane's turns. Whoever sends it asks the lane's
    /// breaker for leave ([`Breaker::begin`](crate::Breaker::begin)) and goes on with the next
    /// lane where it is refused.
    pub fn choose(&mut self, call: &Call, lanes: &[Lane]) -> Choice {
        self.turns.keep_only(lanes);
        let members = self.members(call, lanes);
        let field = Field {
            call,
            lanes,
            members,
        };
        let lead = self.lead(&field);
        let mut choice = Choice::default();
        if let Some(group) = lead.group {
            self.place_leading(&field, group, lead.trigger, &mut choice);
            self.place_others(&field, group, lead.lowest, &mut choice);
        }
        place_held_back(&field, &lead, &mut choice);
        place_out(&field, &mut choice);
        choice
    }

    /// The lanes by group, the highest priority first.
    fn members(&self, call: &Call, lanes: &[Lane]) -> Vec<Member> {
        let mut indices: Vec<usize> = (0..lanes.len()).collect();
        indices.sort_by_key(|index| lanes[*index].priority);
        let mut members: Vec<Member> = Vec::with_capacity(lanes.len());
        for index in indices {
            let group = members.last().map_or(0, |last| {
                let alone = self.settings.policy == Policy::InOrder;
                let differs = lanes[last.index].priority != lanes[index].priority;
                last.group + usize::from(alone || differs)
            });
            let standing = Standing::of(&lanes[index], call);
            members.push(Member {
                index,
                group,
                standing,
            });
        }
        members
    }

    fn lead(&self, field: &Field<'_>) -> Lead {
        let lowest = field.members.last().map_or(0, |member| member.group);
        let mut least_wait: Option<(Duration, usize)> = None;
        let mut trigger = None;
        for group in field.members.chunk_by(|a, b| a.group == b.group) {
            let number = group[0].group;
            let usable = group.iter().filter(|member| member.is_usable());
            let wait = usable
                .filter_map(|member| field.lanes[member.index].wait)
                .min();
            if let Some(wait) = wait {
                if wait <= self.settings.fall_back_after || !self.settings.fall_back_on.quota {
                    let lowest = self.lowest(number, lowest);
                    return Lead {
                        group: Some(number),
                        trigger,
                        lowest,
                    };
                }
                if least_wait.is_none_or(|(least, _)| wait < least) {
                    least_wait = Some((wait, number));
                }
            }
            let why = |member: &Member| member.standing.trigger();
            if !group
                .iter()
                .filter_map(why)
                .all(|why| self.settings.fall_back_on.allows(why))
            {
                let group = least_wait.map(|(_, group)| group);
                return Lead {
                    group,
                    trigger,
                    lowest: number,
                };
            }
            let group_trigger = match wait {
                Some(_) => Some(Trigger::Quota),
                None => group.iter().find_map(why),
            };
            trigger = trigger.or(group_trigger);
        }
        Lead {
            group: least_wait.map(|(_, group)| group),
            trigger,
            lowest,
        }
    }

    /// How far down lanes may be used after those of the leading group failed.
    fn lowest(&self, leading: usize, lowest: usize) -> usize {
        if self.settings.fall_back_on.is_none() {
            leading
        } else {
            lowest
        }
    }

    fn place_leading(
        &mut self,
        field: &Field<'_>,
        group: usize,
        trigger: Option<Trigger>,
        choice: &mut Choice,
    ) {
        let leading = field.usable_in(group);
        let ranking = rank(&self.settings, field.lanes, &leading);
        let Some(by_policy) = self.turns.next(field.lanes, &ranking.tied) else {
            return;
        };
        let by_session = self.by_session(field, &leading, by_policy);
        let (first, reason) = by_session.unwrap_or_else(|| {
            let policy = Reason::Policy(self.settings.policy);
            let probe = field.is_probe(by_policy);
            (by_policy, if probe { Reason::Probe } else { policy })
        });
        if ranking.tied.iter().any(|(index, _)| *index == first) {
            self.turns.taken(field.lanes, &ranking.tied, first);
        }
        let fallback = trigger.filter(|_| group > 0).map(Reason::Fallback);
        let reason = fallback.unwrap_or(reason);
        choice.place(field.lanes[first].id, reason, false);
        for index in ranking.order.into_iter().filter(|index| *index != first) {
            choice.place(field.lanes[index].id, Reason::Alternative, false);
        }
    }

    /// Where the session of the call goes, if it has one and that is not too dear.
    fn by_session(
        &self,
        field: &Field<'_>,
        leading: &[usize],
        by_policy: usize,
    ) -> Option<(usize, Reason)> {
        let (session, slack) = (field.call.session?, self.settings.affinity_wait?);
        let lanes = field.lanes;
        // A session is not what an ill lane is tried with.
        let settled = || {
            leading
                .iter()
                .copied()
                .filter(|index| !field.is_probe(*index))
        };
        let bearable = |index: &usize| {
            let waits = leading.iter().filter(|other| *other != index);
            let least = waits.filter_map(|other| lanes[*other].wait).min();
            least.is_none_or(|least| lanes[*index].wait <= Some(least.saturating_add(slack)))
        };
        let price = |index: usize| lanes[index].price_nanousd.unwrap_or(u64::MAX);
        let cheap = |index: &usize| {
            self.settings.policy != Policy::Cheapest || price(*index) <= price(by_policy)
        };
        let of_lane = |id| settled().find(|index| lanes[*index].id == id);
        let of_key = |key| settled().find(|index| lanes[*index].key == key);
        let known = session.last.and_then(of_key);
        if let Some(known) = known.filter(bearable).filter(cheap) {
            return Some((known, Reason::Affinity));
        }
        let spreads = matches!(self.settings.policy, Policy::Soonest | Policy::Weighted);
        let names = settled().map(|index| {
            let lane = &lanes[index];
            (lane.id, lane.key, lane.weight)
        });
        let home = rendezvous(session.key, names.filter(|_| spreads)).and_then(of_lane)?;
        bearable(&home).then_some((home, Reason::SessionHash))
    }

    /// Lanes of other groups: those that let the call go soon first, then the higher priority.
    fn place_others(&self, field: &Field<'_>, leading: usize, lowest: usize, choice: &mut Choice) {
        let mut others = Vec::new();
        for group in (0..=lowest).filter(|group| *group != leading) {
            let order = rank(&self.settings, field.lanes, &field.usable_in(group)).order;
            others.extend(order.into_iter().map(|index| (group, &field.lanes[index])));
        }
        others.sort_by_key(|(_, lane)| lane.wait > Some(self.settings.fall_back_after));
        for (group, lane) in others {
            choice.place(lane.id, Reason::Alternative, group > leading);
        }
    }
}

impl Choice {
    fn place(&mut self, lane: LaneId, reason: Reason, lower: bool) {
        self.order.push(Placed {
            lane,
            reason,
            lower,
        });
    }
}

fn place_held_back(field: &Field<'_>, lead: &Lead, choice: &mut Choice) {
    let top = lead.group.unwrap_or(0);
    for member in field
        .members
        .iter()
        .filter(|member| member.group <= lead.lowest)
    {
        if matches!(member.standing, Standing::HeldBack(_)) {
            let id = field.lanes[member.index].id;
            choice.place(id, Reason::LastResort, member.group > top);
        }
    }
}

fn place_out(field: &Field<'_>, choice: &mut Choice) {
    for member in &field.members {
        let id = field.lanes[member.index].id;
        if let Standing::Out(out) = member.standing {
            choice.out.push((id, out));
        } else if !choice.order.iter().any(|placed| placed.lane == id) {
            choice.out.push((id, Out::FallBackOff));
        }
    }
}
