//! Properties of the robust statistics, against naive recomputation.

use mad_core::robust::{
    LOG10_SF_MIN, RollingMad, beta_binomial_log10_sf, mad, mean_abs_deviation, median, median_mad,
    modified_z, normal_log10_sf, quantile, rolling_mad, rolling_mad_into, rolling_z,
    student_t_log10_sf,
};
use proptest::prelude::*;

/// The definition: the median, and the median of the distances to it.
fn naive_median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => sorted[n / 2],
        _ => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

fn naive(values: &[f64]) -> (f64, f64) {
    let values: Vec<f64> = values.iter().map(|x| x + 0.0).collect();
    let center = naive_median(&values);
    let distances: Vec<f64> = values.iter().map(|x| (x - center).abs()).collect();
    (center, naive_median(&distances))
}

fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

fn same_pair(a: (f64, f64), b: (f64, f64)) -> bool {
    same(a.0, b.0) && same(a.1, b.1)
}

/// Ordinary, tied, extreme and non-finite numbers.
fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -1e3..1e3,
        8 => (-3i32..4).prop_map(f64::from),
        1 => prop::sample::select(vec![
            0.0, -0.0, 1e300, -1e300, 1.7e308, -1.7e308, f64::MAX, f64::MIN, 5e-324, -5e-324,
            f64::MIN_POSITIVE,
        ]),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ]
}

fn series() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        4 => prop::collection::vec(any_value(), 0..160),
        2 => prop::collection::vec(-1e3..1e3, 0..400),
        1 => prop::collection::vec(prop::sample::select(vec![1.0, 2.0]), 0..160),
        1 => (any_value(), 0usize..100).prop_map(|(x, n)| vec![x; n]),
        1 => prop::collection::vec(
            prop::sample::select(vec![1e300, -1e300, f64::MAX, f64::MIN, 9e307, 0.0]), 0..40),
    ]
}

fn feed(rolling: &mut RollingMad, values: &[f64]) {
    for x in values {
        rolling.push(*x);
    }
}

