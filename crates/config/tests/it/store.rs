//! `[store]`: what it means, what is wrong with it, and that its passwords stay secret.

use std::path::{Path, PathBuf};
use std::time::Duration;

use paceline_config::{
    Loaded, Origin, Overrides, Secret, Settings, SourceFile, Sources, Store, WhenStoreIsAway,
};

use crate::loading::{environment, load, notices, problems, settings};

const URL: &str = "redis://10.0.0.5:6379";

/// The store that the keys give beside an address.
fn store(keys: &str) -> Store {
    let text = format!("[store]\nurl = \"{URL}\"\n{keys}\n");
    settings(&text, &[]).store.unwrap()
}

/// What is wrong with these keys beside an address, without their place.
fn wrong(keys: &str) -> String {
    let found = problems(&format!("[store]\nurl = \"{URL}\"\n{keys}\n"), &[]);
    found.trim_start_matches("p.toml:3: store.").to_owned()
}

fn load_with(text: &str, variables: &[(&str, &str)], redis: Option<&str>) -> Loaded {
    Settings::load(Sources {
        file: Some(SourceFile {
            name: "p.toml".into(),
            content: text.into(),
        }),
        env: &environment(variables),
        overrides: Overrides {
            redis: redis.map(Secret::new),
            ..Overrides::default()
        },
    })
    .unwrap()
}

#[test]
fn without_an_address_there_is_no_store() {
    assert!(settings("", &[]).store.is_none());
    let said = notices(
        "[store]\nprefix = \"a:\"\ntime_box = \"1s\"\nlease = \"1m\"\nca_file = \"a.pem\"\n\
         first_share = 0.5\n[limits]\nwhen_store_is_away = \"open\"\n\
         [[domains]]\nname = \"d\"\nmodels = [\"x\"]\nwhen_store_is_away = \"closed\"\n",
        &[],
    );
    let keys = [
        "2: store.prefix",
        "3: store.time_box",
        "4: store.lease",
        "5: store.ca_file",
        "6: store.first_share",
        "8: limits.when_store_is_away",
        "12: domains[0].when_store_is_away",
    ];
    let expected = keys.map(|key| format!("p.toml:{key}: has no effect without store.url"));
    assert_eq!(said, expected);
}

#[test]
fn an_address_is_all_that_a_store_needs() {
    let store = store("");
    assert_eq!((store.url.expose(), store.address().as_str()), (URL, URL));
    assert_eq!(store.prefix, "ratelimit:");
    assert_eq!(store.time_box, Duration::from_millis(50));
    assert_eq!(store.lease, Duration::from_secs(3));
    assert_eq!((store.ca_file, store.first_share_ppm), (None, 250_000));
    let text = format!("[store]\nurl = \"{URL}\"\n");
    assert_eq!(notices(&text, &[]), [""; 0]);
}

#[test]
fn every_key_of_the_store_is_taken_as_written() {
    let store = store(
        "prefix = \"app:\"\ntime_box = \"1ms\"\nlease = \"10m\"\nca_file = \"a.pem\"\n\
         first_share = 1",
    );
    assert_eq!(store.prefix, "app:");
    assert_eq!(store.time_box, Duration::from_millis(1));
    assert_eq!(store.lease, Duration::from_secs(600));
    assert_eq!(store.ca_file.as_deref(), Some(Path::new("a.pem")));
    assert_eq!(store.first_share_ppm, 1_000_000);
}

#[test]
fn a_first_share_is_rounded_to_millionths() {
    for (written, ppm) in [
        ("0.000001", 1),
        ("0.0000014", 1),
        ("0.333333333", 333_333),
        ("0.1", 100_000),
        ("1.0", 1_000_000),
    ] {
        let keys = format!("first_share = {written}");
        assert_eq!(store(&keys).first_share_ppm, ppm, "{written}");
    }
}

#[test]
fn values_out_of_their_bounds_are_refused() {
    for (keys, expected) in [
        (
            "time_box = \"999us\"",
            "time_box: must be at least 1ms (got \"999us\")",
        ),
        (
            "time_box = \"11s\"",
            "time_box: must be at most 10s (got \"11s\")",
        ),
        (
            "lease = \"1999ms\"",
            "lease: must be at least 2s (got \"1999ms\")",
        ),
        (
            "lease = \"11m\"",
            "lease: must be at most 10m (got \"11m\")",
        ),
        (
            "first_share = 0",
            "first_share: must be at least 0.000001 (got 0)",
        ),
        (
            "first_share = -0.5",
            "first_share: must be at least 0.000001 (got -0.5)",
        ),
        (
            "first_share = 1.01",
            "first_share: must be at most 1 (got 1.01)",
        ),
        ("ca_file = \"\"", "ca_file: must not be empty"),
        (
            "prefix = \"\"",
            "prefix: must be 1 to 256 bytes (got \"\"); as in \"ratelimit:\"",
        ),
        (
            "prefix = \"a{b\"",
            "prefix: must not have a brace (got \"a{b\"); take it out: the name of the pool stands between braces, behind the prefix",
        ),
    ] {
        assert_eq!(wrong(keys), expected);
    }
    let long = wrong(&format!("prefix = \"{}\"", "x".repeat(257)));
    assert!(long.starts_with("prefix: must be 1 to 256 bytes"), "{long}");
    assert!(long.len() < 200, "{long}");
    assert_eq!(
        store(&format!("prefix = \"{}\"", "x".repeat(256)))
            .prefix
            .len(),
        256
    );
}

