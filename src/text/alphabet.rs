//! GPT-2's reversible map between bytes and printable characters (`bytes_to_unicode` in openai/gpt-2 src/encoder.py):
//! printable Latin-1 bytes stand for themselves, the other 68 take U+0100 onwards in order.

use std::sync::LazyLock;

/// First of the code points given to bytes that have no printable character of their own.
const REMAPPED: u32 = 0x100;

static BYTE_TO_SYMBOL: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut next = REMAPPED;
    std::array::from_fn(|byte| {
        let byte = byte as u8;
        if stands_for_itself(byte) {
            return char::from(byte);
        }
        let symbol = char::from_u32(next).unwrap_or(char::REPLACEMENT_CHARACTER);
        next += 1;
        symbol
    })
});

/// The character that stands for `byte` in a byte-level vocabulary; a space is `Ġ`, a newline `Ċ`.
pub fn byte_symbol(byte: u8) -> char {
    BYTE_TO_SYMBOL[usize::from(byte)]
}

/// The bytes that a vocabulary entry spells, or None where a character is outside the alphabet.
pub(super) fn symbols_to_bytes(symbols: &str) -> Option<Vec<u8>> {
    symbols.chars().map(symbol_byte).collect()
}

fn symbol_byte(symbol: char) -> Option<u8> {
    let code = u32::from(symbol);
    if code < REMAPPED {
        let byte = code as u8;
        return stands_for_itself(byte).then_some(byte);
    }
    let remapped = BYTE_TO_SYMBOL.iter().position(|&s| s == symbol)?;
    Some(remapped as u8)
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_symbol_and_comes_back() {
        for byte in 0..=255u8 {
            let symbol = byte_symbol(byte).to_string();
            assert_eq!(symbols_to_bytes(&symbol), Some(vec![byte]), "{byte:#04x}");
        }
        assert_eq!([byte_symbol(b' '), byte_symbol(b'\n'), byte_symbol(0)], ['Ġ', 'Ċ', 'Ā']);
        assert_eq!(symbols_to_bytes("a b"), None);
        assert_eq!(symbols_to_bytes("日"), None);
    }
}
