//! The description of the admin plane as an OpenAPI 3.1 document.

mod operations;
mod parameters;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::AdminError;
use operations::{OPERATIONS, Operation, Status};

/// The document, with the version of the program.
///
/// Everything that it says of answers comes from the types of this crate.
pub fn document(version: &str) -> Value {
    let mut schemas = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .for_serialize()
        .into_generator();
    let error = schemas.subschema_for::<AdminError>().to_value();
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let described = described(operation, &error, &mut schemas);
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method.to_owned(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "paceline admin plane",
            "version": version,
            "description": "Limits, queues, usage, costs and health of a paceline gateway.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The admin token: in the file admin-token of the state folder.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "paceline_session_4100",
                    "description": "A session of the dashboard; the number is the port that the \
                                    browser asks. Requests that change something need the header \
                                    x-paceline-dashboard: 1 too.",
                },
            },
        },
    })
}

fn described(operation: &Operation, error: &Value, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let mut content = Map::new();
    for (media, schema) in operation.answers {
        content.insert((*media).to_owned(), json!({ "schema": schema(schemas) }));
    }
    match content.is_empty() {
        true => responses.insert(
            "204".to_owned(),
            json!({ "description": operation.summary }),
        ),
        false => responses.insert(
            "200".to_owned(),
            json!({ "description": operation.summary, "content": content }),
        ),
    };
    for status in operation.errors.iter().chain(operation.always()) {
        responses.insert(status.code().to_owned(), refused(*status, error));
    }
    let parameters = operation.parameters.iter().flat_map(|group| group.iter());
    let parameters: Vec<Value> = parameters.map(|parameter| parameter.described()).collect();
    let mut described = json!({
        "operationId": operation.id(),
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some((is_needed, schema)) = operation.body {
        described["requestBody"] = json!({
            "required": is_needed,
            "content": { "application/json": { "schema": schema(schemas) } },
        });
    }
    if operation.is_passed_on {
        described["responses"]["default"] =
            json!({ "description": "What the data plane answers, such as an error of its own." });
    }
    if operation.is_open {
        described["security"] = json!([]);
    }
    described
}

fn refused(status: Status, error: &Value) -> Value {
    let (media, schema) = match status {
        Status::NotReady => ("text/plain; charset=utf-8", json!({ "type": "string" })),
        _ => ("application/json", error.clone()),
    };
    json!({
        "description": status.meaning(),
        "content": { media: { "schema": schema } },
    })
}

#[cfg(test)]
mod tests;
