//! `[upstream]`: how a provider is reached.

use std::path::Path;
use std::time::Duration;

use paceline_config::{HttpVersion, Upstream};

use crate::loading::{load, notices, problems, settings};

/// The provider that these keys give.
fn upstream(keys: &str, variables: &[(&str, &str)]) -> Upstream {
    settings(&format!("[upstream]\n{keys}\n"), variables).upstream
}

fn proxy(keys: &str, variables: &[(&str, &str)]) -> Option<String> {
    let proxy = upstream(keys, variables).proxy?;
    Some(proxy.address.to_string())
}

#[test]
fn every_key_is_taken_as_written() {
    let upstream = upstream(
        "http_version = \"auto\"\nprivate_addresses = true\nresolve_timeout = \"1s\"\n\
         connect_timeout = \"2s\"\ntls_timeout = \"4s\"\nwrite_timeout = \"5s\"\n\
         total_timeout = \"6m\"\nconnections_max = 7\nconnection_lifetime = \"8m\"\n\
         ca_extra_file = \"/e.pem\"\nclient_certificate_file = \"/c.pem\"\n\
         client_key_file = \"/k.pem\"",
        &[],
    );
    assert_eq!(upstream.http_version, HttpVersion::Auto);
    assert!(upstream.private_addresses);
    assert_eq!(upstream.resolve_timeout, Duration::from_secs(1));
    assert_eq!(upstream.connect_timeout, Duration::from_secs(2));
    assert_eq!(upstream.tls_timeout, Duration::from_secs(4));
    assert_eq!(upstream.write_timeout, Duration::from_secs(5));
    assert_eq!(upstream.total_timeout, Some(Duration::from_secs(360)));
    assert_eq!(upstream.connections_max.unwrap().get(), 7);
    assert_eq!(upstream.connection_lifetime, Duration::from_secs(480));
    assert_eq!(upstream.ca_extra_file.as_deref(), Some(Path::new("/e.pem")));
    let own = upstream.client_certificate.unwrap();
    assert_eq!(own.certificate_file, Path::new("/c.pem"));
    assert_eq!(own.key_file, Path::new("/k.pem"));
}

#[test]
fn a_certificate_may_hold_its_key_and_a_key_alone_does_nothing() {
    let own = upstream("client_certificate_file = \"/both.pem\"", &[]);
    assert_eq!(
        own.client_certificate.unwrap().key_file,
        Path::new("/both.pem")
    );
    assert_eq!(
        notices("[upstream]\nclient_key_file = \"/k.pem\"\n", &[]),
        [
            "p.toml:2: upstream.client_key_file: has no effect without upstream.client_certificate_file"
        ]
    );
}

#[test]
fn there_is_no_proxy_unless_one_is_asked_for() {
    let variables = [
        ("HTTPS_PROXY", "http://theirs.test:1"),
        ("http_proxy", "plain.test:2"),
        ("NO_PROXY", "direct.test, 10.0.0.0/8"),
    ];
    assert_eq!(proxy("", &variables), None);
    let asked = "proxy = \"environment\"";
    assert_eq!(
        proxy(asked, &variables).unwrap(),
        "http://theirs.test:1/",
        "https goes by HTTPS_PROXY"
    );
    let plain = format!("{asked}\nbase_url = \"http://api.test/v1\"");
    assert_eq!(proxy(&plain, &variables).unwrap(), "http://plain.test:2/");
    let direct = format!("{asked}\nbase_url = \"https://api.direct.test/v1\"");
    assert_eq!(proxy(&direct, &variables), None);
    assert_eq!(
        proxy(asked, &[]),
        None,
        "and without a variable there is none"
    );
}

#[test]
fn a_proxy_that_is_written_down_is_used_except_for_whom_it_is_not() {
    let named = "proxy = \"http://ours.test:3128\"";
    let theirs = [("HTTPS_PROXY", "http://theirs.test:1"), ("NO_PROXY", "*")];
    assert_eq!(proxy(named, &theirs).unwrap(), "http://ours.test:3128/");
    let direct = format!("{named}\nno_proxy = [\"openai.com\"]");
    assert_eq!(proxy(&direct, &[]), None);
    let said = notices("[upstream]\nno_proxy = [\"openai.com\"]\n", &[]);
    assert_eq!(
        said,
        ["p.toml:2: upstream.no_proxy: has no effect without upstream.proxy"]
    );
    let wrong = problems(
        "[upstream]\nproxy = \"http://a.test\"\nno_proxy = [\"a b\"]\n",
        &[],
    );
    assert!(
        wrong.starts_with("p.toml:3: upstream.no_proxy: must be hosts, addresses or ranges"),
        "{wrong}"
    );
}

#[test]
fn the_password_of_a_proxy_is_shown_nowhere() {
    let written = "[upstream]\nproxy = \"http://me:canary@proxy.test:3128\"\n";
    let loaded = load(written, &[]).unwrap();
    let shown = format!("{loaded:?} {:#?}", loaded.settings);
    assert!(!shown.contains("canary"), "{shown}");
    let said = notices(written, &[]);
    assert!(said[0].contains("with its password"), "{said:?}");
    let proxy = loaded.settings.upstream.proxy.unwrap();
    assert_eq!(proxy.credentials.unwrap().expose(), "me:canary");

    let elsewhere = "[upstream]\nproxy = { env = \"P\" }\n";
    let address = [("P", "http://me:canary@proxy.test:3128")];
    assert_eq!(notices(elsewhere, &address), Vec::<String>::new());
    for (text, variables) in [
        (
            "[upstream]\nproxy = \"socks5://me:canary@p.test\"\n",
            vec![],
        ),
        (
            "[upstream]\nproxy = \"http://me:canary@p.test/x\"\n",
            vec![],
        ),
        (
            "[upstream]\nproxy = \"environment\"\n",
            vec![("HTTPS_PROXY", "ftp://me:canary@p.test")],
        ),
        ("", vec![("PACELINE_UPSTREAM_PROXY", "me:canary@p.test")]),
    ] {
        let shown = problems(text, &variables);
        assert!(
            shown.contains("upstream.proxy") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
