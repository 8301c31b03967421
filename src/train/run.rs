//! A run with a folder: it saves its state as it goes, and resumes from it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::state::{State, Stored, write_checkpoint};
use super::{FOLDER_FILES, Recipe, Result, Source, StepReport, TrainError, Trainer};
use crate::disk::{self, Existing, write_file};
use crate::engine::CancelToken;
use crate::model::Parameters;

/// Its lock says that a run is under way in the folder.
const LOCK: &str = ".kshot-lock";

/// A trainer, its folder, and the curve so far. As an iterator it gives the trainer's steps; where a checkpoint is due
/// it is written before the step is given.
pub struct Run {
    trainer: Trainer,
    tokenizer: Option<Value>,
    folder: Option<PathBuf>,
    curve: Vec<StepReport>,
    /// How many of the curve's points are in the file.
    written: usize,
    failed: bool,
    /// Held as long as the run is open.
    _lock: Option<File>,
}

impl Run {
    /// A run in `folder` (made if it is not there), going on from the state in it; without a folder nothing is kept.
    ///
    /// # Errors
    /// A folder that holds another run or in which one is under way, a file that cannot be read or written, a recipe that
    /// cannot be run.
    pub fn open(
        folder: Option<&Path>,
        recipe: Recipe,
        tokenizer: Option<Value>,
        source: Box<dyn Source>,
        from: Option<Parameters>,
    ) -> Result<Self> {
        let lock = folder.map(lock).transpose()?.flatten();
        let state = match folder {
            Some(folder) => State::read(folder)?,
            None => None,
        };
        if let (Some(state), Some(folder)) = (&state, folder) {
            same_recipe(folder, &state.recipe, &recipe)?;
        }
        let mut trainer = match from {
            Some(parameters) => Trainer::from_parameters(recipe, source, parameters)?,
            None => Trainer::new(recipe, source)?,
        };
        let mut curve = Vec::new();
        if let Some(state) = &state {
            state.restore(&mut trainer)?;
        }
        if let Some(folder) = folder {
            // A kill before the first state was written may have left points all the same.
            curve = read_curve(folder, state.as_ref().map_or(0, |state| state.step))?;
        }
        let written = curve.len();
        let run =
            Self { trainer, tokenizer, folder: folder.map(Path::to_owned), written, curve, failed: false, _lock: lock };
        if let (Some(_), Some(folder)) = (&state, folder) {
            // A kill may have come between the state and the checkpoint, and a run that is through writes no other.
            run.write_checkpoint(folder)?;
        }
        Ok(run)
    }

    /// The trainer, with its recipe, weights and decoder.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// As [`Trainer::stop_with`].
    pub fn stop_with(&mut self, cancel: CancelToken) {
        self.trainer.stop_with(cancel);
    }

    /// Every step so far, those before this start too.
    pub fn curve(&self) -> &[StepReport] {
        &self.curve
    }

    /// Writes the state, the curve and, where there is a vocabulary, the checkpoint. Without a folder it does nothing.
    ///
    /// # Errors
    /// A file that cannot be written; what was there before stays.
    pub fn save(&mut self) -> Result<()> {
        let Some(folder) = self.folder.clone() else { return Ok(()) };
        // The curve first: a state never knows more than the curve.
        self.append_curve(&folder)?;
        State::write(&folder, &self.trainer, self.tokenizer.as_ref())?;
        self.write_checkpoint(&folder)
    }

    /// The checkpoint, where the model is one that others load.
    fn write_checkpoint(&self, folder: &Path) -> Result<()> {
        match &self.tokenizer {
            Some(tokenizer) if self.trainer.recipe().shape.n_inner > 0 => {
                write_checkpoint(folder, self.trainer.parameters(), tokenizer, Stored::F32)
            }
            _ => Ok(()),
        }
    }

