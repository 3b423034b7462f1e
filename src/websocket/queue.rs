//! Frames on their way to a socket: what is waiting goes out in as few system calls as possible.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::Bytes;
use tokio::net::TcpStream;

use super::frame;

/// Frames to be written, whole; of the first, some bytes may be written already.
#[derive(Debug, Default)]
pub struct Queue {
    frames: VecDeque<Bytes>,
    written: usize,
}

/// What was written to its end: data frames, and their bytes with headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Data frames.
    pub messages: usize,
    /// Their bytes, headers included.
    pub bytes: usize,
}

/// How many frames are written at once.
const AT_ONCE: usize = 64;

/// The room for frames that an empty queue keeps: without any, each message would cost an allocation.
const KEPT: usize = 4;

impl Queue {
    /// Puts a frame at the end.
    pub fn push(&mut self, frame: Bytes) {
        self.frames.push_back(frame);
    }

    /// How many frames there are.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is nothing to be written.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frames, whole, in their order.
    pub fn frames(&self) -> impl Iterator<Item = &Bytes> {
        self.frames.iter()
    }

    /// Moves everything from `other`, of which nothing may be written yet unless this is empty, to the end.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, other);
        } else {
            debug_assert_eq!(other.written, 0, "one frame would end within another");
            self.frames.append(&mut other.frames);
        }
    }

    /// Forgets every frame but one of which some bytes are written; says how many.
    pub fn forget(&mut self) -> usize {
        let before = self.frames.len();
        self.frames.truncate(usize::from(self.written > 0));
        let forgotten = before - self.frames.len();
        self.tidy();
        forgotten
    }

    /// Writes what `socket` takes at once, in one system call; there must be something. The error is
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) where it takes nothing now.
    pub fn write(&mut self, socket: &TcpStream) -> io::Result<Sent> {
        let written = if self.frames.len() == 1 {
            socket.try_write(&self.frames[0][self.written..])?
        } else {
            let mut slices = [IoSlice::new(&[]); AT_ONCE];
            let count = self.frames.len().min(AT_ONCE);
            for (slice, frame) in slices.iter_mut().zip(&self.frames) {
                *slice = IoSlice::new(frame);
            }
            slices[0].advance(self.written);
            socket.try_write_vectored(&slices[..count])?
        };
        match written {
            0 => Err(io::ErrorKind::WriteZero.into()),
            bytes => Ok(self.wrote(bytes)),
        }
    }

    fn wrote(&mut self, bytes: usize) -> Sent {
        let mut sent = Sent::default();
        self.written += bytes;
        while let Some(frame) = self.frames.front()
            && self.written >= frame.len()
        {
            self.written -= frame.len();
            if !frame::is_control(frame) {
                sent.messages += 1;
                sent.bytes += frame.len();
            }
            self.frames.pop_front();
        }
        self.tidy();
        sent
    }

    fn tidy(&mut self) {
        if self.frames.is_empty() && self.frames.capacity() > KEPT {
            self.frames = VecDeque::new();
        }
    }
}
