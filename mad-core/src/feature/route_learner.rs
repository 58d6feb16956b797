//! Routes learnt from unbounded paths: positions with too many values become `{*}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The segment that stands for all values of a position without a bound.
const ANY: &str = "{*}";
/// Values from which a position can be unbounded. A service may have this number of static routes
/// under one prefix.
const STATIC_VALUES: usize = 256;
/// Values from which a position is unbounded, whatever its traffic looks like. It is also the
/// estimated number of values that makes a position unbounded earlier.
const MOST_VALUES: usize = 1_000;
/// A value with at least this share of the requests of its position keeps its route.
const KEPT_SHARE: f64 = 0.01;
/// Requests that such a value needs at least.
const KEPT_REQUESTS: u64 = 20;
/// Positions and values that are followed, over all services. Names beyond are not learnt.
const MOST_NODES: usize = 100_000;

/// Learns which positions of the paths of a service have no bounded number of values.
///
/// # Method
///
/// The paths of a service form a trie of segments. The values of one position under one prefix are
/// counted, separately for last segments and for others. A position becomes `{*}` when
///
/// - it has more than 1,000 values, or
/// - it has more than 256, and the share of its requests with a value that was seen once is larger
///   than that of 1,000 equally frequent values, `exp(-n / 1000)` after `n` requests. The share of
///   requests with values seen once estimates the probability of a new value (Good, 1953).
///
/// Values with at least 1 % of the requests of the position keep their own routes. All others share
/// the route with `{*}`, and the counts of the segments behind them is merged.
///
/// # Limits
///
/// A position that became `{*}` stays so. Positions under `{*}` are learnt like others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RouteLearner {
    services: BTreeMap<Arc<str>, ServiceRoutes>,
    nodes: usize,
}

/// The paths of one service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServiceRoutes {
    root: Position,
    /// Whether some position is unbounded.
    is_learnt: bool,
}

/// One position of a path under one prefix.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Position {
    /// Last segments.
    last: Values,
    /// Segments with others behind them.
    inner: Values,
}

/// The values of a position.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Values {
    known: BTreeMap<Box<str>, Value>,
    /// Requests with the known values.
    requests: u64,
    /// Values that were seen once.
    once: u64,
    /// The positions behind `{*}`, if the position is unbounded.
    any: Option<Box<Position>>,
}

/// One value of a position.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Value {
    requests: u64,
    behind: Option<Box<Position>>,
}

impl RouteLearner {
    /// Counts the requests of an endpoint. Returns whether a position became unbounded.
    pub fn observe(&mut self, service: &Arc<str>, endpoint: &str, requests: u64) -> bool {
        if !self.services.contains_key(service) {
            self.services.insert(Arc::clone(service), ServiceRoutes::default());
        }
        let Some(routes) = self.services.get_mut(service) else { return false };
        let became = routes.root.observe(endpoint, requests, &mut self.nodes);
        routes.is_learnt |= became;
        became
    }

    /// The learnt route of an endpoint; `None` if it keeps its name.
    pub fn route(&self, service: &str, endpoint: &str) -> Option<String> {
        let routes = self.services.get(service).filter(|routes| routes.is_learnt)?;
        let mut out = String::with_capacity(endpoint.len());
        routes.root.route(endpoint, &mut out).then_some(out)
    }

    /// The routes with unbounded positions of each service that has some.
    pub fn learnt(&self) -> impl Iterator<Item = (&Arc<str>, Vec<String>)> {
        let learnt = self.services.iter().filter(|(_, routes)| routes.is_learnt);
        learnt.map(|(service, routes)| {
            let mut out = Vec::new();
            routes.root.list(&mut String::new(), &mut out);
            (service, out)
        })
    }

    /// The paths of a service, to save them with it.
    pub fn of(&self, service: &str) -> Option<&ServiceRoutes> {
        self.services.get(service)
    }

    pub fn set(&mut self, service: &str, routes: Option<ServiceRoutes>) {
        if let Some(known) = self.services.remove(service) {
            self.nodes -= known.root.size().min(self.nodes);
        }
        if let Some(routes) = routes {
            self.nodes += routes.root.size();
            self.services.insert(service.into(), routes);
        }
    }
}

/// The first segment, and the rest behind a slash.
fn cut(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)))
}

impl Position {
    fn observe(&mut self, path: &str, requests: u64, nodes: &mut usize) -> bool {
        let (segment, rest) = cut(path);
        let values = if rest.is_some() { &mut self.inner } else { &mut self.last };
        let became = values.count(segment, requests, nodes);
        let behind = rest.and_then(|rest| Some((values.behind(segment)?, rest)));
        let deeper = behind.is_some_and(|(behind, rest)| behind.observe(rest, requests, nodes));
        became || deeper
    }

