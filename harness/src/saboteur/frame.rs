//! WebSocket frames (RFC 6455, section 5.2), read whatever is wrong with them and kept byte for byte.
//!
//! Ready-made codecs, tungstenite's among them, refuse what breaks the protocol; here that has to get through.

/// A frame as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    /// Where the payload begins.
    payload: usize,
    mask: Option<[u8; 4]>,
}

/// Takes frames out of a stream.
#[derive(Default)]
pub(crate) struct Reader {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    next: usize,
}

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

impl Frame {
    /// A whole message, as a server sends it.
    pub fn new(opcode: u8, payload: &[u8]) -> Self {
        Self::piece(opcode, payload, true)
    }

    /// A piece of a message, as a server sends it.
    pub fn piece(opcode: u8, payload: &[u8], last: bool) -> Self {
        let head = if last { FINAL | opcode } else { opcode };
        Self::of(head, payload, None)
    }

    pub fn text(text: &[u8]) -> Self {
        Self::new(TEXT, text)
    }

    pub fn close(code: u16, reason: &str) -> Self {
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        Self::new(CLOSE, &payload)
    }

    /// The same frame as a client sends it: masked, with a mask that changes nothing.
    pub fn masked(&self) -> Self {
        Self::of(self.bytes[0], &self.payload(), Some([0; 4]))
    }

    fn of(head: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Self {
        let bit = if mask.is_some() { MASKED } else { 0 };
        let mut bytes = vec![head];
        match payload.len() {
            length @ 0..126 => bytes.push(bit | length as u8),
            length @ 126..0x1_0000 => {
                bytes.push(bit | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            length => {
                bytes.push(bit | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(mask.iter().flatten());
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        Self {
            bytes,
            payload: start,
            mask,
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn opcode(&self) -> u8 {
        self.bytes[0] & 0x0f
    }

    pub fn is_text(&self) -> bool {
        self.opcode() == TEXT
    }

    pub fn is_close(&self) -> bool {
        self.opcode() == CLOSE
    }

    /// Whether a client may send it: masked, of a known kind, no reserved bit, and a text in UTF-8.
    pub fn is_well_formed(&self) -> bool {
        let known = matches!(
            self.opcode(),
            CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG
        );
        let utf8 = !self.is_text() || std::str::from_utf8(&self.payload()).is_ok();
        known && utf8 && self.mask.is_some() && self.bytes[0] & 0x70 == 0
    }

    /// The payload without its mask.
    pub fn payload(&self) -> Vec<u8> {
        let payload = &self.bytes[self.payload..];
        match self.mask {
            None => payload.to_owned(),
            Some(mask) => {
                let masked = payload.iter().zip(mask.iter().cycle());
                masked.map(|(byte, mask)| byte ^ mask).collect()
            }
        }
    }

    /// The code and the reason of a close frame that has a code.
    pub fn code_and_reason(&self) -> Option<(u16, String)> {
        if !self.is_close() {
            return None;
        }
        let payload = self.payload();
        let (code, reason) = payload.split_first_chunk::<2>()?;
        let code = u16::from_be_bytes(*code);
        Some((code, String::from_utf8_lossy(reason).into_owned()))
    }
}

impl Reader {
    /// Adds what came.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.next);
        self.next = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next frame that is there whole.
    pub fn frame(&mut self) -> Option<Frame> {
        let (payload, length, mask) = self.header()?;
        let end = payload.checked_add(length)?;
        let bytes = self.rest().get(..end)?.to_owned();
        self.next += end;
        Some(Frame {
            bytes,
            payload,
            mask,
        })
    }

    /// What is there of a frame that is not whole.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.next..]
    }

    /// Every frame that is there whole.
    pub fn frames(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.frame()).collect()
    }

    /// Where the next frame's payload begins, how long it is, and its mask.
    fn header(&self) -> Option<(usize, usize, Option<[u8; 4]>)> {
        let (_, rest) = self.rest().split_first()?;
        let (second, rest) = rest.split_first()?;
        let (length, rest, size) = match second & 0x7f {
            126 => {
                let (length, rest) = rest.split_first_chunk::<2>()?;
                (u64::from(u16::from_be_bytes(*length)), rest, 4)
            }
            127 => {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                (u64::from_be_bytes(*length), rest, 10)
            }
            length => (u64::from(length), rest, 2),
        };
        let length = usize::try_from(length).ok()?;
        if second & MASKED == 0 {
            return Some((size, length, None));
        }
        let mask = rest.first_chunk::<4>()?;
        Some((size + 4, length, Some(*mask)))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::short(Frame::text(b"hi"), &[0x81, 2, b'h', b'i'])]
    #[case::masked(Frame::text(b"hi").masked(), &[0x81, 0x82, 0, 0, 0, 0, b'h', b'i'])]
    #[case::a_piece(Frame::piece(TEXT, b"h", false), &[0x01, 1, b'h'])]
    #[case::a_close(Frame::close(1000, "x"), &[0x88, 3, 3, 232, b'x'])]
    fn a_frame_is_written(#[case] frame: Frame, #[case] bytes: &[u8]) {
        assert_eq!(frame.bytes(), bytes);
    }

    #[rstest]
    #[case::short(0)]
    #[case::of_125_bytes(125)]
    #[case::of_126_bytes(126)]
    #[case::of_64_kib(0x1_0000)]
    fn a_frame_is_read_as_it_was_written(#[case] length: usize) {
        let frames = [
            Frame::text(&vec![b'x'; length]),
            Frame::text(&vec![b'y'; length]).masked(),
        ];
        let mut reader = Reader::default();
        reader.push(&frames.clone().map(|frame| frame.bytes).concat());
        assert_eq!(reader.frames(), frames);
        assert_eq!(reader.rest(), b"");
    }

    #[test]
    fn a_frame_may_come_a_byte_at_a_time() {
        let frame = Frame::of(0x81, b"hello", Some([1, 2, 3, 4]));
        let mut reader = Reader::default();
        let (last, rest) = frame.bytes.split_last().unwrap();
        for byte in rest {
            reader.push(&[*byte]);
            assert_eq!(reader.frame(), None);
        }
        reader.push(&[*last]);
        assert_eq!(reader.frame(), Some(frame));
    }

    #[test]
    fn a_mask_is_taken_off() {
        let mut reader = Reader::default();
        // The example of RFC 6455, section 5.7.
        reader.push(&[
            0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
        ]);
        assert_eq!(reader.frame().unwrap().payload(), b"Hello");
    }

    #[rstest]
    #[case::a_good_one(&[0x81, 0x80, 0, 0, 0, 0], true)]
    #[case::a_reserved_bit(&[0xc1, 0x80, 0, 0, 0, 0], false)]
    #[case::an_unknown_kind(&[0x83, 0x80, 0, 0, 0, 0], false)]
    #[case::no_mask(&[0x81, 0], false)]
    #[case::not_utf8(&[0x81, 0x81, 0, 0, 0, 0, 0xff], false)]
    fn what_is_wrong_with_a_frame_does_not_keep_it_from_being_read(
        #[case] bytes: &[u8],
        #[case] well: bool,
    ) {
        let mut reader = Reader::default();
        reader.push(bytes);
        let frame = reader.frame().unwrap();
        assert_eq!(frame.bytes(), bytes);
        assert_eq!(frame.is_well_formed(), well);
    }

    #[test]
    fn a_close_has_a_code_and_a_reason() {
        let close = Frame::close(1008, "no").masked();
        assert_eq!(close.code_and_reason(), Some((1008, "no".to_owned())));
        assert_eq!(Frame::new(CLOSE, b"").code_and_reason(), None);
    }
}
