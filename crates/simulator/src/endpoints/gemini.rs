//! Google's own API: `:generateContent`, `:streamGenerateContent` and `:countTokens`, with the addresses of
//! Gemini and of Vertex.

use http::{Method, StatusCode};
use serde_json::{Map, Value};

use super::{Endpoint, Input, Prepared, Route, tools::ToolCall};
use crate::{
    answer::{Answer, Dialect, Event, Pace},
    charge::RequestSize,
    json::{Json, object},
    likeness::Likeness,
    prompt::Prompt,
    provider::Provider,
    refusal::ApiError,
};

mod answer;

use answer::Written;

pub(super) fn route(method: &Method, parts: &[&str]) -> Option<Route> {
    let (action, models) = match parts {
        ["v1" | "v1beta", "models"] => ("", true),
        ["v1" | "v1beta", "models", action] => (*action, false),
        [
            "v1" | "v1beta1",
            "projects",
            _,
            "locations",
            _,
            "publishers",
            _,
            "models",
            action,
        ] => (*action, false),
        _ => return None,
    };
    if models {
        return (method == Method::GET).then(|| Route::to(list_models, ""));
    }
    let (model, verb) = action.split_once(':').unwrap_or((action, ""));
    let endpoint: Endpoint = match (method.as_str(), verb) {
        ("GET", "") => retrieve_model,
        ("POST", "generateContent") => generate,
        ("POST", "streamGenerateContent") => stream,
        ("POST", "countTokens") => count,
        _ => return None,
    };
    Some(Route {
        model: Some(model.to_owned()),
        ..Route::to(endpoint, model)
    })
}

/// A request that could be read.
struct Request {
    body: Map<String, Value>,
    model: String,
    digest: u64,
}

impl Request {
    fn read(provider: &Provider, input: &Input<'_>, model: &str) -> Result<Self, ApiError> {
        check_model(provider, model)?;
        let Ok(Value::Object(body)) = serde_json::from_slice(&input.body) else {
            return Err(ApiError::invalid(
                "Invalid JSON payload received. Unexpected end of string. Expected an object.",
            ));
        };
        let mut digest = provider.digest();
        digest.add(model.as_bytes());
        // A digest takes any bytes.
        let _ = serde_json::to_writer(&mut digest, &body);
        Ok(Self {
            body,
            model: model.to_owned(),
            digest: digest.value(),
        })
    }

    /// A member under either of the names that Google's JSON has for it.
    fn get(&self, names: [&str; 2]) -> Option<&Value> {
        either(&self.body, names)
    }

    fn prompt(&self) -> Result<Prompt, ApiError> {
        let mut prompt = Prompt {
            characters: 0,
            tokens: 1,
        };
        let contents = self.get(["contents", "contents"]).and_then(Value::as_array);
        let contents = contents.filter(|contents| !contents.is_empty());
        let Some(contents) = contents else {
            return Err(ApiError::invalid(
                "* GenerateContentRequest.contents: contents is not specified\n",
            ));
        };
        let system = self.get(["systemInstruction", "system_instruction"]);
        for content in system.into_iter().chain(contents) {
            let parts = content.get("parts").and_then(Value::as_array);
            for part in parts.into_iter().flatten() {
                add_part(&mut prompt, part);
            }
        }
        if let Some(tools) = self.get(["tools", "tools"]) {
            prompt.json(tools);
        }
        Ok(prompt)
    }

    fn config(&self, names: [&str; 2]) -> Option<&Value> {
        let config = self.get(["generationConfig", "generation_config"])?;
        either(config.as_object()?, names)
    }

    fn max_tokens(&self) -> Option<u64> {
        self.config(["maxOutputTokens", "max_output_tokens"])?
            .as_u64()
    }

    /// The call that the request demands: of the first tool that it allows.
    fn demanded_call(&self) -> Option<ToolCall> {
        let config = self.get(["toolConfig", "tool_config"])?.as_object()?;
        let config = either(config, ["functionCallingConfig", "function_calling_config"])?;
        if !config.get("mode")?.as_str()?.eq_ignore_ascii_case("any") {
            return None;
        }
        let config = config.as_object()?;
        let allowed = either(config, ["allowedFunctionNames", "allowed_function_names"]);
        let allowed = allowed.and_then(Value::as_array);
        let tools = self.get(["tools", "tools"])?.as_array()?;
        let mut functions = tools.iter().filter_map(Value::as_object).flat_map(|tool| {
            let names = ["functionDeclarations", "function_declarations"];
            either(tool, names)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
        });
        let function = functions.find(|function| {
            let name = function.get("name");
            allowed.is_none_or(|allowed| name.is_some_and(|name| allowed.contains(name)))
        })?;
        let schema = function
            .get("parameters")
            .or_else(|| function.get("parametersJsonSchema"));
        let name = function.get("name")?.as_str()?;
        Some(ToolCall::of(
            name,
            schema.unwrap_or(&Value::Null),
            self.digest,
        ))
    }
}

fn either<'a>(members: &'a Map<String, Value>, [one, other]: [&str; 2]) -> Option<&'a Value> {
    let found = members.get(one).or_else(|| members.get(other));
    found.filter(|value| !value.is_null())
}

