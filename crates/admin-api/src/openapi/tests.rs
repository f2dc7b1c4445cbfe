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
            let is_empty = operation["responses"]["204"].is_object();
            let says = content.is_some_and(|content| !content.is_empty());
            assert!(says != is_empty, "{method} {path}");
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
            if path.starts_with("/monitoring/") || path.starts_with("/dashboard/") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    assert_eq!(sections, described);
}

#[test]
fn what_is_open_says_so_and_all_else_asks_for_the_token() {
    let document = document("1.2.3");
    assert_eq!(
        document["security"],
        json!([{ "token": [] }, { "session": [] }])
    );
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let is_open = operation["security"] == json!([]);
            let is_health = ["/healthz", "/readyz"].contains(&&**path);
            let signs_in = (&**method, &**path) == ("post", "/dashboard/session");
            assert_eq!(is_open, is_health || signs_in, "{method} {path}");
            let refused = &operation["responses"]["401"];
            assert_eq!(refused.is_null(), is_health, "{method} {path}");
        }
    }
}

#[test]
fn bodies_need_what_cannot_be_left_out_and_nothing_else() {
    let document = document("1.2.3");
    let body = |path: &str| document["paths"][path]["post"]["requestBody"].clone();
    let (sign_in, reset) = (
        body("/dashboard/session"),
        body("/monitoring/reset-rate-limits"),
    );
    let schema = |body: &Value| body["content"]["application/json"]["schema"].clone();
    assert_eq!(schema(&sign_in)["required"], json!(["token"]));
    assert_eq!(sign_in["required"], true);
    assert!(schema(&reset)["required"].is_null(), "{reset}");
    assert_eq!(reset["required"], false);
    assert_eq!(schema(&reset)["additionalProperties"], false);
}

/// With `PACELINE_BLESS` set it is written instead.
#[test]
fn the_document_that_the_dashboard_is_made_from_is_this_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../dashboard/openapi.json");
    let now = serde_json::to_string_pretty(&document(env!("CARGO_PKG_VERSION"))).unwrap() + "\n";
    if std::env::var_os("PACELINE_BLESS").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == now,
        "dashboard/openapi.json is out of date: run with PACELINE_BLESS=1"
    );
}
