//! `POST /v1/images/generations`: squares of a colour that follows from the request.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use super::{Input, Prepared, ask::Ask, png};
use crate::{
    answer::Answer,
    charge::RequestSize,
    content::{Draw, identifier},
    court::Usage,
    json::{Json, object},
    prompt::Prompt,
    provider::Provider,
    refusal::ApiError,
};

/// The most images of a request.
const MOST_IMAGES: u64 = 10;
/// Tokens that usage reports for each image.
const TOKENS_OF_IMAGE: u64 = 272;

pub(super) fn generate(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let ask = Ask::read(provider, input)?;
    let Some(text) = ask.get("prompt").and_then(Value::as_str) else {
        return Err(ApiError::missing("prompt"));
    };
    let prompt = Prompt::of_text(text);
    let images = ask.whole("n", 1..=MOST_IMAGES)?.unwrap_or(1);
    // The image models of the GPT family always send the image itself.
    let format = ask.get("response_format").and_then(Value::as_str);
    let as_url = !ask.model.starts_with("gpt-image") && format != Some("b64_json");
    let data = (0..images).map(|index| image(ask.digest.wrapping_add(index), as_url));
    let output = images * TOKENS_OF_IMAGE;
    let answer = Answer::json(&object! {
        "created": provider.seal(ask.digest).created,
        "data": data.collect::<Vec<_>>(),
        "usage": object! {
            "input_tokens": prompt.tokens,
            "input_tokens_details": object! { "text_tokens": prompt.tokens, "image_tokens": 0_u64 },
            "output_tokens": output,
            "total_tokens": prompt.tokens + output,
        },
    });
    let size = RequestSize {
        characters: prompt.characters,
        choices: 1,
        images,
        ..Default::default()
    };
    let usage = Usage {
        prompt: prompt.tokens,
        completion: output,
        images,
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

fn image(seed: u64, as_url: bool) -> Json {
    if as_url {
        let name = identifier("img-", seed, 24);
        return object! { "url": format!("https://images.simulator.invalid/{name}.png") };
    }
    let [red, green, blue, ..] = Draw::new(seed).next().to_le_bytes();
    object! { "b64_json": STANDARD.encode(png::square([red, green, blue])) }
}
