//! An executor that does what a test tells it: no threads, no files, no clock.
#![allow(unreachable_pub, reason = "shared by several test programs")]

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use kshot::app::export::{Destination, Exported};
use kshot::app::models::{Cached, Found, ModelRow, Offer};
use kshot::app::sampler::Sampler;
use kshot::app::sessions::SessionJob;
use kshot::app::{App, IoEvent, IoRequest};
use kshot::disk::Existing;
use kshot::engine::{
    Aside, Capabilities, Command, Drawn, Event, Finish, FinishReason, GenerateRequest, JobId, ModelInfo, NextToken,
    ReadEnd, ReadRequest, Start, Step, Timings, TokenScore, Worker,
};
use kshot::prompt::{FileChange, Library};
use kshot::sampling::{Candidate, Sampled, Settings, StageCount};
use kshot::session::{Kept, Texts};
use kshot::text::{SpecialIds, SpecialTokens, Tokenizer, byte_symbol};
use kshot::train;
use kshot::ui::script::{Clock, Driver};
use kshot::ui::theme::{Palette, Theme};
use kshot::ui::widget::Glyphs;
use kshot::ui::{Executor, Keeper, Shell};

/// Tokens beyond the 256 bytes and `<|endoftext|>`; the first has the id 257.
pub const WORDS: [&str; 12] =
    [" eau", " l", " water", " de", " la", " une", " mer", "\n", " river", " the", " of", " ocean"];

/// What was asked of it, and the channels to answer on.
pub struct Scripted {
    /// What was asked.
    pub asked: Rc<RefCell<Asked>>,
    /// Entries of a row of logits.
    pub vocab: usize,
    /// Carries the engine's commands out, where it is not scripted.
    pub worker: Option<Worker>,
    /// Keeps sessions, where a test has a folder for them.
    pub keeper: Option<Keeper>,
    engine: (Sender<Event>, Receiver<Event>),
    io: (Sender<IoEvent>, Receiver<IoEvent>),
    train: (Sender<train::Event>, Receiver<train::Event>),
}

/// What was asked.
#[derive(Default)]
pub struct Asked {
    /// The last generation.
    pub generation: Option<(JobId, GenerateRequest)>,
    /// The last look-up.
    pub find: Option<(JobId, String)>,
    /// The last download.
    pub pull: Option<JobId>,
    /// Jobs that were cancelled.
    pub cancelled: Vec<JobId>,
    /// Files that were to be written.
    pub saved: Vec<(PathBuf, Vec<u8>)>,
    /// And whether one that was there could be replaced.
    pub existing: Vec<Existing>,
    /// Documents that were to be read.
    pub reads: Vec<ReadRequest>,
    /// What the training thread was told.
    pub train: Vec<train::Command>,
    /// Pictures that were to be written.
    pub pictures: Vec<String>,
    /// What of the session was to be kept.
    pub kept: Vec<Kept>,
    /// How many new sessions were begun.
    pub sessions: usize,
}

impl Scripted {
    /// An executor that lists three models, loads any, encodes by bytes, and waits for the rest.
    pub fn new() -> Self {
        Self {
            asked: Rc::default(),
            vocab: 257 + WORDS.len(),
            worker: None,
            keeper: None,
            engine: unbounded(),
            io: unbounded(),
            train: unbounded(),
        }
    }

    /// The sender of engine events.
    pub fn engine_sender(&self) -> Sender<Event> {
        self.engine.0.clone()
    }

    /// The sender of training events.
    pub fn train_sender(&self) -> Sender<train::Event> {
        self.train.0.clone()
    }

    /// The sender of I/O events.
    pub fn io_sender(&self) -> Sender<IoEvent> {
        self.io.0.clone()
    }
}

impl Executor for Scripted {
    fn engine(&mut self, command: Command) {
        if let Some(worker) = &mut self.worker {
            return worker.run(command, &mut |event| self.engine.0.send(event).unwrap());
        }
        match command {
            Command::Load(job, request, _) => {
                let info = Arc::new(info(&request.name));
                self.engine.0.send(Event::Loaded(job, info, Some(Arc::new(tokenizer())))).unwrap();
            }
            Command::Generate(job, request, _) => self.asked.borrow_mut().generation = Some((job, request)),
            Command::Read(job, request, _) => {
                let scores = (request.from..request.ids.len()).map(|at| score(request.ids[at], at, request.start));
                self.engine.0.send(Event::Read(job, request.from, scores.collect())).unwrap();
                let end = ReadEnd { next: NextToken::Full(row(self.vocab)), ran: request.ids.len() - request.from };
                self.engine.0.send(Event::ReadEnd(job, end)).unwrap();
                self.asked.borrow_mut().reads.push(request);
            }
            Command::Aside(job, request, _) => {
                let before = request.ids.len();
                let scores =
                    request.target.iter().enumerate().map(|(at, id)| score(*id, before + at, Start::EndOfText));
                self.engine
                    .0
                    .send(Event::Aside(job, Aside { scores: scores.collect(), next: NextToken::Full(row(self.vocab)) }))
                    .unwrap();
            }
            Command::Score(..) | Command::Unload => {}
        }
    }

