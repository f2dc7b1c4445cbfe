//! `POST /v1/completions`, the legacy endpoint.

use serde_json::Value;

use super::{
    Input, Prepared,
    ask::{Ask, room},
    chat::{MOST_CHOICES, fingerprint, usage_json},
};
use crate::{
    answer::{Answer, Dialect, Event, Pace},
    charge::RequestSize,
    content,
    court::Usage,
    json::{Json, object},
    prompt::Prompt,
    provider::{Provider, Seal},
    refusal::ApiError,
};

/// The answer tokens of a request that names no limit, as the endpoint documents.
const DEFAULT_MAX_TOKENS: u64 = 16;

pub(super) fn create(
    provider: &Provider,
    input: &Input<'_>,
    _id: &str,
) -> Result<Prepared, ApiError> {
    let ask = Ask::read(provider, input)?;
    let default_prompt = Value::from("<|endoftext|>");
    let text = ask.get("prompt").unwrap_or(&default_prompt);
    let prompt = Prompt::of_input(text);
    let prompts = prompts_in(text);
    let max_tokens = ask
        .whole("max_tokens", 0..=u64::MAX)?
        .unwrap_or(DEFAULT_MAX_TOKENS);
    let n = ask.whole("n", 1..=MOST_CHOICES)?.unwrap_or(1);
    let best_of = ask.whole("best_of", 1..=MOST_CHOICES)?.unwrap_or(n).max(n);
    let limit = room(provider, prompt.tokens, Some(max_tokens), "prompt")?;
    let mut usage = Usage {
        prompt: prompt.tokens,
        completion: 0,
        ..Usage::default()
    };
    let choices: Vec<Choice> = (0..prompts * n)
        .map(|index| {
            let seed = ask.digest.wrapping_add(index);
            let (count, was_cut) = provider.output_tokens(seed, limit);
            usage.completion += count;
            let finish = if was_cut { "length" } else { "stop" };
            Choice {
                tokens: content::tokens(seed, count),
                finish,
            }
        })
        .collect();
    let seal = provider.seal(ask.digest);
    let completion = Completion {
        seal,
        model: &ask.model,
        choices,
        usage,
    };
    let answer = if ask.stream {
        completion.events(ask.include_usage)
    } else {
        completion.whole()
    };
    let size = RequestSize {
        characters: prompt.characters,
        max_tokens: Some(max_tokens),
        choices: best_of,
        images: 0,
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

/// How many prompts there are: a list of texts or of token lists is several.
fn prompts_in(prompt: &Value) -> u64 {
    match prompt.as_array() {
        Some(items) if !items.first().is_some_and(Value::is_number) => items.len().max(1) as u64,
        _ => 1,
    }
}

struct Completion<'a> {
    seal: Seal,
    model: &'a str,
    choices: Vec<Choice>,
    usage: Usage,
}

struct Choice {
    tokens: Vec<&'static str>,
    finish: &'static str,
}

impl Completion<'_> {
    fn object(&self, choices: Vec<Json>) -> Json {
        object! {
            "id": self.seal.id("cmpl-"),
            "object": "text_completion",
            "created": self.seal.created,
            "model": self.model,
            "choices": choices,
            "system_fingerprint": fingerprint(self.model),
        }
    }

    fn whole(&self) -> Answer {
        let choices = self.choices.iter().enumerate();
        let choices = choices
            .map(|(index, choice)| part(index, &choice.tokens.concat(), Some(choice.finish)));
        Answer::json(
            &self
                .object(choices.collect())
                .with("usage", usage_json(&self.usage)),
        )
    }

    fn events(&self, include_usage: bool) -> Answer {
        let mut events = Vec::new();
        let mut push = |choices: Vec<Json>, usage: Json, pace| {
            let json = self.object(choices);
            let json = if include_usage {
                json.with("usage", usage)
            } else {
                json
            };
            events.push(Event::data(&json, pace));
        };
        let mut pace = Pace::FirstToken;
        for (index, choice) in self.choices.iter().enumerate() {
            for token in &choice.tokens {
                push(vec![part(index, token, None)], Json::Null, pace);
                pace = Pace::NextToken;
            }
            push(
                vec![part(index, "", Some(choice.finish))],
                Json::Null,
                Pace::AtOnce,
            );
        }
        if include_usage {
            push(Vec::new(), usage_json(&self.usage), Pace::AtOnce);
        }
        events.push(Event::done());
        Answer::Events {
            dialect: Dialect::Data,
            events,
        }
    }
}

fn part(index: usize, text: &str, finish: Option<&'static str>) -> Json {
    object! {
        "text": text,
        "index": index as u64,
        "logprobs": Json::Null,
        "finish_reason": finish,
    }
}
