//! The documented examples, and what keeps the rules from going astray.

use super::{ImageDetail, PatchRule, image_tokens, image_tokens_of_unknown_size};

#[test]
fn a_patch_model_counts_patches_times_its_factor() {
    assert_eq!(
        image_tokens("gpt-5.4", 1_024, 1_024, ImageDetail::High),
        1_229
    );
    assert_eq!(
        image_tokens("gpt-5-nano", 1_024, 1_024, ImageDetail::High),
        1_536
    );
    assert_eq!(
        image_tokens("gpt-4.1-mini", 1_024, 1_024, ImageDetail::Auto),
        1_659
    );
    assert_eq!(
        image_tokens("o4-mini", 1_024, 1_024, ImageDetail::Auto),
        1_762
    );
}

#[test]
fn an_image_above_the_budget_is_shrunk_into_it() {
    assert_eq!(
        image_tokens("gpt-5.5", 2_048, 2_048, ImageDetail::High),
        3_000
    );
    let original = image_tokens("gpt-5.5", 2_048, 2_048, ImageDetail::Original);
    assert_eq!(original, (64 * 64_u64 * 12).div_ceil(10));
}

#[test]
fn the_newest_models_look_at_the_whole_image() {
    assert_eq!(
        image_tokens("gpt-6-astra", 4_032, 3_024, ImageDetail::Original),
        14_364
    );
    assert_eq!(
        image_tokens("gpt-5.6-sol", 4_032, 3_024, ImageDetail::Auto),
        14_364
    );
    assert!(image_tokens("gpt-6-astra", 4_032, 3_024, ImageDetail::High) <= 3_000);
}

#[test]
fn shrinking_never_passes_the_budget() {
    for (width, height) in [
        (1, 100_000),
        (33, 65_537),
        (6_000, 6_001),
        (u32::MAX, u32::MAX),
    ] {
        for (a, b) in [(width, height), (height, width)] {
            assert!(
                image_tokens("gpt-5.4", a, b, ImageDetail::High) <= 3_000,
                "{a} by {b}"
            );
            assert!(
                image_tokens("gpt-5.4", a, b, ImageDetail::Original) <= 12_000,
                "{a} by {b}"
            );
        }
    }
}

#[test]
fn a_larger_image_is_never_much_cheaper() {
    // Fitting to whole patches may give up one row and one column of a budget's patches.
    let mut most = 0;
    for side in (32..6_000).step_by(37) {
        let tokens = PatchRule::NEWEST.tokens(side, side, ImageDetail::High);
        assert!(tokens * 100 >= most * 96, "{side}: {tokens} after {most}");
        most = most.max(tokens);
    }
    assert_eq!(most, 3_000);
}

#[test]
fn a_tile_model_counts_tiles_on_a_base() {
    assert_eq!(image_tokens("gpt-4o", 1_024, 1_024, ImageDetail::High), 765);
    assert_eq!(
        image_tokens("gpt-4o", 2_048, 4_096, ImageDetail::High),
        1_105
    );
    assert_eq!(image_tokens("gpt-4o", 4_096, 8_192, ImageDetail::Low), 85);
    assert_eq!(image_tokens("gpt-4.1", 512, 512, ImageDetail::Auto), 255);
    assert_eq!(
        image_tokens("gpt-4o-mini", 512, 512, ImageDetail::High),
        8_500
    );
    assert_eq!(image_tokens("gpt-5", 512, 512, ImageDetail::High), 210);
    assert_eq!(image_tokens("gpt-5.1", 512, 512, ImageDetail::High), 210);
    assert_eq!(image_tokens("o3", 512, 512, ImageDetail::High), 225);
}

#[test]
fn high_fidelity_has_its_price_on_image_models() {
    assert_eq!(
        image_tokens("gpt-image-1", 512, 512, ImageDetail::Auto),
        194
    );
    assert_eq!(
        image_tokens("gpt-image-1", 1_024, 1_024, ImageDetail::High),
        194 + 4_160
    );
    assert_eq!(
        image_tokens("gpt-image-1", 1_024, 1_536, ImageDetail::High),
        65 + 2 * 129 + 6_240
    );
}

#[test]
fn the_longest_matching_name_decides() {
    let at = |model| image_tokens(model, 1_024, 1_024, ImageDetail::High);
    assert_ne!(at("gpt-4.1-mini-2025-04-14"), at("gpt-4.1"));
    assert_ne!(at("gpt-5-mini"), at("gpt-5"));
    assert_eq!(at("gpt-5.9-unheard-of"), at("gpt-5.4"));
    assert_eq!(at("ft:gpt-4o-2024-08-06:acme::id"), 765);
}

#[test]
fn an_unknown_model_takes_the_higher_of_both_rules() {
    assert_eq!(
        image_tokens("someone-elses", 1_024, 1_024, ImageDetail::High),
        1_229
    );
    assert_eq!(
        image_tokens("someone-elses", 32, 32, ImageDetail::High),
        255
    );
}

#[test]
fn an_image_of_unknown_size_counts_as_a_large_photograph() {
    assert_eq!(
        image_tokens_of_unknown_size("gpt-6-astra", ImageDetail::Auto),
        14_364
    );
    assert_eq!(image_tokens_of_unknown_size("gpt-4o", ImageDetail::Low), 85);
    assert_eq!(
        image_tokens_of_unknown_size("gpt-4o", ImageDetail::High),
        85 + 4 * 170
    );
}

#[test]
fn a_side_of_zero_counts_as_one_pixel() {
    assert_eq!(image_tokens("gpt-5.4", 0, 0, ImageDetail::High), 2);
    assert_eq!(
        image_tokens("gpt-4o", 0, 4_000, ImageDetail::High),
        85 + 4 * 170
    );
}
