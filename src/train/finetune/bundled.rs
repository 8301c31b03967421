//! Data sets that are inside kshot.

use super::{DataError, Examples, Form, Format};

/// A data set that is inside kshot.
pub struct Bundled {
    /// What `--task` takes.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// The form of its examples.
    pub form: Form,
    train: &'static str,
    test: &'static str,
}

/// Every one of them.
pub const BUNDLED: &[Bundled] = &[Bundled {
    name: "sentiment",
    doc: "is it praise or a complaint? No word that says so in the test set is in the training set",
    form: Form::Classification,
    train: include_str!("../../../assets/finetune/sentiment-train.tsv"),
    test: include_str!("../../../assets/finetune/sentiment-test.tsv"),
}];

impl Bundled {
    /// The data set of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        BUNDLED.iter().find(|bundled| bundled.name == name)
    }

    /// Its training and test examples.
    ///
    /// # Errors
    /// None, as the tests of the files say.
    pub fn examples(&self) -> Result<(Examples, Examples), DataError> {
        let train = Examples::parse(self.form, "sentiment-train.tsv", self.train, Format::Tsv)?;
        let test = train.parse_more("sentiment-test.tsv", self.test, Format::Tsv)?;
        Ok((train, test))
    }
}
