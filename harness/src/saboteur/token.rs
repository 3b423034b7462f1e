//! What tokens say, good or bad.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;

use crate::token::{Issuer, Key};

/// What is in a token, whoever signed it.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub algorithm: String,
    pub claims: Value,
}

impl Said {
    /// What `token` says, if it is one.
    pub fn by(token: &str) -> Option<Self> {
        let mut parts = token.split('.').map(|part| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        });
        let (header, claims) = (parts.next()??, parts.next()??);
        Some(Self {
            algorithm: header["alg"].as_str().unwrap_or_default().to_owned(),
            claims,
        })
    }

    /// Whose it is; empty where it does not say.
    pub fn user(&self) -> &str {
        self.claims["sub"].as_str().unwrap_or_default()
    }

    /// How many seconds ago the time in the claim `name` was: less than 0 while it is to come, nothing without one.
    pub fn since(&self, name: &str) -> Option<i64> {
        let time = self.claims[name].as_i64()?;
        Some(jiff::Timestamp::now().as_second() - time)
    }

    /// How many seconds ago it expired: less than 0 while it is good, nothing without an `exp`.
    pub fn expired_for(&self) -> Option<i64> {
        self.since("exp")
    }
}

/// The query parameter `token` of `target`.
pub(super) fn in_query(target: &str) -> Option<&str> {
    let (_, query) = target.split_once('?')?;
    let mut parameters = query.split('&');
    parameters.find_map(|parameter| parameter.strip_prefix("token="))
}

/// A token of `issuer` for `user` that every service takes.
pub(super) fn good(issuer: &Issuer, user: &str) -> String {
    issuer.sign(&issuer.claims(user))
}

/// Whether `issuer`'s services must take `token`. A signature that only a public key could tell is taken for good.
pub(super) fn is_good(issuer: &Issuer, token: &str) -> bool {
    let Key::Secret(secret) = &issuer.key else {
        return Said::by(token).is_some();
    };
    let mut rules = Validation::new(issuer.algorithm);
    rules.leeway = 0;
    rules.set_audience(&[&issuer.audience]);
    rules.set_issuer(&[&issuer.name]);
    rules.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let key = DecodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::decode::<Value>(token, &key, &rules).is_ok_and(|token| {
        token.claims["sub"]
            .as_str()
            .is_some_and(|sub| !sub.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::Algorithm;
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::token::Claims;

    fn issuer() -> Issuer {
        Issuer {
            name: "i".to_owned(),
            audience: "a".to_owned(),
            algorithm: Algorithm::HS256,
            key: Key::Secret("s".to_owned()),
        }
    }

    fn anna() -> Claims {
        issuer().claims("anna")
    }

    #[rstest]
    #[case::a_good_one(issuer().sign(&anna()), true)]
    #[case::expired(issuer().sign(&anna().expired_for(1)), false)]
    #[case::of_nobody(issuer().sign(&anna().with("sub", json!(""))), false)]
    #[case::for_others(issuer().sign(&anna().with("aud", json!("b"))), false)]
    #[case::unsigned(anna().unsigned(), false)]
    #[case::forged(issuer().forge(&anna()), false)]
    #[case::garbage("garbage".to_owned(), false)]
    fn a_good_token_is_told_from_a_bad_one(#[case] token: String, #[case] good: bool) {
        assert_eq!(is_good(&issuer(), &token), good);
    }

    #[test]
    fn an_unsigned_token_says_as_much_as_a_signed_one() {
        let said = Said::by(&anna().unsigned()).unwrap();
        assert_eq!((&*said.algorithm, said.user()), ("none", "anna"));
    }

    #[rstest]
    #[case::there("/ws?token=t", Some("t"))]
    #[case::among_others("/ws/?a=b&token=t&c", Some("t"))]
    #[case::not_there("/ws", None)]
    fn a_token_is_found_in_a_query(#[case] target: &str, #[case] token: Option<&str>) {
        assert_eq!(in_query(target), token);
    }
}
