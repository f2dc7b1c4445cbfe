//! A batch in a folder of its own, whose answers are made up.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use paceline_batch::{
    Answer, Failure, Finished, Item, Job, JobOptions, Manifest, OpenError, Opened, RunEnd, Source,
    Tokens, open,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) options: JobOptions,
}

impl Bench {
    pub(crate) fn new() -> Self {
        // In memory where there is such a place: what these tests are about does not need a disk.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        Self {
            folder: folder.unwrap(),
            options: JobOptions::default(),
        }
    }

    pub(crate) fn input(&self) -> PathBuf {
        self.folder.path().join("in.jsonl")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn job(&self) -> Job {
        Job {
            input: Source::File(self.input()),
            output: self.path("out.jsonl"),
            options: self.options.clone(),
        }
    }

    pub(crate) fn write(&self, lines: &[(&str, u32)]) {
        let text: String = lines
            .iter()
            .map(|(id, version)| line(id, *version))
            .collect();
        fs::write(self.input(), text).unwrap();
    }

    pub(crate) fn open(&self) -> Opened {
        open(&self.job()).unwrap()
    }

    pub(crate) fn error(&self) -> OpenError {
        open(&self.job()).unwrap_err()
    }

    /// The lines of a file of results.
    pub(crate) fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Names and versions in a file of results, in its order.
    pub(crate) fn names(&self, name: &str) -> Vec<(String, u64)> {
        let lines = self.lines(name);
        let of = |line: &Value| {
            let body = &line["response"]["body"];
            (
                line["custom_id"].as_str().unwrap().to_owned(),
                body["version"].as_u64().unwrap(),
            )
        };
        lines.iter().map(of).collect()
    }

    pub(crate) fn manifest(&self) -> Manifest {
        serde_json::from_slice(&fs::read(self.path("out.manifest.json")).unwrap()).unwrap()
    }
}

pub(crate) fn line(id: &str, version: u32) -> String {
    let body = json!({"version": version, "messages": []});
    let line =
        json!({"custom_id": id, "method": "POST", "url": "/v1/chat/completions", "body": body});
    format!("{line}\n")
}

/// The answer to a request: it tells what was asked.
pub(crate) fn answer(item: &Item, status: u16) -> Finished {
    let request: Value = serde_json::from_slice(&item.body).unwrap();
    let body = json!({"version": request["version"], "id": item.custom_id});
    Finished {
        custom_id: item.custom_id.clone(),
        answer: Some(Answer {
            status,
            request_id: Some("r".to_owned()),
            body: serde_json::to_vec_pretty(&body).unwrap().into(),
        }),
        tokens: Tokens {
            input: 10,
            cached: 1,
            output: 5,
            reasoning: 2,
        },
        cost_nanousd: Some(7),
        model: Some("m".to_owned()),
        attempts: 1,
        ..Finished::default()
    }
}

pub(crate) fn failure(item: &Item, code: &str) -> Finished {
    Finished {
        custom_id: item.custom_id.clone(),
        failure: Some(Failure {
            code: code.to_owned(),
            message: "no".to_owned(),
        }),
        ..Finished::default()
    }
}

/// Does all that is left, with success.
pub(crate) async fn complete(mut opened: Opened) -> Manifest {
    while let Some(id) = opened.work.next() {
        let item = opened.work.read(id).unwrap();
        opened.journal.sent(id, 1).await.unwrap();
        opened.journal.done(id, answer(&item, 200)).await.unwrap();
    }
    opened.journal.finish(RunEnd::Complete).await.unwrap()
}

/// All files below a folder and what is in them, to be put back later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Vec<u8>>);

impl Snapshot {
    pub(crate) fn of(folder: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let name = path.strip_prefix(folder).unwrap().to_owned();
                        files.insert(name, fs::read(&path).unwrap());
                    }
                }
            }
        }
        Self(files)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Vec<u8>> {
        self.0.get(Path::new(name))
    }

    pub(crate) fn set(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.insert(name.into(), bytes);
    }

    /// Makes the folder as it was.
    pub(crate) fn put_back(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
}