fn add_part(prompt: &mut Prompt, part: &Value) {
    if let Some(text) = part.get("text").and_then(Value::as_str) {
        prompt.text(text);
    }
    for data in ["inlineData", "inline_data", "fileData", "file_data"] {
        if part.get(data).is_some() {
            prompt.image();
        }
    }
    for call in ["functionCall", "functionResponse"] {
        if let Some(call) = part.get(call) {
            prompt.json(call);
        }
    }
}

fn generate(provider: &Provider, input: &Input<'_>, model: &str) -> Result<Prepared, ApiError> {
    prepare(provider, input, model, None)
}

fn stream(provider: &Provider, input: &Input<'_>, model: &str) -> Result<Prepared, ApiError> {
    let query = input.query.unwrap_or_default().as_bytes();
    let mut pairs = url::form_urlencoded::parse(query);
    let dialect = if pairs.any(|(name, value)| name == "alt" && value == "sse") {
        Dialect::Google
    } else {
        Dialect::GoogleList
    };
    prepare(provider, input, model, Some(dialect))
}

fn prepare(
    provider: &Provider,
    input: &Input<'_>,
    model: &str,
    dialect: Option<Dialect>,
) -> Result<Prepared, ApiError> {
    let request = Request::read(provider, input, model)?;
    let prompt = request.prompt()?;
    let context = provider.settings().context_tokens;
    if prompt.tokens > context {
        let message = format!(
            "The input token count ({}) exceeds the maximum number of tokens allowed ({context}).",
            prompt.tokens
        );
        return Err(ApiError::invalid(message).code("context_length_exceeded"));
    }
    let max_tokens = request.max_tokens();
    let limit = max_tokens
        .unwrap_or(context)
        .min(context - prompt.tokens)
        .max(1);
    let written = Written::write(provider, &request, limit, prompt.tokens);
    let answer = match dialect {
        None => Answer::json(&written.whole()),
        Some(dialect) => Answer::Events {
            events: written.events(dialect == Dialect::GoogleList),
            dialect,
        },
    };
    Ok(Prepared {
        size: Some(RequestSize {
            characters: prompt.characters,
            max_tokens,
            choices: 1,
            images: 0,
        }),
        usage: written.usage(),
        digest: request.digest,
        answer,
        keep: None,
        model: request.model,
    })
}

/// Counting is free, and outside the limits on generating.
fn count(provider: &Provider, input: &Input<'_>, model: &str) -> Result<Prepared, ApiError> {
    let mut request = Request::read(provider, input, model)?;
    // The request may be given whole, under a name.
    if let Some(Value::Object(inner)) = request.body.remove("generateContentRequest") {
        request.body = inner;
    }
    let tokens = request.prompt()?.tokens;
    let details = object! { "modality": "TEXT", "tokenCount": tokens };
    let counted = object! { "totalTokens": tokens, "promptTokensDetails": vec![details] };
    Ok(Prepared::free(Answer::json(&counted)))
}

fn list_models(provider: &Provider, _input: &Input<'_>, _id: &str) -> Result<Prepared, ApiError> {
    let models = provider.settings().models.iter();
    let models: Vec<Json> = models.map(|id| model_json(provider, id)).collect();
    Ok(Prepared::free(Answer::json(&object! { "models": models })))
}

fn retrieve_model(provider: &Provider, _input: &Input<'_>, id: &str) -> Result<Prepared, ApiError> {
    check_model(provider, id)?;
    Ok(Prepared::free(Answer::json(&model_json(provider, id))))
}

fn model_json(provider: &Provider, id: &str) -> Json {
    object! {
        "name": format!("models/{id}"),
        "version": "001",
        "displayName": id,
        "inputTokenLimit": provider.settings().context_tokens,
        "outputTokenLimit": 65_536_u64,
        "supportedGenerationMethods": vec!["generateContent", "countTokens"],
    }
}

fn check_model(provider: &Provider, model: &str) -> Result<(), ApiError> {
    let unknown = &provider.settings().unknown_models;
    if !unknown.iter().any(|unknown| unknown == model) {
        return Ok(());
    }
    let message = match provider.settings().likeness {
        Likeness::Vertex => format!("Publisher Model `{model}` not found."),
        _ => format!(
            "models/{model} is not found for API version v1beta, or is not supported for \
             generateContent. Call ListModels to see the list of available models and their \
             supported methods."
        ),
    };
    Err(ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message))
}

/// A `data:` line; Google ends lines as HTTP does.
pub(crate) fn event(json: &Json, pace: Pace) -> Event {
    let bytes = [b"data: ".as_slice(), &json.to_vec(), b"\r\n\r\n"].concat();
    Event::raw(bytes, pace)
}

/// An element of the list that a stream is without `alt=sse`.
pub(crate) fn element(json: &Json, is_first: bool, pace: Pace) -> Event {
    let before: &[u8] = if is_first { b"[" } else { b",\r\n" };
    Event::raw([before, &json.to_vec()].concat(), pace)
}
