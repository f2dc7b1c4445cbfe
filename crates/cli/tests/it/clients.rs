//! Commands that serve no calls, where the environment is that of a gateway's client.

use std::fs;
use std::path::Path;

use paceline_testkit::{GatewayCommand, chat};

use crate::command::{ended, paceline};

/// What a client of a gateway has in its environment.
const CLIENT: [(&str, &str); 3] = [
    ("OPENAI_BASE_URL", "http://127.0.0.1:4100/v1"),
    ("OPENAI_API_KEY", "sk-of-the-client"),
    ("OPENAI_MAX_RETRIES", "none"),
];

/// Runs a command that has to go well.
fn works(home: &Path, args: &[&str]) -> String {
    let shown = ended(paceline(home, args).envs(CLIENT));
    assert_eq!(shown.code, Some(0), "{args:?}: {}", shown.err);
    shown.out
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_for_a_gateway_work_where_its_clients_do() {
    let simulator =
        paceline_simulator::Simulator::start(paceline_simulator::SimulatorSettings::default());
    let simulator = simulator.await.unwrap();
    let gateway = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), simulator.address());
    let gateway = gateway.start().unwrap();
    let answer = gateway.caller().chat(&[], chat(5, false)).await.unwrap();
    assert_eq!(answer.status, 200);
    let (home, address) = (gateway.folder(), format!("http://{}", gateway.address()));
    let made = works(home, &["keys", "create", "--name", "n", "--tenant", "acme"]);
    assert!(made.starts_with("pl-"), "{made}");
    for (args, words) in [
        (&["keys", "list"][..], "acme"),
        (&["ledger", "status"], "ledger.db"),
        (&["ledger", "export"], "call_id"),
        (&["prices", "list"], "openai"),
        (&["prices", "check"], "price"),
        (&["status", "--address", &address], "gpt-4o"),
        (&["usage", "--address", &address], "in all"),
    ] {
        let shown = works(home, args);
        assert!(shown.contains(words), "{args:?}: {shown}");
    }
}

#[test]
fn a_secret_that_the_file_takes_from_such_a_variable_is_found() {
    let home = tempfile::tempdir().unwrap();
    let file = "[upstream]\napi_key = { env = \"OPENAI_API_KEY\" }\n";
    fs::write(home.path().join("gateway.toml"), file).unwrap();
    for args in [["keys", "list"], ["prices", "list"]] {
        let args = [&args[..], &["--config", "gateway.toml"]].concat();
        works(home.path(), &args);
    }
}
