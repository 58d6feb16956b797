//! Raw paths to routes.

use std::borrow::Cow;

use mad_core::{PipelineConfig, RouteTemplates};
use proptest::prelude::*;

fn routes(patterns: &[&str]) -> RouteTemplates {
    let patterns = patterns.iter().map(|&pattern| pattern.to_owned()).collect();
    let routes = RouteTemplates { patterns, ..RouteTemplates::default() };
    assert_eq!(routes.validate(), Ok(()));
    routes
}

fn problem(config: &PipelineConfig) -> String {
    config.validate().map_or_else(|error| error.to_string(), |()| String::new())
}

#[test]
fn segments_that_name_one_object_become_ids() {
    for id in [
        "3",
        "0",
        "2024",
        "-17",
        "12345.678",
        "51.5,-0.12",
        "10.0.0.7",
        "2026-01-06",
        "2026-01-06T10:45:00Z",
        "20260106",
        "550e8400-e29b-41d4-a716-446655440000",
        "550E8400E29B41D4A716446655440000",
        "5f2b9c1d",
        "0x7ffe1234",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "ann@example.org",
        "ann.lee%40example.co.uk",
        "V1StGXR8_Z5jdHi6B-myT",
        "cus_9s6XKzkNRwwlkj",
        "abc123def456ghi789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
        "sess-4f9a8b7c6d5e4f3a2b1c",
    ] {
        let path = format!("/item/{id}/show");
        assert_eq!(routes(&[]).template(&path), "/item/{id}/show", "{id}");
    }
}

#[test]
fn words_are_not_replaced() {
    for path in [
        "/",
        "/v1/items",
        "/api/v2beta3/cart",
        "/api/1.0/users",
        "/item/{id}",
        "/item/:id",
        "/deadbeef/facade",
        "/oauth2/token",
        "/.well-known/openid-configuration",
        "/s3-presigned-upload-v2",
        "/checkout-v2-step-3-of-5",
        "/convertToBase64String",
        "/getUserByOAuth2Token",
        "/sha256ChecksumOfFile",
        "/shop.Cart/AddItem",
        "/main.css",
        "/@ann/followers",
        "/items//all/",
        "checkout",
        "SELECT 42 FROM orders WHERE id = 3?",
        "shop.Cart/Get/42",
        "",
        "GET ",
        "GET",
        "http://",
        "https://host",
    ] {
        let routes = routes(&[]);
        let route = routes.template(path);
        assert_eq!(route, path);
        assert!(matches!(route, Cow::Borrowed(_)), "{path}");
    }
}

#[test]
fn methods_hosts_queries_and_fragments() {
    let routes = routes(&[]);
    for (endpoint, route) in [
        ("GET /item/3", "GET /item/{id}"),
        ("GET /item/3?size=4&at=5#top", "GET /item/{id}"),
        ("/search?q=a/3", "/search"),
        ("/docs#part/3", "/docs"),
        ("https://shop.example:8443/item/3?x=1", "https://shop.example:8443/item/{id}"),
        ("https://10.0.0.7/item", "https://10.0.0.7/item"),
        ("POST http://shop/item/3", "POST http://shop/item/{id}"),
        ("http://shop?x=1", "http://shop"),
        ("//3/4", "//{id}/{id}"),
        ("/a b/3", "/a b/{id}"),
    ] {
        assert_eq!(routes.template(endpoint), route, "{endpoint}");
    }
    let cut = routes.template("/search?q=1");
    assert!(matches!(cut, Cow::Borrowed("/search")));
}

