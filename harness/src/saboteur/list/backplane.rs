//! Redis away, hung, demoted and back; the websocket service ended, killed, started and doubled.

use super::super::socket::LOST;
use super::super::upgrade::Course;
use super::super::{Deed, Sabotage};
use super::connections::recoded;
use super::sabotage;
use super::tokens::{cut_at, survive};
use crate::system::{Exit, Part};

const LOSS: &str = "backplane.loss-closes";
const HANG: &str = "backplane.hang-closes";
const DEMOTION: &str = "backplane.demotion-closes";
const STARTS: &str = "backplane.starts-without";
const GATEWAY_STARTS: &str = "gateway.starts-without-redis";
const KILLED: &str = "service.killed-is-seen";
const ANEW: &str = "service.starts-anew";
const REPLICAS: &str = "service.replicas";
const AWAY: &str = "backplane.away-refuses";
const RESUMES: &str = "backplane.resumes";
const GOODBYE: &str = "shutdown.goodbye";

/// The close code while Redis is away, and a reason for it.
const UNAVAILABLE: u16 = 1011;
const UNAVAILABLE_REASON: &str = r#"{"error_code":"SERVICE_UNAVAILABLE","message":"m"}"#;
/// The close code of a service that ends.
const GOING: u16 = 1001;

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "zombie",
        LOSS,
        "leaves connections open whose subscription is lost",
        Deed::FromService(|line, frames| survive(line, frames, UNAVAILABLE)),
    ),
    sabotage(
        "zombie-sibling",
        LOSS,
        "closes the first of the connections whose subscription is lost alone",
        Deed::FromService(|line, frames| match line.number {
            1 => frames,
            _ => survive(line, frames, UNAVAILABLE),
        }),
    ),
    sabotage(
        "loss-is-1001",
        LOSS,
        "closes with 1001 when a subscription is lost",
        Deed::FromService(|_, frames| recoded(frames, UNAVAILABLE, GOING)),
    ),
    sabotage(
        "loss-without-close",
        LOSS,
        "ends a connection whose subscription is lost without a close frame",
        Deed::FromService(|line, frames| cut_at(line, frames, UNAVAILABLE)),
    ),
    sabotage(
        "zombie-when-hung",
        HANG,
        "leaves connections open when Redis hangs",
        Deed::FromService(|line, frames| survive(line, frames, UNAVAILABLE)),
    ),
    sabotage(
        "zombie-when-demoted",
        DEMOTION,
        "leaves connections open when the master of Redis becomes a replica",
        Deed::FromService(|line, frames| survive(line, frames, UNAVAILABLE)),
    ),
    sabotage(
        "unhealthy-before-redis",
        STARTS,
        "is not up before Redis is",
        Deed::Answer(|request, answer, scene| {
            if request.path() == "/healthz" && !scene.redis_is_there() {
                answer.status = 503;
            }
        }),
    ),
    sabotage(
        "never-served-after-start",
        STARTS,
        "goes on refusing everybody when it has started before Redis",
        Deed::Upgrade(|upgrade, scene| {
            if scene.has_closed(UNAVAILABLE) {
                upgrade.course = Course::Closed(UNAVAILABLE, UNAVAILABLE_REASON);
            }
        }),
    ),
    sabotage(
        "gateway-waits-for-redis",
        GATEWAY_STARTS,
        "answers 503 in the gateway before Redis is there",
        Deed::Answer(|request, answer, scene| {
            if request.path().starts_with("/v1/") && !scene.redis_is_there() {
                answer.status = 503;
            }
        }),
    ),
    sabotage(
        "death-unseen",
        KILLED,
        "leaves clients in the belief that a service that was killed is there",
        Deed::Upgrade(|upgrade, _| upgrade.stays = true),
    ),
    sabotage(
        "silent-after-death",
        ANEW,
        "delivers nothing once it has been killed and started again",
        Deed::FromService(|line, mut frames| {
            if line.scene.has_closed(LOST) {
                frames.retain(|frame| !frame.is_text());
            }
            frames
        }),
    ),
    sabotage(
        "one-service-delivers",
        REPLICAS,
        "delivers by one of two services alone",
        Deed::FromService(|line, mut frames| {
            if line.part == Part::SecondWebsocketService {
                frames.retain(|frame| !frame.is_text());
            }
            frames
        }),
    ),
    sabotage(
        "503-without-redis",
        AWAY,
        "answers 503 instead of the upgrade while Redis is away",
        Deed::Upgrade(|upgrade, scene| {
            if !scene.redis_is_there() {
                upgrade.answer(503, "");
            }
        }),
    ),
    sabotage(
        "away-is-1013",
        AWAY,
        "closes a new connection with 1013 while Redis is away",
        Deed::Upgrade(|upgrade, scene| {
            if !scene.redis_is_there() {
                upgrade.course = Course::Closed(1013, UNAVAILABLE_REASON);
            }
        }),
    ),
    sabotage(
        "never-resume",
        RESUMES,
        "goes on closing with 1011 when Redis is back",
        Deed::Upgrade(|upgrade, scene| {
            if scene.has_closed(UNAVAILABLE) {
                upgrade.course = Course::Closed(UNAVAILABLE, UNAVAILABLE_REASON);
            }
        }),
    ),
    sabotage(
        "resume-in-silence",
        RESUMES,
        "accepts again when Redis is back, and delivers nothing",
        Deed::FromService(|line, mut frames| {
            if line.scene.has_closed(UNAVAILABLE) {
                frames.retain(|frame| !frame.is_text());
            }
            frames
        }),
    ),
    sabotage(
        "no-goodbye",
        GOODBYE,
        "ends without closing with 1001",
        Deed::FromService(|line, frames| cut_at(line, frames, GOING)),
    ),
    sabotage(
        "goodbye-is-1000",
        GOODBYE,
        "closes with 1000 when it ends",
        Deed::FromService(|_, frames| recoded(frames, GOING, 1000)),
    ),
    sabotage(
        "goodbye-for-the-first",
        GOODBYE,
        "says goodbye to one client alone",
        Deed::FromService(|line, frames| match line.number {
            1 => frames,
            _ => cut_at(line, frames, GOING),
        }),
    ),
    sabotage(
        "upgrades-while-ending",
        GOODBYE,
        "takes upgrades after SIGTERM",
        Deed::Upgrade(|upgrade, scene| {
            if scene.has_closed(GOING) {
                upgrade.course = Course::Served(upgrade.user());
            }
        }),
    ),
    sabotage(
        "exit-status",
        GOODBYE,
        "exits with status 1 when it is told to end",
        Deed::Exit(|part, exit| match part {
            Part::WebsocketService => exit.map(|_| Exit { status: Some(1) }),
            _ => exit,
        }),
    ),
    sabotage(
        "never-exit",
        GOODBYE,
        "does not exit when it is told to end",
        Deed::Exit(|part, exit| match part {
            Part::WebsocketService => None,
            _ => exit,
        }),
    ),
];
