//! Who is let in, who is refused, and how; of either service.

use serde_json::json;

use super::super::exchange::Request;
use super::super::frame::Frame;
use super::super::scene::{Order, Scene};
use super::super::socket::Line;
use super::super::token::{self, Said};
use super::super::upgrade::Upgrade;
use super::super::{Deed, Sabotage};
use super::connections::{closes, recoded};
use super::sabotage;
use crate::token::Issuer;

const OPENS: &str = "token.good-one-opens";
const CLAIMS: &str = "token.claims-checked";
const SIGNATURE: &str = "token.signature-checked";
const VISIBLE: &str = "token.refusal-visible";
const NOTHING_AFTER: &str = "token.nothing-after-refusal";
const EXPIRY: &str = "token.expiry-closes";
const OWN_CLOCK: &str = "token.own-clock";
const GATEWAY_OWN_CLOCK: &str = "auth.own-clock";
const BEARER: &str = "auth.bearer-required";
const GATEWAY_CLAIMS: &str = "auth.claims-checked";

/// The close code of a refusal.
const REFUSED: u16 = 1008;
/// Expired for longer than any clock goes wrong, in seconds.
const LONG: i64 = 60;
/// How long before its `exp` a token is let expire, in seconds.
const EARLY: i64 = 2;

pub(super) const ALL: &[Sabotage] = &[
    sabotage(
        "no-trailing-slash",
        OPENS,
        "has no route /ws/",
        Deed::Upgrade(|upgrade, _| {
            if upgrade.target.starts_with("/ws/?") {
                upgrade.answer(404, "");
            }
        }),
    ),
    sabotage(
        "accept-expired",
        CLAIMS,
        "takes a token past its exp",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, _| said.expired_for() > Some(LONG));
        }),
    ),
    sabotage(
        "accept-just-expired",
        CLAIMS,
        "takes a token for a minute after its exp",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, _| {
                said.expired_for()
                    .is_some_and(|seconds| (0..=LONG).contains(&seconds))
            });
        }),
    ),
    sabotage(
        "accept-without-exp",
        CLAIMS,
        "takes a token without exp",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, _| said.expired_for().is_none());
        }),
    ),
    sabotage(
        "accept-without-sub",
        CLAIMS,
        "takes a token without sub",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, _| said.claims.get("sub").is_none());
        }),
    ),
    sabotage(
        "accept-empty-sub",
        CLAIMS,
        "takes a token with an empty sub",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, _| said.claims["sub"] == "");
        }),
    ),
    sabotage(
        "accept-wrong-audience",
        CLAIMS,
        "takes a token for another audience",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, issuer| {
                said.claims["aud"] != issuer.audience
            });
        }),
    ),
    sabotage(
        "accept-wrong-issuer",
        CLAIMS,
        "takes a token of another issuer",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, issuer| {
                said.claims["iss"] != issuer.name
            });
        }),
    ),
    sabotage(
        "accept-missing",
        SIGNATURE,
        "lets in who has no token",
        Deed::Upgrade(|upgrade, scene| {
            if upgrade.token().is_none() {
                upgrade.put_token(&token::good(scene.issuer(), "nobody"));
            }
        }),
    ),
    sabotage(
        "accept-garbage",
        SIGNATURE,
        "takes what is no token for one",
        Deed::Upgrade(|upgrade, scene| {
            if upgrade.token().is_some() && upgrade.said().is_none() {
                upgrade.put_token(&token::good(scene.issuer(), "nobody"));
            }
        }),
    ),
    sabotage(
        "accept-unsigned",
        SIGNATURE,
        "takes a token with alg none",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, _| said.algorithm == "none");
        }),
    ),
    sabotage(
        "accept-forged",
        SIGNATURE,
        "takes a token with anybody's signature",
        Deed::Upgrade(|upgrade, scene| accept(upgrade, scene, is_all_but_signed)),
    ),
    sabotage(
        "accept-other-algorithm",
        SIGNATURE,
        "takes a token signed with another algorithm",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, issuer| {
                said.algorithm != "none" && said.algorithm != format!("{:?}", issuer.algorithm)
            });
        }),
    ),
    sabotage(
        "leeway",
        OWN_CLOCK,
        "takes a token for a few seconds after its exp",
        Deed::Upgrade(|upgrade, scene| {
            accept(upgrade, scene, |said, _| {
                said.expired_for()
                    .is_some_and(|seconds| (0..=LONG).contains(&seconds))
            });
        }),
    ),
    sabotage(
        "gateway-leeway",
        GATEWAY_OWN_CLOCK,
        "takes a token for a few seconds after its exp in the gateway",
        Deed::Request(|request, scene| {
            gateway_accepts(request, scene, |said, _| {
                said.expired_for()
                    .is_some_and(|seconds| (0..=LONG).contains(&seconds))
            });
        }),
    ),
    sabotage(
        "refuse-with-403",
        VISIBLE,
        "refuses a token with 403 instead of the upgrade",
        Deed::Upgrade(|upgrade, scene| refuse(upgrade, scene, 403)),
    ),
    sabotage(
        "refuse-with-401",
        VISIBLE,
        "refuses a token with 401 instead of the upgrade",
        Deed::Upgrade(|upgrade, scene| refuse(upgrade, scene, 401)),
    ),
    sabotage(
        "refuse-without-close",
        VISIBLE,
        "ends a refused connection without a close frame",
        Deed::FromService(|line, frames| cut_at(line, frames, REFUSED)),
    ),
    sabotage(
        "refuse-with-4401",
        VISIBLE,
        "refuses a token with 4401",
        Deed::FromService(|_, frames| recoded(frames, REFUSED, 4401)),
    ),
    sabotage(
        "speak-before-refusing",
        NOTHING_AFTER,
        "sends a message before it closes with 1008",
        Deed::FromService(|_, frames| {
            closes(frames, REFUSED, |close| {
                vec![Frame::text(br#"{"event":"welcome","data":{}}"#), close]
            })
        }),
    ),
    sabotage(
        "ignore-expiry",
        EXPIRY,
        "lets a connection live on past its token's exp",
        Deed::FromService(|line, frames| survive(line, frames, REFUSED)),
    ),
    sabotage(
        "expire-early",
        EXPIRY,
        "closes a connection before its token's exp",
        Deed::Upgrade(|upgrade, scene| {
            let said = upgrade.said().unwrap_or_default();
            let soon = said
                .expired_for()
                .filter(|seconds| (-2 * LONG..0).contains(seconds));
            if let Some(seconds) = soon {
                let issuer = scene.issuer();
                let claims = issuer.claims(said.user()).expired_for(seconds + EARLY);
                upgrade.put_token(&issuer.sign(&claims));
            }
        }),
    ),
    sabotage(
        "expire-siblings",
        EXPIRY,
        "closes all of a user's connections when the token of one expires",
        Deed::FromService(|line, frames| {
            let code = |frame: &Frame| frame.code_and_reason();
            for (code, reason) in frames.iter().filter_map(code) {
                let close = || Order::End(Some(Frame::close(code, &reason)));
                line.scene.tell_all(&line.user, close);
            }
            frames
        }),
    ),
    sabotage(
        "classes-without-token",
        BEARER,
        "passes calls below /v1/classes/ on without a token",
        Deed::Request(|request, scene| {
            if request.header("authorization").is_none()
                && request.path().starts_with("/v1/classes/")
            {
                request.authorize(scene.issuer(), "nobody");
            }
        }),
    ),
    sabotage(
        "uploads-without-token",
        BEARER,
        "takes uploads without a token",
        Deed::Request(|request, scene| {
            if request.header("authorization").is_none() && request.is_to("POST", "/files/batch") {
                request.authorize(scene.issuer(), "nobody");
            }
        }),
    ),
    sabotage(
        "forbid-without-token",
        BEARER,
        "answers 403 without a token",
        Deed::Answer(|_, answer, _| {
            if answer.status == 401 {
                answer.status = 403;
            }
        }),
    ),
    sabotage(
        "gateway-accepts-expired",
        GATEWAY_CLAIMS,
        "takes a token past its exp in the gateway",
        Deed::Request(|request, scene| {
            gateway_accepts(request, scene, |said, _| said.expired_for() > Some(0));
        }),
    ),
    sabotage(
        "gateway-accepts-unsigned",
        GATEWAY_CLAIMS,
        "takes a token with alg none in the gateway",
        Deed::Request(|request, scene| {
            gateway_accepts(request, scene, |said, _| said.algorithm == "none");
        }),
    ),
    sabotage(
        "gateway-accepts-forged",
        GATEWAY_CLAIMS,
        "takes a token with anybody's signature in the gateway",
        Deed::Request(|request, scene| gateway_accepts(request, scene, is_all_but_signed)),
    ),
    sabotage(
        "gateway-accepts-wrong-audience",
        GATEWAY_CLAIMS,
        "takes a token for another audience in the gateway",
        Deed::Request(|request, scene| {
            gateway_accepts(request, scene, |said, issuer| {
                said.claims["aud"] != issuer.audience
            });
        }),
    ),
];

/// Whether nothing but the signature can be wrong.
fn is_all_but_signed(said: &Said, issuer: &Issuer) -> bool {
    said.algorithm == format!("{:?}", issuer.algorithm)
        && said.expired_for() < Some(0)
        && said.claims["aud"] == issuer.audience
        && said.claims["iss"] == issuer.name
}

/// A token that is `bad` is taken for good by the gateway.
fn gateway_accepts(request: &mut Request, scene: &Scene, bad: fn(&Said, &Issuer) -> bool) {
    let issuer = scene.issuer();
    if let Some(said) = request.said().filter(|said| bad(said, issuer)) {
        request.authorize(issuer, said.user());
    }
}

/// A token that is `bad` is taken for good.
fn accept(upgrade: &mut Upgrade, scene: &Scene, bad: fn(&Said, &Issuer) -> bool) {
    let issuer = scene.issuer();
    if let Some(said) = upgrade.said().filter(|said| bad(said, issuer)) {
        let user = match said.user() {
            "" => "nobody",
            user => user,
        };
        upgrade.put_token(&token::good(issuer, user));
    }
}

/// Who has no good token gets `status`.
fn refuse(upgrade: &mut Upgrade, scene: &Scene, status: u16) {
    let good = |token| token::is_good(scene.issuer(), token);
    if !upgrade.token().is_some_and(good) {
        upgrade.answer(
            status,
            &json!({"error_code": "AUTHENTICATION_ERROR"}).to_string(),
        );
    }
}

/// A connection that the service closes with `code` ends without a word.
pub(super) fn cut_at(line: &mut Line, frames: Vec<Frame>, code: u16) -> Vec<Frame> {
    closes(frames, code, |_| {
        line.cut = true;
        Vec::new()
    })
}

/// A connection that the service closes with `code` lives on.
pub(super) fn survive(line: &mut Line, frames: Vec<Frame>, code: u16) -> Vec<Frame> {
    closes(frames, code, |_| {
        line.stays = true;
        Vec::new()
    })
}
