//! Files and batches served by the gateway itself: who sees them, what becomes of them, what they may take.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::Method;
use paceline_keys::{KeyFile, NewKey};
use paceline_simulator::Simulator;
use paceline_testkit::{Answer, TestGateway};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::provider::provider;

const ENABLED: &str = "[batches]\nenabled = true\n";
const SLOW: &str = "[batches]\nenabled = true\nconcurrency = 1\n[limits]\nspacing = \"250ms\"\n";
const ONE: &str = "Bearer sk-one";

/// One who calls a gateway.
#[derive(Clone, Copy)]
struct Client<'a> {
    gateway: &'a TestGateway,
    bearer: &'a str,
}

impl Client<'_> {
    async fn send(&self, method: Method, path: &str, kind: &str, body: &str) -> Result<Answer> {
        let caller = self.gateway.caller();
        let headers = [("authorization", self.bearer), ("content-type", kind)];
        caller
            .send(caller.request(method, path, &headers, body.to_owned())?)
            .await
    }

    async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, "text/plain", "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, "application/json", &body.to_string())
            .await
    }

    async fn upload(&self, content: &str) -> Result<Answer> {
        let kind = "multipart/form-data; boundary=cut";
        self.send(Method::POST, "/v1/files", kind, &form("batch", content))
            .await
    }

    async fn batch_of(&self, content: &str) -> Result<String> {
        let uploaded = self.upload(content).await?;
        assert_eq!(uploaded.status, 200, "{}", uploaded.text());
        let asked = json!({
            "input_file_id": uploaded.json()["id"], "endpoint": "/v1/chat/completions",
            "completion_window": "24h", "metadata": {"purpose": "test"},
        });
        let created = self.post("/v1/batches", &asked).await?;
        assert_eq!(created.status, 200, "{}", created.text());
        assert_eq!(created.json()["status"], "validating");
        Ok(created.json()["id"]
            .as_str()
            .context("it has an id")?
            .to_owned())
    }

    async fn until(&self, id: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let batch = self.get(&format!("/v1/batches/{id}")).await?.json();
            if holds(&batch) {
                return Ok(batch);
            }
            if Instant::now() > end {
                bail!("the batch stays {batch}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn over(&self, id: &str) -> Result<Value> {
        let over = ["completed", "failed", "cancelled", "expired"];
        self.until(id, |batch| {
            over.iter().any(|status| batch["status"] == *status)
        })
        .await
    }

    async fn lines(&self, file: &Value) -> Result<Vec<Value>> {
        let Some(id) = file.as_str() else {
            return Ok(Vec::new());
        };
        let content = self.get(&format!("/v1/files/{id}/content")).await?;
        assert_eq!(content.status, 200, "{}", content.text());
        let text = content.text();
        let lines = text.lines().map(serde_json::from_str);
        Ok(lines.collect::<Result<_, _>>()?)
    }
}

fn form(purpose: &str, content: &str) -> String {
    format!(
        "--cut\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n{purpose}\r\n--cut\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"../in.jsonl\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n{content}\r\n--cut--\r\n"
    )
}

fn requests(count: usize) -> String {
    let lines = (0..count).map(|number| {
        json!({
            "custom_id": format!("line {number}"), "method": "POST", "url": "/v1/chat/completions",
            "body": {"model": "gpt-4o-mini", "max_tokens": 5,
                     "messages": [{"role": "user", "content": format!("say {number}")}]},
        })
        .to_string()
            + "\n"
    });
    lines.collect()
}

/// Names of results; each may be there once.
fn names(lines: &[Value]) -> BTreeSet<String> {
    let names: BTreeSet<_> = lines
        .iter()
        .map(|line| line["custom_id"].to_string())
        .collect();
    assert_eq!(names.len(), lines.len(), "a line has two results");
    names
}

async fn started(configuration: &str) -> Result<(Simulator, TestGateway)> {
    let simulator = provider(vec![]).await?;
    let gateway = TestGateway::start(simulator.address(), configuration)?;
    Ok((simulator, gateway))
}

#[tokio::test]
async fn a_batch_is_executed_at_once_and_its_results_are_files() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let gateway = TestGateway::start_in(Arc::clone(&state), simulator.address(), ENABLED, &[])?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let id = client.batch_of(&requests(40)).await?;
    let batch = client.over(&id).await?;
    assert_eq!(batch["status"], "completed", "{batch}");
    assert_eq!(
        batch["request_counts"],
        json!({"total": 40, "completed": 40, "failed": 0})
    );
    assert_eq!(batch["error_file_id"], Value::Null);
    assert_eq!(batch["metadata"]["purpose"], "test");
    assert_eq!(batch["usage"]["output_tokens"], 200);
    let times = [
        "created_at",
        "in_progress_at",
        "finalizing_at",
        "completed_at",
    ];
    assert!(times.iter().all(|time| batch[time].is_i64()), "{batch}");
    let lines = client.lines(&batch["output_file_id"]).await?;
    assert_eq!(names(&lines).len(), 40);
    assert!(
        lines
            .iter()
            .all(|line| line["response"]["status_code"] == 200)
    );
    // The calls are the owner's, and go after those of people.
    gateway.assert_settled_everywhere().await?;
    let ledger = gateway.ledger().await?;
    let entries = ledger
        .entries(&paceline_ledger::Filter::default(), None, 100)
        .await?;
    assert_eq!(entries.entries.len(), 40);
    let tiers = entries
        .entries
        .iter()
        .map(|entry| entry.priority.as_deref());
    assert!(tiers.into_iter().all(|tier| tier == Some("batch")));
    let input = batch["input_file_id"].as_str().context("an id")?;
    let file = client.get(&format!("/v1/files/{input}")).await?.json();
    assert_eq!(file["filename"], "in.jsonl", "a name and no path");
    assert_eq!(file["bytes"], requests(40).len());
    gateway.stop().await?;
    let kept = remains(&state.path().join("batches"))?;
    assert_eq!(
        kept.len(),
        5,
        "two files, what they are, and what the batch is: {kept:?}"
    );
    Ok(())
}

