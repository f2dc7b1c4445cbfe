//! Schema, template and reference: all made from one list, and held against each other.

use std::collections::BTreeSet;
use std::path::PathBuf;

use paceline_config::{reference, schema, template};
use serde_json::Value;

use crate::loading::{load, problems};

/// The variables that the examples in the template name.
const NAMED: [(&str, &str); 8] = [
    ("PROVIDER_KEY", "sk-1"),
    ("PROXY_WITH_PASSWORD", "http://name:secret@10.0.0.9:3128"),
    ("ADMIN_TOKEN", "0123456789abcdef"),
    ("REDIS_URL", "redis://:secret@10.0.0.5:6379"),
    (
        "DATABASE_URL",
        "postgres://paceline:secret@10.0.0.6/paceline",
    ),
    ("COLLECTOR_HEADERS", "api-key=secret"),
    ("ALERT_WEBHOOK", "https://hooks.example/paceline"),
    ("ALERT_SECRET", "0123456789abcdef"),
];

/// The dotted path of every key of the schema that holds a value.
fn keys(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    let join = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    if let Some(properties) = schema["properties"].as_object() {
        for (key, schema) in properties {
            keys(schema, &join(key), found);
        }
    } else if schema["additionalProperties"].is_object() {
        keys(&schema["additionalProperties"], &join("NAME"), found);
    } else if schema["items"]["properties"].is_object() && schema.get("examples").is_none() {
        keys(&schema["items"], path, found);
    } else {
        found.insert(path.to_owned());
    }
}

fn schema_keys() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    keys(&schema(), "", &mut found);
    found
}

/// Every key line of the template: its number, its path, and the number of its header.
fn template_keys() -> Vec<(usize, String, Option<usize>)> {
    let (mut found, mut section, mut header) = (Vec::new(), String::new(), None);
    for (number, line) in template().lines().enumerate() {
        let bare = line.strip_prefix('#').unwrap_or(line);
        if bare.starts_with('[') {
            section = format!("{}.", bare.trim_matches(['[', ']']));
            header = Some(number);
        } else if let Some((key, _)) = bare.split_once(" = ").filter(|_| !bare.starts_with(' ')) {
            found.push((number, format!("{section}{key}"), header));
        }
    }
    found
}

/// The template with some of its lines uncommented.
fn uncommented(lines: &[usize]) -> String {
    let each = template().lines().map(str::to_owned).collect::<Vec<_>>();
    let each = each
        .iter()
        .enumerate()
        .map(|(number, line)| match lines.contains(&number) {
            true => line.strip_prefix('#').unwrap_or(line),
            false => line,
        });
    each.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_template_and_the_schema_have_the_same_keys() {
    let in_template: BTreeSet<_> = template_keys()
        .into_iter()
        .map(|(_, path, _)| path)
        .collect();
    assert_eq!(in_template, schema_keys());
    assert!(in_template.len() > 100, "{}", in_template.len());
}

#[test]
fn the_template_loads_and_sets_nothing() {
    let loaded = load(&template(), &[]).unwrap();
    let plain = load("", &[]).unwrap();
    assert_eq!(
        format!("{:?}", loaded.settings),
        format!("{:?}", plain.settings)
    );
}

#[test]
fn every_line_of_the_template_loads_when_it_is_uncommented() {
    let keys = template_keys();
    for (number, path, header) in &keys {
        let mut lines = vec![*number];
        lines.extend(header);
        // What an entry is nothing without.
        let needed = [
            "domains.name",
            "domains.models",
            "providers.NAME.profile",
            "models.NAME.lanes",
            "routes.tags",
            "routes.to",
        ];
        let section = path.split('.').next().unwrap();
        let is_needed = |other: &str| {
            other != path && other.split('.').next() == Some(section) && needed.contains(&other)
        };
        let with = keys.iter().filter(|(_, path, _)| is_needed(path));
        lines.extend(with.flat_map(|(number, _, header)| std::iter::once(*number).chain(*header)));
        let found = problems(&uncommented(&lines), &NAMED);
        assert_eq!(found, "", "{path}");
    }
}

#[test]
fn the_template_loads_with_everything_uncommented() {
    let lines: Vec<_> = template_keys()
        .into_iter()
        .flat_map(|(number, _, header)| std::iter::once(number).chain(header))
        .collect();
    let loaded = load(&uncommented(&lines), &NAMED).unwrap();
    assert_eq!(loaded.settings.domains.len(), 1);
    assert_eq!(loaded.settings.tenants.len(), 1);
    assert_eq!(loaded.settings.default_domain.limits.len(), 21);
}

#[test]
fn the_template_says_the_default_where_there_is_one() {
    let plain = load("", &[]).unwrap();
    let keys = template_keys().into_iter();
    let with_default = keys.filter(|(_, path, _)| plain.provenance.contains_key(path));
    let lines: Vec<_> = with_default
        .flat_map(|(number, _, header)| std::iter::once(number).chain(header))
        .collect();
    assert!(lines.len() > 60);
    let loaded = load(&uncommented(&lines), &[]).unwrap();
    assert_eq!(
        format!("{:?}", loaded.settings),
        format!("{:?}", plain.settings)
    );
}

#[test]
fn the_schema_bounds_every_number_and_explains_every_key() {
    fn visit(schema: &Value, path: &str, checked: &mut usize) {
        if !schema.is_object() {
            return;
        }
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], Value::Bool(false), "{path}");
            for (key, schema) in properties {
                let path = format!("{path}.{key}");
                let described = schema["description"]
                    .as_str()
                    .is_some_and(|text| text.len() > 5);
                let holds =
                    schema["items"].is_object() || schema["additionalProperties"].is_object();
                assert!(described || holds, "{path}");
                visit(schema, &path, checked);
            }
        }
        if matches!(schema["type"].as_str(), Some("integer" | "number")) {
            assert!(schema["minimum"].as_f64().is_some(), "{path}");
            assert!(schema["maximum"].as_f64().is_some(), "{path}");
        }
        if schema["x-kind"] == "size" || schema["x-kind"] == "duration" {
            assert!(schema["x-maximum"].is_string(), "{path}");
        }
        for word in ["items", "additionalProperties"] {
            visit(&schema[word], &format!("{path}[]"), checked);
        }
        assert!(
            !schema.to_string().contains("\"null\"") && schema.get("anyOf").is_none(),
            "{path}"
        );
        *checked += 1;
    }
    let mut checked = 0;
    visit(&schema(), "", &mut checked);
    assert!(checked > 130, "{checked}");
}

