//! Sentences that say what happened, where it began, and why it was flagged.

super::declare::groups! {
    summary {
        whole(entity, what, when, rows) "{entity}: {what}, {when} ({rows}).";
        errors(share, usual) "error rate was {share} ({usual})";
        all_flagged(length) "{length}, all flagged";
        some_flagged(rows) "{rows} flagged";
        also(signals) "Also anomalous: {signals}.";
        alone() "Nothing else was flagged around that time.";
        first(entity) "{entity} ranks first.";
        first_of(entity, count) "{entity} ranks first of {count} entities with anomalies around that time.";
    }
    line {
        whole(severity, entity, what, when) "[{severity}] {entity}: {what}, {when}";
        failed(severity, entity, what, share, when) "[{severity}] {entity}: {what}, {share} failed, {when}";
    }
    root {
        unknown() "Unknown: no entity stands out.";
        entity(entity, since) "{entity}, anomalous since {since}.";
        change(entity, since, what) "{entity}, anomalous since {since}: {what}.";
    }
    first {
        entity(entity, time) "{entity} at {time}.";
        change(entity, time, what) "{entity} at {time}: {what}.";
    }
    why {
        value(signal, value) "the {signal} was {value}";
        climbed(time, signal, from, to, over) "At {time} the {signal} had climbed from {from} to {to} over {over}.";
        fallen(time, signal, from, to, over) "At {time} the {signal} had fallen from {from} to {to} over {over}.";
        alone(time, what, usual, chance) "At {time} {what} ({usual}), {chance}.";
        together(time, what, usual, chance, signals) "At {time} {what} ({usual}), {chance} together with the {signals}.";
        in_a_run(time, what, usual, chance) "At {time} {what} ({usual}), {chance} together with the rows before it.";
        extreme(time, what, usual, chance) "At {time} {what} ({usual}). Its least likely value was {chance}.";
    }
    log {
        unknown_before(service, when, lines, template) "Log of {service}, {when}: {lines} `{template}`; the log is not known before.";
        none_before(service, when, lines, template, before) "Log of {service}, {when}: {lines} `{template}`, none in the {before} before.";
        gone(service, when, lines, template, earlier, before) "Log of {service}, {when}: {lines} `{template}`, {earlier} in the {before} before.";
        more(service, when, lines, template, ratio, earlier, before) "Log of {service}, {when}: {lines} `{template}`, {ratio} times the usual rate ({earlier} in the {before} before).";
        fewer(service, when, lines, template, earlier, before) "Log of {service}, {when}: {lines} `{template}`, fewer than usual ({earlier} in the {before} before).";
    }
    chain {
        calls(entity, service) "{entity}, which calls {service}";
        called_by(entity, service) "{entity}, which {service} calls";
        same_service(entity, other) "{entity}, same service as {other}";
        first(time, entity, what) "{time}: {entity}: {what}.";
        after_change(time, entity, what, length, change) "{time}: {entity}: {what}, within {length} of a change: {change}.";
        more(count) "{count} more entities followed.";
    }
    confidence {
        rule(n, chance) ["{n} row was flagged, the strongest {chance}. High needs 3 rows and 1 in 10^8. Medium needs 2 rows or 1 in 10^6."]
            "{n} rows were flagged, the strongest {chance}. High needs 3 rows and 1 in 10^8. Medium needs 2 rows or 1 in 10^6.";
        rule_of_runs(n, chance) ["{n} row was flagged, the strongest {chance}, alone or with the rows before it. High needs 3 rows and 1 in 10^8. Medium needs 2 rows or 1 in 10^6."]
            "{n} rows were flagged, the strongest {chance}, alone or with the rows before it. High needs 3 rows and 1 in 10^8. Medium needs 2 rows or 1 in 10^6.";
    }
    evidence {
        value(signal, value, usual, rows) "{signal} {value} (usual {usual}), flagged in {rows}";
    }
}
