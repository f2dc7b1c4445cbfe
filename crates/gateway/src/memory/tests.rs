//! What comes back, and what becomes of a file that is not as it was written.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use paceline_limiter::{ChargeFormula, Combine, LimitMemory, Metric, WindowKind};
use serde_json::value::to_raw_value;

use super::*;

const NOW: u64 = 1_700_000_000;

const UPSTREAM: &str = "https://provider.test/v1";

fn key(model: &str) -> PoolKey {
    PoolKey::Learned {
        rule: "default".into(),
        credential: 0x0123_4567_89ab_cdef,
        model: model.into(),
    }
}

fn known() -> limiter::Memory {
    let tokens = LimitMemory {
        metric: Metric::Tokens,
        amount: 60_000,
        window: Duration::from_secs(60),
        kind: Some(WindowKind::Bucket),
        confirmed: 52_000,
        piece: Some(1_000),
        used: 45_000,
    };
    let requests = LimitMemory {
        metric: Metric::Requests,
        amount: 10_000,
        window: Duration::from_secs(86_400),
        kind: None,
        confirmed: 0,
        piece: None,
        used: 7,
    };
    limiter::Memory {
        limits: vec![tokens, requests],
        charge: Some(ChargeFormula {
            combine: Combine::Max,
            input_permille: 1_250,
            refunds: true,
            failures_free: false,
        }),
    }
}

fn memory(folder: &Path) -> Memory {
    Memory::new(folder.join("learned.json"), [7; 16], HashMap::new())
}

fn payload(memory: &Memory, live: Vec<(PoolKey, limiter::Memory)>, now: u64) -> Payload {
    let mut learned = Learned::default();
    let input = paceline_tokens::EstimateInput {
        profile: paceline_tokens::TextProfile::of("How are you today? All is well here."),
        ..paceline_tokens::EstimateInput::default()
    };
    learned.calibrations.observe("gpt-4o", &input, 12);
    Payload {
        salt: hex(&memory.salt),
        upstream: fingerprint(&memory.salt, UPSTREAM),
        pools: memory.collect_pools(live, now),
        calibrations: learned.calibrations.export(),
        output_lengths: learned.output_lengths.export(),
    }
}

fn fresh() -> Written {
    Written {
        hold: Hold::Unknown,
        digest: None,
        failing: false,
    }
}

/// A file as it is written, in bytes.
fn written() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let payload = payload(&memory, vec![(key("gpt-4o"), known())], NOW);
    file::write(&memory.path, NOW, payload.to_json().unwrap()).unwrap();
    fs::read(&memory.path).unwrap()
}

/// A file with the right checksum whose content was changed.
fn forged(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let payload = payload(&memory, vec![(key("gpt-4o"), known())], NOW);
    let mut value = serde_json::to_value(&payload).unwrap();
    change(&mut value);
    file::write(&memory.path, NOW, to_raw_value(&value).unwrap()).unwrap();
    fs::read(&memory.path).unwrap()
}

/// What a start makes of these bytes: the pools it knows, and its log.
fn start(bytes: &[u8]) -> (usize, String, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("learned.json"), bytes).unwrap();
    let (recalled, log) = logged(|| Memory::load(folder.path(), UPSTREAM));
    let pools = recalled.memory.pools.lock().len();
    (pools, log, folder)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logged<T>(action: impl FnOnce() -> T) -> (T, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let result = tracing::subscriber::with_default(subscriber, action);
    let text = String::from_utf8_lossy(&log.0.lock()).into_owned();
    (result, text)
}

/// The file is out of the way, and one line says what is wrong and what follows.
#[track_caller]
fn assert_refused(bytes: &[u8], wrong: &str) {
    let (pools, log, folder) = start(bytes);
    assert_eq!(pools, 0);
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 1, "{log}");
    for words in [" WARN ", wrong, "starts without memory", "learned.json.bad"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert!(!folder.path().join("learned.json").exists());
    let aside = fs::read(folder.path().join("learned.json.bad")).unwrap();
    assert_eq!(aside, bytes);
}

