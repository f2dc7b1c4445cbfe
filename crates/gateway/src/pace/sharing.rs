//! Which calls share a limit pool, as far as answers tell: keys of one account, models behind one
//! limit, and requests so long that a limit of their own applies.
//!
//! This is bookkeeping about names alone. It never guesses: what no answer speaks of stays apart.

mod together;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use together::{Reading, Together};

use super::PoolKey;

/// Credentials whose account is remembered. Callers choose them, so the number must be bounded;
/// those beyond it stay apart.
const CREDENTIALS_MAX: usize = 10_000;

/// Limit names and models that are remembered for one account, for the same reason.
const MODELS_MAX: usize = 1_000;

/// How the name of a limit on long requests ends, as in `gpt-5.4-long-context`.
const LONG_CONTEXT: &str = "-long-context";

/// A credential under one rule.
type Holder = (Arc<str>, u64);

/// Whose limits a provider says it counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    /// `openai-organization`.
    pub(crate) organization: Arc<str>,
    /// `openai-project`, where the provider names one.
    pub(crate) project: Option<Arc<str>>,
}

/// What is known of a credential.
#[derive(Clone, Debug)]
enum Standing {
    /// It belongs to this account, in which this credential was seen first.
    Member { account: Account, first: u64 },
    /// Its answers name different accounts, as those of a router to many accounts do.
    Apart,
}

/// A limit that applies to long requests for a model.
#[derive(Clone, Debug)]
struct LongContext {
    name: Arc<str>,
    /// Its amount, where a refusal told it.
    amount: Option<u64>,
    /// The shortest input that is known to fall under it, in estimated tokens.
    from: u64,
    /// An answer to a shorter request told another amount: amounts tell the limits apart.
    told_apart: bool,
}

/// What is known of the models of one account.
#[derive(Clone, Debug, Default)]
struct Models {
    /// To the model or limit whose pool a model uses; chains end at one that is not in here.
    joined: HashMap<Arc<str>, Arc<str>>,
    long: HashMap<Arc<str>, LongContext>,
}

impl Models {
    /// The model or limit at the end of the chain.
    fn root<'a>(&'a self, model: &'a Arc<str>) -> &'a Arc<str> {
        let mut root = model;
        while let Some(next) = self.joined.get(root) {
            root = next;
        }
        root
    }

    /// Lets `model` use the pool of `home`; whether it did not before.
    fn join(&mut self, model: &Arc<str>, home: &Arc<str>) -> bool {
        let (from, to) = (Arc::clone(self.root(model)), Arc::clone(self.root(home)));
        if from == to || self.joined.len() >= MODELS_MAX {
            return false;
        }
        // A chain cannot close: both ends were roots, and they differ.
        self.joined.insert(from, to);
        true
    }

    fn lengthen(&mut self, model: &Arc<str>, long: LongContext) -> bool {
        if let Some(known) = self.long.get_mut(model) {
            let shorter = long.from < known.from;
            known.from = known.from.min(long.from);
            known.amount = long.amount.or(known.amount);
            return shorter;
        }
        let has_room = self.long.len() < MODELS_MAX;
        if has_room {
            self.long.insert(Arc::clone(model), long);
        }
        has_room
    }

    /// Takes over what is known of the models of another credential of the same account.
    fn absorb(&mut self, other: Self) {
        for (model, home) in other.joined {
            self.join(&model, &home);
        }
        for (model, long) in other.long {
            self.lengthen(&model, long);
        }
    }
}

/// Which calls share a limit pool.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    standings: HashMap<Holder, Standing>,
    /// The credential of each account that was seen first.
    firsts: HashMap<(Arc<str>, Account), u64>,
    /// What is known of models, under the credential that was seen first.
    models: HashMap<Holder, Models>,
}

impl Sharing {
    /// The key of the pool that requests of `key` use.
    pub(crate) fn home(&self, key: &PoolKey) -> PoolKey {
        let PoolKey::Learned { rule, model, .. } = key else {
            return key.clone();
        };
        let Some(owner) = self.owner(key) else {
            return key.clone();
        };
        let credential = owner.1;
        let models = self.models.get(&owner);
        let root = models.map_or(model, |models| models.root(model));
        PoolKey::Learned {
            rule: Arc::clone(rule),
            credential,
            model: Arc::clone(root),
        }
    }

    /// The key that a request of `key` with so much input has instead, where it is long.
    pub(crate) fn long(&self, key: &PoolKey, input_tokens: u64) -> Option<PoolKey> {
        let PoolKey::Learned { rule, model, .. } = key else {
            return None;
        };
        if self.models.is_empty() {
            return None;
        }
        let owner = self.owner(key)?;
        let long = self.models.get(&owner)?.long.get(model)?;
        (input_tokens >= long.from).then(|| PoolKey::Learned {
            rule: Arc::clone(rule),
            credential: owner.1,
            model: Arc::clone(&long.name),
        })
    }

    /// Whether an answer to `key` that names `account` tells nothing new.
    pub(crate) fn knows(&self, key: &PoolKey, organization: &str, project: Option<&str>) -> bool {
        match holder(key).and_then(|holder| self.standings.get(&holder)) {
            Some(Standing::Member { account, .. }) => {
                *account.organization == *organization && account.project.as_deref() == project
            }
            Some(Standing::Apart) => true,
            None => self.standings.len() >= CREDENTIALS_MAX,
        }
    }

