//! The plan: chains that run stay, then those that must move, then new ones,
//! each in the order of age.

use std::collections::{BTreeMap, BTreeSet};

use hummingbird_crds::api::{Desired, PlacementMode, SecurityMode};

use crate::{
    book::Book,
    decision::{Decision, NodeRefusal, Placed, Plan, Withdrawn},
    demand::ChainDemand,
    fit::{Fit, fit, labels},
    policy::DevicePolicy,
    refusal::{Refusal, Resource},
    supply::{Allotment, Held, NodeSupply, Readiness},
};

/// Decides where every chain runs. The order of `chains` and `nodes` does not matter.
///
/// What runs keeps its place and its NICs unless it may not be there, is not
/// wanted there, its node is gone or not ready, or another node has room for
/// what it asks and this one no longer has. No plan gives anything twice: what
/// is being torn down is held until its assignment is gone.
#[must_use]
pub fn plan(chains: &[ChainDemand], nodes: &[NodeSupply], policy: &DevicePolicy) -> Plan {
    let mut order: Vec<&ChainDemand> = chains.iter().collect();
    order.sort_by_key(|demand| (&demand.created, &demand.chain, &demand.uid));
    let mut planner = Planner::new(nodes, policy);
    let mut decisions: BTreeMap<&str, Decision> = BTreeMap::new();
    for demand in &order {
        decisions.insert(&demand.uid, planner.begin(demand));
    }
    // Twice, for one that shrinks makes room for one that grows.
    for demand in order.iter().chain(&order) {
        planner.keep(demand, decisions.get_mut(demand.uid.as_str()).expect("every chain has begun"));
    }
    let (moving, new): (Vec<_>, Vec<_>) = order.iter().partition(|demand| planner.has_home(&demand.uid));
    for demand in moving.into_iter().chain(new) {
        planner.settle(demand, decisions.get_mut(demand.uid.as_str()).expect("every chain has begun"));
    }
    let mut decisions: Vec<_> = decisions.into_values().collect();
    decisions.sort_by(|a, b| (&a.chain, &a.uid).cmp(&(&b.chain, &b.uid)));
    Plan { decisions, orphans: planner.orphans(chains) }
}

struct Planner<'a> {
    books: Vec<Book<'a>>,
    policy: &'a DevicePolicy,
    /// By uid: the books in which a chain had an assignment at first.
    homes: BTreeMap<&'a str, Vec<usize>>,
    /// By namespace and uid: what is held, by book.
    usage: BTreeMap<String, BTreeMap<String, BTreeMap<usize, Use>>>,
    /// By namespace: the sum of that.
    totals: BTreeMap<String, Use>,
}

/// What limits are about: cores, bytes in hugepages, workgroups.
type Use = [u128; 3];

fn usage_of(allotment: &Allotment) -> Use {
    [allotment.cores.into(), allotment.hugepages.into(), allotment.workgroups.into()]
}

impl<'a> Planner<'a> {
    fn new(nodes: &'a [NodeSupply], policy: &'a DevicePolicy) -> Self {
        let mut books: Vec<_> = nodes.iter().map(Book::open).collect();
        books.sort_by_key(|book| &book.node.name);
        let mut planner =
            Self { books, policy, homes: BTreeMap::new(), usage: BTreeMap::new(), totals: BTreeMap::new() };
        for index in 0..planner.books.len() {
            let node: &'a NodeSupply = planner.books[index].node;
            for held in &node.held {
                planner.homes.entry(&held.uid).or_default().push(index);
                planner.count(&held.chain.namespace, &held.uid, index, usage_of(&held.allotment));
            }
        }
        planner
    }

    fn count(&mut self, namespace: &str, uid: &str, book: usize, new: Use) {
        let by_uid = self.usage.entry(namespace.into()).or_default();
        let old = by_uid.entry(uid.into()).or_default().insert(book, new).unwrap_or_default();
        let total = self.totals.entry(namespace.into()).or_default();
        for resource in 0..3 {
            total[resource] = total[resource] - old[resource] + new[resource];
        }
    }

