/// Names a file of `prompts/` and brings its content into the program.
macro_rules! prompt_file {
    ($name:literal) => {
        (concat!("prompts/", $name), include_str!(concat!("../../prompts/", $name)))
    };
}

/// Every task file of `prompts/`, in the order of the list.
pub(super) const BUILTIN: &[(&str, &str)] = &[
    prompt_file!("translation-zh.yaml"),
    prompt_file!("gpt3-translation.yaml"),
    prompt_file!("gpt2-translation.yaml"),
    prompt_file!("gpt2-qa.yaml"),
    prompt_file!("gpt2-reading.yaml"),
    prompt_file!("gpt2-tldr.yaml"),
    prompt_file!("gpt3-arithmetic.yaml"),
    prompt_file!("gpt3-cycle-letters.yaml"),
    prompt_file!("gpt3-anagrams.yaml"),
    prompt_file!("gpt3-reversed-words.yaml"),
    prompt_file!("gpt3-cloze.yaml"),
    prompt_file!("gpt3-analogies.yaml"),
    prompt_file!("gpt3-entailment.yaml"),
    prompt_file!("sentiment.yaml"),
    prompt_file!("labels-foo-bar.yaml"),
    prompt_file!("pattern-days.yaml"),
    prompt_file!("pattern-numbers.yaml"),
    prompt_file!("recall.yaml"),
    prompt_file!("copy.yaml"),
    prompt_file!("story.yaml"),
];