#[test]
fn what_was_known_comes_back() {
    let now = unix_seconds_now();
    let folder = tempfile::tempdir().unwrap();
    let before = memory(&folder.path().join("made/by/need"));
    let configured = PoolKey::Configured {
        rule: "concurrency".into(),
    };
    let live = vec![(key("gpt-4o"), known()), (configured.clone(), known())];
    let payload = payload(&before, live, now - 30);
    file::write(&before.path, now - 30, payload.to_json().unwrap()).unwrap();
    let mode = fs::metadata(&before.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (recalled, log) = logged(|| Memory::load(before.path.parent().unwrap(), UPSTREAM));
    assert_eq!(log, "");
    let after = recalled.memory;
    assert_eq!(after.salt, before.salt);
    for key in [key("gpt-4o"), configured] {
        let (memory, age) = after.of(&key).unwrap();
        assert_eq!(memory, known());
        assert!((30..40).contains(&age.as_secs()), "{age:?}");
    }
    assert_eq!(after.of(&key("gpt-5")), None);
    assert_eq!(recalled.learned.calibrations.export(), payload.calibrations);
    let files = fs::read_dir(before.path.parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "nothing is left of writing");
}

#[test]
fn a_file_that_is_cut_at_any_byte_is_not_used() {
    let whole = written();
    assert!(file::parse(&whole, NOW).is_ok());
    // Without the end of the line at its end it is whole still.
    for length in 0..whole.len() - 1 {
        let found = file::parse(whole.get(..length).unwrap(), NOW);
        assert!(
            matches!(found, Err(Problem::Torn(_))),
            "{length}: {found:?}"
        );
    }
    assert_refused(whole.get(..whole.len() / 2).unwrap(), "torn or not JSON");
    assert_refused(b"", "torn or not JSON");
    assert_refused(b"\x00\xff not JSON", "torn or not JSON");
}

#[test]
fn a_file_with_any_bit_changed_is_not_used() {
    let whole = written();
    let meant = file::parse(&whole, NOW).unwrap().to_json().unwrap();
    for place in 0..whole.len() {
        for bit in [0x01, 0x20] {
            let mut changed = whole.clone();
            changed[place] ^= bit;
            // White space may be of any kind.
            if let Ok(payload) = file::parse(&changed, NOW) {
                assert_eq!(payload.to_json().unwrap().get(), meant.get(), "{place}");
            }
        }
    }
    let text = String::from_utf8(whole).unwrap();
    assert_refused(text.replace("60000", "99999").as_bytes(), "checksum");
}

#[test]
fn a_file_of_another_version_is_not_used_whatever_is_in_it() {
    assert_refused(br#"{"version":2,"anything":[]}"#, "version 2");
}

#[test]
fn a_file_from_the_future_is_not_used() {
    let whole = written();
    assert!(
        file::parse(&whole, NOW - 60).is_ok(),
        "a clock that was set"
    );
    let jumped = file::parse(&whole, NOW - 61);
    assert!(matches!(jumped, Err(Problem::Future(61))), "{jumped:?}");
    let later = unix_seconds_now() + 3_600;
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let payload = payload(&memory, vec![(key("gpt-4o"), known())], later);
    file::write(&memory.path, later, payload.to_json().unwrap()).unwrap();
    assert_refused(&fs::read(&memory.path).unwrap(), "in the future");
}

#[test]
fn figures_that_make_no_sense_are_not_used() {
    for (path, value) in [
        ("/pools/0/limits/0/amount", serde_json::json!(0)),
        ("/pools/0/limits/0/amount", serde_json::json!(u64::MAX)),
        ("/pools/0/limits/0/window_ms", serde_json::json!(0)),
        ("/pools/0/limits/0/window_ms", serde_json::json!(u64::MAX)),
        ("/pools/0/limits/0/piece", serde_json::json!(0)),
        ("/pools/0/charge/input_permille", serde_json::json!(0)),
        ("/pools/0/credential", serde_json::json!("sk-key")),
        ("/pools/0/rule", serde_json::json!("r".repeat(257))),
        ("/pools/0/taken_unix_s", serde_json::json!(u64::MAX)),
        ("/salt", serde_json::json!("short")),
    ] {
        let bytes = forged(|payload| *payload.pointer_mut(path).unwrap() = value.clone());
        assert_refused(&bytes, "makes no sense");
    }
    let text = serde_json::json!("many");
    let bytes = forged(|payload| *payload.pointer_mut("/pools/0/limits/0/used").unwrap() = text);
    assert_refused(&bytes, "not JSON");
    let tokens = serde_json::json!(9);
    let version = "/calibrations/version";
    let bytes = forged(|payload| *payload.pointer_mut(version).unwrap() = tokens);
    assert_refused(&bytes, "version 9");
}

#[test]
fn a_level_beyond_reason_stops_a_pool_for_no_more_than_two_windows() {
    let most = serde_json::json!(u64::MAX);
    let bytes = forged(|payload| *payload.pointer_mut("/pools/0/limits/0/used").unwrap() = most);
    let payload = file::parse(&bytes, NOW).unwrap();
    let (_, known) = payload.pools[0].unpack().unwrap();
    assert_eq!(known.memory.limits[0].used, 120_000);
}

#[test]
fn what_is_no_file_is_moved_aside() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("learned.json")).unwrap();
    let (_, log) = logged(|| Memory::load(folder.path(), UPSTREAM));
    assert!(log.contains("is not in a file"), "{log}");
    assert!(folder.path().join("learned.json.bad").is_dir());
}

#[test]
fn limits_of_another_upstream_are_not_taken_up_but_estimates_are() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("learned.json"), written()).unwrap();
    let (recalled, log) = logged(|| Memory::load(folder.path(), "https://other.test/v1"));
    assert!(log.contains("another upstream"), "{log}");
    assert_eq!(recalled.memory.of(&key("gpt-4o")), None);
    assert_eq!(recalled.learned.calibrations.models().count(), 1);
}

