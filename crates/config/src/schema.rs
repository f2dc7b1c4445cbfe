//! The JSON Schema of the file.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::settings::RawSettings;

/// The JSON Schema (draft 7) of the configuration file.
///
/// Beside the standard words it uses `x-kind` (`duration`, `size`, `address`, `path`, `secret`)
/// and, for durations and sizes, `x-minimum` and `x-maximum`. The file is checked against this
/// very schema, so that the two cannot differ.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft07()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut schema = generator.into_root_schema_for::<RawSettings>().to_value();
    simplify(&mut schema);
    schema
}

/// What the file's schema says of a setting with this dotted key.
pub fn about_setting(key: &str) -> Option<String> {
    let schema = schema();
    let mut found = &schema;
    for word in key.split('.') {
        found = found.get("properties")?.get(word)?;
    }
    Some(found.get("description")?.as_str()?.replace('\n', " "))
}

/// Takes out what TOML cannot say, `null` as a type, an alternative or a default, and hands the
/// defaults of whole tables down to their keys.
fn simplify(schema: &mut Value) {
    let Value::Object(object) = schema else {
        return;
    };
    drop_null_type(object);
    drop_null_alternative(object);
    match object.get("default") {
        Some(Value::Null) => {
            object.remove("default");
        }
        Some(Value::Object(_)) => {
            hand_down(object);
            object.remove("required");
        }
        _ => {}
    }
    for word in ["properties", "definitions"] {
        if let Some(Value::Object(children)) = object.get_mut(word) {
            children.values_mut().for_each(simplify);
        }
    }
    for word in ["items", "additionalProperties"] {
        if let Some(child) = object.get_mut(word) {
            simplify(child);
        }
    }
}

/// Moves the default of a table to its keys: it is closer to what happens than theirs.
fn hand_down(object: &mut Map<String, Value>) {
    let Some(Value::Object(defaults)) = object.remove("default") else {
        return;
    };
    let Some(Value::Object(keys)) = object.get_mut("properties") else {
        return;
    };
    for (key, default) in defaults {
        if let Some(Value::Object(schema)) = keys.get_mut(&key) {
            schema.insert("default".to_owned(), default);
        }
    }
}

fn drop_null_type(object: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = object.get_mut("type") else {
        return;
    };
    types.retain(|name| name != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        object.insert("type".to_owned(), only);
    }
}

fn drop_null_alternative(object: &mut Map<String, Value>) {
    let Some(Value::Array(mut alternatives)) = object.remove("anyOf") else {
        return;
    };
    alternatives.retain(|schema| schema.get("type") != Some(&Value::from("null")));
    match alternatives.as_mut_slice() {
        [Value::Object(only)] => {
            for (word, value) in std::mem::take(only) {
                object.entry(word).or_insert(value);
            }
        }
        _ => {
            object.insert("anyOf".to_owned(), Value::Array(alternatives));
        }
    }
}
