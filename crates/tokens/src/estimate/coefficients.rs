//! Coefficients of the linear models, in millionths of a token for each thing counted.
//!
//! They are what `cargo run --example fit` prints; a test holds them against a new fit.

/// In the order of [`super::SHAPED_FEATURES`].
pub(super) const O200K_SHAPED: [u32; 29] = [
    844971, 1124647, 671365, 37363, 0, 258421, 493202, 186898, 1482278, 1338856, 549291, 0, 5361,
    1278349, 0, 75884, 726942, 156513, 750090, 245102, 134804, 188425, 134086, 279230, 742889,
    786950, 478081, 776979, 2737071,
];
/// In the order of [`super::COARSE_FEATURES`].
pub(super) const O200K_COARSE: [u32; 7] = [228261, 636947, 118696, 455482, 350319, 472745, 6339864];
/// In the order of [`super::SHAPED_FEATURES`].
pub(super) const CL100K_SHAPED: [u32; 29] = [
    1051968, 1279328, 687791, 691, 0, 809910, 558464, 176553, 1785216, 1359891, 521071, 0, 0,
    1394975, 0, 77790, 685788, 87252, 1607706, 834450, 325291, 628244, 966750, 1076806, 985247,
    1160640, 983689, 0, 3907161,
];
/// In the order of [`super::COARSE_FEATURES`].
pub(super) const CL100K_COARSE: [u32; 7] =
    [249094, 642281, 159401, 335638, 702351, 1179535, 6246093];