proptest! {
    #[test]
    fn rolling_equals_the_naive_computation(values in series(), window in 1usize..130) {
        let mut rolling = RollingMad::new(window).unwrap();
        let mut held: Vec<f64> = Vec::new();
        for x in values {
            prop_assert_eq!(rolling.push(x), x.is_finite());
            if x.is_finite() {
                held.push(x);
                if held.len() > window {
                    held.remove(0);
                }
            }
            prop_assert!(rolling.values().eq(held.iter().copied()));
            prop_assert!(rolling.sorted().is_sorted());
            let expected = naive(&held);
            let found = rolling.median_mad();
            prop_assert!(same_pair(found, expected), "{found:?}, not {expected:?}");
            prop_assert!(same_pair((rolling.median(), rolling.mad()), expected));
            prop_assert!(held.is_empty() || (found.0.is_finite() && found.1.is_finite()));
        }
    }

    #[test]
    fn arrays_equal_the_naive_computation(values in series(), q in 0.0..=1.0) {
        let held: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        prop_assert!(same_pair(median_mad(&values), naive(&held)));
        prop_assert!(same_pair((median(&values), mad(&values)), naive(&held)));
        let mut rolling = RollingMad::new(500).unwrap();
        feed(&mut rolling, &held);
        prop_assert!(same(quantile(&values, q), rolling.quantile(q)));
        prop_assert!(same(quantile(&values, 0.5), median(&values)));
        let (a, b) = (mean_abs_deviation(&values), rolling.mean_abs_deviation());
        prop_assert!(same(a, b) || (a - b).abs() <= 1e-12 * a);
        for (x, z) in values.iter().zip(modified_z(&values)) {
            prop_assert_eq!(z.is_nan(), !x.is_finite());
        }
    }

    #[test]
    fn rolling_arrays_need_full_finite_windows(values in series(), window in 1usize..40) {
        let (medians, mads) = rolling_mad(&values, window).unwrap();
        for (i, found) in medians.iter().copied().zip(mads.iter().copied()).enumerate() {
            let rows = (i + 1).checked_sub(window).and_then(|from| values.get(from..=i));
            let expected = match rows {
                Some(rows) if rows.iter().all(|x| x.is_finite()) => naive(rows),
                _ => (f64::NAN, f64::NAN),
            };
            prop_assert!(same_pair(found, expected), "row {i}: {found:?}, not {expected:?}");
        }
        let (mut m, mut d) = (vec![0.0; values.len()], vec![0.0; values.len()]);
        rolling_mad_into(&values, window, &mut m, &mut d).unwrap();
        prop_assert!(m.iter().zip(&medians).all(|(a, b)| same(*a, *b)));
        prop_assert!(d.iter().zip(&mads).all(|(a, b)| same(*a, *b)));
    }

    #[test]
    fn rolling_z_does_not_look_ahead(
        values in series(), window in 3usize..40, cut in 0usize..160,
    ) {
        let all = rolling_z(&values, window, 3).unwrap();
        let cut = cut.min(values.len());
        let part = rolling_z(&values[..cut], window, 3).unwrap();
        prop_assert!(part.iter().zip(&all).all(|(a, b)| same(*a, *b)));
        let mut before = 0;
        for (x, z) in values.iter().zip(&all) {
            prop_assert_eq!(z.is_nan(), !x.is_finite() || before < 3);
            before += usize::from(x.is_finite());
        }
    }

    #[test]
    fn statistics_shift_and_scale_with_the_values(
        values in prop::collection::vec(-1000i32..1000, 1..200),
        window in 1usize..80,
        shift in -1000i32..1000,
        power in -30i32..30,
    ) {
        // whole numbers and powers of two, so that every step is exact
        let (shift, scale) = (f64::from(shift), f64::from(power).exp2());
        let mut plain = RollingMad::new(window).unwrap();
        let mut moved = RollingMad::new(window).unwrap();
        for x in values {
            plain.push(f64::from(x));
            moved.push((f64::from(x) + shift) * scale);
            let (center, mad) = plain.median_mad();
            prop_assert_eq!(moved.median_mad(), ((center + shift) * scale, mad * scale));
        }
    }

    #[test]
    fn restored_state_continues_unchanged(
        before in series(), after in series(), window in 1usize..100,
    ) {
        let mut kept = RollingMad::new(window).unwrap();
        feed(&mut kept, &before);
        // as a value and not as text: text keeps every bit only with `float_roundtrip`
        let saved = serde_json::to_value(&kept).unwrap();
        let mut restored: RollingMad = serde_json::from_value(saved.clone()).unwrap();
        prop_assert_eq!(&restored, &kept);
        prop_assert_eq!(serde_json::to_value(&restored).unwrap(), saved);
        for x in after {
            prop_assert_eq!(restored.push(x), kept.push(x));
            prop_assert!(same_pair(restored.median_mad(), kept.median_mad()));
            prop_assert!(same(restored.mean_abs_deviation(), kept.mean_abs_deviation()));
        }
        prop_assert_eq!(restored, kept);
    }

    #[test]
    fn memory_does_not_grow_beyond_the_window(values in series(), window in 1usize..60) {
        let mut rolling = RollingMad::new(window).unwrap();
        for x in values.iter().cycle().take(3 * values.len()) {
            rolling.push(*x);
            prop_assert!(rolling.len() <= window);
            prop_assert!(rolling.heap_bytes() <= 16 * window.min((2 * rolling.len()).max(4)));
        }
    }

    #[test]
    fn tail_probabilities_decrease(
        z in -50.0..50.0, step in 1e-9..3.0, ln_dof in -1.0..20.0, scale in -3.0..4.0,
    ) {
        let (z, dof) = (z * f64::exp(scale), f64::exp(ln_dof));
        for tail in [normal_log10_sf, |z| student_t_log10_sf(z, 1.0)] {
            prop_assert!(tail(z + step) <= tail(z));
        }
        let (near, far) = (student_t_log10_sf(z, dof), student_t_log10_sf(z + step, dof));
        prop_assert!(far <= near + 1e-12 * near.abs(), "{near} {far}");
        prop_assert!((LOG10_SF_MIN..=0.0).contains(&far));
        // both sides add up to one
        let both = 10f64.powf(near) + 10f64.powf(student_t_log10_sf(-z, dof));
        prop_assert!((both - 1.0).abs() < 1e-12);
    }

    #[test]
    fn beta_binomial_tail_probabilities_decrease(
        n in prop_oneof![1u64..50, 1u64..10_000, 1u64..1_000_000_000],
        share in 0.0..=1.0,
        ln_a in -7.0..20.0,
        ln_b in -7.0..20.0,
    ) {
        let (a, b) = (f64::exp(ln_a), f64::exp(ln_b));
        // near the mean, where neighbouring counts differ least, and elsewhere
        let mean = n as f64 * a / (a + b);
        let spread = (mean * b / (a + b) * (1.0 + n as f64 / (a + b + 1.0))).sqrt();
        for k in [(n as f64 * share) as u64, (mean + 20.0 * (share - 0.5) * spread) as u64] {
            let (near, far) = (
                beta_binomial_log10_sf(k, n, a, b),
                beta_binomial_log10_sf(k.saturating_add(1), n, a, b),
            );
            prop_assert!((LOG10_SF_MIN..=0.0).contains(&near));
            prop_assert!(far <= near + 1e-8, "{k}: {near} {far}");
            // the lower tail is the upper one of the failures
            if (1..=n).contains(&k) {
                let lower = beta_binomial_log10_sf(n - k + 1, n, b, a);
                let both = 10f64.powf(near) + 10f64.powf(lower);
                prop_assert!((both - 1.0).abs() < 1e-8, "{k}: {both}");
            }
        }
    }
}
