//! Whole screens, cell by cell. `UPDATE_SNAPSHOTS=1` writes the files anew.

use std::path::Path;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::*;
use crate::top::fixture;
use crate::top::picture::News;

fn buffer(state: &State, (width, height): (u16, u16), is_coloured: bool, at: Instant) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let theme = Theme::new(is_coloured);
    terminal
        .draw(|frame| {
            draw(frame, state, theme, at);
        })
        .unwrap();
    terminal.backend().buffer().clone()
}

fn shown(state: &State, size: (u16, u16), at: Instant) -> String {
    let buffer = buffer(state, size, true, at);
    let rows = buffer.content.chunks(usize::from(size.0));
    let row = |cells: &[ratatui::buffer::Cell]| {
        let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.trim_end().to_owned() + "\n"
    };
    rows.map(row).collect()
}

/// Holds a screen of each size against its file.
fn check(name: &str, state: &State, at: Instant) {
    for size in [(80, 24), (200, 50)] {
        let shown = shown(state, size, at);
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/top/draw/snapshots")
            .join(format!("{name}-{}.txt", size.0));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            std::fs::write(&file, &shown).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            shown, expected,
            "{name}: UPDATE_SNAPSHOTS=1 takes the new screen over"
        );
    }
}

#[test]
fn a_busy_gateway_is_shown_in_both_views() {
    let (mut state, at) = fixture::busy();
    check("now", &state, at);
    state.view = View::Queue;
    check("queue", &state, at);
}

#[test]
fn lanes_that_are_not_well_are_told_first_and_listed() {
    let (mut state, at) = fixture::busy();
    let out = [
        ("second/gpt-4o-mini", "open", "overload"),
        ("claude/claude-haiku-4-5", "half_open", "connect"),
        ("upstream/gpt-4o", "returning", "hang"),
        ("vertex/gemini", "returning", "cut"),
    ];
    state.take(fixture::now_with_lanes(&out), at);
    check("now-lanes", &state, at);
    state.take(fixture::now_with_lanes(&out[2..3]), at);
    let screen = shown(&state, (80, 24), at);
    assert!(
        screen.contains(" Lane returning   upstream/gpt-4o is coming back: 40 % of its calls"),
        "{screen}"
    );
    assert!(screen.contains(" Lanes     1 of 7 returning"), "{screen}");
    state.take(fixture::now_with_lanes(&[]), at);
    let screen = shown(&state, (80, 24), at);
    assert!(
        screen.contains("Limited") && !screen.contains(" Lane"),
        "{screen}"
    );
}

#[test]
fn a_gateway_that_has_done_nothing_yet_says_so() {
    let at = Instant::now();
    let mut state = State::new("http://127.0.0.1:4100".to_owned(), Default::default());
    assert!(shown(&state, (80, 24), at).contains("Connecting"));
    let now = paceline_admin_api::Now {
        upstream_reached: true,
        ..Default::default()
    };
    state.take(News::Now(now), at);
    state.take(News::Queue(Default::default(), View::Queue), at);
    check("now-idle", &state, at);
    state.view = View::Queue;
    check("queue-idle", &state, at);
}

#[test]
fn questions_and_keys_lie_over_the_view() {
    let (mut state, at) = fixture::busy();
    state.view = View::Queue;
    state.ask_to_end_session().unwrap();
    check("question", &state, at);
    state.question = None;
    state.is_helping = true;
    check("keys", &state, at);
}

#[test]
fn a_lost_connection_is_told_with_the_age_of_what_is_shown() {
    let (mut state, at) = fixture::busy();
    state.take(News::Lost("no gateway answers".to_owned()), at);
    let later = at + Duration::from_secs(12);
    let screen = shown(&state, (80, 24), later);
    assert!(screen.contains("NOT CONNECTED, 12 s old"), "{screen}");
    assert!(screen.contains("Trying again by itself"), "{screen}");
    assert!(screen.contains("59,400 of 60,000"), "{screen}");
    state.take(fixture::now(1), later);
    let screen = shown(&state, (80, 24), later);
    assert!(
        screen.contains(" live") && !screen.contains("NOT CONNECTED"),
        "{screen}"
    );
}

