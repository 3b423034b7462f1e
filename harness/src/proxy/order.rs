//! What a proxy is told to do with its connections.

use std::time::Duration;

/// The orders that hold at a moment. Connections compare them with those of their beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Order {
    /// How bytes pass.
    pub pace: Pace,
    /// Whether new connections are refused.
    pub refusing: bool,
    /// How those connections end that were there at the last end of all.
    pub end: End,
    /// How many times all connections were ended.
    pub ends: usize,
    /// How many more bytes pass to a client before its connection is cut; nothing when it is not.
    pub fuse: Option<usize>,
    /// How many fuses there were.
    pub fuses: usize,
}

/// How bytes pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as they come.
    #[default]
    Free,
    /// Not at all.
    Stalled,
    /// So much later.
    Delayed(Duration),
    /// So many in a second.
    Throttled { bytes_per_second: usize },
    /// One at a time.
    Dripping,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    /// Both ends read the end of the stream.
    #[default]
    Cut,
    /// Both ends read a reset.
    Reset,
}

impl Order {
    pub fn end_all(&mut self, end: End) {
        self.end = end;
        self.ends += 1;
    }

    pub fn cut_after(&mut self, bytes: usize) {
        self.fuse = Some(bytes);
        self.fuses += 1;
    }

    pub fn resume(&mut self) {
        self.pace = Pace::Free;
        self.refusing = false;
        self.fuse = None;
    }
}

impl Pace {
    /// How many bytes pass at once, and how long they are held before.
    pub fn step(self) -> (usize, Duration) {
        /// Bytes that are read at once.
        const MOST: usize = 16 * 1024;
        /// How often a throttled connection passes something.
        const STEPS_PER_SECOND: usize = 50;
        /// Long enough for a receiver to read each byte alone.
        const DRIP: Duration = Duration::from_millis(1);
        match self {
            Self::Free | Self::Stalled => (MOST, Duration::ZERO),
            Self::Delayed(by) => (MOST, by),
            Self::Throttled { bytes_per_second } => (
                (bytes_per_second / STEPS_PER_SECOND).clamp(1, MOST),
                Duration::from_secs(1) / STEPS_PER_SECOND as u32,
            ),
            Self::Dripping => (1, DRIP),
        }
    }
}
