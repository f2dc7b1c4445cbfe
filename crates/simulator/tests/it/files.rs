//! Uploads: exact bytes in, exact bytes out.

use serde_json::json;

use crate::client::{Call, start_default};

const BOUNDARY: &str = "----paceline0123456789";

fn form(path: &str, fields: &[(&str, &str)], filename: &str, content: &[u8]) -> Call {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    body.extend_from_slice(head.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    Call::new("POST", path)
        .header("content-type", &content_type)
        .body(body)
}

#[tokio::test]
async fn a_file_comes_back_byte_for_byte() {
    let simulator = start_default().await;
    let address = simulator.address();
    // Every byte value, line ends and things that look like a boundary among them.
    let mut content: Vec<u8> = (0..100_000_u32)
        .map(|index| (index * 7 % 256) as u8)
        .collect();
    content.extend_from_slice(b"\r\n------paceline\r\n--");
    let fields = [("purpose", "batch")];
    let file = form("/v1/files", &fields, "a.jsonl", &content)
        .send(address)
        .await
        .json();
    assert_eq!(file["bytes"], content.len());
    assert_eq!(
        (&file["filename"], &file["purpose"]),
        (&json!("a.jsonl"), &json!("batch"))
    );
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    assert_eq!(Call::get(&path).send(address).await.json(), file);
    assert_eq!(
        Call::get(&format!("{path}/content"))
            .send(address)
            .await
            .body,
        content
    );
    let list = Call::get("/v1/files?purpose=batch")
        .send(address)
        .await
        .json();
    assert_eq!(list["data"], json!([file]));
    let others = Call::get("/v1/files?purpose=vision")
        .send(address)
        .await
        .json();
    assert_eq!(others["data"], json!([]));
    assert_eq!(
        Call::new("DELETE", &path).send(address).await.json()["deleted"],
        true
    );
    assert_eq!(Call::get(&path).send(address).await.status, 404);
    assert_eq!(Call::new("DELETE", &path).send(address).await.status, 404);
}

#[tokio::test]
async fn the_same_bytes_twice_are_two_files() {
    let simulator = start_default().await;
    let upload = || form("/v1/files", &[("purpose", "batch")], "a", b"x").send(simulator.address());
    assert_ne!(upload().await.json()["id"], upload().await.json()["id"]);
}

#[tokio::test]
async fn a_form_without_its_parts_is_refused_with_their_names() {
    let simulator = start_default().await;
    let reply = form("/v1/files", &[], "a", b"x")
        .send(simulator.address())
        .await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["param"]),
        (400, &json!("purpose"))
    );
    let reply = Call::post("/v1/files", &json!({}))
        .send(simulator.address())
        .await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_transcription_follows_from_the_audio_in_every_format() {
    let simulator = start_default().await;
    let ask = |fields: Vec<(&'static str, &'static str)>, audio: &'static [u8]| {
        form("/v1/audio/transcriptions", &fields, "a.wav", audio).send(simulator.address())
    };
    let model = ("model", "gpt-4o-mini-transcribe");
    let json_reply = ask(vec![model], b"some audio").await.json();
    let text = json_reply["text"].as_str().unwrap().to_owned();
    let usage = &json_reply["usage"];
    assert_eq!(usage["output_tokens"], text.split(' ').count());
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap(),
    );
    let plain = ask(vec![model, ("response_format", "text")], b"some audio").await;
    assert_eq!(plain.text(), format!("{text}\n"));
    let subtitles = ask(vec![model, ("response_format", "vtt")], b"some audio").await;
    assert!(
        subtitles
            .text()
            .starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:00.100\n")
    );
    let events = ask(vec![model, ("stream", "true")], b"some audio")
        .await
        .events();
    let deltas = events
        .iter()
        .filter_map(|event| event["delta"].as_str())
        .collect::<String>();
    assert_eq!(deltas, text);
    assert_eq!(events.last().unwrap()["type"], "transcript.text.done");
    assert_ne!(ask(vec![model], b"other audio").await.json()["text"], text);
    let wrong = ask(vec![model, ("response_format", "html")], b"some audio").await;
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["code"]),
        (400, &json!("invalid_value"))
    );
}
