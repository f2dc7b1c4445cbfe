//! A cluster of three masters.

use anyhow::{Context, Result, bail};

use super::server::Kind;
use super::{RedisOptions, RedisServer, until};

/// Hash slots of a cluster, by the protocol.
const SLOTS: usize = 16384;

/// How many masters.
const NODES: usize = 3;

/// Three masters that share the slots evenly, without replicas.
///
/// A node that is down or frozen for five seconds is held for failed by the others; the cluster
/// then takes no commands at all, as by default.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts one and waits until every node takes commands.
    ///
    /// # Errors
    /// When a node does not start or they do not agree within half a minute.
    pub fn start() -> Result<Self> {
        Self::start_with(&RedisOptions::new())
    }

    /// The same, with each node as `options` say.
    ///
    /// # Errors
    /// As [`RedisCluster::start`].
    pub fn start_with(options: &RedisOptions) -> Result<Self> {
        let options = options.clone().setting("cluster-node-timeout", "5000");
        let nodes: Result<Vec<_>> = (0..NODES)
            .map(|_| RedisServer::launch(Kind::ClusterNode, options.clone()))
            .collect();
        let cluster = Self { nodes: nodes? };
        for (index, node) in cluster.nodes.iter().enumerate() {
            node.until_ready()?;
            let (first, last) = slots_of(index);
            let (first, last) = (first.to_string(), last.to_string());
            // Epochs of their own from the start, rather than after a quarrel about the first one.
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
        }
        cluster.introduce()?;
        cluster.until_ok()?;
        Ok(cluster)
    }

    /// Its nodes, in the order of their slots.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The node that has the slot of `key`, as the nodes were started.
    ///
    /// # Errors
    /// When the first node does not answer.
    pub fn node_of(&self, key: &str) -> Result<&RedisServer> {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key])?;
        let slot = usize::try_from(slot.integer().context("a slot is a number")?)?;
        let index = (0..NODES).find(|index| slot <= slots_of(*index).1);
        let node = index.and_then(|index| self.nodes.get(index));
        node.with_context(|| format!("no node has slot {slot}"))
    }

    /// Waits until every node says that the cluster is well and that it knows all others.
    ///
    /// # Errors
    /// When they do not within half a minute.
    pub fn until_ok(&self) -> Result<()> {
        for node in &self.nodes {
            until("the cluster to agree", || {
                let info = node.command(&["CLUSTER", "INFO"])?.text();
                let slots = format!("cluster_slots_ok:{SLOTS}");
                let nodes = format!("cluster_known_nodes:{NODES}");
                for needed in ["cluster_state:ok", &slots, &nodes] {
                    if !info.lines().any(|line| line == needed) {
                        bail!("not {needed} but {info}");
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Makes each node meet each other, rather than hear of some by rumour.
    fn introduce(&self) -> Result<()> {
        for node in &self.nodes {
            for other in &self.nodes {
                if other.plain_address() == node.plain_address() {
                    continue;
                }
                let port = other.plain_address().port().to_string();
                let bus = other.bus_port().context("a node has a bus")?.to_string();
                node.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
            }
        }
        Ok(())
    }
}

/// First and last slot of a node.
fn slots_of(index: usize) -> (usize, usize) {
    (SLOTS * index / NODES, SLOTS * (index + 1) / NODES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_of_the_nodes_adjoin_and_are_all_there_are() {
        assert_eq!(slots_of(0), (0, 5460));
        assert_eq!(slots_of(1), (5461, 10921));
        assert_eq!(slots_of(2), (10922, 16383));
    }
}
