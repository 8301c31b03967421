#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may end at the first surprise")]
#![allow(clippy::print_stdout, reason = "a promise prints its figure")]

use std::time::Instant;

use super::*;

const OLD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sessions-0.1");
const TEXT: &str = "The river runsu sa and a tail typed later";

/// The sessions of version 0.1, in a folder of their own.
fn old() -> (tempfile::TempDir, Store) {
    let place = tempfile::tempdir().unwrap();
    for session in fs::read_dir(OLD).unwrap().flatten() {
        let folder = place.path().join(session.file_name());
        fs::create_dir(&folder).unwrap();
        for file in fs::read_dir(session.path()).unwrap().flatten() {
            fs::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }
    let store = Store::new(place.path().to_owned());
    (place, store)
}

fn river(store: &Store) -> SessionId {
    store.list().unwrap().into_iter().find(|row| row.about.first.starts_with("The river")).unwrap().id
}

fn kept(text: &str) -> Kept {
    let mut contents = Contents::default();
    let draft = super::super::Piece::new(super::super::NodeId(0), 0, text.as_bytes().to_vec(), &[]);
    let (stop, bias) = (Vec::new(), String::new());
    contents.state = Some(record::State { draft, settings: None, stop, bias, shots: None });
    let kept = whole(&contents, &About::default());
    Kept { about: About { model: "gpt2".into(), ..kept.about }, ..kept }
}

fn text(contents: &Contents) -> String {
    contents.about().first
}

/// Files in a session's folder, by name.
fn files(store: &Store, id: &SessionId) -> Vec<String> {
    let entries = fs::read_dir(store.folder(id)).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn sessions_of_an_earlier_version_are_listed_opened_and_gone_on_with() {
    let (_place, store) = old();
    let rows = store.list().unwrap();
    let mut firsts: Vec<&str> = rows.iter().map(|row| row.about.first.as_str()).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, [TEXT, "a second session"]);
    let id = river(&store);
    let opened = store.open(&id).unwrap();
    assert_eq!((opened.damage, opened.contents.tree.len()), (None, 4));
    let mut writer = opened.writer.unwrap();
    writer.rename(Some("river".into())).unwrap();
    drop(writer);
    let (contents, about) = store.look(&id);
    assert!(contents.is_whole(), "{}", contents.lost());
    assert_eq!((about.name.as_deref(), about.model.as_str(), contents.tree.len()), (Some("river"), "built-in", 4));
    assert_eq!(store.find("river").unwrap(), id);
}

#[test]
fn a_session_is_written_by_one_program_and_closed_to_other_users() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::new(place.path().join("sessions"));
    assert_eq!((store.list().unwrap(), store.last().unwrap()), (Vec::new(), None));
    assert!(!store.root().exists(), "nothing is written before something changes");
    let mut writer = store.begin(Some("lesson".into())).unwrap();
    writer.keep(&kept("\n\n  one line\nanother")).unwrap();
    let id = writer.id().clone();
    assert_eq!(files(&store, &id), ["lock", STATE, JOURNAL]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([store.root(), &store.folder(&id)].map(mode), [0o700, 0o700]);
        for file in files(&store, &id) {
            assert_eq!(mode(&store.folder(&id).join(&file)), 0o600, "{file}");
        }
    }
    let row = store.list().unwrap().remove(0);
    assert_eq!(row.about, About { name: Some("lesson".into()), first: "one line".into(), model: "gpt2".into() });
    assert!(row.begun.is_some() && row.bytes > 0);

    let second = store.open(&id).unwrap();
    assert!(second.writer.is_none() && second.contents.is_whole(), "read while the first program writes");
    for error in [store.rename(&id, Some("other")).unwrap_err(), store.delete(&id).unwrap_err()] {
        assert!(error.to_string().contains("\"lesson\" is open in another kshot"), "{error}");
    }
    let copy = store.duplicate(&id).unwrap();
    assert_eq!(store.look(&copy).1.name.as_deref(), Some("lesson copy"));
    drop(writer);
    assert!(store.open(&id).unwrap().writer.is_some(), "the lock goes with its program");
}

