//! The WebSocket frames of a server, read out of bytes (RFC 6455, section 5), and the few that a client answers with.

use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// A frame that a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether a message ends with it.
    pub last: bool,
    /// What it is.
    pub kind: Kind,
    /// What it holds.
    pub payload: &'a [u8],
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// More of the message that has begun.
    Continuation,
    /// The beginning of a text.
    Text,
    /// The beginning of a message of bytes.
    Binary,
    /// The end of what the server sends.
    Close,
    /// A question whether anybody is there.
    Ping,
    /// The answer to one.
    Pong,
}

/// Bytes that are no frame of a server which was offered no extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFrame;

/// The longest payload of a control frame.
const LONGEST_CONTROL: usize = 125;

/// The first frame of `bytes` and its length; nothing while it is not whole.
pub fn parse(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, NoFrame> {
    let &[first, second, ..] = bytes else {
        return Ok(None);
    };
    let kind = match first & 0x0f {
        0 => Kind::Continuation,
        1 => Kind::Text,
        2 => Kind::Binary,
        8 => Kind::Close,
        9 => Kind::Ping,
        10 => Kind::Pong,
        _ => return Err(NoFrame),
    };
    let last = first & 0x80 != 0;
    // An extension's bits, or a mask, which only clients set.
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(NoFrame);
    }
    let (head, length): (usize, usize) = match second {
        126 => match bytes.get(2..4).and_then(|field| field.try_into().ok()) {
            Some(field) => (4, u16::from_be_bytes(field).into()),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|field| field.try_into().ok()) {
            Some(field) => {
                let length = u64::from_be_bytes(field);
                (10, usize::try_from(length).map_err(|_| NoFrame)?)
            }
            None => return Ok(None),
        },
        length => (2, length.into()),
    };
    let is_control = matches!(kind, Kind::Close | Kind::Ping | Kind::Pong);
    if is_control && (!last || length > LONGEST_CONTROL) {
        return Err(NoFrame);
    }
    let end = head.checked_add(length).ok_or(NoFrame)?;
    let frame = |payload| Frame {
        last,
        kind,
        payload,
    };
    Ok(bytes.get(head..end).map(|payload| (frame(payload), end)))
}

/// A client's answer to a ping or to a close, with the same payload, masked.
pub fn answer(frame: &Frame<'_>) -> Option<Vec<u8>> {
    let opcode = match frame.kind {
        Kind::Ping => 10,
        Kind::Close => 8,
        _ => return None,
    };
    Some(masked(opcode, frame.payload))
}

/// A client's text, masked.
pub fn text(text: &str) -> Vec<u8> {
    masked(1, text.as_bytes())
}

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mask = fastrand::u32(..).to_be_bytes();
    let mut bytes = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => bytes.push(0x80 | length),
        (_, Ok(length)) => {
            bytes.push(0x80 | 126);
            bytes.extend(length.to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The code of a close frame's payload, if it has one.
pub fn close_code(payload: &[u8]) -> Option<u16> {
    let code = payload.get(..2)?.try_into().ok()?;
    Some(u16::from_be_bytes(code))
}

/// A key for one upgrade, and what the server must answer to it.
pub fn key() -> (String, String) {
    let key = generate_key();
    let accept = derive_accept_key(key.as_bytes());
    (key, accept)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn text(payload: &[u8]) -> Frame<'_> {
        Frame {
            last: true,
            kind: Kind::Text,
            payload,
        }
    }

    #[rstest]
    #[case::short(b"\x81\x02hi", text(b"hi"), 4)]
    #[case::longer(b"\x81\x7e\x00\x02hi", text(b"hi"), 6)]
    #[case::longest(b"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x02hi", text(b"hi"), 12)]
    #[case::followed(b"\x81\x02hi\x81\x02", text(b"hi"), 4)]
    fn a_frame_is_read_with_its_length(
        #[case] bytes: &[u8],
        #[case] frame: Frame<'_>,
        #[case] length: usize,
    ) {
        assert_eq!(parse(bytes), Ok(Some((frame, length))));
        for end in 0..length {
            assert_eq!(parse(&bytes[..end]), Ok(None), "{end} bytes of it");
        }
    }

    #[rstest]
    #[case::an_extension(b"\xc1\x00")]
    #[case::a_mask(b"\x81\x80\x00\x00\x00\x00")]
    #[case::an_unknown_kind(b"\x83\x00")]
    #[case::a_ping_in_pieces(b"\x09\x00")]
    #[case::a_long_ping(b"\x89\x7e\x00\x7e")]
    #[case::no_length(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff")]
    fn what_is_no_frame_is_told(#[case] bytes: &[u8]) {
        assert_eq!(parse(bytes), Err(NoFrame));
    }

    #[test]
    fn a_ping_is_answered_with_what_it_holds_masked() {
        let (ping, _) = parse(b"\x89\x03abc").unwrap().unwrap();
        let pong = answer(&ping).unwrap();
        assert_eq!(pong[..2], [0x8a, 0x83]);
        assert_eq!(unmasked(&pong[2..]), b"abc");
        assert_eq!(answer(&text(b"abc")), None);
    }

    #[rstest]
    #[case::short(125, &[0x81, 0xfd])]
    #[case::longer(126, &[0x81, 0xfe, 0, 126])]
    #[case::longest(1 << 16, &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0])]
    fn a_clients_text_is_masked_and_as_long_as_it_says(#[case] length: usize, #[case] head: &[u8]) {
        let words = "x".repeat(length);
        let frame = super::text(&words);
        assert!(frame.starts_with(head), "{:?}", &frame[..10]);
        assert_eq!(unmasked(&frame[head.len()..]), words.as_bytes());
    }

    /// What is in a frame from its mask on.
    fn unmasked(bytes: &[u8]) -> Vec<u8> {
        let (mask, payload) = bytes.split_at(4);
        let payload = payload.iter().zip(mask.iter().cycle());
        payload.map(|(byte, mask)| byte ^ mask).collect()
    }

    #[test]
    fn a_close_has_a_code_or_none() {
        assert_eq!(close_code(b"\x03\xf3{}"), Some(1011));
        assert_eq!(close_code(b""), None);
    }

    #[test]
    fn every_upgrade_has_a_key_of_its_own() {
        assert_ne!(key(), key());
    }
}
