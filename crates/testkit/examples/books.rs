//! The ledger against the provider's own books.
//!
//! ```text
//! cargo build -p paceline-cli && cargo run -p paceline-testkit --example books [-- --calls 10000 --at-once 64]
//! ```
//!
//! Makes calls of all kinds through a real gateway in front of the simulated provider, and compares the
//! ledger's records with what the provider billed, one by one; then the same with the gateway killed in
//! the middle. The command is looked for where cargo builds it, unless `--binary` names it.

#![expect(
    clippy::print_stdout,
    reason = "the figures are what the example is for"
)]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use paceline_testkit::{BooksReport, BooksRun};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let mut run = BooksRun {
        binary: built_command()?,
        calls: 10_000,
        at_once: 64,
        kill: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next();
        let value = value.with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--calls" => run.calls = value.parse()?,
            "--at-once" => run.at_once = value.parse()?,
            "--binary" => run.binary = PathBuf::from(value),
            _ => bail!("unknown option {name}"),
        }
    }
    show(&run.run().await?)?;
    run.kill = true;
    show(&run.run().await?)
}

fn show(report: &BooksReport) -> Result<()> {
    println!("{} calls, {} records", report.calls, report.records);
    println!("{}", report.table());
    if let Some(killed) = &report.killed {
        println!("killed in the middle: {killed:#?}");
        ensure!(killed.missing_of_before == 0 && killed.missing_of_after == 0);
    } else {
        ensure!(report.missing.is_empty(), "missing: {:?}", report.missing);
    }
    ensure!(report.twice.is_empty(), "twice: {:?}", report.twice);
    let unexplained = report.unexplained.join("\n");
    ensure!(unexplained.is_empty(), "unexplained:\n{unexplained}");
    Ok(())
}

/// Beside the folder of this example.
fn built_command() -> Result<PathBuf> {
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(Path::parent);
    Ok(folder.context("this runs in a folder")?.join("paceline"))
}
