//! The seeds, the inputs that failed once, and some mutations run through every target.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failing test may panic")]

use std::fs;
use std::path::Path;

use mad_fuzz::{Random, TARGETS, mutated, seeds};

const MUTATIONS: u64 = 50;

#[test]
fn seeds_and_mutations_do_not_panic() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in &seeds {
            target(seed);
        }
        for number in 0..MUTATIONS {
            let mut random = Random::new(number);
            let seed = seeds.get(random.below(seeds.len())).unwrap();
            let other = seeds.get(random.below(seeds.len())).unwrap();
            target(&mutated(seed, other, &mut random));
        }
    }
}

#[test]
fn inputs_that_failed_once_do_not_panic() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crashes");
    for (name, target) in TARGETS {
        let Ok(files) = fs::read_dir(folder.join(name)) else { continue };
        for file in files {
            target(&fs::read(file.unwrap().path()).unwrap());
        }
    }
}
