//! Brings all sources together: read, verify, merge, check.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use toml::Value;

use crate::checker::Checker;
use crate::document::BYTES_MAX;
use crate::node::{Content, Node};
use crate::preset::Preset;
use crate::report::{Fault, Report};
use crate::settings::RawSettings;
use crate::shape::Shape;
use crate::upstream::API_KEY;
use crate::verify::Verifier;
use crate::{Loaded, Origin, Overrides, Problems, Secret, Settings, SourceFile, Sources};
use crate::{document, environment, ledger, store};

impl Settings {
    /// Makes settings from all sources.
    ///
    /// Of two sources that set the same, the later of this list wins: default, preset, file,
    /// environment, command line. Besides the sources, files that the settings name for a secret
    /// are read.
    ///
    /// # Errors
    ///
    /// Everything that is wrong anywhere, at once.
    pub fn load(sources: Sources<'_>) -> Result<Loaded, Problems> {
        Self::assemble(&sources, Report::default())
    }

    fn assemble(sources: &Sources<'_>, mut report: Report) -> Result<Loaded, Problems> {
        let shape = Shape::of_file();
        let folder = sources.file.as_ref().and_then(|file| file.name.parent());
        let folder = folder.map(Path::to_owned).unwrap_or_default();
        let tree = layers(sources, shape, &mut report);
        let raw = tree.to_value().try_into::<RawSettings>();
        let mut checker = Checker::new(report, &tree, &folder, sources.env);
        let settings = match raw {
            Ok(raw) => raw.check(&mut checker),
            Err(_) => {
                // The tree has been verified, so that this means a gap in the schema. The reason
                // is left out because it might repeat a value.
                checker.problem("", "does not fit together", "try it in smaller pieces");
                None
            }
        };
        let Checker {
            report, provenance, ..
        } = checker;
        let Some(settings) = settings else {
            return Err(report.fail());
        };
        let notices = report.finish()?;
        Ok(Loaded {
            settings,
            notices,
            provenance,
        })
    }

    /// Reads the file at `path`, if one is given, and makes settings from it and the rest.
    ///
    /// # Errors
    ///
    /// Everything that is wrong anywhere, at once; a file that cannot be read is one problem.
    pub fn read(
        path: Option<&Path>,
        env: &BTreeMap<String, String>,
        overrides: Overrides,
    ) -> Result<Loaded, Problems> {
        let mut report = Report::default();
        let file = path.and_then(|path| {
            let read = SourceFile::read(path);
            let fault = |error| Fault::new(format!("cannot be read ({error})"), "");
            let name = path.to_owned();
            read.map_err(|error| {
                report.problem(Origin::File { name, line: 0 }, "", fault(error));
            })
            .ok()
        });
        let sources = Sources {
            file,
            env,
            overrides,
        };
        Self::assemble(&sources, report)
    }
}

impl SourceFile {
    /// Reads the file at `path`; of one that is too large to be sound, only as much as shows it.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut content = Vec::new();
        let file = File::open(path)?;
        file.take(BYTES_MAX + 1).read_to_end(&mut content)?;
        let name = path.to_owned();
        Ok(Self { name, content })
    }
}

/// Everything that is set, one tree: defaults below, the command line on top.
fn layers(sources: &Sources<'_>, shape: &Shape, report: &mut Report) -> Node {
    let file = sources
        .file
        .as_ref()
        .and_then(|file| document::parse(file, report));
    let file = file.and_then(|tree| Verifier::new(shape, report).verify(shape, tree, ""));
    let environment = environment::read(sources.env, shape, report);
    let file = file.map(|tree| keep_key_use(tree, &environment, report));
    let options = options(&sources.overrides, shape, report);
    let upper = [file, Some(environment), Some(options)];
    let named = upper
        .iter()
        .flatten()
        .rev()
        .find_map(|tree| tree.get("preset")?.text());
    let preset = Preset::ALL
        .into_iter()
        .find(|preset| Some(preset.name()) == named);
    let preset = preset.map(|preset| from_text(preset.toml(), &Origin::Preset(preset.name())));
    let mut tree = defaults();
    for layer in [preset].into_iter().chain(upper).flatten() {
        tree.merge(layer);
    }
    tree
}

/// A key in the file replaces those of callers. It does so too when `OPENAI_API_KEY`, whose key is
/// otherwise only lent to callers without one, gives another value for it.
fn keep_key_use(mut file: Node, environment: &Node, report: &mut Report) -> Node {
    let section = file.get("upstream");
    let Some(key) = section.and_then(|section| section.get("api_key")) else {
        return file;
    };
    let origin = key.origin.clone();
    let over = environment
        .get("upstream")
        .and_then(|section| section.get("api_key"));
    let source = key.get("env").and_then(Node::text);
    let same =
        |over: &Node| source.is_some_and(|name| over.origin == Origin::Variable(name.to_owned()));
    if let Some(over) = over.filter(|over| !same(over)) {
        let what = format!("takes the place of the key at {origin}");
        report.notice(over.origin.clone(), API_KEY, what);
    }
    if section.is_some_and(|section| section.get("api_key_use").is_none()) {
        file.insert("upstream.api_key_use", Node::leaf(origin, "replace"));
    }
    file
}

fn defaults() -> Node {
    match Value::try_from(RawSettings::default()) {
        Ok(value) => from_value(value, &Origin::Default),
        // Not reached, as a test proves: the defaults are made of plain values.
        Err(_) => Node::table(Origin::Default),
    }
}

/// The tree of a text of our own, which a test proves to be sound.
fn from_text(text: &str, origin: &Origin) -> Node {
    match text.parse::<toml::Table>() {
        Ok(table) => from_value(Value::Table(table), origin),
        Err(_) => Node::table(origin.clone()),
    }
}

fn from_value(value: Value, origin: &Origin) -> Node {
    let content = match value {
        Value::Table(entries) => {
            let each = entries
                .into_iter()
                .map(|(key, value)| (key, from_value(value, origin)));
            Content::Table(each.collect())
        }
        Value::Array(items) => Content::List(
            items
                .into_iter()
                .map(|value| from_value(value, origin))
                .collect(),
        ),
        value => Content::Leaf(value),
    };
    let origin = origin.clone();
    Node { origin, content }
}

/// What the command line asks for.
fn options(overrides: &Overrides, shape: &Shape, report: &mut Report) -> Node {
    let mut tree = Node::table(Origin::Default);
    let redis = overrides.redis.as_ref().map(Secret::expose);
    let database = overrides.database.as_ref().map(Secret::expose);
    for (option, path, text) in [
        ("--listen", "server.listen", overrides.listen.as_deref()),
        (
            "--upstream",
            "upstream.base_url",
            overrides.upstream.as_deref(),
        ),
        ("--redis", store::URL, redis),
        ("--database", ledger::DATABASE, database),
        ("--preset", "preset", overrides.preset.as_deref()),
        ("--log-level", "log.level", overrides.log_level.as_deref()),
        (
            "--state-dir",
            "admin.state_dir",
            overrides.state_dir.as_deref(),
        ),
    ] {
        let (Some(text), Some(kind)) = (text, shape.leaf(path)) else {
            continue;
        };
        match kind.read(text) {
            Ok(value) => tree.insert(path, Node::leaf(Origin::Option(option), value)),
            Err(fault) => report.problem(Origin::Option(option), path, fault),
        }
    }
    tree
}
