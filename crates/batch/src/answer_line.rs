//! A line of the results or errors, in the shape of OpenAI's batch output.

use std::borrow::Cow;
use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::hash::Hash;
use crate::{Answer, Failure, Finished};

#[derive(Serialize)]
struct Line<'a> {
    id: String,
    custom_id: Option<&'a str>,
    response: Option<Response<'a>>,
    error: Option<Error<'a>>,
}

#[derive(Serialize)]
struct Response<'a> {
    status_code: u16,
    request_id: Option<&'a str>,
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Nothing,
    Json(&'a RawValue),
    Text(Cow<'a, str>),
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    message: &'a str,
}

/// The line of a request's end, with its line feed.
pub(crate) fn finished(
    name: Hash,
    content: Hash,
    finished: &Finished,
) -> serde_json::Result<Vec<u8>> {
    let failure = finished.failure.as_ref();
    write(&Line {
        id: id(name, content),
        custom_id: Some(&finished.custom_id),
        response: finished.answer.as_ref().map(response),
        error: failure.map(error),
    })
}

/// The line of one that cannot be sent, with its line feed.
pub(crate) fn invalid(
    name: Hash,
    content: Hash,
    custom_id: Option<&str>,
    failure: &Failure,
) -> serde_json::Result<Vec<u8>> {
    write(&Line {
        id: id(name, content),
        custom_id,
        response: None,
        error: Some(error(failure)),
    })
}

/// The same for the same request, whenever it is done.
fn id(name: Hash, content: Hash) -> String {
    let both = [name.to_bytes(), content.to_bytes()].concat();
    let Hash { high, low } = Hash::of_bytes(&both);
    format!("batch_req_{high:016x}{low:016x}")
}

fn error(failure: &Failure) -> Error<'_> {
    let Failure { code, message } = failure;
    Error { code, message }
}

fn response(answer: &Answer) -> Response<'_> {
    Response {
        status_code: answer.status,
        request_id: answer.request_id.as_deref(),
        body: body(&answer.body),
    }
}

fn body(bytes: &[u8]) -> Body<'_> {
    if bytes.trim_ascii().is_empty() {
        return Body::Nothing;
    }
    match serde_json::from_slice(bytes) {
        Ok(json) => Body::Json(json),
        Err(_) => Body::Text(String::from_utf8_lossy(bytes)),
    }
}

fn write(line: &Line<'_>) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(line)?;
    // A body keeps its own white space, and may have line feeds in it; in strings there are none.
    for byte in &mut bytes {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    bytes.write_all(b"\n").map_err(serde_json::Error::io)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn line(status: u16, body: &'static [u8]) -> (String, Value) {
        let answer = Answer {
            status,
            request_id: Some("r".to_owned()),
            body: Bytes::from_static(body),
        };
        let end = Finished {
            custom_id: "a\"\n".to_owned(),
            answer: Some(answer),
            ..Finished::default()
        };
        let name = Hash::of_name("a");
        let text = String::from_utf8(finished(name, name, &end).unwrap()).unwrap();
        assert_eq!(text.find('\n'), Some(text.len() - 1));
        let value = serde_json::from_str(&text).unwrap();
        (text, value)
    }

    #[test]
    fn an_answer_is_kept_as_it_is_on_one_line() {
        let (text, value) = line(200, b"{\r\n  \"n\": 1.50,\n  \"t\": \"a\\nb\"\n}");
        assert!(
            text.contains(r#""body":{    "n": 1.50,   "t": "a\nb" }}"#),
            "{text}"
        );
        assert_eq!(value["custom_id"], "a\"\n");
        assert_eq!(value["response"]["status_code"], 200);
        assert_eq!(value["response"]["request_id"], "r");
        assert_eq!(value["error"], Value::Null);
        assert!(value["id"].as_str().unwrap().starts_with("batch_req_"));
    }

    #[test]
    fn what_is_not_json_is_quoted() {
        assert_eq!(
            line(502, b"<h1>\xFF</h1>\n").1["response"]["body"],
            "<h1>\u{FFFD}</h1>\n"
        );
        assert_eq!(line(204, b" ").1["response"]["body"], Value::Null);
    }

    #[test]
    fn a_failure_without_an_answer_has_no_response() {
        let failure = Failure {
            code: "deadline".to_owned(),
            message: "too late".to_owned(),
        };
        let end = Finished {
            failure: Some(failure),
            ..Finished::default()
        };
        let name = Hash::of_name("a");
        let value: Value = serde_json::from_slice(&finished(name, name, &end).unwrap()).unwrap();
        assert_eq!(value["response"], Value::Null);
        assert_eq!(
            value["error"],
            json!({"code": "deadline", "message": "too late"})
        );
    }
}
