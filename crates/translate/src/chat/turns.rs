//! The messages of a chat completions request, as turns.

use super::content::{call, file, image, need_nothing, only_texts, text_unless_empty};
use crate::conversation::{CallResult, Conversation, Part, Piece, Role};
use crate::error::RequestError;
use crate::json::{Object, Place, as_list, as_text};
use crate::options::LateSystem;
use serde_json::value::RawValue;

/// Reads the messages in their order; neighbours of one side become one turn.
pub(crate) fn read_messages<'a>(
    messages: &[&'a RawValue],
    late_system: LateSystem,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    let list_place = Place::Root.field("messages");
    for (index, raw) in messages.iter().enumerate() {
        let place = list_place.item(index);
        let mut message = Object::read(raw, &place)?;
        let role = message.need_text("role")?;
        match role.as_ref() {
            "system" | "developer" => {
                refuse_name(&mut message)?;
                let pieces = system_text(&mut message)?;
                add_system(pieces, &place, late_system, conversation)?;
            }
            "user" => {
                refuse_name(&mut message)?;
                let pieces = user_content(&mut message)?;
                if pieces.is_empty() {
                    return Err(empty(&place));
                }
                conversation.say(Role::User, pieces);
            }
            "assistant" => {
                refuse_name(&mut message)?;
                let pieces = assistant_content(&mut message)?;
                conversation.say(Role::Assistant, pieces);
            }
            "tool" => {
                message.take("name");
                let result = tool_result(&mut message)?;
                conversation.say(Role::User, vec![result]);
            }
            "function" => {
                return Err(place.field("role").refuse(
                    "it is the older form of tool messages",
                    "use the role tool, with tool_call_id",
                ));
            }
            _ => {
                let expected = "one of system, developer, user, assistant, tool";
                return Err(place.field("role").malformed(expected));
            }
        }
        message.end(&[])?;
    }
    if conversation.turns.is_empty() {
        return Err(list_place.refuse(
            "Anthropic's API needs a message of the user's; system text is kept apart from it",
            "send the text in a message with the role user",
        ));
    }
    Ok(())
}

fn empty(place: &Place<'_>) -> RequestError {
    place.field("content").refuse(
        "Anthropic's API takes no empty message",
        "leave the message out, or write something",
    )
}

/// Adds system text. Before all turns both APIs have it; after that not every model of Anthropic's.
pub(crate) fn add_system<'a>(
    pieces: Vec<Piece<'a>>,
    place: &Place<'_>,
    late_system: LateSystem,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    let is_late = !conversation.turns.is_empty();
    match late_system {
        LateSystem::Refused if is_late => Err(place.field("role").refuse(
            "not every model takes system text after the conversation has begun, and moving it could change its meaning",
            "put it first, or say it in a user message",
        )),
        LateSystem::InPlace if is_late => {
            conversation.say(Role::System, pieces);
            Ok(())
        }
        _ => {
            conversation.system.extend(pieces);
            Ok(())
        }
    }
}

fn system_text<'a>(message: &mut Object<'a, '_>) -> Result<Vec<Piece<'a>>, RequestError> {
    let place = message.place().field("content");
    let content = message
        .take("content")
        .ok_or_else(|| place.malformed("a string or an array of parts"))?;
    only_texts(content, &place, &["text"])
}

/// Names tell several users apart, so that they are no mere hint.
fn refuse_name(message: &mut Object<'_, '_>) -> Result<(), RequestError> {
    match message.take("name") {
        None => Ok(()),
        Some(_) => Err(message.place().field("name").refuse(
            "Anthropic's API has no names of speakers",
            "write the name into the text",
        )),
    }
}

fn user_content<'a>(message: &mut Object<'a, '_>) -> Result<Vec<Piece<'a>>, RequestError> {
    let place = message.place().field("content");
    let malformed = || place.malformed("a string or an array of parts");
    let content = message.take("content").ok_or_else(malformed)?;
    if let Some(text) = as_text(content) {
        return Ok(text_unless_empty(text));
    }
    let mut pieces = Vec::new();
    for (index, raw) in as_list(content)
        .ok_or_else(malformed)?
        .into_iter()
        .enumerate()
    {
        let place = place.item(index);
        let mut part = Object::read(raw, &place)?;
        let cache = part.verbatim_object("cache_control")?;
        let read = user_part(&mut part, &place)?;
        part.end(&[])?;
        pieces.extend(read.into_iter().map(|piece| Piece { cache, ..piece }));
    }
    Ok(pieces)
}

