//! From a scenario that fails to a small one that fails in the same way.

use crate::scenario::{Arrivals, Delay, Headers, Knowledge, Provider, Retry, Scenario};
use crate::time::Span;

/// A step towards a smaller scenario; `None` where it is small enough in this respect.
type Cut = fn(&Scenario) -> Option<Scenario>;

/// The steps, those that take away most first.
const CUTS: [Cut; 14] = [
    one_gateway,
    half_the_requests,
    half_the_time,
    no_drain,
    no_refund,
    no_free_failures,
    no_counting_of_refusals,
    no_bound_on_flights,
    no_ramp,
    plain_headers,
    plain_waits,
    no_streams,
    one_delay,
    one_tenant,
];

/// Makes a scenario smaller as long as `fails` says of the smaller one that it still fails, with at
/// most `tries` questions. The result is sound, and fails.
pub fn reduce(
    scenario: &Scenario,
    tries: usize,
    mut fails: impl FnMut(&Scenario) -> bool,
) -> Scenario {
    let mut smallest = scenario.clone();
    let mut left = tries;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            if left == 0 || !candidate.is_sound() {
                return false;
            }
            left -= 1;
            fails(candidate)
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Everything that is a step smaller.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut found = Vec::new();
    without_each(scenario, &mut found, |scenario| &mut scenario.fault);
    without_each(scenario, &mut found, |scenario| {
        &mut scenario.provider.foreign
    });
    without_each(scenario, &mut found, |scenario| {
        &mut scenario.provider.foreign_burst
    });
    without_each(scenario, &mut found, |scenario| {
        &mut scenario.provider.change
    });
    without_each(scenario, &mut found, |scenario| &mut scenario.workload);
    without_each(scenario, &mut found, |scenario| {
        &mut scenario.provider.quota
    });
    found.extend(CUTS.iter().filter_map(|cut| cut(scenario)));
    found
}

/// The scenario without one entry of a list, for each entry.
fn without_each<T>(
    scenario: &Scenario,
    found: &mut Vec<Scenario>,
    list: impl Fn(&mut Scenario) -> &mut Vec<T>,
) {
    let count = list(&mut scenario.clone()).len();
    for index in 0..count {
        let mut smaller = scenario.clone();
        list(&mut smaller).remove(index);
        found.push(smaller);
    }
}

/// The scenario with a change, if it is one.
fn changed(scenario: &Scenario, change: impl FnOnce(&mut Scenario)) -> Option<Scenario> {
    let mut smaller = scenario.clone();
    change(&mut smaller);
    (smaller != *scenario).then_some(smaller)
}

fn in_provider(scenario: &Scenario, change: impl FnOnce(&mut Provider)) -> Option<Scenario> {
    changed(scenario, |smaller| change(&mut smaller.provider))
}

fn one_gateway(scenario: &Scenario) -> Option<Scenario> {
    changed(scenario, |smaller| {
        let gateway = &mut smaller.gateway;
        gateway.count = gateway.count.div_ceil(2);
        for fault in &mut smaller.fault {
            fault.gateway = fault.gateway.filter(|index| *index < gateway.count);
        }
    })
}

fn half_the_requests(scenario: &Scenario) -> Option<Scenario> {
    changed(scenario, |smaller| {
        for stream in &mut smaller.workload {
            match &mut stream.arrivals {
                Arrivals::Job { requests, .. } | Arrivals::Bursts { requests, .. } => {
                    *requests = requests.div_ceil(2);
                }
                // Fewer of these would be another load, not less of the same.
                Arrivals::Steady { .. } | Arrivals::PerMinute { .. } => {}
            }
        }
    })
}

/// What happens at a time happens in proportion sooner.
fn half_the_time(scenario: &Scenario) -> Option<Scenario> {
    if scenario.duration_s < 20 {
        return None;
    }
    changed(scenario, |smaller| {
        smaller.duration_s /= 2;
        let end_s = smaller.duration_s;
        for change in &mut smaller.provider.change {
            change.at_s = change.at_s.min(end_s / 2);
        }
        for stream in &mut smaller.workload {
            stream.start_s = stream.start_s.min(end_s / 2);
        }
    })
}

fn no_drain(scenario: &Scenario) -> Option<Scenario> {
    changed(scenario, |smaller| smaller.drain_s = 0)
}

fn no_refund(scenario: &Scenario) -> Option<Scenario> {
    in_provider(scenario, |provider| provider.refund = false)
}

fn no_free_failures(scenario: &Scenario) -> Option<Scenario> {
    in_provider(scenario, |provider| provider.failures_are_free = false)
}

fn no_counting_of_refusals(scenario: &Scenario) -> Option<Scenario> {
    in_provider(scenario, |provider| provider.refusals_count = false)
}

fn no_bound_on_flights(scenario: &Scenario) -> Option<Scenario> {
    in_provider(scenario, |provider| provider.max_in_flight = None)
}

fn no_ramp(scenario: &Scenario) -> Option<Scenario> {
    in_provider(scenario, |provider| provider.ramp = None)
}

fn plain_headers(scenario: &Scenario) -> Option<Scenario> {
    // A gateway that is told nothing needs them.
    if scenario.gateway.knows == Knowledge::Nothing && scenario.provider.headers == Headers::None {
        return None;
    }
    in_provider(scenario, |provider| provider.headers = Headers::All)
}

fn plain_waits(scenario: &Scenario) -> Option<Scenario> {
    in_provider(scenario, |provider| {
        provider.retry_after = Retry::Milliseconds;
    })
}

fn no_streams(scenario: &Scenario) -> Option<Scenario> {
    changed(scenario, |smaller| smaller.delay.streaming_ms = Span(0, 0))
}

fn one_delay(scenario: &Scenario) -> Option<Scenario> {
    changed(scenario, |smaller| {
        let middle = |span: Span| {
            let middle = u64::midpoint(span.0, span.1);
            Span(middle, middle)
        };
        let delay = smaller.delay;
        smaller.delay = Delay {
            to_provider_ms: middle(delay.to_provider_ms),
            from_provider_ms: middle(delay.from_provider_ms),
            processing_ms: middle(delay.processing_ms),
            ..delay
        };
    })
}

fn one_tenant(scenario: &Scenario) -> Option<Scenario> {
    changed(scenario, |smaller| {
        for stream in &mut smaller.workload {
            stream.tenants = 1;
        }
    })
}
