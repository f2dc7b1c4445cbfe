//! The scan against a plain reading of the same rules, one character at a time.

use proptest::prelude::*;

use super::{TextProfile, TextShape};

/// What a character is to the profile, as plainly as it can be said.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Whitespace,
    Other,
    Foreign,
}

fn class(character: char) -> Class {
    match character {
        'a'..='z' | 'A'..='Z' => Class::Letter,
        '0'..='9' => Class::Digit,
        ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' => Class::Whitespace,
        '\0'..='\u{7f}' => Class::Other,
        _ => Class::Foreign,
    }
}

fn is_word(class: Class) -> bool {
    matches!(class, Class::Letter | Class::Foreign)
}

/// Profiles a text the slow way.
fn plain_profile(text: &str) -> TextProfile {
    let characters: Vec<char> = text.chars().collect();
    let mut profile = TextProfile {
        characters: characters.len() as u64,
        bytes: text.len() as u64,
        ..TextProfile::default()
    };
    profile.shape.bytes = profile.bytes;
    let (mut lower_run, mut digit_run, mut space_run) = (0_u64, 0_u64, 0_u64);
    for (index, &character) in characters.iter().enumerate() {
        let previous = index.checked_sub(1).map(|before| characters[before]);
        lower_run = if character.is_ascii_lowercase() {
            lower_run + 1
        } else {
            0
        };
        digit_run = if character.is_ascii_digit() {
            digit_run + 1
        } else {
            0
        };
        space_run = if class(character) == Class::Whitespace {
            space_run + 1
        } else {
            0
        };
        count_class(&mut profile, character);
        let shape = &mut profile.shape;
        shape.long_word_letters += u64::from((9..=16).contains(&lower_run));
        shape.endless_word_letters += u64::from(lower_run > 16);
        shape.digit_groups += u64::from(matches!(digit_run, 1 | 4 | 7));
        shape.long_number_digits += u64::from(digit_run > 9);
        shape.indents += u64::from(space_run == 2);
        count_change(shape, previous, character);
    }
    profile
}

fn count_class(profile: &mut TextProfile, character: char) {
    match (class(character), character.len_utf8()) {
        (Class::Letter, _) => profile.ascii_letters += 1,
        (Class::Digit, _) => profile.digits += 1,
        (Class::Whitespace, _) => profile.whitespace += 1,
        (Class::Other, _) => profile.ascii_other += 1,
        (Class::Foreign, 2) => profile.two_byte += 1,
        (Class::Foreign, 3) => profile.three_byte += 1,
        (Class::Foreign, _) => profile.four_byte += 1,
    }
    let shape = &mut profile.shape;
    match character {
        'A'..='Z' => shape.capitals += 1,
        '\n' => shape.line_feeds += 1,
        '\u{c0}'..='\u{2bf}' => shape.latin += 1,
        '\u{380}'..='\u{3ff}' => shape.greek += 1,
        '\u{400}'..='\u{4ff}' => shape.cyrillic += 1,
        '\u{500}'..='\u{7ff}' => shape.semitic += 1,
        '\u{800}'..='\u{97f}' => shape.devanagari += 1,
        '\u{980}'..='\u{fff}' => shape.south_asian += 1,
        '\u{3000}'..='\u{3fff}' => shape.kana += 1,
        '\u{4000}'..='\u{9fff}' => shape.han += 1,
        '\u{a000}'..='\u{d7ff}' => shape.hangul += 1,
        _ => {}
    }
}

fn count_change(shape: &mut TextShape, previous: Option<char>, character: char) {
    let now = class(character);
    let before = previous.map(class);
    if is_word(now) && !before.is_some_and(is_word) {
        shape.words += 1;
        shape.marked_words += u64::from(before == Some(Class::Other));
        shape.numbered_words += u64::from(before == Some(Class::Digit));
    }
    if now == Class::Digit && before == Some(Class::Whitespace) {
        shape.spaced_digit_runs += 1;
    }
    if now == Class::Other {
        let other_before = before == Some(Class::Other);
        shape.other_runs += u64::from(!other_before);
        shape.other_changes += u64::from(other_before && previous != Some(character));
    }
    if character.is_ascii_uppercase() && previous.is_some_and(|c| c.is_ascii_lowercase()) {
        shape.case_changes += 1;
    }
}

/// Runs of one kind of character each, long enough to reach over blocks.
fn text_of_runs() -> impl Strategy<Value = String> {
    let run = prop_oneof![
        "[a-z]{1,40}",
        "[A-Z]{1,6}",
        "[0-9]{1,30}",
        "[ \\t\\n\\r]{1,12}",
        "[-_.,:;/\"'{}<>]{1,12}",
        "[é-üа-яα-ωأ-ي]{1,12}",
        "[अ-हก-ฮஅ-ஹ]{1,12}",
        "[ぁ-ん一-龥가-힣“”—…]{1,12}",
        "[😀-🙏]{1,3}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(run, 0..60).prop_map(|runs| runs.concat())
}

proptest! {
    #[test]
    fn the_scan_counts_what_a_plain_reading_counts(text in text_of_runs()) {
        prop_assert_eq!(TextProfile::of(&text), plain_profile(&text));
    }

    #[test]
    fn any_bytes_have_a_profile_whose_classes_add_up(
        bytes in prop::collection::vec(any::<u8>(), 0..900),
    ) {
        let profile = TextProfile::of_bytes(&bytes);
        let classes = profile.ascii_letters + profile.digits + profile.whitespace
            + profile.ascii_other + profile.two_byte + profile.three_byte + profile.four_byte;
        prop_assert_eq!(profile.bytes, bytes.len() as u64);
        prop_assert_eq!(profile.characters, classes);
        prop_assert!(classes <= profile.bytes);
    }

    #[test]
    fn the_classes_of_two_texts_are_those_of_both_together(
        left in text_of_runs(),
        right in text_of_runs(),
    ) {
        let apart = TextProfile::of(&left) + TextProfile::of(&right);
        let together = TextProfile::of(&(left + &right));
        let without_shape = |profile| TextProfile { shape: TextShape::default(), ..profile };
        prop_assert_eq!(without_shape(apart), without_shape(together));
    }
}

#[test]
fn a_run_that_reaches_over_a_block_is_counted_once() {
    for length in 230..260 {
        let text = "7".repeat(length);
        let shape = TextProfile::of(&text).shape;
        assert_eq!(shape.digit_groups, 3, "{length} digits");
        assert_eq!(shape.long_number_digits, length as u64 - 9);
        let text = format!("{}{}", " ".repeat(length), "x".repeat(length));
        assert_eq!(
            TextProfile::of(&text),
            plain_profile(&text),
            "{length} spaces and letters"
        );
    }
}

#[test]
fn a_text_of_no_bytes_has_an_empty_profile() {
    assert_eq!(TextProfile::of(""), TextProfile::default());
}

#[test]
fn a_profile_that_was_partly_made_by_hand_has_no_shape() {
    let by_hand = TextProfile {
        characters: 3,
        bytes: 3,
        digits: 3,
        ..TextProfile::default()
    };
    assert!(TextProfile::of("abc").has_shape());
    assert!(!by_hand.has_shape());
    assert!(!(by_hand + TextProfile::of("abc")).has_shape());
}

#[test]
fn sums_stay_at_the_highest_value() {
    let huge = TextProfile {
        bytes: u64::MAX,
        ..TextProfile::default()
    };
    assert_eq!((huge + TextProfile::of("abc")).bytes, u64::MAX);
}
