//! A fine-tuning of the training thread: several λs side by side on the same examples in the same order.

use std::path::Path;

use super::{End, Flow, Session};
use crate::files::Files;
use crate::train::finetune::{BUNDLED, Base, Baseline, Figures, Finetune, FinetuneRecipe, Outcome, Tuned};
use crate::train::message::{Command, Event, TuneFacts};
use crate::train::{Result, TrainError};

impl Session<'_> {
    /// Runs all λs to the end, or until a command ends them; the classifier of the last one is saved.
    pub(super) fn tune(&self, model: &str, files: &Files, lambdas: &[f64]) -> Result<(End, Option<Command>)> {
        let Some(bundled) = BUNDLED.first() else {
            return Err(TrainError::EmptyCorpus("no data set is bundled".into()));
        };
        let (train, test) = bundled.examples()?;
        let mut arms = Vec::with_capacity(lambdas.len());
        for lambda in lambdas {
            let base = Base::open(model, files, self.cancel.clone())?;
            let recipe = FinetuneRecipe::for_parameters(base.parameters.config().parameters(), None);
            let recipe = FinetuneRecipe { lambda: *lambda, ..recipe }.with_a_curve(train.items.len());
            arms.push(Finetune::new(base, &train, &test, recipe)?);
        }
        let Some(last) = arms.last() else {
            return Err(TrainError::Recipe { key: "lambda", reason: "there is none".into() });
        };
        let (folder, steps) = (self.numbered(self.free()), last.steps());
        let baseline = Baseline::learn(&train).map(|baseline| baseline.evaluate(&test));
        let mut outcome = last.validate()?;
        self.say(Event::Tuning(
            self.job,
            Box::new(TuneFacts {
                folder: folder.clone(),
                parameters: last.parameter_count(),
                head_only: last.recipe().tuned == Tuned::Head,
                form: train.form,
                labels: train.labels.clone(),
                examples: train.items.len(),
                steps,
                before: outcome,
                baseline,
            }),
        ));
        let figures = |outcome: &Outcome| Figures::of(train.items.len(), outcome, baseline);
        for step in 0..steps {
            if let Flow::Stop(next) = self.commands(&mut || self.keep(&arms, step, &folder, figures(&outcome)))? {
                self.keep(&arms, step, &folder, figures(&outcome))?;
                return Ok((End::Stopped, next));
            }
            for at in 0..arms.len() {
                let Some(report) = arms.get_mut(at).and_then(Iterator::next) else { continue };
                let report = match report {
                    Err(error) if error.is_cancelled() => {
                        self.keep(&arms, step, &folder, figures(&outcome))?;
                        let Flow::Stop(next) = self.commands(&mut || Ok(()))? else { return Ok((End::Stopped, None)) };
                        return Ok((End::Stopped, next));
                    }
                    report => report?,
                };
                outcome = report.validation.unwrap_or(outcome);
                self.say(Event::Tuned(self.job, at, report));
            }
        }
        self.keep(&arms, steps, &folder, figures(&outcome))?;
        Ok((End::Finished, None))
    }

    /// Saves the classifier of the last λ. Before the first step there is none.
    fn keep(&self, arms: &[Finetune], step: u64, folder: &Path, figures: Figures) -> Result<()> {
        let Some(last) = arms.last().filter(|_| step > 0) else { return Ok(()) };
        last.save(folder, figures)?;
        self.say(Event::Saved(self.job, step, folder.to_owned()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use std::time::Duration;

    use super::*;
    use crate::engine::{CancelToken, JobId};
    use crate::train::finetune::Classifier;
    use crate::train::{Begin, Plan, Work, Worker};

    #[test]
    fn a_fine_tuning_that_is_stopped_leaves_a_classifier() {
        let folder = tempfile::tempdir().unwrap();
        let mut worker = Worker::spawn(folder.path().to_owned()).unwrap();
        let work = Work::Finetune { model: "built-in".into(), files: Files::BuiltIn, lambdas: vec![0.0, 0.5] };
        let plan = Plan { name: "a-run".into(), work, begin: Begin::WhereItWasLeft };
        worker.send(Command::Start(JobId(1), Box::new(plan), CancelToken::new()));
        let mut events = Vec::new();
        loop {
            let event = worker.events().recv_timeout(Duration::from_secs(300)).unwrap();
            if matches!(&event, Event::Tuned(_, 1, step) if step.step == 2) {
                worker.send(Command::Stop(JobId(1)));
            }
            events.push(event);
            if matches!(events.last(), Some(Event::Stopped(_) | Event::Finished(_) | Event::Failed(..))) {
                break;
            }
        }
        let Event::Tuning(_, facts) = &events[0] else { panic!("{:?}", events[0]) };
        assert_eq!((facts.examples, facts.labels.len(), facts.before.examples), (400, 2, 100));
        for (at, lambda) in [0.0, 0.5].into_iter().enumerate() {
            let mut steps = events.iter().filter_map(|event| match event {
                Event::Tuned(_, arm, step) if *arm == at => Some(step),
                _ => None,
            });
            let first = steps.next().unwrap();
            assert!((first.l3 - first.l2 - lambda * first.l1).abs() < 1e-6, "{first:?}");
            assert!(steps.next().is_some());
        }
        let [.., Event::Saved(_, step, place), Event::Stopped(_)] = events.as_slice() else { panic!("{events:?}") };
        assert!(*step >= 2);
        assert_eq!(Classifier::load(place).unwrap().description().steps, *step);
    }
}