    /// Writes the route. Returns whether it differs from the path.
    fn route(&self, path: &str, out: &mut String) -> bool {
        let (segment, rest) = cut(path);
        let values = if rest.is_some() { &self.inner } else { &self.last };
        let (written, behind, is_any) = match (values.known.get(segment), &values.any) {
            (Some(value), _) => (segment, value.behind.as_deref(), false),
            (None, Some(any)) => (ANY, Some(&**any), segment != ANY),
            (None, None) => (segment, None, false),
        };
        out.push_str(written);
        let Some(rest) = rest else { return is_any };
        out.push('/');
        if let Some(behind) = behind {
            behind.route(rest, out) || is_any
        } else {
            out.push_str(rest);
            is_any
        }
    }

    /// Adds the prefixes that end in `{*}`.
    fn list(&self, prefix: &mut String, out: &mut Vec<String>) {
        let length = prefix.len();
        if self.last.any.is_some() {
            out.push(format!("{prefix}{ANY}"));
        }
        if let Some(any) = &self.inner.any {
            prefix.push_str(ANY);
            prefix.push('/');
            out.push(prefix.clone());
            any.list(prefix, out);
            prefix.truncate(length);
        }
        for (segment, value) in &self.inner.known {
            if let Some(behind) = &value.behind {
                prefix.push_str(segment);
                prefix.push('/');
                behind.list(prefix, out);
                prefix.truncate(length);
            }
        }
    }

    /// Takes over what another position learnt.
    fn merge(&mut self, other: Self) {
        self.last.merge(other.last);
        self.inner.merge(other.inner);
    }

    fn size(&self) -> usize {
        let of = |values: &Values| {
            let known = values.known.values();
            let behind = known.filter_map(|value| value.behind.as_deref()).map(Self::size);
            let any = values.any.as_ref().map_or(0, |any| any.size());
            values.known.len() + any + behind.sum::<usize>()
        };
        of(&self.last) + of(&self.inner)
    }
}

impl Values {
    /// Counts a value. Returns whether the position became unbounded.
    fn count(&mut self, segment: &str, requests: u64, nodes: &mut usize) -> bool {
        if let Some(value) = self.known.get_mut(segment) {
            self.once -= u64::from(value.requests == 1).min(self.once);
            value.requests += requests;
            self.requests += requests;
            return false;
        }
        // New values of an unbounded position share its route and take no memory.
        if self.any.is_some() || *nodes >= MOST_NODES {
            return false;
        }
        *nodes += 1;
        self.known.insert(segment.into(), Value { requests, behind: None });
        self.requests += requests;
        self.once += u64::from(requests == 1);
        self.is_unbounded() && {
            self.open(nodes);
            true
        }
    }

    fn is_unbounded(&self) -> bool {
        // Good (1953): the share of values seen once estimates how many are yet unseen.
        let share = self.once as f64 / self.requests as f64;
        // The same share, had the position 1,000 values of equal traffic (Poisson).
        let of_many = (-(self.requests as f64) / MOST_VALUES as f64).exp();
        self.known.len() > MOST_VALUES || self.known.len() > STATIC_VALUES && share > of_many
    }

    /// Makes the position unbounded.
    fn open(&mut self, nodes: &mut usize) {
        let least = (KEPT_SHARE * self.requests as f64).max(KEPT_REQUESTS as f64);
        let mut any = Position::default();
        for (segment, value) in std::mem::take(&mut self.known) {
            // A frequent static route, such as `/users/me` beside `/users/123`, keeps its name.
            if value.requests as f64 >= least {
                self.known.insert(segment, value);
                continue;
            }
            *nodes -= 1.min(*nodes);
            if let Some(behind) = value.behind {
                let size = behind.size();
                let before = any.size();
                any.merge(*behind);
                *nodes -= (before + size - any.size()).min(*nodes);
            }
        }
        self.any = Some(Box::new(any));
    }

    /// The position behind a value.
    fn behind(&mut self, segment: &str) -> Option<&mut Position> {
        match self.known.get_mut(segment) {
            Some(value) => Some(value.behind.get_or_insert_default()),
            None => self.any.as_deref_mut(),
        }
    }

