//! Child processes.

use std::env;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use paceline_testkit::process::{Process, Program};
use paceline_testkit::redis::RedisServer;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::echo::PATIENCE;

/// A shell that runs `script`.
fn shell(script: &str) -> (TempDir, Program) {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new("/bin/sh", folder.path());
    (folder, program.argument("-c").argument(script))
}

fn start(script: &str) -> (TempDir, Process) {
    let (folder, program) = shell(script);
    let process = Process::start(program, &folder.path().join("log")).unwrap();
    (folder, process)
}

/// Whether a process is there and is more than an entry that its parent has not collected: an orphan's
/// new parent takes its time with that.
fn runs(id: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn what_a_process_prints_is_found_in_its_log() {
    let (_folder, process) = start("echo one; echo two >&2; echo three two");
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert_eq!(process.log().text(), "one\ntwo\nthree two\n");
    assert!(process.log().contains("ne\ntw"));
    assert_eq!(process.log().lines_with("two"), ["two", "three two"]);
    let error = process.log().wait_for("four", Duration::ZERO).unwrap_err();
    assert!(error.to_string().contains("three two"), "{error}");
}

#[test]
fn a_frozen_process_stands_still_and_goes_on_when_thawed() {
    let script = "trap 'echo heard' USR1; echo ready; while :; do sleep 0.01; done";
    let (_folder, process) = start(script);
    process.log().wait_for("ready", PATIENCE).unwrap();
    for _ in 0..3 {
        process.freeze().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        assert!(stat.contains(") T "), "{stat}");
        process.thaw().unwrap();
    }
    process.freeze().unwrap();
    process.signal(Signal::USR1).unwrap();
    assert!(!process.log().contains("heard"));
    process.thaw().unwrap();
    process.log().wait_for("heard", PATIENCE).unwrap();
}

#[test]
fn a_frozen_process_can_be_terminated_and_killed() {
    let (_folder, process) =
        start("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    process.log().wait_for("ready", PATIENCE).unwrap();
    process.freeze().unwrap();
    assert_eq!(process.terminate().unwrap().code(), Some(3));
    assert!(process.log().contains("bye"));
    assert!(process.freeze().is_err(), "it has ended");
    process.start_again().unwrap();
    process.freeze().unwrap();
    process.kill().unwrap();
    process.kill().unwrap();
    assert!(!runs(process.id()));
}

#[test]
fn a_process_started_again_goes_on_with_the_same_log() {
    let (_folder, process) = start("echo $$; exec sleep 1000");
    let first = process.id();
    process
        .log()
        .wait_for(&first.to_string(), PATIENCE)
        .unwrap();
    process.start_again().unwrap();
    assert!(!runs(first));
    let second = process.id().to_string();
    process.log().wait_for(&second, PATIENCE).unwrap();
    assert!(process.log().contains(&first.to_string()));
    let id = process.id();
    drop(process);
    assert!(!runs(id));
}

#[test]
fn a_clock_can_be_an_hour_off() {
    for (offset_s, script) in [(3600, "date +%s"), (-3600, "date +%s"), (0, "date +%s")] {
        let (folder, program) = shell(script);
        let program = program.clock_offset_s(offset_s);
        let process = Process::start(program, &folder.path().join("log")).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(0));
        let told: i64 = process.log().text().trim().parse().unwrap();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
        let off_s = told - now - offset_s;
        assert!((-60..=0).contains(&off_s), "{offset_s}: {off_s}");
    }
}

#[test]
fn processor_time_is_that_of_the_process() {
    let (_folder, process) = start("while :; do :; done");
    let end = Instant::now() + PATIENCE;
    while process.cpu_time().unwrap() < Duration::from_millis(50) {
        assert!(Instant::now() < end, "a busy process uses time");
    }
    process.freeze().unwrap();
    let used = process.cpu_time().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(process.cpu_time().unwrap(), used, "a frozen one does not");
}

#[test]
fn a_program_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::new("/does/not/exist", folder.path());
    let process = Process::start(program, &folder.path().join("log")).unwrap();
    let error = process.until_ready(|| anyhow::bail!("no")).unwrap_err();
    assert!(error.to_string().contains("/does/not/exist"), "{error}");
}

/// Set for a test process that is to die before its server.
const DIES: &str = "TESTKIT_TEST_DIES";

#[test]
#[ignore = "started by another test, as a process that dies"]
fn dies_with_a_server() {
    let Some(file) = env::var_os(DIES) else {
        return;
    };
    // Started by a thread that ends at once: the server lives on with the process.
    let server = std::thread::spawn(|| RedisServer::start().unwrap());
    let server = server.join().unwrap();
    server.command(&["PING"]).unwrap();
    std::fs::write(file, server.process().id().to_string()).unwrap();
    std::process::abort();
}

#[test]
fn no_server_outlives_the_process_that_started_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("id");
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "process::dies_with_a_server", "--ignored"])
        .env(DIES, &file)
        .env("TMPDIR", folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), None, "it was aborted");
    let id = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let end = Instant::now() + PATIENCE;
    while runs(id) {
        assert!(Instant::now() < end, "the server is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}
