//! The dependency order of the modules of `mad-core/src`, and the absence of import cycles.
//!
//! The test reads every path that begins with `crate::` or `super::`, and every path that begins
//! with the name of a child module. Re-exports of a `mod.rs` are followed to the file that defines
//! the item. Comments and `#[cfg(test)] mod` blocks are not read.
//!
//! Both lists of known exceptions may only shrink: a listed exception that no longer exists fails
//! the test, so that it has to be removed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failing test may panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The modules in their order: each may use those before it.
const ORDER: &[&str] = &[
    "error",
    "time",
    "limits",
    "packed",
    "telemetry",
    "series",
    "config",
    "robust",
    "model",
    "forest",
    "svm",
    "lstm",
    "graph",
    "logs",
    "feature",
    "score",
    "guard",
    "slo",
    "history",
    "incident",
    "culprit",
    "explain",
    "pipeline",
    "status",
    "method",
    "wire",
    "export",
    "evaluate",
    "simulate",
    "reference",
];

/// Statistics and calls depend on no setting of a stage.
const FORBIDDEN: &[(&str, &str)] = &[("robust", "config"), ("graph", "config")];

/// Known uses that point up the order, as file and module used.
const UPWARD: &[(&str, &str)] = &[];

/// Folders within which files still import each other in a cycle.
const CYCLES: &[&str] = &[];

#[test]
fn modules_use_only_modules_below_them() {
    let tree = Tree::read();
    let place = |module: &str| ORDER.iter().position(|known| *known == module);
    let mut found = BTreeSet::new();
    for (user, used) in tree.edges() {
        let (from, to) = (top(&user), top(&used));
        if from == to || from == "lib" {
            continue;
        }
        let (Some(above), Some(below)) = (place(&from), place(&to)) else {
            found.insert((user, to));
            continue;
        };
        let forbidden = FORBIDDEN.contains(&(from.as_str(), to.as_str()));
        if below > above || forbidden {
            found.insert((user, to));
        }
    }
    let known = UPWARD.iter().map(|(file, to)| ((*file).to_owned(), (*to).to_owned())).collect();
    compare("uses that point up the order of modules", &found, &known);
}

#[test]
fn files_do_not_import_each_other_in_a_cycle() {
    let tree = Tree::read();
    let cycles = cycles(&tree.edges());
    let found = cycles.iter().map(common_folder).collect();
    let known = CYCLES.iter().map(|folder| (*folder).to_owned()).collect();
    compare("folders with an import cycle", &found, &known);
}

#[test]
fn paths_are_found_in_code_and_not_in_comments() {
    let code = "use crate::a::{B, c::{D, self}};\n// crate::no::No\nlet x = super::e::f(1);\n";
    let found = paths(&without_comments(code));
    assert_eq!(found, ["crate::a::B", "crate::a::c::D", "crate::a::c::self", "super::e::f"]);
    let edges = [("a/x", "a/y"), ("a/y", "a/z"), ("a/z", "a/x"), ("b", "a/x")];
    let edges = edges.map(|(user, used)| (user.to_owned(), used.to_owned())).into();
    assert_eq!(cycles(&edges), [["a/x", "a/y", "a/z"].map(str::to_owned).into()]);
}

#[test]
fn every_setting_and_stage_has_an_example() {
    const STAGES: [&str; 14] = [
        "FeatureBuilder",
        "RowScorer",
        "SignalScorer",
        "SeriesScorer",
        "MadScorer",
        "Guardrails",
        "IncidentGrouper",
        "CulpritRanker",
        "MetricRanker",
        "TraceRanker",
        "TemplateExplainer",
        "ServiceGraph",
        "LogTemplates",
        "Pipeline",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut without) = (BTreeSet::new(), BTreeSet::new());
    for (file, text) in sources(&root, &root) {
        let mut docs = String::new();
        for line in text.lines() {
            if line.starts_with("///") {
                docs.push_str(line);
            } else if let Some(name) = line.strip_prefix("pub struct ") {
                let name: String =
                    name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if file.starts_with("config/") || STAGES.contains(&name.as_str()) {
                    if !docs.contains("```") {
                        without.insert(name.clone());
                    }
                    found.insert(name);
                }
                docs.clear();
            } else if !line.starts_with("#[") && !line.starts_with("    ") && line != ")]" {
                docs.clear();
            }
        }
    }
    assert!(without.is_empty(), "{without:?} have no example");
    assert!(STAGES.iter().all(|stage| found.contains(*stage)) && found.len() >= 25, "{found:?}");
}

