//! `docs/providers.md` shows the profiles as they are.
//!
//! What stands between its marks is written from the table of profiles; with `PACELINE_BLESS=1` it is
//! written anew.

use paceline_provider::{
    Admission, Combine, Dialect, KeyHeader, Known, KnownLimit, OutputWeight, Profile, Tells, Unset,
    go_duration,
};
use std::fmt::Debug;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

const BEGIN: &str = "<!-- written from the profiles: begin -->\n";
const END: &str = "<!-- written from the profiles: end -->\n";

/// A fact, and how well it is known.
fn fact<T>(known: Known<T>, text: impl FnOnce(T) -> String) -> String {
    match known {
        Known::Documented(fact) => text(fact),
        Known::Measured(fact) => format!("{} (measured)", text(fact)),
        Known::Unknown => "unknown".to_owned(),
    }
}

/// The words of a name such as `PacificMidnight`.
fn words(name: &impl Debug) -> String {
    let mut words = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn yes_or_no(fact: bool) -> String {
    if fact { "yes" } else { "no" }.to_owned()
}

fn period(window: Duration) -> String {
    match window.as_secs() {
        1 => "second".to_owned(),
        60 => "minute".to_owned(),
        3_600 => "hour".to_owned(),
        86_400 => "day".to_owned(),
        _ => go_duration(window),
    }
}

const fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAi => "OpenAI",
        Dialect::Anthropic => "Anthropic",
        Dialect::Gemini => "Gemini",
        Dialect::Bedrock => "Bedrock",
    }
}

fn reached(out: &mut String) {
    out.push_str("| `profile` | provider | dialect | base URL | key |\n|---|---|---|---|---|\n");
    for profile in Profile::ALL {
        let key = match profile.key {
            KeyHeader::Bearer => "authorization: Bearer",
            other => other.name(),
        };
        let url = profile
            .base_url
            .map_or("of your own".to_owned(), |url| format!("`{url}`"));
        writeln!(
            out,
            "| `{}` | {} | {} | {url} | `{key}` |",
            profile.name,
            profile.title,
            dialect(profile.dialect),
        )
        .unwrap();
    }
}

fn limit(out: &mut String, profile: &Profile, limit: &KnownLimit) {
    let window = fact(limit.window, period);
    let piece = limit.piece.value().map_or(String::new(), |piece| {
        format!(", in pieces of {}", go_duration(piece))
    });
    writeln!(
        out,
        "| `{}` | {} | {window}{piece} | {} | {} | {} |",
        profile.name,
        words(&limit.metric),
        fact(limit.kind, |kind| words(&kind)),
        fact(limit.scope, |scope| words(&scope)),
        fact(limit.by_model, yes_or_no),
    )
    .unwrap();
}

fn limits(out: &mut String) {
    out.push_str("| `profile` | counts | in a | gives back | shared by the | by model |\n");
    out.push_str("|---|---|---|---|---|---|\n");
    for profile in Profile::ALL {
        for known in profile.limits {
            limit(out, profile, known);
        }
    }
}

fn admission(admission: Admission) -> String {
    let unset = |unset| match unset {
        Unset::Nothing => "nothing",
        Unset::ModelMaximum => "the model's maximum",
        Unset::RestOfContext => "the rest of the context",
    };
    match admission {
        Admission::Expected => "input and output as expected".to_owned(),
        Admission::InputOnly => "input".to_owned(),
        Admission::InputAndAllowed(without) => {
            format!(
                "input + allowed output; without a maximum {}",
                unset(without)
            )
        }
        Admission::Rule(rule, without) => {
            let sign = match rule.combine {
                Combine::Max => "larger of characters / 4 and allowed output",
                Combine::Sum => "characters / 4 + allowed output",
                Combine::InputOnly | Combine::MaxTokensOnly => panic!("no profile has this"),
            };
            format!("{sign}; without a maximum {}", unset(without))
        }
    }
}

fn counts(out: &mut String) {
    out.push_str("| `profile` | tokens at admission | in the end | cached input counts | failures count | unused comes back | limits concurrency | a success tells | overloaded |\n");
    out.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for profile in Profile::ALL {
        let output = match profile.output {
            OutputWeight::Once => "input + output",
            OutputWeight::Never => "input",
            OutputWeight::Burndown => "input + output × burndown of the model",
        };
        let tells = |tells| match tells {
            Tells::Headers => "headers".to_owned(),
            Tells::HeadersUnlessStreamed => "headers unless streamed".to_owned(),
            Tells::Nothing => "nothing".to_owned(),
        };
        let overloaded: Vec<_> = profile
            .overload_statuses
            .iter()
            .map(u16::to_string)
            .collect();
        writeln!(
            out,
            "| `{}` | {} | {output} | {} | {} | {} | {} | {} | {} |",
            profile.name,
            fact(profile.admission, admission),
            fact(profile.cached_input_counts, yes_or_no),
            fact(profile.failures_count, yes_or_no),
            fact(profile.unused_comes_back, yes_or_no),
            fact(profile.limits_concurrency, yes_or_no),
            fact(profile.tells, tells),
            overloaded.join(", "),
        )
        .unwrap();
    }
}

#[test]
fn the_page_shows_the_profiles_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    let page = fs::read_to_string(&path).unwrap();
    let mut rest = page.as_str();
    let mut expected = String::new();
    for section in [reached, limits, counts] {
        let (before, after) = rest.split_once(BEGIN).unwrap();
        let (_, after) = after.split_once(END).unwrap();
        expected.push_str(before);
        expected.push_str(BEGIN);
        section(&mut expected);
        expected.push_str(END);
        rest = after;
    }
    expected.push_str(rest);
    if env::var_os("PACELINE_BLESS").is_some() {
        fs::write(&path, expected).unwrap();
    } else {
        assert!(
            page == expected,
            "run this test with PACELINE_BLESS=1 and look at the page"
        );
    }
}
