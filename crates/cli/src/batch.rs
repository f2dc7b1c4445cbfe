//! `paceline batch`: files of requests, run to their end.

mod arguments;
mod control;
mod engine;
mod keyboard;
mod plan;
mod run;
mod screen;
mod summary;
mod values;
mod view;

use clap::Subcommand;

use crate::exit::Failure;

/// Run files of requests to their end, as fast as the quota allows
#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    Plan(Box<plan::PlanArgs>),
    Run(Box<arguments::RunArgs>),
    Status(control::StatusArgs),
    Pause(control::PauseArgs),
    Resume(control::ResumeArgs),
    Stop(control::StopArgs),
    Set(control::SetArgs),
}

pub(crate) fn run(command: &BatchCommand) -> Result<(), Failure> {
    match command {
        BatchCommand::Plan(args) => plan::run(args),
        BatchCommand::Run(args) => run::run(args),
        BatchCommand::Status(args) => control::status(args),
        BatchCommand::Pause(args) => control::pause(args),
        BatchCommand::Resume(args) => control::resume(args),
        BatchCommand::Stop(args) => control::stop(args),
        BatchCommand::Set(args) => control::set(args),
    }
}
