//! Who speaks: the service that all spans and metrics belong to.

use serde::{Serialize, Serializer};

use super::Value;
use super::attribute::pairs;

/// The service and its instance.
#[derive(Clone, Debug)]
pub struct Resource {
    /// `service.name`.
    pub name: String,
    /// `service.version`.
    pub version: &'static str,
    /// `service.instance.id`; differs from process to process.
    pub instance: String,
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            attributes: List<'a>,
        }
        Wire {
            attributes: List(self),
        }
        .serialize(serializer)
    }
}

struct List<'a>(&'a Resource);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Resource {
            name,
            version,
            instance,
        } = self.0;
        let list = [
            ("service.name", Value::from(name.clone())),
            ("service.version", Value::from(*version)),
            ("service.instance.id", Value::from(instance.clone())),
        ];
        pairs(serializer, list.into_iter())
    }
}

/// The instrumentation scope of everything that is sent.
#[derive(Serialize)]
pub(super) struct Scope {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
}

impl Scope {
    pub(super) fn of(resource: &Resource) -> Self {
        Self {
            name: "paceline",
            version: resource.version,
        }
    }
}
