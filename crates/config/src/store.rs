//! `[store]`: where gateways that share one quota keep what is used of it.

mod address;

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::node::clip;
use crate::quantity::Span;
use crate::secret::RawSecret;
use crate::{Origin, Secret};

use address::Address;

pub(crate) const URL: &str = "store.url";
const PREFIX: &str = "store.prefix";
const CA_FILE: &str = "store.ca_file";

/// The keys that say something about the store beside its address.
const OTHERS: [&str; 5] = [
    PREFIX,
    "store.time_box",
    "store.lease",
    CA_FILE,
    "store.first_share",
];

/// The longest prefix, in bytes: it is part of every key.
const PREFIX_BYTES_MAX: usize = 256;

/// The store that gateways share, and how it is spoken to.
#[derive(Clone, Debug)]
pub struct Store {
    /// Address with its scheme, as in `redis://10.0.0.5:6379`; it may hold passwords. See
    /// [`address`](Self::address) for one that can be shown.
    pub url: Secret,
    /// What keys and channels begin with; has no braces.
    pub prefix: String,
    /// Longest time of one call; after it the store counts as away.
    pub time_box: Duration,
    /// How long an instance may be silent before the others take it to be gone.
    pub lease: Duration,
    /// PEM file of the certificate authorities to trust; `None` means those of the system.
    pub ca_file: Option<PathBuf>,
    /// Millionths of a quota that an instance uses which has never been in touch with the store;
    /// from 1 to 1,000,000.
    pub first_share_ppm: u32,
}

impl Store {
    /// The address for people: `***` takes the place of passwords.
    pub fn address(&self) -> String {
        match Address::read(self.url.expose()) {
            Ok(address) => address.to_string(),
            // Not reached with checked settings; even then nothing secret is shown.
            Err(_) => "***".to_owned(),
        }
    }
}

/// Redis or Valkey, by which several gateways share one quota.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawStore {
    /// Address of the store, as in `redis://10.0.0.5:6379`. Left out: there is none, and this
    /// process has the quota for itself.
    #[schemars(extend("examples" = [{ "env": "REDIS_URL" }]))]
    url: Option<RawSecret>,
    /// What keys and channels begin with.
    prefix: String,
    /// Longest time of one call; a store that takes longer counts as away.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "10s"))]
    time_box: Span,
    /// How long an instance may be silent before the others take it to be gone.
    #[schemars(extend("x-minimum" = "2s", "x-maximum" = "10m"))]
    lease: Span,
    /// PEM file of the certificate authorities to trust. Left out: those of the system.
    #[schemars(extend("x-kind" = "path", "examples" = ["/etc/ssl/company.pem"]))]
    ca_file: Option<PathBuf>,
    /// Part of a quota that an instance uses which has never been in touch with the store.
    #[schemars(range(min = 0.000_001, max = 1.0))]
    first_share: f64,
}

impl Default for RawStore {
    fn default() -> Self {
        Self {
            url: None,
            prefix: "ratelimit:".to_owned(),
            time_box: Span(Duration::from_millis(50)),
            lease: Span(Duration::from_secs(3)),
            ca_file: None,
            first_share: 0.25,
        }
    }
}

impl RawStore {
    /// Checks the section; `None` when it names no store.
    pub(crate) fn check(self, checker: &mut Checker<'_>) -> Option<Store> {
        check_prefix(&self.prefix, checker);
        let ca_file = self.ca_file.map(|path| checker.resolve(CA_FILE, &path));
        if ca_file
            .as_ref()
            .is_some_and(|path| path.as_os_str().is_empty())
        {
            checker.problem(CA_FILE, "must not be empty", "");
        }
        let Some(url) = self.url else {
            for key in OTHERS {
                if checker.is_set(key) {
                    checker.notice(key, "has no effect without store.url");
                }
            }
            return None;
        };
        let is_literal = url.is_literal();
        let url = url.fetch(URL, checker)?;
        check_url(&url, is_literal, ca_file.is_some(), checker)?;
        Some(Store {
            url,
            prefix: self.prefix,
            time_box: self.time_box.0,
            lease: self.lease.0,
            ca_file,
            first_share_ppm: millionths(self.first_share),
        })
    }
}

/// Checks the address, and says what is doubtful about it; `None` when it is none.
fn check_url(
    url: &Secret,
    is_literal: bool,
    has_ca_file: bool,
    checker: &mut Checker<'_>,
) -> Option<()> {
    let address = match Address::read(url.expose()) {
        Ok(address) => address,
        Err(fault) => {
            checker.problem(URL, fault.what, fault.hint);
            return None;
        }
    };
    if is_literal && address.has_secret() {
        match checker.origin(URL) {
            Origin::File { .. } => {
                let what = "holds a password and is written in the file itself; \
                            { env = \"NAME\" } or { file = \"PATH\" } keeps it out";
                checker.notice(URL, what);
            }
            Origin::Option(_) => {
                let what = "holds a password, and other users of this machine can see the \
                            command line; PACELINE_STORE_URL keeps it out";
                checker.notice(URL, what);
            }
            _ => {}
        }
    }
    if has_ca_file && !address.is_encrypted() {
        checker.notice(CA_FILE, "has no effect without TLS, as in rediss://");
    }
    Some(())
}

fn check_prefix(prefix: &str, checker: &mut Checker<'_>) {
    let got = clip(prefix);
    if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX {
        let what = format!("must be 1 to {PREFIX_BYTES_MAX} bytes (got {got})");
        checker.problem(PREFIX, what, "as in \"ratelimit:\"");
    } else if prefix.contains(['{', '}']) {
        let what = format!("must not have a brace (got {got})");
        let hint = "take it out: the name of the pool stands between braces, behind the prefix";
        checker.problem(PREFIX, what, hint);
    }
}

/// A part from 0 to 1 in millionths, 1 at the least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 1 to 1,000,000"
)]
fn millionths(part: f64) -> u32 {
    (part * 1e6).round().clamp(1.0, 1e6) as u32
}