#[test]
fn names_are_found_given_taken_and_near() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::new(place.path().to_owned());
    let begin = |name: &str| {
        let mut writer = store.begin(Some(name.into())).unwrap();
        writer.keep(&kept(name)).unwrap();
        writer.id().clone()
    };
    assert!(matches!(store.find("last"), Err(StoreError::Empty(_))));
    let (water, fire) = (begin("water"), begin("Fire 火"));
    assert_eq!(store.find("water").unwrap(), water);
    assert_eq!(store.find(&water.to_string()).unwrap(), water);
    let error = store.find("watre").unwrap_err().to_string();
    assert!(error.contains("did you mean \"water\"?"), "{error}");
    let error = store.find("zzz").unwrap_err().to_string();
    assert!(error.ends_with("`kshot session list` lists all"), "{error}");
    assert!(matches!(store.rename(&fire, Some("water")), Err(StoreError::Taken(_))));
    store.rename(&fire, Some("Fire 火")).unwrap();
    store.rename(&fire, None).unwrap();
    assert_eq!(store.look(&fire).1.name, None);
    for bad in ["", " a", "last", "a\nb", "\u{1b}[31m", &"x".repeat(121)] {
        assert!(check_session_name(bad).is_err(), "{bad:?}");
    }
    let copies = [store.duplicate(&water).unwrap(), store.duplicate(&water).unwrap()];
    assert_eq!(copies.map(|id| store.look(&id).1.name.unwrap()), ["water copy", "water copy 2"]);
}

#[test]
fn what_is_deleted_comes_back_until_it_is_removed() {
    let (_place, store) = old();
    let id = river(&store);
    let deleted = store.delete(&id).unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    // Another program that quits leaves it alone.
    store.remove_deleted();
    assert_eq!(deleted.restore().unwrap(), id);
    assert_eq!(text(&store.look(&id).0), TEXT);
    store.delete(&id).unwrap().remove().unwrap();
    drop(store.delete(&store.list().unwrap()[0].id).unwrap());
    store.remove_deleted();
    assert_eq!(fs::read_dir(store.root()).unwrap().count(), 0, "what a killed program left goes too");
}

#[test]
fn a_crash_costs_a_line_and_a_record_half_written_nothing() {
    let (_place, store) = old();
    let id = river(&store);
    let folder = store.folder(&id);
    let journal = fs::read(folder.join(JOURNAL)).unwrap();
    fs::write(folder.join(JOURNAL), [&journal[..], b"{\"half"].concat()).unwrap();
    fs::write(folder.join(NEXT_STATE), b"{\"about\":{\"na").unwrap();
    let opened = store.open(&id).unwrap();
    assert_eq!((opened.damage, text(&opened.contents)), (None, TEXT.to_owned()));
    assert_eq!(fs::read(folder.join(JOURNAL)).unwrap(), journal);
    drop(opened.writer);
    // Killed between the writing of the record and its renaming.
    let newer = record::with_about(&About { name: Some("newer".into()), ..About::default() }, &kept("newer").state);
    fs::write(folder.join(NEXT_STATE), &newer).unwrap();
    assert_eq!(text(&store.look(&id).0), "newer");
    // Killed before the first record, and before anything.
    fs::remove_file(folder.join(STATE)).unwrap();
    assert_eq!(store.list().unwrap().iter().filter(|row| row.about.name.as_deref() == Some("newer")).count(), 1);
    drop(store.begin(None).unwrap());
    assert_eq!(store.list().unwrap().len(), 2, "an empty session is not listed");
}

/// Whatever happened to a file: the session is listed and opened, what was there lies beside it, and it is said.
fn damaged(store: &Store, id: &SessionId, what: &str) -> Opened {
    assert!(store.list().unwrap().iter().any(|row| row.id == *id), "{what}: it is listed");
    let before: Vec<Vec<u8>> =
        [JOURNAL, STATE].iter().filter_map(|name| disk::read(&store.folder(id).join(name), 1 << 20).ok()).collect();
    let opened = store.open(id).unwrap();
    assert!(opened.writer.is_some(), "{what}");
    if opened.damage.is_some() {
        let lies = |bytes: &Vec<u8>| {
            files(store, id)
                .iter()
                .any(|name| disk::read(&store.folder(id).join(name), 1 << 20).is_ok_and(|read| read == *bytes))
        };
        assert!(before.iter().all(lies), "{what}: nothing is lost");
        assert!(files(store, id).iter().any(|name| name.contains("damaged-")) || before.len() < 2, "{what}");
    }
    let (again, _) = store.look(id);
    assert!(again.is_whole(), "{what}: {}", again.lost());
    opened
}

