//! Where prices come from: the built-in ones, and the user's file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use paceline_config::Settings;
use paceline_tokens::prices::{Date, FILE_BYTES_MAX, PriceBook, PriceFile};

use crate::exit::{self, Failure};
use crate::figures::counted;
use crate::terminal::Terminal;

/// The user's prices; `None` where there is no file and none is asked for.
pub(super) fn own_file(settings: &Settings) -> Result<Option<PriceFile>, Failure> {
    let prices = &settings.prices;
    match read_bytes(&prices.file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !prices.file_is_named => Ok(None),
        read => parse(&prices.file, read).map(Some),
    }
}

/// Reads a price file, or prints everything that is wrong with it.
pub(super) fn read(path: &Path) -> Result<PriceFile, Failure> {
    parse(path, read_bytes(path))
}

/// The built-in prices with those of a file over them.
pub(super) fn book_with(own: Option<&PriceFile>) -> PriceBook {
    let book = PriceBook::built_in();
    match own {
        Some(own) => book.overlay(own.clone()),
        None => book,
    }
}

/// The day that it is, in UTC.
pub(super) fn today() -> Date {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Date::of_unix_seconds(since.map_or(0, |since| since.as_secs()))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // One byte more shows that it is too large.
    let most = FILE_BYTES_MAX as u64 + 1;
    File::open(path)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}

fn parse(path: &Path, read: io::Result<Vec<u8>>) -> Result<PriceFile, Failure> {
    let shown = path.display().to_string();
    let content = read.map_err(|error| {
        Failure::new(exit::CONFIGURATION, format!("cannot read {shown}: {error}"))
    })?;
    match PriceFile::parse(&shown, &content) {
        Ok(file) => Ok(file),
        Err(problems) => {
            Terminal::stderr().line(&problems.to_string())?;
            let count = counted(problems.len() as u64, "problem");
            let message = format!("the price file is invalid: {count}");
            Err(Failure::new(exit::CONFIGURATION, message))
        }
    }
}
