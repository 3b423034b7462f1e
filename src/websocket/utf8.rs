//! Whether text that arrives in pieces is UTF-8, noticed at the first byte that cannot be (RFC 6455, section 8.1).

/// A check over the pieces of one text.
#[derive(Debug, Default)]
pub struct Utf8 {
    /// The beginning of a character whose end has not come yet.
    begun: [u8; 4],
    length: u8,
}

/// The text is not UTF-8, or ends within a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8;

impl Utf8 {
    /// Goes on with the next piece.
    pub fn piece(&mut self, mut piece: &[u8]) -> Result<(), NotUtf8> {
        while self.length > 0 {
            let Some((byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            self.begun[usize::from(self.length)] = *byte;
            self.length += 1;
            match std::str::from_utf8(&self.begun[..usize::from(self.length)]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(NotUtf8),
            }
        }
        match std::str::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let begun = &piece[error.valid_up_to()..];
                self.begun[..begun.len()].copy_from_slice(begun);
                self.length = begun.len() as u8; // at most 3: four bytes are a whole character
                Ok(())
            }
            Err(_) => Err(NotUtf8),
        }
    }

    /// Ends the text; the next piece begins another one.
    pub fn end(&mut self) -> Result<(), NotUtf8> {
        match std::mem::take(&mut self.length) {
            0 => Ok(()),
            _ => Err(NotUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn check(pieces: &[&[u8]]) -> Result<(), NotUtf8> {
        let mut utf8 = Utf8::default();
        pieces.iter().try_for_each(|piece| utf8.piece(piece))?;
        utf8.end()
    }

    #[test]
    fn text_may_be_cut_anywhere() {
        let text = "κόσμε – 𝄞 ☃".as_bytes();
        for cut in 0..=text.len() {
            assert_eq!(check(&[&text[..cut], &text[cut..]]), Ok(()), "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(check(&bytes), Ok(()));
    }

    #[rstest]
    #[case::stray_continuation(&[0x80])]
    #[case::overlong(&[0xE0, 0x80])]
    #[case::surrogate(&[0xED, 0xA0])]
    #[case::beyond_unicode(&[0xF4, 0x90])]
    #[case::no_such_byte(&[0xFF])]
    fn the_first_impossible_byte_is_refused(#[case] bytes: &[u8]) {
        let (last, before) = bytes.split_last().unwrap();
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.piece(before), Ok(()));
        assert_eq!(utf8.piece(&[*last]), Err(NotUtf8));
    }

    #[test]
    fn text_that_ends_within_a_character_is_refused() {
        assert_eq!(check(&["é".as_bytes(), &[0xE2, 0x98]]), Err(NotUtf8));
    }
}
