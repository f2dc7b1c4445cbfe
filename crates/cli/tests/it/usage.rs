//! `paceline usage` beside a running gateway.

use std::time::{Duration, Instant};

use paceline_testkit::{GatewayCommand, chat};
use serde_json::Value;

use crate::command::{Ended, run};

#[tokio::test]
async fn who_used_what_is_shown_and_told() {
    let simulator =
        paceline_simulator::Simulator::start(paceline_simulator::SimulatorSettings::default());
    let simulator = simulator.await.unwrap();
    let gateway = GatewayCommand::new(env!("CARGO_BIN_EXE_paceline"), simulator.address());
    let gateway = gateway.start().unwrap();
    for tenant in ["acme", "acme", "\u{7f}other"] {
        let headers = [("x-paceline-tenant", tenant.trim_start_matches('\u{7f}'))];
        let answer = gateway.caller().chat(&headers, chat(10, false)).await;
        assert_eq!(answer.unwrap().status, 200);
    }
    let address = format!("http://{}", gateway.address());
    let usage = |more: &[&str]| -> Ended {
        let mut args = vec!["usage", "--address", &address];
        args.extend(more);
        run(gateway.folder(), &args)
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    let told = loop {
        let shown = usage(&["--by", "tenant", "--json"]);
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        let told: Value = serde_json::from_str(&shown.out).unwrap();
        if told["total"]["calls"] == 3 {
            break told;
        }
        assert!(Instant::now() < deadline, "no records came: {told}");
    };
    assert_eq!(told["groups"][0]["by"]["tenant"], "acme");
    let shown = usage(&["--by", "tenant"]);
    for part in [
        "tenant",
        "acme",
        "other",
        "in all",
        "cost USD",
        "no known price",
    ] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let daily = usage(&["--from", "-2d", "--by", "day", "--tenant", "other"]);
    assert!(daily.out.contains("00:00:00 UTC"), "{}", daily.out);
    let wrong = usage(&["--by", "colour"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.err.contains("group_by"), "{}", wrong.err);
}
