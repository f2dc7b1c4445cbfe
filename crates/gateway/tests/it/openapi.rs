//! The description of the admin plane against the plane itself.

use anyhow::{Context, Result, bail, ensure};
use http_body_util::BodyExt;
use paceline_simulator::Simulator;
use paceline_testkit::{Answer, TestGateway, chat};
use serde_json::Value;

use crate::provider::provider;

/// A gateway that has something to tell.
async fn gateway() -> Result<(TestGateway, Simulator)> {
    let simulator = provider(vec![]).await?;
    let settings = "[prices]\nprovider = \"openai\"\n[limits]\nrequests_per_minute = 1000\n";
    let gateway = TestGateway::start(simulator.address(), settings)?;
    for stream in [false, true] {
        let headers = [("x-paceline-session", "s-1"), ("x-paceline-tags", "a,b")];
        gateway.caller().chat(&headers, chat(100, stream)).await?;
    }
    gateway.ledger().await?;
    Ok((gateway, simulator))
}

async fn document(gateway: &TestGateway) -> Result<Value> {
    let answer = gateway.admin("/openapi.json").await?;
    ensure!(answer.status == 200, "{}", answer.text());
    Ok(serde_json::from_slice(&answer.body)?)
}

/// Every path that can be asked with GET, its placeholders filled in, and what is said of it.
async fn operations(gateway: &TestGateway, document: &Value) -> Result<Vec<(String, Value)>> {
    let requests = gateway.admin("/monitoring/requests?limit=1").await?.json();
    let id = requests["requests"][0]["id"]
        .as_str()
        .context("a record")?
        .to_owned();
    let paths = document["paths"].as_object().context("paths")?;
    let filled = |path: &String| path.replace("{session_id}", "s-1").replace("{id}", &id);
    let gets = paths
        .iter()
        .filter(|(_, operations)| operations["get"].is_object());
    Ok(gets
        .map(|(path, it)| (filled(path), it["get"].clone()))
        .collect())
}

/// The media type of an answer, as it is documented.
fn schema_of<'a>(operation: &'a Value, answer: &Answer) -> Result<&'a Value> {
    let media = answer.header("content-type");
    let documented = &operation["responses"][answer.status.as_str()]["content"];
    documented
        .get(media)
        .map(|content| &content["schema"])
        .with_context(|| format!("{} with {media} is not in {documented}", answer.status))
}

