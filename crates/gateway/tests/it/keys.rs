//! Caller keys: who may call, as whom, and for which models.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use paceline_keys::{KeyFile, ModelPattern, NewKey, Priority};
use paceline_ledger::Filter;
use paceline_testkit::{TestGateway, chat};
use tempfile::TempDir;

use crate::provider::provider;

/// A folder with one key, and the key.
fn folder_with(new: NewKey) -> Result<(Arc<TempDir>, String, String)> {
    let folder = Arc::new(tempfile::tempdir()?);
    let mut file = KeyFile::open(folder.path())?;
    let (record, text) = file.create(new, 1_700_000_000)?;
    Ok((folder, record.id.0, text.reveal().to_owned()))
}

fn acme() -> NewKey {
    NewKey {
        name: "chat app".to_owned(),
        tenant: "acme".to_owned(),
        models: vec![ModelPattern("gpt-4o*".to_owned())],
        priority: Some(Priority::Batch),
        ..NewKey::default()
    }
}

const OWN: &str = "[upstream]\napi_key = \"sk-the-gateways-own\"\n";

#[tokio::test]
async fn with_keys_everybody_needs_one_and_calls_as_its_tenant() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let (folder, id, key) = folder_with(acme())?;
    let gateway = TestGateway::start_in(folder, simulator.address(), OWN, &[])?;
    let bearer = format!("Bearer {key}");
    let caller = gateway.caller();
    let answer = caller
        .chat(&[("authorization", &bearer)], chat(5, false))
        .await?;
    assert_eq!(answer.status, 200);
    let answer = caller.chat(&[("api-key", &key)], chat(5, false)).await?;
    assert_eq!(answer.status, 200, "as Azure's clients send theirs");
    gateway.assert_settled_everywhere().await?;
    let ledger = gateway.ledger().await?;
    for entry in ledger.entries(&Filter::default(), None, 10).await?.entries {
        assert_eq!(
            (&*entry.tenant, entry.key_id.as_deref()),
            ("acme", Some(&*id))
        );
        assert_eq!(entry.priority.as_deref(), Some("batch"));
    }
    let pools = gateway.pools().await?;
    assert_eq!(
        pools.len(),
        1,
        "all calls go with the gateway's own key: {pools:?}"
    );
    // No part of a key is anywhere.
    for text in [
        gateway.admin("/monitoring/rate-limits").await?.body,
        gateway.admin("/metrics").await?.body,
    ] {
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(
            !text.contains(&key[3..]) && !text.contains("sk-the"),
            "{text}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn whoever_has_no_valid_key_is_not_told_why() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let (folder, _, key) = folder_with(acme())?;
    let gateway = TestGateway::start_in(folder, simulator.address(), OWN, &[])?;
    let mut other = key.clone();
    other.replace_range(5..6, if &key[5..6] == "a" { "b" } else { "a" });
    for wrong in ["sk-some-other-key", "", &other, &key[..20]] {
        let bearer = format!("Bearer {wrong}");
        let answer = gateway
            .caller()
            .chat(&[("authorization", &bearer)], chat(5, false))
            .await?;
        assert_eq!(
            (answer.status.as_u16(), &*answer.error_code()),
            (401, "invalid_caller_key"),
            "{wrong}"
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains(&key[3..]));
    }
    Ok(())
}

#[tokio::test]
async fn a_key_is_for_its_models_and_its_tenant_alone() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let (folder, _, key) = folder_with(NewKey {
        models: vec![ModelPattern("gpt-5*".to_owned())],
        ..acme()
    })?;
    let gateway = TestGateway::start_in(folder, simulator.address(), OWN, &[])?;
    let bearer = format!("Bearer {key}");
    let mut headers = vec![("authorization", bearer.as_str())];
    let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (403, "model_not_allowed")
    );
    headers.push(("x-paceline-tenant", "somebody else"));
    let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
    assert_eq!(
        (answer.status.as_u16(), &*answer.error_code()),
        (403, "tenant_not_allowed")
    );
    Ok(())
}

#[tokio::test]
async fn a_tag_leads_a_key_to_no_model_that_it_is_not_for() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let rule = format!(
        "{OWN}[models.fast]\nlanes = [{{ model = \"gpt-4o-mini\" }}]\n\
         [[routes]]\ntags = [\"cheap\"]\nto = \"fast\"\n"
    );
    for (models, allowed) in [(&["gpt-4o"][..], false), (&["gpt-4o", "fast"], true)] {
        let patterns = models.iter().map(|model| ModelPattern((*model).to_owned()));
        let (folder, _, key) = folder_with(NewKey {
            models: patterns.collect(),
            ..acme()
        })?;
        let gateway = TestGateway::start_in(folder, simulator.address(), &rule, &[])?;
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-paceline-tags", "cheap"),
        ];
        let body = chat(5, false).replace("gpt-4o-mini", "gpt-4o");
        let plain = gateway.caller().chat(&headers[..1], body.clone()).await?;
        assert_eq!(plain.status, 200, "{}", plain.text());
        let tagged = gateway.caller().chat(&headers, body).await?;
        let asked = r#"{"model":"gpt-4o","requests":1,"input_tokens":1}"#;
        let path = "/v1/batches/preflight";
        let batch = gateway.caller().post(path, &headers, asked).await?;
        for answer in [tagged, batch] {
            let told = (answer.status.as_u16(), &*answer.error_code());
            let expected = match allowed {
                true => (200, ""),
                false => (403, "model_not_allowed"),
            };
            assert_eq!(told, expected, "{models:?}: {}", answer.text());
            assert!(
                allowed || answer.text().contains("fast"),
                "{}",
                answer.text()
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_key_for_certain_models_sees_these_alone_in_the_list() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let rules = format!("{OWN}[models.\"gpt-4o-fast\"]\nlanes = [{{ model = \"gpt-4o-mini\" }}]\n");
    for settings in [OWN, &*rules] {
        let (folder, _, key) = folder_with(acme())?;
        let gateway = TestGateway::start_in(folder, simulator.address(), settings, &[])?;
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str())];
        let listed = gateway.caller().get("/v1/models", &headers).await?.json();
        let entries = listed["data"].as_array().cloned().unwrap_or_default();
        let ids: Vec<_> = entries
            .iter()
            .filter_map(|entry| entry["id"].as_str())
            .collect();
        assert!(ids.contains(&"gpt-4o-mini"), "{listed}");
        assert!(ids.iter().all(|id| id.starts_with("gpt-4o")), "{listed}");
        assert_eq!(ids.contains(&"gpt-4o-fast"), settings != OWN, "{listed}");
    }
    Ok(())
}

