//! Documents and lines of hosted services, stores of metrics and load tests.

use super::inspected::inspect;

/// Format, records, services, levels and the sum of latencies, as text.
fn summary(name: &str, text: &str) -> String {
    let found = inspect(name, text);
    let counts = |of: &std::collections::BTreeMap<String, u64>| {
        let all: Vec<String> = of.iter().map(|(name, count)| format!("{name} {count}")).collect();
        all.join(" ")
    };
    assert!(found.rejected.is_empty(), "{name}: {:?}", found.first_rejected);
    let parts = [
        found.format.to_owned(),
        found.records.to_string(),
        counts(&found.services),
        counts(&found.levels),
        counts(&found.status),
        format!("{}", (found.latency_ms_sum * 1e3).round() / 1e3),
        found.first.unwrap_or_default(),
    ];
    parts.join("|")
}

#[test]
fn log_lines_in_documents() {
    let loki = r#"{"status":"success","data":{"resultType":"streams","result":[
        {"stream":{"app":"cart","level":"error"},"values":[["1767696300000000000","boom"],
         ["1767696301000000000","{\"level\":\"warn\",\"msg\":\"x\"}"]]},
        {"stream":{"service_name":"pay"},"values":[["1767696302000000000","level=info ok"]]}]}}"#;
    assert_eq!(
        summary("loki.json", loki),
        "json-logs|3|cart 2 pay 1|ERROR 1 INFO 1 WARN 1||0|2026-01-06T10:45:00Z"
    );
    let events = r#"{
        "events": [
            {"timestamp": 1767696300123, "message": "START", "ingestionTime": 1767696301123},
            {"timestamp": 1767696301123, "message": "[ERROR] boom", "ingestionTime": 1767696301125},
            {"timestamp": 1767696301124, "message": "{\"level\":\"WARN\",\"message\":\"x\"}"}
        ], "nextForwardToken": "f/1"}"#;
    assert_eq!(
        summary("pay.json", events),
        "json-logs|3|pay 3|ERROR 1 WARN 1||0|2026-01-06T10:45:00.123Z"
    );
    let subscribed = r#"{"logGroup":"/aws/lambda/pay","logEvents":[{"id":"1","timestamp":1767696300000,"message":"ERROR x"}]}"#;
    assert_eq!(
        summary("subscription.json", subscribed),
        "json-logs|1|pay 1|ERROR 1||0|2026-01-06T10:45:00Z"
    );
    let insights = r#"{"results": [[{"field": "@timestamp", "value": "2026-01-06 10:45:00.123"},
        {"field": "@message", "value": "boom"}, {"field": "@ptr", "value": "x"}]],
        "status": "Complete"}"#;
    assert_eq!(summary("pay.json", insights), "json-logs|1|pay 1|||0|2026-01-06T10:45:00.123Z");
    let azure = r#"{"tables": [{"name": "PrimaryResult", "columns": [{"name": "timestamp"},
        {"name": "url"}, {"name": "success"}, {"name": "resultCode"}, {"name": "duration"},
        {"name": "cloud_RoleName"}], "rows": [
        ["2026-01-06T10:45:00Z", "https://x/pay", "True", "200", 12.5, "pay"],
        ["2026-01-06T10:45:01Z", "https://x/pay", "False", "500", 20.5, "pay"]]}]}"#;
    assert_eq!(
        summary("requests.json", azure),
        "json-logs|2|pay 2||200 1 500 1|33|2026-01-06T10:45:00Z"
    );
}

#[test]
fn log_queries_exported_as_csv() {
    let insights = "@timestamp,@message,@log\n\
        2026-01-06 10:45:00.123,\"{\"\"level\"\":\"\"ERROR\"\",\"\"message\"\":\"\"no, stock\"\"}\",\
        123456789012:/aws/lambda/pay\n\
        2026-01-06 10:45:01.123,\"WARN slow\nsecond line\",123456789012:/aws/lambda/cart\n";
    assert_eq!(
        summary("logs-insights-results.csv", insights),
        "log-table|2|cart 1 pay 1|ERROR 1 WARN 1||0|2026-01-06T10:45:00.123Z"
    );
    let requests = "\"timestamp [UTC]\",id,name,url,success,resultCode,duration,itemType,\
        \"operation_Id\",\"cloud_RoleName\",\"cloud_RoleInstance\"\n\
        \"1/6/2026, 10:45:00.123 AM\",a,\"GET /pay\",\"https://x/pay?a=1\",True,200,\"12.5\",request,\
        0af7651916cd43dd8448eb211c80319c,pay,host-1\n\
        \"1/6/2026, 1:45:00.123 PM\",b,\"GET /pay\",\"https://x/pay\",False,500,20.5,request,\
        0af7651916cd43dd8448eb211c80319d,pay,host-1\n";
    assert_eq!(
        summary("query_data.csv", requests),
        "log-table|2|pay 2||200 1 500 1|33|2026-01-06T10:45:00.123Z"
    );
    let traces = "TenantId,\"TimeGenerated [UTC]\",Message,SeverityLevel,OperationId,AppRoleName\n\
        t,\"12/31/2026, 12:00:00.5 AM\",no stock,3,0af7651916cd43dd8448eb211c80319c,pay\n\
        t,\"12/31/2026, 12:00:01.5 AM\",fine,1,0af7651916cd43dd8448eb211c80319c,pay\n";
    assert_eq!(
        summary("AppTraces.csv", traces),
        "log-table|2|pay 2|ERROR 1 INFO 1||0|2026-12-31T00:00:00.5Z"
    );
    let calls = "timestamp [UTC],name,resultCode,duration,itemType,cloud_RoleName\n\
        \"1/6/2026, 10:45:00.123 AM\",SELECT,0,12.5,dependency,pay\n";
    let found = inspect("query_data.csv", calls);
    assert_eq!((found.records, found.rejected.get("bad_line").copied()), (0, Some(1)));
}

