//! `POST /v1/audio/transcriptions`, `/v1/audio/translations` and `/v1/audio/speech`.

use serde_json::Value;

use super::{
    Input, Prepared,
    ask::{Ask, check_model, missing_model},
    multipart::Form,
};
use crate::{
    answer::{Answer, Dialect, Event, Pace},
    charge::RequestSize,
    content::{self, Draw},
    court::Usage,
    json::{Json, object},
    prompt::Prompt,
    provider::Provider,
    refusal::ApiError,
};

/// Bytes of audio that usage reports a token for.
const BYTES_OF_TOKEN: u64 = 3_200;
/// Bytes of speech for each character.
const BYTES_OF_CHARACTER: u64 = 256;
/// The longest text that can be spoken, in characters.
const MOST_CHARACTERS: u64 = 4_096;

pub(super) fn transcribe(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let form = Form::read(input.headers, &input.body)?;
    let model = form.text("model").ok_or_else(missing_model)?.to_owned();
    check_model(provider, &model)?;
    let audio = &form.file("file")?.content;
    let format = form.text("response_format").unwrap_or("json");
    let prompt = Prompt::of_text(form.text("prompt").unwrap_or_default());
    let mut digest = provider.digest();
    digest.add(model.as_bytes());
    digest.add(audio);
    let digest = digest.value();
    let (count, _) = provider.output_tokens(digest, u64::MAX);
    let tokens = content::tokens(digest, count);
    let heard = (audio.len() as u64).div_ceil(BYTES_OF_TOKEN);
    let usage = Usage {
        prompt: prompt.tokens + heard,
        completion: count,
        ..Usage::default()
    };
    let usage_json = usage_json(&usage, heard);
    let text = tokens.concat();
    let answer = match format {
        "json" if form.text("stream") == Some("true") => events(&tokens, usage_json),
        "json" => Answer::json(&object! { "text": text, "usage": usage_json }),
        "text" => plain(format!("{text}\n")),
        "srt" => plain(format!(
            "1\n00:00:00,000 --> {}\n{text}\n\n",
            stamp(heard, ',')
        )),
        "vtt" => plain(format!(
            "WEBVTT\n\n00:00:00.000 --> {}\n{text}\n\n",
            stamp(heard, '.')
        )),
        "verbose_json" => Answer::json(&object! {
            "task": if input.path.ends_with("translations") { "translate" } else { "transcribe" },
            "language": "english",
            "duration": heard as f64 / 10.0,
            "text": text,
            "segments": Vec::<Json>::new(),
            "usage": usage_json,
        }),
        other => {
            let message = format!(
                "Invalid value: '{other}'. Supported values are: 'json', 'text', 'srt', \
                 'verbose_json', and 'vtt'."
            );
            return Err(ApiError::invalid(message)
                .param("response_format")
                .code("invalid_value"));
        }
    };
    let size = RequestSize {
        characters: prompt.characters,
        choices: 1,
        ..Default::default()
    };
    Ok(Prepared {
        model,
        size: Some(size),
        usage,
        digest,
        answer,
        keep: None,
    })
}

fn usage_json(usage: &Usage, heard: u64) -> Json {
    let text = usage.prompt - heard;
    object! {
        "type": "tokens",
        "input_tokens": usage.prompt,
        "input_token_details": object! { "text_tokens": text, "audio_tokens": heard },
        "output_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
}

fn plain(text: String) -> Answer {
    Answer::Whole {
        content_type: "text/plain; charset=utf-8",
        body: text.into(),
    }
}

/// The end of the only subtitle, at ten tokens of audio a second.
fn stamp(heard: u64, point: char) -> String {
    let (seconds, tenth) = (heard / 10, heard % 10);
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3_600);
    format!(
        "{hours:02}:{minutes:02}:{:02}{point}{tenth}00",
        seconds % 60
    )
}

fn events(tokens: &[&str], usage: Json) -> Answer {
    let mut pace = Pace::FirstToken;
    let mut events = Vec::new();
    for token in tokens {
        let json = object! { "type": "transcript.text.delta", "delta": *token };
        events.push(Event::data(&json, pace));
        pace = Pace::NextToken;
    }
    let done = object! { "type": "transcript.text.done", "text": tokens.concat(), "usage": usage };
    events.push(Event::data(&done, Pace::AtOnce));
    events.push(Event::done());
    Answer::Events {
        dialect: Dialect::Data,
        events,
    }
}

pub(super) fn speak(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let ask = Ask::read(provider, input)?;
    let Some(text) = ask.get("input").and_then(Value::as_str) else {
        return Err(ApiError::missing("input"));
    };
    if ask.get("voice").is_none() {
        return Err(ApiError::missing("voice"));
    }
    let prompt = Prompt::of_text(text);
    if prompt.characters > MOST_CHARACTERS {
        let message = format!(
            "Invalid 'input': string too long. Expected a string with maximum length \
             {MOST_CHARACTERS}, but got a string with length {} instead.",
            prompt.characters
        );
        return Err(ApiError::invalid(message)
            .param("input")
            .code("string_above_max_length"));
    }
    let content_type = match ask.get("response_format").and_then(Value::as_str) {
        None | Some("mp3") => "audio/mpeg",
        Some("opus") => "audio/opus",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        Some(_) => {
            let message = "Invalid value for 'response_format'. Supported values are: 'mp3', \
                           'opus', 'aac', 'flac', 'wav', and 'pcm'.";
            return Err(ApiError::invalid(message)
                .param("response_format")
                .code("invalid_value"));
        }
    };
    let body = noise(ask.digest, prompt.characters * BYTES_OF_CHARACTER);
    let answer = Answer::Whole {
        content_type,
        body: body.into(),
    };
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

/// Bytes of every value, as compressed audio has.
fn noise(seed: u64, length: u64) -> Vec<u8> {
    let mut draw = Draw::new(seed);
    let mut bytes = Vec::with_capacity(length as usize + 8);
    while (bytes.len() as u64) < length {
        bytes.extend_from_slice(&draw.next().to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes
}
