//! Providers and the lanes behind each model's name, in words; and whether providers answer.

use futures_util::future::join_all;
use paceline_config::{Choose, Settings, UPSTREAM, Upstream};
use paceline_gateway::check_upstream;

use crate::exit::{self, Failure};
use crate::runtime;
use crate::table::{Side, Table};

/// Tables of providers and of models, each after a blank line; none where there is one provider for
/// everything.
pub(super) fn tables(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    if !settings.providers.is_empty() {
        lines.push(String::new());
        lines.extend(providers(settings));
    }
    if !settings.models.is_empty() {
        lines.push(String::new());
        lines.extend(models(settings));
    }
    lines
}

/// All providers with their names, the first one first.
fn all(settings: &Settings) -> impl Iterator<Item = (&str, &Upstream)> {
    let further = settings.providers.iter();
    let further = further.map(|provider| (provider.name.as_str(), &provider.upstream));
    [(UPSTREAM, &settings.upstream)].into_iter().chain(further)
}

fn providers(settings: &Settings) -> Vec<String> {
    let mut table = Table::new(&[
        ("provider", Side::Left),
        ("profile", Side::Left),
        ("address", Side::Left),
        ("key", Side::Left),
    ]);
    for (name, upstream) in all(settings) {
        let key = match (&upstream.api_key, &upstream.account) {
            (Some(_), Some(account)) => format!("its own, of {account}"),
            (Some(_), None) => "its own".to_owned(),
            (None, _) => "the caller's".to_owned(),
        };
        let (profile, address) = (upstream.profile.name, &upstream.base_url);
        table.row([
            name.to_owned(),
            profile.to_owned(),
            address.to_string(),
            key,
        ]);
    }
    table.lines()
}

fn models(settings: &Settings) -> Vec<String> {
    let mut table = Table::new(&[
        ("model", Side::Left),
        ("chosen", Side::Left),
        ("priority", Side::Right),
        ("weight", Side::Right),
        ("lane", Side::Left),
    ]);
    for rule in &settings.models {
        let mut first = Some([rule.name.to_string(), chosen(rule.choose).to_owned()]);
        for lane in &rule.lanes {
            let [name, chosen] = first.take().unwrap_or_default();
            // A lane that names no model is asked for the caller's.
            let model = lane.model.as_deref().unwrap_or(rule.name.as_str());
            table.row([
                name,
                chosen,
                lane.priority.to_string(),
                lane.weight.to_string(),
                format!("{}/{model}", lane.provider),
            ]);
        }
    }
    table.lines()
}

fn chosen(choose: Choose) -> &'static str {
    match choose {
        Choose::Soonest => "soonest",
        Choose::Weighted => "weighted",
        Choose::InOrder => "in_order",
        Choose::Cheapest => "cheapest",
        Choose::Fastest => "fastest",
    }
}

/// What providers answered.
pub(super) struct Asked {
    /// A line for each that answered, whatever it was.
    pub(super) answered: Vec<String>,
    /// What is told of the others.
    pub(super) silent: Option<Failure>,
}

/// Asks all providers at once for an answer.
pub(super) fn ask(settings: &Settings) -> Result<Asked, Failure> {
    let asked = all(settings).map(|(name, upstream)| async move {
        let answer = check_upstream(upstream).await;
        (name, &upstream.base_url, answer)
    });
    let answers = runtime::on_this_thread()?.block_on(join_all(asked));
    let (mut answered, mut silent) = (Vec::new(), Vec::new());
    for (name, url, answer) in answers {
        match answer {
            Ok(status) => answered.push(format!("{name} {url} answers (status {status})")),
            Err(error) => {
                let key = match name {
                    UPSTREAM => "upstream.base_url".to_owned(),
                    name => format!("providers.{name}.base_url"),
                };
                let who = match name {
                    UPSTREAM => "the upstream".to_owned(),
                    name => format!("the provider {name}"),
                };
                silent.push(format!(
                    "{who} {url} does not answer: {error}; look at {key} and the network, or leave \
                     this check out with --offline"
                ));
            }
        }
    }
    let is_silent = !silent.is_empty();
    Ok(Asked {
        answered,
        silent: is_silent.then(|| Failure::new(exit::UPSTREAM, silent.join("\nerror: "))),
    })
}
