//! The names of `[models]` in the provider's list of models.
//!
//! Where none is configured, or the answer is not a list that is known, it goes on to the byte.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Call;
use crate::body::ReplyBody;
use crate::respond::Problem;
use crate::route::plain_name;
use crate::upstream::SendError;

/// The longest list that is read.
const LIST_BYTES_MAX: usize = 16 << 20;

/// The date of what has none, as Anthropic's own list has it.
const NO_DATE: &str = "1970-01-01T00:00:00Z";

/// The names to add to a list of models.
#[derive(Debug)]
pub(super) struct Listing {
    names: Vec<String>,
    /// Whether the caller speaks Anthropic's dialect.
    is_anthropic: bool,
}

/// A list of models, as far as it is read.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    object: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    OpenAi {
        id: &'a str,
        object: &'static str,
        created: u64,
        owned_by: &'static str,
    },
    Anthropic {
        r#type: &'static str,
        id: &'a str,
        display_name: &'a str,
        created_at: &'static str,
    },
}

impl Listing {
    /// The names that the answer to a call lacks; `None` where there are none, or it does not ask for
    /// the first page of the list. The provider is then asked for an answer that can be read.
    pub(super) fn of(call: &mut Call) -> Option<Self> {
        let plan = &mut call.plan;
        let settings = &plan.live.settings;
        let path = plan.uri.path().trim_end_matches('/');
        if settings.models.is_empty() || plan.method != Method::GET || path != "/v1/models" {
            return None;
        }
        let query = plan.uri.query().unwrap_or_default();
        let is_later_page = query
            .split('&')
            .any(|pair| pair.starts_with("after") || pair.starts_with("before"));
        let key = call.exchange.caller.key.as_ref();
        let names = settings.models.iter().filter_map(plain_name);
        let names = names.filter(|name| key.is_none_or(|key| key.allows(name)));
        let names: Vec<_> = names.map(str::to_owned).collect();
        if is_later_page || names.is_empty() {
            return None;
        }
        for name in [ACCEPT_ENCODING, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            plan.headers.remove(name);
        }
        Some(Self {
            names,
            is_anthropic: plan.headers.contains_key("anthropic-version"),
        })
    }

    /// The answer with the names in front of the provider's.
    pub(super) async fn add(self, response: Response<ReplyBody>) -> Response<ReplyBody> {
        if response.status() != StatusCode::OK {
            return response;
        }
        let (mut head, body) = response.into_parts();
        let bytes = match Limited::new(body, LIST_BYTES_MAX).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) => {
                let error = SendError::Cut(format!("the list of models: {error}"));
                return Problem::upstream(&error).into_response();
            }
        };
        head.headers.remove(CONTENT_LENGTH);
        let bytes = match self.added(&bytes) {
            Some(added) => {
                head.headers.remove(ETAG);
                added
            }
            None => bytes,
        };
        Response::from_parts(head, ReplyBody::whole(bytes))
    }

    /// The list with the names that it lacks; `None` where it is not a list that is known.
    fn added(&self, bytes: &[u8]) -> Option<Bytes> {
        let text = std::str::from_utf8(bytes).ok()?;
        let list: List<'_> = serde_json::from_str(text).ok()?;
        let listed: Vec<Listed<'_>> = serde_json::from_str(list.data.get()).ok()?;
        let is_listed = |name: &str| listed.iter().any(|entry| entry.id.as_deref() == Some(name));
        // The dialect of the answer decides, and not that of the question.
        let is_anthropic = self.is_anthropic && list.object.is_none();
        let names = self.names.iter().filter(|name| !is_listed(name));
        let entries = names.map(|name| serde_json::to_string(&entry(name, is_anthropic)));
        let entries = entries.collect::<Result<Vec<_>, _>>().ok()?;
        if entries.is_empty() {
            return None;
        }
        let mut own = entries.join(",");
        if !listed.is_empty() {
            own.push(',');
        }
        // What is read is a part of the text: behind its bracket the own entries go in.
        let place = list.data.get().as_ptr() as usize - text.as_ptr() as usize + 1;
        let (before, behind) = text.split_at_checked(place)?;
        Some(Bytes::from([before, &own, behind].concat()))
    }
}

fn entry(name: &str, is_anthropic: bool) -> Entry<'_> {
    match is_anthropic {
        true => Entry::Anthropic {
            r#type: "model",
            id: name,
            display_name: name,
            created_at: NO_DATE,
        },
        false => Entry::OpenAi {
            id: name,
            object: "model",
            created: 0,
            owned_by: "paceline",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(names: &[&str], is_anthropic: bool, list: &str) -> Option<String> {
        let listing = Listing {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            is_anthropic,
        };
        let bytes = listing.added(list.as_bytes())?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn names_come_first_and_the_rest_stays_as_it_is() {
        let list =
            "{\"object\": \"list\",\n \"data\" : [ {\"x\":1,\"id\":\"gpt-4o\"} ], \"more\":[]}";
        let expected = "{\"object\": \"list\",\n \"data\" : [\
            {\"id\":\"fast\",\"object\":\"model\",\"created\":0,\"owned_by\":\"paceline\"},\
            {\"id\":\"b\\\"c\",\"object\":\"model\",\"created\":0,\"owned_by\":\"paceline\"}, \
            {\"x\":1,\"id\":\"gpt-4o\"} ], \"more\":[]}";
        let told = added(&["fast", "b\"c", "gpt-4o"], false, list);
        assert_eq!(told.as_deref(), Some(expected));
        let told = added(&["a"], true, list).unwrap();
        assert!(told.contains("owned_by"), "it is OpenAI's list: {told}");
    }

    #[test]
    fn an_empty_list_and_one_of_anthropics_are_lists_too() {
        let told = added(&["a"], true, r#"{"data":[],"has_more":false}"#).unwrap();
        assert_eq!(
            told,
            r#"{"data":[{"type":"model","id":"a","display_name":"a","created_at":"1970-01-01T00:00:00Z"}],"has_more":false}"#
        );
    }

    #[test]
    fn whatever_is_not_a_list_is_left_alone() {
        for list in [
            "",
            "[]",
            "{}",
            "{\"data\":{}}",
            "{\"data\":[1]}",
            "{\"data\":[],\"data\":[]}",
            "{\"data\":null}",
            "\u{1f}\u{8b}",
            "{\"data\":[{\"id\":\"a\"}]}",
        ] {
            assert_eq!(added(&["a"], false, list), None, "{list}");
        }
    }
}
