//! From what was learned about tokens to what the admin plane answers.

use paceline_admin_api::{Estimates, EstimatorError, InputEstimate, OutputEstimate};
use paceline_tokens::{CorrectionPpm, ErrorStats, ModelAccuracy, OutputEntry};

use crate::shared::{Learned, Shared};

/// Everything that is known about the tokens of requests and answers, in the order of the names.
pub(super) fn estimates(shared: &Shared) -> Estimates {
    let learned = shared.learned.lock();
    Estimates {
        outputs: outputs(&learned),
        inputs: inputs(&learned),
    }
}

fn outputs(learned: &Learned) -> Vec<OutputEstimate> {
    let mut entries: Vec<_> = learned.output_lengths.entries().collect();
    entries.sort_by_key(|entry| (entry.model.is_none(), entry.model, entry.route, entry.class));
    entries.iter().map(output).collect()
}

fn output(entry: &OutputEntry<'_>) -> OutputEstimate {
    let (accuracy, prediction) = (entry.accuracy, entry.prediction);
    let judged = accuracy.typical.count() > 0;
    OutputEstimate {
        model: entry.model.map(str::to_owned),
        route: entry.route.map(str::to_owned),
        bound: entry.class.name().to_owned(),
        answers: entry.observations,
        p50_tokens: prediction.map(|made| made.typical_tokens),
        p95_tokens: prediction.map(|made| made.high_tokens),
        predicted: accuracy.predicted,
        coverage: accuracy.coverage(),
        mean_error: judged.then(|| accuracy.typical.mean_absolute()),
        cost_ratio: accuracy.cost_ratio(),
    }
}

fn inputs(learned: &Learned) -> Vec<InputEstimate> {
    let calibrations = &learned.calibrations;
    let mut models: Vec<_> = calibrations.models().collect();
    models.sort_by_key(|(model, _)| *model);
    let models = models.into_iter().map(|(model, accuracy)| {
        let correction = ratio(calibrations.correction(model));
        input(Some(model), Some(correction), accuracy)
    });
    let total = calibrations.total();
    let all = (total.corrected.count() > 0).then(|| input(None, None, total));
    models.chain(all).collect()
}

fn input(model: Option<&str>, correction: Option<f64>, accuracy: &ModelAccuracy) -> InputEstimate {
    let errors = [
        ("corrected", &accuracy.corrected),
        ("calibrated", &accuracy.calibrated),
        ("simple", &accuracy.simple),
        ("generous", &accuracy.generous),
        ("four_characters", &accuracy.four_characters),
    ];
    InputEstimate {
        model: model.map(str::to_owned),
        answers: accuracy.corrected.count(),
        correction,
        errors: errors.map(|(name, stats)| error(name, stats)).into(),
    }
}

fn error(name: &str, stats: &ErrorStats) -> EstimatorError {
    EstimatorError {
        estimator: name.to_owned(),
        mean_error: stats.mean_absolute(),
        p95_error: stats.p95_absolute(),
        bias: stats.mean_signed(),
    }
}

fn ratio(correction: CorrectionPpm) -> f64 {
    f64::from(correction.get()) / f64::from(CorrectionPpm::ONE.get())
}
