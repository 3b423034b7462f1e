//! The messages that are published: JSON that says whose it is, which one, and when it was due, filled up to its length.

use std::ops::Range;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose channel it is published to, by number.
    pub user: u32,
    /// Which of this user's messages it is, from zero.
    pub number: u64,
    /// When it was to be published, in nanoseconds since the run began; zero where that is nobody's business.
    pub due: u64,
}

/// What messages of one length look like.
#[derive(Clone, Debug)]
pub struct Form(Vec<u8>);

const FRONT: &[u8] = br#"{"event":"numbered","data":{"user":          ,"number":                    ,"due":                    ,"text":""#;
const BACK: &[u8] = br#""}}"#;
const USER: Range<usize> = 35..45;
const NUMBER: Range<usize> = 55..75;
const DUE: Range<usize> = 82..102;

impl Form {
    /// The shortest message, in bytes.
    pub const SHORTEST: usize = FRONT.len() + BACK.len();

    /// That of messages of `length` bytes, or of the shortest if they cannot be so short.
    pub fn new(length: usize) -> Self {
        let mut bytes = vec![b'x'; length.max(Self::SHORTEST)];
        let back = bytes.len() - BACK.len();
        bytes[..FRONT.len()].copy_from_slice(FRONT);
        bytes[back..].copy_from_slice(BACK);
        Self(bytes)
    }

    /// How long a message is, in bytes.
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// The bytes of `message`, until the next is asked for.
    pub fn write(&mut self, message: Message) -> &[u8] {
        write(&mut self.0[USER], message.user.into());
        write(&mut self.0[NUMBER], message.number);
        write(&mut self.0[DUE], message.due);
        &self.0
    }

    /// What `bytes` say; nothing if one of them is not as it was published.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Message> {
        let message = Message {
            user: u32::try_from(read(bytes.get(USER)?)?).ok()?,
            number: read(bytes.get(NUMBER)?)?,
            due: read(bytes.get(DUE)?)?,
        };
        (self.write(message) == bytes).then_some(message)
    }
}

/// Writes `number` to the end of `digits`, with spaces before it: JSON allows no zeros there.
fn write(digits: &mut [u8], mut number: u64) {
    let mut left = true;
    for digit in digits.iter_mut().rev() {
        *digit = if left {
            b'0' + (number % 10) as u8
        } else {
            b' '
        };
        number /= 10;
        left = number > 0;
    }
}

fn read(digits: &[u8]) -> Option<u64> {
    digits
        .trim_ascii_start()
        .iter()
        .try_fold(0u64, |number, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
            number.checked_mul(10)?.checked_add(digit.into())
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MESSAGE: Message = Message {
        user: 4_294_967_295,
        number: 0,
        due: u64::MAX,
    };

    #[test]
    fn a_message_is_json_that_says_what_it_is() {
        let mut form = Form::new(300);
        let bytes = form.write(MESSAGE).to_vec();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(bytes.len(), 300);
        assert_eq!(json["event"], "numbered");
        assert_eq!(json["data"]["user"], 4_294_967_295_u32);
        assert_eq!(json["data"]["number"], 0);
        assert_eq!(json["data"]["due"], u64::MAX);
        assert_eq!(form.read(&bytes), Some(MESSAGE));
    }

    #[test]
    fn none_is_shorter_than_what_it_says() {
        assert_eq!(Form::new(1).length(), Form::SHORTEST);
    }

    #[rstest]
    #[case::a_letter(|bytes: &mut Vec<u8>| bytes[200] = b'y')]
    #[case::a_digit(|bytes: &mut Vec<u8>| bytes[NUMBER.start] = b'-')]
    #[case::the_end(|bytes: &mut Vec<u8>| { bytes.pop(); })]
    #[case::one_more(|bytes: &mut Vec<u8>| bytes.push(b' '))]
    #[case::everything(Vec::clear)]
    fn a_byte_that_is_another_is_noticed(#[case] damage: fn(&mut Vec<u8>)) {
        let mut form = Form::new(300);
        let mut bytes = form.write(MESSAGE).to_vec();
        damage(&mut bytes);
        assert_eq!(form.read(&bytes), None);
    }
}
