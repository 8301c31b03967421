//! What can be had without a language model: multinomial logistic regression on bags of words, by gradient descent.

use std::collections::HashMap;

use super::{Examples, Form, Outcome};

/// Passes over the whole set.
const PASSES: usize = 500;

/// Step of each.
const RATE: f64 = 0.5;

/// Weight of the squared weights in the loss.
const RIDGE: f64 = 1e-3;

/// Words and how often each stands in an example.
type Bag = Vec<(usize, f64)>;

/// A bag-of-words classifier.
#[derive(Debug, Clone)]
pub struct Baseline {
    words: HashMap<String, usize>,
    /// `[labels][words + 1]`, the last is the bias.
    weights: Vec<Vec<f64>>,
}

impl Baseline {
    /// Learns from labelled examples; none for multiple choice, whose labels are not the same from one example to the
    /// next.
    pub fn learn(train: &Examples) -> Option<Self> {
        if train.form == Form::MultipleChoice {
            return None;
        }
        let mut words: HashMap<String, usize> = HashMap::new();
        for example in &train.items {
            for word in bag_of(&example.text, &example.others) {
                let next = words.len();
                words.entry(word).or_insert(next);
            }
        }
        let width = words.len() + 1;
        let mut baseline = Self { weights: vec![vec![0.0; width]; train.labels.len()], words };
        let bags: Vec<Bag> = train.items.iter().map(|item| baseline.bag(&item.text, &item.others)).collect();
        let count = bags.len().max(1) as f64;
        for _ in 0..PASSES {
            let mut gradients = vec![vec![0.0; width]; train.labels.len()];
            for (bag, item) in bags.iter().zip(&train.items) {
                for (label, probability) in baseline.probabilities(bag).into_iter().enumerate() {
                    let error = (probability - f64::from(u8::from(label == item.label))) / count;
                    for (word, times) in bag {
                        gradients[label][*word] += error * times;
                    }
                }
            }
            for (weights, gradients) in baseline.weights.iter_mut().zip(gradients) {
                for (weight, gradient) in weights.iter_mut().zip(gradients) {
                    *weight -= RATE * (gradient + RIDGE * *weight);
                }
            }
        }
        Some(baseline)
    }

    /// How it classifies other examples. Words that it has not seen count nothing.
    pub fn evaluate(&self, examples: &Examples) -> Outcome {
        let (mut loss, mut right) = (0.0, 0);
        for item in &examples.items {
            let probabilities = self.probabilities(&self.bag(&item.text, &item.others));
            loss -= probabilities[item.label].ln();
            let largest = probabilities.iter().enumerate().fold(
                0,
                |best, (at, p)| {
                    if *p > probabilities[best] { at } else { best }
                },
            );
            right += usize::from(largest == item.label);
        }
        let count = examples.items.len();
        let of = count.max(1) as f64;
        Outcome { l2: loss / of, accuracy: right as f64 / of, examples: count }
    }

    fn bag(&self, text: &str, others: &[String]) -> Bag {
        let mut bag: HashMap<usize, f64> = HashMap::from([(self.words.len(), 1.0)]);
        for word in bag_of(text, others) {
            if let Some(word) = self.words.get(&word) {
                *bag.entry(*word).or_default() += 1.0;
            }
        }
        let mut bag: Bag = bag.into_iter().collect();
        bag.sort_by_key(|(word, _)| *word);
        bag
    }

    fn probabilities(&self, bag: &Bag) -> Vec<f64> {
        let score = |weights: &Vec<f64>| bag.iter().map(|(word, times)| weights[*word] * times).sum::<f64>();
        let scores: Vec<f64> = self.weights.iter().map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let total: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / total).collect()
    }
}

/// The words of an example, in lower case; those of its second text are words of their own.
fn bag_of(text: &str, others: &[String]) -> Vec<String> {
    let words = |text: &str, mark: &str| {
        text.to_lowercase()
            .split(|c: char| !(c.is_alphanumeric() || c == '\''))
            .filter(|word| !word.is_empty())
            .map(|word| format!("{mark}{word}"))
            .collect::<Vec<_>>()
    };
    let second = others.iter().flat_map(|text| words(text, "2:"));
    words(text, "").into_iter().chain(second).collect()
}
