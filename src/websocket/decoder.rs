//! The frames that a client sends, read from bytes that arrive in any pieces (RFC 6455, sections 5 to 8).
//!
//! A message is handed on in pieces as it comes: nothing of it is kept here, whatever its length.

use bytes::Bytes;

use super::frame::{CONTROL_PAYLOAD, FIN, Opcode};
use super::utf8::Utf8;

/// Reads one client's frames, in order.
#[derive(Debug)]
pub struct Decoder {
    /// The longest message that is accepted, in bytes, over all its frames.
    limit: usize,
    header: [u8; 14],
    header_length: u8,
    frame: Option<Frame>,
    control: Vec<u8>,
    message: Option<Kind>,
    message_length: usize,
    utf8: Utf8,
}

/// What a client said.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Part of a message, unmasked; of text, everything so far is the beginning of valid UTF-8.
    Piece {
        /// Text or binary.
        kind: Kind,
        /// What came of the message with these bytes; may be empty.
        bytes: &'a [u8],
        /// Whether the message is complete.
        last: bool,
    },
    /// A ping, to be answered with a pong of the same payload.
    Ping(Bytes),
    /// A pong, asked for or not.
    Pong,
    /// The client's close, with its code if it gave one.
    Close(Option<u16>),
}

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Any bytes.
    Binary,
}

/// What ends a connection: nothing after it can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// Malformed framing; the words say what.
    Protocol(&'static str),
    /// A text message or a close reason is not UTF-8.
    NotUtf8,
    /// A message is longer than the limit.
    TooBig,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    last: bool,
    remaining: usize,
    /// Turned so that its first byte masks the next byte.
    mask: [u8; 4],
}

impl Decoder {
    /// A decoder that accepts messages of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            header: [0; 14],
            header_length: 0,
            frame: None,
            control: Vec::new(),
            message: None,
            message_length: 0,
            utf8: Utf8::default(),
        }
    }

    /// The next event in `input`, from whose front the bytes read are taken; none when more bytes are needed.
    ///
    /// After a violation the decoder must not be used again.
    pub fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        loop {
            let Some(frame) = &mut self.frame else {
                let Some((byte, rest)) = std::mem::take(input).split_first_mut() else {
                    return Ok(None);
                };
                *input = rest;
                self.header_byte(*byte)?;
                continue;
            };
            let length = frame.remaining.min(input.len());
            if length == 0 && frame.remaining > 0 {
                return Ok(None);
            }
            let (bytes, rest) = std::mem::take(input).split_at_mut(length);
            *input = rest;
            frame.unmask(bytes);
            let (opcode, complete, last) = (frame.opcode, frame.remaining == 0, frame.last);
            if complete {
                self.frame = None;
            }
            if opcode.is_control() {
                self.control.extend_from_slice(bytes);
                if complete {
                    return self.control_event(opcode).map(Some);
                }
            } else {
                return self.piece(bytes, complete && last).map(Some);
            }
        }
    }

    fn header_byte(&mut self, byte: u8) -> Result<(), Violation> {
        self.header[usize::from(self.header_length)] = byte;
        self.header_length += 1;
        let header = &self.header[..usize::from(self.header_length)];
        let [first, second, extended @ ..] = header else {
            return Ok(());
        };
        let opcode = self.check_start(*first, *second)?;
        let (length, mask) = match (second & 0x7F, extended) {
            (126, [a, b, mask @ ..]) => {
                let length = u64::from(u16::from_be_bytes([*a, *b]));
                (Self::minimal(length, 126)?, mask)
            }
            (127, [a, b, c, d, e, f, g, h, mask @ ..]) => {
                let length = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
                if length >> 63 != 0 {
                    return Err(Violation::Protocol("length has top bit set"));
                }
                (Self::minimal(length, 0x1_0000)?, mask)
            }
            (126 | 127, _) => return Ok(()),
            (length, mask) => (u64::from(length), mask),
        };
        let length = self.check_length(opcode, length)?;
        let Ok(mask) = <[u8; 4]>::try_from(mask) else {
            return Ok(());
        };
        let last = first & FIN != 0;
        self.begin(Frame {
            opcode,
            last,
            remaining: length,
            mask,
        });
        Ok(())
    }

    /// The rules on a frame's first two bytes.
    fn check_start(&self, first: u8, second: u8) -> Result<Opcode, Violation> {
        let opcode = Opcode::of(first).ok_or(Violation::Protocol("opcode is reserved"))?;
        let rule = |kept: bool, words| kept.then_some(()).ok_or(Violation::Protocol(words));
        rule(first & 0x70 == 0, "a reserved bit is set")?;
        rule(second & 0x80 != 0, "frame is not masked")?;
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                rule(first & FIN != 0, "fragmented control")?;
                rule(
                    usize::from(second & 0x7F) <= CONTROL_PAYLOAD,
                    "control frame too long",
                )?;
            }
            Opcode::Continuation => {
                rule(self.message.is_some(), "nothing to continue")?;
            }
            Opcode::Text | Opcode::Binary => {
                rule(self.message.is_none(), "message within another")?;
            }
        }
        Ok(opcode)
    }

    fn minimal(length: u64, least: u64) -> Result<u64, Violation> {
        if length < least {
            return Err(Violation::Protocol("length is not minimal"));
        }
        Ok(length)
    }

    fn check_length(&self, opcode: Opcode, length: u64) -> Result<usize, Violation> {
        let length = usize::try_from(length).map_err(|_| Violation::TooBig)?;
        let before = if opcode == Opcode::Continuation {
            self.message_length
        } else {
            0
        };
        if opcode.is_control() || length <= self.limit - before {
            Ok(length)
        } else {
            Err(Violation::TooBig)
        }
    }

    fn begin(&mut self, frame: Frame) {
        self.header_length = 0;
        match frame.opcode {
            Opcode::Text => (self.message, self.message_length) = (Some(Kind::Text), 0),
            Opcode::Binary => (self.message, self.message_length) = (Some(Kind::Binary), 0),
            _ => {}
        }
        if !frame.opcode.is_control() {
            self.message_length += frame.remaining;
        }
        self.frame = Some(frame);
    }

    fn piece<'a>(&mut self, bytes: &'a [u8], last: bool) -> Result<Event<'a>, Violation> {
        let kind = self.message.unwrap_or(Kind::Binary);
        if kind == Kind::Text {
            let checked = self.utf8.piece(bytes);
            let checked = checked.and_then(|()| if last { self.utf8.end() } else { Ok(()) });
            checked.map_err(|_| Violation::NotUtf8)?;
        }
        if last {
            self.message = None;
        }
        Ok(Event::Piece { kind, bytes, last })
    }

    fn control_event(&mut self, opcode: Opcode) -> Result<Event<'static>, Violation> {
        let payload = std::mem::take(&mut self.control);
        match opcode {
            Opcode::Ping => Ok(Event::Ping(payload.into())),
            Opcode::Close => Self::close(&payload),
            _ => Ok(Event::Pong),
        }
    }

    fn close(payload: &[u8]) -> Result<Event<'static>, Violation> {
        let code = match payload {
            [] => return Ok(Event::Close(None)),
            [_] => return Err(Violation::Protocol("close frame of one byte")),
            [a, b, reason @ ..] => {
                std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
                u16::from_be_bytes([*a, *b])
            }
        };
        // RFC 6455, section 7.4, and the registry it founded: 1012 to 1014 came later.
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Ok(Event::Close(Some(code))),
            _ => Err(Violation::Protocol("close code not allowed")),
        }
    }
}

