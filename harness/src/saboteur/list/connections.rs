//! Closes, the limit, what clients send, coming and going, slow clients and silent ones.

use super::super::frame::{BINARY, CLOSE, CONTINUATION, Frame, PING, PONG, TEXT};
use super::super::scene::{Order, Scene};
use super::super::token;
use super::super::upgrade::{Course, Upgrade};
use super::super::{Deed, Sabotage};
use super::sabotage;
use super::tokens::cut_at;
use crate::system::ORIGIN;

const REASON: &str = "close.reason-is-json";
const LIMIT: &str = "connections.limit-per-user";
const SLOT: &str = "connections.slot-freed";
const CHECKED: &str = "connections.origin-checked";
const IGNORED: &str = "connections.client-frames-ignored";
const ANSWERED: &str = "connections.close-answered";
const PONGS: &str = "connections.ping-answered";
const OVERSIZED: &str = "connections.oversized-closed";
const MALFORMED: &str = "connections.malformed-closed";
const SLOW: &str = "connections.slow-consumer-closed";
const ALONE: &str = "connections.slow-consumer-alone";
const PINGED: &str = "connections.pinged";
const IDLE: &str = "connections.idle-closed";

/// How many connections a user may have.
const ALLOWED: usize = 5;
/// The close code above the limit, and a reason for it.
const QUOTA: u16 = 4000;
const QUOTA_REASON: &str = r#"{"error_code":"QUOTA_EXCEEDED","message":"m"}"#;
const IDLE_REASON: &str = r#"{"error_code":"IDLE_TIMEOUT","message":"m"}"#;
const TOO_BIG_REASON: &str = r#"{"error_code":"MESSAGE_TOO_BIG","message":"m"}"#;
/// The longest message of a client.
const LONGEST: usize = 64 * 1024;

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "reason-not-json",
        REASON,
        "closes with a sentence as the reason",
        Deed::FromService(|_, frames| reasons(frames, |_| "the service says goodbye".to_owned())),
    ),
    sabotage(
        "reason-cut",
        REASON,
        "cuts the JSON of a reason",
        Deed::FromService(|_, frames| {
            reasons(frames, |reason| {
                reason.chars().take(reason.len() / 2).collect()
            })
        }),
    ),
    sabotage(
        "reason-too-long",
        REASON,
        "closes with a reason of more than 123 bytes",
        Deed::FromService(|_, frames| {
            reasons(frames, |reason| {
                reason.replacen(
                    "\"message\":\"",
                    &format!("\"message\":\"{}", "x".repeat(123)),
                    1,
                )
            })
        }),
    ),
    sabotage(
        "reason-of-another-close",
        REASON,
        "closes with the error code of another close",
        Deed::FromService(|_, frames| {
            reasons(frames, |_| {
                r#"{"error_code":"SLOW_CONSUMER","message":"m"}"#.to_owned()
            })
        }),
    ),
    sabotage(
        "reason-without-message",
        REASON,
        "closes with a reason without a message",
        Deed::FromService(|_, frames| {
            reasons(frames, |reason| {
                reason.replacen("\"message\"", "\"msg\"", 1)
            })
        }),
    ),
    sabotage(
        "no-limit",
        LIMIT,
        "has no limit, and serves who is above it from Redis itself",
        Deed::Upgrade(|upgrade, scene| {
            if is_above(upgrade, scene) {
                upgrade.course = Course::Served(upgrade.user());
            }
        }),
    ),
    sabotage(
        "evict-oldest",
        LIMIT,
        "closes the oldest connection instead of the new one",
        Deed::Upgrade(|upgrade, scene| {
            if is_above(upgrade, scene) {
                let user = upgrade.user();
                let close = Frame::close(QUOTA, QUOTA_REASON);
                scene.tell(|other, _| other == user, Order::End(Some(close)));
                upgrade.course = Course::Served(user);
            }
        }),
    ),
    sabotage(
        "close-all-above-limit",
        LIMIT,
        "closes the connections that there are as well as the new one",
        Deed::Upgrade(|upgrade, scene| {
            if is_above(upgrade, scene) {
                let close = || Order::End(Some(Frame::close(QUOTA, QUOTA_REASON)));
                scene.tell_all(&upgrade.user(), close);
            }
        }),
    ),
    sabotage(
        "wrong-close-code",
        LIMIT,
        "closes with 4001 above the limit",
        Deed::FromService(|_, frames| recoded(frames, QUOTA, 4001)),
    ),
    sabotage(
        "limit-of-four",
        LIMIT,
        "refuses the fifth connection",
        Deed::Upgrade(|upgrade, scene| {
            if scene.open(&upgrade.user()) + 1 >= ALLOWED {
                upgrade.course = Course::Closed(QUOTA, QUOTA_REASON);
            }
        }),
    ),
    sabotage(
        "limit-for-all",
        LIMIT,
        "counts all users' connections together",
        Deed::Upgrade(|upgrade, scene| {
            if scene.open_of_all() >= ALLOWED {
                upgrade.course = Course::Closed(QUOTA, QUOTA_REASON);
            }
        }),
    ),
    sabotage(
        "slot-leak",
        SLOT,
        "keeps the place of a client that says no goodbye",
        Deed::Upgrade(|upgrade, _| upgrade.holds = true),
    ),
    sabotage(
        "slot-leak-on-close",
        SLOT,
        "keeps the place of a client that closes",
        Deed::FromClient(|line, frame| {
            if !frame.is_close() {
                return vec![frame];
            }
            line.holds = true;
            line.end_with(Frame::new(CLOSE, &frame.payload()));
            Vec::new()
        }),
    ),
    sabotage(
        "slot-leak-on-idle",
        SLOT,
        "keeps the place of a client that it has closed as idle",
        Deed::FromService(|line, frames| {
            for ping in frames.iter().filter(|frame| frame.opcode() == PING) {
                // As if the client were there still.
                line.send_to_service(&Frame::new(PONG, &ping.payload()));
                if line.next() == 2 && line.silent {
                    line.holds = true;
                    line.end_with(Frame::close(1001, IDLE_REASON));
                }
            }
            frames
        }),
    ),
    sabotage(
        "ignore-origin",
        CHECKED,
        "lets every origin in",
        Deed::Upgrade(|upgrade, _| upgrade.drop_header("origin")),
    ),
    sabotage(
        "refuse-every-origin",
        CHECKED,
        "lets no browser in",
        Deed::Upgrade(|upgrade, _| {
            if upgrade.header("origin").is_some() {
                upgrade.answer(403, "");
            }
        }),
    ),
    sabotage(
        "refuse-without-origin",
        CHECKED,
        "lets in browsers alone",
        Deed::Upgrade(|upgrade, _| {
            if upgrade.header("origin").is_none() {
                upgrade.answer(403, "");
            }
        }),
    ),
    sabotage(
        "origin-is-400",
        CHECKED,
        "answers 400 to an origin that is not allowed",
        Deed::Upgrade(|upgrade, _| {
            if upgrade
                .header("origin")
                .is_some_and(|origin| origin != ORIGIN)
            {
                upgrade.answer(400, "");
            }
        }),
    ),
    sabotage(
        "echo-client-frames",
        IGNORED,
        "sends a client's frames back",
        Deed::FromClient(|line, frame| {
            if matches!(frame.opcode(), TEXT | BINARY) {
                line.send(Frame::new(frame.opcode(), &frame.payload()));
            }
            vec![frame]
        }),
    ),
    sabotage(
        "answer-client-frames",
        IGNORED,
        "answers what a client sends",
        Deed::FromClient(|line, frame| {
            if matches!(frame.opcode(), TEXT | BINARY) {
                line.send(Frame::text(br#"{"type":"ack"}"#));
            }
            vec![frame]
        }),
    ),
    sabotage(
        "close-on-client-frame",
        IGNORED,
        "closes when a client sends something",
        Deed::FromClient(|line, frame| {
            if matches!(frame.opcode(), TEXT | BINARY) {
                line.end_with(Frame::close(1003, ""));
            }
            vec![frame]
        }),
    ),
    sabotage(
        "close-unanswered",
        ANSWERED,
        "ends a connection without answering the close frame",
        Deed::FromClient(|line, frame| {
            if !frame.is_close() {
                return vec![frame];
            }
            line.end();
            Vec::new()
        }),
    ),
    sabotage(
        "close-answered-otherwise",
        ANSWERED,
        "answers a close frame with another code",
        Deed::FromService(|_, frames| recoded(frames, 1000, 1001)),
    ),
    sabotage(
        "never-end",
        ANSWERED,
        "does not end a connection that the client has closed",
        Deed::FromService(|line, frames| {
            line.stays = true;
            frames
        }),
    ),
    sabotage(
        "no-pong",
        PONGS,
        "does not answer a ping",
        Deed::FromService(|_, frames| without(frames, PONG)),
    ),
    sabotage(
        "empty-pong",
        PONGS,
        "answers a ping with an empty pong",
        Deed::FromService(|_, frames| {
            let empty = |frame: Frame| match frame.opcode() {
                PONG => Frame::new(PONG, b""),
                _ => frame,
            };
            frames.into_iter().map(empty).collect()
        }),
    ),
    sabotage(
        "take-big-messages",
        OVERSIZED,
        "takes messages of any length",
        Deed::FromClient(|_, frame| match frame.payload().len() > LONGEST {
            true => Vec::new(),
            false => vec![frame],
        }),
    ),
    sabotage(
        "take-big-fragments",
        OVERSIZED,
        "takes messages of any length, if they come in fragments",
        Deed::FromClient(|_, frame| match frame.opcode() {
            CONTINUATION => Vec::new(),
            _ => vec![frame],
        }),
    ),
    sabotage(
        "refuse-64-kib",
        OVERSIZED,
        "closes on a message of 64 KiB",
        Deed::FromClient(|line, frame| {
            if frame.payload().len() == LONGEST {
                line.end_with(Frame::close(1009, TOO_BIG_REASON));
            }
            vec![frame]
        }),
    ),
    sabotage(
        "oversized-is-1008",
        OVERSIZED,
        "closes with 1008 on a message that is too long",
        Deed::FromService(|_, frames| recoded(frames, 1009, 1008)),
    ),
    sabotage(
        "take-malformed",
        MALFORMED,
        "takes frames that break the protocol",
        Deed::FromClient(|_, frame| match frame.is_well_formed() {
            true => vec![frame],
            false => Vec::new(),
        }),
    ),
    sabotage(
        "malformed-is-1000",
        MALFORMED,
        "closes with 1000 on a frame that breaks the protocol",
        Deed::FromService(|_, frames| recoded(frames, 1002, 1000)),
    ),
    sabotage(
        "not-utf8-is-1002",
        MALFORMED,
        "closes with 1002 on a text that is not UTF-8",
        Deed::FromService(|_, frames| recoded(frames, 1007, 1002)),
    ),
    sabotage(
        "cut-on-malformed",
        MALFORMED,
        "ends a connection without a close frame when a frame breaks the protocol",
        Deed::FromService(|line, frames| cut_at(line, frames, 1002)),
    ),
    sabotage(
        "unbounded-queue",
        SLOW,
        "queues for a slow client without a bound",
        Deed::Upgrade(|upgrade, _| upgrade.queues = true),
    ),
    sabotage(
        "slow-consumer-loses",
        SLOW,
        "drops what a slow client has no room for, and leaves it open",
        Deed::Upgrade(|upgrade, _| {
            // The service must not notice.
            upgrade.queues = true;
            upgrade.loses = true;
        }),
    ),
    sabotage(
        "slow-is-1008",
        SLOW,
        "closes a slow client with 1008",
        Deed::FromService(|_, frames| recoded(frames, 1013, 1008)),
    ),
    sabotage(
        "slow-consumer-blocks",
        ALONE,
        "waits for a slow client before it sends to others",
        Deed::Upgrade(|upgrade, _| upgrade.blocks = true),
    ),
    sabotage(
        "no-pings",
        PINGED,
        "sends no pings",
        Deed::FromService(|_, frames| without(frames, PING)),
    ),
    sabotage(
        "one-ping-only",
        PINGED,
        "sends one ping and no more",
        Deed::FromService(|line, frames| {
            let (pings, mut others): (Vec<_>, Vec<_>) =
                frames.into_iter().partition(|frame| frame.opcode() == PING);
            for ping in pings {
                match line.next() {
                    1 => others.push(ping),
                    // The service is content, so that nothing else happens.
                    _ => line.send_to_service(&Frame::new(PONG, &ping.payload())),
                }
            }
            others
        }),
    ),
    sabotage(
        "no-idle-close",
        IDLE,
        "never closes a client from which nothing comes",
        Deed::FromService(|line, frames| {
            for ping in frames.iter().filter(|frame| frame.opcode() == PING) {
                line.send_to_service(&Frame::new(PONG, &ping.payload()));
            }
            frames
        }),
    ),
    sabotage(
        "idle-is-1000",
        IDLE,
        "closes an idle client with 1000",
        Deed::FromService(|_, frames| recoded(frames, 1001, 1000)),
    ),
];

/// Whether the upgrade is one more than its user may have.
fn is_above(upgrade: &Upgrade, scene: &Scene) -> bool {
    let good = |token| token::is_good(scene.issuer(), token);
    upgrade.token().is_some_and(good) && scene.open(&upgrade.user()) >= ALLOWED
}

/// `frames` with each close with `code` become what `change` makes of it.
pub(super) fn closes(
    frames: Vec<Frame>,
    code: u16,
    mut change: impl FnMut(Frame) -> Vec<Frame>,
) -> Vec<Frame> {
    let with_code = |frame: &Frame| {
        frame
            .code_and_reason()
            .is_some_and(|(came, _)| came == code)
    };
    let frames = frames.into_iter();
    frames
        .flat_map(|frame| match with_code(&frame) {
            true => change(frame),
            false => vec![frame],
        })
        .collect()
}

/// `frames` with `other` in the place of the close code `code`.
pub(super) fn recoded(frames: Vec<Frame>, code: u16, other: u16) -> Vec<Frame> {
    closes(frames, code, |close| {
        let (_, reason) = close.code_and_reason().unwrap_or_default();
        vec![Frame::close(other, &reason)]
    })
}

/// `frames` with another reason in each close that has one.
fn reasons(frames: Vec<Frame>, change: fn(&str) -> String) -> Vec<Frame> {
    let frames = frames.into_iter();
    frames
        .map(|frame| match frame.code_and_reason() {
            Some((code, reason)) if !reason.is_empty() => Frame::close(code, &change(&reason)),
            _ => frame,
        })
        .collect()
}

fn without(mut frames: Vec<Frame>, opcode: u8) -> Vec<Frame> {
    frames.retain(|frame| frame.opcode() != opcode);
    frames
}