#[test]
fn json_logs_of_gateways_and_loggers() {
    for (name, text, want) in [
        (
            "kong.json",
            r#"{"latencies":{"request":515,"kong":58},"service":{"name":"pay"},"request":{"uri":"/get","method":"GET"},"response":{"status":200},"started_at":1767696300123}"#,
            "json-logs|1|pay 1||200 1|515|2026-01-06T10:45:00.123Z",
        ),
        (
            "cloudflare.json",
            r#"{"ClientRequestHost":"pay.x","ClientRequestMethod":"GET","ClientRequestURI":"/pay?a","EdgeStartTimestamp":1767696300000000000,"EdgeResponseStatus":502,"EdgeTimeToFirstByteMs":125}"#,
            "json-logs|1|pay.x 1||502 1|125|2026-01-06T10:45:00Z",
        ),
        (
            "gateway.json",
            r#"{"requestTime":"06/Jan/2026:10:45:00 +0000","httpMethod":"GET","path":"/pay","status":"200","responseLatency":"15"}"#,
            "json-logs|1|gateway 1||200 1|15|2026-01-06T10:45:00Z",
        ),
        (
            "front.json",
            r#"{"time":"2026-01-06T10:45:00Z","category":"FrontDoorAccessLog","properties":{"httpMethod":"GET","httpStatusCode":"200","requestUri":"https://x/pay","timeTaken":"0.120"}}"#,
            "json-logs|1|front 1||200 1|120|2026-01-06T10:45:00Z",
        ),
        (
            "gelf.json",
            r#"{"version":"1.1","host":"web1","short_message":"boom","timestamp":1767696300.5,"level":3,"_service":"pay"}"#,
            "json-logs|1|pay 1|ERROR 1||0|2026-01-06T10:45:00.5Z",
        ),
        (
            "journal.json",
            r#"{"__REALTIME_TIMESTAMP":"1767696300500000","PRIORITY":"4","SYSLOG_IDENTIFIER":"pay","MESSAGE":"x"}"#,
            "json-logs|1|pay 1|WARN 1||0|2026-01-06T10:45:00.5Z",
        ),
        (
            "node.json",
            r#"{"name":"pay","hostname":"web1","pid":1,"level":50,"msg":"boom","time":"2026-01-06T10:45:00Z","v":0}"#,
            "json-logs|1|pay 1|ERROR 1||0|2026-01-06T10:45:00Z",
        ),
        (
            "mongod.json",
            r#"{"t":{"$date":"2026-01-06T10:45:00.000+00:00"},"s":"E","c":"NETWORK","id":1,"msg":"x"}"#,
            "json-logs|1|mongod 1|ERROR 1||0|2026-01-06T10:45:00Z",
        ),
        (
            "kubelet.json",
            r#"{"ts":1767696300000.5,"caller":"a/b.go:12","msg":"x","v":0}"#,
            "json-logs|1|kubelet 1|||0|2026-01-06T10:45:00.0005Z",
        ),
    ] {
        assert_eq!(summary(name, &format!("{text}\n")), want, "{name}");
    }
}

