//! Files of other tools: what each format gives, and that neither cuts nor damage matter.

use mad_core::telemetry::{RejectReason, Rejections, Status};
use mad_core::wire::formats::{
    FileFormat, FormatOptions, FormatSink, Inspection, InspectionDocument, Output, Unit, decoder,
};
use mad_core::{Error, Record};

/// Keeps what a decoder gives.
#[derive(Debug, Default)]
struct Seen {
    inspection: Inspection,
    /// Each record as text, without what varies.
    records: Vec<String>,
}

impl FormatSink for Seen {
    fn record(&mut self, record: Record<'_>, position: u64) {
        self.inspection.record(record, position);
        self.records.push(match record {
            Record::Request(r) => {
                format!("{} {} {} {}", r.service, r.endpoint, r.status, r.latency_ms)
            }
            Record::Log(l) => format!("{} {:?} {}", l.service, l.level, l.body),
            Record::Metric(m) => format!("{} {} {} {}", m.service, m.resource, m.metric, m.value),
            other => format!("{other:?}"),
        });
    }

    fn unit(&mut self, unit: &Unit<'_>) {
        self.inspection.unit(unit);
    }
}

fn named(name: &str) -> FormatOptions {
    FormatOptions { name: name.to_owned(), ..FormatOptions::default() }
}

fn read_cut(
    options: &FormatOptions,
    format: FileFormat,
    text: &[u8],
    size: usize,
) -> Result<(Seen, InspectionDocument, Rejections), Error> {
    let (mut seen, mut rejections) = (Seen::default(), Rejections::default());
    let mut decoder = decoder(format, options, text)?;
    let mut out = Output::new(&mut seen, &mut rejections);
    for piece in text.chunks(size) {
        decoder.feed(piece, &mut out)?;
    }
    decoder.finish(&mut out)?;
    let document = seen.inspection.document(format, &rejections);
    Ok((seen, document, rejections))
}

/// Reads a file in one piece, and requires the same from pieces of one byte, and no panic from any
/// beginning of the file.
fn read(name: &str, text: &str) -> (Seen, InspectionDocument) {
    let format = FileFormat::detect(name, text.as_bytes()).unwrap();
    let options = named(name);
    let (seen, document, _) = read_cut(&options, format, text.as_bytes(), text.len()).unwrap();
    let (bytewise, other, _) = read_cut(&options, format, text.as_bytes(), 1).unwrap();
    assert_eq!(bytewise.records, seen.records, "{name}");
    assert_eq!(other, document, "{name}");
    let marked = ["\u{feff}", text].concat();
    assert_eq!(FileFormat::detect(name, marked.as_bytes()), Some(format), "{name} with a mark");
    let (_, other, _) = read_cut(&options, format, marked.as_bytes(), marked.len()).unwrap();
    assert_eq!(other, document, "{name} with a mark");
    for end in (0..text.len()).step_by(7) {
        let begin = &text.as_bytes()[..end];
        let _ = FileFormat::detect(name, begin);
        let _ = read_cut(&options, format, begin, 13);
    }
    (seen, document)
}

/// The format that is found, and the records.
fn records(name: &str, text: &str) -> (&'static str, Vec<String>) {
    let (seen, document) = read(name, text);
    (document.format, seen.records)
}

const CLF: &str = "10.0.0.7 - - [29/Nov/2026:05:01:45 +0000] \"GET /pay?a=1 HTTP/1.1\" 200 50";