    fn train(&mut self, command: train::Command) {
        self.asked.borrow_mut().train.push(command);
    }

    fn train_events(&self) -> &Receiver<train::Event> {
        &self.train.1
    }

    #[allow(clippy::too_many_lines, reason = "an arm for each request")]
    fn io(&mut self, request: IoRequest) {
        let mut asked = self.asked.borrow_mut();
        let answer = match request {
            IoRequest::ListModels => IoEvent::Models(Ok(rows())),
            IoRequest::Find(job, name) => {
                let found = match name.as_str() {
                    "gpt2" => Ok(Found::Here(PathBuf::from("/models/gpt2").into())),
                    "gpt2-medium" => Ok(Found::Remote(offer(&name))),
                    _ => Err(format!("there is no repository {name} on the hub: check the spelling")),
                };
                asked.find = Some((job, name));
                IoEvent::Found(job, found)
            }
            IoRequest::Pull(job, _) => return asked.pull = Some(job),
            IoRequest::Cancel(job) => return asked.cancelled.push(job),
            IoRequest::Save { revision, path, bytes, existing } => {
                asked.existing.push(existing);
                asked.saved.push((path.clone(), bytes));
                IoEvent::Saved { revision, path, result: Ok(()) }
            }
            IoRequest::Prompts(folder, job) => {
                let (result, list) = (folder.run(&job), folder.list());
                IoEvent::Prompts { job, result, list }
            }
            IoRequest::Keep(kept) => {
                asked.kept.push((*kept).clone());
                if let Some(keeper) = &mut self.keeper {
                    keeper.carry_out(std::iter::once(IoRequest::Keep(kept)), &self.io.0);
                }
                return;
            }
            IoRequest::Session(job) => {
                asked.sessions += usize::from(job == SessionJob::New);
                if let Some(keeper) = &mut self.keeper {
                    keeper.carry_out(std::iter::once(IoRequest::Session(job)), &self.io.0);
                }
                return;
            }
            IoRequest::SearchSessions(query) => {
                let store = self.keeper.as_ref().unwrap().store();
                IoEvent::SessionsFound(query.clone(), Texts::default().find(store, &query, || true).unwrap())
            }
            IoRequest::Picture(svg) => {
                asked.pictures.push(svg);
                IoEvent::Pictured(Ok("kshot-1.svg".into()))
            }
            IoRequest::Export { format, source, to: Destination::File(path, existing) } => {
                asked.existing.push(existing);
                match source.render(format) {
                    Ok(text) => {
                        asked.saved.push((path.clone(), text));
                        IoEvent::Exported(Ok(Exported::Written(path)))
                    }
                    Err(problem) => IoEvent::Exported(Err(problem)),
                }
            }
            IoRequest::Export { format, source, to } => IoEvent::Exported(kshot::jobs::export(format, &source, to)),
            IoRequest::SavePresets { path, toml } => {
                asked.saved.push((path, toml.into_bytes()));
                IoEvent::PresetsSaved(Ok(()))
            }
            IoRequest::SaveTask(FileChange { path, old, new }) => {
                let result = kshot::disk::exchange_file(&path, old.as_deref(), new.as_deref());
                IoEvent::TaskSaved { path, result }
            }
            IoRequest::ReadExamples { path, fields } => {
                let read = kshot::prompt::read_examples(&path, &fields).map_err(|problem| problem.to_string());
                IoEvent::ExamplesRead { path, read }
            }
            request => kshot::ui::encode(request, SpecialTokens::Parse).unwrap(),
        };
        self.io.0.send(answer).unwrap();
    }

    fn engine_events(&self) -> &Receiver<Event> {
        &self.engine.1
    }

    fn io_events(&self) -> &Receiver<IoEvent> {
        &self.io.1
    }
}

/// A driver over a fresh program, 20 ms for each message.
pub fn driver(size: (u16, u16)) -> Driver<Scripted> {
    themed(size, Theme::new(Palette::True, Glyphs::UNICODE))
}

