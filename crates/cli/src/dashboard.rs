//! `paceline dashboard`: the address that signs a browser in.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use http::Method;
use paceline_admin_api::{DashboardSession, DashboardTicket};

use crate::admin::{Gateway, GatewayArgs};
use crate::exit::Failure;
use crate::runtime;
use crate::terminal::Terminal;

/// What opens an address in the browser that a person prefers.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// How long an opener is watched; one that runs on has become the browser.
const OPENER_PATIENCE: Duration = Duration::from_secs(2);

const EXAMPLES: &str = "\
Examples:
  paceline dashboard --open
  paceline dashboard --print | wl-copy
  paceline dashboard --address http://127.0.0.1:4200

The address ends with the admin token, behind a #: browsers send that to nobody, and the page
removes it. Who has the address has the token. --open uses a ticket in its place, good once.

Exit codes: 6 when no gateway answers there, 7 when the admin token is missing or wrong.";

/// Print the address of a running gateway's dashboard, or open it, signed in
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DashboardArgs {
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Open it in a browser
    #[arg(long)]
    open: bool,
    /// Print the address and nothing else
    #[arg(long, conflicts_with = "open")]
    print: bool,
}

pub(crate) fn run(args: &DashboardArgs) -> Result<(), Failure> {
    let gateway = args.gateway.find()?;
    let runtime = runtime::on_this_thread()?;
    if args.open {
        let asked = gateway.ask::<DashboardTicket>(Method::POST, "/dashboard/ticket");
        let made = runtime.block_on(gateway.within(asked))?;
        open(&address(&gateway, &made.ticket))?;
        let place = place(&gateway);
        return Terminal::stderr().line(&format!("opened {place}"));
    }
    // Whether somebody is there, and takes the token, is known before it is shown.
    let asked = gateway.get::<DashboardSession>("/dashboard/session");
    runtime.block_on(gateway.within(asked))?;
    let mut terminal = Terminal::stdout();
    terminal.line(&address(&gateway, gateway.token().expose()))?;
    if !args.print && terminal.is_interactive() {
        let hint = "whoever has this address has the admin token; --open needs no copying";
        return Terminal::stderr().line(hint);
    }
    Ok(())
}

fn place(gateway: &Gateway) -> String {
    format!("{}/dashboard", gateway.address())
}

fn address(gateway: &Gateway, token: &str) -> String {
    format!("{}#token={}", place(gateway), encoded(token))
}

/// Percent-encoded, but for what needs no encoding anywhere (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}

fn open(address: &str) -> Result<(), Failure> {
    let failed = |reason: &dyn std::fmt::Display| {
        Failure::other(format!(
            "no browser could be opened: {OPENER}: {reason}; open what `paceline dashboard` prints"
        ))
    };
    let started = Command::new(OPENER)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut opener = started.map_err(|error| failed(&error))?;
    watch(&mut opener).map_err(|reason| failed(&reason))
}

/// Waits a little for the opener to say that it cannot.
fn watch(opener: &mut Child) -> Result<(), String> {
    let end = Instant::now() + OPENER_PATIENCE;
    while Instant::now() < end {
        match opener.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(status.to_string()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_any_characters_comes_through_an_address() {
        assert_eq!(encoded("0123abcd-._~"), "0123abcd-._~");
        assert_eq!(encoded("a#b&c=d+e%/é "), "a%23b%26c%3Dd%2Be%25%2F%C3%A9%20");
    }
}
