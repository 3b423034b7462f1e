//! Which primary of a cluster serves which channels, followed as slots move and primaries change: sharded publishing.
//!
//! A sharded message is published at the primary of its channel's slot and read there, so nothing can get lost between.
//! When a slot goes to another primary, the former one says so on its links (`sunsubscribe`, or `MOVED` to who comes), and
//! the other nodes in their views, of which the newest counts (Redis cluster specification, "configuration epoch"). Nodes
//! learn of a move one after the other, so views as new as each other can differ: then it counts what a link says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::backplane::{Backplane, CONNECT_DEADLINE, Watch, Whereabouts};
use super::link::Words;
use super::redis::RedisAddress;
use super::slot;
use super::subscriptions::{LinkId, Routes};

/// A cluster, and a link to each of its primaries.
pub(super) struct Cluster {
    backplane: Arc<Backplane>,
    /// Those that the URL names; as whom to go there is as whom to go to all.
    seeds: Vec<RedisAddress>,
    targets: watch::Sender<Vec<RedisAddress>>,
    /// Told when something has moved, or a link is lost.
    moved: Arc<Notify>,
    /// Whom to ask for a view, and whose turn it is.
    nodes: Vec<Place>,
    turn: usize,
    connections: HashMap<Place, MultiplexedConnection>,
    /// The newest view so far.
    epoch: u64,
    links: BTreeMap<Place, (LinkId, AbortHandle)>,
    tasks: JoinSet<()>,
    count: u32,
}

/// A node's host and port.
type Place = (String, u16);

/// How one node sees the cluster.
#[derive(Debug, PartialEq, Eq)]
struct View {
    /// How new it is: the highest epoch of any node's configuration.
    epoch: u64,
    /// Every node that may be asked.
    nodes: Vec<Place>,
    /// First and last slot, and the primary that serves what is between.
    slots: Vec<(u16, u16, Place)>,
}

/// How many nodes are asked at once. One that has lost touch with the others does not know it at first.
const ASKED: usize = 3;

/// How often nodes are asked while a link is missing, and how soon again when something has moved.
const SOON: Duration = Duration::from_millis(100);
const AT_ONCE: Duration = Duration::from_millis(10);

impl Cluster {
    /// The cluster to which `seeds` belong, which nobody has asked yet.
    pub(super) fn new(
        backplane: Arc<Backplane>,
        seeds: Vec<RedisAddress>,
        targets: watch::Sender<Vec<RedisAddress>>,
    ) -> Self {
        let own = |seed: &RedisAddress| (seed.place().0.to_owned(), seed.place().1);
        backplane
            .subscriptions
            .reroute(Routes::Slots(Box::new([None; slot::COUNT])), true);
        Self {
            backplane,
            nodes: seeds.iter().map(own).collect(),
            seeds,
            targets,
            moved: Arc::default(),
            turn: 0,
            connections: HashMap::new(),
            epoch: 0,
            links: BTreeMap::new(),
            tasks: JoinSet::new(),
            count: 0,
        }
    }

    /// Follows the cluster. Does not end.
    pub(super) async fn follow(mut self) {
        loop {
            if let Some(view) = self.newest().await {
                self.apply(view);
            }
            let up = self.backplane.subscriptions.links();
            let patience = match up > 0 && up == self.links.len() {
                true => self.backplane.health_interval,
                false => self.backplane.health_interval.min(SOON),
            };
            let _ = timeout(patience, self.moved.notified()).await;
            // Slots move by the thousand: what has moved meanwhile is asked for once.
            sleep(AT_ONCE).await;
        }
    }