/// Work that the provider bills and whose answer tells no usage.
const UNMETERED: [&str; 7] = [
    "/v1/batches",
    "/v1/messages/batches",
    "/v1/fine_tuning/jobs",
    "/v1/evals/eval_1/runs",
    "/v1/containers",
    "/v1/realtime/client_secrets",
    "/v1/something/new",
];

/// What the gateway says of posts to these paths: the code, or nothing where it passes them on.
async fn posts(gateway: &TestGateway, headers: &[(&str, &str)]) -> Result<Vec<String>> {
    let mut codes = Vec::new();
    for path in UNMETERED {
        let answer = gateway.caller().post(path, headers, "{}").await?;
        let own = answer.error_code() == "path_not_metered";
        codes.push(match own {
            true => {
                assert_eq!(answer.status, 403, "{path}");
                answer.text()
            }
            false => String::new(),
        });
    }
    Ok(codes)
}

#[tokio::test]
async fn what_is_spent_unseen_is_not_for_keys_with_models() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let (folder, id, key) = folder_with(acme())?;
    let gateway = TestGateway::start_in(folder, simulator.address(), OWN, &[])?;
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    for (text, path) in posts(&gateway, &headers).await?.iter().zip(UNMETERED) {
        let why = format!("{path} is refused: the key {id} is for certain models alone");
        assert!(text.contains(&why), "{text}");
    }
    for path in ["/v1/batches", "/v1/fine_tuning/jobs", "/v1/something/new"] {
        let answer = gateway.caller().get(path, &headers).await?;
        assert_ne!(answer.error_code(), "path_not_metered", "{path}");
    }
    let (folder, _, key) = folder_with(NewKey {
        models: vec![],
        ..acme()
    })?;
    let gateway = TestGateway::start_in(folder, simulator.address(), OWN, &[])?;
    let bearer = format!("Bearer {key}");
    let said = posts(&gateway, &[("authorization", &bearer)]).await?;
    assert_eq!(said, [""; 7], "a key for all models");
    Ok(())
}

#[tokio::test]
async fn what_is_spent_unseen_is_not_for_those_with_hard_budgets() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let limits = "[budgets.monthly]\namount = \"1 usd\"\nonly = [\"acme\"]\n\
                  [budgets.soft]\namount = \"1 usd\"\nhard = false\n";
    let gateway = TestGateway::start(simulator.address(), limits)?;
    for text in posts(&gateway, &[("x-paceline-tenant", "acme")]).await? {
        assert!(
            text.contains("the budget monthly holds for this caller"),
            "{text}"
        );
    }
    let said = posts(&gateway, &[("x-paceline-tenant", "other")]).await?;
    assert_eq!(said, [""; 7], "a soft budget refuses nothing");
    let refused = "kind=\"path_not_metered\"";
    let counted = gateway.metric("paceline_refusals_total", refused).await?;
    assert_eq!(counted, 7.0);
    Ok(())
}

#[tokio::test]
async fn keys_come_and_go_while_the_gateway_runs() -> Result<()> {
    let simulator = provider(vec![]).await?;
    let folder = Arc::new(tempfile::tempdir()?);
    let at = simulator.address();
    let gateway = TestGateway::start_in(Arc::clone(&folder), at, OWN, &[])?;
    assert_eq!(
        gateway.caller().chat(&[], chat(5, false)).await?.status,
        200
    );
    let mut file = KeyFile::open(folder.path())?;
    let (record, text) = file.create(acme(), 1_700_000_000)?;
    until(&gateway, "", 401).await?;
    let bearer = format!("Bearer {}", text.reveal());
    until(&gateway, &bearer, 200).await?;
    file.revoke(&record.id, 1_700_000_001)?;
    until(&gateway, &bearer, 401).await
}

/// Waits until a call with this authorization is answered with this status.
async fn until(gateway: &TestGateway, bearer: &str, status: u16) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let headers = [("authorization", bearer)];
        let answer = gateway.caller().chat(&headers, chat(5, false)).await?;
        if answer.status == status {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "still {}", answer.status);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
