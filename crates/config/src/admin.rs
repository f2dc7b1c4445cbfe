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
    /// Host names under which it is asked, besides `localhost` and addresses; in lower case.
    pub hosts: Vec<String>,
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
    /// Host names under which it may be asked, without ports. `localhost` and addresses always
    /// may be used; any other name is refused, because a web page can make a name of its own
    /// point here.
    #[schemars(extend("examples" = [["paceline.internal"]]))]
    hosts: Vec<String>,
}

impl Default for RawAdmin {
    fn default() -> Self {
        Self {
            enabled: true,
            listen: None,
            state_dir: None,
            token: None,
            hosts: Vec::new(),
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
            hosts: hosts(self.hosts, checker),
        }
    }
}

fn hosts(written: Vec<String>, checker: &mut Checker<'_>) -> Vec<String> {
    let is_name = |host: &String| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        !host.is_empty() && host.bytes().all(fits)
    };
    if let Some(wrong) = written.iter().find(|host| !is_name(host)) {
        checker.problem(
            "admin.hosts",
            format!("must be host names (got {wrong:?})"),
            "write them without scheme, port and path, as in paceline.internal",
        );
    }
    let hosts = written.into_iter();
    hosts.map(|host| host.to_ascii_lowercase()).collect()
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
