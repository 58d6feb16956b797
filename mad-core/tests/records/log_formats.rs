//! Log lines of many loggers: their times, levels and services.

use mad_core::telemetry::Rejections;
use mad_core::wire::formats::{FileFormat, FormatOptions, Inspection, Output, decoder};

use super::inspected::inspect;

/// The counts of a map as text: `ERROR 2, INFO 1`.
fn counts(of: &std::collections::BTreeMap<String, u64>) -> String {
    let all: Vec<String> = of.iter().map(|(name, count)| format!("{name} {count}")).collect();
    all.join(", ")
}

#[test]
fn loggers_write_their_times_and_levels_in_many_forms() {
    for (name, lines, levels) in [
        (
            "klog.log",
            "I0106 10:45:00.123456       1 server.go:143] \"Starting\"\n\
             W0106 10:45:01.000001       1 reflector.go:424] slow\n\
             E0106 10:45:02.5        12 main.go:12] boom\n\
             goroutine 1 [running]:\n",
            "ERROR 1, INFO 1, WARN 1",
        ),
        (
            "redis.log",
            "1:C 06 Jan 2026 10:45:00.123 # Redis is starting\n\
             1:M 06 Jan 2026 10:45:00.456 * Ready\n\
             1:M 06 Jan 2026 10:45:02.500 # WARNING overcommit_memory is 0\n",
            "WARN 1",
        ),
        (
            "apache-error.log",
            "[Tue Jan 06 10:45:00.123456 2026] [core:error] [pid 1:tid 2] [client ::1] x\n\
             [Tue Jan 06 10:45:01 2026] [warn] x\n\
             [Tue Jan 06 10:45:02.5 2026] [mpm_event:notice] [pid 1:tid 1] AH00489: x\n",
            "ERROR 1, NOTICE 1, WARN 1",
        ),
        (
            "logback.log",
            "10:45:00.123 [main] INFO  a.App - Started\n\
             10:45:01,456 [http-1] ERROR a.Pay - failed\n\
             java.lang.X: y\n\tat a.b(C.java:1)\n\
             10:45:02.500 [http-1] WARN a.Pay - x\n",
            "ERROR 1, INFO 1, WARN 1",
        ),
        (
            "rails.log",
            "I, [2026-01-06T10:45:00.123456 #12]  INFO -- : Started\n\
             E, [2026-01-06T10:45:01.5 #12] ERROR -- : boom\n\
             W, [2026-01-06T10:45:02.5 #12]  WARN -- : slow\n",
            "ERROR 1, INFO 1, WARN 1",
        ),
        (
            "laravel.log",
            "[2026-01-06T10:45:00.123456+00:00] app.INFO: hello {\"a\":1} []\n\
             [2026-01-06 10:45:01] production.ERROR: boom {\"exception\":\"x\"}\n\
             [2026-01-06 10:45:02.500] production.WARNING: x\n",
            "ERROR 1, INFO 1, WARN 1",
        ),
        (
            "elasticsearch.log",
            "[2026-01-06T10:45:00,123][INFO ][o.e.n.Node  ] [node1] started\n\
             [2026-01-06T10:45:02,500][ERROR][o.e.n.Node  ] [node1] x\n",
            "ERROR 1, INFO 1",
        ),
        (
            "serilog.log",
            "2026-01-06 11:45:00.123 +01:00 [INF] Started\n\
             2026-01-06 11:45:02.500 +01:00 [ERR] boom\n",
            "ERROR 1, INFO 1",
        ),
        (
            "postgresql.log",
            "2026-01-06 10:45:00.123 UTC [1] LOG:  starting\n\
             2026-01-06 10:45:02.500 UTC [33] ERROR:  relation \"x\" does not exist\n",
            "ERROR 1",
        ),
        (
            "postgresql.csv",
            "2026-01-06 10:45:00.123 UTC,\"u\",\"db\",33,\"[local]\",65,1,\"SELECT\",2026-01-06 10:45:00 UTC,3/4,0,LOG,00000,\"x\",,,,,,,,,\"psql\",\"client backend\",,0\n\
             2026-01-06 10:45:02.500 UTC,\"u\",\"db\",33,\"[local]\",65,1,\"SELECT\",2026-01-06 10:45:00 UTC,3/4,0,ERROR,42P01,\"x\",,,,,,\"select\",15,,\"psql\",\"client backend\",,0\n",
            "ERROR 1",
        ),
        (
            "mysql-slow.log",
            "# Time: 2026-01-06T10:45:00.123456Z\n# User@Host: root[root] @ localhost []\n# Query_time: 2.0\n\
             # Time: 2026-01-06T10:45:02.500000Z\n# User@Host: root[root] @ localhost []\n# Query_time: 2.0\n",
            "",
        ),
        (
            "catalina.out",
            "06-Jan-2026 10:45:00.123 INFO [main] org.apache.X.y Server\n\
             06-Jan-2026 10:45:02.500 SEVERE [main] org.apache.X.y Failed\n",
            "ERROR 1, INFO 1",
        ),
        (
            "dropwizard.log",
            "INFO  [2026-01-06 10:45:00,123] a.B: x\nERROR [2026-01-06 10:45:02,500] a.B: y\n",
            "ERROR 1, INFO 1",
        ),
    ] {
        let found = inspect(name, lines);
        assert_eq!((found.format, counts(&found.levels).as_str()), ("text-log", levels), "{name}");
        assert!(found.rejected.is_empty(), "{name}");
        assert_eq!(
            found.first.as_deref(),
            Some("2026-01-06T10:45:00.123Z").map(|time| {
                // some loggers write microseconds
                if lines.contains(".123456") { "2026-01-06T10:45:00.123456Z" } else { time }
            }),
            "{name}"
        );
        assert!(found.last.is_some_and(|last| last.starts_with("2026-01-06T10:45:02")), "{name}");
    }
}