#[tokio::test]
async fn nobody_sees_what_belongs_to_somebody_else() -> Result<()> {
    let (_simulator, gateway) = started(ENABLED).await?;
    let own = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let id = own.batch_of(&requests(1)).await?;
    let batch = own.over(&id).await?;
    let file = batch["output_file_id"].as_str().context("an id")?;
    for bearer in ["Bearer sk-two", "Basic x", ""] {
        let other = Client {
            gateway: &gateway,
            bearer,
        };
        for path in [
            format!("/v1/files/{file}"),
            format!("/v1/files/{file}/content"),
            format!("/v1/batches/{id}"),
        ] {
            let answer = other.get(&path).await?;
            assert_eq!(
                (answer.status.as_u16(), &*answer.error_code()),
                (404, "not_found")
            );
        }
        let answer = other
            .post(&format!("/v1/batches/{id}/cancel"), &Value::Null)
            .await?;
        assert_eq!(answer.status, 404);
        let path = format!("/v1/files/{file}");
        let answer = other.send(Method::DELETE, &path, "text/plain", "").await?;
        assert_eq!(answer.status, 404);
        for path in ["/v1/files", "/v1/batches"] {
            assert_eq!(other.get(path).await?.json()["data"], json!([]));
        }
        let asked = json!({"input_file_id": batch["input_file_id"], "endpoint": "/v1/chat/completions",
                           "completion_window": "24h"});
        let answer = other.post("/v1/batches", &asked).await?;
        assert_eq!(answer.error_code(), "invalid_request");
    }
    assert_eq!(
        own.get("/v1/files?purpose=batch_output").await?.json()["data"][0]["id"],
        file
    );
    for path in [
        "/v1/files/..%2f..%2fadmin-token/content",
        "/v1/files/x/y/z/a",
        "/v1/batches/%00",
    ] {
        assert_eq!(own.get(path).await?.status, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn lists_come_in_pages() -> Result<()> {
    let (_simulator, gateway) = started(ENABLED).await?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(client.upload("{}").await?.json()["id"].clone());
    }
    let first = client.get("/v1/files?limit=2").await?.json();
    assert_eq!(
        (
            first["has_more"].clone(),
            first["data"].as_array().map(Vec::len)
        ),
        (json!(true), Some(2))
    );
    let last = first["last_id"].as_str().context("an id")?;
    let rest = client
        .get(&format!("/v1/files?limit=2&after={last}"))
        .await?
        .json();
    assert_eq!(rest["has_more"], false);
    let both =
        [&first["data"], &rest["data"]].map(|data| data.as_array().cloned().unwrap_or_default());
    let seen: BTreeSet<_> = both
        .concat()
        .iter()
        .map(|file| file["id"].to_string())
        .collect();
    assert_eq!(seen, ids.iter().map(Value::to_string).collect());
    for wrong in ["limit=0", "limit=x", "after=nothing", "order=up"] {
        let answer = client.get(&format!("/v1/files?{wrong}")).await?;
        assert_eq!(answer.error_code(), "invalid_request", "{wrong}");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_with_wrong_lines_fails_with_their_numbers_and_nothing_is_sent() -> Result<()> {
    let (_simulator, gateway) = started("[batches]\nenabled = true\nrequests_max = 3\n").await?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let other_url = requests(1).replace("chat/completions", "embeddings");
    let twice = format!("{}{}", requests(1), requests(1));
    for (content, code, line) in [
        ("{\"custom_id\": 1}\n".to_owned(), "invalid_line", json!(1)),
        (
            format!("{}no json\n", requests(2)),
            "invalid_line",
            json!(3),
        ),
        (twice, "invalid_line", json!(2)),
        (other_url, "mismatched_endpoint", json!(1)),
        (String::new(), "empty_file", Value::Null),
        (requests(4), "too_many_requests", Value::Null),
    ] {
        let id = client.batch_of(&content).await?;
        let batch = client.over(&id).await?;
        assert_eq!(batch["status"], "failed", "{batch}");
        let error = &batch["errors"]["data"][0];
        assert_eq!(
            (&error["code"], &error["line"]),
            (&json!(code), &line),
            "{batch}"
        );
        assert!(batch["failed_at"].is_i64());
    }
    assert!(gateway.pools().await?.is_empty(), "no call was made");
    Ok(())
}

#[tokio::test]
async fn a_batch_that_is_cancelled_keeps_what_it_has_and_names_the_rest() -> Result<()> {
    let (_simulator, gateway) = started(SLOW).await?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let id = client.batch_of(&requests(60)).await?;
    client
        .until(&id, |batch| {
            batch["request_counts"]["completed"].as_u64() >= Some(2)
        })
        .await?;
    let cancelling = client
        .post(&format!("/v1/batches/{id}/cancel"), &Value::Null)
        .await?
        .json();
    assert!(cancelling["cancelling_at"].is_i64(), "{cancelling}");
    let batch = client.over(&id).await?;
    assert_eq!(batch["status"], "cancelled", "{batch}");
    let done = client.lines(&batch["output_file_id"]).await?;
    let rest = client.lines(&batch["error_file_id"]).await?;
    assert!(done.len() >= 2);
    assert!(
        rest.iter()
            .all(|line| line["error"]["code"] == "batch_cancelled"),
        "{rest:?}"
    );
    assert_eq!(names(&[done, rest].concat()).len(), 60);
    let answer = client
        .post(&format!("/v1/batches/{id}/cancel"), &Value::Null)
        .await?;
    assert_eq!(answer.status, 200, "cancelled as was asked");
    Ok(())
}

fn state_of(folder: &Path) -> PathBuf {
    folder.join("batches/batches")
}

/// Starts a batch of slow lines and stops its gateway in the middle.
async fn interrupted(state: &Arc<TempDir>, simulator: &Simulator, own_key: &str) -> Result<String> {
    let configuration = format!("{own_key}{SLOW}");
    let gateway =
        TestGateway::start_in(Arc::clone(state), simulator.address(), &configuration, &[])?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let id = client.batch_of(&requests(12)).await?;
    client
        .until(&id, |batch| {
            batch["request_counts"]["completed"].as_u64() >= Some(2)
        })
        .await?;
    gateway.stop().await?;
    // No key is on disk, only in the memory that is gone.
    for entry in std::fs::read_dir(state_of(state.path()))? {
        let path = entry?.path();
        if path.is_file() {
            assert!(
                !std::fs::read_to_string(&path)?.contains("sk-one"),
                "{}",
                path.display()
            );
        }
    }
    Ok(id)
}

#[tokio::test]
async fn after_a_restart_a_batch_goes_on_where_it_was() -> Result<()> {
    for own_key in ["", "[upstream]\napi_key = \"sk-of-the-gateway\"\n"] {
        let simulator = provider(vec![]).await?;
        let state = Arc::new(tempfile::tempdir()?);
        let id = interrupted(&state, &simulator, own_key).await?;
        let configuration = format!("{own_key}{ENABLED}");
        let gateway =
            TestGateway::start_in(Arc::clone(&state), simulator.address(), &configuration, &[])?;
        let client = Client {
            gateway: &gateway,
            bearer: ONE,
        };
        let batch = client.over(&id).await?;
        assert_eq!(batch["status"], "completed", "{batch}");
        assert_eq!(
            names(&client.lines(&batch["output_file_id"]).await?).len(),
            12
        );
        gateway.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_owner_is_found_again_whatever_became_of_what_was_learned() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let mut path = String::new();
    for start in 0..3 {
        let gateway = TestGateway::start_in(Arc::clone(&state), simulator.address(), ENABLED, &[])?;
        let client = Client {
            gateway: &gateway,
            bearer: ONE,
        };
        if start == 0 {
            let file = client.upload(&requests(1)).await?.json();
            path = format!("/v1/files/{}", file["id"].as_str().context("no id")?);
        }
        assert_eq!(client.get(&path).await?.status, 200, "start {start}");
        gateway.stop().await?;
        std::fs::write(state.path().join("learned.json"), "damaged")?;
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_whose_key_nobody_knows_any_more_waits_for_its_owner() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let id = interrupted(&state, &simulator, "").await?;
    let gateway = TestGateway::start_in(Arc::clone(&state), simulator.address(), ENABLED, &[])?;
    let other = Client {
        gateway: &gateway,
        bearer: "Bearer sk-two",
    };
    assert_eq!(other.get(&format!("/v1/batches/{id}")).await?.status, 404);
    assert!(
        gateway.pools().await?.is_empty(),
        "no line went out with another's key"
    );
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    assert_eq!(client.over(&id).await?["status"], "completed");
    Ok(())
}

#[tokio::test]
async fn when_its_time_is_over_a_batch_expires_with_what_it_has() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let id = interrupted(&state, &simulator, "").await?;
    let path = state_of(state.path()).join(format!("{id}.json"));
    let mut stored: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    stored["expires_ms"] = json!(1_000);
    std::fs::write(&path, stored.to_string())?;
    let gateway = TestGateway::start_in(Arc::clone(&state), simulator.address(), ENABLED, &[])?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let batch = client.over(&id).await?;
    assert_eq!(batch["status"], "expired", "{batch}");
    assert!(batch["expired_at"].is_i64());
    let done = client.lines(&batch["output_file_id"]).await?;
    let rest = client.lines(&batch["error_file_id"]).await?;
    assert!(
        rest.iter()
            .all(|line| line["error"]["code"] == "batch_expired"),
        "{rest:?}"
    );
    assert!(!done.is_empty() && !rest.is_empty());
    assert_eq!(names(&[done, rest].concat()).len(), 12);
    Ok(())
}

#[tokio::test]
async fn with_caller_keys_a_batch_is_its_tenants_and_needs_no_key_after_a_restart() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let mut keys = Vec::new();
    for tenant in ["acme", "acme", "other"] {
        let mut file = KeyFile::open(state.path())?;
        let new = NewKey {
            name: tenant.to_owned(),
            tenant: tenant.to_owned(),
            ..NewKey::default()
        };
        keys.push(format!(
            "Bearer {}",
            file.create(new, 1_700_000_000)?.1.reveal()
        ));
    }
    let own = "[upstream]\napi_key = \"sk-own\"\n[budgets.calls]\namount = \"1000 requests\"\nperiod = \"day\"\n";
    let configuration = format!("{own}{SLOW}");
    let gateway =
        TestGateway::start_in(Arc::clone(&state), simulator.address(), &configuration, &[])?;
    let client = Client {
        gateway: &gateway,
        bearer: &keys[0],
    };
    let id = client.batch_of(&requests(8)).await?;
    client
        .until(&id, |batch| {
            batch["request_counts"]["completed"].as_u64() >= Some(1)
        })
        .await?;
    gateway.stop().await?;
    let configuration = format!("{own}{ENABLED}");
    let gateway =
        TestGateway::start_in(Arc::clone(&state), simulator.address(), &configuration, &[])?;
    let other = Client {
        gateway: &gateway,
        bearer: &keys[2],
    };
    assert_eq!(other.get(&format!("/v1/batches/{id}")).await?.status, 404);
    let nobody = Client {
        gateway: &gateway,
        bearer: "Bearer sk-one",
    };
    assert_eq!(
        nobody.get(&format!("/v1/batches/{id}")).await?.error_code(),
        "invalid_caller_key"
    );
    // Another key of the same tenant sees it.
    let client = Client {
        gateway: &gateway,
        bearer: &keys[1],
    };
    let batch = client.over(&id).await?;
    assert_eq!(batch["request_counts"]["completed"], 8, "{batch}");
    Ok(())
}

/// Files below a folder, without the lock and what owners are hashed with.
fn remains(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(remains(&path)?);
        } else if !path.ends_with("lock") {
            assert_eq!(
                std::fs::metadata(&path)?.permissions().mode() & 0o077,
                0,
                "{}",
                path.display()
            );
            if !path.ends_with("salt.json") {
                found.push(path);
            }
        }
    }
    Ok(found)
}

#[tokio::test]
async fn disk_space_is_bounded_and_given_back() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let configuration =
        "[batches]\nenabled = true\nfile_bytes_max = \"2KiB\"\nfiles_bytes_total = \"3KiB\"\n";
    let gateway =
        TestGateway::start_in(Arc::clone(&state), simulator.address(), configuration, &[])?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let answer = client.upload(&"x".repeat(2_049)).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (413, "body_too_large")
    );
    let first = client.upload(&"x".repeat(2_048)).await?;
    assert_eq!(first.status, 200);
    let answer = client.upload(&"x".repeat(1_025)).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (507, "files_full")
    );
    assert_eq!(
        remains(&state.path().join("batches"))?.len(),
        2,
        "one file and what it is"
    );
    let path = format!(
        "/v1/files/{}",
        first.json()["id"].as_str().unwrap_or_default()
    );
    let gone = client.send(Method::DELETE, &path, "text/plain", "").await?;
    assert_eq!(gone.json()["deleted"], true);
    assert_eq!(client.get(&path).await?.status, 404);
    assert_eq!(client.upload(&"x".repeat(2_048)).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_form_that_is_none_leaves_nothing_behind() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let state = Arc::new(tempfile::tempdir()?);
    let gateway = TestGateway::start_in(Arc::clone(&state), simulator.address(), ENABLED, &[])?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let good = form("batch", "{}");
    let cut = good.strip_suffix("--cut--\r\n").unwrap_or_default();
    let two = good.replace(
        "--cut--",
        "--cut\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--cut--",
    );
    let no_file = form("batch", "{}").replace("name=\"file\"", "name=\"other\"");
    let no_purpose = form("batch", "{}").replace("name=\"purpose\"", "name=\"other\"");
    let long = format!("{}{}", "a".repeat(20_000), good);
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", &*good),
        ("multipart/form-data; boundary=other", &long),
        ("multipart/form-data; boundary=cut", cut),
        ("multipart/form-data; boundary=cut", &two),
        ("multipart/form-data; boundary=cut", &no_file),
        ("multipart/form-data; boundary=cut", &no_purpose),
        (
            "multipart/form-data; boundary=cut",
            &form("fine-tune", "{}"),
        ),
        (
            "multipart/form-data; boundary=cut",
            &form(&"x".repeat(9_000), "{}"),
        ),
        ("multipart/form-data; boundary=cut", ""),
    ] {
        let answer = client.send(Method::POST, "/v1/files", kind, body).await?;
        assert_eq!(
            answer.error_code(),
            "invalid_request",
            "{kind} {}",
            answer.text()
        );
    }
    assert_eq!(
        remains(&state.path().join("batches"))?,
        Vec::<PathBuf>::new()
    );
    Ok(())
}

#[tokio::test]
async fn where_it_is_not_asked_for_files_and_batches_are_the_providers() -> Result<()> {
    let (_simulator, gateway) = started("").await?;
    let client = Client {
        gateway: &gateway,
        bearer: ONE,
    };
    let uploaded = client.upload("{}\n").await?;
    assert_eq!(uploaded.status, 200, "{}", uploaded.text());
    assert!(
        !uploaded.header("x-paceline-request-id").is_empty(),
        "it went through"
    );
    Ok(())
}
