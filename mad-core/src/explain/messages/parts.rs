//! Parts of sentences: lists, times, counts, probabilities, signals and their changes.

super::declare::groups! {
    list {
        comma(first, next) "{first}, {next}";
        and(most, last) "{most} and {last}";
        and_the(most, last) "{most} and the {last}";
        more(count) "{count} more";
    }
    time {
        span(start, end) "{start} to {end}";
        seconds(n) ["{n} second"] "{n} seconds";
        minutes(n) ["{n} minute"] "{n} minutes";
        hours(n) ["{n} hour"] "{n} hours";
        days(n) ["{n} day"] "{n} days";
        minute() "minute";
        step() "step";
    }
    count {
        request(n) ["{n} request"] "{n} requests";
        row(n) ["{n} row"] "{n} rows";
        minute(n) ["{n} minute"] "{n} minutes";
        step(n) ["{n} step"] "{n} steps";
        line(n) ["{n} line"] "{n} lines";
        time(n) ["{n} time"] "{n} times";
        error_line(n) ["{n} error line"] "{n} error lines";
        no_line() "no line";
        no_error_line() "no error line";
    }
    chance {
        below(power) "less than 1 in 10^{power} by chance";
        about(count) "about 1 in {count} by chance";
    }
    signal {
        p50_latency() "median latency";
        p95_latency() "95th-percentile latency";
        error_rate() "error rate";
        requests() "number of requests";
        client_error_rate() "client error rate";
        slow_share() "share of slow requests";
        log_errors() "number of error lines";
        log_new_errors() "number of new error lines";
        log_warnings() "number of warning lines";
        log_lines(template) "number of lines `{template}`";
        missing_spans() "number of missing spans";
        network_gap() "network time of calls";
        silence() "time without requests";
        latency() "latency";
    }
    usual {
        value(value) "usual {value}";
        assumed(value) "failing since first seen, {value} assumed";
    }
    against {
        signal(signal, value) "{signal} {value}";
        value(what, usual) "{what} ({usual})";
        slow_requests(share, limit) "{share} of the requests took longer than {limit}";
        climbed(from, to, time) "climbed from {from} to {to} over {time}";
        fallen(from, to, time) "fallen from {from} to {to} over {time}";
    }
    change {
        reached(signal, value, usual) "{signal} reached {value} ({usual})";
        down(signal, value, usual) "{signal} was down to {value} ({usual})";
        was(signal, value, usual) "{signal} was {value} ({usual})";
        has_climbed(signal, from, to, time) "{signal} has climbed from {from} to {to} over {time}";
        has_fallen(signal, from, to, time) "{signal} has fallen from {from} to {to} over {time}";
        had_climbed(signal, from, to, time) "{signal} had climbed from {from} to {to} over {time}";
        had_fallen(signal, from, to, time) "{signal} had fallen from {from} to {to} over {time}";
        no_request() "no request arrived any more";
        flagged() "flagged";
    }
}
