//! The library of few-shot tasks, with what is known of how the model in use does on each.

use super::App;
use super::command::{Cx, Scope};
use super::log::Level;
use super::overlay::{Item, Overlay, Picked, Rows};
use crate::eval::Rate;
use crate::files::builtin;
use crate::prompt::{Measured, Origin, Task, measured};

/// `7 of 13 right (54 ± 14 %)`, one standard error; `0 of 13 right (up to 23 %)`, the end of the 95 % interval, where the
/// standard error says nothing.
fn in_words(Measured { right, of, .. }: Measured) -> String {
    let rate = Rate { right, of };
    let figures = match (right, of) {
        (_, 0) => return "too long for its context".to_owned(),
        (0, _) => format!("up to {:.0} %", rate.wilson95().1),
        _ if right == of => format!("{:.0} % and more", rate.wilson95().0),
        _ => format!("{:.0} ± {:.0} %", rate.percent(), rate.standard_error()),
    };
    format!("{right} of {of} right ({figures})")
}

/// The task library to choose from.
#[derive(Debug)]
pub struct TaskList;

impl Overlay for TaskList {
    fn scope(&self) -> Scope {
        Scope::PICKER
    }

    fn title(&self, app: &App) -> String {
        let shots = app.shots.tasks().iter().find_map(|task| Some(app.measured(task)?.shots));
        let measured = match (&*app.models.loaded, shots) {
            (Some(loaded), Some(shots)) => {
                format!("   right answers of {}, {shots} examples, greedy", loaded.info.name)
            }
            (Some(loaded), None) => format!("   not measured with {}", loaded.info.name),
            (None, _) => String::new(),
        };
        format!("Choose a task{measured}")
    }

    fn rows(&self, app: &App) -> Rows {
        let tasks = app.tasks_in_order().into_iter().filter_map(|index| app.shots.tasks().get(index));
        let tasks: Vec<_> = tasks.map(|task| (task, app.measured(task).map(in_words).unwrap_or_default())).collect();
        // The titles stand below each other; where nothing was measured there is no column before them.
        let width = tasks.iter().map(|(_, figures)| figures.chars().count()).max().filter(|width| *width > 0);
        let width = width.map_or(0, |width| width + 2);
        let row = |(task, figures): &(&Task, String)| Item::new(&task.name, format!("{figures:<width$}{}", task.title));
        Rows::Choice(tasks.iter().map(row).collect())
    }

    fn pick(&mut self, cx: &mut Cx<'_>, row: usize) -> Picked {
        if let Some(index) = cx.app.tasks_in_order().get(row) {
            cx.app.choose_task(*index);
        }
        Picked::Close
    }
}

impl App {
    pub(super) fn open_tasks(&mut self) {
        let chosen = self.shots.chosen_index();
        let row = self.tasks_in_order().into_iter().position(|index| Some(index) == chosen);
        self.open_at(TaskList, row.unwrap_or(0));
    }

    /// How often the model in use answered a task of the program; none for another model, or a task that was changed.
    fn measured(&self, task: &Task) -> Option<Measured> {
        let is_built_in = self.models.loaded.as_ref().is_some_and(|loaded| loaded.info.name == builtin::NAME);
        measured(&task.name).filter(|_| is_built_in && task.origin == Origin::BuiltIn)
    }

    /// The tasks as they are listed: those first that the model in use answers most often.
    pub fn tasks_in_order(&self) -> Vec<usize> {
        let tasks = self.shots.tasks();
        let mut order: Vec<usize> = (0..tasks.len()).collect();
        let share = |index: &usize| tasks.get(*index).and_then(|task| self.measured(task)).map_or(0.0, Measured::share);
        order.sort_by(|a, b| share(b).total_cmp(&share(a)));
        order
    }

    /// Says so where the document is a prompt that the model in use was measured to answer wrongly more often than not.
    pub(super) fn warn_of_task(&mut self) {
        let Some(task) = self.shots.task().filter(|_| self.shots_live()) else { return };
        let Some(figures) = self.measured(task).filter(|figures| figures.share() < 0.5) else { return };
        let said = format!("{} is beyond {}: {}", task.name, builtin::NAME, in_words(figures));
        self.log.say(Level::Notice, said);
    }
}
