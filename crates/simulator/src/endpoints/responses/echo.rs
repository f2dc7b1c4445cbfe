//! The response object, which repeats much of its request.

use serde_json::{Value, json};

use crate::{
    court::Usage,
    json::{Json, object},
    provider::Seal,
    refusal::ApiError,
};

/// What a response object repeats of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseEcho {
    seal: Seal,
    model: String,
    request: Value,
}

impl ResponseEcho {
    pub(super) fn new(seal: Seal, model: &str, request: &Value) -> Self {
        let mut request = request.clone();
        // The input is the one large member that is not repeated.
        request.as_object_mut().into_iter().for_each(|members| {
            members.remove("input");
        });
        Self {
            seal,
            model: model.to_owned(),
            request,
        }
    }

    pub(super) fn id(&self) -> String {
        self.seal.id("resp_")
    }

    /// The response object at one moment.
    pub(super) fn object(
        &self,
        status: &str,
        output: Vec<Json>,
        usage: Option<&Usage>,
        error: Option<&ApiError>,
    ) -> Json {
        let incomplete =
            (status == "incomplete").then(|| object! { "reason": "max_output_tokens" });
        let error = error.map(|error| {
            object! {
                "code": error.code.unwrap_or("server_error"),
                "message": error.message.as_str(),
            }
        });
        object! {
            "id": self.id(),
            "object": "response",
            "created_at": self.seal.created,
            "status": status,
            "background": false,
            "error": error,
            "incomplete_details": incomplete,
            "instructions": self.member("instructions", Value::Null),
            "max_output_tokens": self.member("max_output_tokens", Value::Null),
            "model": self.model.as_str(),
            "output": output,
            "parallel_tool_calls": self.member("parallel_tool_calls", json!(true)),
            "previous_response_id": self.member("previous_response_id", Value::Null),
            "reasoning": self.member("reasoning", json!({"effort": null, "summary": null})),
            "service_tier": self.service_tier(),
            "store": self.member("store", json!(true)),
            "temperature": self.member("temperature", json!(1.0)),
            "text": self.member("text", json!({"format": {"type": "text"}})),
            "tool_choice": self.member("tool_choice", json!("auto")),
            "tools": self.member("tools", json!([])),
            "top_p": self.member("top_p", json!(1.0)),
            "truncation": self.member("truncation", json!("disabled")),
            "usage": usage.map(usage_json),
            "user": self.member("user", Value::Null),
            "metadata": self.member("metadata", json!({})),
        }
    }

    fn member(&self, name: &str, otherwise: Value) -> Value {
        self.request
            .get(name)
            .filter(|value| !value.is_null())
            .cloned()
            .unwrap_or(otherwise)
    }

    fn service_tier(&self) -> Value {
        match self.member("service_tier", json!("auto")) {
            Value::String(tier) if tier == "auto" => json!("default"),
            tier => tier,
        }
    }
}

fn usage_json(usage: &Usage) -> Json {
    object! {
        "input_tokens": usage.prompt,
        "input_tokens_details": object! { "cached_tokens": usage.cached, "cache_write_tokens": 0_u64 },
        "output_tokens": usage.completion,
        "output_tokens_details": object! { "reasoning_tokens": usage.reasoning },
        "total_tokens": usage.prompt + usage.completion,
    }
}
