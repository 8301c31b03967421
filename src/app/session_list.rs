//! The view of all sessions: a list to open, name, duplicate and delete from, narrowed by what is typed.

use super::App;
use super::Message;
use super::command::{CommandId, CommandSpec, Cx, Scope};
use super::input::{Input, Purpose};
use super::log::Level;
use super::question::Question;
use super::sessions::SessionJob;
use super::views::{PLAYGROUND, ViewSpec};
use crate::session::{Row, SessionId, local_time};
use crate::text::figures;

/// Whose keys count in the list.
const SCOPE: Scope = Scope::keys("sessions", "Sessions");

/// The view.
pub static SESSIONS: ViewSpec = ViewSpec {
    commands: &COMMANDS,
    step: App::session_select,
    animates: |app| !app.session_query().is_empty() && app.session_list().asked != app.session_query(),
    on_message: App::session_list_told,
    plain: |app| app.session_lines(),
    ..ViewSpec::new("sessions", "Sessions", |_| SCOPE)
};

const UNDELETE: CommandId = CommandId("session-undelete");

const COMMANDS: [CommandSpec; 16] = [
    CommandSpec {
        anywhere: true,
        plain: true,
        ..CommandSpec::new(
            CommandId("sessions"),
            Scope::GLOBAL,
            &["alt-l"],
            "",
            "all sessions: open, name, duplicate, delete, search in their texts; again: back",
            |cx| cx.app.toggle_sessions(),
        )
    },
    CommandSpec {
        anywhere: true,
        ..CommandSpec::new(CommandId("name-session"), Scope::GLOBAL, &["alt-n"], "", "give this session a name", |cx| {
            cx.app.ask_session_name(None);
        })
    },
    row("session-open", &["enter"], "open", "open the selected session; the one before is kept", |cx| {
        if let Some(id) = cx.app.session_selected() {
            cx.app.open_session(id);
        }
    }),
    row("session-name", &["n"], "name", "give the selected session a name", |cx| {
        if let Some(id) = cx.app.session_selected() {
            cx.app.ask_session_name(Some(id));
        }
    }),
    row("session-search", &["/"], "search", "look for a text in all versions of all sessions", |cx| {
        let query = cx.app.session_query().to_owned();
        *cx.app.screen.input = Some(Input::new(Purpose::SessionSearch, "in all sessions", query).offered());
    }),
    row("session-duplicate", &["d"], "duplicate", "make a copy of the selected session", |cx| {
        if let Some(id) = cx.app.session_selected() {
            cx.app.session_job(SessionJob::Duplicate(id));
        }
    }),
    row("session-delete", &["shift-d", "delete"], "delete", "delete the selected session", |cx| {
        if let Some(id) = cx.app.session_selected() {
            let title = cx.app.session_title(&id);
            cx.app.ask_question(Question::DeleteSession(id, title));
        }
    }),
    CommandSpec::new(UNDELETE, SCOPE, &["u"], "undelete", "bring back the session that was deleted last", |cx| {
        cx.app.session_job(SessionJob::Undelete);
    }),
    row("session-back", &["esc"], "back", "dismiss the message; else show all; else back to the playground", |cx| {
        cx.leave_sessions()
    }),
    row("session-up", &["up", "k"], "", "previous session", |cx| cx.app.session_select(-1)),
    row("session-down", &["down", "j"], "", "next session", |cx| cx.app.session_select(1)),
    row("session-page-up", &["pageup"], "", "one page up", |cx| cx.app.session_select(-cx.app.session_page())),
    row("session-page-down", &["pagedown"], "", "one page down", |cx| cx.app.session_select(cx.app.session_page())),
    row("session-first", &["home", "g"], "", "the first session", |cx| cx.app.session_select(isize::MIN)),
    row("session-last", &["end", "shift-g"], "", "the last session", |cx| cx.app.session_select(isize::MAX)),
    row("session-new", &["+"], "", "an empty page in a new session", |cx| {
        cx.app.screen.view = &PLAYGROUND;
        cx.new_session();
    }),
];

const fn row(
    name: &'static str,
    keys: &'static [&'static str],
    hint: &'static str,
    doc: &'static str,
    run: fn(&mut Cx<'_>),
) -> CommandSpec {
    CommandSpec::new(CommandId(name), SCOPE, keys, hint, doc, run)
}

/// What the view keeps for itself.
#[derive(Debug, Default)]
pub struct SessionList {
    /// The selected session; where it is not in the list, the row.
    selected: Option<SessionId>,
    row: usize,
    /// What was typed to narrow the list.
    query: String,
    /// What was looked for in the texts last.
    asked: String,
}