#[tokio::test]
async fn every_documented_path_answers_as_it_is_documented() -> Result<()> {
    let (gateway, _simulator) = gateway().await?;
    let document = document(&gateway).await?;
    let operations = operations(&gateway, &document).await?;
    assert!(operations.len() >= 19, "{}", operations.len());
    for (path, operation) in &operations {
        if path == "/monitoring/events" {
            continue;
        }
        let answer = gateway.admin(path).await?;
        // Nobody waits here.
        let is_waiting = path.starts_with("/monitoring/queue/");
        let status = if is_waiting { 404 } else { 200 };
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        let schema = schema_of(operation, &answer).with_context(|| path.clone())?;
        let body = match answer.header("content-type") {
            "application/json" => serde_json::from_slice(&answer.body)?,
            _ => Value::String(answer.text()),
        };
        conforms(&document, schema, &body).with_context(|| path.clone())?;
        if operation["security"] == serde_json::json!([]) {
            continue;
        }
        for (asked, status) in [
            (gateway.caller().get(path, &[]).await?, 401),
            (gateway.admin(&format!("{path}?no_such=1")).await?, 400),
        ] {
            if path == "/metrics" && status == 400 {
                continue;
            }
            assert_eq!(asked.status, status, "{path}: {}", asked.text());
            let schema = schema_of(operation, &asked).with_context(|| path.clone())?;
            conforms(&document, schema, &asked.json()).with_context(|| path.clone())?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn events_are_what_the_document_says_of_them() -> Result<()> {
    let (gateway, _simulator) = gateway().await?;
    let document = document(&gateway).await?;
    let schema = &document["paths"]["/monitoring/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
        ["schema"]["x-event-data"];
    let caller = gateway.caller();
    let headers = [("authorization", "Bearer 0123456789abcdef-test")];
    let request = caller.request(http::Method::GET, "/monitoring/events", &headers, "")?;
    let mut body = caller.start(request).await?.into_body();
    let mut read = String::new();
    while !read.contains("\n\n") {
        let frame = body.frame().await.context("the feed goes on")??;
        read.push_str(std::str::from_utf8(frame.data_ref().context("data")?)?);
    }
    let data = read.lines().find_map(|line| line.strip_prefix("data: "));
    let event: Value = serde_json::from_str(data.context("data")?)?;
    assert!(event["pools"][0]["limits"][0]["amount"].is_u64(), "{event}");
    conforms(&document, schema, &event)
}

/// For each parameter, values that it takes and values that it does not.
fn samples(name: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match name {
        "from" => (&["0", "-1h", "now", "2026-01-01T00:00:00Z"], &["x", ""]),
        "to" => (&["now", "4000000000"], &["x", "-"]),
        "pool" | "tenant" | "session" | "model" | "provider" | "route" | "tag" | "lane" => {
            (&["a"], &["", "%00"])
        }
        "key" => (&["", "k"], &["%0a"]),
        "outcome" => (&["ok", "caller_gone"], &["", "bad"]),
        "bucket" => (&["hour", "day"], &["year", ""]),
        "utc_offset" => (&["Z", "-03:00", "%2B05:45"], &["1", "%2B24:00"]),
        "group_by" => (&["tag", "key,session", "lane"], &["", "a", "tag,tag"]),
        "limit" => (&["1", "1000"], &["-1", "a", "10001"]),
        "cursor" => (&["1-00000000000000000000000000000001"], &["", "1"]),
        "format" => (&["csv", "jsonl"], &["xml", ""]),
        _ => (&[], &[]),
    }
}

#[tokio::test]
async fn every_documented_parameter_is_taken_and_checked() -> Result<()> {
    let (gateway, _simulator) = gateway().await?;
    let document = document(&gateway).await?;
    let mut checked = 0;
    for (path, operation) in operations(&gateway, &document).await? {
        for parameter in operation["parameters"].as_array().context("parameters")? {
            let name = parameter["name"].as_str().context("a name")?;
            if parameter["in"] == "path" {
                continue;
            }
            let (good, bad) = samples(name);
            ensure!(!good.is_empty(), "{path}: nothing is known of {name}");
            for (values, status) in [(good, 200), (bad, 400)] {
                for value in values {
                    let asked = format!("{path}?{name}={value}");
                    let answer = gateway.admin(&asked).await?;
                    assert_eq!(answer.status, status, "{asked}: {}", answer.text());
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 200, "{checked}");
    Ok(())
}

/// Whether a value is what a schema says, as far as the schemas of this document go. Members that are
/// not documented are an error too.
fn conforms(document: &Value, schema: &Value, value: &Value) -> Result<()> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.trim_start_matches('#');
        let target = document
            .pointer(target)
            .with_context(|| reference.to_owned())?;
        return conforms(document, target, value).with_context(|| reference.to_owned());
    }
    for any in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[any].as_array() {
            let fits = |choice: &&Value| conforms(document, choice, value).is_ok();
            let fitting = choices.iter().find(fits);
            fitting.with_context(|| format!("{value} is none of {schema}"))?;
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        ensure!(values.contains(value), "{value} is none of {values:?}");
    }
    ensure!(
        is_of_type(&schema["type"], value),
        "{value} is not {}",
        schema["type"]
    );
    if let Some(least) = schema["minimum"].as_f64() {
        ensure!(
            value.as_f64().is_none_or(|it| it >= least),
            "{value} is below {least}"
        );
    }
    match value {
        Value::Array(items) => {
            for item in items {
                conforms(document, &schema["items"], item)?;
            }
        }
        Value::Object(members) => object_conforms(document, schema, members)?,
        _ => {}
    }
    Ok(())
}

fn object_conforms(
    document: &Value,
    schema: &Value,
    members: &serde_json::Map<String, Value>,
) -> Result<()> {
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().unwrap_or_default();
        ensure!(members.contains_key(name), "{name} is missing");
    }
    let Some(properties) = schema["properties"].as_object() else {
        for member in members.values() {
            conforms(document, &schema["additionalProperties"], member)?;
        }
        return Ok(());
    };
    for (name, member) in members {
        let Some(property) = properties.get(name) else {
            bail!("{name} is not documented");
        };
        conforms(document, property, member).with_context(|| name.clone())?;
    }
    Ok(())
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    let actual: &[&str] = match value {
        Value::Null => &["null"],
        Value::Bool(_) => &["boolean"],
        Value::Number(number) if number.is_f64() => &["number"],
        Value::Number(_) => &["integer", "number"],
        Value::String(_) => &["string"],
        Value::Array(_) => &["array"],
        Value::Object(_) => &["object"],
    };
    match wanted {
        Value::Null => true,
        Value::Array(wanted) => wanted.iter().any(|it| is_of_type(it, value)),
        wanted => actual.iter().any(|it| wanted == it),
    }
}

#[test]
fn what_does_not_conform_is_found() {
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "a": { "type": "integer", "minimum": 0 }, "b": { "type": ["string", "null"] } },
        "required": ["a"],
    });
    let fits = |value: Value| conforms(&Value::Null, &schema, &value).is_ok();
    assert!(fits(serde_json::json!({ "a": 1, "b": null })));
    for wrong in [
        serde_json::json!({ "b": "x" }),
        serde_json::json!({ "a": 1.5 }),
        serde_json::json!({ "a": -1 }),
        serde_json::json!({ "a": 1, "c": 1 }),
        serde_json::json!([]),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
}