    fn hold(&mut self, demand: &ChainDemand, book: usize, allotment: &Allotment) {
        self.count(&demand.chain.namespace, &demand.uid, book, usage_of(allotment));
        self.books[book].hold(&demand.uid, &demand.chain, allotment.clone());
    }

    fn has_home(&self, uid: &str) -> bool {
        self.homes.contains_key(uid)
    }

    /// A chain's assignments as they were given.
    fn held(&self, uid: &str) -> Vec<(usize, &'a Held)> {
        let homes = self.homes.get(uid).into_iter().flatten();
        let find = |book: &usize| {
            let held = self.books[*book].node.held.iter().find(|held| held.uid == uid);
            held.map(|held| (*book, held))
        };
        homes.filter_map(find).collect()
    }

    /// What is wrong with a chain as a whole.
    fn begin(&self, demand: &ChainDemand) -> Decision {
        let namespace = &demand.chain.namespace;
        let allowed = self.policy.security_mode(namespace);
        let (asked, every) = (demand.security_mode, demand.mode == PlacementMode::EveryMatchingNode);
        let rejected = if every && demand.encrypts {
            Some(Refusal::EncryptOnEveryNode)
        } else if asked == SecurityMode::Privileged && allowed == SecurityMode::Restricted {
            Some(Refusal::SecurityModeForbidden { namespace: namespace.clone(), asked, allowed })
        } else {
            None
        };
        Decision {
            uid: demand.uid.clone(),
            chain: demand.chain.clone(),
            rejected,
            placed: Vec::new(),
            reserved: None,
            withdrawn: Vec::new(),
            refusals: Vec::new(),
        }
    }

    /// Keeps a chain where it runs, if it can be kept. May be called again.
    fn keep(&mut self, demand: &ChainDemand, decision: &mut Decision) {
        let mut running = self.held(&demand.uid);
        running.retain(|(_, held)| held.desired == Desired::Running);
        if let Some(why) = &decision.rejected {
            decision.withdrawn = running
                .iter()
                .map(|(book, _)| Withdrawn { node: self.name(*book), why: why.clone() })
                .collect();
            return;
        }
        (decision.placed, decision.withdrawn) = (Vec::new(), Vec::new());
        if demand.mode == PlacementMode::One {
            running.sort_by_key(|(book, _)| self.books[*book].node.readiness != Readiness::Ready);
        }
        for (book, held) in running {
            let node = self.name(book);
            let elsewhere = decision.placed.first().filter(|_| demand.mode == PlacementMode::One);
            let found = match elsewhere {
                Some(placed) => Err(Refusal::OtherNodePreferred { node: placed.node.clone() }),
                None => self.stay(demand, book, held),
            };
            let why = match found {
                Ok(Fit { allotment, notes, .. }) => {
                    self.hold(demand, book, &allotment);
                    decision.placed.push(Placed { node, kept: true, allotment, notes, unmet: None });
                    continue;
                }
                Err(why) => why,
            };
            if why.expels() || matches!(why, Refusal::OtherNodePreferred { .. }) {
                decision.withdrawn.push(Withdrawn { node, why });
            } else {
                let allotment = held.allotment.clone();
                self.hold(demand, book, &allotment);
                decision.placed.push(Placed {
                    node,
                    kept: true,
                    allotment,
                    notes: Vec::new(),
                    unmet: Some(why),
                });
            }
        }
    }

    /// What a chain gets where it runs.
    fn stay(&self, demand: &ChainDemand, book: usize, held: &Held) -> Result<Fit, Refusal> {
        let node = self.books[book].node;
        if held.handed_back {
            return Err(Refusal::NodeResourcesTaken);
        }
        match node.readiness {
            Readiness::Ready => {}
            Readiness::Gone => return Err(Refusal::NodeGone),
            // A fleet's member does not move; nor does a sender that may still send.
            Readiness::NotReady if demand.mode == PlacementMode::EveryMatchingNode || demand.encrypts => {
                labels(demand, &node.labels)?;
                return Err(Refusal::SenderMayBeAlive);
            }
            Readiness::NotReady => return Err(Refusal::NodeNotReady),
        }
        let fit = fit(demand, &self.books[book], self.policy, Some(&held.allotment))?;
        self.within_limits(demand, book, &fit.allotment, Some(&held.allotment))?;
        Ok(fit)
    }

