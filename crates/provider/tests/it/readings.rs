//! Answers and requests as each provider documents them, and what is read from them.
//!
//! `tests/golden/<profile>/` holds answers (`.http`; `.frames` where the body is Amazon's binary
//! stream, written here as one frame a line) and requests (`.request`), each with what is to be read
//! from it beside it (`.reading`). With `PACELINE_BLESS=1` the readings are written anew.

mod frames;
mod write;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use paceline_provider::{Endpoint, Profile};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// An answer, and the call that it is for.
pub(crate) struct Exchange {
    pub(crate) endpoint: Endpoint,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Exchange {
    /// `> METHOD PATH`, a status line, headers, an empty line, the body.
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let call = lines.next().unwrap().strip_prefix("> ").unwrap();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Self {
            endpoint: endpoint(call).0,
            status: status.parse().unwrap(),
            headers,
            body: body.strip_suffix('\n').unwrap_or(body).into(),
        }
    }
}

/// A call by its line, and its path without the query.
pub(crate) fn endpoint(call: &str) -> (Endpoint, &str) {
    let (method, path) = call.split_once(' ').unwrap();
    let path = path.split('?').next().unwrap();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    (Endpoint::classify(&method, path), path)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn reading(profile: &Profile, path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("request") => write::request(profile, &text),
        Some("http") => write::answer(profile, &Exchange::parse(&text)),
        Some("frames") => {
            let mut exchange = Exchange::parse(&text);
            exchange.body = frames::encode(std::str::from_utf8(&exchange.body).unwrap());
            write::answer(profile, &exchange)
        }
        _ => panic!("{}: what is this?", path.display()),
    }
}

#[test]
fn every_documented_answer_and_request_is_read_as_it_is_meant() {
    let bless = env::var_os("PACELINE_BLESS").is_some();
    let mut wrong = Vec::new();
    for folder in entries(&folder()) {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let profile = Profile::named(name).unwrap_or_else(|| panic!("no profile {name}"));
        let (readings, inputs): (Vec<_>, Vec<_>) = entries(&folder)
            .into_iter()
            .partition(|path| path.extension().is_some_and(|end| end == "reading"));
        assert_eq!(
            readings.len(),
            inputs.len(),
            "{name}: a reading for each file"
        );
        for input in inputs {
            let beside = input.with_extension(format!(
                "{}.reading",
                input.extension().unwrap().to_str().unwrap()
            ));
            let got = reading(profile, &input);
            if bless {
                fs::write(&beside, got).unwrap();
            } else if fs::read_to_string(&beside).ok().as_deref() != Some(&got) {
                wrong.push(format!("{}:\n{got}", input.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_profile_has_documented_requests_and_answers() {
    for profile in Profile::ALL {
        let files = entries(&folder().join(profile.name));
        for kind in ["request", "http"] {
            let has = files
                .iter()
                .any(|path| path.extension().is_some_and(|end| end == kind));
            assert!(has, "{}: no .{kind}", profile.name);
        }
    }
}