#[test]
fn access_logs_of_nginx() {
    let timed = format!("{CLF} \"-\" \"curl\" rt=0.014 urt=\"0.010, 0.004\"\n").repeat(2);
    assert_eq!(records("cart.log", &timed).1[0], "cart /pay 200 14");
    let bare = format!("{CLF} \"-\" \"curl\" \"10.1.1.1\" 0.250 0.249\n").repeat(2);
    assert_eq!(records("nginx.log", &bare).1[0], "nginx /pay 200 250");
    let ingress =
        format!("{CLF} \"-\" \"curl\" 89 0.020 [shop-cart-80] [] 10.0.0.1:80 59 0.500 200 a\n");
    assert_eq!(records("nginx-ingress.log", &ingress).1, ["shop-cart-80 /pay 200 20"]);
    // nginx never writes a whole number as a latency
    let unknown = format!("{CLF} \"-\" \"curl\" 12060\n").repeat(3);
    assert_eq!(records("nginx.log", &unknown).1[0], "nginx /pay 200 NaN");
    let json = "{\"time_iso8601\":\"2026-11-29T05:01:45+00:00\",\"method\":\"GET\",\"uri\":\"/pay\",\
        \"status\":200,\"request_time\":0.014,\"upstream_response_time\":\"0.500\"}\n";
    assert_eq!(records("cart.json", json), ("json-logs", vec!["cart /pay 200 14".to_owned()]));
}

#[test]
fn lines_without_a_request_have_no_endpoint() {
    let text = "::1 - - [29/Nov/2026:05:01:45 +0000] \"\\x16\\x03\\x01\" 400 0 \"-\" \"-\"\n\
        ::1 - - [29/Nov/2026:05:01:46 +0000] \"-\" 408 -\n\
        ::1 - - [29/Nov/2026:05:01:46 +0000] \"\" 400 0\n\
        no line of a log\n";
    let (seen, document) = read("nginx.log", text);
    assert_eq!(seen.records[0], "nginx - 400 NaN");
    assert_eq!((document.records, document.endpoints), (3, 0));
    assert_eq!(document.rejected[RejectReason::BadLine.as_str()], 1);
}

#[test]
fn access_logs_of_apache() {
    for (last, latency) in [("64759", "64.759"), ("0/64759", "64.759"), ("64759 0", "64.759")] {
        let text = format!("{CLF} \"-\" \"curl\" {last}\n").repeat(3);
        assert_eq!(
            records("apache.log", &text).1[0],
            format!("apache /pay 200 {latency}"),
            "{last}"
        );
    }
    // no request takes 0 us, so these are milliseconds
    let millis = format!("{CLF} \"-\" \"curl\" 0\n{CLF} \"-\" \"curl\" 12\n{CLF} \"-\" \"a\" 15\n");
    assert_eq!(records("httpd.log", &millis).1[1], "httpd /pay 200 12");
    let host = format!("shop.example.com:80 {CLF}\n");
    assert_eq!(records("apache.log", &host).1, ["shop.example.com /pay 200 NaN"]);
}

#[test]
fn access_logs_of_proxies() {
    let envoy = "[2026-11-29T05:01:46.079Z] \"POST /pay HTTP/1.1\" 0 DC 33 58 56 - \"-\" \"c\" \"i\" \
        \"cart:80\" \"10.0.0.1:80\"\n";
    let (seen, document) = read("envoy.log", envoy);
    assert_eq!(seen.records, ["cart /pay 499 56"]);
    assert_eq!((document.status["0"], document.errors), (1, 0));
    let istio = "[2026-11-29T05:01:46.079Z] \"GET /pay HTTP/1.1\" 503 UF via_upstream - \"-\" 0 178 2 \
        2 \"-\" \"c\" \"i\" \"cart:80\" \"10.0.0.1:80\" outbound|80||pay.shop.svc.cluster.local - - - - -\n";
    assert_eq!(records("", istio).1, ["pay /pay 503 2"]);
    let prefixed = format!("2026-11-29T05:01:47.000000001Z {istio}");
    assert_eq!(records("", &prefixed), ("kubectl", vec!["pay /pay 503 2".to_owned()]));
    let haproxy = "<134>Nov 29 05:01:44 h haproxy[3]: 10.0.0.7:4 [29/Nov/2026:05:01:44.981] web shop/a1 \
        0/0/0/16/+17 200 208 - - ---- 1/1/0/0/0 0/0 {h|} \"GET /pay HTTP/1.1\"\n";
    assert_eq!(records("", haproxy), ("haproxy", vec!["shop /pay 200 17".to_owned()]));
    let traefik = format!("{CLF} \"-\" \"-\" 7 \"shop@file\" \"http://10.0.0.1:80\" 24ms\n");
    assert_eq!(records("", &traefik).1, ["shop /pay 200 24"]);
    let traefik = "{\"StartUTC\":\"2026-11-29T05:01:45Z\",\"RequestMethod\":\"GET\",\"RequestPath\":\
        \"/pay\",\"DownstreamStatus\":200,\"Duration\":24000000,\"OriginDuration\":1,\
        \"ServiceName\":\"shop@file\",\"time\":\"2026-11-29T05:01:46Z\"}\n";
    let (seen, document) = read("traefik.json", traefik);
    assert_eq!(seen.records, ["shop /pay 200 24"]);
    assert_eq!(document.first.as_deref(), Some("2026-11-29T05:01:45Z"));
}

