//! Templates of log lines: variable parts, grouping, unusual lines, limits and saved state.

use mad_core::LogTemplates;
use mad_core::logs::cluster;
use proptest::prelude::*;

/// The text of the only template of some lines.
fn template(lines: &[&str]) -> String {
    let mut templates = LogTemplates::new(100);
    for line in lines {
        templates.learn(line.as_bytes());
    }
    let all = templates.templates();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].text.clone()
}

#[test]
fn parts_are_variable_by_their_form() {
    for (line, text) in [
        ("took 17 ms", "took <*> ms"),
        ("offset -12.5e", "offset <*>"),
        ("core 0x1f at deadbeef01", "core <*> at <*>"),
        ("peer 10.0.0.7:8080 gone", "peer <*>:<*> gone"),
        ("peer fe80::1:2:3 gone", "peer <*> gone"),
        ("card 00:1b:44:11:3a:b7 up", "card <*> up"),
        ("db.eu-west.example.com is slow", "<*> is slow"),
        ("read /var/lib/x/data.bin done", "read <*> done"),
        ("open C:\\Temp\\a.txt now", "open <*> now"),
        ("GET https://example.com/a?b=c now", "GET https://<*> now"),
        ("call grpc://cart:7000 now", "call grpc://<*>:<*> now"),
        ("order 7ef7386e-4d77-42c3-a8c6-1cdf260a43dd paid", "order <*> paid"),
        ("at 2024-05-01T10:00:00.123+02:00 begun", "at <*> begun"),
        ("at 2024-05-01 10:00:00,123 begun", "at <*> begun"),
        ("on Fri Jun 17 07:07:00 2005 begun", "on <*>:<*>:<*> begun"),
        ("at 07:07:00 begun", "at <*>:<*>:<*> begun"),
        ("key sk9fTzQ2LmVhbHdqYXNkZjE accepted", "key <*> accepted"),
        ("password=hunter tries", "password=<*> tries"),
        ("api_key: \"abc\" sent", "api_key: \"<*>\" sent"),
        ("authorization: Bearer abc", "authorization: Bearer <*>"),
        ("enabled=true owner=null", "enabled=<*> owner=<*>"),
        ("pod shop-cart-6d7f9c ready", "pod <*> ready"),
        ("job_17_a_0001 finished", "<*> finished"),
        ("items [1, 2, 3] of {a=1, b=[2, 3]}", "items [<*>, <*>, <*>] of {a=<*>, b=[<*>]}"),
        ("version 2 of eth0", "version <*> of eth0"),
        ("don't panic", "don't panic"),
    ] {
        assert_eq!(template(&[line]), text);
    }
}

#[test]
fn values_by_their_place_are_shown_until_they_vary() {
    assert_eq!(template(&["login of user ada by tty=ssh"]), "login of user ada by tty=ssh");
    let text = template(&["login of user ada by tty=ssh", "login of user bob by tty=ssh"]);
    assert_eq!(text, "login of user <*> by tty=ssh");
    assert_eq!(template(&["read 5 KB of 9", "read 5 MB of 9"]), "read <*> <*> of <*>");
    assert_eq!(template(&["disk sda1 is full", "disk sdb2 is full"]), "disk <*> is full");
    assert_eq!(template(&["ids 4 5 6 lost", "ids 7 8 lost"]), "ids <*> lost");
    let records = ["[sent: Mail(to=a, cc=[b, c])]", "[sent: Mail(to=d)]"];
    assert_eq!(template(&records), "[sent: Mail(<*>)]");
}

#[test]
fn words_become_variable_when_several_were_seen() {
    let mut templates = LogTemplates::new(100);
    let mut ids = Vec::new();
    for item in ["tea", "rice", "milk", "salt", "oil", "rye"] {
        ids.push(templates.learn(format!("stock of {item} is low again").as_bytes()));
    }
    assert_eq!(ids, [1, 2, 3, 4, 1, 1]);
    assert_eq!(templates.merged(), [(2, 1), (3, 1), (4, 1), (5, 1)]);
    assert_eq!(templates.text(3).unwrap(), "stock of <*> is low again");
    // States in capitals, names of values and two plain words stay apart.
    for (first, second) in [
        ("task moved from NEW to READY", "task moved from READY to DONE"),
        ("set property node.arch=arm64 here", "set property node.cores=8 here"),
        ("request failed while reading body", "request failed while writing body"),
    ] {
        let first = templates.learn(first.as_bytes());
        assert_ne!(templates.learn(second.as_bytes()), first);
    }
}

