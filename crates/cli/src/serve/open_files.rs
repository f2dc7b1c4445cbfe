//! Room for connections: the limit on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open beside connections: listeners, logs, state.
const OTHER_FILES: u64 = 256;

/// Raises the soft limit on open files to the hard one when it is too low for `connections_max`
/// callers, each of whom may need a connection to the provider as well.
pub(super) fn raise_limit(connections_max: usize) {
    let needed = (connections_max as u64).saturating_mul(2) + OTHER_FILES;
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if enough(current) {
        return;
    }
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let result = setrlimit(Resource::Nofile, raised);
    if let Err(error) = result {
        tracing::warn!(%error, "the limit on open files cannot be raised");
    }
    let limit = getrlimit(Resource::Nofile).current;
    if !enough(limit) {
        tracing::info!(
            limit,
            needed,
            "if all of server.connections_max came at once, there would be more open files than \
             are allowed; lower it, or raise the hard limit (ulimit -Hn)"
        );
    }
}
