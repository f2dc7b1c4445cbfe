//! The store in memory does what every store has to do.

use paceline_coordinator::{InProcess, coordinator_conformance};

coordinator_conformance!(InProcess::new());