#[test]
fn access_logs_of_load_balancers() {
    let tail = "2026-11-29T05:01:45.186641Z app/lb/50 10.0.0.7:28 10.0.0.1:80 0.086 0.048 0.037 200 200 0 \
        57 \"GET https://h:443/pay?a=1 HTTP/1.1\" \"curl\" - -";
    let alb = format!("https {tail} arn:aws:x:targetgroup/pay/73 \"Root=1\"\n\n");
    assert_eq!(records("", &alb), ("alb", vec!["pay /pay 200 171".to_owned()]));
    let refused = alb.replace("0.086 0.048 0.037", "-1 -1 -1").replace("10.0.0.1:80", "-");
    assert_eq!(records("", &refused).1, ["pay /pay 200 NaN"]);
    assert_eq!(records("", &format!("{tail}\n")), ("clb", vec!["lb /pay 200 171".to_owned()]));
}

#[test]
fn logs_in_the_w3c_format() {
    let text = "#Software: Microsoft Internet Information Services 10.0\n\
        #Fields: date time cs-method cs-uri-stem sc-status time-taken s-sitename\n\
        2026-11-29 05:01:45 GET /pay 200 65 SHOP\n\
        2026-11-29 05:01:46 GET /pay 200\n";
    let (seen, document) = read("u_ex.log", text);
    assert_eq!((seen.records, document.format), (vec!["SHOP /pay 200 65".to_owned()], "iis"));
    assert_eq!(document.rejected["bad_line"], 1);
}

#[test]
fn containers_join_pieces_and_read_their_content() {
    let inner = "{\"time\":\"2026-11-29T05:01:45Z\",\"level\":\"error\",\"service\":\"pay\",\
        \"msg\":\"no answer\",\"route\":\"/pay\",\"status\":500,\"duration_ms\":12.5}";
    let (head, tail) = inner.split_at(40);
    let cri = format!(
        "2026-11-29T05:01:46Z stdout P {head}\n2026-11-29T05:01:46Z stderr F {inner}\n\
         2026-11-29T05:01:46Z stdout F {tail}\n"
    );
    let (seen, document) = read("a.log", &cri);
    assert_eq!(seen.records, ["pay /pay 500 12.5", "pay \"error\" no answer"].repeat(2));
    assert_eq!((document.records, document.levels["ERROR"], document.errors), (2, 2, 2));
    let docker = serde_json::json!({"log": format!("{inner}\n"), "stream": "stdout",
        "time": "2026-11-29T05:01:46Z"});
    assert_eq!(records("", &format!("{docker}\n{{\"log\": \"cut\n")).1.len(), 2);
    let plain = "2026-11-29T05:01:46Z stdout F WARN slow\n2026-11-29T05:01:46Z stdout F   at x\n\
        2026-11-29T05:01:47Z stdout P half";
    let (seen, document) = read("cart.log", plain);
    assert_eq!(seen.records, ["cart \"WARN\" WARN slow\n  at x"]);
    assert_eq!(document.rejected["truncated"], 1);
}

