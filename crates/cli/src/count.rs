//! `paceline count`: exact tokens of a text or of a chat request, and how far estimates are off.

mod chat;
mod pieces;

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use paceline_tokens::{EstimateInput, Estimator, Family, Listing, TextProfile, Vocabulary, count};

use crate::exit::Failure;
use crate::figures::{grouped, percent, share};
use crate::table::{Side, Table};
use crate::terminal::{Style, Terminal};

use chat::ChatBody;

/// Progress is shown for texts of at least this size.
const LARGE_BYTES: usize = 4 << 20;

const EXAMPLES: &str = "\
Examples:
  paceline count prompt.txt
  paceline count --model gpt-4 < prompt.txt
  paceline count --chat request.json      a body of POST /v1/chat/completions
  paceline count --quiet prompt.txt       the number alone";

/// Count the tokens of a text exactly
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CountArgs {
    /// The text; `-` or nothing is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Model whose vocabulary counts [default: the model of the chat request, else gpt-4o]
    #[arg(short, long)]
    model: Option<String>,
    /// The text is the JSON body of a chat request: count its messages and tools, with framing
    #[arg(long)]
    chat: bool,
    /// Print the number alone
    #[arg(short, long)]
    quiet: bool,
}

const MODEL_DEFAULT: &str = "gpt-4o";

/// What was counted.
struct Counted {
    model: String,
    tokens: u64,
    input: EstimateInput,
}

pub(crate) fn run(args: &CountArgs) -> Result<(), Failure> {
    let text = read(&args.file)?;
    let counted = if args.chat {
        count_chat(&text, args.model.as_deref())?
    } else {
        count_text(&text, args.model.as_deref())?
    };
    let mut terminal = Terminal::stdout();
    if args.quiet {
        return terminal.line(&counted.tokens.to_string());
    }
    terminal.line(&report(&counted, terminal.style()).join("\n"))
}

fn read(file: &Path) -> Result<String, Failure> {
    let shown = if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    };
    let bytes = if file == Path::new("-") {
        if std::io::stdin().is_terminal() {
            Terminal::stderr().line("reading from the terminal; Ctrl-D ends the text")?;
        }
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let bytes = bytes.map_err(|error| Failure::other(format!("cannot read {shown}: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::other(format!(
            "{shown} is not UTF-8 text: it goes wrong at byte {}; convert it first",
            grouped(at as u64)
        ))
    })
}

fn count_text(text: &str, model: Option<&str>) -> Result<Counted, Failure> {
    let model = model.unwrap_or(MODEL_DEFAULT);
    let vocabulary = Vocabulary::for_model(model);
    let mut progress = Progress::new(text.len());
    let mut tokens = 0;
    for piece in pieces::pieces(text) {
        tokens += count(vocabulary, piece);
        progress.advance(piece.len())?;
    }
    progress.clear()?;
    Ok(Counted {
        model: model.to_owned(),
        tokens,
        input: EstimateInput {
            profile: TextProfile::of(text),
            family: Family::for_model(model),
            ..EstimateInput::default()
        },
    })
}

fn count_chat(text: &str, model: Option<&str>) -> Result<Counted, Failure> {
    let body = ChatBody::read(text)?;
    let model = model.or(body.model()).unwrap_or(MODEL_DEFAULT);
    Ok(Counted {
        tokens: body.tokens(model),
        input: body.estimate_input(model),
        model: model.to_owned(),
    })
}

fn report(counted: &Counted, style: Style) -> Vec<String> {
    let resolved = Vocabulary::resolve(&counted.model);
    let sure = match resolved.listing {
        Listing::Listed => "",
        Listing::Assumed => ", assumed from the model's name",
        Listing::Unknown => ", assumed: the model is not known",
    };
    let tokens = style.bold(&grouped(counted.tokens));
    let mut lines = vec![format!(
        "{tokens} tokens   ({}, {}{sure})",
        counted.model,
        resolved.vocabulary.name()
    )];
    let profile = &counted.input.profile;
    lines.push(format!(
        "{} characters, {} bytes",
        grouped(profile.characters),
        grouped(profile.bytes)
    ));
    lines.push(String::new());
    let mut table = Table::new(&[
        ("estimate", Side::Left),
        ("tokens", Side::Right),
        ("error", Side::Right),
        ("", Side::Left),
    ]);
    for estimator in Estimator::ALL {
        let estimate = estimator.estimate(&counted.input).input_tokens;
        table.row([
            estimator.name().to_owned(),
            grouped(estimate),
            error(estimate, counted.tokens),
            meaning(estimator).to_owned(),
        ]);
    }
    lines.extend(table.lines());
    lines
}

/// How far an estimate is off, with its sign.
fn error(estimate: u64, actual: u64) -> String {
    if actual == 0 {
        return String::new();
    }
    let sign = if estimate < actual { "-" } else { "+" };
    format!(
        "{sign}{}",
        percent(share(estimate.abs_diff(actual), actual))
    )
}

fn meaning(estimator: Estimator) -> &'static str {
    match estimator {
        Estimator::Simple => "characters / 4, and 20 % more",
        Estimator::Generous => "characters / 4 + 100, and 20 % more",
        Estimator::Calibrated => "fitted to the vocabulary",
    }
}

/// A line on the terminal that says how far a large count has come.
struct Progress {
    terminal: Option<Terminal>,
    done: usize,
    total: usize,
}

impl Progress {
    fn new(total: usize) -> Self {
        let terminal = Terminal::stderr();
        let shown = total >= LARGE_BYTES && terminal.is_interactive();
        Self {
            terminal: shown.then_some(terminal),
            done: 0,
            total,
        }
    }

    fn advance(&mut self, bytes: usize) -> Result<(), Failure> {
        self.done += bytes;
        let Some(terminal) = &mut self.terminal else {
            return Ok(());
        };
        let done = percent(share(self.done as u64, self.total as u64));
        terminal.write(&format!("\rcounting {done} of {} MiB", self.total >> 20))
    }

    fn clear(&mut self) -> Result<(), Failure> {
        match &mut self.terminal {
            Some(terminal) => terminal.write("\r\x1b[K"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_their_sign() {
        assert_eq!(error(120, 100), "+20 %");
        assert_eq!(error(80, 100), "-20 %");
        assert_eq!(error(100, 100), "+0 %");
        assert_eq!(error(5, 0), "");
    }
}
