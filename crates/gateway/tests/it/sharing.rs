//! Which calls share a pool is found out from the provider's answers.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http::Method;
use paceline_admin_api::PoolState;
use paceline_simulator::{PoolScope, Quota, Simulator};
use paceline_testkit::{Answer, Caller, TestGateway, chat};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::provider::settings;

const KEYS: [&str; 2] = ["Bearer sk-one", "Bearer sk-two"];

/// What a minute allows.
const TOKENS: u64 = 120_000;

/// A provider whose keys, or projects, share a bucket.
async fn provider(scope: PoolScope) -> Result<Simulator> {
    let mut settings = settings(vec![Quota::tokens_per_minute(TOKENS)]);
    settings.pool_scope = scope;
    settings.latency.first_token = Duration::from_millis(20);
    Ok(Simulator::start(settings).await?)
}

/// A chat call with these headers and no others.
async fn chat_as(caller: &Caller, headers: &[(&str, &str)], body: String) -> Result<Answer> {
    let request = caller.request(Method::POST, "/v1/chat/completions", headers, body)?;
    caller.send(request).await
}

/// Calls of one key, one after the other, until `end`; how many were answered.
async fn keep_calling(caller: Caller, key: &str, end: Instant) -> Result<u64> {
    let mut answered = 0;
    while Instant::now() < end {
        let answer = chat_as(&caller, &[("authorization", key)], chat(100, false)).await?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answered += 1;
    }
    Ok(answered)
}

/// The pools that serve something.
async fn in_use(gateway: &TestGateway) -> Result<Vec<PoolState>> {
    let pools = gateway.pools().await?.into_iter();
    Ok(pools.filter(|pool| !pool.serves.is_empty()).collect())
}

/// Two keys of one organization ask for more than is left, of which each thinks that it is its own.
async fn two_keys_at_the_limit(left: u64) -> Result<()> {
    let simulator = provider(PoolScope::Organization).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    // What is left is used up at once, so that both keys run at the limit from then on.
    let direct = Caller::new(simulator.address());
    assert_eq!(
        direct.chat(&[], chat(TOKENS - left, false)).await?.status,
        200
    );
    let end = Instant::now() + Duration::from_secs(5);
    let calls =
        (0..40).map(|index| tokio::spawn(keep_calling(gateway.caller(), KEYS[index % 2], end)));
    let mut answered = 0;
    for call in futures_util::future::join_all(calls).await {
        answered += call??;
    }
    // Two calls of each key are under way before the first answer tells whose limit it is.
    let refused = simulator.state().counters.refused_in_total();
    assert!(refused <= 2, "{refused}");
    // More calls than were left mean that the limit was reached.
    assert!(answered > left / 100, "{answered}");
    gateway.assert_settled_everywhere().await?;
    let pools = in_use(&gateway).await?;
    let [pool] = &pools[..] else {
        anyhow::bail!("not one pool but {pools:#?}")
    };
    assert_eq!(pool.serves.len(), 2, "{:?}", pool.serves);
    assert!(pool.serves.contains(&pool.name), "the name stays");
    assert!(
        pool.serves
            .iter()
            .all(|name| name.starts_with("gpt-4o-mini@"))
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_one_organization_come_to_use_one_pool() -> Result<()> {
    two_keys_at_the_limit(12_000).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_moves_when_pools_become_one_with_little_left() -> Result<()> {
    two_keys_at_the_limit(1_500).await
}

#[tokio::test]
async fn keys_of_different_projects_keep_pools_of_their_own() -> Result<()> {
    let simulator = provider(PoolScope::Project).await?;
    let gateway = TestGateway::start(simulator.address(), "")?;
    for _ in 0..3 {
        for (key, project) in KEYS.into_iter().zip(["alpha", "beta"]) {
            let headers = [("authorization", key), ("openai-project", project)];
            let answer = chat_as(&gateway.caller(), &headers, chat(100, false)).await?;
            assert_eq!(answer.status, 200);
        }
    }
    let pools = in_use(&gateway).await?;
    assert_eq!(pools.len(), 2, "{pools:#?}");
    assert!(pools.iter().all(|pool| pool.serves == [pool.name.clone()]));
    Ok(())
}

/// A provider that refuses the first call for each model, and long ones of `gpt-long`, by the name of a
/// limit, and answers all others.
async fn naming_provider() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut refused: Vec<String> = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let Ok(body) = read_body(&mut stream).await else {
                continue;
            };
            let model = body["model"].as_str().unwrap_or_default().to_owned();
            let is_long = body.to_string().len() > 2_000;
            let limit = match &*model {
                "gpt-long" if is_long => Some("gpt-long-context"),
                "gpt-a" | "gpt-b" => Some("gpt-family"),
                _ => None,
            };
            let limit = limit.filter(|_| !refused.contains(&model));
            drop(answer(&mut stream, &model, limit).await);
            refused.extend(limit.is_some().then_some(model));
        }
    });
    Ok(address)
}

