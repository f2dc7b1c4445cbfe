//! The list of models as a caller may see it: with the names of `[models]`, and for a key that is for
//! certain models without the others.
//!
//! Where there is nothing to add or leave out, or the answer is not a list that is known, it goes on to
//! the byte.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Call;
use crate::body::ReplyBody;
use crate::keys::KeyGrant;
use crate::respond::Problem;
use crate::route::plain_name;
use crate::upstream::SendError;

/// The longest list that is read.
const LIST_BYTES_MAX: usize = 16 << 20;

/// The date of what has none, as Anthropic's own list has it.
const NO_DATE: &str = "1970-01-01T00:00:00Z";

/// What is to be added to a list of models, and left out of it.
#[derive(Debug)]
pub(super) struct Listing {
    names: Vec<String>,
    /// The caller's key, where it is for certain models alone.
    key: Option<KeyGrant>,
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
    /// What the answer to a call lacks and has too much; `None` where that is nothing. The provider is
    /// then asked for an answer that can be read.
    pub(super) fn of(call: &mut Call) -> Option<Self> {
        let plan = &mut call.plan;
        let settings = &plan.live.settings;
        let path = plan.uri.path().trim_end_matches('/');
        if plan.method != Method::GET || path != "/v1/models" {
            return None;
        }
        let query = plan.uri.query().unwrap_or_default();
        let is_later_page = query
            .split('&')
            .any(|pair| pair.starts_with("after") || pair.starts_with("before"));
        let key = call.exchange.caller.key.as_ref();
        let key = key.filter(|key| !key.models.is_empty()).cloned();
        let names = settings.models.iter().filter_map(plain_name);
        let names = names.filter(|name| key.as_ref().is_none_or(|key| key.allows(name)));
        let names = names.filter(|_| !is_later_page).map(str::to_owned);
        let names: Vec<_> = names.collect();
        if names.is_empty() && key.is_none() {
            return None;
        }
        for name in [ACCEPT_ENCODING, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            plan.headers.remove(name);
        }
        Some(Self {
            names,
            key,
            is_anthropic: plan.headers.contains_key("anthropic-version"),
        })
    }

    /// The answer as the caller may see it, with the names of `[models]` in front.
    pub(super) async fn set_right(self, response: Response<ReplyBody>) -> Response<ReplyBody> {
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
        let bytes = match self.rewritten(&bytes) {
            Some(rewritten) => {
                head.headers.remove(ETAG);
                rewritten
            }
            None => bytes,
        };
        Response::from_parts(head, ReplyBody::whole(bytes))
    }

    /// The list with the names that it lacks and without what the key is not for; `None` where it is as
    /// it should be, or not a list that is known.
    fn rewritten(&self, bytes: &[u8]) -> Option<Bytes> {
        let text = std::str::from_utf8(bytes).ok()?;
        let list: List<'_> = serde_json::from_str(text).ok()?;
        let entries: Vec<&RawValue> = serde_json::from_str(list.data.get()).ok()?;
        let listed: Vec<Listed<'_>> = serde_json::from_str(list.data.get()).ok()?;
        let is_listed = |name: &str| listed.iter().any(|entry| entry.id.as_deref() == Some(name));
        // The dialect of the answer decides, and not that of the question.
        let is_anthropic = self.is_anthropic && list.object.is_none();
        let names = self.names.iter().filter(|name| !is_listed(name));
        let own = names.map(|name| serde_json::to_string(&entry(name, is_anthropic)));
        let own = own.collect::<Result<Vec<_>, _>>().ok()?;
        let kept = entries.iter().zip(&listed);
        let kept = kept.filter(|(_, listed)| self.may_see(listed));
        let kept: Vec<&str> = kept.map(|(entry, _)| entry.get()).collect();
        if own.is_empty() && kept.len() == entries.len() {
            return None;
        }
        let own = own.iter().map(String::as_str);
        let data = own.chain(kept).collect::<Vec<_>>().join(",");
        // What is read is a part of the text: the entries stand between its brackets.
        let start = list.data.get().as_ptr() as usize - text.as_ptr() as usize + 1;
        let end = start + list.data.get().len().saturating_sub(2);
        let (before, behind) = (text.get(..start)?, text.get(end..)?);
        Some(Bytes::from([before, &data, behind].concat()))
    }

    /// Whether an entry is of a model that the caller's key is for.
    fn may_see(&self, entry: &Listed<'_>) -> bool {
        let Some(key) = &self.key else {
            return true;
        };
        entry.id.as_deref().is_some_and(|id| key.allows(id))
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
            key: None,
            is_anthropic,
        };
        let bytes = listing.rewritten(list.as_bytes())?;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn names_come_first_and_the_rest_stays_as_it_is() {
        let list =
            "{\"object\": \"list\",\n \"data\" : [ {\"x\":1,\"id\":\"gpt-4o\"} ], \"more\":[]}";
        let expected = "{\"object\": \"list\",\n \"data\" : [\
            {\"id\":\"fast\",\"object\":\"model\",\"created\":0,\"owned_by\":\"paceline\"},\
            {\"id\":\"b\\\"c\",\"object\":\"model\",\"created\":0,\"owned_by\":\"paceline\"},\
            {\"x\":1,\"id\":\"gpt-4o\"}], \"more\":[]}";
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
