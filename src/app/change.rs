//! What has changed, and what is to be recomputed after it.
//!
//! A state reports its changes itself: a [`Watched`] value by being borrowed mutably, the document and the other states that
//! edit themselves in the methods that do it. After each message [`App::update`] collects the reports and runs the rows of
//! `FOLLOW_UPS` whose changes are among them. A state with something to recompute is one more row.

use std::ops::{BitOr, BitOrAssign, Deref, DerefMut};

use super::App;
use super::page::Page;

/// A set of kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes(u16);

impl Changes {
    /// None.
    pub const NONE: Self = Self(0);
    /// The bytes of the document.
    pub const TEXT: Self = Self(1);
    /// The tokens of the document.
    pub const TOKENS: Self = Self(1 << 1);
    /// The model in use.
    pub const MODEL: Self = Self(1 << 2);
    /// The job that ends with a loaded model.
    pub const LOADING: Self = Self(1 << 3);
    /// The generation: it waits, began, sampled, ended or went.
    pub const RUN: Self = Self(1 << 4);
    /// The rows of logits that are known, and the ids that they belong to.
    pub const LOGITS: Self = Self(1 << 5);
    /// The token that is looked at.
    pub const POSITION: Self = Self(1 << 6);
    /// The sampling parameters.
    pub const SAMPLING: Self = Self(1 << 7);
    /// The few-shot prompt.
    pub const SHOTS: Self = Self(1 << 8);
    /// The line that is typed below the view, and what was accepted of it as a search for tokens.
    pub const LINE: Self = Self(1 << 9);
    /// The end of the document is to be shown.
    pub const END: Self = Self(1 << 10);
    /// The time.
    pub const CLOCK: Self = Self(1 << 11);
    /// All of them.
    pub const ALL: Self = Self(u16::MAX);

    /// This set where something `has` changed, else none.
    const fn when(self, has: bool) -> Self {
        if has { self } else { Self::NONE }
    }

    /// Whether both sets have a change in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Changes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

impl BitOrAssign for Changes {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// A value that counts as changed once it was borrowed mutably. It starts as changed: nothing has followed from it yet.
#[derive(Debug)]
pub struct Watched<T> {
    value: T,
    changed: bool,
}

impl<T> Watched<T> {
    /// A new value.
    pub const fn new(value: T) -> Self {
        Self { value, changed: true }
    }

    /// The value, to change what nothing else is computed from (how far a download is, the error beside a line).
    pub fn unreported(&mut self) -> &mut T {
        &mut self.value
    }

    /// Whether it has changed since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}

impl<T: Default> Default for Watched<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Watched<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        &mut self.value
    }
}

impl<T: PartialEq> PartialEq<T> for Watched<T> {
    fn eq(&self, other: &T) -> bool {
        self.value == *other
    }
}

/// Something that is recomputed after changes.
pub(super) struct FollowUp {
    /// The changes that it follows from.
    pub(super) after: Changes,
    /// Recomputes it.
    pub(super) run: fn(&mut App, &mut dyn Page),
}

const fn row(after: &[Changes], run: fn(&mut App, &mut dyn Page)) -> FollowUp {
    let (mut all, mut at) = (Changes::NONE, 0);
    while at < after.len() {
        all = all.and(after[at]);
        at += 1;
    }
    FollowUp { after: all, run }
}

/// What follows from which change, in the order in which it is computed: what a row changes counts for the rows below it.
pub(super) static FOLLOW_UPS: [FollowUp; 13] = {
    use Changes as C;
    [
        row(&[C::TEXT], |app, _| app.catch_up_versions()),
        row(&[C::TEXT, C::TOKENS, C::MODEL], |app, _| app.tokenise()),
        row(&[C::TEXT, C::TOKENS, C::MODEL, C::LOADING, C::LOGITS], |app, _| app.follow_ids()),
        row(&[C::TEXT, C::TOKENS, C::MODEL, C::LOADING, C::LOGITS, C::RUN], |app, _| app.read_next()),
        row(&[C::MODEL, C::LOADING, C::LOGITS, C::POSITION, C::RUN], |app, _| app.read_older()),
        row(&[C::TEXT, C::MODEL, C::LOADING, C::LOGITS, C::SHOTS], |app, _| app.read_answer()),
        row(&[C::MODEL, C::LOADING, C::LOGITS, C::POSITION, C::SAMPLING], |app, _| app.show_preview()),
        row(&[C::MODEL, C::LOGITS, C::POSITION, C::LINE], |app, _| app.find_tokens()),
        row(&[C::MODEL, C::SHOTS], |app, _| app.count_shots()),
        row(&[C::ALL], |app, _| app.keep_changes()),
        row(&[C::TEXT], |app, page| page.sync(&app.document)),
        row(&[C::END], |app, page| page.follow_end(&app.document)),
        row(&[C::TEXT, C::LINE], |app, page| {
            app.refresh_examples();
            app.cx(page).search();
        }),
    ]
};

impl App {
    /// Collects what has changed since this was called last.
    pub(super) fn take_changes(&mut self) -> Changes {
        let written = self.document.take_news();
        let reports = [
            (Changes::TEXT, written.text),
            (Changes::TOKENS, written.tokens),
            (Changes::MODEL, self.models.loaded.take_changed()),
            (Changes::LOADING, self.models.job.take_changed()),
            (Changes::RUN, self.runs.take_changed()),
            (Changes::LOGITS, self.reading.take_changed()),
            (Changes::POSITION, self.token.at.take_changed()),
            (Changes::LINE, self.token.searched.take_changed()),
            (Changes::LINE, self.screen.input.take_changed()),
            (Changes::SAMPLING, self.sampler.settings.take_changed()),
            (Changes::SHOTS, self.shots.take_changed()),
            (Changes::END, std::mem::take(&mut self.editing.show_end)),
            (Changes::CLOCK, self.screen.take_clock_moved()),
        ];
        reports.into_iter().fold(Changes::NONE, |all, (kind, has)| all | kind.when(has))
    }

