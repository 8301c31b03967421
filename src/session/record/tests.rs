#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may end at the first surprise")]

use super::*;

/// A session of version 0.1: a typed text, two generations, and more text.
const JOURNAL: &[u8] = include_bytes!("../../../tests/fixtures/sessions-0.1/1796069216-0/versions.jsonl");
const STATE: &[u8] = include_bytes!("../../../tests/fixtures/sessions-0.1/1796069216-0/session.json");
const TEXT: &str = "The river runsu sa and a tail typed later";

fn text(contents: &Contents) -> String {
    String::from_utf8(contents.text()).unwrap()
}

#[test]
fn a_session_of_an_earlier_version_is_read_whole_and_written_as_it_was() {
    let contents = read(JOURNAL, STATE);
    assert!(contents.is_whole(), "{}", contents.lost());
    assert_eq!((text(&contents).as_str(), contents.tree.len()), (TEXT, 4));
    let about = contents.about();
    assert_eq!((about.first.as_str(), about.model.as_str()), (TEXT, "built-in"));
    let sampled = contents.tree.ids().filter_map(|id| contents.tree.node(id)).flat_map(Node::own_tokens);
    assert_eq!(sampled.filter(|token| token.info.is_some()).count(), 8, "with what was known about each token");
    let all = contents.tree.ids().collect();
    let again = [HEAD, &journal(&contents.tree, &all, &all, Clone::clone)].concat();
    let second = read(&again, &state(contents.state.as_ref().unwrap()));
    assert!(second.is_whole(), "{}", second.lost());
    assert_eq!(text(&second), TEXT);
    for id in contents.tree.ids() {
        let [a, b] = [&contents.tree, &second.tree].map(|tree| tree.node(id).unwrap());
        assert_eq!((&a.piece.bytes, a.bookmarked, &a.about), (&b.piece.bytes, b.bookmarked, &b.about));
    }
}

#[test]
fn what_a_list_shows_stands_in_front_and_comes_off_again() {
    let about = About { name: Some("a \"name\"".into()), first: "Zeile, 行".into(), model: "gpt2".into() };
    let whole = with_about(&about, STATE);
    assert_eq!(split_about(&whole), Some((about.clone(), STATE.to_vec())));
    assert_eq!(split_about(STATE), None, "an earlier version wrote none");
    assert_eq!(split_about(&whole[..200]).unwrap().0, about, "the start is enough");
    // What reads the whole record does not mind it.
    assert!(read(JOURNAL, &whole).is_whole());
}

#[test]
fn each_line_that_is_lost_costs_only_itself() {
    let lines: Vec<&[u8]> = JOURNAL.split(|byte| *byte == b'\n').collect();
    let versions = lines.iter().filter(|line| line.starts_with(b"{\"version\"")).count();
    for (number, line) in lines.iter().enumerate().take(lines.len() - 1) {
        for damage in [&b""[..], b"{\"half", b"{}", b"\xff\xff", b"{\"version\":{\"id\":0}}"] {
            if damage.is_empty() && number > 0 && line.starts_with(b"{\"marks\"") {
                continue;
            }
            let mut damaged = lines.clone();
            damaged[number] = damage;
            let contents = read(&damaged.join(&b'\n'), STATE);
            assert!(!contents.is_whole(), "line {number} as {damage:?}");
            let lost = usize::from(line.starts_with(b"{\"version\""));
            assert_eq!(contents.tree.len(), versions - lost, "line {number} as {damage:?}: {}", contents.lost());
            assert!(text(&contents).ends_with("typed later") || lost == 1, "{}", text(&contents));
        }
    }
    // The first version is what everything goes on from; what goes on from it is still there.
    let mut damaged = lines.clone();
    damaged[1] = b"";
    assert_eq!(text(&read(&damaged.join(&b'\n'), STATE)), "u sa and a tail typed later");
}

#[test]
fn a_record_that_is_lost_leaves_the_version_that_was_made_last() {
    for bytes in [&b""[..], b"null", b"{}", &STATE[..40]] {
        let contents = read(JOURNAL, bytes);
        assert!(contents.state.is_none() && !contents.is_whole());
        assert_eq!(text(&contents), TEXT);
    }
    let other = String::from_utf8(STATE.to_vec()).unwrap().replace("top_k", "top_q");
    let contents = read(JOURNAL, other.as_bytes());
    assert_eq!(text(&contents), TEXT, "settings that cannot be read cost the settings");
    assert!(contents.lost().contains("top_q") && contents.state.unwrap().settings.is_none());
}
