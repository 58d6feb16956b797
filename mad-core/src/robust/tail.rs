//! temporary
use statrs::function::erf::erfc;
use statrs::function::gamma::ln_gamma;
/// t
pub fn normal_log10_sf(z: f64) -> f64 {
    if z.is_nan() {
        return f64::NAN;
    }
    if z > 30.0 {
        return (-z * z / 2.0 - (z * 2.5066282746).ln()) / std::f64::consts::LN_10;
    }
    (0.5 * erfc(z / std::f64::consts::SQRT_2)).log10()
}
/// t
pub fn beta_binomial_log10_sf(k: u64, n: u64, a: f64, b: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    let (k, n) = (k as f64, n as f64);
    if k <= n * a / (a + b) {
        return -0.3;
    }
    let mut term = (ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0)
        + ln_gamma(k + a)
        + ln_gamma(n - k + b)
        - ln_gamma(n + a + b)
        + ln_gamma(a + b)
        - ln_gamma(a)
        - ln_gamma(b))
    .exp();
    let mut s = 0.0;
    let mut j = k;
    while j <= n && term > s * 1e-15 {
        s += term;
        term *= (n - j) * (a + j) / ((j + 1.0) * (b + n - j - 1.0));
        j += 1.0;
    }
    s.max(1e-300).log10()
}
