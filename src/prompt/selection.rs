use rand_chacha::ChaCha8Rng;
use rand08::SeedableRng;
use rand08::seq::SliceRandom;

use super::Task;

/// Which examples of a task are on, in what order, and how many of those are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    entries: Vec<Entry>,
    shots: usize,
}

/// One line of the list of examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Index into [`Task::examples`].
    pub example: usize,
    /// Whether it may be shown.
    pub on: bool,
}

impl Selection {
    /// Every example on, in the order of the file, and the task's own number of shots.
    pub fn listed(task: &Task) -> Self {
        let entries = (0..task.examples.len()).map(|example| Entry { example, on: true }).collect();
        Self { entries, shots: task.num_fewshot }
    }

    /// The examples in their present order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many examples are asked for: k. The number shown is smaller where fewer are on.
    pub fn shots(&self) -> usize {
        self.shots
    }

    /// Asks for k examples; at most as many as there are.
    pub fn set_shots(&mut self, shots: usize) {
        self.shots = shots.min(self.entries.len());
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
        self.restore_order();
        self.entries.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    }

    /// Back to the order of the file.
    pub fn restore_order(&mut self) {
        self.entries.sort_by_key(|entry| entry.example);
    }

    /// Indices into [`Task::examples`] of the examples that the prompt shows, in order.
    pub fn shown(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().filter(|entry| entry.on).map(|entry| entry.example).take(self.shots)
    }
}
