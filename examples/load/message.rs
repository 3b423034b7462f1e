//! The messages that are published: 300 bytes that say whose they are, which one, and when they were sent.

use std::ops::Range;

/// How long a message is, in bytes.
pub const LENGTH: usize = 300;

const USER: Range<usize> = 9..14;
const NUMBER: Range<usize> = 25..35;
const SENT: Range<usize> = 42..62;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose channel it is for.
    pub user: u64,
    /// Which of this user's messages it is, from zero.
    pub number: u64,
    /// When it was published, in nanoseconds since the generator started.
    pub sent: u64,
}

impl Message {
    /// Its bytes.
    pub fn bytes(self) -> [u8; LENGTH] {
        let mut bytes = TEMPLATE;
        write(&mut bytes[USER], self.user);
        write(&mut bytes[NUMBER], self.number);
        write(&mut bytes[SENT], self.sent);
        bytes
    }

    /// What `bytes` say; nothing if a byte is not as it was published.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let message = Self {
            user: read(bytes.get(USER)?)?,
            number: read(bytes.get(NUMBER)?)?,
            sent: read(bytes.get(SENT)?)?,
        };
        (message.bytes() == *bytes).then_some(message)
    }
}

const TEMPLATE: [u8; LENGTH] = template();

const fn template() -> [u8; LENGTH] {
    const FRONT: &[u8] =
        br#"{"user":"00000","nr":   "0000000000","t":"00000000000000000000","text":""#;
    let mut bytes = [b'x'; LENGTH];
    let mut at = 0;
    while at < FRONT.len() {
        bytes[at] = FRONT[at];
        at += 1;
    }
    bytes[LENGTH - 2] = b'"';
    bytes[LENGTH - 1] = b'}';
    bytes
}

fn write(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn read(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