/// A driver with a theme of one's own.
pub fn themed(size: (u16, u16), theme: Theme) -> Driver<Scripted> {
    let app = App::new(Library::load(None), Sampler::new(Settings::default(), Vec::new())).unwrap();
    let clock = Clock::Steps(Duration::from_millis(20));
    Driver::new(Shell::new(app, theme), Scripted::new(), size, clock).unwrap()
}

/// A driver with a model.
pub fn loaded(size: (u16, u16)) -> Driver<Scripted> {
    let mut driver = driver(size);
    driver.shell.app.look_up("gpt2").unwrap();
    driver.run("<Ctrl+L>").unwrap();
    driver.shell.app.log.dismiss();
    driver.draw();
    driver
}

/// Plays the engine for the generation that was asked for.
pub struct Player {
    job: JobId,
    sender: Sender<Event>,
    index: usize,
}

impl Player {
    /// For the last generation.
    pub fn new(driver: &Driver<Scripted>) -> Self {
        let job = driver.executor.asked.borrow().generation.as_ref().unwrap().0;
        Self { job, sender: driver.executor.engine_sender(), index: 0 }
    }

    /// Sends one token, by its bytes.
    pub fn token(&mut self, bytes: &[u8]) {
        let step = step(self.index, bytes);
        self.index += 1;
        self.sender.send(Event::Step(self.job, Box::new(step))).unwrap();
    }

    /// Sends tokens of which so many candidates are known, and takes them in.
    pub fn wide_tokens(&mut self, driver: &mut Driver<Scripted>, tokens: &[&str], candidates: usize) {
        for token in tokens {
            let mut step = step(self.index, token.as_bytes());
            if let Drawn::Here(sampled) = &mut step.drawn {
                let last = *sampled.top.last().unwrap();
                sampled.top.resize(candidates, last);
            }
            self.index += 1;
            self.sender.send(Event::Step(self.job, Box::new(step))).unwrap();
        }
        driver.pump().unwrap();
    }

    /// Sends tokens, and takes them in.
    pub fn tokens(&mut self, driver: &mut Driver<Scripted>, tokens: &[&str]) {
        for token in tokens {
            self.token(token.as_bytes());
        }
        driver.pump().unwrap();
    }

    /// Ends the generation.
    pub fn finish(&self, driver: &mut Driver<Scripted>, reason: FinishReason) {
        let finish = Finish {
            reasons: vec![reason],
            stopped_at: vec![(reason == FinishReason::Stop).then(|| "\n".to_owned())],
            seed: 42,
            prompt: Vec::new(),
            timings: Timings {
                prefill_tokens: 7,
                prefill_s: 0.1,
                cached_tokens: 0,
                decode_tokens: self.index,
                decode_s: self.index.saturating_sub(1) as f64 / 40.0,
            },
        };
        self.sender.send(Event::Finished(self.job, Box::new(finish))).unwrap();
        driver.pump().unwrap();
    }
}

/// The shares of the likeliest tokens at every position; the words of [`WORDS`] have them in their order.
const SHARES: [f32; 8] = [0.31, 0.22, 0.11, 0.06, 0.04, 0.03, 0.02, 0.01];

/// A row of logits over bytes, the end of text and the words.
pub fn row(vocab: usize) -> Arc<[f32]> {
    let mut row = vec![-9.0; vocab];
    for (place, share) in SHARES.iter().enumerate() {
        row[257 + place] = share.ln();
    }
    row.into()
}

/// The score of a token: unlikelier from one to the next, and again from the start.
pub fn score(id: u32, at: usize, start: Start) -> TokenScore {
    if at == 0 && start == Start::FirstToken {
        return TokenScore { id, logprob: None, rank: None, entropy: None, top: Vec::new() };
    }
    let top: Vec<(u32, f32)> = SHARES.iter().zip(257..).map(|(share, id)| (id, share.ln())).collect();
    let (logprob, rank) = [(0.6_f32.ln(), 1), (0.3_f32.ln(), 2), (0.04_f32.ln(), 40), (0.004_f32.ln(), 700)][at % 4];
    TokenScore { id, logprob: Some(logprob), rank: Some(rank), entropy: Some(1.5 + (at % 4) as f32), top }
}

