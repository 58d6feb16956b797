//! The calls between services, as the grouping of incidents sees them.

use std::sync::Arc;

/// The calls between services. An incident can include entities of neighbouring services.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use mad_core::incident::Topology;
///
/// /// A shop in which the front page calls two services.
/// struct Shop;
///
/// impl Topology for Shop {
///     fn neighbours(&self, service: &str) -> Vec<Arc<str>> {
///         if service == "front" { vec!["cart".into(), "search".into()] } else { vec!["front".into()] }
///     }
/// }
///
/// assert_eq!(&*Shop.neighbours("cart")[0], "front");
/// ```
pub trait Topology {
    /// The services that call `service` or are called by it, in any order.
    fn neighbours(&self, service: &str) -> Vec<Arc<str>>;
}

/// Without a topology, only entities of one service share an incident.
impl Topology for () {
    fn neighbours(&self, _: &str) -> Vec<Arc<str>> {
        Vec::new()
    }
}
