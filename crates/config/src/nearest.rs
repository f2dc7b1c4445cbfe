//! What somebody who mistyped a name probably meant.

/// The candidate closest to `name`, if any is close enough to be meant.
///
/// Close enough is one edit for each three characters, two at the least: more would suggest
/// names that have nothing to do with what was written.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let length = name.chars().count();
    let allowed = (length / 3).max(2);
    candidates
        // The distance is at least the difference in length, and hostile names may be very long.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= allowed)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_close_enough_to_be_meant_is_suggested() {
        let names = ["listen", "threads", "tokens_per_minute", "stabilisation"];
        for (written, meant) in [
            ("lsiten", Some("listen")),
            ("token_per_minute", Some("tokens_per_minute")),
            ("stabilization", Some("stabilisation")),
            ("thread", Some("threads")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names.into_iter()), meant, "{written}");
        }
    }
}
