//! The little of Redis' protocol that publishing and subscribing take: as near to nothing as can be, because it is what
//! everything else is compared with. (<https://redis.io/docs/latest/develop/reference/protocol-spec/>, RESP2)

use std::io;

/// Something that Redis sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A message of a channel.
    Message {
        /// The channel.
        channel: &'a [u8],
        /// The message.
        payload: &'a [u8],
    },
    /// The confirmation of the subscription to this channel.
    Subscribed(&'a [u8]),
    /// A command was done.
    Done,
    /// A command was refused, with these words.
    Refused(&'a [u8]),
}

/// Appends the command with these words to `commands`.
pub fn command(commands: &mut Vec<u8>, words: &[&[u8]]) {
    number(commands, b'*', words.len());
    for word in words {
        number(commands, b'$', word.len());
        commands.extend_from_slice(word);
        commands.extend_from_slice(b"\r\n");
    }
}

/// The first reply of `bytes` and its length; nothing while it is not whole.
pub fn parse(bytes: &[u8]) -> io::Result<Option<(Reply<'_>, usize)>> {
    let Some((head, mut at)) = line(bytes, 0) else {
        return Ok(None);
    };
    match head.split_first() {
        Some((b'+' | b':', _)) => return Ok(Some((Reply::Done, at))),
        Some((b'-', words)) => return Ok(Some((Reply::Refused(words), at))),
        Some((b'*', b"3")) => {}
        _ => return Err(unknown(head)),
    }
    let mut words = [&bytes[..0]; 3];
    for word in &mut words {
        let Some((head, body)) = line(bytes, at) else {
            return Ok(None);
        };
        match head.split_first() {
            // The number of subscriptions.
            Some((b':', _)) => at = body,
            Some((b'$', length)) => {
                let length = std::str::from_utf8(length)
                    .ok()
                    .and_then(|digits| digits.parse().ok());
                let length: usize = length.ok_or_else(|| unknown(head))?;
                let Some(held) = bytes.get(body..body + length) else {
                    return Ok(None);
                };
                *word = held;
                at = body + length + 2;
            }
            _ => return Err(unknown(head)),
        }
    }
    if at > bytes.len() {
        return Ok(None);
    }
    let reply = match words {
        [b"message", channel, payload] => Reply::Message { channel, payload },
        [b"subscribe", channel, _] => Reply::Subscribed(channel),
        [other, ..] => return Err(unknown(other)),
    };
    Ok(Some((reply, at)))
}

/// The line that begins at `at`, without its end, and where the next one begins.
fn line(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    Some((rest.get(..end.checked_sub(1)?)?, at + end + 1))
}

fn number(commands: &mut Vec<u8>, kind: u8, number: usize) {
    commands.push(kind);
    commands.extend_from_slice(number.to_string().as_bytes());
    commands.extend_from_slice(b"\r\n");
}

fn unknown(words: &[u8]) -> io::Error {
    let words = String::from_utf8_lossy(words);
    io::Error::other(format!(
        "Redis says {words:?}, which no publisher or subscriber is told"
    ))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_command_is_written_as_redis_reads_it() {
        let mut commands = Vec::new();
        command(&mut commands, &[b"PUBLISH", b"ws:1", b"{}"]);
        assert_eq!(
            commands,
            b"*3\r\n$7\r\nPUBLISH\r\n$4\r\nws:1\r\n$2\r\n{}\r\n"
        );
    }

    #[rstest]
    #[case::a_message(
        b"*3\r\n$7\r\nmessage\r\n$4\r\nws:1\r\n$3\r\n\r\n!\r\n",
        Reply::Message { channel: b"ws:1", payload: b"\r\n!" }
    )]
    #[case::a_subscription(
        b"*3\r\n$9\r\nsubscribe\r\n$4\r\nws:1\r\n:1\r\n",
        Reply::Subscribed(b"ws:1")
    )]
    #[case::a_count(b":1\r\n", Reply::Done)]
    #[case::a_word(b"+OK\r\n", Reply::Done)]
    #[case::a_refusal(b"-NOAUTH no\r\n", Reply::Refused(b"NOAUTH no"))]
    fn a_reply_is_read_when_it_is_whole(#[case] bytes: &[u8], #[case] reply: Reply<'_>) {
        let followed = [bytes, b"+"].concat();
        assert_eq!(parse(&followed).unwrap(), Some((reply, bytes.len())));
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]).unwrap(), None, "{end} bytes of it");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_told() {
        assert!(parse(b"*2\r\n").is_err());
        assert!(parse(b"HTTP/1.1 400 Bad Request\r\n").is_err());
    }
}