/// A step that drew the token with these bytes.
pub fn step(index: usize, bytes: &[u8]) -> Step {
    let id = id_of(bytes);
    let mut top: Vec<Candidate> = Vec::new();
    let shares = [0.31, 0.22, 0.11, 0.06, 0.04, 0.03, 0.02, 0.01];
    let others = (257..257 + WORDS.len() as u32).filter(|other| *other != id);
    for (place, id) in std::iter::once(id).chain(others).enumerate() {
        let share: f32 = shares.get(place).copied().unwrap_or(0.005);
        let logprob_sampled = (place < 6).then(|| (share / 0.77).ln());
        top.push(Candidate { id, logprob: share.ln(), logprob_sampled });
    }
    let counts = [40, 40, 22, 6, 6];
    let settings = Settings::default();
    let survivors = settings.order().iter().zip([50_257].into_iter().chain(counts));
    Step {
        sequence: 0,
        index,
        bytes: bytes.to_vec(),
        shown: bytes.len(),
        drawn: Drawn::Here(Sampled {
            id,
            logprob: 0.31_f32.ln(),
            logprob_sampled: 0.40_f32.ln(),
            rank: 1,
            entropy_bits: 5.2,
            entropy_sampled_bits: 2.1,
            top,
            candidates: 50_257,
            survivors: survivors
                .map(|(stage, kept)| StageCount { stage: *stage, kept, is_on: kept < 50_257 })
                .collect(),
            log_sum_exp: 0.0,
        }),
    }
}

/// A tokenizer of bytes and a few words.
pub fn tokenizer() -> Tokenizer {
    let bytes = (0..=255u8).map(|byte| (byte_symbol(byte).to_string(), u32::from(byte)));
    let end = [("<|endoftext|>".to_owned(), 256)];
    let words = WORDS.iter().zip(257..).map(|(word, id)| (word.bytes().map(byte_symbol).collect(), id));
    Tokenizer::from_vocab_and_merges(bytes.chain(end).chain(words.filter(|(_, id)| *id != 264)), []).unwrap()
}

fn id_of(bytes: &[u8]) -> u32 {
    let word = WORDS.iter().position(|word| word.as_bytes() == bytes && *word != "\n");
    word.map_or_else(|| u32::from(bytes.first().copied().unwrap_or_default()), |at| 257 + at as u32)
}

/// Facts about a model.
pub fn info(name: &str) -> ModelInfo {
    ModelInfo {
        name: name.to_owned(),
        files: PathBuf::from("/models").join(name).into(),
        family: "gpt2",
        parameters: 124_439_808,
        layers: 12,
        heads: 12,
        width: 768,
        context: 1024,
        vocab: 50_257,
        dtype: "f32",
        device: "cpu".to_owned(),
        capabilities: Capabilities::LOCAL,
        weight_bytes: 497_759_232,
        load_s: 0.4,
        special: SpecialIds { bos: Some(256), eos: vec![256] },
        notes: Vec::new(),
    }
}

fn rows() -> Vec<ModelRow> {
    let row = |name: &str, parameters, download, memory, cached| ModelRow {
        name: name.to_owned(),
        about: format!("{name}: a row of the test's list"),
        parameters: Some(parameters),
        download: Some(download),
        memory: Some(memory),
        cached,
    };
    vec![
        row("gpt2", 124_439_808, 548_105_171, 573_000_000, Cached::Yes(PathBuf::from("/models/gpt2").into())),
        row("gpt2-medium", 354_823_168, 1_520_013_706, 1_620_000_000, Cached::Partial(608_005_482)),
        row("gpt2-xl", 1_557_611_200, 6_431_878_936, 6_860_000_000, Cached::No),
    ]
}

fn offer(name: &str) -> Offer {
    let (total, have) = (1_522_000_000, 608_005_482);
    Offer {
        name: name.to_owned(),
        total,
        have,
        memory: Some(1_620_000_000),
        to: "/home/ada/.cache/huggingface/hub".to_owned(),
    }
}

/// The sizes that screens are looked at in.
pub const SIZES: [(u16, u16); 3] = [(120, 36), (80, 24), (60, 16)];

/// The screen as text, one line a row.
pub fn screen(driver: &Driver<Scripted>) -> String {
    let buffer = driver.buffer();
    let row = |y| {
        let mut row = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                row.push_str(symbol);
                skip = unicode_width::UnicodeWidthStr::width(symbol).max(1);
            }
            skip -= 1;
        }
        row.trim_end().to_owned() + "\n"
    };
    (0..buffer.area.height).map(row).collect()
}

/// The document.
pub fn text(driver: &Driver<Scripted>) -> String {
    driver.shell.app.document.text().into_owned()
}

/// The message on the message line.
pub fn said(driver: &Driver<Scripted>) -> String {
    driver.shell.app.log.current().map(|entry| entry.text.clone()).unwrap_or_default()
}

/// A small generator of numbers, the same on every machine (Steele, Lea, Flood 2014: SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    /// A number below the given one.
    pub fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}
