//! The forms in which an example is written: what stands before the question, between it and the answer, and after.

/// One form. The answer begins with the space in front of it, where there is one.
#[derive(Debug)]
pub(super) struct Format {
    /// How often it is drawn.
    pub(super) weight: usize,
    /// Before the question; `IN` stands for the task's name of it ("English").
    pub(super) before: &'static str,
    /// Between question and answer; `OUT` stands for the task's name of the answer ("French").
    pub(super) middle: &'static str,
    /// Whether the answer is written with a space before it.
    pub(super) space: bool,
    /// After the answer.
    pub(super) after: &'static str,
}

const fn row(weight: usize, before: &'static str, middle: &'static str, after: &'static str) -> Format {
    Format { weight, before, middle, space: true, after }
}

/// The forms of training.
pub(super) const FORMATS: &[Format] = &[
    row(14, "", " ->", "\n"),
    row(10, "", " =", "\n"),
    row(10, "", ":", "\n"),
    row(6, "", " |", "\n"),
    row(8, "Input: ", "\nOutput:", "\n"),
    row(8, "Q: ", "\nA:", "\n"),
    row(4, "Q: ", "\nA:", "\n\n"),
    row(3, "Input: ", "\nOutput:", "\n\n"),
    row(5, "IN: ", "\nOUT:", "\n"),
    row(3, "IN: ", "\nOUT:", "\n\n"),
    row(3, "IN: ", " OUT:", "\n"),
    row(3, "", " ->", ", "),
    row(3, "", " =", "; "),
    row(3, "", ":", "; "),
    row(3, "(", ")", "\n"),
    row(3, "[", "]", "\n"),
    row(3, "- ", ":", "\n"),
    row(3, "* ", " ->", "\n"),
    row(3, "", " >", "\n"),
    row(3, "", " /", "\n"),
    row(3, "", " --", "\n"),
    row(3, "", ",", "\n"),
    row(3, "In: ", " Out:", "\n"),
    row(3, "\"", "\" ->", "\n"),
    row(2, "> ", "\n<", "\n"),
    Format { weight: 3, before: "", middle: "\n", space: false, after: "\n\n" },
];

/// The forms that training never shows. Their signs are known; their combination is not.
pub(super) const RESERVED: &[Format] =
    &[row(1, "* ", " |", "\n"), row(1, "[", "] =", "\n"), row(1, "In: ", "\nOut:", "\n"), row(1, "> ", " ->", "\n")];

/// How many of [`FORMATS`], from the first, measurements use: those that say nothing of the task.
pub(super) const MEASURED: usize = 6;

impl Format {
    /// The text up to the answer, and the answer.
    pub(super) fn write(&self, names: (&str, &str), input: &str, output: &str) -> (String, String) {
        let mut prompt = self.before.replace("IN", names.0);
        prompt.push_str(input);
        prompt.push_str(&self.middle.replace("OUT", names.1));
        (prompt, if self.space { format!(" {output}") } else { output.to_owned() })
    }
}
