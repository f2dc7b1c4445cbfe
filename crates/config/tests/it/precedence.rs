//! Defaults, presets, and which source wins.

use std::time::Duration;

use paceline_config::{
    ChargeRule, EstimatorKind, KeyUse, LogFormat, Origin, Overrides, Settings, SettleRule,
    SourceFile, Sources, Tier,
};

use crate::loading::{environment, load, settings};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn nothing_at_all_gives_the_documented_defaults() {
    let env = environment(&[]);
    let sources = Sources {
        file: None,
        env: &env,
        overrides: Overrides::default(),
    };
    let loaded = Settings::load(sources).unwrap();
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    let Settings {
        server,
        admin,
        upstream,
        retry,
        queue,
        ..
    } = &loaded.settings;
    assert_eq!(server.listen.to_string(), "127.0.0.1:4100");
    assert_eq!((server.threads, server.connections_max), (None, 20_000));
    assert_eq!(server.body_max_bytes, 64 * 1024 * 1024);
    assert_eq!(
        [server.header_timeout, server.body_timeout],
        [10 * SECOND, 60 * SECOND]
    );
    assert_eq!(
        [
            server.write_timeout,
            server.idle_timeout,
            server.shutdown_grace
        ],
        [60 * SECOND, 75 * SECOND, 30 * SECOND]
    );
    assert!(admin.enabled && admin.listen.is_none() && admin.token.is_none());
    assert_eq!(
        admin.state_dir.to_str(),
        Some("/home/ada/.local/state/paceline")
    );
    assert_eq!(upstream.base_url.as_str(), "https://api.openai.com/v1");
    assert!(upstream.api_key.is_none() && upstream.ca_file.is_none());
    assert_eq!(
        [upstream.connect_timeout, upstream.idle_timeout],
        [3 * SECOND, 300 * SECOND]
    );
    assert_eq!(upstream.first_byte_timeout, 600 * SECOND);
    assert!(upstream.check && upstream.include_usage);
    assert_eq!(retry.retries_max, 5);
    assert_eq!(
        [retry.base_delay, retry.delay_max, retry.jitter],
        [SECOND, 30 * SECOND, SECOND]
    );
    assert_eq!(
        [retry.stabilisation, retry.growth_period],
        [900 * SECOND, 900 * SECOND]
    );
    assert_eq!((retry.stabilisation_share, retry.growth_percent), (0.8, 40));
    assert_eq!(
        (queue.waiting_max, queue.waiting_per_tenant_max),
        (100_000, 20_000)
    );
    assert_eq!(
        [queue.max_wait, queue.announce_interval],
        [600 * SECOND, SECOND]
    );
    let tiers = Tier::ALL.map(|tier| queue.tiers.of(tier));
    assert_eq!(tiers.map(|rule| rule.guaranteed_share), [0.5, 0.25, 0.05]);
    assert_eq!(
        tiers.map(|rule| rule.aging),
        [10 * SECOND, 60 * SECOND, 600 * SECOND]
    );
}

#[test]
fn without_a_file_every_limit_is_learned_with_care() {
    let settings = settings("", &[]);
    let domain = &settings.default_domain;
    assert!(domain.learn && domain.limits.is_empty() && settings.domains.is_empty());
    assert_eq!(
        (domain.name.as_str(), domain.probe_concurrency),
        ("default", 2)
    );
    assert_eq!(
        (domain.concurrency_max, domain.spacing),
        (None, Duration::ZERO)
    );
    assert_eq!(
        (domain.charge, domain.settle),
        (ChargeRule::Learned, SettleRule::Learned)
    );
    assert_eq!((domain.penalty_tokens, domain.guard), (1_000, SECOND / 5));
    assert_eq!(settings.estimator, EstimatorKind::Calibrated);
    assert_eq!(
        (
            settings.default_output_tokens,
            settings.grounded_margin_percent
        ),
        (1_000, 15)
    );
    assert_eq!(
        (settings.log.format, settings.log.level.as_str()),
        (LogFormat::Text, "info")
    );
}