#[test]
fn records_of_several_lines() {
    let text = "[2016-12-20 00:00:36,888] ERROR failed (kafka.log.Log)\njava.io.IOException: x\n\
        \tat a.b(C.java:1)\n[2016-12-20 00:00:37,001] INFO fine (kafka.log.Log)\n";
    let (seen, document) = read("server.log", text);
    assert_eq!((document.format, document.records), ("kafka", 2));
    assert_eq!(document.first.as_deref(), Some("2016-12-20T00:00:36.888Z"));
    assert!(seen.records[0].contains("at a.b"), "{:?}", seen.records);
    let python = "2026-01-06 10:00:00,123 - shop - WARNING - slow\n";
    assert_eq!(read("shop.log", python).1.levels["WARN"], 1);
}

#[test]
fn results_of_jmeter() {
    let csv = "timeStamp\telapsed\tlabel\tresponseCode\tsuccess\n\
        1488473413202\t1008\thttp://shop.example.com/pay\t200\ttrue\n\
        1488473413203\t12\t\"a\tb\"\t200\tfalse\n1488473413204\t5\tx\tNon HTTP response code\tfalse\n\
        1488473413205\t5\ty\t500\ttrue\n1488473413206\t7\tcut";
    let (seen, document) = read("run.jtl", csv);
    let want = [
        "shop.example.com /pay 200 1008",
        "run ab failure 12",
        "run x no response 5",
        "run y success 5",
    ];
    assert_eq!(seen.records, want);
    assert_eq!(
        (document.errors, document.status["other"], document.rejected["truncated"]),
        (1, 1, 1)
    );
    let xml = "<?xml version=\"1.0\"?>\n<testResults version=\"1.2\">\n\
        <sample t=\"50\" ts=\"1488473413202\" s=\"true\" lb=\"a &amp; b\" rc=\"200\">\n\
        <httpSample t=\"9\" ts=\"1488473413203\" s=\"false\" lb=\"inner\" rc=\"500\"/>\n</sample>\n\
        <httpSample t=\"7\" ts=\"1488473413204\" s=\"false\" lb=\"c\" rc=\"503\"/>\n<httpSample t=\"3\"";
    let (seen, document) = read("run.jtl", xml);
    assert_eq!(seen.records, ["run a & b 200 50", "run c 503 7"]);
    assert_eq!(document.rejected["truncated"], 1);
}

#[test]
fn results_of_k6() {
    let csv = "metric_name,timestamp,metric_value,expected_response,method,name,status,url\n\
        http_reqs,1633706790,1,true,GET,https://h.io/a,200,https://h.io/a\n\
        http_req_duration,1633706790,245.5,true,GET,https://h.io/a,200,https://h.io/a\n\
        http_req_duration,1633706791,0,false,GET,https://h.io/a,0,https://h.io/a\n";
    let (seen, document) = read("k6.csv", csv);
    assert_eq!(seen.records, ["h.io /a 200 245.5", "h.io /a no response 0"]);
    assert_eq!((document.records, document.errors, document.status["0"]), (2, 0, 1));
    let json = "{\"type\":\"Metric\",\"data\":{\"name\":\"http_req_duration\"},\"metric\":\"http_req_duration\"}\n\
        {\"metric\":\"http_req_duration\",\"type\":\"Point\",\"data\":{\"time\":\"2021-10-08T15:26:30Z\",\
        \"value\":245.5,\"tags\":{\"method\":\"GET\",\"name\":\"https://h.io/a\",\"status\":\"200\"}}}\n\
        {\"metric\": broken\n";
    let (seen, document) = read("k6.json", json);
    assert_eq!(
        (seen.records, document.rejected["bad_json"]),
        (vec!["h.io /a 200 245.5".to_owned()], 1)
    );
}

