//! The shop: four services, three endpoints each.

/// One endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) method: &'static str,
    /// Range of latency, ms.
    pub(super) latency: (f64, f64),
    /// Share of requests that fail.
    pub(super) error_rate: f64,
}

/// One service; its traffic is spread evenly over its endpoints.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    /// Share of the traffic, relative to the others.
    pub(super) weight: f64,
    pub(super) endpoints: [Endpoint; 3],
}

const fn endpoint(
    name: &'static str,
    method: &'static str,
    latency: (f64, f64),
    error_rate: f64,
) -> Endpoint {
    Endpoint { name, method, latency, error_rate }
}

/// The original system's services, in its order.
pub(super) static SERVICES: [Service; 4] = [
    Service {
        name: "auth",
        weight: 2.0,
        endpoints: [
            endpoint("/login", "POST", (50.0, 100.0), 0.01),
            endpoint("/logout", "POST", (30.0, 60.0), 0.005),
            endpoint("/verify", "GET", (20.0, 50.0), 0.02),
        ],
    },
    Service {
        name: "catalog",
        weight: 3.0,
        endpoints: [
            endpoint("/items", "GET", (40.0, 120.0), 0.008),
            endpoint("/search", "GET", (80.0, 200.0), 0.015),
            endpoint("/item/{id}", "GET", (30.0, 80.0), 0.01),
        ],
    },
    Service {
        name: "checkout",
        weight: 1.5,
        endpoints: [
            endpoint("/cart", "GET", (50.0, 150.0), 0.01),
            endpoint("/cart/add", "POST", (60.0, 180.0), 0.02),
            endpoint("/checkout", "POST", (100.0, 300.0), 0.025),
        ],
    },
    Service {
        name: "payments",
        weight: 1.0,
        endpoints: [
            endpoint("/pay", "POST", (150.0, 400.0), 0.015),
            endpoint("/refund", "POST", (100.0, 250.0), 0.02),
            endpoint("/status", "GET", (40.0, 100.0), 0.01),
        ],
    },
];

/// Names and definitions of `count` services. Beyond four the four repeat as `auth-2`, ...; below
/// four `payments` stays, because the default incident is there, and the last others go.
pub(super) fn services(count: u32) -> impl Iterator<Item = (String, &'static Service)> {
    let kept = count.saturating_sub(1) as usize;
    let few = count < 4;
    let first = SERVICES
        .iter()
        .enumerate()
        .filter(move |(i, _)| !few || *i < kept || *i == 3)
        .map(|(_, service)| (service.name.to_owned(), service));
    let further = (4..count).filter_map(|i| {
        let service = SERVICES.get(i as usize % 4)?;
        Some((format!("{}-{}", service.name, i / 4 + 1), service))
    });
    first.take(count as usize).chain(further)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_few_and_of_many() {
        let names = |count| services(count).map(|(name, _)| name).collect::<Vec<_>>().join(" ");
        assert_eq!(names(1), "payments");
        assert_eq!(names(3), "auth catalog payments");
        assert_eq!(names(4), "auth catalog checkout payments");
        assert_eq!(
            names(10),
            "auth catalog checkout payments auth-2 catalog-2 checkout-2 payments-2 auth-3 catalog-3"
        );
    }
}
