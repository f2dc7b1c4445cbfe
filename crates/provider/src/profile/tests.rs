use super::{Dialect, Expected, KeyHeader, Known, Profile};
use crate::{EndpointKind, RequestFacts, Usage};
use std::collections::HashSet;

#[test]
fn names_are_unique_and_found() {
    let mut names = HashSet::new();
    for profile in Profile::ALL {
        assert!(names.insert(profile.name), "{}", profile.name);
        assert_eq!(Profile::named(profile.name), Some(profile));
    }
    assert_eq!(Profile::ALL.len(), 17);
    assert_eq!(Profile::named("compatible"), Some(Profile::COMPATIBLE));
}

#[test]
fn a_bare_base_url_finds_its_profile() {
    for (host, name) in [
        ("api.openai.com", "openai"),
        ("eu.api.openai.com", "openai"),
        ("API.Anthropic.com.", "anthropic"),
        ("api.anthropic.com:443", "anthropic"),
        ("acme.openai.azure.com", "azure"),
        ("acme.services.ai.azure.com", "azure"),
        ("bedrock-runtime.eu-west-1.amazonaws.com", "bedrock"),
        ("europe-west4-aiplatform.googleapis.com", "vertex"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("api.together.xyz", "together"),
    ] {
        let found = Profile::for_host(host).map(|profile| profile.name);
        assert_eq!(found, Some(name), "{host}");
    }
    for host in [
        "example.com",
        ".openai.azure.com",
        "evil-api.openai.com.org",
        "",
        "[::1]:80",
    ] {
        assert_eq!(Profile::for_host(host), None, "{host}");
    }
}

#[test]
fn the_default_base_url_leads_to_its_own_profile() {
    for profile in Profile::ALL {
        let Some(url) = profile.base_url else {
            continue;
        };
        let (host, path) = url
            .strip_prefix("https://")
            .unwrap()
            .split_once('/')
            .unwrap();
        let path = format!("/{path}");
        assert_eq!(Profile::for_base_url(host, &path), profile);
        assert_eq!(profile.base_path("/", None), path, "{}", profile.name);
        assert_eq!(profile.base_path(&path, None), path);
    }
    let vertex = "/v1/projects/p/locations/l/endpoints/openapi";
    assert_eq!(
        Profile::for_base_url("aiplatform.googleapis.com", vertex),
        Profile::COMPATIBLE
    );
}

#[test]
fn keys_go_where_the_provider_looks() {
    let header = |name: &str| Profile::named(name).unwrap().key;
    assert_eq!(header("groq").value("k"), "Bearer k");
    assert_eq!(header("azure").name(), "api-key");
    assert_eq!(header("anthropic"), KeyHeader::XApiKey);
    assert_eq!(header("gemini").value("k"), "k");
}

#[test]
fn paths_name_what_the_provider_wants_there() {
    use EndpointKind as K;
    for (name, kind, below, model, version, path) in [
        (
            "openai",
            K::ChatCompletions,
            "/chat/completions",
            "m",
            None,
            "/chat/completions",
        ),
        (
            "azure",
            K::ChatCompletions,
            "/chat/completions",
            "gpt 4o",
            Some("2024-10-21"),
            "/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21",
        ),
        (
            "azure",
            K::Files,
            "/files?limit=2",
            "",
            Some("2024-10-21"),
            "/openai/files?limit=2&api-version=2024-10-21",
        ),
        (
            "azure",
            K::ChatCompletions,
            "/chat/completions",
            "gpt-4o",
            None,
            "/chat/completions",
        ),
        (
            "anthropic",
            K::Messages,
            "/messages?beta=true",
            "m",
            None,
            "/messages?beta=true",
        ),
        (
            "gemini",
            K::GeminiGenerate,
            "/models/x:generateContent",
            "models/g-3",
            None,
            "/models/g-3:generateContent",
        ),
        (
            "vertex",
            K::GeminiStream,
            "/models/x:streamGenerateContent?alt=sse",
            "g",
            None,
            "/models/g:streamGenerateContent?alt=sse",
        ),
        (
            "bedrock",
            K::BedrockConverse,
            "/model/x/converse",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x-v1:0",
            None,
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.x-v1%3A0/converse",
        ),
        (
            "bedrock",
            K::BedrockConverse,
            "/model/x%3A0/converse",
            "",
            None,
            "/model/x%3A0/converse",
        ),
    ] {
        let profile = Profile::named(name).unwrap();
        assert_eq!(profile.upstream_path(kind, below, model, version), path);
    }
}

#[test]
fn a_bare_base_url_is_completed() {
    let azure = Profile::named("azure").unwrap();
    assert_eq!(azure.base_path("", None), "/openai/v1");
    assert_eq!(Profile::COMPATIBLE.base_path("/", None), "");
    assert_eq!(azure.base_path("/openai/v1/", Some("2024-10-21")), "");
}

#[test]
fn kinds_of_calls_have_their_dialect() {
    use EndpointKind as K;
    assert_eq!(K::Messages.dialect(), Some(Dialect::Anthropic));
    assert_eq!(K::Embeddings.dialect(), Some(Dialect::OpenAi));
    assert_eq!(K::GeminiEmbed.dialect(), Some(Dialect::Gemini));
    assert_eq!(K::BedrockInvoke.dialect(), Some(Dialect::Bedrock));
    assert_eq!(K::Models.dialect(), None);
}

const EXPECTED: Expected = Expected {
    input_tokens: 1_000,
    output_tokens: 300,
    model_output_max: Some(8_192),
    context_max: Some(32_768),
};

/// Forty characters of text, so ten tokens by OpenAI's rule.
fn tokens(profile: &str, rest: &str) -> u64 {
    let text = "x".repeat(40);
    let body =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]{rest}}}"#);
    let facts = RequestFacts::parse(EndpointKind::ChatCompletions, body.as_bytes()).unwrap();
    let charges = Profile::named(profile).unwrap().charge(&facts, &EXPECTED);
    assert_eq!(charges.requests, 1);
    charges.tokens
}

