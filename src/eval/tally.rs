//! Figures of each task at each number of shots. Nothing is averaged over tasks.

use serde::Serialize;

use super::{Kind, Outcome, Plan, Rate, Record};

/// The figures of a plan, cell after cell.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Tally {
    /// In the order of [`Plan::cells`].
    pub figures: Vec<Figures>,
}

/// The figures of one task at one number of shots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Whether a suite or a task was asked.
    pub kind: Kind,
    /// Its name.
    pub task: String,
    /// What a suite tells of a model.
    pub group: Option<&'static str>,
    /// Examples in the prompt.
    pub shots: usize,
    /// How many items are asked.
    pub items: usize,
    /// How many of them are done.
    pub done: usize,
    /// How many of those did not fit the context; they are in no rate.
    pub too_long: usize,
    /// Greedy answers that are the target.
    pub exact_match: Rate,
    /// Items whose likeliest choice is the target; none where no item has a choice.
    pub choice: Option<Rate>,
    /// The same by the mean log-probability of a token.
    pub choice_mean: Option<Rate>,
    /// Greedy answers that are one of the choices.
    pub valid: Option<Rate>,
    /// The best exact match that can be had, in percent, where the generator knows.
    pub ceiling: Option<f64>,
}

impl Tally {
    /// Nothing done yet.
    pub fn new(plan: &Plan<'_>) -> Self {
        let figures = plan.cells().into_iter().map(|cell| {
            let source = &plan.sources[cell.source];
            Figures {
                kind: source.kind(),
                task: source.name().to_owned(),
                group: source.group(),
                shots: cell.shots,
                items: cell.items,
                done: 0,
                too_long: 0,
                exact_match: Rate::default(),
                choice: None,
                choice_mean: None,
                valid: None,
                ceiling: source.ceiling(cell.shots),
            }
        });
        Self { figures: figures.collect() }
    }

    /// Counts an item. One that is not of the plan changes nothing.
    pub fn add(&mut self, record: &Record) {
        let is_of = |cell: &&mut Figures| {
            record.item < cell.items
                && cell.shots == record.shots
                && cell.kind == record.kind
                && cell.task == record.task
        };
        let Some(cell) = self.figures.iter_mut().find(is_of) else { return };
        cell.done += 1;
        match &record.outcome {
            Outcome::TooLong { .. } => cell.too_long += 1,
            Outcome::Answered(answer) => {
                cell.exact_match.add(answer.exact);
                if let Some(valid) = answer.valid {
                    cell.valid.get_or_insert_default().add(valid);
                }
                if let Some(choice) = &answer.choice {
                    cell.choice.get_or_insert_default().add(choice.right);
                    cell.choice_mean.get_or_insert_default().add(choice.right_mean);
                }
            }
        }
    }

    /// Items done.
    pub fn done(&self) -> usize {
        self.figures.iter().map(|cell| cell.done).sum()
    }

    /// Items in all.
    pub fn items(&self) -> usize {
        self.figures.iter().map(|cell| cell.items).sum()
    }
}