#[test]
fn a_key_that_is_unknown_comes_with_the_nearest_name() {
    assert_eq!(
        wrong("timebox = \"1s\""),
        "timebox: unknown key; did you mean \"time_box\"?"
    );
    assert_eq!(
        wrong("prefixx = \"a\""),
        "prefixx: unknown key; did you mean \"prefix\"?"
    );
    assert_eq!(
        problems("[stores]\nurl = \"x\"\n", &[]),
        "p.toml:1: stores: unknown key; did you mean \"store\"?"
    );
    assert_eq!(
        problems("[limits]\nwhen_store_is_away = \"opne\"\n", &[]),
        "p.toml:2: limits.when_store_is_away: must be \"share\", \"open\" or \"closed\" \
         (got \"opne\"); did you mean \"open\"?"
    );
    assert_eq!(
        problems("", &[("PACELINE_STORE_URI", URL)]),
        "PACELINE_STORE_URI: is not the name of a setting; did you mean PACELINE_STORE_URL?"
    );
}

#[test]
fn an_address_has_one_of_the_schemes_and_a_host() {
    for scheme in [
        "redis",
        "rediss",
        "valkey",
        "valkeys",
        "redis+sentinel",
        "rediss+sentinel",
        "redis+cluster",
        "rediss+cluster",
    ] {
        let url = format!("{scheme}://a:1,b");
        let settings = settings("", &[("PACELINE_STORE_URL", &url)]);
        assert_eq!(settings.store.unwrap().address(), url);
    }
    let schemes = "must begin with redis://, rediss://, valkey://, valkeys://, redis+sentinel://, \
                   rediss+sentinel://, redis+cluster:// or rediss+cluster://";
    let example = "as in \"redis://127.0.0.1:6379\"";
    for (url, expected) in [
        ("http://h", format!("{schemes}; {example}")),
        ("h:6379", format!("{schemes}; {example}")),
        ("redis:h", format!("{schemes}; {example}")),
        ("redis://", format!("names no host; {example}")),
        ("redis:///0", format!("names no host; {example}")),
        (
            "redis://:pass/word@h",
            "has an @ behind its hosts; percent-encode user and passwords: %2F for /, %3F for ?, \
             %40 for @"
                .to_owned(),
        ),
    ] {
        let found = problems("", &[("PACELINE_STORE_URL", url)]);
        assert_eq!(found, format!("PACELINE_STORE_URL: store.url: {expected}"));
    }
}