impl Frame {
    fn unmask(&mut self, bytes: &mut [u8]) {
        for four in bytes.chunks_mut(4) {
            for (byte, mask) in four.iter_mut().zip(self.mask) {
                *byte ^= mask;
            }
        }
        self.mask.rotate_left(bytes.len() % 4);
        self.remaining -= bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const LIMIT: usize = 64 * 1024;

    /// A client's frame with this first byte.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        let mut frame = vec![first];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | length as u8),
            length @ 126..=0xFFFF => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(&mask);
        let masked = payload.iter().zip(mask.iter().cycle());
        frame.extend(masked.map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// What `frames` say when they come in pieces of `step` bytes; pieces of a message are put together.
    fn said(frames: &[Vec<u8>], step: usize) -> Result<Vec<String>, Violation> {
        let mut decoder = Decoder::new(LIMIT);
        let (mut said, mut message) = (Vec::new(), Vec::new());
        for piece in frames.concat().chunks(step) {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            while let Some(event) = decoder.next(&mut input)? {
                match event {
                    Event::Piece { kind, bytes, last } => {
                        message.extend_from_slice(bytes);
                        if last {
                            let text = String::from_utf8_lossy(&message);
                            said.push(format!("{kind:?} {text}"));
                            message.clear();
                        }
                    }
                    other => said.push(format!("{other:?}")),
                }
            }
        }
        Ok(said)
    }

    fn violation(frames: &[Vec<u8>]) -> Violation {
        let violation = said(frames, usize::MAX).expect_err("a violation");
        assert_eq!(said(frames, 1), Err(violation), "byte by byte");
        violation
    }

    #[rstest]
    #[case::at_once(usize::MAX)]
    #[case::byte_by_byte(1)]
    #[case::by_threes(3)]
    fn a_conversation_is_understood_in_any_pieces(#[case] step: usize) {
        let long = "é".repeat(500);
        let frames = [
            frame(0x81, "καλημέρα".as_bytes()),
            frame(0x82, b""),
            frame(0x01, &"𝄞".as_bytes()[..3]),
            frame(0x89, b"there?"),
            frame(0x00, &"𝄞".as_bytes()[3..]),
            frame(0x8A, b""),
            frame(0x80, b"!"),
            frame(0x81, long.as_bytes()),
            frame(0x88, &[0x03, 0xE8, b'o', b'k']),
        ];
        let expected = [
            "Text καλημέρα".to_owned(),
            "Binary ".to_owned(),
            "Ping(b\"there?\")".to_owned(),
            "Pong".to_owned(),
            "Text 𝄞!".to_owned(),
            format!("Text {long}"),
            "Close(Some(1000))".to_owned(),
        ];
        assert_eq!(said(&frames, step).unwrap(), expected);
    }

    #[rstest]
    #[case::reserved_bit(&[0xC1, 0x80])]
    #[case::reserved_opcode(&[0x83, 0x80])]
    #[case::reserved_control_opcode(&[0x8B, 0x80])]
    #[case::unmasked(&[0x81, 0x00])]
    #[case::long_ping(&[0x89, 0xFE])]
    #[case::fragmented_ping(&[0x09, 0x80])]
    #[case::nothing_to_continue(&[0x80, 0x80])]
    #[case::length_not_minimal(&[0x81, 0xFE, 0, 125])]
    #[case::long_length_not_minimal(&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF])]
    #[case::length_with_top_bit(&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0])]
    fn malformed_framing_is_refused_at_its_header(#[case] bytes: &[u8]) {
        let violation = violation(&[bytes.to_vec()]);
        assert!(matches!(violation, Violation::Protocol(_)), "{violation:?}");
    }

    #[test]
    fn a_message_within_a_message_is_refused() {
        let frames = [frame(0x01, b"a"), frame(0x81, b"b")];
        assert!(matches!(violation(&frames), Violation::Protocol(_)));
    }

    #[rstest]
    #[case::whole(&[frame(0x81, &[b'a', 0xFF])])]
    #[case::cut_off(&[frame(0x81, &[0xE2, 0x98])])]
    #[case::before_the_last_frame(&[frame(0x01, &[0xED, 0xA0])])]
    #[case::over_frames(&[frame(0x01, &[0xE2]), frame(0x80, b"a")])]
    #[case::close_reason(&[frame(0x88, &[0x03, 0xE8, 0xFF])])]
    fn text_that_is_not_utf8_is_refused(#[case] frames: &[Vec<u8>]) {
        assert_eq!(violation(frames), Violation::NotUtf8);
    }

    #[test]
    fn a_message_of_the_limit_is_accepted_and_one_byte_more_is_not() {
        let half = vec![b'x'; LIMIT / 2];
        let full = [
            frame(0x02, &half),
            frame(0x80, &half),
            frame(0x82, &[b'x'; LIMIT]),
        ];
        assert_eq!(said(&full, usize::MAX).unwrap().len(), 2);
        let over = [frame(0x02, &half), frame(0x00, &half), frame(0x80, b"x")];
        assert_eq!(violation(&over), Violation::TooBig);
        // The header alone tells: nothing of the payload has to come first.
        let header = frame(0x82, &[b'x'; LIMIT + 1])[..10].to_vec();
        assert_eq!(violation(&[header]), Violation::TooBig);
    }

    #[rstest]
    #[case::normal(1000, true)]
    #[case::bad_gateway(1014, true)]
    #[case::library(3000, true)]
    #[case::private(4999, true)]
    #[case::too_low(999, false)]
    #[case::reserved(1004, false)]
    #[case::no_status(1005, false)]
    #[case::abnormal(1006, false)]
    #[case::tls(1015, false)]
    #[case::unassigned(2999, false)]
    #[case::too_high(5000, false)]
    fn close_codes_are_checked(#[case] code: u16, #[case] allowed: bool) {
        let frames = [frame(0x88, &code.to_be_bytes())];
        match said(&frames, usize::MAX) {
            Ok(said) => assert!(allowed, "{said:?}"),
            Err(violation) => assert!(!allowed, "{violation:?}"),
        }
    }

    #[test]
    fn a_close_may_be_empty_but_not_of_one_byte() {
        assert_eq!(said(&[frame(0x88, b"")], 1).unwrap(), ["Close(None)"]);
        assert!(matches!(
            violation(&[frame(0x88, b"x")]),
            Violation::Protocol(_)
        ));
    }
}
