//! The slots among which a cluster of Redis divides keys and channels (Redis cluster specification, "Key distribution
//! model").

use crc::{CRC_16_XMODEM, Crc};

/// How many there are.
pub const COUNT: usize = 16_384;

const CHECKSUM: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of `name`. Where a part of it is in braces, that part alone decides ("Hash tags").
pub fn of(name: &[u8]) -> u16 {
    let tag = name.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &name[open + 1..];
        let length = rest.iter().position(|byte| *byte == b'}')?;
        (length > 0).then_some(&rest[..length])
    });
    CHECKSUM.checksum(tag.unwrap_or(name)) % COUNT as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    // What CLUSTER KEYSLOT of a real Redis answers.
    #[rstest]
    #[case::plain(b"foo", 12_182)]
    #[case::empty(b"", 0)]
    #[case::tag(b"ws:{foo}:more", 12_182)]
    #[case::first_tag(b"{foo}{bar}", 12_182)]
    #[case::empty_tag(b"foo{}{bar}", 8_363)]
    #[case::open_tag(b"{foo", 13_308)]
    fn a_slot_is_where_redis_puts_it(#[case] name: &[u8], #[case] slot: u16) {
        assert_eq!(of(name), slot);
    }
}
