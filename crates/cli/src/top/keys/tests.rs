//! Keys as a function of the state.

use super::*;
use crate::top::fixture;

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

/// Presses some keys, one for each character, and tells what the last one asks for.
fn type_keys(state: &mut State, at: Instant, keys: &str) -> Act {
    let press = |c| press(state, key(KeyCode::Char(c)), at);
    keys.chars().map(press).last().unwrap()
}

fn tenants(state: &State) -> Vec<&str> {
    let calls = state.calls();
    calls.iter().map(|call| call.tenant.as_str()).collect()
}

#[test]
fn views_change_by_number_and_tab() {
    let (mut state, at) = fixture::busy();
    type_keys(&mut state, at, "2");
    assert_eq!(state.view, View::Queue);
    press(&mut state, key(KeyCode::Tab), at);
    assert_eq!(state.view, View::Now);
    press(&mut state, key(KeyCode::BackTab), at);
    assert_eq!(state.view, View::Queue);
    type_keys(&mut state, at, "1");
    assert_eq!(state.view, View::Now);
}

#[test]
fn q_leaves_and_control_c_leaves_from_anywhere() {
    let (mut state, at) = fixture::busy();
    assert_eq!(type_keys(&mut state, at, "q"), Act::Leave);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for before in ["?", "/acme", "2c"] {
        let (mut state, at) = fixture::busy();
        type_keys(&mut state, at, before);
        assert_eq!(press(&mut state, control_c, at), Act::Leave, "{before}");
    }
    // What is typed is no command.
    assert_eq!(type_keys(&mut state, at, "/q"), Act::Nothing);
    assert_eq!(state.filter, "q");
}

#[test]
fn the_selection_moves_and_stays_within_the_rows() {
    let (mut state, at) = fixture::busy();
    state.seen.room = 3;
    state.view = View::Queue;
    for (code, row) in [
        (KeyCode::Down, 1),
        (KeyCode::Char('j'), 2),
        (KeyCode::Char('k'), 1),
        (KeyCode::PageDown, 3),
        (KeyCode::PageDown, 4),
        (KeyCode::Down, 4),
        (KeyCode::Char('g'), 0),
        (KeyCode::Up, 0),
        (KeyCode::End, 4),
        (KeyCode::PageUp, 2),
    ] {
        press(&mut state, key(code), at);
        assert_eq!(state.row(), row, "{code:?}");
    }
}

#[test]
fn the_selection_follows_its_request() {
    let (mut state, at) = fixture::busy();
    state.view = View::Queue;
    state.select(1);
    assert_eq!(state.selected().unwrap().request_id, "pl-zeta-1");
    state.take(fixture::queue(&[("new", None), ("zeta", None)]), at);
    assert_eq!(state.row(), 1);
    // Gone: the row is another's, and the last one where there are fewer.
    state.take(fixture::queue(&[("acme", None)]), at);
    assert_eq!(state.selected().unwrap().tenant, "acme");
    state.take(fixture::queue(&[]), at);
    assert!(state.selected().is_none());
    assert_eq!(type_keys(&mut state, at, "cy"), Act::Nothing);
}

#[test]
fn a_filter_is_typed_kept_and_dropped() {
    let (mut state, at) = fixture::busy();
    type_keys(&mut state, at, "/ACM");
    assert_eq!(state.view, View::Queue);
    assert_eq!(tenants(&state), ["acme", "acme"]);
    press(&mut state, key(KeyCode::Backspace), at);
    press(&mut state, key(KeyCode::Enter), at);
    assert_eq!(state.filter, "AC");
    // Once it is kept, keys are commands again.
    assert_eq!(type_keys(&mut state, at, "q"), Act::Leave);
    press(&mut state, key(KeyCode::Esc), at);
    assert_eq!(tenants(&state).len(), 5);
    type_keys(&mut state, at, "/none of them");
    assert!(state.selected().is_none());
    let control_u = KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL);
    press(&mut state, control_u, at);
    assert_eq!(tenants(&state).len(), 5);
}

#[test]
fn a_wait_ends_only_after_yes() {
    let (mut state, at) = fixture::busy();
    state.view = View::Queue;
    for keys in ["cn", "cxn", "c?"] {
        assert_eq!(type_keys(&mut state, at, keys), Act::Nothing, "{keys}");
    }
    let end = Act::End("/monitoring/queue/pl-acme-0".to_owned());
    assert_eq!(type_keys(&mut state, at, "y"), end);
    assert!(state.question.is_none());
    // Who is asked about is who is ended, also when it has gone from its row meanwhile.
    type_keys(&mut state, at, "jc");
    state.take(fixture::queue(&[("new", None)]), at);
    let end = Act::End("/monitoring/queue/pl-zeta-1".to_owned());
    assert_eq!(type_keys(&mut state, at, "y"), end);
}

#[test]
fn the_waits_of_a_session_end_after_yes() {
    let (mut state, at) = fixture::busy();
    state.view = View::Queue;
    type_keys(&mut state, at, "C");
    let text = &state.question.as_ref().unwrap().text;
    assert!(text.starts_with("2 requests of s-1 or more"), "{text}");
    let end = Act::End("/monitoring/sessions/s-1".to_owned());
    assert_eq!(type_keys(&mut state, at, "y"), end);
    // One that belongs to no session.
    type_keys(&mut state, at, "jjjC");
    assert!(state.question.is_none());
    assert!(state.notice.as_ref().unwrap().told.is_err());
}

#[test]
fn nothing_is_ended_from_the_other_view() {
    let (mut state, at) = fixture::busy();
    assert_eq!(type_keys(&mut state, at, "cCy"), Act::Nothing);
    assert!(state.question.is_none());
}

#[test]
fn a_notice_goes_after_a_while() {
    let (mut state, at) = fixture::busy();
    state.take(
        crate::top::picture::News::Done(Ok("1 wait ended.".to_owned())),
        at,
    );
    state.tick(at + std::time::Duration::from_secs(7));
    assert!(state.notice.is_some());
    assert!(state.tick(at + std::time::Duration::from_secs(8)));
    assert!(state.notice.is_none());
}
