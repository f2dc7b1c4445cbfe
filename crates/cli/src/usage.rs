//! `paceline usage`: who used what, and what it cost.

use clap::{Args, ValueEnum};
use paceline_admin_api::{TokenUsage, UsageSums};
use paceline_tokens::prices::usd;

use crate::admin::GatewayArgs;
use crate::exit::Failure;
use crate::figures::{counted, grouped, percent, share, span_ms};
use crate::runtime;
use crate::table::{Side, Table};
use crate::terminal::{Terminal, plain};

const EXAMPLES: &str = "\
Examples:
  paceline usage                             the last 24 hours by model
  paceline usage --from -7d --by tenant
  paceline usage --from -30d --by day        day by day
  paceline usage --by model,tenant --session eval-42 --json

Exit codes: 6 when no gateway answers there, 7 when the admin token is missing or wrong.";

/// Show who used how many tokens, and what they cost, as a running gateway tells it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct UsageArgs {
    /// Calls that ended then or later: -24h, -7d, 2026-11-01T00:00:00Z
    #[arg(
        long,
        value_name = "TIME",
        default_value = "-24h",
        allow_hyphen_values = true
    )]
    from: String,
    /// Calls that ended before then
    #[arg(
        long,
        value_name = "TIME",
        default_value = "now",
        allow_hyphen_values = true
    )]
    to: String,
    /// model, tenant, key, session, tag, route, provider, outcome, lane, two of them with a comma between, or minute, hour, day
    #[arg(long, value_name = "WHAT", default_value = "model")]
    by: String,
    /// Of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Of this session
    #[arg(long)]
    session: Option<String>,
    /// For this model
    #[arg(long)]
    model: Option<String>,
    /// With this tag
    #[arg(long)]
    tag: Option<String>,
    /// Rows to show, those with most tokens first
    #[arg(long, value_name = "COUNT", default_value_t = 30)]
    limit: usize,
    /// Print what the gateway answers, as one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: GatewayArgs,
}

/// A stretch of time to tell calls apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stretch {
    Minute,
    Hour,
    Day,
}

pub(crate) fn run(args: &UsageArgs) -> Result<(), Failure> {
    let gateway = args.gateway.find()?;
    let stretch = Stretch::from_str(&args.by, false).ok();
    let path = args.path(stretch);
    let asked = gateway.within(gateway.get::<TokenUsage>(&path));
    let usage = runtime::on_this_thread()?.block_on(asked)?;
    let mut terminal = Terminal::stdout();
    if args.json {
        let text = serde_json::to_string_pretty(&usage)
            .map_err(|error| Failure::other(format!("the usage cannot be written: {error}")))?;
        return terminal.line(&text);
    }
    let rows = match stretch {
        Some(_) => over_time(&usage),
        None => by_name(&usage),
    };
    terminal.line(&lines(&usage, &args.by, &rows).join("\n"))
}

impl UsageArgs {
    fn path(&self, stretch: Option<Stretch>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", &self.from);
        query.append_pair("to", &self.to);
        query.append_pair("limit", &self.limit.to_string());
        match stretch {
            Some(_) => query.append_pair("bucket", &self.by),
            None => query.append_pair("group_by", &self.by),
        };
        for (name, value) in [
            ("tenant", &self.tenant),
            ("session", &self.session),
            ("model", &self.model),
            ("tag", &self.tag),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("/monitoring/token-usage?{}", query.finish())
    }
}

fn by_name(usage: &TokenUsage) -> Vec<(String, UsageSums)> {
    let rows = usage.groups.iter().map(|group| {
        let names: Vec<&str> = group
            .by
            .values()
            .map(|name| if name.is_empty() { "-" } else { name })
            .collect();
        (names.join(" / "), group.usage)
    });
    rows.collect()
}

fn over_time(usage: &TokenUsage) -> Vec<(String, UsageSums)> {
    let rows = usage.series.iter().map(|point| {
        let start = crate::ledger::shown_time(point.start_ms);
        (start, point.usage)
    });
    rows.collect()
}

fn lines(usage: &TokenUsage, by: &str, rows: &[(String, UsageSums)]) -> Vec<String> {
    let mut table = Table::new(&[
        (by, Side::Left),
        ("calls", Side::Right),
        ("input", Side::Right),
        ("cached", Side::Right),
        ("output", Side::Right),
        ("cost USD", Side::Right),
        ("waited", Side::Right),
        ("limited", Side::Right),
    ]);
    for (name, sums) in rows {
        table.row(cells(name, sums));
    }
    table.row(cells("in all", &usage.total));
    let mut lines = vec![format!(
        "From {} to {}",
        crate::ledger::shown_time(usage.from_ms),
        crate::ledger::shown_time(usage.until_ms)
    )];
    lines.extend(table.lines());
    if usage.truncated {
        lines.push("There are more rows: ask for them with --limit.".to_owned());
    }
    if usage.total.unpriced > 0 {
        lines.push(format!(
            "{} of them have no known price: their cost is not in it. See `paceline prices list`.",
            counted(usage.total.unpriced, "call")
        ));
    }
    if let Some(error) = usage.total.estimates.relative_error {
        let calls = counted(usage.total.estimates.calls, "call");
        lines.push(format!(
            "Estimates were off by {} over {calls}.",
            percent(error)
        ));
    }
    lines
}

fn cells(name: &str, sums: &UsageSums) -> [String; 8] {
    let average_ms = sums.wait_ms.checked_div(sums.waited).unwrap_or(0);
    [
        shown_name(name),
        grouped(sums.calls),
        grouped(sums.input_tokens),
        percent(share(sums.cached_tokens, sums.input_tokens)),
        grouped(sums.output_tokens),
        usd(sums.cost_nanousd).to_string(),
        span_ms(average_ms),
        grouped(sums.limited),
    ]
}

/// Callers choose names: nothing in them may act on a terminal.
fn shown_name(name: &str) -> String {
    let shown: String = name.chars().take(60).collect();
    plain(&shown)
}
