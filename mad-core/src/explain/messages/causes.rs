//! Likely causes and actions by the signals of the first culprit, and checks that found nothing.

super::declare::groups! {
    cause {
        change_within(service, change, time, step) "A change of {service}: {change} at {time}, within its first anomalous {step}.";
        change_before(service, change, time, length, step) "A change of {service}: {change} at {time}, {length} before its first anomalous {step}.";
        callee(callee, service, step) "{callee}, which {service} calls and whose anomalies began at most one {step} later.";
        slow_calls(service, callee) "The network between {service} and {callee}: calls spent longer in it, beginning no later.";
        not_called(service, caller, callee) "Calls to {service} that were never made, because {caller} failed with its calls to {callee} no later.";
        slow_and_failing(service, latency, share) "A dependency of {service} that is overloaded or timing out: latency ({latency}) and error rate ({share}) rose together.";
        slow(service, change) "A slow dependency, a lock, or saturation of {service} itself: {change}, without a significant rise of errors.";
        failing(service, share, usual) "A failing dependency, or a faulty release or configuration of {service}: {share} of the requests failed ({usual}), without a latency anomaly.";
        some_requests(latency) "A fault that affects only some requests (a shard, a cold cache, large payloads): the 95th percentile reached {latency} and the median was not flagged.";
        fewer_requests(service, requests, usual) "Callers that stopped calling, or a fault in front of {service} that blocks requests: {requests} arrived in one step (usual {usual}).";
        overload(requests, usual) "Overload: {requests} arrived in one step (usual {usual}).";
        more_requests(requests, usual) "A surge of demand, retries of a caller, or a crawler: {requests} arrived in one step (usual {usual}).";
        missing_spans(entity, change) "Calls to {entity} that no longer happen, or spans that are lost before they arrive: {change}.";
        silence(service, length) "{service} is down or cannot be reached, its callers stopped calling, or its telemetry is lost: no request for {length}.";
        network(service, callee, change) "The network between {service} and {callee}, a queue or a connection pool: {change}.";
        log(service, change) "A fault that {service} reports in its log: {change}.";
        log_stopped(service, template, times, step, usual) "A part of {service} that no longer runs or no longer gets that far: `{template}` was logged {times} in one {step} (usual {usual}).";
        log_repeated(service, template, times, step, usual) "Retries, a loop, or more of what {service} reports with this line: `{template}` was logged {times} in one {step} (usual {usual}).";
        metric(service, change) "A change in the load, release, configuration or dependencies of {service}: {change}.";
    }
    cause_status {
        refused(change) "A key, token or permission that expired or was changed, or somebody who tries to guess one: {change}.";
        not_found(change) "A route that was moved or removed, a client with wrong addresses, or a scan: {change}.";
        rate_limit(change) "A rate limit that clients reach, or that was lowered: {change}.";
        given_up(change) "Clients that give up before the answer: {change}.";
        wrong_form(change) "Requests in a form that the service does not take, as after a release of either side: {change}.";
        redirected(change) "An address that moved, or a redirect loop: {change}.";
        other(change) "Requests that the service refuses or redirects: a change of the service or of its clients: {change}.";
    }
    hint {
        payment() "Its name suggests a payment endpoint, which often depends on the payment provider or its fraud check.";
        authentication() "Its name suggests an authentication endpoint, which often depends on the identity provider or the session store.";
        search() "Its name suggests a search endpoint, which often depends on the search index.";
        ordering() "Its name suggests an ordering endpoint, which often depends on stock and payment calls and the order database.";
    }
    action {
        start_silent(entity, since) "Start with {entity}, anomalous since {since}: find out whether it still runs and is reachable.";
        start_network(entity, since) "Start with {entity}, anomalous since {since}: check the network and the connection pools on this way.";
        start(entity, since) "Start with {entity}, anomalous since {since}: read its log, and check its releases, saturation and dependencies.";
        read_errors(service, since) "Read the errors that {service} logged from {since} on.";
        read_warnings(service, since) "Read the warnings that {service} logged from {since} on.";
        read_template(service, template, since) "Read what {service} logged around `{template}` from {since} on.";
        group_refused(entity) "Group the refused requests of {entity} by client, version and address: one client, or all.";
        follow_trace(entity) "Follow a slow trace of {entity} to see where its time goes.";
        check_network(service, callee) "Check the network, the connection pools and the queues between {service} and {callee}.";
        check_running(service) "Check whether {service} is running and can be reached, and whether its telemetry still arrives.";
        check_callers(service) "Check the callers of {service} and the gateway before it.";
        find_callers(service) "Find out which callers send more requests to {service} than before.";
        check_changes(service, since) "Check the changes of {service} shortly before {since}: releases, configuration, restarts.";
        check_saturation(service) "Check saturation of {service}: cpu, memory, connection pools, queues.";
        check_dependencies(service) "Check the health of the dependencies of {service}.";
        roll_back(name, service) "Roll back version {name} of {service}, or send its requests to another version.";
        take_out(name, service) "Take host {name} of {service} out of rotation, and compare it with the others.";
    }
    standout {
        version_fails(name, share, failed, requests, others) "Version {name} failed in {share} of its requests ({failed} of {requests}), the other versions in {others}.";
        host_fails(name, share, failed, requests, others) "Host {name} failed in {share} of its requests ({failed} of {requests}), the other hosts in {others}.";
        version_slow(name, latency, others) "Version {name} typically took {latency}, the other versions {others} (geometric means).";
        host_slow(name, latency, others) "Host {name} typically took {latency}, the other hosts {others} (geometric means).";
    }
    check {
        changes(service, time) "Changes: none of {service} is known in the 30 minutes before {time}.";
        calls(service) "Calls: no service that {service} is known to call became anomalous before it.";
        signals(entity, signals) "Signals of {entity}: {signals} not flagged.";
        versions(count, entity) "Versions: none of the {count} that served {entity} explains the fault alone.";
        hosts(count, entity) "Hosts: none of the {count} that served {entity} explains the fault alone.";
        other_entities() "Other entities: none became anomalous with it.";
        history(length, entity) "History: {length} of {entity} are known before the incident, too short for a daily rhythm.";
    }
}
