//! What the admin plane answers when it does not answer what was asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdminError {
    /// What is wrong.
    pub error: AdminErrorBody,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdminErrorBody {
    /// A word for programs: `invalid_parameter`, `unknown_parameter`, `unauthorized`,
    /// `foreign_origin`, `foreign_host`, `not_found`, `method_not_allowed`, `ledger_off`,
    /// `store_away`, `store_failed`, `too_many_listeners`, `shutting_down`, `invalid_body`,
    /// `too_many_attempts`, `not_from_the_page`, `not_a_key`, `data_plane_away`, `no_randomness`,
    /// `simulation_busy`, `simulation_too_large` or `simulation_failed`.
    pub code: String,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// The parameter that is wrong, where it is one; of a body, the dotted path of the first thing
    /// that is.
    pub parameter: Option<String>,
    /// What is expected of it.
    pub expected: Option<String>,
}
