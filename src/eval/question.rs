//! Where questions come from: the generators' suites and the task files. Each question is made from its number alone.

use rand08::SeedableRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::corpus::{self, Group, SUITES, Shape, Suite};
use crate::prompt::{Assembly, Doc, Instruction, Query, Selection, Task};

use super::EvalError;

/// One item at a number of shots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Whether that is a suite or a task file.
    pub kind: Kind,
    /// The suite or task it belongs to.
    pub task: String,
    /// Examples in the prompt.
    pub shots: usize,
    /// Its number, from 0.
    pub item: usize,
    /// What the model reads.
    pub prompt: String,
    /// The right continuation, with the space in front of it.
    pub target: String,
    /// Other continuations that are right too.
    pub alternatives: Vec<String>,
    /// The continuations to choose from; empty where there is no choice.
    pub choices: Vec<String>,
    /// Strings that end an answer.
    pub terminators: Vec<String>,
}

impl Question {
    /// Sixteen hex digits that tell this question from any other.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let answers = [&self.prompt, &self.target].into_iter().chain(&self.alternatives);
        let parts = answers.chain(&self.terminators).chain(&self.choices);
        hash.update((self.terminators.len() as u64).to_le_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        super::hex(&hash.finalize()[..8])
    }

    /// Whether a continuation is right.
    pub fn accepts(&self, continuation: &str) -> bool {
        self.target == continuation || self.alternatives.iter().any(|other| other == continuation)
    }
}

/// Where questions come from. A suite and a task may have the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A generator.
    Suite,
    /// A task file.
    Task,
}

/// What can be asked.
pub enum Source<'a> {
    /// A generator: as many questions as one likes.
    Suite(&'a Suite),
    /// A task file.
    Task(Box<TaskSource>),
}

/// Which documents of a task file are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Documents {
    /// Its queries.
    Queries,
    /// Its queries, then its samples, each left out of its own prompt.
    QueriesAndSamples,
}

/// A task file and which of its documents have answers.
pub struct TaskSource {
    task: Task,
    docs: Vec<Doc>,
}

impl Source<'static> {
    /// The suite of a name.
    ///
    /// # Errors
    /// There is none; the error names the nearest and all others.
    pub fn suite(name: &str) -> Result<Self, EvalError> {
        corpus::suite(name).map(Self::Suite).ok_or_else(|| {
            let known: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
            EvalError::UnknownSuite { name: name.to_owned(), nearest: nearest(name, &known), known }
        })
    }

    /// A task, to be asked about those of its documents whose answer is known.
    ///
    /// # Errors
    /// It has no such document, or nothing that ends an answer, or wants figures that are not computed, or a template that
    /// fails.
    pub fn task(task: Task, documents: Documents) -> Result<Self, EvalError> {
        if let Some(source) = task.scored_otherwise() {
            return Err(EvalError::scoring(&task, source));
        }
        if task.until.iter().all(String::is_empty) {
            return Err(EvalError::NoTerminator { task: task.name });
        }
        let samples = match documents {
            Documents::Queries => &[],
            Documents::QueriesAndSamples => task.examples.as_slice(),
        };
        let all = task.queries.iter().chain(samples.iter().map(|example| &example.doc));
        let mut docs: Vec<Doc> = Vec::new();
        for (item, doc) in all.enumerate() {
            let target =
                task.target(doc).map_err(|source| EvalError::Task { task: task.name.clone(), item, source })?;
            if target.is_some() && !docs.contains(doc) {
                docs.push(doc.clone());
            }
        }
        if docs.is_empty() {
            return Err(EvalError::NothingToAsk { task: task.name, samples: task.examples.len() });
        }
        Ok(Self::Task(Box::new(TaskSource { task, docs })))
    }
}

impl Source<'_> {
    /// The name of the suite or task.
    pub fn name(&self) -> &str {
        match self {
            Self::Suite(suite) => suite.name,
            Self::Task(source) => &source.task.name,
        }
    }

    /// Whether it is a suite or a task file.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Suite(_) => Kind::Suite,
            Self::Task(_) => Kind::Task,
        }
    }

    /// The most examples that every item can have in front of it; `None` where there is no end to them.
    pub fn most_shots(&self) -> Option<usize> {
        match self {
            Self::Suite(_) => None,
            Self::Task(source) => {
                let others = |doc: &Doc| source.task.examples.iter().filter(|example| example.doc != *doc).count();
                source.docs.iter().map(others).min()
            }
        }
    }

    /// How many items there are, up to `limit`.
    pub fn items(&self, limit: usize) -> usize {
        match self {
            Self::Suite(_) => limit,
            Self::Task(source) => limit.min(source.docs.len()),
        }
    }

    /// The best percentage that can be had with so many examples, where the generator knows one.
    pub fn ceiling(&self, shots: usize) -> Option<f64> {
        match self {
            Self::Suite(suite) => Some((suite.ceiling)(shots) * 100.0),
            Self::Task(_) => None,
        }
    }

    /// What a suite tells of a model.
    pub fn group(&self) -> Option<&'static str> {
        let Self::Suite(suite) = self else { return None };
        Some(match suite.group {
            Group::Ambiguous => "ambiguous",
            Group::Unambiguous => "unambiguous",
            Group::Rule => "rule",
            Group::Mapping => "mapping",
            Group::Recall => "recall",
            Group::Post => "post",
        })
    }

    /// The item of a number. It depends on the seed, the name and the number; at every number of shots it is drawn from
    /// the same random numbers.
    ///
    /// # Errors
    /// A task whose templates fail, or that has fewer examples.
    pub fn question(&self, item: usize, shots: usize, instruction: bool, seed: u64) -> Result<Question, EvalError> {
        match self {
            Self::Suite(suite) => {
                let mut rng = corpus::Rng::from_seed(item_seed(seed, suite.name, item));
                let made = suite.item(&mut rng, Shape { shots, instruction });
                Ok(Question {
                    kind: Kind::Suite,
                    task: suite.name.to_owned(),
                    shots,
                    item,
                    prompt: made.prompt,
                    target: made.target,
                    alternatives: Vec::new(),
                    choices: made.choices,
                    terminators: vec![made.terminator.to_owned()],
                })
            }
            Self::Task(source) => source.question(item, shots, instruction, seed),
        }
    }
}

