//! What is said about files that are wrong: the exact words, in one place.

use crate::loading::{load, problems};

/// Each file with everything that is said about it.
const WRONG: &[(&str, &str)] = &[
    (
        "[server]\nlisten = 4100\n",
        "p.toml:2: server.listen: must be an IP address and a port (got 4100); as in \"127.0.0.1:4100\" or \"[::1]:4100\"",
    ),
    (
        "[server]\nlisten = \"localhost:4100\"\n",
        "p.toml:2: server.listen: must be an IP address and a port (got \"localhost:4100\"); as in \"127.0.0.1:4100\" or \"[::1]:4100\"",
    ),
    (
        "[server]\nthreads = 0\n",
        "p.toml:2: server.threads: must be at least 1 (got 0)",
    ),
    (
        "[server]\nthreads = \"4\"\n",
        "p.toml:2: server.threads: must be a whole number (got \"4\"); write it without quotes",
    ),
    (
        "[server]\nthreads = 1.5\n",
        "p.toml:2: server.threads: must be a whole number (got 1.5); digits only, as in 10000 or 10_000",
    ),
    (
        "[server]\nthreads = 99999999999999999999\n",
        "p.toml:2: server.threads: must be at most 1024 (got 1e20)",
    ),
    (
        "[server]\nbody_max = 64\n",
        "p.toml:2: server.body_max: must be a size (got 64); write a number and a unit: B, KiB, MiB or GiB, as in \"64MiB\"",
    ),
    (
        "[server]\nbody_max = \"1B\"\n",
        "p.toml:2: server.body_max: must be at least 1KiB (got \"1B\")",
    ),
    (
        "[server]\nheader_timeout = 30\n",
        "p.toml:2: server.header_timeout: must be a duration (got 30); add the unit, as in \"30s\" or \"30ms\"",
    ),
    (
        "[server]\nheader_timeout = \"30 sec\"\n",
        "p.toml:2: server.header_timeout: must be a duration (got \"30 sec\"); write a number and a unit: ms, s, m, h or d, as in \"30s\"",
    ),
    (
        "[server]\nheader_timeout = \"2h\"\n",
        "p.toml:2: server.header_timeout: must be at most 10m (got \"2h\")",
    ),
    (
        "[server]\nlsiten = \"127.0.0.1:1\"\n",
        "p.toml:2: server.lsiten: unknown key; did you mean \"listen\"?",
    ),
    (
        "[server]\nmax_wait = \"1s\"\n",
        "p.toml:2: server.max_wait: unknown key; did you mean queue.max_wait?",
    ),
    (
        "[retry]\ncolour = 1\n",
        "p.toml:2: retry.colour: unknown key; the keys of retry are base_delay, delay_max, growth_percent, growth_period, jitter, retries_max, stabilisation, stabilisation_share",
    ),
    (
        "[retry]\nstabilization = \"1m\"\n",
        "p.toml:2: retry.stabilization: unknown key; did you mean \"stabilisation\"?",
    ),
    (
        "[sever]\nlisten = 1\n",
        "p.toml:1: sever: unknown key; did you mean \"server\"?",
    ),
    ("server = 3\n", "p.toml:1: server: must be a table (got 3)"),
    (
        "preset = \"prod\"\n",
        "p.toml:1: preset: must be \"production\" or \"development\" (got \"prod\")",
    ),
    (
        "[upstream]\ncheck = \"true\"\n",
        "p.toml:2: upstream.check: must be true or false (got \"true\"); write it without quotes",
    ),
    (
        "[upstream]\nhttp1_only = false\n",
        "p.toml:2: upstream.http1_only: unknown key; http_version = \"1.1\" says the same now; \"2\" and \"auto\" are there too",
    ),
    (
        "[upstream]\nbase_url = \"api.openai.com/v1\"\n",
        "p.toml:2: upstream.base_url: must be an http or https address (got \"api.openai.com/v1\"): relative URL without a base; as in \"https://api.openai.com/v1\"",
    ),
    (
        "[upstream]\nbase_url = \"ftp://x/v1\"\n",
        "p.toml:2: upstream.base_url: must be an http or https address (got \"ftp://x/v1\"); as in \"https://api.openai.com/v1\"",
    ),
    (
        "[upstream]\nbase_url = \"https://x/v1?a=b\"\n",
        "p.toml:2: upstream.base_url: must not have a query or a fragment (got \"https://x/v1?a=b\"); as in \"https://api.openai.com/v1\"",
    ),
    (
        "[upstream]\nbase_url = \"https://a:b@x/v1\"\n",
        "p.toml:2: upstream.base_url: must not hold a user name or a password; use upstream.api_key",
    ),
    (
        "[upstream]\nbase_url = \"http://127.0.0.1:4100\"\n",
        "p.toml:2: upstream.base_url: leads back to server.listen (127.0.0.1:4100): requests would go round in a loop (got \"http://127.0.0.1:4100/\"); name the provider's address here and the gateway's in its clients",
    ),
    (
        "[admin]\nlisten = \"127.0.0.1:4100\"\n",
        "p.toml:2: admin.listen: is the address of the gateway itself (got \"127.0.0.1:4100\"); leave it out to serve both there",
    ),
    (
        "[admin]\ntoken = \"short\"\n",
        "p.toml:2: admin.token: must be at least 16 characters long; the value is not shown here",
    ),
    (
        "[admin]\nstate_dir = \"\"\n",
        "p.toml:2: admin.state_dir: must not be empty",
    ),
    (
        "[admin]\nhosts = [\"a.test\", \"http://b.test\"]\n",
        "p.toml:2: admin.hosts: must be host names (got \"http://b.test\"); write them without scheme, port and path, as in paceline.internal",
    ),
    (
        "[retry]\nbase_delay = \"1m\"\n",
        "p.toml:2: retry.base_delay: must be at most retry.delay_max, which is 30s (got 1m); a plain number in OPENAI_BASE_DELAY is in seconds",
    ),
    (
        "[retry]\ndelay_max = \"10ms\"\n",
        "p.toml:2: retry.delay_max: must be at least retry.base_delay, which is 1s (got 10ms); a plain number in OPENAI_BASE_DELAY is in seconds",
    ),
    (
        "[queue.tiers]\nbatch.guaranteed_share = 0.5\n",
        "p.toml:1: queue.tiers: the guaranteed shares must give at most 1 together (got 1.250); lower one of them",
    ),
    (
        "[queue]\ndefault_tier = \"bulk\"\n",
        "p.toml:2: queue.default_tier: must be \"interactive\", \"standard\" or \"batch\" (got \"bulk\")",
    ),
    (
        "[queue]\nwaiting_max = 5\nwaiting_per_tenant_max = 6\n",
        "p.toml:3: queue.waiting_per_tenant_max: must be at most queue.waiting_max, which is 5 (got 6)",
    ),
    (
        "[tenants.\"a b\"]\nweight = 2\n",
        "p.toml:1: tenants.\"a b\": the name must be 1 to 128 visible ASCII characters without spaces; it is compared with a header",
    ),
    (
        "[tenants.a]\nwieght = 2\n",
        "p.toml:2: tenants.a.wieght: unknown key; did you mean \"weight\"?",
    ),
    (
        "[limits]\ntokens_per_minute = -5\n",
        "p.toml:2: limits.tokens_per_minute: must be at least 1 (got -5)",
    ),
    (
        "[limits]\ntokens_per_minute = \"2M\"\n",
        "p.toml:2: limits.tokens_per_minute: must be a whole number (got \"2M\"); digits only, as in 10000 or 10_000",
    ),
    (
        "[limits]\nheadroom = nan\n",
        "p.toml:2: limits.headroom: must be at least 0 (got NaN)",
    ),
    (
        "[limits]\nheadroom = 10\n",
        "p.toml:2: limits.headroom: must be at most 0.99 (got 10)",
    ),
    (
        "[limits]\nwindow = \"slidng\"\n",
        "p.toml:2: limits.window: must be \"unknown\", \"bucket\", \"fixed\", \"fixed_from_first_use\", \"sliding\" or \"quantised\" (got \"slidng\"); did you mean \"sliding\"?",
    ),
    (
        "[limits]\nrequests_per_second = 2\nguard = \"1s\"\n",
        "p.toml:3: limits.guard: must be shorter than the shortest window, 1s (got 1s); half of it is the most that is useful",
    ),
    (
        "[limits]\nrequests_per_second = 2\nwindow = \"quantised\"\nquantum = \"2s\"\n",
        "p.toml:2: limits.requests_per_second: its window of 1s is shorter than a quantum of 2s; set a shorter quantum",
    ),
    (
        "[limits]\nwindow = \"bucket\"\nburst = 9\ntokens_per_minute = 8\n",
        "p.toml:3: limits.burst: must be at most the largest token limit (got 9); that limit is 8",
    ),
    (
        "[limits]\ntokens_per_minute = 8\ncustom = [{ metric = \"tokens\", amount = 9, period = \"60s\" }]\n",
        "p.toml:3: limits.custom[0]: limits tokens in 1m, as limits.tokens_per_minute does; remove one of them",
    ),
    (
        "[limits]\ncustom = [{ metric = \"token\", period = \"30s\" }]\n",
        "p.toml:2: limits.custom[0].amount: is missing\np.toml:2: limits.custom[0].metric: must be \"requests\", \"tokens\", \"input_tokens\", \"output_tokens\" or \"images\" (got \"token\"); did you mean \"tokens\"?",
    ),
    (
        "[limits]\ncustom = 5\n",
        "p.toml:2: limits.custom: must be an array (got 5)",
    ),
    (
        "[domains]\nname = \"a\"\n",
        "p.toml:1: domains: must be an array (got a table); write the header in double brackets",
    ),
    (
        "[[domains]]\n",
        "p.toml:1: domains[0].models: is missing; as in models = [\"gpt-4o-mini*\"]\np.toml:1: domains[0].name: is missing; as in name = \"mini\"",
    ),
    (
        "[[domains]]\nname = \"a\"\nmodels = \"gpt-*\"\n",
        "p.toml:3: domains[0].models: must be an array (got \"gpt-*\"); write [\"gpt-*\"]",
    ),
    (
        "[[domains]]\nname = \"a\"\nmodels = []\n",
        "p.toml:3: domains[0].models: must name at least one model; the pool of models that no other names is [limits]",
    ),
    (
        "[[domains]]\nname = \"a\"\nmodels = [\n  \"x\",\n  5,\n  \"\",\n]\n",
        "p.toml:5: domains[0].models[1]: must be a string (got 5)",
    ),
    (
        "[[domains]]\nname = \"a\"\nmodels = [\"x\", \"\"]\n",
        "p.toml:3: domains[0].models[1]: must be 1 to 256 characters (got \"\")",
    ),
    (
        "[[domains]]\nname = \"default\"\nmodels = [\"x\"]\n",
        "p.toml:2: domains[0].name: \"default\" is the name of the pool of [limits]; choose another",
    ),
    (
        "[[domains]]\nname = \"a b\"\nmodels = [\"x\"]\n",
        "p.toml:2: domains[0].name: must be letters, digits, -, _ and . (got \"a b\"); it becomes part of metrics",
    ),
    (
        "[[domains]]\nname = \"a\"\nmodels = [\"x\"]\n[[domains]]\nname = \"a\"\nmodels = [\"y\"]\n",
        "p.toml:5: domains[1].name: \"a\" is the name of domains[0] too; choose another",
    ),
    (
        "[[domains]]\nname = \"a\"\nmodels = [\"x\"]\ntoken_per_minute = 5\n",
        "p.toml:4: domains[0].token_per_minute: unknown key; did you mean \"tokens_per_minute\"?",
    ),
    (
        "[log]\nlevel = \"inf\"\n",
        "p.toml:2: log.level: must be a level or target=level (got \"inf\"); did you mean \"info\"?",
    ),
    (
        "[log]\nlevel = \"info,hyper=loud\"\n",
        "p.toml:2: log.level: must be a level or target=level (got \"hyper=loud\"); the levels are off, error, warn, info, debug, trace",
    ),
    (
        "[log]\nlevel = 2024-01-01\n",
        "p.toml:2: log.level: must be a string (got 2024-01-01)",
    ),
    // What is not TOML.
    (
        "[server]\n[server]\nthreads = 0\n",
        "p.toml:2: duplicate key\np.toml:3: server.threads: must be at least 1 (got 0)",
    ),
    (
        "[log\nlevel = 5\n",
        "p.toml:1: unclosed table, expected `]`",
    ),
    (
        "a = \n[log]\nlevel = 5\n",
        "p.toml:1: string values must be quoted, expected literal string\np.toml:3: log.level: must be a string (got 5)",
    ),
    (
        "[log]\nlevel = \"info\"\nlevel = \"warn\"\n",
        "p.toml:3: duplicate key",
    ),
    (
        "[log]\r\nlevel = 5\r\n",
        "p.toml:2: log.level: must be a string (got 5)",
    ),
];

