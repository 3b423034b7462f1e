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
                    return Err(Violation::Protocol("frame length has its top bit set"));
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
        rule(second & 0x80 != 0, "client frame is not masked")?;
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                rule(first & FIN != 0, "control frame is fragmented")?;
                rule(
                    usize::from(second & 0x7F) <= CONTROL_PAYLOAD,
                    "control frame is too long",
                )?;
            }
            Opcode::Continuation => {
                rule(self.message.is_some(), "nothing to continue")?;
            }
            Opcode::Text | Opcode::Binary => {
                rule(self.message.is_none(), "message within a message")?;
            }
        }
        Ok(opcode)
    }

    fn minimal(length: u64, least: u64) -> Result<u64, Violation> {
        if length < least {
            return Err(Violation::Protocol("frame length is not minimal"));
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
            _ => Err(Violation::Protocol("close code may not be sent")),
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
