//! Files that are no configuration at all: never a panic, always a place.

use paceline_config::{Overrides, Settings, SourceFile, Sources};

use crate::loading::{environment, load, load_bytes, problems};

/// What files are made of, whole and in pieces.
const PIECES: &[&str] = &[
    "[server]\n",
    "[limits]\n",
    "[[domains]]\n",
    "[tenants.a]\n",
    "[queue.tiers.batch]\n",
    "[store]\n",
    "url = ",
    "prefix = ",
    "first_share = ",
    "\"redis://:é@/?&=\"",
    "listen = ",
    "models = ",
    "custom = ",
    "api_key = ",
    "guard = ",
    "headroom = ",
    "name = ",
    "tokens_per_minute = ",
    "5",
    "-1",
    "1e400",
    "\"30s\"",
    "\"\"",
    "[",
    "]",
    "{",
    "}",
    ",",
    "env = \"A\"",
    "\n",
    "\"",
    "'''",
    "=",
    ".",
    "#",
    "true",
    "nan",
    "\u{0}",
    "é",
    "\r",
    "[[",
    "metric = \"tokens\"",
    "period = \"0s\"",
    "window = \"bucket\"\n",
    "burst = 1\n",
    "inf",
];

#[test]
fn what_is_not_utf8_is_told_with_its_line() {
    let found = load_bytes(b"[log]\nlevel = \"\xff\"\n", &[]).unwrap_err();
    assert_eq!(
        found.to_string(),
        "p.toml:2: is not valid UTF-8; save the file as UTF-8"
    );
    let utf16: Vec<u8> = "[log]".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe][..], &utf16].concat();
    let found = load_bytes(&marked, &[]).unwrap_err();
    assert_eq!(
        found.to_string(),
        "p.toml:1: is not valid UTF-8; save the file as UTF-8"
    );
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let text = "\u{feff}[log]\r\nlevel = \"warn\"\r\n";
    assert_eq!(load(text, &[]).unwrap().settings.log.level, "warn");
    let wrong = "\u{feff}[log]\r\n\r\nlevel = 1\r\n";
    assert_eq!(
        problems(wrong, &[]),
        "p.toml:3: log.level: must be a string (got 1)"
    );
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let text = "# comment\n".repeat(200_000);
    let expected = "p.toml: is larger than 1 MiB; is it a configuration file?";
    assert_eq!(problems(&text, &[]), expected);
}

#[test]
fn depth_is_bounded() {
    let deep = 100_000;
    for text in [
        format!("a = {}", "[".repeat(deep)),
        format!("a = {}", "{a=".repeat(deep)),
        format!("{}b = 1", "a.".repeat(deep)),
        format!("[{}b]", "a.".repeat(deep)),
        format!("[[{}b]]", "a.".repeat(deep)),
        format!("a = {}1{}", "[".repeat(70), "]".repeat(70)),
        format!("[tenants.{}x]\nweight = 1", "a.".repeat(60)),
    ] {
        assert!(load(&text, &[]).is_err(), "{}", &text[..40]);
    }
}

#[test]
fn very_many_problems_are_counted_and_the_first_are_shown() {
    let text: String = (0..5_000)
        .map(|number| format!("key_{number} = {number}\n"))
        .collect();
    let found = load(&text, &[]).unwrap_err();
    assert_eq!(found.len(), 5_000);
    let shown = found.to_string();
    assert_eq!(shown.lines().count(), 501);
    assert!(
        shown.ends_with("\n... and 4500 more"),
        "{}",
        &shown[shown.len() - 80..]
    );
}

#[test]
fn long_names_and_values_are_cut_in_messages() {
    let long = "é".repeat(100_000);
    for text in [
        format!("\"{long}\" = 1\n"),
        format!("[log]\nformat = \"{long}\"\n"),
        format!("[upstream]\nbase_url = \"{long}\"\n"),
        format!("[tenants.\"{long}\"]\n"),
        format!("[[domains]]\nname = \"{long}\"\nmodels = [\"{long}\"]\n"),
        format!("[log]\nlevel = \"{long}\"\n"),
    ] {
        let found = problems(&text, &[]);
        assert!(
            !found.is_empty() && found.len() < 1_000,
            "{} bytes",
            found.len()
        );
    }
}

#[test]
fn control_characters_are_escaped_in_messages() {
    let found = problems("[log]\nformat = \"\\u001b[31m\\n\"\n\"\\u0007\" = 1\n", &[]);
    assert!(
        found.chars().all(|c| c == '\n' || !c.is_control()),
        "{found:?}"
    );
    assert_eq!(found.lines().count(), 2, "{found}");
}

#[test]
fn nothing_made_of_pieces_of_files_panics() {
    // A small generator of its own keeps the cases the same on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let env = environment(&[]);
    let (mut sound, mut unsound) = (0, 0);
    for _ in 0..3_000 {
        let length = next(24);
        let mut content: Vec<u8> = (0..length)
            .flat_map(|_| PIECES[next(PIECES.len())].bytes())
            .collect();
        if next(8) == 0 && !content.is_empty() {
            let at = next(content.len());
            content[at] = u8::try_from(next(256)).unwrap();
        }
        let file = Some(SourceFile {
            name: "p.toml".into(),
            content,
        });
        match Settings::load(Sources {
            file,
            env: &env,
            overrides: Overrides::default(),
        }) {
            Ok(_) => sound += 1,
            Err(problems) => {
                assert!(problems.len() > 0 && !problems.to_string().is_empty());
                assert!(
                    !problems.to_string().contains("does not fit together"),
                    "{problems}"
                );
                unsound += 1;
            }
        }
    }
    assert!(
        sound > 50 && unsound > 1_000,
        "{sound} sound, {unsound} not"
    );
}