#[test]
fn no_two_settings_share_a_variable() {
    let reference = reference();
    let cells = reference
        .lines()
        .filter_map(|line| line.strip_suffix(" |")?.rsplit(" | ").next());
    let names = cells
        .flat_map(|cell| cell.split(", "))
        .filter(|name| name.starts_with("`PACELINE_"));
    let mut seen = BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "{name}");
    }
    assert!(seen.len() > 75, "{}", seen.len());
}

fn documentation() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")
}

/// Holds the reference in the documentation against the generated one; with `PACELINE_BLESS` set
/// it is written there first.
#[test]
fn the_documentation_holds_the_reference() {
    const MARK: &str = "<!-- From here on this page is generated. -->\n";
    let text = std::fs::read_to_string(documentation()).unwrap();
    let (head, found) = text.split_once(MARK).unwrap();
    let expected = format!("\n## Reference\n\n{}", reference());
    if std::env::var_os("PACELINE_BLESS").is_some() {
        std::fs::write(documentation(), format!("{head}{MARK}{expected}")).unwrap();
    } else {
        assert!(
            found == expected,
            "docs/configuration.md is out of date: run with PACELINE_BLESS=1"
        );
    }
}

#[test]
fn the_documentation_names_every_key_and_every_variable() {
    let text = std::fs::read_to_string(documentation()).unwrap();
    for path in schema_keys() {
        let key = path.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("`{key}`")), "{path}");
    }
    for name in [
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_TPM_LIMIT",
        "OPENAI_TOKENS_PER_MINUTE",
        "OPENAI_TOKENS_PER_HOUR",
        "OPENAI_TOKEN_LIMIT_TOKENS",
        "OPENAI_TOKEN_LIMIT_PERIOD",
        "OPENAI_REQUESTS_PER_MINUTE",
        "OPENAI_REQUESTS_PER_HOUR",
        "OPENAI_RATE_LIMIT_REQUESTS",
        "OPENAI_RATE_LIMIT_PERIOD",
        "OPENAI_TPM_HEADROOM",
        "OPENAI_MAX_CONCURRENCY",
        "OPENAI_STAGGER_SECONDS",
        "OPENAI_EST_TOKENS_PER_RUN",
        "OPENAI_RETRY_MAX_ATTEMPTS",
        "OPENAI_MAX_RETRIES",
        "OPENAI_BACKOFF_BASE_SECONDS",
        "OPENAI_BASE_DELAY",
        "OPENAI_MAX_DELAY",
        "OPENAI_STABILIZATION_MINUTES",
        "OPENAI_GATE_IN_ADAPTER",
        "OPENAI_GATE_IN_BATCH",
        "PACELINE_STATE_DIR",
        "PACELINE_ADMIN_TOKEN",
        "PACELINE_CONFIG",
        "XDG_STATE_HOME",
    ] {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_example_in_the_documentation_loads() {
    let text = std::fs::read_to_string(documentation()).unwrap();
    let blocks: Vec<_> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next())
        .collect();
    assert!(blocks.len() >= 3, "{}", blocks.len());
    for block in blocks {
        let found = problems(block.unwrap(), &NAMED);
        assert_eq!(found, "", "{}", block.unwrap());
    }
}
