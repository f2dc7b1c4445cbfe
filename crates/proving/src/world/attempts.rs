//! One attempt after the other: to the provider, and back.

use super::flights::Flight;
use super::{Event, World};
use crate::sender::{CallId, End};
use crate::time::seconds;
use crate::trace::Happening;
use crate::upstream::Work;

impl World<'_> {
    pub(super) fn send(&mut self, call: CallId) {
        let seat = self.seat_of(call);
        self.note(Happening::Sent, u64::from(call), seat as u64);
        let now_ns = self.now_ns;
        let Some(known) = self.calls.get_mut(call as usize) else {
            return;
        };
        if known.flying || known.fate.is_some() {
            self.story
                .break_rule("a request was sent while it was under way or answered");
            return;
        }
        known.sent_ns = now_ns;
        known.attempts += 1;
        known.flying = true;
        self.flying += 1;
        self.story.sent(now_ns - self.start_ns);
        let there_ns = self.way.delay_ns(self.scenario.delay.to_provider_ms);
        let flight = self.flights.add(Flight::new(call, now_ns));
        if self.upstream.is_unreachable(now_ns) {
            self.end_with(flight, End::Unreachable, now_ns + there_ns);
        } else {
            self.agenda
                .plan(now_ns + there_ns, Event::Arrive { flight });
        }
    }

    fn end_with(&mut self, flight: usize, end: End, at_ns: u64) {
        if let Some(known) = self.flights.get_mut(flight) {
            known.end = Some(end);
        }
        self.agenda.plan(at_ns, Event::End { flight });
    }

    pub(super) fn arrive(&mut self, flight: usize) {
        let now_ns = self.now_ns;
        let Some(call) = self.flights.get_mut(flight).map(|known| known.call) else {
            return;
        };
        let Some(prompt) = self.calls.get(call as usize).map(|known| known.prompt) else {
            return;
        };
        let reply = self.upstream.arrive(&prompt, now_ns);
        let back_ns = self.way.delay_ns(self.scenario.delay.from_provider_ms) + reply.late_ns;
        let head_ns = now_ns + reply.head_after_ns;
        if let Some(work) = reply.admitted {
            let most = self.scenario.provider.max_in_flight;
            if most.is_some_and(|most| self.upstream.in_flight() > most) {
                self.story
                    .break_rule("more in flight than the provider admits");
            }
            self.admitted(call, &work);
            if let Some(known) = self.flights.get_mut(flight) {
                known.work = Some(work);
            }
            self.agenda
                .plan(head_ns + reply.end_after_ns, Event::Finish { flight });
        } else {
            let wait_ns = reply.head.wait_ns();
            let happening = if let Some(label) = reply.refused {
                self.story.refused(now_ns - self.start_ns, &label);
                Happening::Refused
            } else {
                self.story.overloaded += 1;
                Happening::Overloaded
            };
            self.note(happening, u64::from(call), wait_ns);
        }
        let Some(known) = self.flights.get_mut(flight) else {
            return;
        };
        let timeout_ns = known.sent_ns + seconds(self.scenario.delay.timeout_s);
        let heard_ns = head_ns + back_ns;
        if reply.lost || heard_ns > timeout_ns {
            return self.end_with(flight, End::Lost, timeout_ns.max(now_ns));
        }
        known.head = Some(reply.head);
        known.end = reply.end;
        self.agenda.plan(heard_ns, Event::Head { flight });
        if reply.end.is_some() {
            let at_ns = heard_ns + reply.end_after_ns;
            self.agenda.plan(at_ns, Event::End { flight });
        }
    }

    fn admitted(&mut self, call: CallId, work: &Work) {
        self.note(Happening::Admitted, u64::from(call), work.tokens);
        let charge = self.calls.get(call as usize).map(|known| &known.prompt);
        let charge = charge.map(|prompt| self.upstream.charge(prompt));
        let tokens = charge.map_or(0, |charge| charge.tokens);
        self.story.admitted(self.now_ns - self.start_ns, tokens);
        if let (Some(known), Some(charge)) = (self.calls.get_mut(call as usize), charge) {
            known.charge.add(&charge);
        }
    }

    pub(super) fn finish(&mut self, flight: usize) {
        let Some(known) = self.flights.get_mut(flight) else {
            return;
        };
        let call = known.call;
        if let Some(work) = known.work.take() {
            self.upstream.finish(work, self.now_ns);
        }
        self.note(Happening::Finished, u64::from(call), 0);
        self.flights.tidy(flight);
    }

    pub(super) fn head(&mut self, flight: usize) {
        let Some(known) = self.flights.get_mut(flight) else {
            return;
        };
        let (call, last) = (known.call, known.end.is_none());
        let Some(head) = known.head.take() else {
            return;
        };
        if last {
            known.landed = true;
            self.land(call);
        }
        self.note(Happening::Headed, u64::from(call), u64::from(last));
        self.flights.tidy(flight);
        if let Some(ask) = self.ask(call) {
            self.act(self.seat_of(call), |sender, now_ns, steps| {
                sender.head(&ask, &head, now_ns, steps);
            });
        }
    }

    pub(super) fn end(&mut self, flight: usize) {
        let Some(known) = self.flights.get_mut(flight) else {
            return;
        };
        let call = known.call;
        let Some(end) = known.end else { return };
        known.landed = true;
        self.land(call);
        self.note(Happening::Ended, u64::from(call), 0);
        self.flights.tidy(flight);
        if let Some(ask) = self.ask(call) {
            self.act(self.seat_of(call), |sender, now_ns, steps| {
                sender.end(&ask, end, now_ns, steps);
            });
        }
    }

    fn land(&mut self, call: CallId) {
        if let Some(known) = self.calls.get_mut(call as usize) {
            known.flying = false;
            self.flying -= 1;
        }
    }
}