/// Fails when something is found that is not known, or when something known is not found.
fn compare<T: Ord + std::fmt::Debug>(what: &str, found: &BTreeSet<T>, known: &BTreeSet<T>) {
    let new: Vec<_> = found.difference(known).collect();
    let gone: Vec<_> = known.difference(found).collect();
    assert!(new.is_empty(), "new {what}: {new:?}");
    assert!(gone.is_empty(), "remove from the list of known {what}, no longer found: {gone:?}");
}

/// The source files by module path, such as `culprit/metrics/blame`; a `mod.rs` by its folder.
struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let code = |text: String| without_tests(&without_comments(&text));
        let files = sources(&root, &root).into_iter().map(|(name, text)| (name, code(text)));
        let files: BTreeMap<String, String> = files.collect();
        assert!(files.len() > 100, "the source files were not found");
        Self { files }
    }

    /// Pairs of a file and a file that it uses.
    fn edges(&self) -> BTreeSet<(String, String)> {
        let mut edges = BTreeSet::new();
        for (file, code) in &self.files {
            for (scope, code) in scopes(file, code) {
                for path in paths(&code) {
                    let Some(used) = self.resolve(&scope, &path) else { continue };
                    edges.insert((file.clone(), used));
                }
            }
            // paths that begin with the name of a child module
            for child in self.children(file) {
                let used = format!("{}::", child.rsplit('/').next().unwrap());
                let statements = code.split(';').filter(|part| !is_reexport(part));
                for part in statements.filter(|part| has_path(part, &used)) {
                    let rest = &part[part.find(&used).unwrap()..];
                    for path in paths(&format!("crate::{rest}")) {
                        let path = path.replacen("crate", &format!("crate::{file}"), 1);
                        let path = path.replace('/', "::");
                        let path = if file == "lib" { path.replacen("lib::", "", 1) } else { path };
                        if let Some(used) = self.resolve(file, &path) {
                            edges.insert((file.clone(), used));
                        }
                    }
                }
            }
        }
        edges.retain(|(user, used)| user != used);
        edges
    }

    /// The file that defines what a path in the module `scope` names.
    fn resolve(&self, scope: &str, path: &str) -> Option<String> {
        let mut at: Vec<&str> = Vec::new();
        let mut segments = path.split("::").peekable();
        if segments.next_if_eq(&"crate").is_none() {
            at = scope.split('/').collect();
            while segments.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        self.find(at.join("/"), &segments.collect::<Vec<_>>())
    }

    fn find(&self, mut module: String, segments: &[&str]) -> Option<String> {
        for (i, segment) in segments.iter().enumerate() {
            let inner = if module.is_empty() {
                (*segment).to_owned()
            } else {
                format!("{module}/{segment}")
            };
            if self.files.contains_key(&inner) {
                module = inner;
                continue;
            }
            // an item: follow a re-export to the child that defines it
            let here = if module.is_empty() { "lib" } else { module.as_str() };
            let code = self.files.get(here)?;
            let reexport = code.split(';').filter(|part| is_reexport(part)).find_map(|part| {
                let names = paths(&format!("crate::{}", part.split_once("use ")?.1));
                names.into_iter().find(|path| path.rsplit("::").next() == Some(segment))
            });
            let Some(reexport) = reexport else { return Some(here.to_owned()) };
            let mut inner: Vec<&str> = reexport.split("::").skip(1).collect();
            inner.extend(&segments[i + 1..]);
            if matches!(inner[0], "crate" | "super") {
                return self.resolve(here, &inner.join("::"));
            }
            return self.find(module, &inner);
        }
        (!module.is_empty()).then_some(module)
    }

    fn children(&self, module: &str) -> Vec<&String> {
        let prefix = if module == "lib" { String::new() } else { format!("{module}/") };
        let is_child =
            |file: &&String| file.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        self.files.keys().filter(is_child).filter(|file| *file != module).collect()
    }
}

