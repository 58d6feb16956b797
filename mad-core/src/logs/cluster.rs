//! Groups templates by their words: TF-IDF and k-means.

use std::collections::BTreeMap;

use super::templates::LogTemplate;

/// Rounds after which the assignment counts as final.
const MOST_ROUNDS: usize = 50;
/// Most clusters.
const MOST_CLUSTERS: usize = 64;
/// Words that describe a cluster.
const TERMS: usize = 4;

/// Templates with similar words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCluster {
    /// Ids of its templates, those with most lines first.
    pub templates: Vec<u32>,
    /// Lines of its templates.
    pub count: u64,
    /// The words that describe it best, at most four.
    pub terms: Vec<String>,
}

/// The weights of words by the number of the word, in order.
type Vector = Vec<(usize, f64)>;

/// Groups templates by their words into at most `clusters` clusters, those with most lines first.
///
/// # Method
///
/// 1. Words are runs of two letters or more, in lower case, without `<*>`. A template is a vector with
///    `ln((1 + N) / (1 + n)) + 1` for each of its words, where `n` of the `N` templates have the word
///    (TF-IDF with the smoothing of scikit-learn; Salton and Buckley, 1988), scaled to length 1.
/// 2. The first center is the template with most lines. Each further one is the template that
///    is least similar to all centers before it, so that no random numbers are needed.
/// 3. Templates join the center with the largest cosine, and centers become the mean of their templates
///    weighted by lines, until nothing changes (spherical k-means; Dhillon and Modha, 2001), at most 50
///    times.
///
/// Templates without a word form a cluster without terms. Equal inputs give equal clusters. Fewer
/// templates than `clusters` give at most one cluster each. `clusters` of 0 counts as 1, more than 64 as 64.
///
/// # Examples
///
/// ```
/// use mad_core::{LogTemplates, logs::cluster};
///
/// let mut templates = LogTemplates::new(1000);
/// for n in 0..30 {
///     templates.learn(format!("order {n} paid").as_bytes());
///     templates.learn(format!("database timeout after {n} ms").as_bytes());
/// }
/// templates.learn(b"database connection refused");
/// let clusters = cluster(&templates.templates(), 2);
/// assert_eq!((clusters[0].count, &*clusters[0].templates), (31, &[2, 3][..]));
/// assert!(clusters[0].terms.iter().any(|term| *term == *"database"));
/// ```
pub fn cluster(templates: &[LogTemplate], clusters: usize) -> Vec<LogCluster> {
    let (words, vectors) = vectors(templates);
    let mut order: Vec<usize> = (0..templates.len()).collect();
    let lines = |at: usize| templates.get(at).map_or(0, |template| template.count);
    order.sort_by_key(|&at| std::cmp::Reverse(lines(at)));
    let worded = |at: &usize| vectors.get(*at).is_some_and(|vector| !vector.is_empty());
    let (with, without): (Vec<usize>, Vec<usize>) = order.iter().copied().partition(worded);
    let mut centers = first_centers(&with, &vectors, clusters.clamp(1, MOST_CLUSTERS), words.len());
    let mut members = assigned(&with, &vectors, &centers);
    for _ in 0..MOST_ROUNDS {
        centers = members
            .iter()
            .map(|members| {
                mean(
                    members.iter().filter_map(|&at| Some((vectors.get(at)?, lines(at)))),
                    words.len(),
                )
            })
            .collect();
        let next = assigned(&with, &vectors, &centers);
        if next == members {
            break;
        }
        members = next;
    }
    let mut found: Vec<LogCluster> = members
        .iter()
        .zip(&centers)
        .map(|(members, center)| described(members, terms(center, &words), templates))
        .chain([described(&without, Vec::new(), templates)])
        .filter(|cluster| !cluster.templates.is_empty())
        .collect();
    found.sort_by_key(|cluster| {
        (std::cmp::Reverse(cluster.count), cluster.templates.first().copied())
    });
    found
}

