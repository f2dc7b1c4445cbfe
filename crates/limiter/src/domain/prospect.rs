//! What a request could expect that has not come yet, for those who choose between domains.

use std::time::Duration;

use super::Domain;
use crate::limits::Start;
use crate::request::{Binding, Request};
use crate::time::Timestamp;

/// What a request could expect of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prospect {
    /// The expected time until admission, behind all that wait in its tier and above; `None` where it
    /// depends on calls in flight.
    pub wait: Option<Duration>,
    /// What it would wait for.
    pub binding: Binding,
    /// What is left of the scarcest limit that it draws on, in millionths of the limit.
    pub room_ppm: u32,
    /// What it takes of the limit of which it takes the largest part, in millionths of the limit.
    pub takes_ppm: u32,
    /// Requests that wait in its tier and above.
    pub waiting: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// Whether no window can ever hold it, or nothing is admitted any more.
    pub is_hopeless: bool,
}

impl Domain {
    /// What `request` could expect if it came now; nothing is changed by asking.
    #[must_use]
    pub fn prospect(&self, request: &Request, now: Timestamp) -> Prospect {
        let now = self.now.max(now.as_nanos());
        let charge = self.charge_of(&request.charge, request.parts.as_ref());
        let load = self.queue.load_until(request.tier);
        let mut prospect = Prospect {
            wait: None,
            binding: Binding::Turn,
            room_ppm: self.limits.room_ppm(&charge, now),
            takes_ppm: self.limits.takes_ppm(&charge),
            waiting: usize::try_from(load.count).unwrap_or(usize::MAX),
            in_flight: self.reservations.len(),
            is_hopeless: self.draining || self.limits.too_large(&charge).is_some(),
        };
        if prospect.is_hopeless {
            return prospect;
        }
        let held = match self.gate_start(&charge, now) {
            Ok(start) => start,
            Err(binding) => {
                prospect.binding = binding;
                return prospect;
            }
        };
        let ahead = self.elsewhere.with_others(&load);
        let start = if ahead.count == 0 {
            let from = held.at.max(self.elsewhere.not_before());
            self.earliest(&charge, request.tier, from)
        } else {
            self.start_behind(&ahead, (&charge, request.tier), held.at)
        };
        if let Some(start) = start {
            let Start { at, binding } = if start.at > held.at { start } else { held };
            prospect.wait = Some(Duration::from_nanos(at.saturating_sub(now)));
            prospect.binding = binding;
        }
        prospect
    }
}
