//! Realtime sessions over a WebSocket.

use futures_util::{SinkExt as _, StreamExt as _};
use paceline_simulator::{
    EnforcerSettings, Metric, OutputLength, Quota, Simulator, SimulatorSettings,
};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::client::{Call, start};

fn settings(tokens: u64) -> SimulatorSettings {
    let quotas = vec![
        Quota::bucket(Metric::Tokens, tokens, Quota::DAY_MS),
        Quota::bucket(Metric::Requests, 100, Quota::DAY_MS),
    ];
    SimulatorSettings {
        limits: EnforcerSettings {
            quotas,
            refund: true,
            ..Default::default()
        },
        output_length: OutputLength::Exactly(3),
        ..Default::default()
    }
}

struct Client(WebSocketStream<TcpStream>);

async fn connect(simulator: &Simulator, header: (&'static str, &str)) -> Result<Client, Error> {
    let address = simulator.address();
    let url = format!("ws://{address}/v1/realtime?model=gpt-realtime");
    let mut request = url.into_client_request()?;
    request
        .headers_mut()
        .insert(header.0, HeaderValue::from_str(header.1).unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    client_async(request, stream)
        .await
        .map(|(socket, _)| Client(socket))
}

impl Client {
    async fn open(simulator: &Simulator) -> Self {
        connect(simulator, ("authorization", "Bearer sk-test"))
            .await
            .unwrap()
    }

    async fn tell(&mut self, event: Value) {
        self.0.send(Message::text(event.to_string())).await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let message = self.0.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn hear_until(&mut self, last: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            events.push(self.hear().await);
            if events.last().unwrap()["type"] == last {
                return events;
            }
        }
    }

    async fn say(&mut self, text: &str) {
        let content = json!([{"type": "input_text", "text": text}]);
        let item = json!({"type": "message", "role": "user", "content": content});
        self.tell(json!({"type": "conversation.item.create", "item": item}))
            .await;
        let events = self.hear_until("conversation.item.done").await;
        assert_eq!(events[0]["item"]["content"][0]["text"], text);
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_response_is_streamed_with_limits_first_and_usage_last() {
    let simulator = start(settings(1_000)).await;
    let mut client = Client::open(&simulator).await;
    let created = client.hear().await;
    assert_eq!(created["type"], "session.created");
    assert_eq!(created["session"]["model"], "gpt-realtime");
    client
        .tell(json!({"type": "session.update", "session": {"max_output_tokens": 200}}))
        .await;
    assert_eq!(client.hear().await["session"]["max_output_tokens"], 200);
    client.say("12345678").await;
    client.tell(json!({"type": "response.create"})).await;
    let events = client.hear_until("response.done").await;
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "rate_limits.updated",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.done",
        ]
    );
    // The limit of the answer is reserved when the response starts.
    let limits = &events[1]["rate_limits"];
    assert_eq!(
        (&limits[0]["name"], &limits[0]["remaining"]),
        (&json!("requests"), &json!(99))
    );
    assert_eq!(
        (&limits[1]["name"], &limits[1]["remaining"]),
        (&json!("tokens"), &json!(800))
    );
    let done = &events.last().unwrap()["response"];
    assert_eq!(done["status"], "completed");
    let usage = &done["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"]),
        (&json!(8), &json!(3))
    );
    assert_eq!(usage["total_tokens"], 11);
    // And corrected when it is done.
    assert_eq!(simulator.state().pools[0].quotas[0].used, 11);
    // The next response has the conversation in its prompt.
    client.tell(json!({"type": "response.create"})).await;
    let events = client.hear_until("response.done").await;
    assert_eq!(
        events.last().unwrap()["response"]["usage"]["input_tokens"],
        11
    );
}

#[tokio::test]
async fn a_response_over_the_limit_fails_with_the_full_message() {
    let simulator = start(settings(100)).await;
    let mut client = Client::open(&simulator).await;
    client.hear().await;
    let order = json!({"type": "response.create", "response": {"max_output_tokens": 101}});
    client.tell(order).await;
    let events = client.hear_until("response.done").await;
    assert_eq!(kinds(&events), ["response.created", "response.done"]);
    let response = &events[1]["response"];
    assert_eq!(response["status"], "failed");
    assert_eq!(
        response["status_details"]["error"]["code"],
        "rate_limit_exceeded"
    );
    let message = response["status_details"]["error"]["message"]
        .as_str()
        .unwrap();
    assert!(
        message.starts_with("Request too large for gpt-realtime"),
        "{message}"
    );
}

#[tokio::test]
async fn an_event_that_is_not_understood_is_an_error_and_the_session_goes_on() {
    let simulator = start(settings(100)).await;
    let mut client = Client::open(&simulator).await;
    client.hear().await;
    client
        .tell(json!({"type": "no.such", "event_id": "mine"}))
        .await;
    let error = client.hear().await;
    assert_eq!(
        (&error["type"], &error["error"]["event_id"]),
        (&json!("error"), &json!("mine"))
    );
    client.0.send(Message::text("{")).await.unwrap();
    assert_eq!(client.hear().await["type"], "error");
    client
        .tell(json!({"type": "input_audio_buffer.commit"}))
        .await;
    assert_eq!(client.hear().await["type"], "input_audio_buffer.committed");
    client
        .0
        .send(Message::Ping(b"x".to_vec().into()))
        .await
        .unwrap();
    assert_eq!(
        client.0.next().await.unwrap().unwrap(),
        Message::Pong(b"x".to_vec().into())
    );
}

#[tokio::test]
async fn a_session_opens_only_with_a_key() {
    let simulator = start(settings(100)).await;
    let refused = connect(&simulator, ("authorization", "Bearer sk-invalid")).await;
    let Err(Error::Http(response)) = refused.map(|_| ()) else {
        panic!("opened")
    };
    assert_eq!(response.status(), 401);
    let protocols = "realtime, openai-insecure-api-key.sk-test";
    let mut client = connect(&simulator, ("sec-websocket-protocol", protocols))
        .await
        .unwrap();
    assert_eq!(client.hear().await["type"], "session.created");
    let plain = Call::get("/v1/realtime?model=gpt-realtime")
        .send(simulator.address())
        .await;
    assert_eq!(plain.status, 404);
}

#[tokio::test]
async fn a_shutdown_closes_sessions() {
    let simulator = start(settings(100)).await;
    let mut client = Client::open(&simulator).await;
    client.hear().await;
    let closing = tokio::spawn(simulator.shutdown());
    let last = client.0.next().await.unwrap().unwrap();
    assert!(matches!(last, Message::Close(_)), "{last:?}");
    closing.await.unwrap();
}