async fn read_body(stream: &mut TcpStream) -> Result<serde_json::Value> {
    let mut bytes = Vec::new();
    loop {
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "closed");
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let Some(end) = text.find("\r\n\r\n") else {
            continue;
        };
        let length = text[..end].split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next());
        let length: usize = length.context("no length")?.trim().parse()?;
        if let Some(body) = bytes.get(end + 4..end + 4 + length) {
            return Ok(serde_json::from_slice(body)?);
        }
    }
}

async fn answer(stream: &mut TcpStream, model: &str, limit: Option<&str>) -> Result<()> {
    let (status, body) = match limit {
        Some(limit) => {
            let message = format!(
                "Rate limit reached for {model} (for limit {limit}) in organization org-a on tokens \
                 per min (TPM): Limit 600000, Used 600000, Requested 100. Please try again in 10ms."
            );
            let error = serde_json::json!({
                "message": message, "type": "tokens", "param": null, "code": "rate_limit_exceeded",
            });
            (
                "429 Too Many Requests",
                serde_json::json!({ "error": error }),
            )
        }
        None => (
            "200 OK",
            serde_json::json!({ "object": "chat.completion", "choices": [] }),
        ),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nopenai-organization: org-a\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await?;
    Ok(stream.shutdown().await?)
}

async fn call(gateway: &TestGateway, key: &str, model: &str, words: usize) -> Result<()> {
    let text = "word ".repeat(words);
    let body = serde_json::json!({
        "model": model, "max_tokens": 5, "messages": [{ "role": "user", "content": text }],
    });
    let headers = [("authorization", key)];
    let answer = chat_as(&gateway.caller(), &headers, body.to_string()).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(())
}

/// What each pool in use serves, without the hashes of keys, in order.
async fn served(gateway: &TestGateway) -> Result<Vec<Vec<String>>> {
    let model = |name: &String| match name.split_once('@') {
        Some((model, rest)) if rest.ends_with(" (long)") => format!("{model} (long)"),
        Some((model, _)) => model.to_owned(),
        None => name.clone(),
    };
    let pools = in_use(gateway).await?;
    let mut served: Vec<Vec<_>> = pools
        .iter()
        .map(|pool| pool.serves.iter().map(model).collect())
        .collect();
    served.sort();
    Ok(served)
}

#[tokio::test]
async fn models_that_are_refused_by_the_name_of_one_limit_share_a_pool() -> Result<()> {
    let gateway = TestGateway::start(naming_provider().await?, "")?;
    for model in ["gpt-a", "gpt-other"] {
        call(&gateway, KEYS[0], model, 1).await?;
    }
    assert_eq!(served(&gateway).await?, [["gpt-a"], ["gpt-other"]]);
    call(&gateway, KEYS[0], "gpt-b", 1).await?;
    let together = [vec!["gpt-a", "gpt-b"], vec!["gpt-other"]];
    assert_eq!(served(&gateway).await?, together);
    // Another key of the organization shares it as well.
    call(&gateway, KEYS[1], "gpt-other", 1).await?;
    call(&gateway, KEYS[1], "gpt-b", 1).await?;
    let together = [
        vec!["gpt-a", "gpt-b", "gpt-b"],
        vec!["gpt-other", "gpt-other"],
    ];
    assert_eq!(served(&gateway).await?, together);
    gateway.assert_settled_everywhere().await
}

#[tokio::test]
async fn only_long_requests_use_the_pool_of_a_long_context_limit() -> Result<()> {
    let gateway = TestGateway::start(naming_provider().await?, "")?;
    call(&gateway, KEYS[0], "gpt-long", 1).await?;
    assert_eq!(served(&gateway).await?, [["gpt-long"]]);
    call(&gateway, KEYS[0], "gpt-long", 500).await?;
    let apart = [vec!["gpt-long"], vec!["gpt-long (long)"]];
    assert_eq!(served(&gateway).await?, apart);
    let long = |pools: Vec<PoolState>| {
        let mut pools = pools.into_iter();
        let pool = pools.find(|pool| pool.name.starts_with("gpt-long-context@"));
        pool.map(|pool| (pool.tokens.settled, pool.episode.is_some()))
    };
    let (before, paused) = long(gateway.pools().await?).context("no pool of long requests")?;
    assert!(paused, "it is the one that was refused");
    call(&gateway, KEYS[0], "gpt-long", 1).await?;
    let after_short = long(gateway.pools().await?).context("no pool")?.0;
    assert_eq!(after_short, before);
    call(&gateway, KEYS[0], "gpt-long", 600).await?;
    assert!(long(gateway.pools().await?).context("no pool")?.0 > before);
    gateway.assert_settled_everywhere().await
}
