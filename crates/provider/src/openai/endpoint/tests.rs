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
fn googles_and_amazons_paths_are_known_by_their_action() {
    for (line, kind) in [
        (
            "POST /v1beta/models/gemini-3.5-flash:generateContent",
            K::GeminiGenerate,
        ),
        (
            "POST /v1/models/gemini-3.5-flash:streamGenerateContent",
            K::GeminiStream,
        ),
        (
            "POST /models/gemini-3.5-flash%3AgenerateContent",
            K::GeminiGenerate,
        ),
        (
            "POST /v1beta/tunedModels/mine-1:generateContent",
            K::GeminiGenerate,
        ),
        (
            "POST /v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
            K::GeminiStream,
        ),
        (
            "POST /v1/projects/p/locations/l/endpoints/123:generateContent",
            K::GeminiGenerate,
        ),
        (
            "POST /v1/projects/p/locations/l/endpoints/openapi/chat/completions",
            K::ChatCompletions,
        ),
        ("POST /v1beta/openai/embeddings", K::Embeddings),
        (
            "POST /v1beta/models/gemini-embedding-001:batchEmbedContents",
            K::GeminiEmbed,
        ),
        (
            "POST /model/amazon.nova-pro-v1%3A0/converse",
            K::BedrockConverse,
        ),
        (
            "POST /model/arn%3Aaws%3Abedrock%3Ax%2Fy/converse-stream",
            K::BedrockConverseStream,
        ),
        ("POST /model/m/invoke", K::BedrockInvoke),
        (
            "POST /model/m/invoke-with-response-stream",
            K::BedrockInvokeStream,
        ),
    ] {
        let endpoint = classify(line);
        assert_eq!(endpoint.kind, kind, "{line}");
        assert_eq!(endpoint.pacing, Pacing::RequestsAndTokens, "{line}");
    }
}

#[test]
fn counting_reading_and_what_is_not_known_there_is_not_paced() {
    for (line, kind, unmetered) in [
        (
            "POST /v1beta/models/gemini-3.5-flash:countTokens",
            K::GeminiCountTokens,
            false,
        ),
        ("POST /model/m/count-tokens", K::BedrockCountTokens, false),
        ("GET /v1beta/models/gemini-3.5-flash", K::Models, false),
        ("GET /v1beta/models", K::Models, false),
        (
            "POST /v1beta/models/veo:predictLongRunning",
            K::Unknown,
            true,
        ),
        (
            "POST /v1beta/models/gemini-3.5-flash:batchGenerateContent",
            K::Unknown,
            true,
        ),
        ("POST /model/m/async-invoke", K::Unknown, true),
        ("GET /model/m/converse", K::BedrockConverse, false),
    ] {
        let endpoint = classify(line);
        assert_eq!(
            (endpoint.kind, endpoint.unmetered),
            (kind, unmetered),
            "{line}"
        );
        assert_eq!(endpoint.pacing, Pacing::None, "{line}");
    }
}

#[test]
fn what_stands_below_the_version_is_the_same_everywhere() {
    for (path, below) in [
        ("/v1/models", "/models"),
        ("/v1", ""),
        ("/v10/models", "/v10/models"),
        ("/v1beta/openai/chat/completions", "/chat/completions"),
        (
            "/v1beta/models/g:generateContent",
            "/models/g:generateContent",
        ),
        (
            "/v1/projects/p/locations/l/publishers/google/models/g:countTokens",
            "/models/g:countTokens",
        ),
        (
            "/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
            "/chat/completions",
        ),
        (
            "/v1/projects/p/locations/l/endpoints/1:generateContent",
            "/endpoints/1:generateContent",
        ),
        ("/v1/projects", "/projects"),
        ("/model/m/converse", "/model/m/converse"),
    ] {
        assert_eq!(Endpoint::below_version(path), below, "{path}");
    }
}

#[test]
fn a_path_names_its_model() {
    let model = |path| Endpoint::model_in_path(path).map(std::borrow::Cow::into_owned);
    assert_eq!(
        model("/openai/deployments/gpt%204o/chat/completions").as_deref(),
        Some("gpt 4o")
    );
    assert_eq!(model("/models/g%3AgenerateContent").as_deref(), Some("g"));
    assert_eq!(
        model("/model/arn%3Aa%2Fb/converse").as_deref(),
        Some("arn:a/b")
    );
    for path in [
        "/v1/models/ft:gpt-4o:acme::1",
        "/model//converse",
        "/models/:generateContent",
        "/",
    ] {
        assert_eq!(model(path), None, "{path}");
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
    fn any_path_is_classified(path in "(/|\\.\\.|%[0-9a-f]{0,2}|v1|chat|completions|openai|deployments|models|model|projects|locations|publishers|:generateContent|\\PC){0,12}") {
        let endpoint = Endpoint::classify(&Method::POST, &path);
        prop_assert!(path.ends_with(Endpoint::below_version(&path)));
        let _ = Endpoint::model_in_path(&path);
        prop_assert!(endpoint.pacing == Pacing::None || endpoint.kind != K::Unknown);
    }
}