#[test]
fn no_password_of_the_store_is_shown() {
    const CANARY: &str = "canary0123";
    let url = format!("redis+sentinel://app:{CANARY}@h:1/2?master=m&sentinel_password={CANARY}");
    for loaded in [
        load_with(&format!("[store]\nurl = \"{url}\"\n"), &[], None),
        load_with("[store]\nurl = { env = \"R\" }\n", &[("R", &url)], None),
        load_with("", &[("PACELINE_STORE_URL", &url)], None),
        load_with("", &[], Some(&url)),
    ] {
        let store = loaded.settings.store.as_ref().unwrap();
        assert_eq!(store.url.expose(), url);
        assert_eq!(
            store.address(),
            "redis+sentinel://app:***@h:1/2?master=m&sentinel_password=***"
        );
        let shown = format!("{loaded:?} {:?}", loaded.notices);
        assert!(
            shown.contains("[redacted]") && !shown.contains(CANARY),
            "{shown}"
        );
    }
    let overrides = Overrides {
        redis: Some(Secret::new(&*url)),
        ..Overrides::default()
    };
    assert!(!format!("{overrides:?}").contains(CANARY));
    for url in [
        format!("http://app:{CANARY}@h"),
        format!("{CANARY}://h"),
        format!("redis://app:{CANARY}@"),
        format!("redis://app:x/{CANARY}@h"),
        format!("redis://app:{CANARY} @h"),
        CANARY.to_owned(),
    ] {
        let found = load(&format!("[store]\nurl = \"{url}\"\n"), &[]).unwrap_err();
        let shown = format!("{found} {found:?}");
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

#[test]
fn a_password_that_others_can_read_is_pointed_out() {
    let secret = "redis://app:canary@h";
    let text = format!("[store]\nurl = \"{secret}\"\n");
    let expected = "p.toml:2: store.url: holds a password and is written in the file itself; \
                    { env = \"NAME\" } or { file = \"PATH\" } keeps it out";
    assert_eq!(notices(&text, &[]), [expected]);
    let told = |loaded: Loaded| {
        loaded
            .notices
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let expected = "--redis: store.url: holds a password, and other users of this machine can see \
                    the command line; PACELINE_STORE_URL keeps it out";
    assert_eq!(told(load_with("", &[], Some(secret))), [expected]);
    assert_eq!(told(load_with("", &[], Some(URL))), [""; 0]);
    assert_eq!(notices("", &[("PACELINE_STORE_URL", secret)]), [""; 0]);
    let text = "[store]\nurl = { env = \"R\" }\n";
    assert_eq!(notices(text, &[("R", secret)]), [""; 0]);
}

#[test]
fn certificates_without_tls_are_said_to_have_no_effect() {
    let text = |scheme: &str| format!("[store]\nurl = \"{scheme}://h\"\nca_file = \"a.pem\"\n");
    let expected = "p.toml:3: store.ca_file: has no effect without TLS, as in rediss://";
    assert_eq!(notices(&text("redis"), &[]), [expected]);
    assert_eq!(notices(&text("rediss+cluster"), &[]), [""; 0]);
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_file() {
    let text = "[store]\nurl = { env = \"R\" }\nprefix = \"file:\"\n";
    let variables = [
        ("R", "redis://file"),
        ("PACELINE_STORE_URL", "redis://variable"),
        ("PACELINE_STORE_PREFIX", "variable:"),
    ];
    let address = |loaded: &Loaded| loaded.settings.store.as_ref().unwrap().address();
    assert_eq!(
        address(&load_with(text, &variables[..1], None)),
        "redis://file"
    );
    let environment = load_with(text, &variables, None);
    assert_eq!(address(&environment), "redis://variable");
    let options = load_with(text, &variables, Some("redis://option"));
    assert_eq!(address(&options), "redis://option");
    assert_eq!(options.settings.store.unwrap().prefix, "variable:");
    assert_eq!(options.provenance["store.url"], Origin::Option("--redis"));
    let file_alone = load_with("", &[("REDIS_URL", URL)], None);
    assert!(
        file_alone.settings.store.is_none(),
        "REDIS_URL is another program's"
    );
}

#[test]
fn files_of_the_store_are_relative_to_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("url"), "rediss://:secret@h\n").unwrap();
    let path = folder.path().join("p.toml");
    let text = "[store]\nurl = { file = \"url\" }\nca_file = \"ca.pem\"\n";
    std::fs::write(&path, text).unwrap();
    let loaded = Settings::read(Some(&path), &environment(&[]), Overrides::default()).unwrap();
    assert_eq!(loaded.notices, []);
    let store = loaded.settings.store.unwrap();
    assert_eq!(store.url.expose(), "rediss://:secret@h");
    assert_eq!(store.ca_file, Some(folder.path().join("ca.pem")));
    let variables = environment(&[("PACELINE_STORE_CA_FILE", "ca.pem")]);
    let loaded = Settings::read(Some(&path), &variables, Overrides::default()).unwrap();
    let store = loaded.settings.store.unwrap();
    assert_eq!(store.ca_file, Some(PathBuf::from("ca.pem")));
}

#[test]
fn each_pool_says_what_it_may_use_while_the_store_is_away() {
    let text = format!(
        "[store]\nurl = \"{URL}\"\n[limits]\nwhen_store_is_away = \"open\"\n\
         [[domains]]\nname = \"a\"\nmodels = [\"a\"]\n\
         [[domains]]\nname = \"b\"\nmodels = [\"b\"]\nwhen_store_is_away = \"closed\"\n"
    );
    let away = |settings: &Settings, model: &str| settings.domain_for(model).when_store_is_away;
    let file = settings(&text, &[]);
    assert_eq!(away(&file, "other"), WhenStoreIsAway::Open);
    // Domains take nothing over from [limits].
    assert_eq!(away(&file, "a"), WhenStoreIsAway::Share);
    assert_eq!(away(&file, "b"), WhenStoreIsAway::Closed);
    assert_eq!(notices(&text, &[]), [""; 0]);
    let variable = settings(&text, &[("PACELINE_LIMITS_WHEN_STORE_IS_AWAY", "closed")]);
    assert_eq!(away(&variable, "other"), WhenStoreIsAway::Closed);
    assert_eq!(away(&settings("", &[]), "other"), WhenStoreIsAway::Share);
}
