//! `paceline top` on a pseudo-terminal, with a real gateway.

mod terminal;

use std::process::Stdio;
use std::time::Duration;

use paceline_simulator::{Simulator, SimulatorSettings};
use paceline_testkit::{GatewayCommand, GatewayProcess, chat};
use rustix::process::Signal;

use self::terminal::PseudoTerminal;
use crate::command::{ended, paceline, run};

/// One request goes, and the rest wait for longer than any test.
const LIMITS: &str = "[limits]\nrequests_per_hour = 1\n[queue]\nmax_wait = \"12h\"\n";

/// A gateway in front of a simulator.
async fn gateway(configuration: &str) -> (Simulator, GatewayProcess) {
    let simulator = Simulator::start(SimulatorSettings::default())
        .await
        .unwrap();
    let command = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), simulator.address());
    let gateway = command.configuration(configuration).start().unwrap();
    (simulator, gateway)
}

fn top(gateway: &GatewayProcess, environment: &[(&str, &str)]) -> PseudoTerminal {
    let address = format!("http://{}", gateway.address());
    let mut command = paceline(gateway.folder(), &["top", "--address", &address]);
    command.env("TERM", "xterm-256color");
    command.envs(environment.iter().copied());
    PseudoTerminal::start(&mut command, (100, 30))
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_are_seen_filtered_and_ended_with_keys() {
    let (_simulator, gateway) = gateway(LIMITS).await;
    let caller = gateway.caller();
    assert_eq!(caller.chat(&[], chat(5, false)).await.unwrap().status, 200);
    let wait = |tenant: &'static str, session: &'static str| {
        let caller = gateway.caller();
        tokio::spawn(async move {
            let headers = [
                ("x-paceline-tenant", tenant),
                ("x-paceline-session", session),
                ("x-paceline-priority", "batch"),
            ];
            caller.chat(&headers, chat(5, false)).await.unwrap()
        })
    };
    let [one, two, three] = [
        wait("acme", "s-1"),
        wait("zeta", "s-2"),
        wait("zeta", "s-2"),
    ];
    let mut top = top(&gateway, &[]);
    top.until("3 waiting");
    top.until("requests per hour");
    top.until("Limited");
    top.until("live");

    top.press("2");
    top.until("▸");
    top.until("zeta");
    top.press("/acme\r");
    top.until("1 of 3 listed");
    top.press("c");
    top.until("End this wait?");
    top.press("y");
    top.until("1 wait ended.");
    assert_eq!(one.await.unwrap().error_code(), "request_cancelled");
    top.until("Nobody who waits has that");
    // An escape that another key follows at once would be one key with Alt.
    top.press("\x1b");
    top.until("▸");
    top.press("C");
    top.until("End all waits of this session?");
    top.press("y");
    top.until("2 waits ended.");
    for call in [two, three] {
        assert_eq!(call.await.unwrap().error_code(), "request_cancelled");
    }
    top.until("Nobody waits");
    top.press("q");
    assert_eq!(top.wait().code(), Some(0));
    top.is_given_back();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_goes_and_comes_back_is_shown_again() {
    let (_simulator, gateway) = gateway("").await;
    let mut top = top(&gateway, &[]);
    top.until("live");
    gateway.kill().unwrap();
    top.until("NOT CONNECTED");
    top.until("Not connected");
    top.until(" s old");
    gateway.restart().unwrap();
    top.until("live");
    top.until("Idle");
    top.press("\x03");
    assert_eq!(top.wait().code(), Some(0));
    top.is_given_back();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_gives_the_terminal_back() {
    let (_simulator, gateway) = gateway("").await;
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut top = top(&gateway, &[]);
        top.until("live");
        top.signal(signal);
        assert_eq!(top.wait().code(), Some(code));
        top.is_given_back();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_size_is_taken_over_and_no_color_is_obeyed() {
    let (_simulator, gateway) = gateway("").await;
    let mut top = top(&gateway, &[("NO_COLOR", "1")]);
    top.until("live");
    top.resize((30, 8));
    top.until("Too small: 40 columns");
    top.resize((80, 24));
    top.until("No limit pool yet.");
    assert_eq!(top.colours(), Vec::<String>::new());
    top.press("q");
    assert_eq!(top.wait().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_gateway_costs_next_to_nothing_to_watch() {
    let (_simulator, gateway) = gateway("").await;
    let mut top = top(&gateway, &[]);
    top.until("Idle");
    // The last of the answers that come once in a while.
    top.until("Spent");
    // What is drawn once is not drawn again: nothing has changed.
    let before = top.bytes();
    std::thread::sleep(Duration::from_secs(2));
    let written = top.bytes() - before;
    assert!(written < 200, "{written} bytes");
    top.press("q");
    assert_eq!(top.wait().code(), Some(0));
}

#[test]
fn without_a_terminal_it_names_the_command_that_needs_none() {
    let home = tempfile::tempdir().unwrap();
    let asked = run(home.path(), &["top"]);
    assert_eq!(asked.code, Some(1));
    assert!(asked.err.contains("`paceline status`"), "{}", asked.err);
    assert_eq!(asked.out, "");
}

#[test]
fn without_a_gateway_the_screen_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut command = paceline(home.path(), &["top", "--address", "http://127.0.0.1:9"]);
    command.env("TERM", "xterm-256color");
    command.env("PACELINE_ADMIN_TOKEN", "0123456789abcdef");
    let mut top = PseudoTerminal::start(&mut command, (80, 24));
    assert_eq!(top.wait().code(), Some(6));
    top.until("no gateway answers at http://127.0.0.1:9");
    assert!(!top.has_taken_the_screen());
    command.env("TERM", "dumb");
    let mut dumb = PseudoTerminal::start(&mut command, (80, 24));
    assert_eq!(dumb.wait().code(), Some(1));
    // Keys from nowhere are none.
    let piped = ended(command.stdin(Stdio::null()).stdout(Stdio::piped()));
    assert_eq!(piped.code, Some(1));
}
