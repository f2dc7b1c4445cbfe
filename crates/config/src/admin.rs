//! `[admin]`: the monitoring listener and the folder for state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::checker::Checker;
use crate::secret::RawSecret;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::Secret;

/// The admin plane.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Whether the admin plane is served at all.
    pub enabled: bool,
    /// Its own address; `None` means the address of the gateway itself.
    pub listen: Option<SocketAddr>,
    /// Folder of the admin token and of learned limits.
    pub state_dir: PathBuf,
    /// The bearer token to ask for; `None` means the one kept in `state_dir`, made at first start.
    pub token: Option<Secret>,
}

/// The shortest token that is taken: shorter ones can be guessed.
const TOKEN_CHARACTERS_MIN: usize = 16;

/// The admin plane: monitoring, metrics and the dashboard.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RawAdmin {
    /// Whether the admin plane is served at all.
    enabled: bool,
    /// Its own address. Left out: the address of the gateway itself.
    #[schemars(with = "Option<String>")]
    #[schemars(extend("x-kind" = "address", "examples" = ["127.0.0.1:4101"]))]
    listen: Option<SocketAddr>,
    /// Folder of the admin token and of learned limits. Left out: `paceline` in XDG_STATE_HOME,
    /// else `.local/state/paceline` in HOME.
    #[schemars(extend("x-kind" = "path", "examples" = ["/var/lib/paceline"]))]
    state_dir: Option<PathBuf>,
    /// Bearer token to ask for, 16 characters at least. Left out: the one kept in the state
    /// folder, which is made at the first start.
    #[schemars(extend("examples" = [{ "env": "ADMIN_TOKEN" }]))]
    token: Option<RawSecret>,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: None,
            state_dir: None,
            token: None,
        }
    }
}

impl RawAdmin {
    pub(crate) fn check(self, server: SocketAddr, checker: &mut Checker<'_>) -> Admin {
        if self.listen == Some(server) && server.port() != 0 {
            checker.problem(
                "admin.listen",
                format!("is the address of the gateway itself (got \"{server}\")"),
                "leave it out to serve both there",
            );
        }
        let token = self
            .token
            .and_then(|token| token.check("admin.token", checker));
        if token
            .as_ref()
            .is_some_and(|token| token.expose().len() < TOKEN_CHARACTERS_MIN)
        {
            let what = format!("must be at least {TOKEN_CHARACTERS_MIN} characters long");
            checker.problem("admin.token", what, "the value is not shown here");
        }
        Admin {
            enabled: self.enabled,
            listen: self.listen,
            state_dir: state_dir(self.state_dir, checker),
            token,
        }
    }
}

fn state_dir(written: Option<PathBuf>, checker: &mut Checker<'_>) -> PathBuf {
    const PATH: &str = "admin.state_dir";
    if let Some(path) = written {
        if path.as_os_str().is_empty() {
            checker.problem(PATH, "must not be empty", "");
        }
        return checker.resolve(PATH, &path);
    }
    // A relative path in these variables is to be ignored, says the XDG base directory standard.
    let folder = |name| {
        checker
            .variable(name)
            .map(Path::new)
            .filter(|path| path.is_absolute())
    };
    if let Some(state) = folder("XDG_STATE_HOME") {
        return state.join("paceline");
    }
    if let Some(home) = folder("HOME") {
        return home.join(".local/state/paceline");
    }
    let what = "cannot be found: neither XDG_STATE_HOME nor HOME is set to an absolute path";
    checker.problem(PATH, what, "set PACELINE_STATE_DIR");
    PathBuf::new()
}