impl TaskSource {
    fn nothing_to_ask(&self) -> EvalError {
        EvalError::NothingToAsk { task: self.task.name.clone(), samples: self.task.examples.len() }
    }

    fn question(&self, item: usize, shots: usize, instruction: bool, seed: u64) -> Result<Question, EvalError> {
        let task = &self.task;
        let Some(doc) = self.docs.get(item) else {
            return Err(self.nothing_to_ask());
        };
        let mut selection = Selection::listed(task);
        if !task.first_n {
            let [a, b, c, d, e, f, g, h, ..] = item_seed(seed, &task.name, item);
            selection.shuffle(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
        }
        // The document itself is not to be among its examples: it goes to the end, behind those that are shown.
        let mut most = selection.entries().len();
        for position in (0..selection.entries().len()).rev() {
            let example = selection.entries()[position].example;
            if task.examples[example].doc == *doc {
                selection.move_entry(position, usize::MAX);
                most -= 1;
            }
        }
        if shots > most {
            return Err(EvalError::TooManyShots { task: task.name.clone(), shots, most });
        }
        selection.set_shots(shots);
        let instruction = if instruction { Instruction::Shown } else { Instruction::Hidden };
        let prompt = Assembly { task, selection: &selection, query: Query::Doc(doc), instruction }
            .prompt()
            .map_err(|source| EvalError::Task { task: task.name.clone(), item, source })?;
        let Some(target) = prompt.expected else {
            return Err(self.nothing_to_ask());
        };
        Ok(Question {
            kind: Kind::Task,
            task: task.name.clone(),
            shots,
            item,
            prompt: prompt.text,
            target: target.continuation,
            alternatives: prompt.alternatives.into_iter().map(|answer| answer.continuation).collect(),
            choices: prompt.choices.into_iter().map(|choice| choice.continuation).collect(),
            terminators: prompt.stop.into_iter().filter(|stop| !stop.is_empty()).collect(),
        })
    }
}

/// Everything that is asked in a run.
pub struct Plan<'a> {
    /// Suites and tasks, in the order of the report.
    pub sources: Vec<Source<'a>>,
    /// Numbers of examples. A task with fewer is not asked there: see [`Plan::cells`].
    pub shots: Vec<usize>,
    /// Most items of a task at a number of shots.
    pub limit: usize,
    /// What the generators, and the order of a task's examples, are drawn from.
    pub seed: u64,
    /// Whether a line says what is asked.
    pub instruction: Instructions,
}

/// Whether prompts begin with what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instructions {
    /// Tasks show their description, suites only examples.
    TasksOnly,
    /// All show theirs.
    Shown,
    /// None does.
    Hidden,
}

/// The items of a task at a number of shots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Index into [`Plan::sources`].
    pub source: usize,
    /// Examples in the prompt.
    pub shots: usize,
    /// How many items are asked.
    pub items: usize,
}

impl Plan<'_> {
    /// What is asked, task by task, in order of shots.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (source, asked) in self.sources.iter().enumerate() {
            let possible = self.shots.iter().filter(|&&shots| asked.most_shots().is_none_or(|most| shots <= most));
            cells.extend(possible.map(|&shots| Cell { source, shots, items: asked.items(self.limit) }));
        }
        cells
    }

    /// Every question, cell after cell.
    pub fn questions(&self) -> impl Iterator<Item = Result<Question, EvalError>> {
        self.cells().into_iter().flat_map(move |cell| {
            let source = &self.sources[cell.source];
            let instruction = match self.instruction {
                Instructions::Shown => true,
                Instructions::Hidden => false,
                Instructions::TasksOnly => matches!(source, Source::Task(_)),
            };
            (0..cell.items).map(move |item| source.question(item, cell.shots, instruction, self.seed))
        })
    }
}

/// What an item is drawn from: nothing but the seed, the name and the number, so that no item depends on how many others
/// were made before it.
fn item_seed(seed: u64, name: &str, item: usize) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update((item as u64).to_le_bytes());
    hash.update(name);
    hash.finalize().into()
}

/// The name that a misspelt one may mean: a name that contains it or is contained, or else the name that shares most pairs of
/// letters (Dice's coefficient), where they share a good part.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let likeness = |other: &str| match name.len() > 2 && (other.contains(name) || name.contains(other)) {
        true => 1.0,
        false => strsim::sorensen_dice(name, other),
    };
    let best = known.iter().map(|&other| (likeness(other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness >= 0.4).map(|(_, other)| other)
}