#[test]
fn metrics_of_other_stores() {
    for (name, text, want) in [
        (
            "influx.txt",
            "cpu,host=web1,service=pay idle=98.1,user=1i 1767696300000000000\n\
             cpu,host=web1,service=pay idle=97.5,user=2i 1767696310000000000\n",
            "influx|4|pay 4|||0|2026-01-06T10:45:00Z",
        ),
        (
            "graphite.txt",
            "shop.pay.latency 12.5 1767696300\nshop.pay.latency;env=prod 13.5 1767696360\n",
            "graphite|2||||0|2026-01-06T10:45:00Z",
        ),
        (
            "datadog.json",
            r#"{"status":"ok","series":[{"metric":"cpu","scope":"host:web1,service:pay","pointlist":[[1767696300000.0,1.5],[1767696360000.0,2.5],[1767696420000.0,null]]}]}"#,
            "metrics-json|2|pay 2|||0|2026-01-06T10:45:00Z",
        ),
        (
            "submit.json",
            r#"{"series":[{"metric":"lat","type":3,"points":[{"timestamp":1767696300,"value":1.5}],"tags":["service:pay"],"resources":[{"name":"web1","type":"host"}]}]}"#,
            "metrics-json|1|pay 1|||0|2026-01-06T10:45:00Z",
        ),
        (
            "cloudwatch.json",
            r#"{"MetricDataResults":[{"Id":"m1","Label":"pay latency","Timestamps":["2026-01-06T10:46:00+00:00","2026-01-06T10:45:00+00:00"],"Values":[1.5,2.5]}]}"#,
            "metrics-json|2||||0|2026-01-06T10:45:00Z",
        ),
        (
            "statistics.json",
            r#"{"Label":"CPUUtilization","Datapoints":[{"Timestamp":"2026-01-06T10:45:00Z","Average":1.5,"ExtendedStatistics":{"p99":3.0}}]}"#,
            "metrics-json|2||||0|2026-01-06T10:45:00Z",
        ),
        (
            "native.json",
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"lat","job":"pay"},"histograms":[[1767696300,{"count":"10","sum":"1.5","buckets":[[0,"0.0625","0.125","6"],[0,"0.125","0.25","4"]]}],[1767696360,{"count":"20","sum":"3.5","buckets":[[0,"0.0625","0.125","10"],[0,"0.125","0.25","10"]]}]]}]}}"#,
            "prometheus-api|2|pay 1|||0|2026-01-06T10:45:00Z",
        ),
    ] {
        assert_eq!(summary(name, text), want, "{name}");
    }
}

#[test]
fn traces_of_other_tools() {
    let tempo = r#"{"batches":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
        "scopeSpans":[{"spans":[{"traceId":"1KqvU1dT3xpfvDFtGMbOTg==","spanId":"iPBX+/rJb6E=","name":"GET /",
        "kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1767696300000000000","endTimeUnixNano":"1767696300100000000"},
        {"traceId":"1KqvU1dT3xpfvDFtGMbOTg==","spanId":"iPBX+/rJb6I=","parentSpanId":"iPBX+/rJb6E=","name":"x",
        "startTimeUnixNano":"1767696300000000000","endTimeUnixNano":"1767696300050000000"}]}]}]}"#;
    assert_eq!(summary("tempo.json", tempo), "otlp-json|2|cart 2|||150|2026-01-06T10:45:00Z");
    let jaeger = r#"{"result":{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
        "scopeSpans":[{"spans":[{"traceId":"01","spanId":"02","name":"a","kind":2,"startTimeUnixNano":"1767696300000000000","endTimeUnixNano":"1767696300100000000"}]}]}]}}"#;
    assert_eq!(summary("v3.json", jaeger), "otlp-json|1|cart 1|||100|2026-01-06T10:45:00Z");
    let skywalking = r#"{"data":{"trace":{"spans":[
        {"traceId":"a","segmentId":"s1","spanId":0,"parentSpanId":-1,"refs":[],"serviceCode":"web",
         "startTime":1767696300000,"endTime":1767696300100,"endpointName":"/a","type":"Entry","isError":false},
        {"traceId":"a","segmentId":"s2","spanId":0,"parentSpanId":-1,"refs":[{"traceId":"a",
         "parentSegmentId":"s1","parentSpanId":0,"type":"CROSS_PROCESS"}],"serviceCode":"pay",
         "startTime":1767696300010,"endTime":1767696300090,"endpointName":"/b","type":"Entry","isError":true}]}}}"#;
    let found = inspect("skywalking.json", skywalking);
    assert_eq!((found.format, found.records, found.errors), ("traces-json", 2, 1));
    assert_eq!((found.edges[0].caller.as_str(), found.edges[0].callee.as_str()), ("web", "pay"));
    let xray = r#"{"Traces":[{"Id":"1-5759e988-bd862e3fe1be46a994272793","Segments":[{"Id":"19",
        "Document":"{\"id\":\"19\",\"name\":\"pay\",\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\",\"start_time\":1767696300.0,\"end_time\":1767696300.2,\"fault\":true,\"http\":{\"response\":{\"status\":500}},\"subsegments\":[{\"id\":\"20\",\"name\":\"db\",\"start_time\":1767696300.05,\"end_time\":1767696300.1,\"namespace\":\"remote\"}]}"}]}]}"#;
    assert_eq!(summary("xray.json", xray), "traces-json|2|pay 2|||250|2026-01-06T10:45:00Z");
    let datadog = r#"[[{"trace_id":123,"span_id":1,"parent_id":0,"service":"web","name":"http.request",
        "resource":"GET /a","start":1767696300000000000,"duration":100000000,"error":0,"meta":{}},
        {"trace_id":123,"span_id":2,"parent_id":1,"service":"pay","name":"http.request","resource":"GET /b",
        "start":1767696300010000000,"duration":50000000,"error":1,"meta":{"http.status_code":"500"}}]]"#;
    let found = inspect("datadog.json", datadog);
    assert_eq!((found.format, found.records, found.errors), ("traces-json", 2, 1));
    assert_eq!((found.edges[0].caller.as_str(), found.edges[0].callee.as_str()), ("web", "pay"));
}