#[test]
fn messages_of_syslog_name_their_program() {
    for (name, lines) in [
        (
            "rfc3164",
            "<34>Jan  6 10:45:00 web1 su: failed\n<11>Jan  6 10:45:01 web1 pay[1]: a\n\
             <11>Jan  6 10:45:02 web1 pay[1]: b\n",
        ),
        (
            "rfc5424",
            "<34>1 2026-01-06T10:45:00Z web1 su - ID47 - failed\n\
             <11>1 2026-01-06T11:45:01+01:00 web1 pay 1 - [a@1 b=\"c\\]\"] a\n\
             <11>1 2026-01-06T10:45:02.000Z web1 pay 1 - - b\n",
        ),
        (
            "octets",
            "50 <34>1 2026-01-06T10:45:00Z web1 su - ID47 - failed\
             46 <11>1 2026-01-06T10:45:01Z web1 pay 1 - - a\n\
             46 <11>1 2026-01-06T10:45:02Z web1 pay 1 - - b\n",
        ),
    ] {
        let found = inspect(name, lines);
        assert_eq!(
            (counts(&found.services).as_str(), counts(&found.levels).as_str()),
            ("pay 2, su 1", "CRIT 1, ERROR 2"),
            "{name}"
        );
        assert_eq!(found.first.as_deref(), Some("2026-01-06T10:45:00Z"), "{name}");
        assert_eq!(found.last.as_deref(), Some("2026-01-06T10:45:02Z"), "{name}");
    }
    let files = "Dec 31 23:59:00 web1 kernel: Out of memory\nJan  6 10:45:02 web1 pay[1]: x\n";
    let found = inspect("messages", files);
    assert_eq!(found.first.as_deref(), Some("2025-12-31T23:59:00Z"));
    let json = "Jan  6 10:45:00 web1 pay[1]: {\"time\":\"2026-01-06T10:45:00Z\",\"level\":\"error\",\
        \"msg\":\"x\"}\n";
    assert_eq!(counts(&inspect("messages", &json.repeat(3)).levels), "ERROR 3");
}

#[test]
fn lines_of_pods_have_the_service_of_their_container() {
    let stern = "cart-7d9f4-abcde cart 2026-01-06T10:45:00.123456789Z INFO started\n\
        pay-1 pay 2026-01-06T10:45:01.123456789Z ERROR boom\n";
    let found = inspect("stern.log", stern);
    assert_eq!((found.format, counts(&found.services).as_str()), ("kubectl", "cart 1, pay 1"));
    let json = "cart-7d9f4-abcde cart {\"time\":\"2026-01-06T10:45:00Z\",\"level\":\"info\",\"msg\":\"x\"}\n\
        [pod/pay-1/pay] {\"time\":\"2026-01-06T10:45:00Z\",\"level\":\"error\",\"msg\":\"x\"}\n";
    let found = inspect("pods.log", json);
    assert_eq!(counts(&found.services), "cart 1, pay 1");
    assert_eq!(counts(&found.levels), "ERROR 1, INFO 1");
}

#[test]
fn requests_between_log_lines_are_read_as_requests() {
    let lines = "[2026-01-06 10:45:00 +0000] [1] [INFO] Starting gunicorn 21.2.0\n\
        [2026-01-06 10:45:00 +0000] [7] [ERROR] Error handling request /x\n\
        Traceback (most recent call last):\n  File \"a.py\", line 3\n\
        10.0.0.1 - - [06/Jan/2026:10:45:01 +0000] \"GET /x HTTP/1.1\" 500 12 \"-\" \"curl\"\n";
    let found = inspect("gunicorn.log", lines);
    assert_eq!((found.judged["logs"], found.judged["requests"], found.errors), (2, 1, 1));
}

#[test]
fn a_time_without_a_year_needs_one() {
    let (mut seen, mut rejections) = (Inspection::default(), Rejections::default());
    let lines = b"Jan  6 10:45:02 web1 pay[1]: x\n";
    let mut decoder = decoder(FileFormat::Syslog, &FormatOptions::default(), lines).unwrap();
    let mut out = Output::new(&mut seen, &mut rejections);
    decoder.feed(lines, &mut out).unwrap();
    decoder.finish(&mut out).unwrap();
    assert_eq!((rejections.total(), rejections.first()[0].reason.as_str()), (1, "bad_timestamp"));
}
