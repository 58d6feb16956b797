//! Logarithms of factorials.

use std::sync::LazyLock;

use statrs::function::gamma::ln_gamma;

/// Factorials that are kept in a table: those of the requests of most rows.
const KNOWN: usize = 512;

/// `ln n!` for `n` below `KNOWN`. A log-gamma costs more than all else in a binomial tail.
static TABLE: LazyLock<[f64; KNOWN]> =
    LazyLock::new(|| std::array::from_fn(|n| ln_gamma(n as f64 + 1.0)));

/// `ln n!` of a whole number `n` of 0 or more, as the log-gamma of `n + 1`.
pub(crate) fn ln_factorial(n: f64) -> f64 {
    TABLE.get(n as usize).copied().unwrap_or_else(|| ln_gamma(n + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_continues_in_the_function() {
        assert!((ln_factorial(5.0) - 120.0_f64.ln()).abs() < 1e-12);
        for n in [0.0, 1.0, 511.0, 512.0, 1e9] {
            assert_eq!(ln_factorial(n), ln_gamma(n + 1.0));
        }
    }
}
