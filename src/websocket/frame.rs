//! The frames that a server sends, as bytes (RFC 6455, section 5.2): never masked, never fragmented.

use bytes::Bytes;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message that a text or binary frame began.
    Continuation = 0x0,
    /// A message, or the beginning of one, of UTF-8 text.
    Text = 0x1,
    /// A message, or the beginning of one, of any bytes.
    Binary = 0x2,
    /// The end of the connection.
    Close = 0x8,
    /// A question whether the peer is there.
    Ping = 0x9,
    /// The answer to a ping.
    Pong = 0xA,
}

/// The longest payload of a control frame, in bytes (RFC 6455, section 5.5).
pub const CONTROL_PAYLOAD: usize = 125;

/// The bit of the first byte that marks the last frame of a message.
pub(super) const FIN: u8 = 0x80;

impl Opcode {
    /// The opcode in the low four bits of a frame's first byte; none for the reserved ones.
    pub fn of(first_byte: u8) -> Option<Self> {
        Some(match first_byte & 0x0F {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Close, ping and pong: they may come between the frames of a message.
    pub fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// One whole frame. A control frame's payload must not be longer than [`CONTROL_PAYLOAD`].
pub fn encode(opcode: Opcode, payload: &[u8]) -> Bytes {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_PAYLOAD);
    let header = match payload.len() {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    // Exactly as large as needed: `Bytes` takes such a vector over as it is.
    let mut frame = Vec::with_capacity(header + payload.len());
    frame.push(FIN | opcode as u8);
    match payload.len() {
        length @ 0..=125 => frame.push(length as u8),
        length @ 126..=0xFFFF => {
            frame.push(126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame.into()
}

/// Whether `frame`, a whole frame, is a control frame.
pub fn is_control(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 0x8 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::empty(0, &[0x81, 0])]
    #[case::longest_short(125, &[0x81, 125])]
    #[case::shortest_medium(126, &[0x81, 126, 0, 126])]
    #[case::longest_medium(65_535, &[0x81, 126, 0xFF, 0xFF])]
    #[case::shortest_long(65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0])]
    fn the_length_takes_the_fewest_bytes(#[case] length: usize, #[case] header: &[u8]) {
        let payload = vec![b'x'; length];
        let frame = encode(Opcode::Text, &payload);
        assert_eq!(frame[..header.len()], *header);
        assert_eq!(frame[header.len()..], payload);
    }

    #[test]
    fn every_opcode_is_recognised_in_its_frame() {
        for opcode in [
            Opcode::Continuation,
            Opcode::Text,
            Opcode::Binary,
            Opcode::Close,
            Opcode::Ping,
            Opcode::Pong,
        ] {
            let frame = encode(opcode, b"");
            assert_eq!(Opcode::of(frame[0]), Some(opcode));
            assert_eq!(is_control(&frame), opcode.is_control());
        }
    }
}