#[test]
fn every_wrong_file_is_told_in_exact_words() {
    let mut differences = String::new();
    for (text, expected) in WRONG {
        let found = problems(text, &[]);
        if found != *expected {
            differences += &format!("---\n{text}expected: {expected}\nfound:    {found}\n");
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn six_mistakes_give_six_problems_on_their_lines() {
    let text = "\
preset = \"prodution\"

[server]
listen = \"4100\"
thread = 4

[limits]
tokens_per_minute = 0

[[domains]]
name = \"mini\"
models = [\"gpt-4o-mini*\"]
guard = 5

[retry]
base_delay = \"5m\"
";
    let problems = load(text, &[]).unwrap_err();
    assert_eq!(problems.len(), 6, "{problems}");
    let places: Vec<_> = problems
        .iter()
        .map(|p| format!("{} {}", p.origin, p.path))
        .collect();
    assert_eq!(
        places,
        [
            "p.toml:1 preset",
            "p.toml:4 server.listen",
            "p.toml:5 server.thread",
            "p.toml:8 limits.tokens_per_minute",
            "p.toml:13 domains[0].guard",
            "p.toml:16 retry.base_delay",
        ]
    );
}

#[test]
fn problems_of_all_sources_come_together_in_their_order() {
    let env =
        crate::loading::environment(&[("OPENAI_TPM_LIMIT", "x"), ("PACELINE_LOG_LEVEL", "loud")]);
    let file = Some(paceline_config::SourceFile {
        name: "p.toml".into(),
        content: b"[log]\nformat = 1\n".to_vec(),
    });
    let overrides = paceline_config::Overrides {
        listen: Some(":4100".to_owned()),
        upstream: Some("nowhere".to_owned()),
        ..Default::default()
    };
    let sources = paceline_config::Sources {
        file,
        env: &env,
        overrides,
    };
    let problems = paceline_config::Settings::load(sources).unwrap_err();
    let places: Vec<_> = problems.iter().map(|p| p.origin.to_string()).collect();
    let expected = [
        "p.toml:2",
        "OPENAI_TPM_LIMIT",
        "PACELINE_LOG_LEVEL",
        "--listen",
        "--upstream",
    ];
    assert_eq!(places, expected, "{problems}");
}