#[test]
fn the_file_is_written_when_something_has_changed_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let mut state = fresh();
    let live = || vec![(key("gpt-4o"), known())];
    memory.put(&mut state, &payload(&memory, live(), NOW), NOW);
    let first = fs::read(&memory.path).unwrap();
    memory.put(&mut state, &payload(&memory, live(), NOW + 30), NOW + 30);
    assert_eq!(fs::read(&memory.path).unwrap(), first);
    let mut other = known();
    other.limits[0].amount = 50_000;
    let live = vec![(key("gpt-4o"), other)];
    memory.put(&mut state, &payload(&memory, live, NOW + 60), NOW + 60);
    assert_ne!(fs::read(&memory.path).unwrap(), first);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_once_and_its_return_too() {
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("state");
    fs::write(&state_dir, "a file in the way").unwrap();
    let memory = memory(&state_dir);
    let mut state = fresh();
    let live = vec![(key("gpt-4o"), known())];
    let payload = payload(&memory, live, NOW);
    let (_, log) = logged(|| {
        memory.put(&mut state, &payload, NOW);
        memory.put(&mut state, &payload, NOW + 30);
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("cannot be kept"), "{log}");
    fs::remove_file(&state_dir).unwrap();
    let (_, log) = logged(|| memory.put(&mut state, &payload, NOW + 60));
    assert!(log.contains("kept again"), "{log}");
    assert!(memory.path.is_file());
}

#[test]
fn the_pools_that_changed_last_are_kept_and_old_ones_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let pool = |index: u64| (key(&format!("model-{index}")), known());
    memory.collect_pools((0..600).map(pool).collect(), NOW);
    let records = memory.collect_pools((600..1_300).map(pool).collect(), NOW + 1);
    assert_eq!(records.len(), POOLS_MAX);
    let newest = records.iter().filter(|pool| pool.taken_unix_s == NOW + 1);
    assert_eq!(newest.count(), 700);
    let later = NOW + 1 + AGE_MAX_SECONDS;
    assert_eq!(memory.collect_pools(vec![], later).len(), 700);
    assert_eq!(memory.collect_pools(vec![], later + 1).len(), 0);
}

#[test]
fn what_would_not_be_taken_back_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let memory = memory(folder.path());
    let mut without_end = known();
    without_end.limits[0].amount = u64::MAX;
    let made_up = (key(&"m".repeat(257)), known());
    let live = vec![(key("gpt-4o"), without_end), made_up];
    let payload = payload(&memory, live, NOW);
    assert_eq!(payload.pools.len(), 1);
    let (_, known) = payload.pools[0].unpack().unwrap();
    assert_eq!(known.memory.limits.len(), 1);
}

#[test]
fn of_two_gateways_on_one_folder_the_first_keeps_what_it_learns_and_the_second_follows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("learned.json"), written()).unwrap();
    let (first, log) = logged(|| Memory::load(folder.path(), UPSTREAM).memory);
    assert_eq!(log, "");
    let (second, log) = logged(|| Memory::load(folder.path(), UPSTREAM).memory);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("--state-dir"), "{log}");
    assert!(log.contains(&folder.path().display().to_string()), "{log}");
    assert_eq!(second.of(&key("gpt-4o")).unwrap().0, known());

    assert!(first.may_write(&mut first.written.lock()));
    let (may, log) = logged(|| second.may_write(&mut second.written.lock()));
    assert!(!may && log.is_empty(), "{log}");

    // What the first one learns meanwhile is not lost when the second one goes on.
    let live = vec![(key("gpt-5"), known())];
    let now = unix_seconds_now();
    let kept = payload(&first, live, now);
    first.put(&mut first.written.lock(), &kept, now);
    drop(first);
    let (may, log) = logged(|| second.may_write(&mut second.written.lock()));
    assert!(may && log.contains("from now on"), "{log}");
    assert_eq!(second.of(&key("gpt-5")).unwrap().0, known());
}

/// Runs one of the tests below, in a process that can write to no file: as on a full disk.
fn on_a_full_disk(test: &str, folder: &Path) -> String {
    let output = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("FULL_DISK", folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{output:?}"
    );
    text
}

#[test]
fn a_full_disk_is_told_once_and_leaves_the_earlier_file_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learned.json");
    let before = written();
    fs::write(&path, &before).unwrap();
    on_a_full_disk("memory::tests::saves_on_a_full_disk", folder.path());
    assert_eq!(fs::read(&path).unwrap(), before);
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing half written is left");
}

#[test]
#[ignore = "run by the test of a full disk, in a process of its own"]
fn saves_on_a_full_disk() {
    let Some(folder) = std::env::var_os("FULL_DISK") else {
        return;
    };
    let memory = Memory::load(Path::new(&folder), UPSTREAM).memory;
    let mut state = fresh();
    let (_, log) = logged(|| {
        for (index, now) in (NOW..NOW + 3).enumerate() {
            let live = vec![(key(&format!("gpt-{index}")), known())];
            memory.put(&mut state, &payload(&memory, live, now), now);
        }
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("cannot be kept"), "{log}");
    assert!(log.contains("File too large"), "{log}");
}