    /// Holds a namespace to its limits. What a chain has already is never taken from it.
    fn within_limits(
        &self,
        demand: &ChainDemand,
        book: usize,
        allotment: &Allotment,
        had: Option<&Allotment>,
    ) -> Result<(), Refusal> {
        let namespace = &demand.chain.namespace;
        let Some(limits) = self.policy.limits(namespace) else { return Ok(()) };
        let bytes = limits.hugepages.as_ref().map(|quantity| quantity.bytes().unwrap_or(0));
        let limits = [limits.cores.map(u64::from), bytes, limits.workgroups.map(u64::from)];
        let total = self.totals.get(namespace).copied().unwrap_or_default();
        let own = self.usage.get(namespace).and_then(|by_uid| by_uid.get(&demand.uid));
        // One instance replaces all others of its chain; of a fleet, only the one on this node.
        let replaced = |at: &usize| demand.mode == PlacementMode::One || *at == book;
        let (asked, had) = (usage_of(allotment), had.map(usage_of));
        let resources = [Resource::Cores, Resource::Hugepages, Resource::Workgroups];
        for (index, resource) in resources.into_iter().enumerate() {
            let Some(limit) = limits[index] else { continue };
            let mine: u128 = own
                .into_iter()
                .flatten()
                .filter(|(at, _)| replaced(at))
                .map(|(_, amount)| amount[index])
                .sum();
            let others = total[index] - mine;
            let grows = had.is_none_or(|had| asked[index] > had[index]);
            if grows && others + asked[index] > u128::from(limit) {
                let number = |value: u128| u64::try_from(value).unwrap_or(u64::MAX);
                let (asked, held) = (number(asked[index]), number(others));
                let namespace = namespace.clone();
                return Err(Refusal::NamespaceLimitExceeded { namespace, resource, asked, held, limit });
            }
        }
        Ok(())
    }

    /// Finds a place for a chain that has none, or a better one for one that
    /// stays only for want of it.
    fn settle(&mut self, demand: &ChainDemand, decision: &mut Decision) {
        if decision.rejected.is_some() {
            return;
        }
        match demand.mode {
            PlacementMode::EveryMatchingNode => self.spread(demand, decision),
            PlacementMode::One if decision.placed.is_empty() => self.place(demand, decision),
            PlacementMode::One => self.improve(demand, decision),
        }
    }

    /// Places a chain on every node that has the labels and the room.
    fn spread(&mut self, demand: &ChainDemand, decision: &mut Decision) {
        let homes: BTreeSet<_> = self.homes.get(demand.uid.as_str()).into_iter().flatten().copied().collect();
        for book in 0..self.books.len() {
            let node = self.name(book);
            if decision.placed.iter().any(|placed| placed.node == node) {
                continue;
            }
            match self.enter(demand, book, homes.contains(&book)) {
                Ok(Fit { allotment, notes, .. }) => {
                    self.hold(demand, book, &allotment);
                    decision.placed.push(Placed { node, kept: false, allotment, notes, unmet: None });
                }
                Err(refusal) => decision.refusals.push(NodeRefusal { node, refusal }),
            }
        }
        decision.placed.sort_by(|a, b| a.node.cmp(&b.node));
    }

    /// Places a chain on the best node, or reserves that where it must wait.
    fn place(&mut self, demand: &ChainDemand, decision: &mut Decision) {
        let (best, mut refusals) = self.search(demand);
        // What is torn down, or may still run, on a live node is waited for.
        let still = self.held(&demand.uid).into_iter().find(|(book, _)| {
            let readiness = self.books[*book].node.readiness;
            readiness == Readiness::Ready || readiness == Readiness::NotReady && demand.encrypts
        });
        if let Some((book, fit)) = best {
            self.hold(demand, book, &fit.allotment);
            let Fit { allotment, notes, .. } = fit;
            let placed = Placed { node: self.name(book), kept: false, allotment, notes, unmet: None };
            match still {
                None => decision.placed.push(placed),
                Some((from, _)) => {
                    let refusal = Refusal::WaitsForOtherNode { from: self.name(from) };
                    refusals.retain(|no| no.node != placed.node);
                    refusals.push(NodeRefusal { node: placed.node.clone(), refusal });
                    refusals.sort_by(|a, b| a.node.cmp(&b.node));
                    decision.reserved = Some(placed);
                }
            }
        }
        decision.refusals = refusals;
    }

