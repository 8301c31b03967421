use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::builtin::BUILTIN;
use super::{Origin, Task, TaskError, file};
use crate::disk::{self, ReadError};

/// Every task that can be used: the built-in ones, then the user's. A user's task replaces the one of the same name.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// The tasks, in the order of a list.
    pub tasks: Vec<Task>,
    /// Files that were left out, and why.
    pub problems: Vec<Problem>,
    /// The user's folder.
    pub folder: Option<PathBuf>,
    /// The task files of that folder, those that were left out too.
    pub files: Vec<PathBuf>,
}

/// A task file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// Line in it, from 1, where known.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub reason: String,
}

impl Library {
    /// Reads the built-in tasks and the `.yaml` and `.yml` files of the user's folder, in order of their names. A folder
    /// that is not there is an empty one; a bad file becomes a [`Problem`] and leaves out only itself.
    pub fn load(user_dir: Option<&Path>) -> Self {
        let mut library = Library { folder: user_dir.map(Path::to_path_buf), ..Self::default() };
        for (name, content) in BUILTIN {
            library.add(Path::new(name), file::parse(content, Origin::BuiltIn));
        }
        if let Some(folder) = user_dir {
            library.add_folder(folder);
        }
        library
    }

    /// The task of that name.
    pub fn get(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// Reads one task file, wherever it is.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub fn read(path: &Path) -> Result<Task, Problem> {
        let task = read_text(path).and_then(|text| file::parse(&text, Origin::File(path.to_path_buf())));
        task.map_err(|error| Problem { path: path.to_path_buf(), line: error.line, reason: error.reason })
    }

    fn add_folder(&mut self, folder: &Path) {
        let files = match task_files(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                return self.add(folder, Err(TaskError::new(format!("cannot read the folder: {error}"))));
            }
        };
        for path in &files {
            match Self::read(path) {
                Ok(task) => self.add(path, Ok(task)),
                Err(problem) => self.problems.push(problem),
            }
        }
        self.files = files;
    }

    fn add(&mut self, path: &Path, task: Result<Task, TaskError>) {
        let problem = |line, reason| Problem { path: path.to_path_buf(), line, reason };
        match task {
            Err(error) => self.problems.push(problem(error.line, error.reason)),
            Ok(task) => match self.tasks.iter_mut().find(|known| known.name == task.name) {
                None => self.tasks.push(task),
                Some(known) => match &known.origin {
                    Origin::BuiltIn => *known = task,
                    Origin::File(first) => {
                        let reason = format!("task `{}` is already in {}", task.name, first.display());
                        self.problems.push(problem(None, reason));
                    }
                },
            },
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

fn task_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The text of a file that is no larger than a task may be.
pub(super) fn read_text(path: &Path) -> Result<String, TaskError> {
    disk::read_text(path, file::MAX_BYTES as u64).map_err(|error| match error {
        ReadError::Missing(_) => TaskError::new("cannot read the file: there is none of that name"),
        ReadError::NotAFile { kind, .. } => TaskError::new(format!("cannot read the file: it is {kind}")),
        ReadError::TooLarge { .. } => file::too_large(),
        ReadError::NotText { line, .. } => TaskError { line: Some(line), reason: "the file is not UTF-8".to_owned() },
        ReadError::Io { source, .. } => TaskError::new(format!("cannot read the file: {source}")),
    })
}
