//! Each endpoint's answer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use paceline_simulator::{OutputLength, SimulatorSettings};
use serde_json::{Value, json};

use crate::client::{Call, Reply, start, start_default};

async fn post(path: &str, body: &Value) -> Reply {
    let simulator = start_default().await;
    Call::post(path, body).send(simulator.address()).await
}

#[tokio::test]
async fn usage_adds_up_and_the_token_limit_cuts_the_answer() {
    let settings = SimulatorSettings {
        output_length: OutputLength::Exactly(50),
        ..Default::default()
    };
    let simulator = start(settings).await;
    let body = json!({
        "model": "gpt-4o", "n": 3, "max_completion_tokens": 20, "max_tokens": 1000,
        "messages": [
            {"role": "system", "content": "12345678"},
            {"role": "user", "name": "ann", "content": "123456789"},
        ],
    });
    let reply = Call::post("/v1/chat/completions", &body)
        .send(simulator.address())
        .await
        .json();
    // Texts of 2, 1 and 3 tokens; 3 for each message, 1 for the name, 3 for the answer's opening.
    let usage = &reply["usage"];
    assert_eq!(usage["prompt_tokens"], 6 + 6 + 1 + 3);
    assert_eq!(usage["completion_tokens"], 60);
    assert_eq!(usage["total_tokens"], 76);
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 0);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 0);
    let choices = reply["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 3);
    for choice in choices {
        assert_eq!(choice["finish_reason"], "length");
        assert_eq!(
            choice["message"]["content"]
                .as_str()
                .unwrap()
                .split(' ')
                .count(),
            20
        );
    }
    assert_ne!(choices[0]["message"], choices[1]["message"]);
}

