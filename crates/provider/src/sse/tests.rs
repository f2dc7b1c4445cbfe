//! Framing against a naive model.

use super::{Event, Framer};
use proptest::prelude::*;
use std::borrow::Cow;

/// Cuts a stream into events, however it arrives.
fn events(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut framer = Framer::new();
    let (mut events, mut event) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut rest = *piece;
        if framer.owes_line_feed() && rest.starts_with(b"\n") {
            framer.line_feed_taken();
            let last: &mut Vec<u8> = events.last_mut().unwrap();
            last.push(b'\n');
            rest = &rest[1..];
        }
        while let Some(end) = framer.event_end(rest) {
            event.extend_from_slice(&rest[..end]);
            events.push(std::mem::take(&mut event));
            rest = &rest[end..];
        }
        event.extend_from_slice(rest);
    }
    events.push(event);
    events
}

/// The definition: lines one after the other, an event up to each blank one.
fn events_of_model(text: &[u8]) -> Vec<Vec<u8>> {
    let (mut events, mut event, mut line_start) = (Vec::new(), Vec::new(), 0);
    let mut at = 0;
    while at < text.len() {
        let terminator = match (text[at], text.get(at + 1)) {
            (b'\r', Some(b'\n')) => 2,
            (b'\r' | b'\n', _) => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        let is_blank = at == line_start;
        at += terminator;
        event.extend_from_slice(&text[line_start..at]);
        line_start = at;
        if is_blank {
            events.push(std::mem::take(&mut event));
        }
    }
    event.extend_from_slice(&text[line_start..]);
    events.push(event);
    events
}

#[test]
fn all_three_line_ends_are_known() {
    for text in [
        "data: a\n\ndata: b\n\n",
        "data: a\r\n\r\ndata: b\r\n\r\n",
        "data: a\r\rdata: b\r\r",
    ] {
        let found = events(&[text.as_bytes()]);
        assert_eq!(found.len(), 3, "{text:?}");
        assert_eq!(
            Event::parse(&found[0]).data.as_deref(),
            Some(b"a".as_slice())
        );
        assert_eq!(
            Event::parse(&found[1]).data.as_deref(),
            Some(b"b".as_slice())
        );
        assert_eq!(found[2], b"");
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let event = |text: &'static str| Event::parse(text.as_bytes());
    let data = |text: &'static str| Some(Cow::Borrowed(text.as_bytes()));
    assert_eq!(
        event("event: e\ndata: x\n\n"),
        Event {
            name: b"e",
            data: data("x")
        }
    );
    assert_eq!(event("data:x\n\n").data, data("x"));
    assert_eq!(event("data:  x\n\n").data, data(" x"));
    assert_eq!(event("data\n\n").data, data(""));
    assert_eq!(event("data: a\ndata: b\r\ndata:\n\n").data, data("a\nb\n"));
    assert_eq!(
        event(": comment\nid: 1\nretry: 5\n\n"),
        Event {
            name: b"",
            data: None
        }
    );
    assert_eq!(event("Data: x\n\n").data, None);
    assert_eq!(event("\u{feff}data: x\n\n").data, data("x"));
    assert_eq!(event("data: x").data, data("x"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn framing_does_not_depend_on_the_pieces(
        text in "(data: |a|\n|\r|\r\n|:){0,24}",
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text = text.as_bytes();
        let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let pieces: Vec<&[u8]> = places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
        prop_assert_eq!(events(&pieces), events_of_model(text));
    }
}
