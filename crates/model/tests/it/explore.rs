//! Running the checker, and the graph of a whole exploration.

use std::{
    collections::{BTreeSet, HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    time::Instant,
};

use model::{Action, Bounds, Protocol, Rules, State};
use stateright::{Checker, HasDiscoveries, Model};

/// The properties that do not hold, after all there is within the bounds was explored.
pub(crate) fn violated(rules: Rules, bounds: Bounds) -> BTreeSet<&'static str> {
    let begun = Instant::now();
    let checker = Protocol { rules, bounds }
        .checker()
        .symmetry_fn(State::representative)
        .finish_when(HasDiscoveries::All)
        .spawn_dfs()
        .join();
    assert!(checker.is_done());
    println!(
        "{bounds:?}: {} states, {} steps, {:.1} s",
        checker.unique_state_count(),
        checker.state_count(),
        begun.elapsed().as_secs_f64()
    );
    checker.discoveries().into_keys().collect()
}

/// The shortest run that violates a property.
pub(crate) fn counterexample(
    rules: Rules,
    bounds: Bounds,
    property: &'static str,
) -> Option<Vec<Action>> {
    let mut shortest: Option<Vec<Action>> = None;
    loop {
        // The checker looks a little further after a discovery and keeps the last one; so it is asked again for a
        // shorter one until there is none.
        let checker = Protocol { rules, bounds }
            .checker()
            .finish_when(HasDiscoveries::AnyOf([property].into()));
        let checker = match &shortest {
            Some(found) => checker.target_max_depth(found.len() + 1),
            None => checker,
        };
        match checker.spawn_bfs().join().discovery(property) {
            Some(path) => shortest = Some(path.into_actions()),
            None => return shortest,
        }
    }
}

/// Every state within the bounds and the steps between them, states that differ only in who is who taken as one.
pub(crate) struct Graph {
    pub steps: Vec<Vec<u32>>,
    /// States that offer no step and are not at rest.
    pub stuck: Vec<State>,
    pub milestones: BTreeSet<&'static str>,
}

impl Graph {
    pub(crate) fn of(rules: Rules, bounds: Bounds) -> Self {
        let protocol = Protocol { rules, bounds };
        let mut graph = Self {
            steps: Vec::new(),
            stuck: Vec::new(),
            milestones: BTreeSet::new(),
        };
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let mut queue: VecDeque<State> = protocol.init_states().into();
        numbers.insert(hasher.hash_one(&queue[0]), 0);
        while let Some(state) = queue.pop_front() {
            let mut steps = Vec::new();
            for next in protocol.next_states(&state) {
                let next = next.representative();
                let fresh = u32::try_from(numbers.len()).expect("fewer states than that");
                match numbers.entry(hasher.hash_one(&next)) {
                    Entry::Occupied(known) => steps.push(*known.get()),
                    Entry::Vacant(new) => {
                        new.insert(fresh);
                        steps.push(fresh);
                        queue.push_back(next);
                    }
                }
            }
            graph.milestones.extend(state.milestones());
            if steps.is_empty() && !state.is_at_rest() {
                graph.stuck.push(state);
            }
            graph.steps.push(steps);
        }
        graph
    }

    /// Whether some run comes back to where it was, and so need not end: what remains when states that nothing
    /// leads to are taken away one after the other (Kahn 1962).
    pub(crate) fn has_cycle(&self) -> bool {
        let mut arrivals = vec![0_u32; self.steps.len()];
        for next in self.steps.iter().flatten() {
            arrivals[*next as usize] += 1;
        }
        let mut free: Vec<u32> = vec![0];
        let mut taken = 0;
        while let Some(state) = free.pop() {
            taken += 1;
            for next in &self.steps[state as usize] {
                arrivals[*next as usize] -= 1;
                if arrivals[*next as usize] == 0 {
                    free.push(*next);
                }
            }
        }
        taken < self.steps.len()
    }
}
