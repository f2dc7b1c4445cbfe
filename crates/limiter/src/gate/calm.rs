//! The gate after refusals: episodes, and the throttles that follow from them.

use super::Gate;
use crate::cut::Scene;
use crate::episode::Running;
use crate::limits::Limits;
use crate::request::Binding;
use crate::settlement::{ProviderRefusal, RefusalKind};
use crate::snapshot::{Episode, ThrottleKind, ThrottleView};
use crate::throttle::Throttle;
use crate::time::Timestamp;

impl Gate {
    /// Whether `refusal` is the first of an episode.
    pub(crate) fn begins_episode(&self, refusal: &ProviderRefusal) -> bool {
        let mut episode = self.episode.iter();
        !episode.any(|episode| episode.includes(refusal.sent_at))
    }

    /// Pauses: anew for the first refusal of an episode, and longer where a later one asks for it.
    /// `explained`: nothing beyond the pause is cut, because what was wrong is known now.
    pub(crate) fn refused(
        &mut self,
        refusal: &ProviderRefusal,
        explained: bool,
        limits: &Limits,
        now: u64,
    ) {
        match &mut self.episode {
            Some(episode) if episode.includes(refusal.sent_at) => {
                if episode.refused_again(refusal, now) {
                    let before = self.cool_down_until;
                    self.cool_down_until = episode.seen.cool_down_until.as_nanos();
                    for throttle in &mut self.throttles {
                        throttle.postpone(before, self.cool_down_until);
                    }
                }
            }
            _ => self.begin_episode(refusal, explained, limits, now),
        }
    }

    fn begin_episode(
        &mut self,
        refusal: &ProviderRefusal,
        explained: bool,
        limits: &Limits,
        now: u64,
    ) {
        let mut episode = Running::begin(refusal, self.episode.as_ref(), now);
        let resumes = episode
            .seen
            .cool_down_until
            .as_nanos()
            .max(self.cool_down_until);
        let scene = Scene {
            refusal,
            limits,
            now,
            resumes,
        };
        let cuts = if explained {
            Vec::new()
        } else {
            self.cuts(&scene, episode.relapses)
        };
        for cut in cuts {
            if cut.kind() == ThrottleKind::SlowStart {
                episode.steady_at(cut.end());
            }
            self.throttles.retain(|throttle| !throttle.yields_to(&cut));
            self.throttles.push(cut);
        }
        self.cool_down_until = resumes;
        self.episode = Some(episode);
        if let Some(probe) = &mut self.probe {
            probe.halve();
            self.count_slots();
        }
    }

    fn cuts(&mut self, scene: &Scene<'_>, relapses: u32) -> Vec<Throttle> {
        let meter = &mut self.meter;
        match scene.refusal.kind {
            RefusalKind::Quota => scene.refused_rate(meter).map_or_else(Vec::new, |basis| {
                let slow_start = scene.slow_start(basis, relapses);
                let stabilisation = scene.stabilisation(basis, &self.calm);
                std::iter::once(slow_start).chain(stabilisation).collect()
            }),
            RefusalKind::Overload => {
                vec![scene.slow_start(scene.present_rate(meter), relapses)]
            }
            // The bound on requests in flight is all that has to follow.
            RefusalKind::Concurrency => Vec::new(),
            RefusalKind::Acceleration => {
                let mut throttles = self.throttles.iter();
                let held = throttles.find(|throttle| throttle.kind() == ThrottleKind::Growth);
                vec![scene.growth(held, meter, &self.calm)]
            }
        }
    }

    /// Notes what it is that holds up the head of the queue.
    pub(crate) fn holds(&mut self, binding: Binding, now: u64) {
        let throttles = self.throttles.iter_mut();
        for throttle in throttles.filter(|throttle| throttle.binding() == binding) {
            throttle.holds(now);
        }
    }

    /// Lets go of what is over.
    pub(crate) fn calm_down(&mut self, now: u64) {
        self.throttles.retain(|throttle| throttle.end() > now);
        if let Some(episode) = &mut self.episode
            && self.throttles.is_empty()
            && self.cool_down_until <= now
        {
            episode.seen.ended.get_or_insert(Timestamp::from_nanos(now));
        }
    }

    /// When [`Self::calm_down`] has something to do; `None`: everything is calm.
    pub(crate) fn next_change(&self) -> Option<u64> {
        let episode = self.episode.as_ref()?;
        if episode.seen.ended.is_some() {
            return None;
        }
        let ends = self.throttles.iter().map(Throttle::end);
        Some(ends.min().unwrap_or(self.cool_down_until))
    }

    pub(crate) fn cool_down_until(&self) -> u64 {
        self.cool_down_until
    }

    pub(crate) fn episode(&self) -> Option<Episode> {
        self.episode.map(|episode| episode.seen)
    }

    pub(crate) fn throttle_views(&self, limits: &Limits, now: Timestamp) -> Vec<ThrottleView> {
        let throttles = self.throttles.iter();
        throttles
            .map(|throttle| throttle.view(limits, now))
            .collect()
    }
}