    /// Writes only the checkpoint that other programs load, elsewhere and rounded to 16 bits.
    ///
    /// # Errors
    /// A run without a vocabulary, a file that cannot be written.
    pub fn export(&self, folder: &Path) -> Result<()> {
        let Some(tokenizer) = &self.tokenizer else {
            return Err(TrainError::File(
                "a run on symbols has no vocabulary, so no checkpoint that others load".into(),
            ));
        };
        fs::create_dir_all(folder).map_err(|error| file(folder, &error))?;
        write_checkpoint(folder, self.trainer.parameters(), tokenizer, Stored::F16)
    }

    fn append_curve(&mut self, folder: &Path) -> Result<()> {
        let path = folder.join(FOLDER_FILES[1]);
        let failed = |error: std::io::Error| file(&path, &error);
        let mut text = Vec::new();
        for point in &self.curve[self.written..] {
            serde_json::to_writer(&mut text, point).map_err(|error| TrainError::File(error.to_string()))?;
            text.push(b'\n');
        }
        let mut out = fs::OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        out.write_all(&text).and_then(|()| out.sync_all()).map_err(failed)?;
        self.written = self.curve.len();
        Ok(())
    }
}

impl Iterator for Run {
    type Item = Result<StepReport>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let report = match self.trainer.next()? {
            Ok(report) => report,
            Err(error) => {
                self.failed = !error.is_cancelled();
                return Some(Err(error));
            }
        };
        self.curve.push(report);
        let Recipe { save_every, steps, .. } = *self.trainer.recipe();
        let due = save_every > 0 && report.step.is_multiple_of(save_every);
        if (due || report.step == steps)
            && let Err(error) = self.save()
        {
            self.failed = true;
            return Some(Err(error));
        }
        Some(Ok(report))
    }
}

/// Makes the folder and takes its lock, which ends with the process. A file system without locks is no obstacle.
fn lock(folder: &Path) -> Result<Option<File>> {
    fs::create_dir_all(folder).map_err(|error| file(folder, &error))?;
    let path = folder.join(LOCK);
    let lock = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(|error| file(&path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(fs::TryLockError::WouldBlock) => Err(TrainError::Busy { folder: folder.display().to_string() }),
        Err(fs::TryLockError::Error(_)) => Ok(None),
    }
}

/// The longest `training.jsonl`: some 200 bytes a step.
const LARGEST_CURVE: u64 = 1 << 30;

/// The points up to a step, which are all that stays in the file: what came after is not true any more, and a kill may
/// have cut the last line short.
fn read_curve(folder: &Path, step: u64) -> Result<Vec<StepReport>> {
    let path = folder.join(FOLDER_FILES[1]);
    let text = match disk::read_text(&path, LARGEST_CURVE) {
        Ok(text) => text,
        Err(error) if error.is_missing() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let (mut points, mut kept) = (Vec::new(), String::new());
    for line in text.lines() {
        match serde_json::from_str::<StepReport>(line) {
            Ok(point) if point.step <= step => {
                points.push(point);
                kept.push_str(line);
                kept.push('\n');
            }
            _ => break,
        }
    }
    if kept != text {
        write_file(&path, kept.as_bytes(), Existing::Replace).map_err(|error| TrainError::File(error.to_string()))?;
    }
    Ok(points)
}

fn same_recipe(folder: &Path, there: &Recipe, here: &Recipe) -> Result<()> {
    let [a, b] = [there, here].map(|recipe| serde_json::to_value(recipe).unwrap_or_default());
    let differs = a.as_object().into_iter().flatten().find(|(key, value)| b.get(key.as_str()) != Some(*value));
    match differs {
        None => Ok(()),
        Some((key, value)) => Err(TrainError::OtherRun {
            folder: folder.display().to_string(),
            key: key.clone(),
            there: value.to_string(),
            here: b.get(key).cloned().unwrap_or_default().to_string(),
        }),
    }
}

fn file(path: &Path, error: &std::io::Error) -> TrainError {
    TrainError::File(format!("{}: {error}", path.display()))
}
