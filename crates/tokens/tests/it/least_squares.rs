//! Fitting a linear model with coefficients that are not negative.

/// One text: what was counted in it, what it should come to, and how much it matters.
pub(crate) struct Row<const N: usize> {
    pub(crate) features: [u64; N],
    pub(crate) tokens: u64,
    pub(crate) weight: f64,
}

/// Sweeps over all coefficients. The error has long stopped falling by then.
const SWEEPS: usize = 20_000;
/// Keeps coefficients that the rows say nothing about at zero.
const RIDGE: f64 = 1e-7;

/// The coefficients, in millionths, with the least sum of squared *relative* errors.
///
/// None is negative: a longer text never gets a lower estimate, and no text an absurd one.
/// Coordinate descent finds them, because the problem is convex and small.
pub(crate) fn fit<const N: usize>(rows: &[Row<N>]) -> [u32; N] {
    let mut products = [[0.0; N]; N];
    let mut targets = [0.0; N];
    for row in rows {
        let shares = row
            .features
            .map(|feature| feature as f64 / row.tokens as f64);
        for i in 0..N {
            targets[i] += row.weight * shares[i];
            for j in 0..N {
                products[i][j] += row.weight * shares[i] * shares[j];
            }
        }
    }
    let mut coefficients = [0.0_f64; N];
    for _ in 0..SWEEPS {
        for i in 0..N {
            let diagonal = products[i][i] + RIDGE;
            let others: f64 = (0..N)
                .map(|j| products[i][j] * coefficients[j])
                .sum::<f64>()
                - products[i][i] * coefficients[i];
            coefficients[i] = ((targets[i] - others) / diagonal).max(0.0);
        }
    }
    coefficients.map(|coefficient| (coefficient * 1e6).round() as u32)
}