impl App {
    fn session_list(&self) -> &SessionList {
        static NONE: SessionList = SessionList { selected: None, row: 0, query: String::new(), asked: String::new() };
        self.screen.states.get().unwrap_or(&NONE)
    }

    /// What narrows the list, also while it is being typed.
    pub fn session_query(&self) -> &str {
        match &*self.screen.input {
            Some(input) if input.purpose == Purpose::SessionSearch => &input.text,
            _ => &self.session_list().query,
        }
    }

    /// The sessions of the list, and which of them is selected.
    pub fn session_rows(&self) -> (Vec<&Row>, usize) {
        let rows = self.storage.sessions.matching(self.session_query());
        let list = self.session_list();
        let place = rows.iter().position(|row| Some(&row.id) == list.selected.as_ref());
        let selected = place.unwrap_or(list.row.min(rows.len().saturating_sub(1)));
        (rows, selected)
    }

    fn session_selected(&self) -> Option<SessionId> {
        let (rows, selected) = self.session_rows();
        rows.get(selected).map(|row| row.id.clone())
    }

    fn session_select(&mut self, by: isize) {
        let (rows, selected) = self.session_rows();
        let row = selected.saturating_add_signed(by).min(rows.len().saturating_sub(1));
        let selected = rows.get(row).map(|row| row.id.clone());
        let list = self.screen.states.of::<SessionList>();
        (list.selected, list.row) = (selected, row);
    }

    /// Rows of the list on this screen, roughly: the frame, the head and the foot take the others.
    fn session_page(&self) -> isize {
        isize::try_from(self.screen.size.1.saturating_sub(9).max(1)).unwrap_or(1)
    }

    fn toggle_sessions(&mut self) {
        if self.storage.keeping.is_none() {
            self.log.say(Level::Notice, "sessions are not kept here");
            return;
        }
        // What was typed a moment ago is in the list.
        self.keep_now();
        self.session_job(SessionJob::List);
        let selected = self.storage.sessions.current.clone();
        *self.screen.states.of::<SessionList>() = SessionList { selected, ..SessionList::default() };
        self.toggle_view(&SESSIONS);
    }

    /// Asks for a name of a session; `None` is the current one.
    fn ask_session_name(&mut self, id: Option<SessionId>) {
        if self.storage.keeping.is_none() {
            self.log.say(Level::Notice, "sessions are not kept here");
            return;
        }
        let rows = self.storage.sessions.rows.iter().flatten();
        let name = match &id {
            Some(id) => rows.into_iter().find(|row| row.id == *id).and_then(|row| row.about.name.clone()),
            None => self.storage.sessions.name.clone(),
        };
        let label = if id.is_some() { "name of the session" } else { "name of this session" };
        self.ask(Input::new(Purpose::SessionName(id), label, name.unwrap_or_default()).offered());
    }

    /// Enter in the line of the search: the list stays narrowed.
    pub(super) fn keep_session_query(&mut self, query: &str) {
        let list = self.screen.states.of::<SessionList>();
        list.query = query.to_owned();
        (list.selected, list.row) = (None, 0);
    }

    fn session_list_told(&mut self, message: &Message) {
        // A tick after the last key the texts are searched, not with each key.
        if matches!(message, Message::Tick) && (SESSIONS.animates)(self) {
            let query = self.session_query().to_owned();
            self.screen.states.of::<SessionList>().asked.clone_from(&query);
            self.search_sessions(&query);
        }
    }

    fn session_lines(&self) -> Vec<String> {
        let rows = self.storage.sessions.rows.iter().flatten();
        let line = |(number, row): (usize, &Row)| {
            let about = &row.about;
            format!(
                "{}. {}: {} ({}, {}, {})",
                number + 1,
                row.title(),
                about.first,
                about.model,
                local_time(row.changed),
                figures::bytes(row.bytes)
            )
        };
        rows.enumerate().map(line).collect()
    }

    /// A deleted session can be brought back: by this key.
    pub(super) fn undelete_hint(&self) -> String {
        self.keymap.hint(UNDELETE)
    }
}

impl Cx<'_> {
    fn leave_sessions(&mut self) {
        let list = self.app.screen.states.of::<SessionList>();
        if list.query.is_empty() {
            if !self.app.log.dismiss() {
                self.leave_view();
            }
        } else {
            list.query.clear();
        }
    }
}