#[test]
fn lines_with_more_words_in_place_of_a_value_join_it() {
    let mut templates = LogTemplates::new(100);
    let id = templates.learn(b"clock follows 10.0.0.7, layer 3");
    assert_eq!(templates.learn(b"clock follows LOCAL(0), layer 10"), id);
    assert_eq!(templates.text(id).unwrap(), "clock follows <*>, layer <*>");
}

#[test]
fn unusual_lines_are_read() {
    let huge = format!("begin {}", "word 17 ".repeat(130_000));
    let lines: [&[u8]; 12] = [
        b"",
        b" \t\r\n",
        b"first line\n\tat Charge.run(Charge.java:12)\n\tat Main.main",
        b"\x1b[31mERROR\x1b[0m disk 4 failed",
        b"a\x00b\x07c",
        b"\xff\xfe\x80 broken \xc3",
        b"<*> is <*> of <*>",
        b"{\"level\":\"info\",\"msg\":\"user logged in\",\"user\":\"ada\",\"ids\":[1,2,3]}",
        b"((((((((((((((((((((",
        b"ignore all instructions <script>alert(1)</script>",
        "ошибка 17 в заказе".as_bytes(),
        huge.as_bytes(),
    ];
    let mut templates = LogTemplates::new(100);
    for line in lines {
        let id = templates.learn(line);
        assert_eq!(templates.learn(line), id);
    }
    let text = |line: &[u8]| {
        let mut alone = LogTemplates::new(100);
        alone.learn(line);
        alone.templates()[0].text.clone()
    };
    assert_eq!(text(lines[0]), "");
    assert_eq!(text(lines[2]), "first line at Charge.run(Charge.java:<*>) at Main.main");
    assert_eq!(text(lines[3]), "ERROR disk <*> failed");
    assert_eq!(text(lines[4]), "a b c");
    assert_eq!(text(lines[5]), "\u{fffd}\u{fffd}\u{fffd} broken \u{fffd}");
    assert_eq!(text(lines[6]), "<*> is <*> of <*>");
    assert_eq!(
        text(lines[7]),
        "{\"level\":\"info\",\"msg\":\"user logged in\",\"user\":\"ada\",\"ids\":[<*>]}"
    );
    assert_eq!(text(lines[10]), "ошибка <*> в заказе");
    assert!(text(lines[11]).len() < 2000);
}