#[test]
fn results_of_load_tests_and_proxies() {
    for (name, text, want) in [
        (
            "simulation.log",
            "RUN\tshop.Pay\tpay\t1767696300000\t \t3.9.5\n\
             USER\tScn\tSTART\t1767696300001\n\
             REQUEST\t\tHome\t1767696300100\t1767696300150\tOK\t \n\
             REQUEST\tgrp\tPay\t1767696301100\t1767696301200\tKO\tbut actually found 500\n\
             USER\tScn\tEND\t1767696302001\n",
            "gatling|2|load-test 2||500 1|150|2026-01-06T10:45:00.1Z",
        ),
        (
            "vegeta.csv",
            "1767696300000000000,200,12000000,0,11,,eA==,attack,0,GET,http://pay/pay,\n\
             1767696301000000000,0,22000000,0,0,timeout,,attack,1,GET,http://pay/pay,\n",
            "vegeta|2|pay 2||0 1 200 1|34|2026-01-06T10:45:00Z",
        ),
        (
            "vegeta.json",
            "{\"attack\":\"\",\"seq\":0,\"code\":500,\"timestamp\":\"2026-01-06T10:45:00Z\",\"latency\":12000000,\
             \"bytes_out\":0,\"bytes_in\":11,\"error\":\"500\",\"body\":\"x\",\"method\":\"GET\",\"url\":\"http://pay/pay\",\"headers\":null}\n",
            "vegeta|1|pay 1||500 1|12|2026-01-06T10:45:00Z",
        ),
        (
            "hey.csv",
            "response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset\n\
             0.0120,0.0010,0.0001,0.0000,0.0100,0.0001,200,0.0000\n\
             0.0220,0.0010,0.0001,0.0000,0.0100,0.0001,500,0.5000\n",
            "hey|2|hey 2||200 1 500 1|34|2026-01-06T12:00:00Z",
        ),
        (
            "ab.tsv",
            "starttime\tseconds\tctime\tdtime\tttime\twait\n\
             Tue Jan 06 10:45:00 2026\t1767696300\t1\t11\t12\t10\n",
            "ab|1|ab 1|||12|2026-01-06T10:45:00Z",
        ),
        (
            "s3.log",
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be shop [06/Jan/2026:10:45:00 +0000] 192.0.2.3 79a5 3E57 REST.GET.OBJECT a \"GET /shop/a HTTP/1.1\" 200 - 113 - 7 - \"-\" \"S3Console/0.4\" -\n",
            "combined|1|shop 1||200 1|7|2026-01-06T10:45:00Z",
        ),
        (
            "squid.log",
            "1767696300.000    345 10.0.0.1 TCP_MISS/200 1234 GET http://shop/a - HIER_DIRECT/10.0.0.2 text/html\n\
             1767696301.000      5 10.0.0.1 TCP_TUNNEL/503 123 CONNECT pay:443 user HIER_NONE/- -\n",
            "squid|2|pay 1 shop 1||200 1 503 1|350|2026-01-06T10:45:00Z",
        ),
        (
            "shop.log",
            "[pid: 12|app: 0|req: 1/9] 10.0.0.1 () {40 vars in 500 bytes} [Tue Jan  6 10:45:00 2026] GET /a?b= => generated 2 => generated 12 bytes in 30 msecs (HTTP/1.1 200) 2 headers in 80 bytes (1 switches on core 0)\n\
             [pid: 12|app: 0|req: 2/10] 10.0.0.1 () {40 vars in 500 bytes} [Tue Jan  6 10:45:01 2026] POST /a => generated 12 bytes in 5000 micros via sendfile() (HTTP/1.1 502) 2 headers in 80 bytes (1 switches on core 0)\n",
            "uwsgi|2|shop 2||200 1 502 1|35|2026-01-06T10:45:00Z",
        ),
    ] {
        assert_eq!(summary(name, text), want, "{name}");
    }
}
