//! A realtime session: what the caller's events do, and the events that answer them.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::sleep;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message},
};

use super::events;
use crate::{
    answer::{Pace, Rhythm},
    charge::RequestSize,
    content::{self, Digest},
    court::{Party, Ticket, Usage, Verdict},
    enforcer::{QuotaLevel, Refusal},
    json::{Json, object},
    prompt::Prompt,
    provider::{Provider, Seal},
    refusal::{ApiError, rate_limit_error},
    simulator::Line,
};

/// A session and its conversation.
pub(super) struct Session {
    provider: Arc<Provider>,
    party: Party,
    socket: WebSocketStream<TokioIo<Upgraded>>,
    /// What the caller has set, as it set it.
    settings: serde_json::Map<String, Value>,
    /// The size of all items, those of earlier answers included.
    conversation: Prompt,
    /// Identifies all that the caller has sent.
    digest: Digest,
    events: u64,
}

impl Session {
    pub(super) fn new(
        provider: Arc<Provider>,
        party: Party,
        socket: WebSocketStream<TokioIo<Upgraded>>,
    ) -> Self {
        let mut digest = provider.digest();
        digest.add(party.model.as_bytes());
        Self {
            provider,
            party,
            socket,
            settings: serde_json::Map::new(),
            conversation: Prompt::default(),
            digest,
            events: 0,
        }
    }

    /// Serves the session until either side ends it.
    pub(super) async fn serve(mut self, mut line: Line) {
        tokio::select! {
            // Whatever ended the session, all that is left to do is to close it.
            _ = self.run() => {}
            () = line.ending() => {}
        }
        // The other side may be gone already.
        let _ = self.socket.close(None).await;
    }

