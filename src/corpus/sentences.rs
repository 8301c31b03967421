//! Sentences of three words in three languages: every subject with every verb and every noun, as in the post's
//! `I love computer`.

use super::reserved::{SENTENCE, Side};
use super::rng::{Rng, pick};
use super::words::{Noun, WORDS};

/// English, French, Chinese, and which form of the verb follows: in English, in French.
const SUBJECTS: &[(&str, &str, &str, usize, usize)] = &[
    ("I", "je", "我", 0, 0),
    ("you", "tu", "你", 0, 1),
    ("he", "il", "他", 1, 2),
    ("she", "elle", "她", 1, 2),
    ("we", "nous", "我们", 0, 3),
];

/// English (I, he), French (je, tu, il, nous) with what follows the verb, Chinese.
const VERBS: &[([&str; 2], [&str; 4], &str, &str)] = &[
    (["love", "loves"], ["aime", "aimes", "aime", "aimons"], "", "爱"),
    (["like", "likes"], ["aime", "aimes", "aime", "aimons"], " bien", "喜欢"),
    (["see", "sees"], ["vois", "vois", "voit", "voyons"], "", "看见"),
    (["have", "has"], ["ai", "as", "a", "avons"], "", "有"),
    (["want", "wants"], ["veux", "veux", "veut", "voulons"], "", "要"),
    (["know", "knows"], ["connais", "connais", "connaît", "connaissons"], "", "认识"),
];

/// The words of both tables, of which there is no file.
pub(super) const WORDS_OF_SENTENCES: &[&str] = &[
    "I you he she we je tu il elle nous love loves like likes see sees have has want wants know knows",
    "aime aimes aimons bien vois voit voyons ai as a avons veux veut voulons connais connaît connaissons",
];

/// One sentence.
pub(super) struct Sentence {
    pub(super) english: String,
    pub(super) french: String,
    pub(super) chinese: String,
}

/// A sentence of one side.
pub(super) fn draw(rng: &mut Rng, side: Side) -> Sentence {
    loop {
        let subject = pick(rng, SUBJECTS);
        let verb = pick(rng, VERBS);
        let noun = pick(rng, &WORDS.nouns);
        let english = format!("{} {} {}", subject.0, verb.0[subject.3], noun.english);
        if side.has(SENTENCE, &english) {
            return Sentence {
                french: french(subject.1, verb.1[subject.4], verb.2, noun),
                chinese: format!("{}{}{}", subject.2, verb.3, noun.chinese),
                english,
            };
        }
    }
}

fn french(subject: &str, verb: &str, after: &str, noun: &Noun) -> String {
    let elided = subject == "je" && verb.starts_with('a');
    let subject = if elided { "j'".to_owned() } else { format!("{subject} ") };
    let space = if noun.article.ends_with('\'') { "" } else { " " };
    format!("{subject}{verb}{after} {}{space}{}", noun.article, noun.french)
}

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::*;
    use rand08::SeedableRng;

    #[test]
    fn the_posts_example_is_reserved_and_right() {
        let mut rng = Rng::seed_from_u64(1);
        let found =
            (0..100_000).map(|_| draw(&mut rng, Side::Reserved)).find(|it| it.english == "I love computer").unwrap();
        assert_eq!((found.french.as_str(), found.chinese.as_str()), ("j'aime l'ordinateur", "我爱计算机"));
    }

    #[test]
    fn the_list_of_words_is_complete() {
        let listed: Vec<&str> = WORDS_OF_SENTENCES.iter().flat_map(|line| line.split(' ')).collect();
        for subject in SUBJECTS {
            assert!(listed.contains(&subject.0) && listed.contains(&subject.1));
        }
        for verb in VERBS {
            assert!(verb.0.iter().chain(&verb.1).all(|form| listed.contains(form)), "{verb:?}");
        }
    }

    #[test]
    fn every_subject_verb_and_noun_is_shown_in_training() {
        let mut rng = Rng::seed_from_u64(1);
        let shown: Vec<String> = (0..20_000).map(|_| draw(&mut rng, Side::Training).english).collect();
        for noun in &WORDS.nouns {
            assert!(shown.iter().any(|it| it.ends_with(noun.english)), "{}", noun.english);
        }
    }
}
