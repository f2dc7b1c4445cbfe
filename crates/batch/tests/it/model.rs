//! Batches that are interrupted, edited and damaged at random, against a naive model.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use paceline_batch::{Order, RunEnd};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::bench::{Bench, Snapshot, answer, complete};

type Line = (String, u32);

/// What one run does.
#[derive(Clone, Debug)]
struct Session {
    /// The input: a number for the name and one for the body.
    lines: Vec<(u8, u32)>,
    /// For each request that is handed out: 0 sends, 1 succeeds, 2 fails; then the run ends.
    ends: Vec<u8>,
    retry_failed: bool,
    order: Order,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Finished,
    Killed,
    /// The journal is cut somewhere, as by a disk that lost what it had promised.
    Cut(Index),
    /// What was written last is only half there, in the journal and in the results.
    Torn(Vec<u8>),
}

fn session() -> impl Strategy<Value = Session> {
    let lines = prop::collection::btree_map(0_u8..8, 0_u32..2, 1..8);
    let lines = (lines, any::<Index>()).prop_map(|(lines, turn)| {
        let mut lines: Vec<_> = lines.into_iter().collect();
        let by = turn.index(lines.len());
        lines.rotate_left(by);
        lines
    });
    let end = prop_oneof![
        2 => Just(End::Finished),
        3 => Just(End::Killed),
        1 => any::<Index>().prop_map(End::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..80).prop_map(End::Torn),
    ];
    let ends = prop::collection::vec(0_u8..3, 0..8);
    let order = prop_oneof![Just(Order::AsTheyCome), Just(Order::Input)];
    (lines, ends, any::<bool>(), order, end).prop_map(|(lines, ends, retry_failed, order, end)| {
        Session {
            lines,
            ends,
            retry_failed,
            order,
            end,
        }
    })
}

#[derive(Default)]
struct Model {
    /// Requests with an end, and whether it is a success.
    done: BTreeMap<Line, bool>,
    /// Requests that were sent and have no end.
    open: BTreeSet<Line>,
    /// Of these, requests that were no lines of the input when the journal may have been written anew.
    unsure: BTreeSet<Line>,
    /// The results are in the folder, or where they belong.
    is_in_folder: bool,
}

impl Model {
    fn new(order: Order) -> Self {
        Self {
            is_in_folder: order == Order::Input,
            ..Self::default()
        }
    }

    /// What an opening does to it.
    fn open(&mut self, lines: &[Line], retry_failed: bool, order: Order) -> u32 {
        let counted = self.done.len();
        self.done
            .retain(|line, is_ok| lines.contains(line) && (*is_ok || !retry_failed));
        let stale = counted - self.done.len();
        let left = lines.iter().any(|line| !self.done.contains_key(line));
        let wants_folder = match order {
            Order::AsTheyCome => false,
            Order::Input => left || self.is_in_folder,
        };
        if stale > 0 || wants_folder != self.is_in_folder {
            // The journal is written anew, and knows of these lines only.
            self.open.retain(|line| lines.contains(line));
            self.is_in_folder = wants_folder;
        }
        stale as u32
    }
}

fn owned(lines: &[(u8, u32)]) -> Vec<Line> {
    lines
        .iter()
        .map(|(name, version)| (format!("n{name}"), *version))
        .collect()
}

/// One run; whether the model still knows what is on disk.
async fn run(bench: &Bench, session: &Session, model: &mut Model, is_known: bool) -> bool {
    let order = bench.options.order;
    let lines = owned(&session.lines);
    let given: Vec<_> = lines
        .iter()
        .map(|(name, version)| (name.as_str(), *version))
        .collect();
    bench.write(&given);
    let mut opened = bench.open();
    let stale = model.open(&lines, session.retry_failed, order);
    let found = &opened.found;
    if is_known {
        let count = |is_ok: bool| {
            lines
                .iter()
                .filter(|line| model.done.get(*line) == Some(&is_ok))
                .count() as u32
        };
        let open: BTreeSet<_> = lines
            .iter()
            .filter(|line| model.open.contains(*line) && !model.unsure.contains(*line))
            .map(|line| &line.0)
            .collect();
        let unsure = lines.iter().filter(|line| model.unsure.contains(*line));
        let unsure: BTreeSet<_> = unsure.map(|line| &line.0).collect();
        let told: BTreeSet<_> = found
            .maybe_sent
            .first
            .iter()
            .map(|line| &line.custom_id)
            .filter(|name| !unsure.contains(name))
            .collect();
        assert_eq!(
            (found.done_ok, found.done_failed, found.stale),
            (count(true), count(false), stale)
        );
        assert_eq!(told, open);
        assert_eq!(found.tail_cut_bytes, 0);
    }
    let ended = found.done_ok + found.done_failed;
    assert_eq!(found.to_do + ended, found.total);
    for end in &session.ends {
        let Some(id) = opened.work.next() else { break };
        let item = opened.work.read(id).unwrap();
        let line = lines[id.0 as usize].clone();
        assert_eq!(item.custom_id, line.0);
        assert!(
            !is_known || !model.done.contains_key(&line),
            "{line:?} was done already"
        );
        opened.journal.sent(id, 1).await.unwrap();
        model.open.insert(line.clone());
        model.unsure.remove(&line);
        if *end > 0 {
            let status = if *end == 1 { 200 } else { 500 };
            opened
                .journal
                .done(id, answer(&item, status))
                .await
                .unwrap();
            model.open.remove(&line);
            model.done.insert(line, *end == 1);
        }
    }
    if matches!(session.end, End::Finished) {
        let manifest = opened.journal.finish(RunEnd::Interrupted).await.unwrap();
        if order == Order::Input && manifest.lines.left == 0 {
            model.is_in_folder = false;
            model.unsure.extend(
                model
                    .open
                    .iter()
                    .filter(|line| !lines.contains(line))
                    .cloned(),
            );
        }
    }
    drop(opened);
    damage(bench, &session.end) && is_known
}

