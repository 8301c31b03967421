//! The help screen: every key, from the live map.

use super::App;
use super::command::Scope;
use super::overlay::{Overlay, Rows};

/// All keys, those of one scope first.
#[derive(Debug)]
pub struct Help {
    /// The scope that had the keys when it was opened.
    pub first: Scope,
}

impl Help {
    /// The scopes in the order in which they are shown.
    pub fn scopes(&self, app: &App) -> Vec<Scope> {
        let mut scopes = app.keymap.scopes();
        // Stable: the others keep the order of the table.
        scopes.sort_by_key(|scope| *scope != self.first);
        scopes
    }
}

impl Overlay for Help {
    fn scope(&self) -> Scope {
        Scope::READER
    }

    fn title(&self, _: &App) -> String {
        "Keys".to_owned()
    }

    fn rows(&self, app: &App) -> Rows {
        let commands = self.scopes(app).into_iter().flat_map(|scope| app.keymap.scope(scope));
        Rows::Text(
            commands.map(|command| format!("{}: {}", app.keymap.keys(command.id).join(", "), command.doc)).collect(),
        )
    }
}

impl App {
    /// Opens the keys at those that count now.
    pub(super) fn open_help(&mut self) {
        let first = self.scopes().first().copied().unwrap_or(Scope::GLOBAL);
        self.toggle(Help { first });
    }
}
