//! What holds of the document whatever runs.

use super::*;

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_referred_to() {
    let document = document("1.2.3");
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(schemas.len() > 20);
    for (name, _) in schemas {
        let reference = format!("\"#/components/schemas/{name}\"");
        assert!(text.contains(&reference), "{name} is not used");
    }
    for reference in text.split("\"$ref\":\"").skip(1) {
        let target = reference.split('"').next().unwrap();
        let name = target.strip_prefix("#/components/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{target} leads nowhere");
    }
}

#[test]
fn operations_have_names_of_their_own_and_parameters_each_once() {
    let document = document("1.2.3");
    let mut ids = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            let mut names = std::collections::BTreeSet::new();
            for parameter in operation["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                assert!(names.insert(name), "{method} {path}: {name} twice");
                if parameter["in"] == "path" {
                    assert!(path.contains(&format!("{{{name}}}")), "{path}: {name}");
                }
            }
            let content = operation["responses"]["200"]["content"].as_object();
            assert!(content.is_some_and(|content| !content.is_empty()), "{path}");
        }
    }
}

#[test]
fn the_page_on_monitoring_has_a_section_for_each_operation() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/monitoring.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sections = page.lines().filter_map(|line| line.strip_prefix("## "));
    let sections = sections.filter(|section| section.contains(" /"));
    let sections: std::collections::BTreeSet<String> = sections.map(str::to_owned).collect();
    let document = document("1.2.3");
    let mut described = std::collections::BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, _) in operations.as_object().unwrap() {
            if path.starts_with("/monitoring/") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    assert_eq!(sections, described);
}

#[test]
fn what_is_open_says_so_and_all_else_asks_for_the_token() {
    let document = document("1.2.3");
    assert_eq!(document["security"], json!([{ "token": [] }]));
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (_, operation) in operations.as_object().unwrap() {
            let is_open = operation["security"] == json!([]);
            assert_eq!(
                is_open,
                ["/healthz", "/readyz"].contains(&&**path),
                "{path}"
            );
            let refused = &operation["responses"]["401"];
            assert_eq!(refused.is_null(), is_open, "{path}");
        }
    }
}
