//! What a batch is asked to do.

use std::path::PathBuf;

/// Where the requests come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file. It is read again and again while the batch runs, and not held in memory.
    File(PathBuf),
    /// Standard input. It is written to a file of the batch's folder first, and is like a file then.
    Stdin,
}

/// How the requests are written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// By the name of the file, else by its first line.
    #[default]
    Auto,
    /// One JSON object a line: OpenAI's batch lines or bare bodies, also mixed.
    JsonLines,
    /// A table with a header row, of which a template makes bodies (RFC 4180).
    Csv,
}

/// The order of the results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Each at once when it is there.
    #[default]
    AsTheyCome,
    /// That of the input: the files appear when all results are there.
    Input,
}

/// How a batch is read and written; the defaults are those of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobOptions {
    /// How the input is written down.
    pub format: Format,
    /// Path that bare bodies and rows go to; `None`: by what is in them.
    pub url: Option<String>,
    /// JSON text of a body with `{{column}}` in its strings; rows of a table need it.
    pub template: Option<String>,
    /// The column that names rows; `None`: `custom_id` if there is such a one, else names are made of
    /// the hash of the body.
    pub id_column: Option<String>,
    /// The longest line that is taken, in bytes. Memory for one such line is needed.
    pub line_bytes_max: usize,
    /// Invalid lines become lines of the errors file, instead of keeping the batch from beginning.
    pub skip_invalid: bool,
    /// Lines that failed before are done again.
    pub retry_failed: bool,
    /// Begin anew: what results there are is replaced.
    pub restart: bool,
    /// The order of the results.
    pub order: Order,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            url: None,
            template: None,
            id_column: None,
            line_bytes_max: 32 * 1024 * 1024,
            skip_invalid: false,
            retry_failed: false,
            restart: false,
            order: Order::AsTheyCome,
        }
    }
}

/// A batch: what goes in and where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The requests.
    pub input: Source,
    /// The file of results. Beside it are one of errors, a manifest, and a folder with the journal.
    pub output: PathBuf,
    /// How they are read and written.
    pub options: JobOptions,
}
