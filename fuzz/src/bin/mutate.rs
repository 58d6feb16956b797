//! The plain driver of the fuzz targets: `mutate TARGET SECONDS [DIR]`, or `all` for each in turn.
//! `mutate TARGET FILE` runs one input, such as one that failed, and prints its time.
//!
//! It changes seeds at random and keeps nothing in memory but them. DIR keeps the number of the
//! next input, so that a run continues where the last one stopped, and the inputs that failed.
//! An input fails when it panics, takes more than ten seconds twice, or lets the peak memory of the
//! process grow by more than 64 MiB. Exits 1 when an input failed.
#![allow(clippy::print_stdout, reason = "the report of the run")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mad_fuzz::{Random, TARGETS, Target, mutated, seeds};

/// The longest time of an input.
const LONGEST: Duration = Duration::from_secs(10);
/// How much the peak memory may grow over that after the seeds, KiB.
const MOST_KIB: u64 = 64 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, seconds, rest @ ..] = arguments.as_slice() else {
        println!("usage: mutate TARGET|all SECONDS [DIR], or mutate TARGET FILE");
        return ExitCode::from(2);
    };
    if let (Ok(input), Some((_, run))) =
        (fs::read(seconds), TARGETS.into_iter().find(|(target, _)| name == target))
    {
        let started = Instant::now();
        run(&input);
        println!("{name}: {seconds} takes {} ms", started.elapsed().as_millis());
        return ExitCode::SUCCESS;
    }
    let seconds = Duration::from_secs(seconds.parse().unwrap_or(10));
    let folder = rest.first().map_or("target/fuzz", String::as_str);
    let mut failed = 0;
    for (target, run) in TARGETS.into_iter().filter(|(one, _)| name == "all" || name == one) {
        failed += attack(target, run, seconds, Path::new(folder));
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a target for a time. Returns how many inputs failed.
fn attack(name: &str, target: Target, time: Duration, folder: &Path) -> u64 {
    let place = folder.join(name);
    drop(fs::create_dir_all(&place));
    let next = place.join("next");
    let read = fs::read_to_string(&next).unwrap_or_default();
    let first: u64 = read.trim().parse().unwrap_or(0);
    let seeds = seeds(name);
    for seed in &seeds {
        target(seed);
    }
    let usual = peak_kib();
    let (begun, mut number, mut failed, mut slowest) = (Instant::now(), first, 0, Duration::ZERO);
    while begun.elapsed() < time {
        let input = input_of(number, &seeds);
        number += 1;
        let started = Instant::now();
        let is_fine = catch_unwind(|| target(&input)).is_ok();
        let mut took = started.elapsed();
        if is_fine && took > LONGEST {
            // other programs may have had the processor
            let again = Instant::now();
            target(&input);
            took = took.min(again.elapsed());
        }
        slowest = slowest.max(took);
        let is_large = number.is_multiple_of(64) && peak_kib() > usual + MOST_KIB;
        if !is_fine || took > LONGEST || is_large {
            failed += 1;
            let file = place.join(format!("failed-{number}"));
            println!("{name}: {} fails", file.display());
            drop(fs::write(file, &input));
            if is_large || failed > 20 {
                break;
            }
        }
        if number.is_multiple_of(1024) {
            drop(fs::write(&next, number.to_string()));
        }
    }
    drop(fs::write(&next, number.to_string()));
    println!(
        "{name}: {} inputs from {first}, {failed} failed, slowest {} ms, peak {} MiB more",
        number - first,
        slowest.as_millis(),
        peak_kib().saturating_sub(usual) / 1024
    );
    failed
}

fn input_of(number: u64, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut pick = || seeds.get(random.below(seeds.len())).cloned().unwrap_or_default();
    let (seed, other) = (pick(), pick());
    mutated(&seed, &other, &mut random)
}

/// The peak memory of the process; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
