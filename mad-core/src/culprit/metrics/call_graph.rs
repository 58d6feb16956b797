//! The calls between services that a ranking over metrics knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The call graph of the services.
pub(super) struct CallGraph<'a> {
    callees: BTreeMap<&'a str, BTreeSet<&'a str>>,
    callers: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl<'a> CallGraph<'a> {
    pub fn new(edges: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut graph = Self { callees: BTreeMap::new(), callers: BTreeMap::new() };
        for (caller, callee) in edges.filter(|(caller, callee)| caller != callee) {
            graph.callees.entry(caller).or_default().insert(callee);
            graph.callers.entry(callee).or_default().insert(caller);
        }
        graph
    }

    pub fn callees(&self, service: &str) -> impl Iterator<Item = &'a str> {
        self.callees.get(service).into_iter().flatten().copied()
    }

    pub fn callers(&self, service: &str) -> impl Iterator<Item = &'a str> {
        self.callers.get(service).into_iter().flatten().copied()
    }

    /// The services that one calls, directly or through others; `None` if no call of it is known.
    pub fn reached(&self, service: &str) -> Option<BTreeSet<&'a str>> {
        if !self.callees.contains_key(service) && !self.callers.contains_key(service) {
            return None;
        }
        let mut found: BTreeSet<&str> = self.callees(service).collect();
        let mut open: Vec<&str> = found.iter().copied().collect();
        while let Some(at) = open.pop() {
            open.extend(self.callees(at).filter(|callee| found.insert(callee)));
        }
        Some(found)
    }

    /// The shortest path along calls, with both ends. Services in between must satisfy `fine`.
    pub fn path<'b>(
        &'b self,
        from: &'b str,
        to: &'b str,
        fine: impl Fn(&str) -> bool,
    ) -> Option<Vec<&'b str>> {
        // breadth-first search; `came` holds the predecessor of each visited service
        let mut came: BTreeMap<&str, &str> = BTreeMap::from([(from, from)]);
        let mut queue = VecDeque::from([from]);
        while let Some(at) = queue.pop_front() {
            if at == to {
                let before =
                    |service: &&'b str| came.get(service).filter(|b| *b != service).copied();
                let mut path: Vec<&str> = std::iter::successors(Some(at), before).collect();
                path.reverse();
                return Some(path);
            }
            for callee in self.callees(at).filter(|callee| *callee == to || fine(callee)) {
                came.entry(callee).or_insert_with(|| {
                    queue.push_back(callee);
                    at
                });
            }
        }
        None
    }

    /// The caller of a service that has exactly one caller and no callees.
    pub fn only_caller(&self, service: &str) -> Option<&'a str> {
        let callers = self.callers.get(service).filter(|callers| callers.len() == 1)?;
        let leaf = !self.callees.contains_key(service);
        callers.first().copied().filter(|_| leaf)
    }
}
