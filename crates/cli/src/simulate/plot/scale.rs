//! Axes: where a value lies, and which values are written beside it.

/// From zero to a round number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    pub(super) top: f64,
    pub(super) step: f64,
}

impl Scale {
    /// A scale that holds `highest`, with three to five steps of a round size.
    pub(super) fn up_to(highest: f64) -> Self {
        let highest = if highest.is_finite() && highest > 0.0 {
            highest
        } else {
            1.0
        };
        let rough = highest / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(power * 10.0);
        let top = (highest / step * 0.999).ceil() * step;
        Self { top, step }
    }

    /// The values that are written, from the lowest on.
    pub(super) fn ticks(self) -> impl Iterator<Item = f64> {
        (0..=10_u32)
            .map(move |index| f64::from(index) * self.step)
            .take_while(move |value| *value <= self.top * 1.001)
    }
}

/// A number in three digits or so: `950`, `1.2 k`, `30 k`, `2 M`.
pub(super) fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        n if n >= 999_500.0 => (n / 1e6, " M"),
        n if n >= 999.5 => (n / 1e3, " k"),
        n => (n, ""),
    };
    let text = match scaled {
        s if s >= 99.95 || s <= 0.0 => format!("{s:.0}"),
        s => format!("{s:.1}"),
    };
    let text = text.strip_suffix(".0").unwrap_or(&text);
    format!("{text}{unit}")
}

/// Seconds between two ticks of the time axis, and the seconds of its unit.
pub(super) fn time_step(length_s: f64) -> (f64, f64, &'static str) {
    let (unit, name): (f64, _) = match length_s {
        s if s <= 180.0 => (1.0, "seconds"),
        s if s <= 3.0 * 3_600.0 => (60.0, "minutes"),
        _ => (3_600.0, "hours"),
    };
    let rough = length_s / 10.0;
    let steps = [
        1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0,
        7_200.0, 21_600.0, 43_200.0, 86_400.0, 259_200.0,
    ];
    let step = steps.into_iter().find(|step| *step >= rough);
    (step.unwrap_or(864_000.0).max(unit.min(60.0)), unit, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_on_a_round_number_not_far_above_the_highest_value() {
        for highest in [0.3, 1.0, 4.0, 7.0, 99.0, 101.0, 1_234.0, 60_000.0] {
            let scale = Scale::up_to(highest);
            assert!(scale.top >= highest * 0.998, "{highest}: {scale:?}");
            assert!(scale.top <= highest * 1.5, "{highest}: {scale:?}");
            let ticks = scale.ticks().count();
            assert!((3..=6).contains(&ticks), "{highest}: {ticks} ticks");
        }
        assert!(Scale::up_to(0.0).top > 0.0 && Scale::up_to(f64::NAN).top > 0.0);
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0.0, "0"),
            (2.5, "2.5"),
            (950.0, "950"),
            (1_200.0, "1.2 k"),
            (30_000.0, "30 k"),
            (2_000_000.0, "2 M"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn the_time_axis_has_a_handful_of_ticks() {
        for length_s in [30.0, 120.0, 600.0, 3_600.0, 86_400.0] {
            let (step, unit, _) = time_step(length_s);
            let ticks = length_s / step;
            assert!((2.0..=30.0).contains(&ticks), "{length_s}: {ticks}");
            assert!(step >= unit.min(60.0), "{length_s}");
        }
    }
}
