//! Learned answer lengths as plain data.

use serde::{Deserialize, Serialize};

use super::{BoundClass, Classes, Group, GroupState, ModelLengths, OutputLengths};
use crate::StateError;
use crate::state::{VERSION, check_version, is_keepable};

/// What [`OutputLengths`] has learned, to be written and read as a whole in any format of `serde`.
///
/// It holds names of models and routes, counts and quantiles, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputLengthsState {
    version: u32,
    groups: Vec<NamedGroup>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct NamedGroup {
    kind: Kind,
    class: BoundClass,
    group: GroupState,
}

/// Which answers a group is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Everything,
    /// All models, or the routes, that found no place of their own.
    Others {
        route: Option<String>,
    },
    Model {
        model: String,
        route: Option<String>,
    },
}

impl OutputLengths {
    /// Everything that was learned, as plain data.
    #[must_use]
    pub fn export(&self) -> OutputLengthsState {
        let mut groups = Vec::new();
        add(&mut groups, &Kind::Everything, &self.everything);
        let others = |route| Kind::Others { route };
        add_model(&mut groups, &others, &self.overflow);
        for (name, model) in &self.models {
            let named = |route| Kind::Model {
                model: name.to_string(),
                route,
            };
            add_model(&mut groups, &named, model);
        }
        OutputLengthsState {
            version: VERSION,
            groups,
        }
    }

    /// Goes on from what was learned before, with room for `max_entries` models and routes. Of
    /// more than that, those with the most answers are kept.
    ///
    /// # Errors
    /// When another version wrote the data, or when it holds what no run can have learned.
    pub fn import(state: &OutputLengthsState, max_entries: usize) -> Result<Self, StateError> {
        check_version(state.version)?;
        let mut lengths = Self::new(max_entries);
        let mut by_answers = Vec::with_capacity(state.groups.len());
        for named in &state.groups {
            by_answers.push((Group::import(&named.group)?, named));
        }
        by_answers.sort_by_key(|(group, _)| std::cmp::Reverse(group.observations()));
        for (group, named) in by_answers {
            lengths.put(&named.kind, named.class, group)?;
        }
        Ok(lengths)
    }

    fn put(&mut self, kind: &Kind, class: BoundClass, group: Group) -> Result<(), StateError> {
        let (model, route) = match kind {
            Kind::Everything => return self.everything.put(class, group),
            Kind::Others { route } => (&mut self.overflow, route),
            Kind::Model { model, route } => {
                if !is_keepable(model) {
                    return Err(StateError::Nonsense("the name of a model"));
                }
                let room = self.models.len() < self.max_entries;
                if !room && !self.models.contains_key(model.as_str()) {
                    return Ok(());
                }
                (self.models.entry(model.as_str().into()).or_default(), route)
            }
        };
        let Some(route) = route else {
            return model.all.put(class, group);
        };
        if !is_keepable(route) {
            return Err(StateError::Nonsense("the name of a route"));
        }
        if !model.routes.contains_key(route.as_str()) {
            if self.route_count >= self.max_entries {
                return Ok(());
            }
            self.route_count += 1;
        }
        let classes = model.routes.entry(route.as_str().into()).or_default();
        classes.put(class, group)
    }
}

impl Classes {
    fn put(&mut self, class: BoundClass, group: Group) -> Result<(), StateError> {
        match self.0.get_mut(class.index()) {
            Some(place @ None) => {
                *place = Some(Box::new(group));
                Ok(())
            }
            _ => Err(StateError::Nonsense("a kind of answer that is there twice")),
        }
    }
}

fn add_model(
    groups: &mut Vec<NamedGroup>,
    kind: &dyn Fn(Option<String>) -> Kind,
    model: &ModelLengths,
) {
    add(groups, &kind(None), &model.all);
    for (route, classes) in &model.routes {
        add(groups, &kind(Some(route.to_string())), classes);
    }
}

fn add(groups: &mut Vec<NamedGroup>, kind: &Kind, classes: &Classes) {
    groups.extend(classes.iter().map(|(class, group)| NamedGroup {
        kind: kind.clone(),
        class,
        group: group.export(),
    }));
}
