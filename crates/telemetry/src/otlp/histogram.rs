//! Histograms that only ever grow, one series for each set of labels.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The most series that all instruments of one [`Histograms`] hold together.
pub const SERIES_MAX: usize = 2_000;

/// A text of a label.
type Text = Cow<'static, str>;

/// The labels of a series. The model's name is shared, since every call brings one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    /// Labels whose values are few.
    pub fixed: Vec<(&'static str, Text)>,
    /// The label whose values callers choose.
    pub chosen: Option<(&'static str, Arc<str>)>,
}

/// A histogram: its name, unit, meaning and bounds.
#[derive(Debug, PartialEq)]
pub struct Instrument {
    /// The name.
    pub name: &'static str,
    /// The unit in the notation of UCUM.
    pub unit: &'static str,
    /// One sentence for whoever reads it.
    pub description: &'static str,
    /// Upper bounds of the buckets, rising.
    pub bounds: &'static [f64],
}

/// What was observed of one series since the start.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// One more than there are bounds.
    pub(super) buckets: Vec<u64>,
}

/// Several histograms, each with its series.
#[derive(Debug)]
pub struct Histograms {
    instruments: &'static [Instrument],
    series: Mutex<HashMap<(usize, Labels), Series>>,
}

impl Histograms {
    /// Makes histograms without any series.
    pub fn new(instruments: &'static [Instrument]) -> Self {
        Self {
            instruments,
            series: Mutex::default(),
        }
    }

    /// Counts `value` in the series of the instrument at `index`.
    ///
    /// Beyond [`SERIES_MAX`] series further labels share the one that OpenTelemetry has for that,
    /// `otel.metric.overflow`.
    pub fn observe(&self, index: usize, labels: Labels, value: f64) {
        let Some(instrument) = self.instruments.get(index).filter(|_| value.is_finite()) else {
            return;
        };
        let mut all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let full = all.len() >= SERIES_MAX;
        let mut key = (index, labels);
        if full && !all.contains_key(&key) {
            key.1 = Labels {
                fixed: vec![("otel.metric.overflow", Cow::Borrowed("true"))],
                chosen: None,
            };
        }
        let series = all.entry(key).or_insert_with(|| Series {
            count: 0,
            sum: 0.0,
            min: value,
            max: value,
            buckets: vec![0; instrument.bounds.len() + 1],
        });
        series.count += 1;
        series.sum += value;
        series.min = series.min.min(value);
        series.max = series.max.max(value);
        // A bound belongs to the bucket below it.
        let bucket = instrument.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = series.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    /// Every instrument with its series, in a stable order; instruments without any are left out.
    pub(super) fn read(&self) -> Vec<(&'static Instrument, Vec<(Labels, Series)>)> {
        let all = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |index: usize| {
            let own = all.iter().filter(|((at, _), _)| *at == index);
            own.map(|((_, labels), series)| (labels.clone(), series.clone()))
                .collect::<Vec<_>>()
        };
        let each = self.instruments.iter().enumerate();
        each.map(|(index, instrument)| (instrument, of(index)))
            .filter(|(_, series)| !series.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ONE: [Instrument; 1] = [Instrument {
        name: "x",
        unit: "s",
        description: "x",
        bounds: &[1.0, 2.0],
    }];

    fn labels(model: &str) -> Labels {
        Labels {
            fixed: vec![("a", "b".into())],
            chosen: Some(("model", model.into())),
        }
    }

    #[test]
    fn a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
        let histograms = Histograms::new(&ONE);
        for value in [0.5, 1.0, 1.5, 2.0, 9.0, f64::NAN, f64::INFINITY] {
            histograms.observe(0, labels("m"), value);
        }
        histograms.observe(7, labels("m"), 1.0);
        let read = histograms.read();
        let [(_, series)] = read.as_slice() else {
            panic!("{read:?}")
        };
        let expected = Series {
            count: 5,
            sum: 14.0,
            min: 0.5,
            max: 9.0,
            buckets: vec![2, 2, 1],
        };
        assert_eq!(series, &[(labels("m"), expected)]);
    }

    #[test]
    fn callers_cannot_make_the_number_of_series_grow_without_bound() {
        let histograms = Histograms::new(&ONE);
        for number in 0..2 * SERIES_MAX {
            histograms.observe(0, labels(&number.to_string()), 1.0);
        }
        // A series that is there already is still its own.
        histograms.observe(0, labels("0"), 1.0);
        let (_, series) = histograms.read().remove(0);
        assert_eq!(series.len(), SERIES_MAX + 1);
        let total: u64 = series.iter().map(|(_, series)| series.count).sum();
        assert_eq!(total, 2 * SERIES_MAX as u64 + 1);
        let of = |wanted: &Labels| series.iter().find(|(labels, _)| labels == wanted);
        assert_eq!(of(&labels("0")).unwrap().1.count, 2);
    }
}