fn user_part<'a>(
    part: &mut Object<'a, '_>,
    place: &Place<'_>,
) -> Result<Vec<Piece<'a>>, RequestError> {
    let kind = part.need_text("type")?;
    match kind.as_ref() {
        "text" => Ok(text_unless_empty(part.need_text("text")?)),
        "image_url" => {
            let place = place.field("image_url");
            let raw = part
                .take("image_url")
                .ok_or_else(|| place.malformed("an object"))?;
            let mut picture = Object::read(raw, &place)?;
            let url = picture.need_text("url")?;
            picture.end(&["detail"])?;
            Ok(vec![Piece::new(image(url, &place.field("url"))?)])
        }
        "file" => {
            let place = place.field("file");
            let raw = part
                .take("file")
                .ok_or_else(|| place.malformed("an object"))?;
            let mut object = Object::read(raw, &place)?;
            let piece = Piece::new(file(&mut object)?);
            object.end(&[])?;
            Ok(vec![piece])
        }
        "input_audio" => Err(place.field("type").refuse(
            "Anthropic's API takes no sound",
            "write it down and send the text",
        )),
        _ => Err(place.field("type").refuse(
            "the translation does not know this kind of content",
            "use text, image_url or file",
        )),
    }
}

/// Text, a refusal, and calls. Reasoning that other servers add is theirs, and left out.
fn assistant_content<'a>(message: &mut Object<'a, '_>) -> Result<Vec<Piece<'a>>, RequestError> {
    need_nothing(
        message,
        "audio",
        "Anthropic's API takes no sound",
        "send its transcript as text",
    )?;
    need_nothing(
        message,
        "function_call",
        "it is the older form of tool_calls",
        "use tool_calls",
    )?;
    for field in [
        "reasoning_content",
        "reasoning",
        "reasoning_details",
        "annotations",
    ] {
        message.take(field);
    }
    let content_place = message.place().field("content");
    let mut pieces = match message.take("content") {
        Some(raw) => only_texts(raw, &content_place, &["text", "refusal"])?,
        None => Vec::new(),
    };
    if let Some(refusal) = message.text("refusal")? {
        pieces.extend(text_unless_empty(refusal));
    }
    let list_place = message.place().field("tool_calls");
    for (index, raw) in message
        .list("tool_calls")?
        .unwrap_or_default()
        .iter()
        .enumerate()
    {
        pieces.push(tool_call(raw, &list_place.item(index))?);
    }
    Ok(pieces)
}

fn tool_call<'a>(raw: &'a RawValue, place: &Place<'_>) -> Result<Piece<'a>, RequestError> {
    let mut object = Object::read(raw, place)?;
    if let Some(kind) = object.text("type")? {
        super::read::need_function(&kind, place)?;
    }
    let id = object.need_text("id")?;
    let function_place = place.field("function");
    let function = object
        .take("function")
        .ok_or_else(|| function_place.malformed("an object"))?;
    let mut function = Object::read(function, &function_place)?;
    let name = function.need_text("name")?;
    let arguments = function.text("arguments")?.unwrap_or_default();
    object.end(&["index"])?;
    call(id, name, arguments, &function_place.field("arguments"))
}

fn tool_result<'a>(message: &mut Object<'a, '_>) -> Result<Piece<'a>, RequestError> {
    let call_id = message.need_text("tool_call_id")?;
    let place = message.place().field("content");
    let content = match message.take("content") {
        Some(raw) => only_texts(raw, &place, &["text"])?,
        None => Vec::new(),
    };
    let cache = message.verbatim_object("cache_control")?;
    let part = Part::Result(CallResult {
        call_id,
        content,
        is_error: false,
    });
    Ok(Piece { part, cache })
}
