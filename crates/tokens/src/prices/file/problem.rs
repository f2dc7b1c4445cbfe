//! What is wrong with a price file, and where.

use std::error::Error;
use std::fmt;

/// How many problems are shown: beyond it, a file is not a price file.
const SHOWN_MAX: usize = 100;

/// One thing that is wrong with a price file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PriceProblem {
    /// Line, counted from 1; 0 means the file as a whole.
    pub line: usize,
    /// Dotted path of the key, as in `price[2].input`; may be empty.
    pub path: String,
    /// What is wrong, with the value that was found.
    pub what: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

/// Everything that is wrong with a price file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceProblems {
    name: String,
    problems: Vec<PriceProblem>,
}

impl PriceProblems {
    pub(super) fn new(name: &str, mut problems: Vec<PriceProblem>) -> Self {
        problems.sort();
        problems.dedup();
        let name = name.to_owned();
        Self { name, problems }
    }

    /// How many there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one")]
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    /// Each of them, in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &PriceProblem> {
        self.problems.iter()
    }
}

impl Error for PriceProblems {}

impl fmt::Display for PriceProblems {
    /// One problem a line; of very many, the first ones and how many more there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN_MAX).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.name)?;
            if problem.line > 0 {
                write!(f, ":{}", problem.line)?;
            }
            f.write_str(": ")?;
            if !problem.path.is_empty() {
                write!(f, "{}: ", problem.path)?;
            }
            f.write_str(&problem.what)?;
            if !problem.hint.is_empty() {
                write!(f, "; {}", problem.hint)?;
            }
        }
        match self.problems.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n... and {more} more"),
        }
    }
}