/// Whether the model still knows what is on disk.
fn damage(bench: &Bench, end: &End) -> bool {
    let mut disk = Snapshot::of(bench.folder.path());
    let journal = "out.jsonl.paceline/journal";
    match end {
        End::Finished | End::Killed => return true,
        End::Cut(at) => {
            let mut bytes = disk.get(journal).unwrap().clone();
            bytes.truncate(37 + at.index(bytes.len() - 36));
            disk.set(journal, bytes);
        }
        End::Torn(tail) => {
            for name in [journal, "out.jsonl", "out.errors.jsonl"] {
                if let Some(bytes) = disk.get(name) {
                    let bytes = [bytes, tail.as_slice()].concat();
                    disk.set(name, bytes);
                }
            }
        }
    }
    disk.put_back(bench.folder.path());
    false
}

/// Runs it to its end, and looks at all that is there then.
async fn end_well(bench: &Bench, lines: &[Line]) {
    let given: Vec<_> = lines
        .iter()
        .map(|(name, version)| (name.as_str(), *version))
        .collect();
    bench.write(&given);
    let manifest = complete(bench.open()).await;
    assert_eq!(manifest.lines.left, 0);
    let ok = bench.names("out.jsonl");
    let failed = bench.names("out.errors.jsonl");
    assert_eq!(
        (manifest.lines.ok, manifest.lines.failed),
        (ok.len() as u32, failed.len() as u32)
    );
    let mut all: Vec<_> = ok.iter().chain(&failed).cloned().collect();
    all.sort();
    let mut expected: Vec<_> = lines
        .iter()
        .map(|(name, version)| (name.clone(), u64::from(*version)))
        .collect();
    if bench.options.order == Order::Input {
        let place = |line: &&(String, u64)| expected.iter().position(|other| other == *line);
        assert!(ok.iter().is_sorted_by_key(|line| place(&line)), "{ok:?}");
        assert!(
            failed.iter().is_sorted_by_key(|line| place(&line)),
            "{failed:?}"
        );
    }
    expected.sort();
    assert_eq!(all, expected);
    let folder = fs::read_dir(bench.path("out.jsonl.paceline")).unwrap();
    let left: BTreeSet<_> = folder
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        left,
        BTreeSet::from(["journal".to_owned(), "lock".to_owned()])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_line_has_one_result_in_the_end(sessions in prop::collection::vec(session(), 1..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut bench = Bench::new();
        let mut model = Model::new(sessions[0].order);
        runtime.block_on(async {
            let mut is_known = true;
            for session in &sessions {
                bench.options.retry_failed = session.retry_failed;
                bench.options.order = session.order;
                is_known = run(&bench, session, &mut model, is_known).await;
            }
            bench.options.retry_failed = false;
            end_well(&bench, &owned(&sessions.last().unwrap().lines)).await;
        });
    }
}

#[tokio::test]
async fn a_journal_cut_at_any_byte_ends_well() {
    let bench = Bench::new();
    let lines = owned(&[(1, 1), (2, 1), (3, 1)]);
    bench.write(&[("n1", 1), ("n2", 1), ("n3", 1)]);
    let mut opened = bench.open();
    for status in [200, 500, 0] {
        let id = opened.work.next().unwrap();
        let item = opened.work.read(id).unwrap();
        opened.journal.sent(id, 1).await.unwrap();
        if status > 0 {
            opened
                .journal
                .done(id, answer(&item, status))
                .await
                .unwrap();
        }
    }
    drop(opened);
    let disk = Snapshot::of(bench.folder.path());
    let name = "out.jsonl.paceline/journal";
    let journal = disk.get(name).unwrap().clone();
    for end in 37..journal.len() {
        let mut cut = disk.clone();
        cut.set(name, journal[..end].to_vec());
        cut.put_back(bench.folder.path());
        end_well(&bench, &lines).await;
    }
}
