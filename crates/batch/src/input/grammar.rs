//! How the lines of one input are understood.

use std::borrow::Cow;

use crate::{Format, JobOptions};

use super::fault::Fault;
use super::line::{self, Parsed, Rejected};
use super::rows;
use super::template::Template;

/// How lines are understood; the same when they are read again.
#[derive(Debug)]
pub(super) struct Grammar {
    url: Option<String>,
    table: Option<Table>,
}

#[derive(Debug)]
struct Table {
    columns: usize,
    custom_id: Option<usize>,
    template: Template,
}

impl Grammar {
    /// Lines of JSON.
    pub(super) fn lines(options: &JobOptions) -> Result<Self, String> {
        if options.template.is_some() {
            return Err(
                "a template is for tables: leave it out, or say that the input is CSV".to_owned(),
            );
        }
        let url = url(options)?;
        Ok(Self { url, table: None })
    }

    /// Rows below this header.
    pub(super) fn rows(header: &[u8], options: &JobOptions) -> Result<Self, String> {
        let text = options.template.as_deref();
        let text = text.ok_or(
            "a table needs a template that makes bodies of its rows: give one (--template)",
        )?;
        let header = line::text(header).map_err(|fault| format!("the header is {fault}"))?;
        let columns =
            rows::fields(header).ok_or_else(|| format!("the header: {}", Fault::NotRow))?;
        let column = |name: &str| columns.iter().position(|column| column == name);
        let custom_id = match &options.id_column {
            None => column("custom_id"),
            Some(name) => {
                let missing = || {
                    format!(
                        "no column {name} to name rows by: the table has {}",
                        columns.join(", ")
                    )
                };
                Some(column(name).ok_or_else(missing)?)
            }
        };
        let table = Table {
            columns: columns.len(),
            custom_id,
            template: Template::new(text, &columns)?,
        };
        Ok(Self {
            url: url(options)?,
            table: Some(table),
        })
    }

    /// What a line or row asks for.
    pub(super) fn parse<'a>(&'a self, bytes: &'a [u8]) -> Result<Parsed<'a>, Rejected> {
        let url = self.url.as_deref();
        match &self.table {
            None => line::parse(bytes, url),
            Some(table) => table.parse(bytes, url),
        }
    }
}

impl Table {
    fn parse<'a>(&self, bytes: &'a [u8], url: Option<&'a str>) -> Result<Parsed<'a>, Rejected> {
        let fields = rows::fields(line::text(bytes)?).ok_or(Fault::NotRow)?;
        let (found, expected) = (fields.len(), self.columns);
        if found != expected {
            return Err(Fault::Fields { found, expected }.into());
        }
        let custom_id = self
            .custom_id
            .and_then(|column| fields.get(column).cloned());
        if let Some(custom_id) = &custom_id {
            line::check_custom_id(custom_id)?;
        }
        let body = self.template.fill(&fields);
        match line::check_bare(&body, url) {
            Ok(url) => Ok(Parsed {
                custom_id,
                url: Cow::Borrowed(url),
                body: Cow::Owned(body),
            }),
            Err(fault) => Err(Rejected {
                fault,
                custom_id: custom_id.map(Cow::into_owned),
            }),
        }
    }
}

fn url(options: &JobOptions) -> Result<Option<String>, String> {
    if let Some(url) = &options.url {
        line::check_url(url).map_err(|fault| fault.to_string())?;
    }
    Ok(options.url.clone())
}

/// How an input is written down, by its name and by what it begins with.
pub(super) fn format_of(name: &str, beginning: &[u8], options: &JobOptions) -> Format {
    if options.format != Format::Auto {
        return options.format;
    }
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("csv") => Format::Csv,
        Some("jsonl" | "ndjson" | "json") => Format::JsonLines,
        _ => match beginning.trim_ascii_start().first() {
            Some(b'{') | None => Format::JsonLines,
            Some(_) if options.template.is_some() => Format::Csv,
            Some(_) => Format::JsonLines,
        },
    }
}
