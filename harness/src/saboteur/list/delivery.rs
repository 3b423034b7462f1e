//! What is published, and who gets it.

use std::time::Duration;

use serde_json::Value;

use super::super::frame::{BINARY, CONTINUATION, Frame, TEXT};
use super::super::scene::{Order, Scene};
use super::super::upgrade::Course;
use super::super::{Deed, Sabotage};
use super::sabotage;

const ONCE: &str = "delivery.once-per-connection";
const EVERY: &str = "delivery.every-connection";
const ORDER: &str = "delivery.in-order";
const OWN: &str = "delivery.own-user-only";
const BYTES: &str = "delivery.bytes-untouched";
const FROM_101: &str = "delivery.from-101";
const NOT_KEPT: &str = "delivery.nothing-kept";
const NOT_UTF8: &str = "delivery.not-utf8-skipped";

/// How much later a stray comes: when everything seems over.
const LATE: Duration = Duration::from_millis(50);
/// How many messages stray.
const FIRST: usize = 3;
/// A message that is longer is cut.
const CUT: usize = 64 * 1024;

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "duplicate",
        ONCE,
        "sends every message twice",
        Deed::FromService(|_, frames| texts(frames, |text| vec![text.clone(), text])),
    ),
    sabotage(
        "duplicate-every-third",
        ONCE,
        "sends every third message twice",
        Deed::FromService(|line, frames| {
            texts(frames, |text| match line.next() % 3 {
                0 => vec![text.clone(), text],
                _ => vec![text],
            })
        }),
    ),
    sabotage(
        "drop-every-third",
        ONCE,
        "drops every third message",
        Deed::FromService(|line, frames| {
            texts(frames, |text| match line.next() % 3 {
                0 => Vec::new(),
                _ => vec![text],
            })
        }),
    ),
    sabotage(
        "drop-every-hundredth",
        ONCE,
        "drops every hundredth message",
        Deed::FromService(|line, frames| {
            texts(frames, |text| match line.next() % 100 {
                0 => Vec::new(),
                _ => vec![text],
            })
        }),
    ),
    sabotage(
        "drop-long",
        ONCE,
        "drops messages over 64 KiB",
        Deed::FromService(|_, frames| {
            texts(frames, |text| match text.payload().len() > CUT {
                true => Vec::new(),
                false => vec![text],
            })
        }),
    ),
    sabotage(
        "one-connection-only",
        EVERY,
        "sends to the first of a user's connections alone",
        Deed::FromService(|line, frames| {
            let first = line.scene.is_first(&line.user, line.number);
            texts(frames, |text| if first { vec![text] } else { Vec::new() })
        }),
    ),
    sabotage(
        "taking-turns",
        EVERY,
        "sends each message to one of a user's connections, by turns",
        Deed::FromService(|line, frames| {
            let number = line.number;
            texts(frames, |text| match (line.next() + number) % 2 {
                0 => Vec::new(),
                _ => vec![text],
            })
        }),
    ),
    sabotage(
        "swap-two",
        ORDER,
        "sends two messages that come together in the wrong order",
        Deed::FromService(|_, mut frames| {
            for pair in frames.chunks_mut(2) {
                if pair.iter().all(Frame::is_text) {
                    pair.reverse();
                }
            }
            frames
        }),
    ),
    sabotage(
        "overtaken-hundredth",
        ORDER,
        "lets every hundredth message be overtaken by the next",
        Deed::FromService(|line, frames| {
            texts(frames, |text| match line.next() % 100 {
                0 => {
                    line.held.push(text);
                    Vec::new()
                }
                _ => [vec![text], std::mem::take(&mut line.held)].concat(),
            })
        }),
    ),
    sabotage(
        "leak-to-neighbour",
        OWN,
        "sends to one connection of another user as well",
        Deed::FromService(|line, frames| {
            for text in frames.iter().filter(|frame| frame.is_text()) {
                let other = |user: &str, _| user != line.user;
                line.scene.tell(other, Order::Send(text.clone()));
            }
            frames
        }),
    ),
    sabotage(
        "leak-late",
        OWN,
        "sends the first messages to a connection of another user as well, 50 ms later",
        Deed::FromService(|line, frames| {
            for text in frames.iter().filter(|frame| frame.is_text()) {
                if line.next() > FIRST {
                    break;
                }
                let other = |user: &str, _| user != line.user;
                line.scene.tell(other, Order::SendLate(text.clone(), LATE));
            }
            frames
        }),
    ),
    sabotage(
        "leak-to-namesake",
        OWN,
        "sends to a user whose id begins with the right one as well",
        Deed::FromService(|line, frames| {
            for text in frames.iter().filter(|frame| frame.is_text()) {
                let namesake = |user: &str, _| user != line.user && user.starts_with(&line.user);
                line.scene.tell(namesake, Order::Send(text.clone()));
            }
            frames
        }),
    ),
    sabotage(
        "re-encode",
        BYTES,
        "reads the JSON and writes it anew",
        Deed::FromService(|_, frames| {
            rewritten(frames, |text| {
                let json: Option<Value> = serde_json::from_slice(&text).ok();
                json.map_or(text, |json| json.to_string().into_bytes())
            })
        }),
    ),
    sabotage(
        "truncate",
        BYTES,
        "cuts a message after 64 KiB",
        Deed::FromService(|_, frames| {
            rewritten(frames, |mut text| {
                text.truncate(CUT);
                let whole = std::str::from_utf8(&text).map_or_else(|e| e.valid_up_to(), str::len);
                text.truncate(whole);
                text
            })
        }),
    ),
    sabotage(
        "trim",
        BYTES,
        "takes white space off the end of a message",
        Deed::FromService(|_, frames| rewritten(frames, |text| text.trim_ascii_end().to_vec())),
    ),
    sabotage(
        "envelope",
        BYTES,
        "wraps every message in another object",
        Deed::FromService(|_, frames| {
            rewritten(frames, |text| [b"{\"payload\":", &*text, b"}"].concat())
        }),
    ),
    sabotage(
        "text-as-binary",
        BYTES,
        "sends binary frames",
        Deed::FromService(|_, frames| {
            texts(frames, |text| vec![Frame::new(BINARY, &text.payload())])
        }),
    ),
    sabotage(
        "fragments",
        BYTES,
        "sends a message in two frames",
        Deed::FromService(|_, frames| {
            texts(frames, |text| {
                let payload = text.payload();
                let (first, second) = payload.split_at(payload.len() / 2);
                vec![
                    Frame::piece(TEXT, first, false),
                    Frame::piece(CONTINUATION, second, true),
                ]
            })
        }),
    ),
    sabotage(
        "late-subscription",
        FROM_101,
        "subscribes 50 ms after the 101",
        Deed::Upgrade(|upgrade, _| upgrade.course = Course::Hasty(LATE)),
    ),
    sabotage(
        "hasty-101",
        FROM_101,
        "answers 101 at once and subscribes right behind it",
        Deed::Upgrade(|upgrade, _| upgrade.course = Course::Hasty(Duration::ZERO)),
    ),
    sabotage(
        "drop-first",
        FROM_101,
        "drops the first message of a connection",
        Deed::FromService(|line, frames| {
            texts(frames, |text| match line.next() {
                1 => Vec::new(),
                _ => vec![text],
            })
        }),
    ),
    sabotage(
        "keep-for-later",
        NOT_KEPT,
        "sends a user who connects what was published before",
        Deed::Published(Scene::keep),
    ),
    sabotage(
        "close-on-not-utf8",
        NOT_UTF8,
        "closes when a message is not UTF-8",
        Deed::Published(|scene, user, bytes| {
            if std::str::from_utf8(bytes).is_err() {
                let reason = r#"{"error_code":"INVALID_PAYLOAD","message":"m"}"#;
                scene.tell_all(user, || Order::End(Some(Frame::close(1007, reason))));
            }
        }),
    ),
    sabotage(
        "send-not-utf8",
        NOT_UTF8,
        "sends what is not UTF-8 in a text frame",
        Deed::Published(|scene, user, bytes| {
            if std::str::from_utf8(bytes).is_err() {
                scene.tell_all(user, || Order::Send(Frame::text(bytes)));
            }
        }),
    ),
    sabotage(
        "mend-not-utf8",
        NOT_UTF8,
        "sends what is not UTF-8 with other characters in the place of the bad ones",
        Deed::Published(|scene, user, bytes| {
            if let std::borrow::Cow::Owned(mended) = String::from_utf8_lossy(bytes) {
                scene.tell_all(user, || Order::Send(Frame::text(mended.as_bytes())));
            }
        }),
    ),
];

/// `frames` with each text become what `change` makes of it.
fn texts(frames: Vec<Frame>, mut change: impl FnMut(Frame) -> Vec<Frame>) -> Vec<Frame> {
    let frames = frames.into_iter();
    frames
        .flat_map(|frame| match frame.is_text() {
            true => change(frame),
            false => vec![frame],
        })
        .collect()
}

/// `frames` with other words in each text.
fn rewritten(frames: Vec<Frame>, change: fn(Vec<u8>) -> Vec<u8>) -> Vec<Frame> {
    texts(frames, |text| vec![Frame::text(&change(text.payload()))])
}