#[test]
fn results_of_locust_and_wrk() {
    let stats = "Type,Name,Request Count,Failure Count,Average Response Time\nGET,/a,4,1,10.5\n\
        ,Aggregated,4,1,10.5\n";
    let (seen, document) = read("stats.csv", stats);
    assert_eq!((document.records, document.latency_n, document.latency_ms_sum), (1, 4, 42.0));
    assert!(seen.records.is_empty());
    let history = "Timestamp,User Count,Type,Name,Requests/s,Failures/s,50%,Total Request Count\n\
        1795928506,4,GET,/a,2.5,0.0,N/A,3\n1795928506,4,,Aggregated,2.5,0.0,N/A,3\n";
    let (seen, document) = read("shop_history.csv", history);
    assert_eq!((document.records, document.endpoints), (2, 1));
    assert_eq!(seen.records[0], "shop_history GET /a requests_per_second 2.5");
    let wrk = "Running 5s test @ http://h/ping\n  1 threads and 4 connections\n    Latency   675.20us  \
        2.32ms  43.34ms   94.91%\n  92697 requests in 5.00s, 10MB read\n  Non-2xx or 3xx responses: 2\n";
    let (_, document) = read("wrk.txt", wrk);
    assert_eq!((document.format, document.records, document.latency_n), ("wrk", 1, 92_697));
}

#[test]
fn layouts_that_the_user_gives() {
    let read = |pattern: &str, text: &str| {
        let options = FormatOptions { pattern: Some(pattern.to_owned()), ..named("shop.log") };
        read_cut(&options, FileFormat::Pattern, text.as_bytes(), 1).unwrap().0.records
    };
    let line = "10.0.0.7 [29/Nov/2026:05:01:45 +0000] 200 0.014 cart \"GET /pay HTTP/1.1\"\nbad\n";
    let nginx = "$remote_addr [$time_local] $status $request_time $server_name \"$request\"";
    assert_eq!(read(nginx, line), ["cart /pay 200 14"]);
    let line = line.replace("0.014", "14000");
    assert_eq!(read("%h %t %>s %D %v \"%r\"", &line), ["cart /pay 200 14"]);
    let pattern = r"^(?<time>\S+ \S+) \[(?<level>\w+)\] (?<message>.*)$";
    assert_eq!(
        read(pattern, "2026-01-06 10:00:00 [ERROR] card refused\n"),
        ["shop \"ERROR\" card refused"]
    );
    assert!(decoder(FileFormat::Pattern, &FormatOptions::default(), b"").is_err());
}

#[test]
fn records_with_the_fields_of_mad_are_no_foreign_format() {
    for (text, format) in [
        ("timestamp,service,endpoint,status_code,latency_ms\n", "csv"),
        ("{\"caller\":\"a\",\"callee\":\"b\"}\n", "json-lines"),
        ("{\"timestamp\":1,\"service\":\"a\",\"metric\":\"m\",\"value\":1}\n", "json-lines"),
    ] {
        let found = FileFormat::detect("", text.as_bytes()).map(FileFormat::as_str);
        assert_eq!(found, Some(format), "{text}");
    }
    for name in FileFormat::ALL {
        assert_eq!(FileFormat::parse(name.as_str()), Ok(*name));
    }
    assert!(FileFormat::parse("pdf").is_err());
    assert_eq!(FileFormat::detect("", b"\x00\x01\x02\n"), None);
}

#[test]
fn a_service_option_wins() {
    let options = FormatOptions { service: Some("web".to_owned()), ..named("apache.log") };
    let text = format!("shop.example.com:80 {CLF}\n");
    let (seen, _, _) = read_cut(&options, FileFormat::Apache, text.as_bytes(), 64).unwrap();
    assert_eq!(seen.records, ["web /pay 200 NaN"]);
    assert_eq!(Status::Http(200).to_string(), "200");
}
