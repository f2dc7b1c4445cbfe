//! `POST /v1/moderations`: flags what names a category outright.

use serde_json::Value;

use super::{
    Input, Prepared,
    ask::{check_model, parse, wrong_type},
};
use crate::{
    answer::Answer,
    charge::RequestSize,
    content::Draw,
    court::Usage,
    json::{Json, object},
    prompt::Prompt,
    provider::Provider,
    refusal::ApiError,
};

/// The categories, and the word that each is told by.
const CATEGORIES: [(&str, &str); 13] = [
    ("harassment", "harass"),
    ("harassment/threatening", "threaten"),
    ("hate", "hate"),
    ("hate/threatening", "genocide"),
    ("illicit", "illicit"),
    ("illicit/violent", "bomb"),
    ("self-harm", "self-harm"),
    ("self-harm/intent", "suicide"),
    ("self-harm/instructions", "overdose"),
    ("sexual", "sexual"),
    ("sexual/minors", "minors"),
    ("violence", "violence"),
    ("violence/graphic", "gore"),
];

pub(super) fn create(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let body = Value::Object(parse(&input.body)?);
    // This endpoint alone has a default model.
    let model = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or("omni-moderation-latest");
    check_model(provider, model)?;
    let texts = match body.get("input") {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) if items.iter().any(Value::is_object) => vec![joined(items)],
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => return Err(ApiError::missing("input")),
        Some(_) => return Err(wrong_type("input", "a string or an array")),
    };
    let mut digest = provider.digest();
    digest.add(&input.body);
    let digest = digest.value();
    let seal = provider.seal(digest);
    let results = texts
        .iter()
        .map(|text| result(text, digest))
        .collect::<Vec<_>>();
    let answer = Answer::json(&object! {
        "id": seal.id("modr-"),
        "model": model,
        "results": results,
    });
    let characters = texts
        .iter()
        .map(|text| Prompt::of_text(text).characters)
        .sum();
    let prompt = texts.iter().map(|text| Prompt::of_text(text).tokens).sum();
    let size = RequestSize {
        characters,
        choices: 1,
        ..Default::default()
    };
    let usage = Usage {
        prompt,
        ..Usage::default()
    };
    Ok(Prepared {
        model: model.to_owned(),
        size: Some(size),
        usage,
        digest,
        answer,
        keep: None,
    })
}

/// The text of an input made of parts, which gets one result.
fn joined(parts: &[Value]) -> String {
    let texts = parts
        .iter()
        .filter_map(|part| part.get("text").and_then(Value::as_str));
    texts.collect::<Vec<_>>().join("\n")
}

fn result(text: &str, digest: u64) -> Json {
    let lower = text.to_lowercase();
    let mut draw = Draw::new(digest ^ lower.len() as u64);
    let mut flagged = false;
    let (mut categories, mut scores, mut applied) = (Vec::new(), Vec::new(), Vec::new());
    for (category, sign) in CATEGORIES {
        let found = lower.contains(sign);
        flagged |= found;
        let score = if found {
            0.9 + draw.unit() * 0.1
        } else {
            draw.unit() * 0.001
        };
        categories.push((category, Json::Bool(found)));
        scores.push((category, Json::Float(score)));
        applied.push((category, Json::List(vec!["text".into()])));
    }
    object! {
        "flagged": flagged,
        "categories": Json::Object(categories),
        "category_scores": Json::Object(scores),
        "category_applied_input_types": Json::Object(applied),
    }
}
