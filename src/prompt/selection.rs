use rand_chacha::ChaCha8Rng;
use rand08::SeedableRng;
use rand08::seq::SliceRandom;

use super::Task;

/// The examples of a task in an order of the user's, each on or off; the prompt shows those that are on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    entries: Vec<Entry>,
}

/// One line of the list of examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Index into [`Task::examples`].
    pub example: usize,
    /// Whether the prompt shows it.
    pub on: bool,
}

impl Selection {
    /// The order of the file, as many on as the task asks for.
    pub fn listed(task: &Task) -> Self {
        let entries = (0..task.examples.len()).map(|example| Entry { example, on: example < task.num_fewshot });
        Self { entries: entries.collect() }
    }

    /// A given order; `None` where it does not hold each example of the task once.
    pub fn of(task: &Task, entries: Vec<Entry>) -> Option<Self> {
        let mut examples: Vec<usize> = entries.iter().map(|entry| entry.example).collect();
        examples.sort_unstable();
        examples.into_iter().eq(0..task.examples.len()).then_some(Self { entries })
    }

    /// The examples in their present order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many examples are on: k.
    pub fn shots(&self) -> usize {
        self.entries.iter().filter(|entry| entry.on).count()
    }

    /// Exactly the first k examples on; all where there are fewer.
    pub fn set_shots(&mut self, shots: usize) {
        for (position, entry) in self.entries.iter_mut().enumerate() {
            entry.on = position < shots;
        }
    }

    /// One more example on: the first that is off.
    pub fn more(&mut self) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| !entry.on) {
            entry.on = true;
        }
    }

    /// One example fewer on: not the last of those that are.
    pub fn fewer(&mut self) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.on) {
            entry.on = false;
        }
    }

    /// Switches the example at a position of the order on or off. A position that is not there changes nothing.
    pub fn toggle(&mut self, position: usize) {
        if let Some(entry) = self.entries.get_mut(position) {
            entry.on = !entry.on;
        }
    }

    /// Moves the example at `from` to the position `to`; positions past the end mean the last one.
    pub fn move_entry(&mut self, from: usize, to: usize) {
        if from < self.entries.len() {
            let entry = self.entries.remove(from);
            self.entries.insert(to.min(self.entries.len()), entry);
        }
    }

    /// Puts all examples into an order that depends on the seed alone (Fisher-Yates over ChaCha8), whatever the order
    /// was before; with fewer shots than examples this is also the seeded choice of examples.
    pub fn shuffle(&mut self, seed: u64) {
        let shots = self.shots();
        self.restore_order();
        self.entries.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        self.set_shots(shots);
    }

    /// Back to the order of the file.
    pub fn restore_order(&mut self) {
        self.entries.sort_by_key(|entry| entry.example);
    }

    /// Indices into [`Task::examples`] of the examples that the prompt shows, in order.
    pub fn shown(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().filter(|entry| entry.on).map(|entry| entry.example)
    }
}