#[test]
fn presets_lie_below_the_file_and_above_the_defaults() {
    let development = settings("preset = \"development\"\n[retry]\nretries_max = 9\n", &[]);
    assert_eq!(
        (development.log.format, development.log.level.as_str()),
        (LogFormat::Text, "debug")
    );
    assert_eq!(
        [
            development.queue.max_wait,
            development.upstream.idle_timeout
        ],
        [60 * SECOND; 2]
    );
    assert_eq!(
        (development.retry.retries_max, development.retry.jitter),
        (9, SECOND)
    );
    let production = settings(
        "[log]\nlevel = \"warn\"\n",
        &[("PACELINE_PRESET", "production")],
    );
    assert_eq!(
        (production.log.format, production.log.level.as_str()),
        (LogFormat::Json, "warn")
    );
    assert_eq!(production.server.shutdown_grace, 60 * SECOND);
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_file_over_the_preset() {
    let text = "preset = \"development\"\n[server]\nlisten = \"127.0.0.1:1\"\n\
                [log]\nlevel = \"warn\"\n[queue]\nmax_wait = \"5m\"\n";
    let env = environment(&[
        ("PACELINE_SERVER_LISTEN", "127.0.0.1:2"),
        ("PACELINE_LOG_LEVEL", "error"),
        ("PACELINE_PRESET", "production"),
    ]);
    let name = std::path::PathBuf::from("p.toml");
    let file = Some(SourceFile {
        name: name.clone(),
        content: text.into(),
    });
    let overrides = Overrides {
        listen: Some("127.0.0.1:3".to_owned()),
        upstream: Some("http://localhost:9/v1/".to_owned()),
        preset: Some("development".to_owned()),
        state_dir: Some("/var/lib/p".to_owned()),
        ..Overrides::default()
    };
    let loaded = Settings::load(Sources {
        file,
        env: &env,
        overrides,
    })
    .unwrap();
    assert_eq!(loaded.settings.server.listen.port(), 3);
    assert_eq!(
        loaded.settings.upstream.base_url.as_str(),
        "http://localhost:9/v1"
    );
    assert_eq!(loaded.settings.log.level, "error");
    assert_eq!(loaded.settings.queue.max_wait, 300 * SECOND);
    assert_eq!(loaded.settings.upstream.idle_timeout, 60 * SECOND);
    assert_eq!(loaded.settings.admin.state_dir.to_str(), Some("/var/lib/p"));
    for (path, origin) in [
        ("server.listen", Origin::Option("--listen")),
        (
            "log.level",
            Origin::Variable("PACELINE_LOG_LEVEL".to_owned()),
        ),
        ("queue.max_wait", Origin::File { name, line: 7 }),
        ("upstream.idle_timeout", Origin::Preset("development")),
        ("retry.jitter", Origin::Default),
    ] {
        assert_eq!(loaded.provenance.get(path), Some(&origin), "{path}");
    }
}

#[test]
fn one_key_of_a_tier_leaves_its_others_as_they_are() {
    let tiers = settings("[queue.tiers.batch]\naging = \"1h\"\n", &[])
        .queue
        .tiers;
    assert_eq!(
        (tiers.batch.guaranteed_share, tiers.batch.aging),
        (0.05, 3_600 * SECOND)
    );
    assert_eq!(tiers.interactive.guaranteed_share, 0.5);
}

#[test]
fn tenants_that_are_not_listed_have_weight_one_and_the_default_tier() {
    let text = "[queue]\ndefault_tier = \"interactive\"\n\
                [tenants.nightly]\nweight = 3\ntier = \"batch\"\n[tenants.\"a.b\"]\n";
    let settings = settings(text, &[]);
    assert_eq!(settings.tenant("nightly").weight, 3);
    assert_eq!(
        (settings.tenant("a.b").weight, settings.tenant("who").weight),
        (1, 1)
    );
    assert_eq!(settings.tier_of("nightly"), Tier::Batch);
    assert_eq!(settings.tier_of("a.b"), Tier::Interactive);
    assert_eq!(settings.tier_of("who"), Tier::Interactive);
}

#[test]
fn the_state_folder_follows_the_base_directory_standard() {
    for (variables, folder) in [
        (
            &[("PACELINE_STATE_DIR", "/s"), ("XDG_STATE_HOME", "/x")][..],
            "/s",
        ),
        (&[("XDG_STATE_HOME", "/x")], "/x/paceline"),
        (
            &[("XDG_STATE_HOME", "relative")],
            "/home/ada/.local/state/paceline",
        ),
        (&[("XDG_STATE_HOME", "")], "/home/ada/.local/state/paceline"),
    ] {
        let settings = settings("", variables);
        assert_eq!(
            settings.admin.state_dir.to_str(),
            Some(folder),
            "{variables:?}"
        );
    }
    let written = settings("[admin]\nstate_dir = \"state\"\n", &[]);
    assert_eq!(written.admin.state_dir.to_str(), Some("state"));
}

#[test]
fn paths_in_the_file_are_relative_to_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    std::fs::write(
        &path,
        "[upstream]\nca_file = \"ca.pem\"\n[admin]\nstate_dir = \"/s\"\n",
    )
    .unwrap();
    let env = environment(&[]);
    let loaded = Settings::read(Some(&path), &env, Overrides::default()).unwrap();
    assert_eq!(
        loaded.settings.upstream.ca_file,
        Some(folder.path().join("ca.pem"))
    );
    assert_eq!(loaded.settings.admin.state_dir.to_str(), Some("/s"));
    let from_variable = environment(&[("PACELINE_UPSTREAM_CA_FILE", "other.pem")]);
    let loaded = Settings::read(Some(&path), &from_variable, Overrides::default()).unwrap();
    assert_eq!(loaded.settings.upstream.ca_file, Some("other.pem".into()));
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_beside_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let env = environment(&[("PACELINE_LOG_LEVEL", "loud")]);
    let problems = Settings::read(Some(&path), &env, Overrides::default()).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems}");
    let text = problems.to_string();
    assert!(
        text.starts_with(&format!("{}: cannot be read (", path.display())),
        "{text}"
    );
}

