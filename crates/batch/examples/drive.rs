//! Runs a batch whose answers are made up, and tells what it does, until it is done or killed.
//!
//! `cargo run -p paceline-batch --example drive -- INPUT OUTPUT [--order-input]`
//!
//! Every answer repeats the request. `sent NAME` is told before a request would be sent, `done NAME` when its
//! answer is on disk; `broken: WHY` when the disk takes no more.

#![expect(clippy::print_stdout, reason = "what it tells is what it is for")]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use bytes::Bytes;
use paceline_batch::{
    Answer, Finished, Items, Job, JobOptions, Journal, LineId, Order, RunEnd, Source, open,
};
use tokio::task::JoinSet;

/// Requests at once.
const AT_ONCE: usize = 16;

fn job() -> Option<Job> {
    let mut arguments = std::env::args_os().skip(1);
    let (input, output) = (arguments.next()?, arguments.next()?);
    let order = match arguments.next() {
        Some(_) => Order::Input,
        None => Order::AsTheyCome,
    };
    Some(Job {
        input: Source::File(PathBuf::from(input)),
        output: PathBuf::from(output),
        options: JobOptions {
            order,
            ..JobOptions::default()
        },
    })
}

fn tell(what: &str) {
    println!("{what}");
    drop(std::io::stdout().flush());
}

async fn request(id: LineId, items: Items, journal: Journal) -> Result<(), String> {
    let item = items.read(id).map_err(|error| error.to_string())?;
    journal
        .sent(id, 1)
        .await
        .map_err(|error| error.to_string())?;
    tell(&format!("sent {}", item.custom_id));
    // Long enough that a kill finds some of them on their way.
    tokio::task::yield_now().await;
    let finished = Finished {
        custom_id: item.custom_id.clone(),
        answer: Some(Answer {
            status: 200,
            request_id: None,
            body: Bytes::clone(&item.body),
        }),
        ..Finished::default()
    };
    journal
        .done(id, finished)
        .await
        .map_err(|error| error.to_string())?;
    tell(&format!("done {}", item.custom_id));
    Ok(())
}

async fn drive(job: &Job) -> Result<(), String> {
    let mut opened = open(job).map_err(|error| error.to_string())?;
    for line in &opened.found.maybe_sent.first {
        tell(&format!("maybe {}", line.custom_id));
    }
    tell(&format!("opened {}", opened.found.to_do));
    let items = opened.work.items();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < AT_ONCE {
            let Some(id) = opened.work.next() else { break };
            tasks.spawn(request(id, items.clone(), opened.journal.clone()));
        }
        match tasks.join_next().await {
            Some(done) => done.map_err(|error| error.to_string())??,
            None => break,
        }
    }
    let manifest = opened
        .journal
        .finish(RunEnd::Complete)
        .await
        .map_err(|error| error.to_string())?;
    tell(&format!("finished {}", manifest.lines.ok));
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(job) = job() else {
        tell("usage: drive INPUT OUTPUT [--order-input]");
        return ExitCode::from(2);
    };
    match drive(&job).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("broken: {error}"));
            ExitCode::FAILURE
        }
    }
}
