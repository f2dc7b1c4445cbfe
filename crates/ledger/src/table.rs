//! The tables that records are written to, and the statements that write them.

use std::fmt::Write as _;

use crate::value::Kind;

/// What happens to a column when the row is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Merge {
    /// It says which row.
    Key,
    /// It stays.
    Keep,
    /// The new value is added.
    Sum,
    /// The larger value stays.
    Max,
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) merge: Merge,
}

impl Column {
    pub(crate) fn new(name: impl Into<String>, kind: Kind, merge: Merge) -> Self {
        Self {
            name: name.into(),
            kind,
            merge,
        }
    }
}

/// A table. All its names are constants of this crate.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: Vec<Column>,
}

impl Table {
    /// Writes one row, its values in the order of the columns.
    pub(crate) fn write_one(&self) -> String {
        let places: Vec<String> = (1..=self.columns.len()).map(|n| format!("${n}")).collect();
        let (name, columns) = (self.name, self.names());
        let places = places.join(", ");
        let conflict = self.on_conflict("max");
        format!("INSERT INTO {name} ({columns}) VALUES ({places}) {conflict}")
    }

    /// Writes many rows at once, each column as one array. Postgres only.
    pub(crate) fn write_many(&self) -> String {
        let arrays = self.columns.iter().enumerate();
        let arrays: Vec<String> = arrays
            .map(|(index, column)| format!("${}::{}[]", index + 1, postgres_type(column.kind)))
            .collect();
        let (name, columns) = (self.name, self.names());
        let arrays = arrays.join(", ");
        let conflict = self.on_conflict("greatest");
        format!("INSERT INTO {name} ({columns}) SELECT * FROM unnest({arrays}) {conflict}")
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        names.join(", ")
    }

    fn on_conflict(&self, larger: &str) -> String {
        let keys = self.columns.iter().filter(|c| c.merge == Merge::Key);
        let keys: Vec<&str> = keys.map(|column| column.name.as_str()).collect();
        let mut sql = format!("ON CONFLICT ({}) DO ", keys.join(", "));
        let mut separator = "UPDATE SET ";
        for Column { name, merge, .. } in &self.columns {
            let merged = match merge {
                Merge::Key | Merge::Keep => continue,
                Merge::Sum => format!("{}.{name} + excluded.{name}", self.name),
                Merge::Max => format!("{larger}({}.{name}, excluded.{name})", self.name),
            };
            // Writing to a string cannot fail.
            let _ = write!(sql, "{separator}{name} = {merged}");
            separator = ", ";
        }
        if separator != ", " {
            sql.push_str("NOTHING");
        } else if !self.columns.iter().any(|c| c.merge == Merge::Sum) {
            self.push_only_if_larger(&mut sql);
        }
        sql
    }

    /// A row in which nothing would change is not written again.
    fn push_only_if_larger(&self, sql: &mut String) {
        let larger = self.columns.iter().filter(|c| c.merge == Merge::Max);
        let larger =
            larger.map(|c| format!("{}.{name} < excluded.{name}", self.name, name = c.name));
        let larger: Vec<String> = larger.collect();
        let _ = write!(sql, " WHERE {}", larger.join(" OR "));
    }
}

fn postgres_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Integer => "bigint",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_there_are_added_to_and_those_without_sums_are_left() {
        let key = Column::new("k", Kind::Text, Merge::Key);
        let sums = Table {
            name: "t",
            columns: vec![
                key.clone(),
                Column::new("n", Kind::Integer, Merge::Sum),
                Column::new("m", Kind::Integer, Merge::Max),
            ],
        };
        assert_eq!(
            sums.write_one(),
            "INSERT INTO t (k, n, m) VALUES ($1, $2, $3) ON CONFLICT (k) DO UPDATE SET \
             n = t.n + excluded.n, m = max(t.m, excluded.m)"
        );
        let latest = Table {
            name: "t",
            columns: vec![key.clone(), Column::new("m", Kind::Integer, Merge::Max)],
        };
        assert_eq!(
            latest.write_one(),
            "INSERT INTO t (k, m) VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET \
             m = max(t.m, excluded.m) WHERE t.m < excluded.m"
        );
        let plain = Table {
            name: "t",
            columns: vec![key, Column::new("v", Kind::Bytes, Merge::Keep)],
        };
        assert_eq!(
            plain.write_many(),
            "INSERT INTO t (k, v) SELECT * FROM unnest($1::text[], $2::bytea[]) \
             ON CONFLICT (k) DO NOTHING"
        );
    }
}
