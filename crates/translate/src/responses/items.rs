//! The input items of a request for a response, as turns.

use crate::chat::content::{
    SEND_INLINE, UPLOADED, call, file, image, need_nothing, text_unless_empty,
};
use crate::chat::turns::add_system;
use crate::conversation::{CallResult, Conversation, Part, Piece, Role, refuse_misplaced};
use crate::error::RequestError;
use crate::json::{Object, Place, as_list, as_text};
use crate::options::{EarlierThinking, RequestOptions};
use serde_json::value::RawValue;

/// What items of earlier answers carry beside what they say.
const ITEM_HINTS: &[&str] = &["id", "status", "phase"];

/// Reads `input`: a text, or items in their order.
pub(crate) fn read_input<'a>(
    request: &mut Object<'a, '_>,
    options: &RequestOptions,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    let list_place = Place::Root.field("input");
    let input = request
        .take("input")
        .ok_or_else(|| list_place.malformed("a string or an array of items"))?;
    if let Some(text) = as_text(input) {
        conversation.say(Role::User, text_unless_empty(text));
    } else {
        let items =
            as_list(input).ok_or_else(|| list_place.malformed("a string or an array of items"))?;
        for (index, raw) in items.into_iter().enumerate() {
            let place = list_place.item(index);
            let mut item = Object::read(raw, &place)?;
            if read_item(&mut item, options, conversation)? {
                item.end(ITEM_HINTS)?;
            }
        }
    }
    if conversation.turns.is_empty() {
        return Err(list_place.refuse(
            "there is no message of the user's; system text is kept apart from it",
            "send the text in a message with the role user",
        ));
    }
    Ok(())
}

/// Reads an item; whether it is part of the conversation.
fn read_item<'a>(
    item: &mut Object<'a, '_>,
    options: &RequestOptions,
    conversation: &mut Conversation<'a>,
) -> Result<bool, RequestError> {
    let place = item.place();
    let kind = item.text("type")?;
    match kind.as_deref().unwrap_or("message") {
        "message" => {
            read_message(item, options, conversation)?;
            Ok(true)
        }
        "function_call" => {
            let id = item.need_text("call_id")?;
            let name = item.need_text("name")?;
            let arguments = item.text("arguments")?.unwrap_or_default();
            let piece = call(id, name, arguments, &place.field("arguments"))?;
            conversation.say(Role::Assistant, vec![piece]);
            Ok(true)
        }
        "function_call_output" => {
            let call_id = item.need_text("call_id")?;
            let place = place.field("output");
            let output = item
                .take("output")
                .ok_or_else(|| place.malformed("a string or parts"))?;
            let part = Part::Result(CallResult {
                call_id,
                content: read_content(output, &place)?,
                is_error: false,
            });
            conversation.say(Role::User, vec![Piece::new(part)]);
            Ok(true)
        }
        "reasoning" if options.earlier_thinking == EarlierThinking::LeftOut => Ok(false),
        "reasoning" => Err(place.field("type").refuse(
            "no other provider's model can take up OpenAI's reasoning",
            "leave the reasoning items of earlier turns out",
        )),
        "item_reference" => Err(place.field("type").refuse(
            "no items are kept that it could refer to",
            "send the item itself",
        )),
        _ => Err(place.field("type").refuse(
            "only messages and function calls can be translated",
            "say it in a message",
        )),
    }
}

fn read_message<'a>(
    item: &mut Object<'a, '_>,
    options: &RequestOptions,
    conversation: &mut Conversation<'a>,
) -> Result<(), RequestError> {
    let place = item.place();
    let role = item.need_text("role")?;
    let content_place = place.field("content");
    let content = item
        .take("content")
        .ok_or_else(|| content_place.malformed("a string or an array of parts"))?;
    let pieces = read_content(content, &content_place)?;
    match role.as_ref() {
        "system" | "developer" => {
            refuse_misplaced(&pieces, Role::System, &content_place)?;
            add_system(pieces, place, options.late_system, conversation)
        }
        "user" => {
            refuse_misplaced(&pieces, Role::User, &content_place)?;
            conversation.say(Role::User, pieces);
            Ok(())
        }
        "assistant" => {
            refuse_misplaced(&pieces, Role::Assistant, &content_place)?;
            conversation.say(Role::Assistant, pieces);
            Ok(())
        }
        _ => {
            let expected = "one of system, developer, user, assistant";
            Err(place.field("role").malformed(expected))
        }
    }
}

fn read_content<'a>(raw: &'a RawValue, place: &Place<'_>) -> Result<Vec<Piece<'a>>, RequestError> {
    if let Some(text) = as_text(raw) {
        return Ok(text_unless_empty(text));
    }
    let parts = as_list(raw).ok_or_else(|| place.malformed("a string or an array of parts"))?;
    let mut pieces = Vec::new();
    for (index, raw) in parts.into_iter().enumerate() {
        let place = place.item(index);
        let mut part = Object::read(raw, &place)?;
        pieces.extend(read_part(&mut part)?);
        part.end(&["annotations", "logprobs", "detail"])?;
    }
    Ok(pieces)
}

fn read_part<'a>(part: &mut Object<'a, '_>) -> Result<Vec<Piece<'a>>, RequestError> {
    let place = part.place();
    let kind = part.need_text("type")?;
    match kind.as_ref() {
        "input_text" | "output_text" | "text" => Ok(text_unless_empty(part.need_text("text")?)),
        "refusal" => Ok(text_unless_empty(part.need_text("refusal")?)),
        "input_image" => {
            need_nothing(part, "file_id", UPLOADED, SEND_INLINE)?;
            let url = part.need_text("image_url")?;
            Ok(vec![Piece::new(image(url, &place.field("image_url"))?)])
        }
        "input_file" => Ok(vec![Piece::new(file(part)?)]),
        _ => Err(place.field("type").refuse(
            "the translation does not know this kind of content",
            "use input_text, input_image or input_file",
        )),
    }
}