    /// The newest view that some nodes have; none where it is older than what is known.
    async fn newest(&mut self) -> Option<View> {
        let some = whose_turn(&self.nodes, &mut self.turn);
        let mut views = self.ask(some).await;
        if views.is_empty() {
            let seeds = self.seeds.iter().map(RedisAddress::place);
            let seeds = seeds.map(|(host, port)| (host.to_owned(), port)).collect();
            views = self.ask(seeds).await;
        }
        let newest = views.into_iter().max_by_key(|view| view.epoch)?;
        // A cluster that was made anew begins again with its epochs.
        (newest.epoch >= self.epoch || self.backplane.subscriptions.links() == 0).then_some(newest)
    }

    async fn ask(&mut self, nodes: BTreeSet<Place>) -> Vec<View> {
        let asked = nodes.into_iter().map(|place| {
            let open = self.connections.remove(&place);
            let address = self.address(&place);
            async move {
                let answer = timeout(CONNECT_DEADLINE, view_of(&address, open)).await;
                (place, answer)
            }
        });
        let mut views = Vec::new();
        for (place, answer) in join_all(asked).await {
            match answer {
                Ok(Ok((connection, view))) => {
                    self.connections.insert(place, connection);
                    views.push(view);
                }
                Ok(Err(error)) => warn!(?place, %error, "a node of the cluster tells nothing"),
                Err(_) => warn!(?place, "a node of the cluster gives no answer in time"),
            }
        }
        views
    }

    /// Makes links to the primaries of `view`, ends the others, and gives each its channels.
    fn apply(&mut self, view: View) {
        // One that is older counts where nobody is served: see `newest`.
        let newer = view.epoch != self.epoch;
        self.epoch = view.epoch;
        self.nodes = view.nodes;
        self.connections
            .retain(|place, _| self.nodes.contains(place));
        let primaries: BTreeSet<&Place> = view.slots.iter().map(|(_, _, place)| place).collect();
        self.links.retain(|place, (_, task)| {
            let stays = primaries.contains(place);
            if !stays {
                info!(?place, "no longer a primary of the cluster");
                task.abort();
            }
            stays
        });
        for place in &primaries {
            if !self.links.contains_key(*place) {
                let link = self.start(place);
                self.links.insert((*place).clone(), link);
            }
        }
        let mut routes = Box::new([None; slot::COUNT]);
        for (first, last, place) in &view.slots {
            let link = self.links.get(place).map(|(id, _)| *id);
            routes[usize::from(*first)..=usize::from(*last)].fill(link);
        }
        self.backplane
            .subscriptions
            .reroute(Routes::Slots(routes), newer);
        let targets = primaries.into_iter().map(|place| self.address(place));
        self.targets.send_replace(targets.collect());
    }

    fn start(&mut self, place: &Place) -> (LinkId, AbortHandle) {
        self.count += 1;
        let id = LinkId(self.count);
        let backplane = self.backplane.clone();
        let link = backplane.link_told(Words::Sharded, self.moved.clone());
        let place = Whereabouts::AnyOf(vec![self.address(place)]);
        let keep = async move { backplane.keep(id, place, link, Watch::Nothing).await };
        (id, self.tasks.spawn(keep))
    }

    fn address(&self, (host, port): &Place) -> RedisAddress {
        self.seeds[0].elsewhere(host, *port)
    }
}

/// The view of the node at `address`, over the connection that is open, or a new one.
async fn view_of(
    address: &RedisAddress,
    open: Option<MultiplexedConnection>,
) -> RedisResult<(MultiplexedConnection, View)> {
    let mut connection = match open {
        Some(connection) => connection,
        None => {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_DEADLINE))
                .set_response_timeout(Some(CONNECT_DEADLINE));
            let client = address.client()?;
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await?
        }
    };
    let text: String = redis::cmd("CLUSTER")
        .arg("NODES")
        .query_async(&mut connection)
        .await?;
    Ok((connection, View::of(&text, address.place().0)))
}