    async fn run(&mut self) -> Result<(), Error> {
        let session = self.session_json();
        self.send("session.created", object! { "session": session })
            .await?;
        while let Some(message) = self.socket.next().await {
            match message? {
                Message::Text(text) => self.receive(text.as_str()).await?,
                Message::Binary(_) => {
                    self.complain(None, "Binary messages are not accepted.")
                        .await?;
                }
                Message::Close(_) => return Ok(()),
                // Answered by the WebSocket itself.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(())
    }

    async fn receive(&mut self, text: &str) -> Result<(), Error> {
        let Ok(event) = serde_json::from_str::<Value>(text) else {
            return self.complain(None, "The message is not valid JSON.").await;
        };
        self.digest.add(text.as_bytes());
        match event
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
        {
            "session.update" => {
                if let Some(Value::Object(changes)) = event.get("session") {
                    self.settings.extend(changes.clone());
                }
                let session = self.session_json();
                self.send("session.updated", object! { "session": session })
                    .await
            }
            "conversation.item.create" => self.add_item(&event).await,
            "response.create" => self.respond(&event).await,
            // Audio is taken and not listened to.
            "input_audio_buffer.append" => Ok(()),
            "input_audio_buffer.commit" => {
                let item_id = self.seal().part_id("item_", self.events);
                self.send(
                    "input_audio_buffer.committed",
                    object! { "item_id": item_id },
                )
                .await
            }
            "input_audio_buffer.clear" => {
                self.send("input_audio_buffer.cleared", Json::Object(Vec::new()))
                    .await
            }
            other => {
                let message = format!("Invalid value: '{other}' for 'type'.");
                self.complain(event.get("event_id"), &message).await
            }
        }
    }

    async fn add_item(&mut self, event: &Value) -> Result<(), Error> {
        let Some(Value::Object(item)) = event.get("item") else {
            return self
                .complain(event.get("event_id"), "Missing required parameter: 'item'.")
                .await;
        };
        let mut item = item.clone();
        let size = Prompt::of_chat(&[Value::Object(item.clone())], None);
        self.conversation.characters += size.characters;
        self.conversation.tokens += size.tokens;
        let id = self.seal().part_id("item_", self.events);
        item.entry("id").or_insert_with(|| id.into());
        item.insert("object".to_owned(), "realtime.item".into());
        item.insert("status".to_owned(), "completed".into());
        for kind in ["conversation.item.added", "conversation.item.done"] {
            self.send(kind, object! { "item": Value::Object(item.clone()) })
                .await?;
        }
        Ok(())
    }

    async fn respond(&mut self, event: &Value) -> Result<(), Error> {
        let order = event.get("response").unwrap_or(&Value::Null);
        let asked = order
            .get("max_output_tokens")
            .or_else(|| self.settings.get("max_output_tokens"));
        // Instead of a number, the limit may be the word `inf`.
        let max_tokens = asked.and_then(Value::as_u64);
        let size = RequestSize {
            characters: self.conversation.characters,
            max_tokens,
            choices: 1,
            images: 0,
        };
        let settings = self.provider.settings();
        let charge = settings
            .charge_formula
            .charge(&size, settings.default_max_tokens);
        let seal = self.seal();
        let response = Response {
            id: seal.id("resp_"),
            item_id: seal.part_id("item_", 0),
            max_tokens,
        };
        self.send(
            "response.created",
            response.json("in_progress", Json::Null, None, None),
        )
        .await?;
        match self.provider.court().admit(self.party.clone(), &charge) {
            Verdict::Admitted(ticket, levels) => self.answer(response, ticket, &levels).await,
            Verdict::Refused(refusal, _) => self.refuse(&response, &refusal).await,
        }
    }

    async fn refuse(&mut self, response: &Response, refusal: &Refusal) -> Result<(), Error> {
        let organization = &self.provider.settings().organization;
        let error = rate_limit_error(refusal, &self.party.model, organization);
        let details = events::failure(&error);
        self.send(
            "response.done",
            response.json("failed", details, None, None),
        )
        .await
    }

    async fn answer(
        &mut self,
        response: Response,
        mut ticket: Ticket,
        levels: &[QuotaLevel],
    ) -> Result<(), Error> {
        self.send("rate_limits.updated", events::rate_limits(levels))
            .await?;
        let digest = self.digest.value();
        let limit = response.max_tokens.unwrap_or(u64::MAX);
        let (count, was_cut) = self.provider.output_tokens(digest, limit);
        let prompt = self.conversation.tokens;
        let usage = Usage {
            prompt,
            completion: count,
            ..Usage::default()
        };
        ticket.used(Usage {
            completion: 0,
            ..usage
        });
        let rhythm = Rhythm::draw(&self.provider.settings().latency, digest);
        let tokens = content::tokens(digest, count);
        let text = tokens.concat();
        self.open_item(&response).await?;
        let mut pace = Pace::FirstToken;
        for token in tokens {
            sleep(rhythm.before(pace)).await;
            pace = Pace::NextToken;
            ticket.produced(1);
            let delta = response
                .place()
                .with("content_index", 0_u64)
                .with("delta", token);
            self.send("response.output_text.delta", delta).await?;
        }
        let status = if was_cut { "incomplete" } else { "completed" };
        self.close_item(&response, status, &text).await?;
        let said = Prompt::of_text(&text);
        self.conversation.characters += said.characters;
        self.conversation.tokens += count;
        // Whoever has seen the end of a response finds its tokens settled.
        ticket.used(usage);
        ticket.served();
        let done = response.json(status, Json::Null, Some(&usage), Some(&text));
        self.send("response.done", done).await
    }

    async fn open_item(&mut self, response: &Response) -> Result<(), Error> {
        let item = events::item(&response.item_id, "in_progress", None);
        let added =
            object! { "response_id": response.id.as_str(), "output_index": 0_u64, "item": item };
        self.send("response.output_item.added", added).await?;
        let part = response
            .place()
            .with("content_index", 0_u64)
            .with("part", events::text_part(""));
        self.send("response.content_part.added", part).await
    }

    async fn close_item(
        &mut self,
        response: &Response,
        status: &str,
        text: &str,
    ) -> Result<(), Error> {
        let place = || response.place().with("content_index", 0_u64);
        self.send("response.output_text.done", place().with("text", text))
            .await?;
        let part = place().with("part", events::text_part(text));
        self.send("response.content_part.done", part).await?;
        let item = events::item(&response.item_id, status, Some(text));
        let done =
            object! { "response_id": response.id.as_str(), "output_index": 0_u64, "item": item };
        self.send("response.output_item.done", done).await
    }

    /// Sends an event: its type and number go first.
    async fn send(&mut self, kind: &str, members: Json) -> Result<(), Error> {
        let id = self.seal().part_id("event_", self.events.rotate_left(8));
        self.events += 1;
        let mut all = vec![("type", Json::from(kind)), ("event_id", id.into())];
        if let Json::Object(members) = members {
            all.extend(members);
        }
        let text = String::from_utf8_lossy(&Json::Object(all).to_vec()).into_owned();
        self.socket.send(Message::text(text)).await
    }

    /// Reports an event that was not understood.
    async fn complain(&mut self, event_id: Option<&Value>, message: &str) -> Result<(), Error> {
        let error = ApiError::invalid(message).code("invalid_value");
        let inner = error
            .inner()
            .with("event_id", event_id.cloned().unwrap_or(Value::Null));
        self.send("error", object! { "error": inner }).await
    }

    fn session_json(&self) -> Json {
        let seal = self.seal();
        let mut session = serde_json::Map::new();
        session.insert("type".to_owned(), "realtime".into());
        session.insert("object".to_owned(), "realtime.session".into());
        session.insert("id".to_owned(), seal.part_id("sess_", 0).into());
        session.insert("model".to_owned(), (*self.party.model).into());
        session.insert("output_modalities".to_owned(), vec!["text"].into());
        session.insert("max_output_tokens".to_owned(), "inf".into());
        session.extend(self.settings.clone());
        Json::Taken(Value::Object(session))
    }

    fn seal(&self) -> Seal {
        self.provider.seal(self.digest.value())
    }
}

/// A response in the making.
struct Response {
    id: String,
    item_id: String,
    max_tokens: Option<u64>,
}

impl Response {
    fn json(&self, status: &str, details: Json, usage: Option<&Usage>, text: Option<&str>) -> Json {
        let output = text.map(|text| events::item(&self.item_id, status, Some(text)));
        let response = object! {
            "object": "realtime.response",
            "id": self.id.as_str(),
            "status": status,
            "status_details": details,
            "output": output.into_iter().collect::<Vec<_>>(),
            "output_modalities": vec!["text"],
            "max_output_tokens": self.max_tokens,
            "usage": usage.map(events::usage),
            "metadata": Json::Null,
        };
        object! { "response": response }
    }

    fn place(&self) -> Json {
        object! {
            "response_id": self.id.as_str(),
            "item_id": self.item_id.as_str(),
            "output_index": 0_u64,
        }
    }
}