#[test]
fn a_paused_display_stands_still_and_says_for_how_long() {
    let (mut state, at) = fixture::busy();
    let before = shown(&state, (80, 24), at);
    state.toggle_hold(at);
    let later = at + Duration::from_secs(34);
    state.take(News::Now(Default::default()), later);
    let held = shown(&state, (80, 24), later);
    assert!(held.contains("display paused, 34 s old"), "{held}");
    let body = |screen: &str| screen.lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(body(&held), body(&before));
    state.take(News::Lost("gone".to_owned()), later);
    assert!(shown(&state, (80, 24), later).contains("old, not connected"));
}

#[test]
fn every_size_can_be_drawn_and_a_tiny_one_says_that_it_is_too_small() {
    let (mut state, at) = fixture::busy();
    for view in [View::Now, View::Queue] {
        state.view = view;
        for (is_helping, is_asking) in [(false, false), (true, false), (false, true)] {
            state.is_helping = is_helping;
            state.question = None;
            if is_asking {
                state.ask_to_end_one();
            }
            for width in (1..=80).step_by(3).chain([139, 140, 300]) {
                for height in [1, 2, 5, 9, 10, 11, 13, 16, 24, 60] {
                    let screen = shown(&state, (width, height), at);
                    let is_small = width < 40 || height < 10;
                    let says_so = screen.split_whitespace().any(|word| word == "paceline");
                    // The list of keys covers a small screen.
                    assert!(
                        says_so != is_small || is_helping,
                        "{width}x{height}: {screen}"
                    );
                }
            }
        }
    }
    assert!(shown(&state, (39, 12), at).starts_with("Too small: 40 columns and 10 rows"));
}

#[test]
fn without_colour_the_words_are_the_same_and_no_cell_has_one() {
    let (mut state, at) = fixture::busy();
    for view in [View::Now, View::Queue] {
        state.view = view;
        let plain = buffer(&state, (80, 24), false, at);
        let coloured = buffer(&state, (80, 24), true, at);
        for (plain, coloured) in plain.content.iter().zip(&coloured.content) {
            assert_eq!((plain.fg, plain.bg), (Color::Reset, Color::Reset));
            assert_eq!(plain.symbol(), coloured.symbol());
        }
        let has_colour = coloured.content.iter().any(|cell| cell.fg != Color::Reset);
        assert!(has_colour);
    }
}

#[test]
fn hostile_texts_are_shown_harmless_and_move_nothing() {
    let at = Instant::now();
    for text in [
        "\x1b[2J\x1b]0;title\x07",
        "\u{9b}31m\u{202e}gpj.exe\u{2066}\u{200f}",
        "line\r\nbreak\u{2028}\t",
        "界界界界界界界界界界界界界界界",
        "👩\u{200d}👧\u{1f3fd}\u{fe0f}\u{e0041}",
        &format!("z{}", "\u{301}".repeat(400)),
    ] {
        let mut state = State::new("http://127.0.0.1:4100".to_owned(), Default::default());
        state.take(fixture::queue(&[(text, Some(text)), ("acme", None)]), at);
        state.take(fixture::now_with_lanes(&[(text, "open", text)]), at);
        assert_harmless(&state, at);
        state.take(News::Lost(text.to_owned()), at);
        state.view = View::Queue;
        state.filter = text.to_owned();
        for (is_filtering, is_asking) in [(true, false), (false, true)] {
            state.is_filtering = is_filtering;
            if is_asking {
                state.ask_to_end_session().unwrap();
            }
            assert_harmless(&state, at);
        }
    }
}

fn assert_harmless(state: &State, at: Instant) {
    for cell in &buffer(state, (80, 24), true, at).content {
        let symbol = cell.symbol();
        let acts = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
                || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe0f}' | '\u{e0041}')
        };
        assert!(!symbol.chars().any(acts), "{symbol:?}");
        assert!(symbol.chars().count() <= 3, "{symbol:?}");
    }
}