impl View {
    /// Reads what `CLUSTER NODES` answers at `host`. Lines that say nothing are passed over.
    fn of(text: &str, host: &str) -> Self {
        let mut view = Self {
            epoch: 0,
            nodes: Vec::new(),
            slots: Vec::new(),
        };
        for line in text.lines() {
            let mut words = line.split(' ');
            let (Some(address), Some(flags), Some(epoch)) =
                (words.nth(1), words.next(), words.nth(3))
            else {
                continue;
            };
            view.epoch = view.epoch.max(epoch.parse().unwrap_or(0));
            let Some(place) = place(address, host) else {
                continue;
            };
            let is = |flag: &str| flags.split(',').any(|own| own == flag);
            if is("noaddr") || is("handshake") {
                continue;
            }
            if !is("fail") {
                view.nodes.push(place.clone());
            }
            // Slots on their way to or from a primary are in brackets: they are not counted twice.
            for range in words.skip(1).filter(|range| !range.starts_with('[')) {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                if let (Ok(first), Ok(last)) = (first.parse(), last.parse())
                    && first <= last
                    && usize::from(last) < slot::COUNT
                {
                    view.slots.push((first, last, place.clone()));
                }
            }
        }
        view
    }
}

/// Host and port in `ip:port@cport[,hostname]`; a node that knows no address of its own has the one it was asked at.
fn place(address: &str, asked: &str) -> Option<Place> {
    let (address, _) = address.split_once('@').unwrap_or((address, ""));
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { asked } else { host };
    Some((host.to_owned(), port.parse().ok()?))
}

/// Those of `nodes` who are asked now: each time the next ones, from `turn` on.
fn whose_turn(nodes: &[Place], turn: &mut usize) -> BTreeSet<Place> {
    let first = *turn % nodes.len().max(1);
    *turn = first + ASKED;
    let next = nodes.iter().cycle().skip(first);
    next.take(ASKED.min(nodes.len())).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_turn() {
        let nodes: Vec<Place> = (1..=7).map(|port| ("host".to_owned(), port)).collect();
        let mut turn = 0;
        let mut ports = || {
            let asked = whose_turn(&nodes, &mut turn);
            asked.into_iter().map(|(_, port)| port).collect::<Vec<_>>()
        };
        let asked = [ports(), ports(), ports(), ports()];
        assert_eq!(asked, [[1, 2, 3], [4, 5, 6], [1, 2, 7], [3, 4, 5]]);
        // Fewer than before, as after a node has gone.
        assert_eq!(whose_turn(&nodes[..2], &mut turn).len(), 2);
        assert!(whose_turn(&[], &mut turn).is_empty());
    }

    #[test]
    fn a_view_is_what_a_node_says_of_all() {
        let text = "\
07c37df 127.0.0.1:30004@31004,host4 slave e7d1eec 0 1426238317239 4 connected\n\
67ed2db 127.0.0.1:30002@31002,host2 master - 0 1426238316232 2 connected 5461-10922\n\
292f8b3 127.0.0.1:30003@31003 master,fail - 0 1426238318243 9 disconnected 10923-16381 16383\n\
6ec2392 127.0.0.1:30005@31005 slave,noaddr 67ed2db 0 1426238316232 5 connected\n\
824fe11 ::1:30006@31006 slave 292f8b3 0 1426238317741 6 connected\n\
e7d1eec :30001@31001 myself,master - 0 0 1 connected 0-5460 [5461->-67ed2db]\n\
vars currentEpoch 9\n";
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(
            View::of(text, "redis"),
            View {
                epoch: 9,
                nodes: vec![
                    at("127.0.0.1", 30004),
                    at("127.0.0.1", 30002),
                    at("::1", 30006),
                    at("redis", 30001),
                ],
                slots: vec![
                    (5461, 10_922, at("127.0.0.1", 30002)),
                    (10_923, 16_381, at("127.0.0.1", 30003)),
                    (16_383, 16_383, at("127.0.0.1", 30003)),
                    (0, 5460, at("redis", 30001)),
                ],
            }
        );
    }
}