    /// Moves a chain that stays with less than it asks to a node that has all of it.
    fn improve(&mut self, demand: &ChainDemand, decision: &mut Decision) {
        let movable = |why: &Refusal| {
            !matches!(why, Refusal::SenderMayBeAlive | Refusal::NamespaceLimitExceeded { .. })
        };
        let Some(why) = decision.placed.iter().find_map(|p| p.unmet.clone()).filter(movable) else { return };
        if self.search(demand).0.is_some() {
            let left =
                decision.placed.drain(..).map(|placed| Withdrawn { node: placed.node, why: why.clone() });
            decision.withdrawn.extend(left);
            self.place(demand, decision);
        }
    }

    /// The best node for a chain among those that it has nothing on, and why not each other.
    fn search(&self, demand: &ChainDemand) -> (Option<(usize, Fit)>, Vec<NodeRefusal>) {
        let homes: BTreeSet<_> = self.homes.get(demand.uid.as_str()).into_iter().flatten().copied().collect();
        let outcomes: Vec<_> = (0..self.books.len())
            .map(|book| (book, self.enter(demand, book, homes.contains(&book))))
            .collect();
        // Near before far, hugepages before ordinary pages, then the node with the fewest chains.
        let rank = |book: usize, fit: &Fit| {
            (fit.remote, fit.allotment.hugepages == 0, self.books[book].chains(), book)
        };
        let best = outcomes
            .iter()
            .filter_map(|(book, found)| found.as_ref().ok().map(|fit| (*book, fit)))
            .min_by_key(|(book, fit)| rank(*book, fit))
            .map(|(book, fit)| (book, fit.clone()));
        let mut refusals = Vec::new();
        for (book, found) in outcomes {
            let refusal = match (found, &best) {
                (Err(refusal), _) => refusal,
                (Ok(_), Some((chosen, _))) if *chosen != book => {
                    Refusal::OtherNodePreferred { node: self.name(*chosen) }
                }
                (Ok(_), _) => continue,
            };
            refusals.push(NodeRefusal { node: self.name(book), refusal });
        }
        (best, refusals)
    }

    /// What a chain gets on a node that it does not run on.
    fn enter(&self, demand: &ChainDemand, book: usize, home: bool) -> Result<Fit, Refusal> {
        let node = self.books[book].node;
        match node.readiness {
            Readiness::Ready => {}
            Readiness::NotReady => return Err(Refusal::NodeNotReady),
            Readiness::Gone => return Err(Refusal::NodeGone),
        }
        labels(demand, &node.labels)?;
        if home {
            let handed_back = node.held.iter().any(|held| held.uid == demand.uid && held.handed_back);
            return Err(match handed_back {
                true => Refusal::NodeResourcesTaken,
                false => Refusal::TeardownInProgress,
            });
        }
        let fit = fit(demand, &self.books[book], self.policy, None)?;
        self.within_limits(demand, book, &fit.allotment, None)?;
        Ok(fit)
    }

    fn name(&self, book: usize) -> String {
        self.books[book].node.name.clone()
    }

    fn orphans(&self, chains: &[ChainDemand]) -> Vec<(String, String)> {
        let known: BTreeSet<_> = chains.iter().map(|demand| demand.uid.as_str()).collect();
        let all = self.books.iter().flat_map(|book| book.node.held.iter().map(|held| (book.node, held)));
        all.filter(|(_, held)| held.desired == Desired::Running && !known.contains(held.uid.as_str()))
            .map(|(node, held)| (node.name.clone(), held.uid.clone()))
            .collect()
    }
}
