//! Every field that is refused or left out is in the documentation.

use crate::{chat, messages, responses};

const PAGE: &str = include_str!("../../../docs/translation.md");

#[test]
fn every_field_that_is_not_carried_is_documented() {
    let refused = [
        chat::read::NOT_CARRIED,
        messages::read::NOT_CARRIED,
        messages::read::TOOL_NOT_CARRIED,
        responses::read::NOT_CARRIED,
    ];
    let hints = [
        chat::read::HINTS,
        messages::read::HINTS,
        responses::read::HINTS,
    ];
    let fields = refused.concat().into_iter().map(|row| row.field);
    for field in fields.chain(hints.concat()) {
        let told = PAGE.contains(&format!("`{field}"));
        assert!(
            told,
            "docs/translation.md does not say what becomes of {field}"
        );
    }
}
