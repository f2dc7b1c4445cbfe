//! Coefficients of the linear models, in millionths of a token for each thing counted.
//!
//! They are what `cargo run --example fit` prints; a test holds them against a new fit.

/// In the order of [`super::SHAPED_FEATURES`].
pub(super) const O200K_SHAPED: [u32; 29] = [
    961471, 1174519, 414732, 12074, 0, 932057, 517915, 95783, 1932425, 1531190, 164858, 134700,
    22242, 1270475, 558258, 106454, 328819, 170048, 629647, 221332, 115178, 157933, 98423, 264288,
    740126, 772180, 442445, 2346228, 2964580,
];
/// In the order of [`super::COARSE_FEATURES`].
pub(super) const O200K_COARSE: [u32; 7] = [238899, 638394, 113089, 431099, 353498, 474463, 5384355];
/// In the order of [`super::SHAPED_FEATURES`].
pub(super) const CL100K_SHAPED: [u32; 29] = [
    1038273, 1231915, 422797, 0, 0, 1412178, 558243, 79602, 2153557, 1537104, 185972, 80279, 28482,
    1183925, 624142, 109536, 301852, 90206, 1792649, 835301, 326663, 626351, 964510, 1075945,
    980361, 1153617, 989858, 1485035, 4832290,
];
/// In the order of [`super::COARSE_FEATURES`].
pub(super) const CL100K_COARSE: [u32; 7] =
    [244219, 642033, 165111, 342778, 701002, 1178800, 6615144];