/// The source files below a folder as they are written, by module path.
fn sources(root: &Path, folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(root, &path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(root).unwrap().with_extension("");
            let name = name.to_str().unwrap().replace('\\', "/");
            let name = name.strip_suffix("/mod").unwrap_or(&name).to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    files
}

fn without_comments(code: &str) -> String {
    let line = |line: &str| line.split_once("//").map_or(line, |(code, _)| code).to_owned() + "\n";
    code.lines().map(line).collect()
}

/// Leaves out `#[cfg(test)] mod` blocks, which stand at the end of a file.
fn without_tests(code: &str) -> String {
    let end = code.find("\n#[cfg(test)]\nmod ").unwrap_or(code.len());
    code[..end].to_owned()
}

/// The code of a file by the module that it stands in: the file, and modules written inside it.
fn scopes(file: &str, code: &str) -> Vec<(String, String)> {
    let mut scopes = vec![(file.to_owned(), String::new())];
    for line in code.lines() {
        let open = line.strip_suffix(" {").and_then(|line| line.rsplit_once("mod "));
        match open {
            Some((before, name)) if before.is_empty() || before.starts_with("pub") => {
                scopes.push((format!("{file}/{name}"), String::new()));
            }
            _ => {
                let (_, code) = scopes.last_mut().unwrap();
                code.push_str(line);
                code.push('\n');
            }
        }
        if line == "}" && scopes.len() > 1 {
            scopes.push((file.to_owned(), String::new()));
        }
    }
    scopes
}

/// All paths in the code that begin with `crate::` or `super::`, braces written out.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = ["crate::", "super::"].iter().filter_map(|root| rest.find(root)).min() {
        let before = rest[..at].chars().next_back();
        rest = &rest[at..];
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            rest = &rest[1..];
            continue;
        }
        rest = expand(rest, "", &mut found);
    }
    found
}

/// Reads one path or tree of paths; the answer is what follows it.
fn expand<'a>(mut rest: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let mut path = prefix.to_owned();
    loop {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        path.push_str(&rest[..end]);
        rest = &rest[end..];
        let Some(after) = rest.strip_prefix("::") else {
            if !path.ends_with("::") {
                found.push(path);
            }
            return rest;
        };
        path.push_str("::");
        rest = after;
        if let Some(after) = rest.strip_prefix('{') {
            rest = after.trim_start();
            while !rest.is_empty() && !rest.starts_with('}') {
                rest = expand(rest, &path, found);
                // to the next name: over `as other`, commas and spaces
                let end = rest.find([',', '}']).unwrap_or(rest.len());
                rest = rest[end..].trim_start_matches([',', ' ', '\n']);
            }
            return rest.strip_prefix('}').unwrap_or(rest);
        }
    }
}

fn is_reexport(statement: &str) -> bool {
    let statement = statement.rsplit(['}', ']']).find(|part| part.contains("use "));
    statement.is_some_and(|part| part.trim_start().starts_with("pub"))
}

/// Whether `path` stands in the code where a path may begin.
fn has_path(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn top(file: &str) -> String {
    file.split('/').next().unwrap().to_owned()
}

/// Sets of files each of which reaches all others of its set.
fn cycles(edges: &BTreeSet<(String, String)>) -> Vec<BTreeSet<String>> {
    let mut uses: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (user, used) in edges {
        uses.entry(user).or_default().push(used);
    }
    let reached = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = open.pop() {
            for next in uses.get(file.as_str()).into_iter().flatten() {
                if seen.insert((*next).to_owned()) {
                    open.push((*next).to_owned());
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<String>> =
        uses.keys().map(|file| (*file, reached(file))).collect();
    let mut found = BTreeSet::new();
    for (file, seen) in reach.iter().filter(|(file, seen)| seen.contains(**file)) {
        let back = |other: &&String| reach.get(other.as_str()).is_some_and(|r| r.contains(*file));
        found.insert(seen.iter().filter(back).cloned().collect::<BTreeSet<_>>());
    }
    found.into_iter().collect()
}

fn common_folder(files: &BTreeSet<String>) -> String {
    let (first, last) = (files.first().unwrap(), files.last().unwrap());
    let same = first.split('/').zip(last.split('/')).take_while(|(a, b)| a == b);
    same.map(|(a, _)| a).collect::<Vec<_>>().join("/")
}
