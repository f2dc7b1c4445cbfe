//! A hash that is the same in every process, of every build.

/// Names that differ in where one part ends and the next begins have different hashes.
pub(crate) fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    // FNV-1a (64 bits), then the finaliser below, which spreads what is left of its patterns.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        let length = part.len() as u64;
        for byte in length.to_le_bytes().into_iter().chain(part.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    mixed(hash)
}

/// The finaliser of SplitMix64: every bit of the input reaches every bit of the output.
pub(crate) const fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash as a number above 0 and below 1.
pub(crate) fn unit(hash: u64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "52 bits fit exactly, and so does the half"
    )]
    let numerator = (hash >> 12) as f64;
    (numerator + 0.5) / 4_503_599_627_370_496.0
}

/// A number from elsewhere as a share: 0 to 1, and 0 for what is no number.
pub(crate) const fn share(number: f64) -> f64 {
    if number > 0.0 { number.min(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_part_ends_makes_a_difference() {
        assert_ne!(of_parts(["ab", "c"]), of_parts(["a", "bc"]));
        assert_ne!(of_parts([""]), of_parts(["", ""]));
    }

    #[test]
    fn the_hash_of_a_name_never_changes() {
        // Instances of different versions have to agree.
        assert_eq!(of_parts(["openai", "gpt-4o-mini"]), 0x6bcc_9892_56ad_75f1);
    }

    #[test]
    fn units_are_spread_evenly_and_never_zero_or_one() {
        assert!(unit(0) > 0.0 && unit(u64::MAX) < 1.0);
        let low = (0..10_000).filter(|n| unit(mixed(*n)) < 0.25).count();
        assert!((2300..2700).contains(&low), "{low}");
    }
}
