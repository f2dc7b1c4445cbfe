//! The list of lanes that a call went on from, and how long it may be.

use super::replace_controls;

/// The longest list of lanes that a call went on from, in bytes. A longer one ends after the last lane
/// that fits.
pub const PASSED_BYTES_MAX: usize = 512;

/// Stands between two lanes.
const SEPARATOR: &str = ", ";

/// The list within its bounds; `None`: nothing is left.
pub(super) fn bounded(mut passed: String) -> Option<String> {
    replace_controls(&mut passed);
    if passed.len() > PASSED_BYTES_MAX {
        // What comes right after the last byte may be a separator too.
        let room = passed.floor_char_boundary(PASSED_BYTES_MAX + SEPARATOR.len());
        let end = passed[..room].rfind(SEPARATOR);
        let end = end.unwrap_or_else(|| passed.floor_char_boundary(PASSED_BYTES_MAX));
        passed.truncate(end);
    }
    (!passed.is_empty()).then_some(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_ends_after_the_last_lane_that_fits() {
        let lane = "upstream/gpt-4o-mini;overload";
        let all = vec![lane; 40].join(SEPARATOR);
        let kept = bounded(all.clone()).unwrap();
        assert!(all.starts_with(&kept));
        assert!(kept.split(SEPARATOR).all(|one| one == lane), "{kept}");
        assert!(kept.len() <= PASSED_BYTES_MAX);
        assert!(kept.len() + SEPARATOR.len() + lane.len() > PASSED_BYTES_MAX);
        assert_eq!(bounded(kept.clone()), Some(kept), "once is enough");
    }

    #[test]
    fn a_lane_that_ends_at_the_bound_stays() {
        let first = "a".repeat(PASSED_BYTES_MAX);
        assert_eq!(bounded(format!("{first}, b")), Some(first.clone()));
        assert_eq!(bounded(first.clone()), Some(first));
    }

    #[test]
    fn one_that_is_too_long_by_itself_is_cut_at_the_end_of_a_character() {
        let kept = bounded(format!("x{}", "\u{e4}".repeat(PASSED_BYTES_MAX))).unwrap();
        assert_eq!(kept.len(), PASSED_BYTES_MAX - 1);
        assert_eq!(bounded(String::new()), None);
        assert_eq!(bounded("a\nb".to_owned()).as_deref(), Some("a\u{fffd}b"));
    }
}
