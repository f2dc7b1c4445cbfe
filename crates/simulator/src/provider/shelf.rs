//! What a provider keeps for its callers to fetch again, up to a bound.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

/// A stored response.
#[derive(Debug, Clone)]
pub(crate) struct KeptResponse {
    /// The response object as it was sent.
    pub(crate) body: Bytes,
    /// The tokens that a request which continues it has in its prompt.
    pub(crate) total_tokens: u64,
}

/// An uploaded file.
#[derive(Debug, Clone)]
pub(crate) struct KeptFile {
    /// Its exact bytes.
    pub(crate) content: Bytes,
    pub(crate) filename: String,
    pub(crate) purpose: String,
    /// Seconds since the Unix epoch.
    pub(crate) created: u64,
}

/// Something with a size.
pub(crate) trait Weighed {
    /// Bytes that it holds.
    fn bytes(&self) -> usize;
}

impl Weighed for KeptResponse {
    fn bytes(&self) -> usize {
        self.body.len()
    }
}

impl Weighed for KeptFile {
    fn bytes(&self) -> usize {
        self.content.len()
    }
}

/// Things by id, oldest first; the oldest go when there are too many or too large ones.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    most: usize,
    most_bytes: usize,
    bytes: usize,
    order: VecDeque<String>,
    things: HashMap<String, T>,
}

impl<T: Weighed + Clone> Shelf<T> {
    pub(crate) fn new(most: usize, most_bytes: usize) -> Self {
        Self {
            most,
            most_bytes,
            bytes: 0,
            order: VecDeque::new(),
            things: HashMap::new(),
        }
    }

    pub(crate) fn put(&mut self, id: String, thing: T) {
        self.bytes += thing.bytes();
        match self.things.insert(id.clone(), thing) {
            Some(before) => self.bytes -= before.bytes(),
            None => self.order.push_back(id),
        }
        while self.order.len() > self.most || (self.bytes > self.most_bytes && self.order.len() > 1)
        {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.forget(&oldest);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<T> {
        self.things.get(id).cloned()
    }

    pub(crate) fn remove(&mut self, id: &str) -> bool {
        self.order.retain(|kept| kept != id);
        self.forget(id)
    }

    /// All things with their ids, newest first.
    pub(crate) fn list(&self) -> Vec<(String, T)> {
        let kept = |id: &String| Some((id.clone(), self.things.get(id)?.clone()));
        self.order.iter().rev().filter_map(kept).collect()
    }

    fn forget(&mut self, id: &str) -> bool {
        let forgotten = self.things.remove(id);
        self.bytes -= forgotten.as_ref().map_or(0, T::bytes);
        forgotten.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(length: usize) -> KeptResponse {
        KeptResponse {
            body: vec![0; length].into(),
            total_tokens: 1,
        }
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_too_large_ones() {
        let mut shelf = Shelf::new(3, 100);
        for index in 0..4 {
            shelf.put(format!("r{index}"), response(10));
        }
        assert!(shelf.get("r0").is_none());
        shelf.put("large".to_owned(), response(85));
        let ids: Vec<String> = shelf.list().into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["large", "r3"]);
    }

    #[test]
    fn a_thing_put_again_replaces_the_one_before() {
        let mut shelf = Shelf::new(3, 100);
        shelf.put("r".to_owned(), response(60));
        shelf.put("r".to_owned(), response(70));
        assert_eq!(shelf.get("r").map(|kept| kept.body.len()), Some(70));
        assert!(shelf.remove("r"));
        assert!(!shelf.remove("r"));
        assert!(shelf.list().is_empty());
    }
}