#[test]
fn a_key_of_the_file_replaces_and_a_key_of_the_environment_is_lent() {
    let openai = ("OPENAI_API_KEY", "sk-ambient");
    for (text, variables, key, key_use) in [
        ("", &[openai][..], "sk-ambient", KeyUse::WhenMissing),
        (
            "api_key = { env = \"K\" }",
            &[("K", "sk-k")],
            "sk-k",
            KeyUse::Replace,
        ),
        (
            "api_key = { env = \"OPENAI_API_KEY\" }",
            &[openai],
            "sk-ambient",
            KeyUse::Replace,
        ),
        (
            "api_key = \"sk-file\"",
            &[openai],
            "sk-ambient",
            KeyUse::Replace,
        ),
        (
            "api_key_use = \"replace\"",
            &[openai],
            "sk-ambient",
            KeyUse::Replace,
        ),
        (
            "",
            &[("PACELINE_UPSTREAM_API_KEY", "sk-own")],
            "sk-own",
            KeyUse::Replace,
        ),
        (
            "",
            &[("PACELINE_UPSTREAM_API_KEY", "sk-ambient"), openai],
            "sk-ambient",
            KeyUse::Replace,
        ),
    ] {
        let upstream = settings(&format!("[upstream]\n{text}\n"), variables).upstream;
        assert_eq!(
            upstream.api_key.unwrap().expose(),
            key,
            "{text} {variables:?}"
        );
        assert_eq!(upstream.api_key_use, key_use, "{text} {variables:?}");
    }
}

#[test]
fn the_first_domain_that_names_a_model_has_it() {
    let text = "[[domains]]\nname = \"mini\"\nmodels = [\"gpt-4o-mini*\"]\n\
                [[domains]]\nname = \"four\"\nmodels = [\"gpt-4*\", \"o?\"]\n";
    let settings = load(text, &[]).unwrap().settings;
    for (model, domain) in [
        ("gpt-4o-mini-2024", "mini"),
        ("gpt-4o", "four"),
        ("o?", "four"),
        ("o1", "default"),
        ("", "default"),
    ] {
        assert_eq!(settings.domain_for(model).name, domain, "{model}");
    }
}
