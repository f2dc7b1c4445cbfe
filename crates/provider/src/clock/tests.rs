//! Providers whose clocks are off by a known amount, in virtual time.

use super::*;

const START: Duration = Duration::from_secs(1_790_589_600);

fn at(ms: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + START + Duration::from_millis(ms)
}

/// An answer made up when the provider's clock, which is `ahead_ms` ahead, shows what it does at `ms`.
fn answer(clock: &mut ProviderClock, ahead_ms: i64, ms: u64, trip: (u64, u64)) {
    let shown = (SystemTime::UNIX_EPOCH + START)
        .checked_add(Duration::from_millis(
            ms.checked_add_signed(ahead_ms).unwrap(),
        ))
        .unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(DATE, httpdate::fmt_http_date(shown).parse().unwrap());
    clock.observe(&headers, at(ms - trip.0), at(ms + trip.1));
}

fn offset_ms(clock: &ProviderClock, ms: u64) -> (f64, f64) {
    let offset = clock.offset(at(ms)).unwrap();
    let (ahead, error) = (offset.ahead_ns as f64, offset.error_ns as f64);
    (ahead / 1e6, error / 1e6)
}

#[test]
fn one_answer_bounds_it_and_many_narrow_it_to_the_network() {
    for ahead_ms in [-45_300, -700, 0, 1_300, 86_400_000] {
        let mut clock = ProviderClock::default();
        assert_eq!(clock.offset(at(0)), None);
        for index in 0..200_u64 {
            // Trips of 40 to 100 ms, at moments that go through the second.
            let trip = (20 + index % 30, 20 + index * 7 % 50);
            answer(&mut clock, ahead_ms, 100_000 + index * 137, trip);
            let (told, error) = offset_ms(&clock, 100_000 + index * 137 + trip.1);
            let off = (told - ahead_ms as f64).abs();
            assert!(off <= error + 0.001, "{ahead_ms}: {told} ± {error}");
            if index == 0 {
                assert!(error <= 550.0, "{error}");
            }
        }
        let (_, error) = offset_ms(&clock, 128_000);
        assert!(error < 60.0, "{ahead_ms}: ± {error}");
    }
}

#[test]
fn a_clock_that_drifts_is_followed() {
    let mut clock = ProviderClock::default();
    for index in 0..20_000_u64 {
        let ms = 100_000 + index * 1_037;
        // 100 ppm fast.
        let ahead_ms = i64::try_from(ms / 10_000).unwrap();
        answer(&mut clock, ahead_ms, ms, (30, 30));
        let (told, error) = offset_ms(&clock, ms + 30);
        assert!(
            (told - ahead_ms as f64).abs() <= error + 1.001,
            "{told} ± {error}"
        );
        assert!(error < 550.0);
    }
}

#[test]
fn a_clock_that_is_set_is_believed_at_once_and_machines_that_differ_widen_the_bounds() {
    let mut clock = ProviderClock::default();
    for index in 0..50 {
        answer(&mut clock, 0, 100_000 + index * 137, (10, 10));
    }
    answer(&mut clock, 3_600_000, 110_000, (10, 10));
    let (told, error) = offset_ms(&clock, 110_010);
    assert!((told - 3_600_000.0).abs() <= error, "{told} ± {error}");
    assert!(error <= 520.0, "{error}");

    let mut clock = ProviderClock::default();
    for index in 0..400 {
        let ahead_ms = if index % 2 == 0 { 0 } else { 400 };
        answer(&mut clock, ahead_ms, 100_000 + index * 137, (10, 10));
        let (told, error) = offset_ms(&clock, 100_010 + index * 137);
        // Wide enough for one machine's whole second and the other's, and no wider.
        assert!(error < 1_250.0, "{told} ± {error}");
        assert!((-600.0..=1_000.0).contains(&told), "{told} ± {error}");
    }
}

#[test]
fn time_that_passes_without_answers_widens_the_bounds() {
    let mut clock = ProviderClock::default();
    answer(&mut clock, 500, 100_000, (10, 10));
    let (_, fresh) = offset_ms(&clock, 100_010);
    let (_, later) = offset_ms(&clock, 100_010 + 3_600_000);
    assert!((later - fresh - 720.0).abs() < 1.0, "{fresh} {later}");
}

#[test]
fn what_is_no_date_or_comes_from_a_cache_tells_nothing() {
    let mut clock = ProviderClock::default();
    let mut headers = HeaderMap::new();
    clock.observe(&headers, at(0), at(1));
    headers.insert(DATE, "yesterday".parse().unwrap());
    clock.observe(&headers, at(0), at(1));
    headers.insert(DATE, "Mon, 28 Sep 2026 10:00:00 GMT".parse().unwrap());
    headers.insert(AGE, "30".parse().unwrap());
    clock.observe(&headers, at(0), at(1));
    headers.remove(AGE);
    clock.observe(&headers, at(2), at(1));
    assert_eq!(clock, ProviderClock::default());
    clock.observe(&headers, at(0), at(1));
    assert_eq!(clock.offset(at(1)).unwrap().answers, 1);
}

#[test]
fn a_wait_from_the_earliest_moment_is_never_too_short() {
    for ahead_ms in [-2_000, 0, 90_000] {
        let mut clock = ProviderClock::default();
        for index in 0..50 {
            answer(&mut clock, ahead_ms, 100_000 + index * 137, (30, 60));
        }
        let shown = at(110_000_u64.checked_add_signed(ahead_ms).unwrap());
        let earliest = clock.earliest(at(110_000)).unwrap();
        assert!(earliest <= shown);
        assert!(shown.duration_since(earliest).unwrap() < Duration::from_millis(150));
    }
}
