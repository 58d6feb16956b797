//! Every program runs and prints the result that its documentation promises.
#![allow(clippy::expect_used, reason = "a failing test may panic")]

use std::process::Command;

#[test]
fn a_live_service_sees_an_incident_open_and_close() {
    let done = Command::new(env!("CARGO_BIN_EXE_live_service")).output().expect("it starts");
    let said = String::from_utf8(done.stdout).expect("UTF-8");
    assert!(done.status.success(), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let opened = lines.iter().position(|line| line.contains(" opened ") && line.contains("/pay"));
    let closed = lines.iter().position(|line| line.contains(" closed ") && line.contains("/pay"));
    assert!(opened < closed && opened.is_some(), "{said}");
    assert!(said.contains("10000 requests"), "{said}");
    assert!(said.ends_with("culprit payments /pay\n"), "{said}");
}

#[test]
fn stages_composed_by_hand_find_the_called_service() {
    let done = Command::new(env!("CARGO_BIN_EXE_stages")).output().expect("it starts");
    let said = String::from_utf8(done.stdout).expect("UTF-8");
    assert!(done.status.success(), "{said}");
    assert!(said.contains("store /items ranks first"), "{said}");
    assert!(said.ends_with("culprit store /items\n"), "{said}");
}