#[test]
fn each_provider_deducts_by_its_own_formula() {
    let with_max = r#","max_tokens":500,"n":2"#;
    for (profile, unset, set) in [
        ("openai", 10, 1_000),
        ("azure", 10 + 8_192, 10 + 1_000),
        ("anthropic", 1_300, 1_300),
        ("gemini", 1_000, 1_000),
        ("bedrock", 1_000 + 8_192, 2_000),
        ("cerebras", 32_768, 2_000),
        ("compatible", 10, 1_000),
    ] {
        let charged = (tokens(profile, ""), tokens(profile, with_max));
        assert_eq!(charged, (unset, set), "{profile}");
    }
}

#[test]
fn output_that_is_expected_is_never_more_than_is_allowed() {
    let body = r#"{"model":"m","messages":[],"max_tokens":7}"#;
    let facts = RequestFacts::parse(EndpointKind::Messages, body.as_bytes()).unwrap();
    let anthropic = Profile::named("anthropic").unwrap();
    let charges = anthropic.charge(&facts, &EXPECTED);
    assert_eq!((charges.input_tokens, charges.output_tokens), (1_000, 7));
}

#[test]
fn what_counts_in_the_end_leaves_out_what_the_provider_leaves_out() {
    let usage = Usage {
        input_tokens: 1_000,
        cached_input_tokens: 600,
        cache_write_tokens: 100,
        output_tokens: 50,
        ..Usage::default()
    };
    for (profile, model, tokens, input_tokens) in [
        ("openai", "gpt-5.6-luna", 1_050, 1_000),
        ("xai", "grok-4.7", 1_050, 1_000),
        ("anthropic", "claude-haiku-4-5", 450, 400),
        ("anthropic", "claude-3-5-haiku-20241022", 1_050, 1_000),
        ("gemini", "gemini-3.5-flash", 1_000, 1_000),
        ("groq", "llama-3.3-70b-versatile", 450, 400),
        (
            "bedrock",
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            400 + 250,
            400,
        ),
        ("bedrock", "anthropic.claude-opus-4-8-v1:0", 400 + 750, 400),
        ("bedrock", "anthropic.claude-opus-5-v1:0", 400 + 500, 400),
        (
            "bedrock",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            450,
            400,
        ),
        ("bedrock", "amazon.nova-pro-v1:0", 450, 400),
    ] {
        let used = Profile::named(profile).unwrap().used(model, &usage);
        assert_eq!(
            (used.tokens, used.input_tokens),
            (tokens, input_tokens),
            "{profile} {model}"
        );
        assert_eq!((used.requests, used.output_tokens), (1, 50));
    }
}

#[test]
fn what_is_not_known_says_so() {
    assert_eq!(Known::<bool>::Unknown.value(), None);
    assert_eq!(Known::<bool>::Unknown.evidence(), "unknown");
    assert_eq!(Known::Measured(true).evidence(), "measured");
    assert_eq!(Profile::COMPATIBLE.failures_count, Known::Unknown);
}

#[test]
fn a_charge_saturates() {
    let body = r#"{"model":"m","messages":[],"max_tokens":100000000,"n":1024}"#;
    let facts = RequestFacts::parse(EndpointKind::ChatCompletions, body.as_bytes()).unwrap();
    let expected = Expected {
        input_tokens: u64::MAX,
        output_tokens: u64::MAX,
        model_output_max: Some(u64::MAX),
        context_max: Some(0),
    };
    let usage = Usage {
        input_tokens: u64::MAX,
        output_tokens: u64::MAX,
        ..Usage::default()
    };
    for profile in Profile::ALL {
        let _ = profile.charge(&facts, &expected);
        assert_eq!(profile.used("claude-opus-5", &usage).tokens, u64::MAX);
    }
}
