//! Sentences about the effect on users, on budgets and on other entities, and about the severity.

super::declare::groups! {
    impact {
        no_failure(requests) "No request failed in the flagged time ({requests}).";
        failed(failed, requests) "{failed} of {requests} failed in the flagged time.";
        failed_silent(failed, requests, silent) "{failed} of {requests} failed in the flagged time, {silent} of them without a response.";
        failed_all_silent(failed, requests) "{failed} of {requests} failed in the flagged time, all of them without a response.";
        rate(share) "The error rate was {share}.";
        rate_usual(share, usual) "The error rate was {share} ({usual}).";
        at_no_failure(place, requests) "Counted at {place}, which no other affected service calls: no request failed in the flagged time ({requests}).";
        at_failed(place, failed, requests) "Counted at {place}, which no other affected service calls: {failed} of {requests} failed in the flagged time.";
        at_failed_silent(place, failed, requests, silent) "Counted at {place}, which no other affected service calls: {failed} of {requests} failed in the flagged time, {silent} of them without a response.";
        at_failed_all_silent(place, failed, requests) "Counted at {place}, which no other affected service calls: {failed} of {requests} failed in the flagged time, all of them without a response.";
        statuses(statuses) "Statuses in the flagged time: {statuses}.";
        status(status, requests) "{status} ({requests})";
        half(time, value, usual) "At {time} half of the requests took {value} or longer (usual {usual}).";
        slowest(time, value, usual) "At {time} the slowest 5 % of the requests took {value} or longer (usual {usual}).";
        half_of(time, entity, value, usual) "At {time} half of the requests of {entity} took {value} or longer (usual {usual}).";
        slowest_of(time, entity, value, usual) "At {time} the slowest 5 % of the requests of {entity} took {value} or longer (usual {usual}).";
        fewer(time, requests) "At {time} about {requests} fewer than usual arrived.";
        fewer_at(time, requests, entity) "At {time} about {requests} fewer than usual arrived at {entity}.";
        reopened(ended, reopened, length) "It ended at {ended} and reopened at {reopened}, {length} later.";
        reopened_times(times) "It has reopened {times} times.";
        flapping(times, length) "It is flapping: the same fault occurred {times} times or more, with up to {length} between.";
        others(n, entities) ["{n} other entity became anomalous: {entities}."] "{n} other entities became anomalous: {entities}.";
        entity(entity, time) "{entity} at {time}";
        by_time() "They are grouped because their faults began at the same time; no calls between all of their services are known.";
    }
    status {
        success() "success";
        failure() "failure";
        no_response() "no response";
        unknown() "unknown";
    }
    budget {
        errors(share, days, objective) "Failed requests used {share} of the {days}-day error budget (objective {objective}).";
        latency(limit, share, days, objective) "Requests longer than {limit} used {share} of the {days}-day latency budget (objective {objective}).";
        errors_of(entity, share, days, objective) "{entity}: failed requests used {share} of the {days}-day error budget (objective {objective}).";
        latency_of(entity, limit, share, days, objective) "{entity}: requests longer than {limit} used {share} of the {days}-day latency budget (objective {objective}).";
        errors_pace(days, length) "At that rate a {days}-day error budget lasts {length}.";
        latency_pace(days, length) "At that rate a {days}-day latency budget lasts {length}.";
        errors_rest(days, length) "At this rate the rest of the {days}-day error budget is used up in {length}.";
        latency_rest(days, length) "At this rate the rest of the {days}-day latency budget is used up in {length}.";
    }
    severity {
        info() "Info";
        warning() "Warning";
        critical() "Critical";
        failed(share, usual) "{share} of its requests failed ({usual}).";
        rate(value, usual) "Its error rate reached {value} ({usual}).";
        others(n) ["{n} other entity became anomalous."] "{n} other entities became anomalous.";
    }
}
