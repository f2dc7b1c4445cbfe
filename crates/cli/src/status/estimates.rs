//! What a gateway has learned about tokens, in tables.

use paceline_admin_api::{Estimates, InputEstimate, OutputEstimate};

use crate::figures::grouped;
use crate::table::{Side, Table};
use crate::terminal::plain;

/// The lines to print.
pub(super) fn lines(estimates: &Estimates) -> Vec<String> {
    if estimates.inputs.is_empty() && estimates.outputs.is_empty() {
        return vec!["\nnothing learned about tokens yet: no answer has told its usage".to_owned()];
    }
    let mut lines = vec!["\nhow far estimates of the input were off, on average:".to_owned()];
    lines.extend(inputs(&estimates.inputs));
    lines.push(
        "\nhow long answers are, and how many of 100 the 95 % prediction covered:".to_owned(),
    );
    lines.extend(outputs(&estimates.outputs));
    lines
}

fn inputs(inputs: &[InputEstimate]) -> Vec<String> {
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("answers", Side::Right),
        ("correction", Side::Right),
        ("corrected", Side::Right),
        ("calibrated", Side::Right),
        ("simple", Side::Right),
        ("generous", Side::Right),
        ("4 characters", Side::Right),
    ]);
    for input in inputs {
        let error = |name: &str| {
            let mut errors = input.errors.iter();
            let found = errors.find(|error| error.estimator == name);
            percent(found.map(|error| error.mean_error))
        };
        table.row([
            name(input.model.as_deref(), "all"),
            grouped(input.answers),
            input
                .correction
                .map_or("-".to_owned(), |by| format!("{by:.3}")),
            error("corrected"),
            error("calibrated"),
            error("simple"),
            error("generous"),
            error("four_characters"),
        ]);
    }
    table.lines()
}

fn outputs(outputs: &[OutputEstimate]) -> Vec<String> {
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("route", Side::Left),
        ("bound", Side::Left),
        ("answers", Side::Right),
        ("half up to", Side::Right),
        ("95 % up to", Side::Right),
        ("covered", Side::Right),
        ("mean error", Side::Right),
    ]);
    for output in outputs {
        let tokens = |tokens: Option<u64>| tokens.map_or("?".to_owned(), grouped);
        table.row([
            name(output.model.as_deref(), "others"),
            name(output.route.as_deref(), "all"),
            plain(&output.bound).replace('_', " "),
            grouped(output.answers),
            tokens(output.p50_tokens),
            tokens(output.p95_tokens),
            percent(output.coverage),
            percent(output.mean_error),
        ]);
    }
    table.lines()
}

fn name(name: Option<&str>, without: &str) -> String {
    match name {
        Some("") | None => format!("({without})"),
        Some(name) => plain(name),
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or("?".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use paceline_admin_api::EstimatorError;

    use super::*;

    #[test]
    fn what_was_learned_is_shown_by_model_and_route() {
        let error = |estimator: &str, mean_error| EstimatorError {
            estimator: estimator.into(),
            mean_error,
            p95_error: 0.0,
            bias: 0.0,
        };
        let estimates = Estimates {
            inputs: vec![InputEstimate {
                model: Some("gpt-4o".into()),
                answers: 1_234,
                correction: Some(1.025),
                errors: vec![error("corrected", 0.031), error("four_characters", 0.25)],
            }],
            outputs: vec![
                OutputEstimate {
                    model: Some("gpt-4o".into()),
                    route: Some("chat_completions".into()),
                    bound: "up_to_1024".into(),
                    answers: 1_234,
                    p50_tokens: Some(180),
                    p95_tokens: Some(1_020),
                    predicted: 1_214,
                    coverage: Some(0.9512),
                    mean_error: Some(0.6),
                    cost_ratio: Some(3.1),
                },
                OutputEstimate {
                    model: None,
                    route: None,
                    bound: "unbounded".into(),
                    answers: 3,
                    p50_tokens: None,
                    p95_tokens: None,
                    predicted: 0,
                    coverage: None,
                    mean_error: None,
                    cost_ratio: None,
                },
            ],
        };
        let expected = "
how far estimates of the input were off, on average:
  model   answers  correction  corrected  calibrated  simple  generous  4 characters
  gpt-4o    1,234       1.025      3.1 %           ?       ?         ?        25.0 %

how long answers are, and how many of 100 the 95 % prediction covered:
  model     route             bound       answers  half up to  95 % up to  covered  mean error
  gpt-4o    chat_completions  up to 1024    1,234         180       1,020   95.1 %      60.0 %
  (others)  (all)             unbounded         3           ?           ?        ?           ?";
        assert_eq!(lines(&estimates).join("\n"), expected);
    }

    #[test]
    fn before_the_first_answer_it_says_so() {
        let text = lines(&Estimates::default()).join("\n");
        assert!(text.contains("nothing learned"), "{text}");
    }
}
