//! Bad tokens: every way in which one is bad.

use serde_json::json;

use super::Issuer;

/// A kind of bad token.
pub struct Bad {
    /// What scenarios call it.
    pub name: &'static str,
    /// What is wrong with it.
    pub flaw: Flaw,
    /// What it is, for sentences.
    pub what: &'static str,
    /// One of a user with this id, which an issuer has signed or should have; nothing for no token at all.
    pub make: fn(&str, &Issuer) -> Option<String>,
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is none, or not signed as it has to be.
    Signature,
    /// It is well signed, and says what it must not.
    Claims,
}

/// All of them.
pub static BAD: [Bad; 12] = [
    Bad {
        name: "none",
        flaw: Flaw::Signature,
        what: "no token at all",
        make: |_, _| None,
    },
    Bad {
        name: "garbage",
        flaw: Flaw::Signature,
        what: "a token that is no JWT",
        make: |_, _| Some("garbage".to_owned()),
    },
    Bad {
        name: "expired",
        flaw: Flaw::Claims,
        what: "a token whose exp has passed",
        make: |user, issuer| Some(issuer.sign(&issuer.claims(user).expired())),
    },
    Bad {
        name: "just-expired",
        flaw: Flaw::Claims,
        what: "a token whose exp passed five seconds ago",
        make: |user, issuer| Some(issuer.sign(&issuer.claims(user).expired_for(5))),
    },
    Bad {
        name: "no-exp",
        flaw: Flaw::Claims,
        what: "a token without exp",
        make: |user, issuer| Some(issuer.sign(&issuer.claims(user).without("exp"))),
    },
    Bad {
        name: "no-sub",
        flaw: Flaw::Claims,
        what: "a token without sub",
        make: |user, issuer| Some(issuer.sign(&issuer.claims(user).without("sub"))),
    },
    Bad {
        name: "empty-sub",
        flaw: Flaw::Claims,
        what: "a token whose sub is empty",
        make: |user, issuer| Some(issuer.sign(&issuer.claims(user).with("sub", json!("")))),
    },
    Bad {
        name: "wrong-signature",
        flaw: Flaw::Signature,
        what: "a token signed with another secret",
        make: |user, issuer| Some(issuer.forge(&issuer.claims(user))),
    },
    Bad {
        name: "wrong-audience",
        flaw: Flaw::Claims,
        what: "a token for another audience",
        make: |user, issuer| {
            Some(issuer.sign(&issuer.claims(user).with("aud", json!("another-platform"))))
        },
    },
    Bad {
        name: "wrong-issuer",
        flaw: Flaw::Claims,
        what: "a token of another issuer",
        make: |user, issuer| {
            Some(issuer.sign(&issuer.claims(user).with("iss", json!("another-issuer"))))
        },
    },
    Bad {
        name: "alg-none",
        flaw: Flaw::Signature,
        what: "an unsigned token with alg none",
        make: |user, issuer| Some(issuer.claims(user).unsigned()),
    },
    Bad {
        name: "other-algorithm",
        flaw: Flaw::Signature,
        what: "a token signed with another algorithm than the service's",
        make: |user, issuer| Some(issuer.sign_otherwise(&issuer.claims(user))),
    },
];
