//! `POST /v1/embeddings`: vectors of length one that follow from the text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{
    Input, Prepared,
    ask::{Ask, room, wrong_type},
};
use crate::{
    answer::Answer,
    charge::RequestSize,
    content::{Digest, Draw},
    court::Usage,
    json::{Json, object},
    prompt::Prompt,
    provider::Provider,
    refusal::ApiError,
};

/// The most inputs of a request.
const MOST_INPUTS: usize = 2_048;
/// The most dimensions of a vector.
const MOST_DIMENSIONS: u64 = 3_072;

pub(super) fn create(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let ask = Ask::read(provider, input)?;
    let inputs = inputs(ask.get("input"))?;
    let in_base64 = match ask.get("encoding_format").map(Value::as_str) {
        None | Some(Some("float")) => false,
        Some(Some("base64")) => true,
        Some(_) => return Err(wrong_type("encoding_format", "one of 'float' or 'base64'")),
    };
    let usual = if ask.model.contains("large") {
        MOST_DIMENSIONS
    } else {
        1_536
    };
    let dimensions = ask
        .whole("dimensions", 1..=MOST_DIMENSIONS)?
        .unwrap_or(usual);
    let mut prompt = Prompt::default();
    let mut data = Vec::with_capacity(inputs.len());
    for (index, input) in inputs.iter().enumerate() {
        let size = Prompt::of_input(input);
        room(provider, size.tokens, Some(0), "input")?;
        prompt.characters += size.characters;
        prompt.tokens += size.tokens;
        let vector = vector(provider.digest(), &ask.model, input, dimensions);
        data.push(object! {
            "object": "embedding",
            "index": index as u64,
            "embedding": encode(&vector, in_base64),
        });
    }
    let answer = Answer::json(&object! {
        "object": "list",
        "data": data,
        "model": ask.model.as_str(),
        "usage": object! { "prompt_tokens": prompt.tokens, "total_tokens": prompt.tokens },
    });
    let size = RequestSize {
        characters: prompt.characters,
        choices: 1,
        ..Default::default()
    };
    let usage = Usage {
        prompt: prompt.tokens,
        ..Usage::default()
    };
    Ok(Prepared {
        size: Some(size),
        usage,
        digest: ask.digest,
        answer,
        keep: None,
        model: ask.model,
    })
}

/// The inputs: a text, a list of texts, a list of tokens, or a list of token lists.
fn inputs(input: Option<&Value>) -> Result<Vec<&Value>, ApiError> {
    match input {
        None => Err(ApiError::missing("input")),
        Some(text @ Value::String(_)) => Ok(vec![text]),
        Some(list @ Value::Array(items)) => match items.first() {
            Some(Value::Number(_)) => Ok(vec![list]),
            Some(_) if items.len() <= MOST_INPUTS => Ok(items.iter().collect()),
            Some(_) => Err(ApiError::invalid(format!(
                "Invalid 'input': array too long. Expected an array with maximum length \
                 {MOST_INPUTS}, but got an array with length {} instead.",
                items.len()
            ))
            .param("input")
            .code("array_above_max_length")),
            None => Err(wrong_type("input", "a non-empty array")),
        },
        Some(_) => Err(wrong_type("input", "a string or an array")),
    }
}

fn vector(digest: Digest, model: &str, input: &Value, dimensions: u64) -> Vec<f32> {
    let mut digest = digest;
    digest.add(model.as_bytes());
    // A digest takes any bytes.
    let _ = serde_json::to_writer(&mut digest, input);
    let mut draw = Draw::new(digest.value());
    let raw: Vec<f64> = (0..dimensions).map(|_| draw.unit() - 0.5).collect();
    let length = raw
        .iter()
        .map(|part| part * part)
        .sum::<f64>()
        .sqrt()
        .max(f64::MIN_POSITIVE);
    raw.into_iter().map(|part| (part / length) as f32).collect()
}

/// The vector as numbers, or as the base64 of its little-endian 32-bit floats.
fn encode(vector: &[f32], in_base64: bool) -> Json {
    if in_base64 {
        let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
        return STANDARD.encode(bytes).into();
    }
    Json::List(
        vector
            .iter()
            .map(|part| Json::Float(shortest(*part)))
            .collect(),
    )
}

/// The double whose shortest decimal is that of the float, so that no digits are made up.
fn shortest(part: f32) -> f64 {
    part.to_string().parse().unwrap_or_else(|_| f64::from(part))
}
