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