    fn merge(&mut self, other: Self) {
        for (segment, value) in other.known {
            let known = self.known.entry(segment).or_default();
            known.requests += value.requests;
            match (&mut known.behind, value.behind) {
                (Some(known), Some(behind)) => known.merge(*behind),
                (none, behind) => *none = none.take().or(behind),
            }
        }
        self.requests += other.requests;
        // Counted again: a value that both saw once was seen twice.
        self.once = self.known.values().filter(|value| value.requests == 1).count() as u64;
        if let Some(any) = other.any {
            self.any.get_or_insert_default().merge(*any);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers from 0 to 1 that look random.
    fn noise(i: u64) -> f64 {
        let mixed = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (i >> 7).wrapping_mul(0xbf58_476d_1ce4);
        (mixed.wrapping_mul(0x94d0_49bb_1331_11eb) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn learn(paths: impl IntoIterator<Item = String>) -> RouteLearner {
        let (mut learner, service) = (RouteLearner::default(), Arc::from("web"));
        for path in paths {
            learner.observe(&service, &path, 1);
        }
        learner
    }

    fn routes(learner: &RouteLearner) -> Vec<String> {
        learner.learnt().flat_map(|(_, routes)| routes).collect()
    }

    #[test]
    fn a_new_value_in_each_request_becomes_one_route() {
        let learner = learn((0..400).map(|i| format!("/read/story-of-{i}")));
        assert_eq!(routes(&learner), ["/read/{*}"]);
        assert_eq!(learner.route("web", "/read/another").as_deref(), Some("/read/{*}"));
        assert_eq!(learner.route("web", "/read/{*}"), None);
        assert_eq!(learner.route("web", "/write/another"), None);
        assert_eq!(learner.route("shop", "/read/another"), None);
    }

    #[test]
    fn segments_behind_an_unbounded_position_stay() {
        let tail = |i: u64| ["profile", "posts"][(i % 2) as usize];
        let learner = learn((0..600).map(|i| format!("/people/{:x}/{}", i * 7_919, tail(i))));
        assert_eq!(routes(&learner), ["/people/{*}/"]);
        let route = |path: &str| learner.route("web", path);
        assert_eq!(route("/people/ann/profile").as_deref(), Some("/people/{*}/profile"));
        assert_eq!(route("/people/ann/posts").as_deref(), Some("/people/{*}/posts"));
    }

    #[test]
    fn frequent_values_beside_an_unbounded_position_keep_their_routes() {
        let path = |i: u64| match i % 10 {
            0 => "/".to_owned(),
            1 => "/healthz".to_owned(),
            2 => format!("/api/{}", i % 30),
            _ => format!("/page-{i}.html"),
        };
        let learner = learn((0..1_000).map(path));
        let route = |path: &str| learner.route("web", path);
        assert_eq!(route("/page-7000.html").as_deref(), Some("/{*}"));
        for path in ["/", "/healthz", "/api/3"] {
            assert_eq!(route(path), None, "{path}");
        }
    }

    #[test]
    fn two_hundred_static_routes_stay_apart() {
        // once around after the other, at random, and with a few that are much more frequent
        let in_turn = (0..20_000_u64).map(|i| i % 200);
        let at_random = (0..20_000_u64).map(|i| (noise(i) * 200.0) as u64);
        let skewed = (0..20_000_u64).map(|i| (200.0_f64.powf(noise(i)) as u64).min(199));
        let all: [Box<dyn Iterator<Item = u64>>; 3] =
            [Box::new(in_turn), Box::new(at_random), Box::new(skewed)];
        for values in all {
            let learner = learn(values.map(|value| format!("/rpc/Method{value}")));
            assert!(routes(&learner).is_empty());
        }
    }

    #[test]
    fn words_in_two_levels_stay_apart() {
        let word = |i: u64| (noise(i) * 60.0) as u64;
        let paths = (0..30_000_u64).map(|i| format!("/w{}/x{}", word(2 * i), word(2 * i + 1)));
        assert!(routes(&learn(paths)).is_empty());
    }

    #[test]
    fn many_users_that_return_become_one_route() {
        let paths = (0..20_000_u64).map(|i| format!("/u/user{}", (noise(i) * 3_000.0) as u64));
        assert_eq!(routes(&learn(paths)), ["/u/{*}"]);
    }

    #[test]
    fn memory_is_bounded() {
        let paths = (0..400_000_u64).map(|i| format!("/a{}/b{}/c{i}", i % 250, i % 253));
        let learner = learn(paths);
        assert!(learner.nodes <= MOST_NODES, "{}", learner.nodes);
        let services = learner.services.values().map(|routes| routes.root.size());
        assert_eq!(services.sum::<usize>(), learner.nodes);
    }
}