#[test]
fn damage_anywhere_is_survived_set_aside_and_said() {
    let (mut said, mut cases) = (0, 0);
    for (file, step) in [(JOURNAL, 61), (STATE, 3)] {
        let len = fs::read(Path::new(OLD).join("1796069216-0").join(file)).unwrap().len();
        for at in (0..24).chain((24..len).step_by(step)) {
            for change in 0..3 {
                let (_place, store) = old();
                let id = river(&store);
                let path = store.folder(&id).join(file);
                let mut bytes = fs::read(&path).unwrap();
                match change {
                    0 => bytes[at] ^= 0x55,
                    1 => bytes.truncate(at),
                    _ => bytes.splice(at..at, *b"\x1b[2J\0").for_each(drop),
                }
                fs::write(&path, &bytes).unwrap();
                let what = format!("{file}, byte {at}, change {change}");
                let opened = damaged(&store, &id, &what);
                cases += 1;
                said += usize::from(opened.damage.is_some());
            }
        }
    }
    println!("{cases} damaged sessions: all opened, {said} set aside and said, the others read as they are");
    assert!(said > cases / 2, "{said} of {cases}");
}

#[cfg(unix)]
#[test]
fn pipes_devices_and_huge_files_are_not_waited_for() {
    let fifo = |path: &Path| {
        let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the path is a string that ends in NUL and lives through the call.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    };
    let device = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    let huge = |path: &Path| fs::File::create(path).unwrap().set_len(4 << 30).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let kinds: [(&str, &dyn Fn(&Path)); 5] = [
        ("a pipe", &fifo),
        ("a device", &device),
        ("a huge file", &huge),
        ("a folder", &folder),
        ("nothing", &|_: &Path| {}),
    ];
    for (kind, make) in kinds {
        for file in [JOURNAL, STATE, "lock"] {
            let (_place, store) = old();
            let id = river(&store);
            let path = store.folder(&id).join(file);
            let _ = fs::remove_file(&path);
            make(&path);
            let opened = damaged(&store, &id, &format!("{kind} as {file}"));
            assert_eq!(opened.damage.is_some(), file != "lock", "{kind} as {file}: {:?}", opened.damage);
            opened.writer.unwrap().keep(&kept("goes on")).unwrap();
        }
    }
}

#[test]
fn a_text_is_found_in_every_version_and_across_them() {
    let (_place, store) = old();
    let mut texts = Texts::default();
    let mut find = |query: &str| texts.find(&store, query, || true).unwrap();
    for query in ["river", "RUNSU SA", "runsu sa and a tail", "typed later"] {
        let found = find(query);
        assert_eq!(found.len(), 1, "{query}");
        assert!(found[0].shown.to_lowercase().contains(&query.to_lowercase()), "{}", found[0].shown);
    }
    assert_eq!(find("second session").len(), 1);
    assert_eq!(find("e").len(), 2);
    assert!(find("(.*)").is_empty(), "it is text, not a pattern");
    assert!(texts.find(&store, "e", || false).unwrap().is_empty(), "a search that a newer one replaces ends");
}

#[test]
fn a_thousand_sessions_are_listed_within_a_tenth_of_a_second() {
    let place = tempfile::tempdir().unwrap();
    let store = Store::new(place.path().to_owned());
    let (river, state) = (Path::new(OLD).join("1796069216-0"), kept(&"a line of text\n".repeat(500)));
    for number in 0..1000 {
        let folder = place.path().join(format!("{}-0", 1_796_000_000 + number));
        fs::create_dir(&folder).unwrap();
        fs::copy(river.join(JOURNAL), folder.join(JOURNAL)).unwrap();
        let about = About { name: Some(format!("lesson {number}")), ..state.about.clone() };
        fs::write(folder.join(STATE), record::with_about(&about, &state.state)).unwrap();
    }
    let took = (0..5).map(|_| {
        let start = Instant::now();
        assert_eq!(store.list().unwrap().len(), 1000);
        start.elapsed()
    });
    let best = took.min().unwrap();
    println!("1,000 sessions listed in {best:?}");
    assert!(best.as_millis() < 100, "{best:?}");
}
