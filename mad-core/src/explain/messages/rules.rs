//! Causes and actions of the shipped rules, by the name of the rule.

use crate::explain::message::Message;

/// The causes.
pub(super) const CAUSES: &[Message] = &[
    super::declare::single!(rule_cause certificate(service, template) "A certificate that expired or is not trusted: {service} logs `{template}`."),
    super::declare::single!(rule_cause pool(service, template) "A connection pool that is used up: {service} logs `{template}`."),
    super::declare::single!(rule_cause database(service, template) "A database that is slow, locked or saturated: {service} logs `{template}`."),
    super::declare::single!(rule_cause memory(service, template) "Memory that is used up: {service} logs `{template}`."),
    super::declare::single!(rule_cause disk(service, template) "A disk that is full: {service} logs `{template}`."),
    super::declare::single!(rule_cause names(service, template) "Names that cannot be resolved: {service} logs `{template}`."),
    super::declare::single!(rule_cause credentials(service, template) "A key, password or permission that expired or was changed: {service} logs `{template}`."),
    super::declare::single!(rule_cause rate_limit(service, template) "A rate limit of a dependency that {service} reaches: it logs `{template}`."),
    super::declare::single!(rule_cause refused(service, template) "A dependency of {service} that is down or restarts: it logs `{template}`."),
    super::declare::single!(rule_cause retries(service) "Retries of callers that add to the load of {service}: requests and failures rose together."),
    super::declare::single!(rule_cause memory_metric(metric, service) "A memory leak or a memory limit that is too small: {metric} of {service} rose."),
    super::declare::single!(rule_cause saturation(service, metric) "Saturation of {service}: its {metric} rose."),
    super::declare::single!(rule_cause queue(service, metric) "Work that arrives faster than {service} finishes it: its {metric} rose."),
    super::declare::single!(rule_cause pool_metric(service, metric) "A pool or limit of {service} that is being used up: its {metric} rose."),
    super::declare::single!(rule_cause disk_metric(service, metric) "A disk of {service} that fills or is busy: its {metric} rose."),
];

/// The actions.
pub(super) const ACTIONS: &[Message] = &[
    super::declare::single!(rule_action certificate(service) "Check when the certificates between {service} and its peers expire, and who signed them."),
    super::declare::single!(rule_action pool(service) "Check the size of the pool of {service}, connections that are not given back, and slow queries."),
    super::declare::single!(rule_action database(service) "Check slow queries, locks and the load of the database that {service} uses."),
    super::declare::single!(rule_action memory(service) "Check the memory limit of {service}, its heap, and the releases before it grew."),
    super::declare::single!(rule_action disk(service) "Free space on the disk of {service}, and find out what fills it."),
    super::declare::single!(rule_action names(service) "Check the DNS that {service} uses, and the names of its dependencies."),
    super::declare::single!(rule_action credentials(service) "Check the credentials of {service}, and when they were changed."),
    super::declare::single!(rule_action rate_limit(service) "Check the limits of the dependencies of {service}, and how it repeats calls."),
    super::declare::single!(rule_action refused(service) "Check whether the dependencies of {service} run and can be reached."),
    super::declare::single!(rule_action retries(entity) "Check whether the callers of {entity} repeat failed requests without waiting."),
    super::declare::single!(rule_action memory_metric(service) "Check what {service} keeps in memory, its limit, and the releases before it grew."),
    super::declare::single!(rule_action saturation(service) "Check what uses the processor of {service}: traffic, a loop, garbage collection, a neighbour."),
    super::declare::single!(rule_action queue(service) "Check how many consumers {service} has, how long one takes, and what sends more."),
    super::declare::single!(rule_action pool_metric(service) "Check what {service} opens and does not give back, and the limit."),
    super::declare::single!(rule_action disk_metric(service) "Check the space and the load of the disk of {service}."),
];
