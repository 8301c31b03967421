/// Turns bytes that arrive in any chunks into text, without showing half a character and without losing a byte.
///
/// The pieces and the final [`finish`](Self::finish) concatenate to exactly `String::from_utf8_lossy` of all the bytes.
#[derive(Debug, Default, Clone)]
pub struct Utf8Assembler {
    /// The start of a character whose rest has not come yet: at most 3 bytes.
    pending: Vec<u8>,
}

impl Utf8Assembler {
    /// An assembler that holds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes and gives the characters that are complete now; U+FFFD stands for each sequence that can no longer
    /// become a character.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::with_capacity(self.pending.len());
        let mut rest = self.pending.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(valid) => {
                    text.push_str(valid);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    let Some(bad) = error.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[bad..];
                }
            }
        }
        let held_back = rest.len();
        self.pending.drain(..self.pending.len() - held_back);
        text
    }

    /// The bytes held back: the start of a character.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Ends the text: what is held back becomes U+FFFD. The assembler is empty again.
    pub fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use proptest::prelude::*;

    fn assemble(chunks: impl IntoIterator<Item = Vec<u8>>) -> String {
        let mut assembler = Utf8Assembler::new();
        let mut text: String = chunks.into_iter().map(|chunk| assembler.push(&chunk)).collect();
        text.push_str(&assembler.finish());
        text
    }

    #[test]
    fn a_character_is_shown_only_when_whole() {
        let mut assembler = Utf8Assembler::new();
        let shown: Vec<String> = "爱".bytes().map(|b| assembler.push(&[b])).collect();
        assert_eq!(shown, ["", "", "爱"]);
        assert_eq!(assembler.push(b"\xF0\x9F"), "");
        assert_eq!(assembler.pending(), b"\xF0\x9F");
        assert_eq!(assembler.push(b"a"), "\u{FFFD}a");
        assert_eq!(assembler.push(b"\xE2\x80"), "");
        assert_eq!(assembler.finish(), "\u{FFFD}");
        assert_eq!(assembler.finish(), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..Default::default() })]

        /// Half of the cases are real text with a few bytes damaged: random bytes alone rarely hold long characters.
        #[test]
        fn any_chunking_is_from_utf8_lossy(
            text in "\\PC{0,24}", noise in prop::collection::vec(any::<u8>(), 0..12), at in any::<prop::sample::Index>(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, noise);
            let mut cuts: Vec<usize> = cuts.iter().map(|c| c.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|w| bytes[w[0]..w[1]].to_vec());
            prop_assert_eq!(assemble(chunks), String::from_utf8_lossy(&bytes).into_owned());
        }
    }

    #[test]
    fn every_pair_of_bytes_one_by_one() {
        for pair in 0..=u16::MAX {
            let bytes = pair.to_be_bytes();
            let got = assemble(bytes.iter().map(|&b| vec![b]));
            assert_eq!(got, String::from_utf8_lossy(&bytes), "{bytes:02x?}");
        }
    }
}