    /// Recomputes what follows from all that has changed.
    pub(super) fn follow_up(&mut self, page: &mut dyn Page) {
        let mut changes = self.take_changes();
        for row in &FOLLOW_UPS {
            if changes.meets(row.after) {
                (row.run)(self, page);
                changes |= self.take_changes();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::time::Duration;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;
    use crate::app::page::{Document, Hold, Motion};
    use crate::app::sampler::Sampler;
    use crate::app::{Message, id};
    use crate::prompt::Library;
    use crate::sampling::Settings;

    /// A page that is never laid out; it counts what it is told.
    #[derive(Default)]
    struct Counting {
        syncs: usize,
        ends: usize,
    }

    impl Page for Counting {
        fn sync(&mut self, _: &Document) {
            self.syncs += 1;
        }
        fn caret(&self) -> usize {
            0
        }
        fn set_caret(&mut self, _: &Document, _: usize) {}
        fn move_caret(&mut self, _: &Document, _: Motion) {}
        fn span(&self, _: &Document, _: Motion) -> Range<usize> {
            0..0
        }
        fn scroll(&mut self, _: &Document, _: isize) {}
        fn selection(&self) -> Option<Range<usize>> {
            None
        }
        fn hold(&self) -> Option<Hold> {
            None
        }
        fn set_hold(&mut self, _: Option<Hold>) {}
        fn select(&mut self, _: &Document, _: Range<usize>) {}
        fn follow_end(&mut self, _: &Document) {
            self.ends += 1;
        }
    }

    /// A program that has computed all that follows from its start.
    fn started() -> Result<App, crate::app::KeyMapError> {
        let mut app = App::new(Library::load(None), Sampler::new(Settings::default(), Vec::new()))?;
        let _ = app.update(Duration::ZERO, Message::Tick, &mut Counting::default());
        Ok(app)
    }

    fn key(code: KeyCode) -> Message {
        Message::Key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn each_message_reports_what_it_changes_and_nothing_else() -> Result<(), crate::app::KeyMapError> {
        use Changes as C;
        let cases = [
            (Message::Tick, C::NONE),
            (Message::Resize(120, 36), C::NONE),
            (key(KeyCode::Null), C::NONE),
            (key(KeyCode::Left), C::NONE),
            (Message::Command(id::HELP), C::LINE),
            (key(KeyCode::Char('a')), C::TEXT),
            (Message::Edited(Ok("text".to_owned())), C::TEXT),
            (Message::Edited(Err("no editor".to_owned())), C::NONE),
            (Message::Command(id::FIND), C::LINE),
            (Message::Command(id::MODELS), C::LINE),
        ];
        for (message, changes) in cases {
            let (mut app, mut page, what) = (started()?, Counting::default(), format!("{message:?}"));
            app.take_in(Duration::ZERO, message, &mut page);
            assert_eq!(app.take_changes(), changes, "{what}");
        }
        let mut app = started()?;
        app.take_in(Duration::from_secs(1), Message::Tick, &mut Counting::default());
        assert_eq!(app.take_changes(), C::CLOCK);
        Ok(())
    }

    #[test]
    fn every_state_reports_its_own_change() -> Result<(), crate::app::KeyMapError> {
        use Changes as C;
        let cases: [(fn(&mut App), Changes); 11] = [
            (|app| app.document.insert(0, "a"), C::TEXT),
            (|app| app.document.unsettle_all(), C::TOKENS),
            (|app| *app.models.loaded = None, C::MODEL),
            (|app| *app.models.job = None, C::LOADING),
            (|app| *app.runs.queued = None, C::RUN),
            (|app| app.reading.forget(), C::LOGITS),
            (|app| *app.token.at = Some(0), C::POSITION),
            (|app| app.sampler_toggle(), C::SAMPLING),
            (|app| app.shots.recount(), C::SHOTS),
            (|app| *app.screen.input = None, C::LINE),
            (|app| app.editing.show_end = true, C::END),
        ];
        let mut all = C::CLOCK;
        for (at, (change, kind)) in cases.into_iter().enumerate() {
            let mut app = started()?;
            change(&mut app);
            assert_eq!(app.take_changes(), kind, "case {at}");
            assert_eq!(app.take_changes(), C::NONE, "case {at}: reported once");
            all |= kind;
        }
        // A kind of change that no state reports would leave its rows unused.
        assert!(FOLLOW_UPS.iter().all(|row| row.after == C::ALL || row.after.0 & !all.0 == 0));
        Ok(())
    }

    #[test]
    fn only_rows_of_what_has_changed_run() -> Result<(), crate::app::KeyMapError> {
        let (mut app, mut page) = (started()?, Counting::default());
        let _ = app.update(Duration::ZERO, Message::Tick, &mut page);
        assert_eq!((page.syncs, page.ends), (0, 0));
        app.document.insert(0, "text");
        let _ = app.update(Duration::ZERO, Message::Tick, &mut page);
        assert_eq!((page.syncs, page.ends), (1, 0));
        app.editing.show_end = true;
        let _ = app.update(Duration::ZERO, Message::Tick, &mut page);
        assert_eq!((page.syncs, page.ends), (1, 1));
        let _ = app.update(Duration::ZERO, Message::Tick, &mut page);
        assert_eq!((page.syncs, page.ends), (1, 1));
        Ok(())
    }
}