/// All words in order, and the vector of each template.
fn vectors(templates: &[LogTemplate]) -> (Vec<String>, Vec<Vector>) {
    let texts: Vec<Vec<String>> =
        templates.iter().map(|template| words_of(&template.text)).collect();
    let mut frequency: BTreeMap<&str, usize> = BTreeMap::new();
    for word in texts.iter().flatten() {
        *frequency.entry(word).or_default() += 1;
    }
    let place: BTreeMap<&str, (usize, f64)> = frequency
        .iter()
        .enumerate()
        .map(|(place, (word, count))| {
            let idf = ((1.0 + templates.len() as f64) / (1.0 + *count as f64)).ln() + 1.0;
            (*word, (place, idf))
        })
        .collect();
    let vector = |text: &Vec<String>| -> Vector {
        let mut vector: Vector =
            text.iter().filter_map(|word| place.get(&**word).copied()).collect();
        let length = vector.iter().map(|(_, weight)| weight * weight).sum::<f64>().sqrt();
        for (_, weight) in &mut vector {
            *weight /= length;
        }
        vector
    };
    let vectors = texts.iter().map(vector).collect();
    (frequency.keys().map(|word| (*word).to_owned()).collect(), vectors)
}

/// The different words of a template, in order.
fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = text
        .split(|letter: char| !letter.is_alphabetic())
        .filter(|word| word.chars().nth(1).is_some())
        .map(str::to_lowercase)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

fn cosine(vector: &Vector, center: &[f64]) -> f64 {
    vector.iter().map(|(place, weight)| weight * center.get(*place).copied().unwrap_or(0.0)).sum()
}

/// Centers that are as different as possible, beginning with the first template.
fn first_centers(order: &[usize], vectors: &[Vector], most: usize, words: usize) -> Vec<Vec<f64>> {
    let mut nearest = vec![-1.0_f64; order.len()];
    let mut centers: Vec<Vec<f64>> = Vec::new();
    let mut next = order.first().copied();
    while let Some(vector) = next.and_then(|at| vectors.get(at)).filter(|_| centers.len() < most) {
        let center = mean([(vector, 1)].into_iter(), words);
        let mut least = (1.0 - 1e-9, None);
        for (&at, nearest) in order.iter().zip(&mut nearest) {
            let Some(vector) = vectors.get(at) else { continue };
            *nearest = nearest.max(cosine(vector, &center));
            if *nearest < least.0 {
                least = (*nearest, Some(at));
            }
        }
        centers.push(center);
        next = least.1;
    }
    centers
}

/// The templates of each center: those to which it is most similar.
fn assigned(order: &[usize], vectors: &[Vector], centers: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); centers.len()];
    for &at in order {
        let Some(vector) = vectors.get(at) else { continue };
        let mut best = (f64::NEG_INFINITY, 0);
        for (center, weights) in centers.iter().enumerate() {
            let similar = cosine(vector, weights);
            if similar > best.0 {
                best = (similar, center);
            }
        }
        if let Some(members) = members.get_mut(best.1) {
            members.push(at);
        }
    }
    members
}

/// The mean of vectors weighted by lines, of length 1.
fn mean<'a>(vectors: impl Iterator<Item = (&'a Vector, u64)>, words: usize) -> Vec<f64> {
    let mut center = vec![0.0; words];
    for (vector, lines) in vectors {
        for (place, weight) in vector {
            if let Some(sum) = center.get_mut(*place) {
                *sum += weight * lines.max(1) as f64;
            }
        }
    }
    let length = center.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
    if length > 0.0 {
        for weight in &mut center {
            *weight /= length;
        }
    }
    center
}

/// The words with the largest weights.
fn terms(center: &[f64], words: &[String]) -> Vec<String> {
    let mut best: Vec<(&f64, &String)> =
        center.iter().zip(words).filter(|(weight, _)| **weight > 0.0).collect();
    best.sort_by(|a, b| b.0.total_cmp(a.0).then_with(|| a.1.cmp(b.1)));
    best.into_iter().take(TERMS).map(|(_, word)| word.clone()).collect()
}

fn described(members: &[usize], terms: Vec<String>, templates: &[LogTemplate]) -> LogCluster {
    let members: Vec<&LogTemplate> = members.iter().filter_map(|&at| templates.get(at)).collect();
    LogCluster {
        templates: members.iter().map(|template| template.id).collect(),
        count: members.iter().map(|template| template.count).sum(),
        terms,
    }
}
