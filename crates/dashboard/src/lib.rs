//! The files of the dashboard as a browser gets them: what they are, compressed, and by which tag an
//! unchanged one is known.
//!
//! They are built from the page's source and kept in the repository, so that the program builds without
//! the page's tools. Knows no HTTP server, no path that they are served under, and nothing of what the
//! page asks for.

use std::io::Write;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

/// The page itself, which loads all others.
pub const INDEX: &str = "index.html";

/// One file.
#[derive(Debug)]
pub struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
    made: OnceLock<Made>,
}

/// What is made of a file when it is asked for the first time.
#[derive(Debug)]
struct Made {
    gzip: Option<Vec<u8>>,
    tag: String,
    gzip_tag: String,
}

static ASSETS: [Asset; 4] = [
    Asset::new(
        INDEX,
        "text/html; charset=utf-8",
        include_bytes!("../dist/index.html"),
    ),
    Asset::new(
        "app.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../dist/app.js"),
    ),
    Asset::new(
        "app.css",
        "text/css; charset=utf-8",
        include_bytes!("../dist/app.css"),
    ),
    Asset::new(
        "icon.svg",
        "image/svg+xml",
        include_bytes!("../dist/icon.svg"),
    ),
];

/// The file of this name, such as `app.js`. Names are taken to the letter.
#[must_use]
pub fn asset(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// Every file.
pub fn assets() -> impl Iterator<Item = &'static Asset> {
    ASSETS.iter()
}

impl Asset {
    const fn new(name: &'static str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        Self {
            name,
            content_type,
            bytes,
            made: OnceLock::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its media type, as in the header `content-type`.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// The file as it is.
    #[must_use]
    pub fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The file compressed with gzip; `None` where that makes it no smaller.
    #[must_use]
    pub fn gzip(&self) -> Option<&[u8]> {
        self.made().gzip.as_deref()
    }

    /// The strong entity tag of [`bytes`](Self::bytes), in its quotes.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.made().tag
    }

    /// The strong entity tag of [`gzip`](Self::gzip): other bytes, another tag (RFC 9110, section 8.8.3.3).
    #[must_use]
    pub fn gzip_tag(&self) -> &str {
        &self.made().gzip_tag
    }

    fn made(&self) -> &Made {
        self.made.get_or_init(|| {
            let hash = Sha256::digest(self.bytes);
            let hash: String = hash
                .iter()
                .take(16)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            Made {
                gzip: compressed(self.bytes).filter(|gzip| gzip.len() < self.bytes.len()),
                tag: format!("\"{hash}\""),
                gzip_tag: format!("\"{hash}-gzip\""),
            }
        })
    }
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Nothing in memory could fail; without the result the file goes out as it is.
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn each_file_is_found_by_its_name_alone() {
        for asset in assets() {
            let found = super::asset(asset.name());
            assert_eq!(found.map(Asset::name), Some(asset.name()));
            assert!(!asset.bytes().is_empty(), "{} is empty", asset.name());
        }
        for name in [
            "",
            "/app.js",
            "APP.JS",
            "app.js/",
            "../Cargo.toml",
            "dist/app.js",
        ] {
            assert!(super::asset(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_compressed_is_the_file_and_has_a_tag_of_its_own() {
        let text = b"word ".repeat(200);
        let text: &'static [u8] = Box::leak(text.into_boxed_slice());
        let file = Asset::new("a", "text/plain", text);
        let gzip = file.gzip().unwrap();
        assert!(gzip.len() < text.len() / 2);
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(gzip)
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, text);
        assert_ne!(file.tag(), file.gzip_tag());
        let other = Asset::new("a", "text/plain", b"word");
        assert_ne!(file.tag(), other.tag());
        assert!(other.gzip().is_none(), "four bytes are not worth it");
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_runs_nothing_in_place() {
        let page = std::str::from_utf8(asset(INDEX).unwrap().bytes()).unwrap();
        for wrong in ["=\"http", "=\"//", "<style", " style=", " onload="] {
            assert!(
                !page.contains(wrong),
                "{wrong} is refused by the content policy"
            );
        }
        for script in page.split("<script").skip(1) {
            let (opening, rest) = script.split_once('>').unwrap();
            assert!(opening.contains(" src=\"/dashboard/"), "{opening}");
            assert!(rest.starts_with("</script>"), "a script in place: {rest}");
        }
    }
}