#[test]
fn patterns_win_over_rules_and_give_their_text() {
    let routes = routes(&["/v/latest", "/item/{sku}", "/files/{one}", "/files/{path*}", "/t/{x*}"]);
    for (endpoint, route) in [
        ("/item/red-shoe?x", "/item/{sku}"),
        ("GET /item/3", "GET /item/{sku}"),
        ("https://shop/item/3", "https://shop/item/{sku}"),
        ("/item/3/", "/item/{id}/"),
        ("/item/", "/item/"),
        ("/files/a", "/files/{one}"),
        ("/files/a/b/3", "/files/{path*}"),
        ("/t", "/t"),
        ("/t/", "/t/"),
        ("/v/latest", "/v/latest"),
    ] {
        assert_eq!(routes.template(endpoint), route, "{endpoint}");
        assert_eq!(routes.template(route), route, "{route} again");
    }
}

#[test]
fn disabled_routes_change_no_path() {
    let routes = RouteTemplates { enabled: false, ..routes(&["/item/{sku}"]) };
    assert_eq!(routes.template("/item/3?x=1"), "/item/3?x=1");
}

#[test]
fn invalid_patterns_are_refused() {
    for pattern in [
        "",
        "item/{id}",
        "/a b",
        "/a?x",
        "/{}",
        "/{*}",
        "/{a*}/b",
        "/x{a}",
        "/{a",
        "/a}",
        "/a*",
        "/{a{b}}",
        "/a#b",
        "GET /a",
    ] {
        let mut config = PipelineConfig::default();
        config.routes.patterns = vec!["/fine/{x}".into(), pattern.into()];
        let error = problem(&config);
        let start = format!("config field `routes.patterns[1]` is {pattern:?}; expected a path");
        assert!(error.starts_with(&start), "{error}");
    }
    let mut config = PipelineConfig::default();
    config.routes.patterns = vec!["/a".into(); 1001];
    assert!(problem(&config).contains("at most 1000 patterns"));
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,9}",
        "[0-9]{1,9}",
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "[A-Za-z0-9_.@%-]{0,24}",
        Just("{id}".to_owned()),
        Just("{x}".to_owned()),
        Just("{x*}".to_owned()),
        "\\PC{0,6}",
    ]
}

fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof!["[a-c]", "\\{[xy]\\}", "[0-9]"];
    (prop::collection::vec(part, 0..4), any::<bool>()).prop_map(|(mut parts, rest)| {
        if rest {
            parts.push("{rest*}".into());
        }
        format!("/{}", parts.join("/"))
    })
}

fn endpoint() -> impl Strategy<Value = String> {
    let part = prop_oneof![segment(), "[a-c]", "[0-9]"];
    let before = prop_oneof![Just(""), Just("GET "), Just("http://a"), Just("PUT https://b.c:1")];
    let after = prop_oneof![Just(""), Just("?q=1/2"), Just("#x"), Just("/")];
    (before, prop::collection::vec(part, 0..5), after)
        .prop_map(|(before, parts, after)| format!("{before}/{}{after}", parts.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn templating_a_route_changes_nothing(
        patterns in prop::collection::vec(pattern(), 0..4),
        endpoint in endpoint(),
    ) {
        let routes = RouteTemplates { patterns, ..RouteTemplates::default() };
        prop_assert!(routes.validate().is_ok(), "{:?}", routes.patterns);
        let route = routes.template(&endpoint);
        let again = routes.template(&route);
        prop_assert_eq!(&again, &route);
        prop_assert!(matches!(again, Cow::Borrowed(_)));
        prop_assert_eq!(matches!(route, Cow::Owned(_)) && *route == endpoint, false);
    }

    #[test]
    fn any_text_gives_a_route(endpoint in "\\PC{0,60}", pattern in "\\PC{0,20}") {
        let routes = RouteTemplates { patterns: vec![pattern], ..RouteTemplates::default() };
        let _ = routes.validate();
        let _ = routes.template(&endpoint);
    }

    #[test]
    fn numbers_and_uuids_never_survive(number in any::<u64>(), uuid in "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9]{12}") {
        let (number, uuid) = (format!("/a/{number}/b"), format!("/a/{uuid}/b"));
        let routes = RouteTemplates::default();
        prop_assert_eq!(routes.template(&number), "/a/{id}/b");
        prop_assert_eq!(routes.template(&uuid), "/a/{id}/b");
    }
}
