//! The inventory of paths, line by line.

use super::{Endpoint, EndpointKind as K, Pacing};
use http::Method;
use proptest::prelude::*;

fn classify(line: &str) -> Endpoint {
    let (method, path) = line.split_once(' ').unwrap();
    Endpoint::classify(&Method::from_bytes(method.as_bytes()).unwrap(), path)
}

#[test]
fn every_path_of_the_inventory_is_known() {
    let lines = include_str!("../../../tests/goldens/paths.txt").lines();
    let lines: Vec<_> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    assert_eq!(lines.len(), 56);
    for line in lines {
        let (call, expected) = line.split_once(" | ").unwrap();
        let Endpoint {
            kind,
            pacing,
            body,
            admin_key,
            unmetered: _,
        } = classify(call);
        assert_eq!(format!("{kind:?} {pacing:?} {body:?}"), expected, "{call}");
        assert!(!admin_key, "{call}");
    }
}

#[test]
fn administration_needs_an_admin_key() {
    for line in [
        "GET /v1/organization/usage/completions",
        "GET /v1/organization/projects/proj_1/rate_limits",
        "POST /organization/admin_api_keys",
        "GET /v1/%6frganization/costs",
        "GET /v1/models/../organization/costs",
    ] {
        let endpoint = classify(line);
        assert!(endpoint.admin_key, "{line}");
        assert_eq!(
            (endpoint.kind, endpoint.pacing),
            (K::Organization, Pacing::None)
        );
    }
    assert!(!classify("POST /v1/chat/completions").admin_key);
}

#[test]
fn a_disguised_path_does_not_evade_the_pacing() {
    for path in [
        "//v1//chat//completions",
        "/v1/chat/completions/",
        "/v1/./chat/completions",
        "/v1/models/../chat/completions",
        "/v1/ch%61t/completions",
        "/v1/chat%2Fcompletions",
        "/v1/models/%2e%2e/chat/completions",
        "/../v1/chat/completions",
        &format!(
            "/v1/chat/completions{}{}",
            "/a".repeat(20),
            "/..".repeat(20)
        ),
    ] {
        let endpoint = Endpoint::classify(&Method::POST, path);
        assert_eq!(endpoint.kind, K::ChatCompletions, "{path}");
        assert_eq!(endpoint.pacing, Pacing::RequestsAndTokens, "{path}");
    }
}

#[test]
fn work_that_nothing_here_sees_is_known_and_reading_is_none() {
    for line in [
        "POST /v1/batches",
        "POST /v1/messages/batches",
        "POST /v1/fine_tuning/jobs",
        "POST /v1/fine_tuning/jobs/ftjob-1/resume",
        "POST /v1/evals",
        "POST /v1/evals/eval_1/runs",
        "POST /v1/containers",
        "POST /v1/realtime/client_secrets",
        "POST /v1/realtime/calls",
        "POST /v1/threads/thread_1/runs",
        "PUT /v1/something/new",
        "POST /v1/CHAT/completions",
        "POST /v1/b%61tches/",
        "POST //v1//batches",
    ] {
        assert!(classify(line).unmetered, "{line}");
    }
    for line in [
        "POST /v1/chat/completions",
        "POST /v1/chat/completions/chatcmpl-1",
        "POST /v1/responses/resp_1/cancel",
        "POST /v1/messages/count_tokens",
        "POST /v1/videos",
        "POST /v1/files",
        "POST /v1/uploads/upload_1/parts",
        "POST /v1/containers/c_1/files",
        "POST /v1/vector_stores/vs_1/file_batches",
        "POST /v1/conversations",
        "GET /v1/batches",
        "HEAD /v1/something/new",
        "GET /v1/realtime",
        "DELETE /v1/evals/eval_1",
        "POST /v1/batches/batch_1/cancel",
        "POST /v1/messages/batches/msgbatch_1/cancel",
        "POST /v1/fine_tuning/jobs/ftjob-1/pause",
    ] {
        assert!(!classify(line).unmetered, "{line}");
    }
}

#[test]
fn an_azure_path_names_its_deployment() {
    let of = Endpoint::azure_deployment;
    assert_eq!(
        of("/openai/deployments/eu-4o/chat/completions"),
        Some("eu-4o")
    );
    assert_eq!(of("/openai/deployments//chat/completions"), None);
    assert_eq!(of("/openai/deployments/eu-4o"), None);
    assert_eq!(of("/v1/chat/completions"), None);
}

proptest! {
    #[test]
    fn any_path_is_classified(path in "(/|\\.\\.|%[0-9a-f]{0,2}|v1|chat|completions|openai|deployments|\\PC){0,12}") {
        let endpoint = Endpoint::classify(&Method::POST, &path);
        prop_assert!(endpoint.pacing == Pacing::None || endpoint.kind != K::Unknown);
    }
}