#[test]
fn json_lines_group_by_their_message() {
    let mut templates = LogTemplates::new(100);
    let line = |message: &str, user: &str| format!(r#"{{"msg":"{message}","user":"{user}"}}"#);
    let id = templates.learn(line("user logged in", "ada").as_bytes());
    assert_eq!(templates.learn(line("user logged in", "bob of x").as_bytes()), id);
    assert_ne!(templates.learn(line("user was locked out", "ada").as_bytes()), id);
    assert_eq!(templates.text(id).unwrap(), r#"{"msg":"user logged in","user":"<*>"}"#);
}

#[test]
fn templates_group_by_their_words() {
    let mut templates = LogTemplates::new(100);
    for (line, times) in [
        ("checkout of order 17 done", 50),
        ("checkout of order 17 failed", 5),
        ("database connection refused by peer", 30),
        ("database connection timed out", 20),
        ("17 42", 3),
    ] {
        for _ in 0..times {
            templates.learn(line.as_bytes());
        }
    }
    let clusters = cluster(&templates.templates(), 2);
    let counts: Vec<_> =
        clusters.iter().map(|found| (found.count, found.templates.len())).collect();
    assert_eq!(counts, [(55, 2), (50, 2), (3, 1)]);
    assert!(clusters[1].terms.contains(&"database".to_owned()), "{clusters:?}");
    assert!(clusters[2].terms.is_empty());
    assert_eq!(cluster(&templates.templates(), 1000).len(), 5);
    assert_eq!(cluster(&templates.templates(), 0).len(), 2);
    assert_eq!(cluster(&[], 8), []);
}

#[test]
fn a_full_memory_has_a_last_resort_and_forgets_the_oldest() {
    let mut templates = LogTemplates::new(20);
    let word = |n: u32| -> String {
        (0..4).map(|place| char::from(b'a' + (n >> (4 * place) & 15) as u8)).collect()
    };
    let line = |n: u32| format!("{} {} {}", word(n), word(n * 7 + 1), word(n * 13 + 2));
    let ids: Vec<u32> = (0..60).map(|n| templates.learn(line(n).as_bytes())).collect();
    assert!(ids.contains(&0) && templates.templates().len() == 20);
    assert_eq!(templates.text(0).unwrap(), "<*>");
    let kept = templates.learn(line(0).as_bytes());
    assert_eq!(kept, ids[0]);
    // A kind that comes often stays; the others are forgotten and make room.
    for _ in 0..200 {
        templates.learn(line(0).as_bytes());
    }
    assert_ne!(templates.learn(b"something entirely new happened here"), 0);
    assert_eq!(templates.learn(line(0).as_bytes()), kept);
    assert_eq!(templates.text(ids[1]), None);
}

/// Lines of a few words and numbers, so that places vary and templates merge, and of any bytes.
fn lines() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let words = [
        "open",
        "close",
        "for",
        "user",
        "ada",
        "bob",
        "eve",
        "17",
        "x9",
        "a=1",
        "b=c",
        "[",
        "]",
        "(",
        ")",
        ",",
        ":",
        "NEW",
        "DONE",
        "10.0.0.1:80",
        "/a/b",
        "\"q\"",
        "<*>",
        "KB",
        "http://a/b",
        "12:30:00",
        "2024-05-01",
        "blk_-7",
        "…",
        "{\"k\":",
        "1:2:",
        "Fri Jun",
        "=",
        "..",
    ];
    let known = prop::collection::vec((prop::sample::select(words.to_vec()), "[ ]?"), 0..9)
        .prop_map(|parts| parts.into_iter().map(|(word, gap)| gap + word).collect::<String>());
    let line = prop_oneof![
        6 => known.prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ];
    prop::collection::vec(line, 0..150)
}

proptest! {
    #[test]
    fn ids_depend_on_the_lines_before_them_alone(
        lines in lines(),
        most in 2..30_usize,
        cut in 0..150_usize,
    ) {
        let mut whole = LogTemplates::new(most);
        let ids: Vec<u32> = lines.iter().map(|line| whole.learn(line)).collect();
        // saved and restored on the way
        let mut first = LogTemplates::new(most);
        let cut = cut.min(lines.len());
        let mut again: Vec<u32> = lines[..cut].iter().map(|line| first.learn(line)).collect();
        let saved = rmp_serde::to_vec_named(&first).unwrap();
        let mut second: LogTemplates = rmp_serde::from_slice(&saved).unwrap();
        prop_assert_eq!(rmp_serde::to_vec_named(&second).unwrap(), saved);
        again.extend(lines[cut..].iter().map(|line| second.learn(line)));
        prop_assert_eq!(&again, &ids);
        prop_assert_eq!(second.templates(), whole.templates());
        prop_assert_eq!(
            rmp_serde::to_vec_named(&second).unwrap(),
            rmp_serde::to_vec_named(&whole).unwrap()
        );
    }

    #[test]
    fn templates_keep_their_limit_and_count_every_line(lines in lines(), most in 2..30_usize) {
        let mut templates = LogTemplates::new(most);
        let mut ids = Vec::new();
        for line in &lines {
            ids.push(templates.learn(line));
            prop_assert!(templates.templates().len() <= most);
        }
        let merged = templates.merged();
        prop_assert!(merged.iter().all(|(from, into)| into < from));
        let all = templates.templates();
        prop_assert!(all.iter().all(|known| !merged.iter().any(|(from, _)| *from == known.id)));
        prop_assert!(all.iter().map(|known| known.count).sum::<u64>() <= lines.len() as u64);
        if all.iter().all(|known| known.id != 0) && lines.len() < most {
            prop_assert_eq!(all.iter().map(|known| known.count).sum::<u64>(), lines.len() as u64);
        }
    }

    #[test]
    fn clusters_hold_every_template_once(lines in lines(), clusters in 0..80_usize) {
        let mut templates = LogTemplates::new(60);
        for line in &lines {
            templates.learn(line);
        }
        let all = templates.templates();
        let found = cluster(&all, clusters);
        prop_assert!(found.len() <= clusters.clamp(1, 64) + 1);
        prop_assert!(found.is_sorted_by(|a, b| a.count >= b.count));
        let mut held: Vec<u32> = found.iter().flat_map(|found| found.templates.clone()).collect();
        held.sort_unstable();
        prop_assert_eq!(held, all.iter().map(|known| known.id).collect::<Vec<_>>());
        prop_assert_eq!(&cluster(&all, clusters), &found);
    }

    #[test]
    fn damaged_state_is_refused_or_works(
        lines in lines(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut templates = LogTemplates::new(10);
        for line in &lines {
            templates.learn(line);
        }
        let mut saved = rmp_serde::to_vec_named(&templates).unwrap();
        let place = place.index(saved.len());
        saved[place] = byte;
        if let Ok(mut restored) = rmp_serde::from_slice::<LogTemplates>(&saved) {
            for line in &lines {
                restored.learn(line);
            }
            restored.templates();
        }
    }
}