    /// Takes in the account that an answer to `key` names; whether some calls use another pool from
    /// now on.
    pub(crate) fn belongs(&mut self, key: &PoolKey, account: Account) -> bool {
        let Some(holder) = holder(key) else {
            return false;
        };
        if let Some(standing) = self.standings.get(&holder) {
            return match standing {
                Standing::Member { account: known, .. } if *known != account => {
                    self.dissolve(&holder.0, known.clone());
                    true
                }
                _ => false,
            };
        }
        if self.standings.len() >= CREDENTIALS_MAX {
            return false;
        }
        let place = (Arc::clone(&holder.0), account.clone());
        let first = *self.firsts.entry(place).or_insert(holder.1);
        let own = (first != holder.1).then(|| self.models.remove(&holder));
        if let Some(Some(models)) = own {
            let owner = (Arc::clone(&holder.0), first);
            self.models.entry(owner).or_default().absorb(models);
        }
        let changed = first != holder.1;
        self.standings
            .insert(holder, Standing::Member { account, first });
        changed
    }

    /// Takes in that a request of `key` was refused for the limit of this name; whether some calls use
    /// another pool from now on.
    pub(crate) fn refused_for(
        &mut self,
        key: &PoolKey,
        name: &str,
        input_tokens: u64,
        amount: Option<u64>,
    ) -> bool {
        let (PoolKey::Learned { model, .. }, Some(owner)) = (key, self.owner(key)) else {
            return false;
        };
        let models = self.models.entry(owner).or_default();
        if !is_long_context(name) {
            return models.join(model, &Arc::from(name));
        }
        let long = LongContext {
            name: Arc::from(name),
            amount,
            from: input_tokens,
            told_apart: false,
        };
        models.lengthen(model, long)
    }

    /// Whether [`Self::answered`] would learn from answers to `key`.
    pub(crate) fn watches_length(&self, key: &PoolKey) -> bool {
        let PoolKey::Learned { model, .. } = key else {
            return false;
        };
        !self.models.is_empty()
            && self
                .owner(key)
                .and_then(|owner| self.models.get(&owner))
                .is_some_and(|models| models.long.contains_key(model))
    }

    /// Takes in that the answer to a request with so much input tells a token limit of `amount`: if
    /// that is the one of the limit on long requests, and shorter ones had another, it is long.
    pub(crate) fn answered(&mut self, key: &PoolKey, input_tokens: u64, amount: u64) -> bool {
        let (PoolKey::Learned { model, .. }, Some(owner)) = (key, self.owner(key)) else {
            return false;
        };
        let models = self.models.get_mut(&owner);
        let Some(long) = models.and_then(|models| models.long.get_mut(model)) else {
            return false;
        };
        if input_tokens >= long.from || long.amount.is_none() {
            return false;
        }
        if long.amount != Some(amount) {
            long.told_apart = true;
            return false;
        }
        if long.told_apart {
            long.from = input_tokens;
        }
        long.told_apart
    }

    /// Lets two models of one account share a pool; whether they did not before.
    pub(crate) fn join(&mut self, key: &PoolKey, home: &PoolKey) -> bool {
        let (Some(owner), Some(other)) = (self.owner(key), self.owner(home)) else {
            return false;
        };
        let (PoolKey::Learned { model, .. }, PoolKey::Learned { model: to, .. }) = (key, home)
        else {
            return false;
        };
        owner == other && self.models.entry(owner).or_default().join(model, to)
    }

    /// The models whose long requests use the pool of `home`, as keys.
    pub(crate) fn long_users(&self, home: &PoolKey) -> Vec<PoolKey> {
        let (PoolKey::Learned { rule, model, .. }, Some(owner)) = (home, self.owner(home)) else {
            return Vec::new();
        };
        let long = self.models.get(&owner).map(|models| models.long.iter());
        long.into_iter()
            .flatten()
            .filter(|(_, long)| long.name == *model)
            .map(|(user, _)| PoolKey::Learned {
                rule: Arc::clone(rule),
                credential: owner.1,
                model: Arc::clone(user),
            })
            .collect()
    }

    /// The credential under which what is known of the models of `key` is kept.
    fn owner(&self, key: &PoolKey) -> Option<Holder> {
        let holder = holder(key)?;
        Some(match self.standings.get(&holder) {
            Some(Standing::Member { first, .. }) => (holder.0, *first),
            Some(Standing::Apart) | None => holder,
        })
    }

    /// Sets all credentials of an account apart, for good: its name does not tell whose limits apply.
    fn dissolve(&mut self, rule: &Arc<str>, account: Account) {
        for ((of, _), standing) in &mut self.standings {
            if of == rule
                && matches!(standing, Standing::Member { account: a, .. } if *a == account)
            {
                *standing = Standing::Apart;
            }
        }
        self.firsts.remove(&(Arc::clone(rule), account));
    }
}

/// Whether a limit of this name is one on long requests.
pub(crate) fn is_long_context(name: &str) -> bool {
    name.ends_with(LONG_CONTEXT)
}

fn holder(key: &PoolKey) -> Option<Holder> {
    match key {
        PoolKey::Learned {
            rule, credential, ..
        } => Some((Arc::clone(rule), *credential)),
        PoolKey::Configured { .. } => None,
    }
}