#[tokio::test]
async fn completions_answer_every_prompt_n_times() {
    let body = json!({"model": "gpt-3.5-turbo-instruct", "prompt": ["a", "b"], "n": 2});
    let reply = post("/v1/completions", &body).await.json();
    assert_eq!(reply["object"], "text_completion");
    let indices: Vec<&Value> = reply["choices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| &choice["index"])
        .collect();
    assert_eq!(indices, [0, 1, 2, 3]);
    assert_eq!(reply["usage"]["prompt_tokens"], 2);
    let tokens = json!({"model": "gpt-3.5-turbo-instruct", "prompt": [1, 2, 3]});
    let reply = post("/v1/completions", &tokens).await.json();
    assert_eq!(reply["choices"].as_array().unwrap().len(), 1);
    assert_eq!(reply["usage"]["prompt_tokens"], 3);
}

#[tokio::test]
async fn embeddings_are_the_same_as_floats_and_as_base64() {
    let body = |format: &str| {
        json!({
            "model": "text-embedding-3-small", "input": ["one text", "another"],
            "encoding_format": format, "dimensions": 64,
        })
    };
    let floats = post("/v1/embeddings", &body("float")).await.json();
    let encoded = post("/v1/embeddings", &body("base64")).await.json();
    for index in 0..2 {
        let item = &floats["data"][index];
        assert_eq!(item["index"], index);
        let vector: Vec<f32> = serde_json::from_value(item["embedding"].clone()).unwrap();
        assert_eq!(vector.len(), 64);
        let length: f32 = vector.iter().map(|part| part * part).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        let text = encoded["data"][index]["embedding"].as_str().unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        let decoded: Vec<f32> = bytes
            .chunks(4)
            .map(|part| f32::from_le_bytes(part.try_into().unwrap()))
            .collect();
        assert_eq!(decoded, vector);
    }
    assert_ne!(floats["data"][0], floats["data"][1]);
    assert_eq!(
        floats["usage"],
        json!({"prompt_tokens": 4, "total_tokens": 4})
    );
}

#[tokio::test]
async fn embeddings_take_texts_and_tokens_in_every_shape() {
    let shapes = [
        (json!("abcdefgh"), 1, 2),
        (json!(["abcd", "efgh", "ijkl"]), 3, 3),
        (json!([1, 2, 3, 4]), 1, 4),
        (json!([[1, 2], [3]]), 2, 3),
    ];
    for (input, items, tokens) in shapes {
        let body = json!({"model": "text-embedding-3-large", "input": input});
        let reply = post("/v1/embeddings", &body).await.json();
        assert_eq!(reply["data"].as_array().unwrap().len(), items);
        assert_eq!(
            reply["data"][0]["embedding"].as_array().unwrap().len(),
            3_072
        );
        assert_eq!(reply["usage"]["prompt_tokens"], tokens);
    }
}

#[tokio::test]
async fn moderations_flag_what_names_a_category() {
    let body = json!({"input": ["a garden", "so much violence"]});
    let reply = post("/v1/moderations", &body).await.json();
    assert_eq!(reply["model"], "omni-moderation-latest");
    assert_eq!(reply["results"][0]["flagged"], false);
    assert_eq!(reply["results"][1]["flagged"], true);
    assert_eq!(reply["results"][1]["categories"]["violence"], true);
    assert!(
        reply["results"][1]["category_scores"]["violence"]
            .as_f64()
            .unwrap()
            > 0.8
    );
    assert!(
        reply["results"][1]["category_scores"]["hate"]
            .as_f64()
            .unwrap()
            < 0.01
    );
}

#[tokio::test]
async fn images_come_as_addresses_or_as_pictures() {
    let by_url = json!({"model": "dall-e-3", "prompt": "a house", "n": 2});
    let reply = post("/v1/images/generations", &by_url).await.json();
    assert_eq!(reply["data"].as_array().unwrap().len(), 2);
    assert!(
        reply["data"][0]["url"]
            .as_str()
            .unwrap()
            .starts_with("https://")
    );
    let inline = json!({"model": "gpt-image-1", "prompt": "a house"});
    let reply = post("/v1/images/generations", &inline).await.json();
    let picture = STANDARD
        .decode(reply["data"][0]["b64_json"].as_str().unwrap())
        .unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
    let usage = &reply["usage"];
    let sum = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
}

#[tokio::test]
async fn speech_is_binary_and_always_the_same() {
    let body = json!({"model": "gpt-4o-mini-tts", "voice": "alloy", "input": "Hello"});
    let one = post("/v1/audio/speech", &body).await;
    assert_eq!(one.header("content-type"), Some("audio/mpeg"));
    assert_eq!(one.body.len(), 5 * 256);
    assert_eq!(post("/v1/audio/speech", &body).await.body, one.body);
}

#[tokio::test]
async fn models_are_listed_and_found_one_by_one() {
    let simulator = start_default().await;
    let list = Call::get("/v1/models")
        .send(simulator.address())
        .await
        .json();
    let first = &list["data"][0];
    assert_eq!(list["object"], "list");
    let path = format!("/v1/models/{}", first["id"].as_str().unwrap());
    assert_eq!(
        &Call::get(&path).send(simulator.address()).await.json(),
        first
    );
    let missing = Call::get("/v1/models/model-does-not-exist")
        .send(simulator.address())
        .await;
    assert_eq!(
        (missing.status, &missing.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
}

#[tokio::test]
async fn every_answer_says_who_gave_it() {
    let settings = SimulatorSettings {
        project: Some("proj_default".to_owned()),
        ..Default::default()
    };
    let simulator = start(settings).await;
    let one = Call::get("/v1/models").send(simulator.address()).await;
    let other = Call::get("/v1/models").header("openai-project", "proj_mine");
    let other = other.send(simulator.address()).await;
    assert_eq!(one.header("openai-organization"), Some("org-simulator"));
    assert_eq!(one.header("openai-project"), Some("proj_default"));
    assert_eq!(other.header("openai-project"), Some("proj_mine"));
    assert_eq!(one.header("openai-version"), Some("2020-10-01"));
    assert!(
        one.header("openai-processing-ms")
            .unwrap()
            .parse::<u64>()
            .is_ok()
    );
    assert!(one.header("x-request-id").unwrap().starts_with("req_"));
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
    assert!(one.header("date").is_some());
}
