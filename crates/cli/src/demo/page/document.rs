//! The page as one document: markup, style and script, and the policy under which a browser may
//! use no other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const MARKUP: &str = include_str!("race.html");
const STYLE: &str = include_str!("race.css");
const SCRIPT: &str = include_str!("race.js");

/// Where the markup leaves room.
const STYLE_PLACE: &str = "<!-- style -->";
const SCRIPT_PLACE: &str = "<!-- script -->";
const POLICY_PLACE: &str = "<!-- policy -->";
const DATA_PLACE: &str = "<!-- data -->";

/// The document that asks for the figures where it came from, and its policy.
pub(super) fn live() -> (String, String) {
    let policy = format!("{}; connect-src 'self'; frame-ancestors 'none'", policy());
    (document("", ""), policy)
}

/// The document with the figures in it.
pub(super) fn finished(report_json: &str) -> String {
    let policy = format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">",
        policy()
    );
    // Inside a script element, only this character could end it.
    document(&policy, &report_json.replace('<', "\\u003c"))
}

fn document(policy: &str, data: &str) -> String {
    let style = format!("<style>{STYLE}</style>");
    let script = format!("<script>{SCRIPT}</script>");
    // What comes from elsewhere is put in last: nothing is looked for in it.
    MARKUP
        .replacen(POLICY_PLACE, policy, 1)
        .replacen(STYLE_PLACE, &style, 1)
        .replacen(SCRIPT_PLACE, &script, 1)
        .replacen(DATA_PLACE, data, 1)
}

/// Nothing from elsewhere, and of what is inside only this style and this script.
fn policy() -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands between the first pair of these tags.
    fn inside<'a>(page: &'a str, opening: &str, closing: &str) -> &'a str {
        let (_, rest) = page.split_once(opening).expect(opening);
        rest.split_once(closing).expect(closing).0
    }

    #[test]
    fn the_policy_names_what_the_document_holds() {
        let (page, policy) = live();
        for (opening, closing) in [("<style>", "</style>"), ("<script>", "</script>")] {
            let hash = hash(inside(&page, opening, closing));
            assert!(policy.contains(&format!("'sha256-{hash}'")), "{opening}");
        }
        assert!(policy.starts_with("default-src 'none';"));
        assert!(!policy.contains("unsafe"));
    }

    #[test]
    fn every_place_is_filled() {
        let finished = finished("{\"elapsed_ms\":1}");
        for place in [STYLE_PLACE, SCRIPT_PLACE, POLICY_PLACE, DATA_PLACE] {
            assert_eq!(MARKUP.matches(place).count(), 1, "{place}");
            assert!(
                !live().0.contains(place) && !finished.contains(place),
                "{place}"
            );
        }
        assert!(finished.contains("{\"elapsed_ms\":1}"));
    }

    #[test]
    fn data_cannot_end_the_element_it_stands_in() {
        let page = finished("{\"name\":\"</script><script>alert(1)</script>\"}");
        assert!(page.contains("\\u003c/script>\\u003cscript>alert(1)"));
        assert_eq!(page.matches("</script>").count(), 2);
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for page in [live().0, finished("{}")] {
            for foreign in ["http:", "https:", "src=\"", "url(", "@import", "//cdn"] {
                assert!(!page.contains(foreign), "{foreign}");
            }
        }
    }
}
