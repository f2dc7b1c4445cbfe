//! Values as Postgres has them.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::table::Table;
use crate::value::{Kind, Row, Value};

/// A column of many rows.
#[derive(Debug)]
pub(super) enum Array<'a> {
    Integers(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

impl Array<'_> {
    pub(super) fn parameter(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Integers(array) => (array, Type::INT8_ARRAY),
            Self::Texts(array) => (array, Type::TEXT_ARRAY),
            Self::Bytes(array) => (array, Type::BYTEA_ARRAY),
        }
    }
}

/// The columns of these rows.
pub(super) fn arrays<'a>(table: &Table, rows: &'a [Row]) -> Vec<Array<'a>> {
    let columns = table.columns.iter().enumerate();
    let array = |(index, column): (usize, &crate::table::Column)| {
        let cells = rows.iter().map(move |row| row.get(index));
        match column.kind {
            Kind::Integer => Array::Integers(cells.map(|cell| cell?.integer()).collect()),
            Kind::Text => Array::Texts(cells.map(|cell| cell?.text()).collect()),
            Kind::Bytes => Array::Bytes(cells.map(|cell| cell?.bytes()).collect()),
        }
    };
    columns.map(array).collect()
}

pub(super) fn type_of(value: &Value) -> Type {
    match value {
        Value::Integer(_) => Type::INT8,
        Value::Text(_) | Value::Null => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

pub(super) fn row_of(row: &tokio_postgres::Row) -> Row {
    let cells = (0..row.len()).map(|index| row.try_get(index).unwrap_or(Value::Null));
    cells.collect()
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql(kind, out),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT8 | Type::TEXT | Type::BYTEA)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match *kind {
            Type::INT4 => i32::from_sql(kind, raw).map(|number| Self::Integer(number.into())),
            Type::INT8 => i64::from_sql(kind, raw).map(Self::Integer),
            Type::BYTEA => Vec::from_sql(kind, raw).map(Self::Bytes),
            _ => String::from_sql(kind, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::INT4 | Type::INT8 | Type::TEXT | Type::BYTEA)
    }
}
