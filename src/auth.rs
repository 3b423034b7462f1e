//! What makes a token acceptable, and the words for why one is not.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::settings::Environment;

/// Checks tokens against one key, algorithm, audience and issuer.
#[derive(Clone)]
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

/// The identity that a token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The token's `sub`: never empty.
    pub user_id: String,
    /// The token's `exp`, in seconds since the Unix epoch: the token is refused from this second on.
    pub expires_at: u64,
}

/// Why a token was refused. The message is safe to show to whoever sent the token, and so short that it fits into a
/// close reason beside its error code and correlation id (123 bytes, RFC 6455, section 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No token came with the request.
    #[error("token missing")]
    Missing,
    /// The token is not a JWT, or its claims have the wrong types.
    #[error("token malformed")]
    Malformed,
    /// `exp` is now or in the past.
    #[error("token expired")]
    Expired,
    /// `nbf` is in the future (RFC 7519, section 4.1.5).
    #[error("not valid yet")]
    NotYetValid,
    /// The signature does not match the key.
    #[error("bad signature")]
    Signature,
    /// `alg` is not the configured algorithm; `none` is never accepted.
    #[error("wrong algorithm")]
    Algorithm,
    /// `sub`, `exp`, `aud` or `iss` is missing or `sub` is empty.
    #[error("claim missing")]
    Claim,
    /// `aud` names another audience.
    #[error("wrong audience")]
    Audience,
    /// `iss` names another issuer.
    #[error("wrong issuer")]
    Issuer,
}

impl Verifier {
    /// Reads `JWT_SECRET_KEY` (required), `JWT_ALGORITHM`, `JWT_AUDIENCE` and `JWT_ISSUER`, each behind `prefix`.
    ///
    /// `JWT_SECRET_KEY` is the shared secret of an HMAC algorithm, or the PEM public key of RS256 and ES256.
    pub fn from_environment(environment: &mut Environment, prefix: &str) -> Option<Self> {
        let key_name = format!("{prefix}JWT_SECRET_KEY");
        let algorithm_name = format!("{prefix}JWT_ALGORITHM");
        let algorithm = environment.text(&algorithm_name, "HS256");
        let audience = environment.text(&format!("{prefix}JWT_AUDIENCE"), "huleedu-platform");
        let issuer = environment.text(&format!("{prefix}JWT_ISSUER"), "huleedu-identity-service");
        let secret = environment.required(&key_name);

        let algorithm = match algorithm.as_str() {
            "HS256" => Algorithm::HS256,
            "HS384" => Algorithm::HS384,
            "HS512" => Algorithm::HS512,
            "RS256" => Algorithm::RS256,
            "ES256" => Algorithm::ES256,
            other => {
                environment.reject(
                    &algorithm_name,
                    other,
                    "one of HS256, HS384, HS512, RS256, ES256",
                );
                return None;
            }
        };
        let secret = secret?;
        let key = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(secret.as_bytes()).ok(),
            Algorithm::ES256 => DecodingKey::from_ec_pem(secret.as_bytes()).ok(),
            _ => Some(DecodingKey::from_secret(secret.as_bytes())),
        };
        let Some(key) = key else {
            environment.reject(&key_name, "(hidden)", "a public key in PEM form");
            return None;
        };
        Some(Self::new(key, algorithm, &audience, &issuer))
    }

    /// A verifier for `algorithm` alone: a token cannot choose its own.
    pub fn new(key: DecodingKey, algorithm: Algorithm, audience: &str, issuer: &str) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_audience(&[audience]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        Self { key, validation }
    }

    /// The identity in `token`, or why it is refused.
    pub fn verify(&self, token: &str) -> Result<Identity, Refusal> {
        #[derive(Deserialize)]
        struct Claims {
            sub: Option<String>,
            exp: Option<f64>, // a NumericDate may have a fraction (RFC 7519, section 2)
        }
        if token.is_empty() {
            return Err(Refusal::Missing);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| Refusal::from_kind(error.kind()))?
            .claims;
        match (claims.sub, claims.exp) {
            (Some(user_id), Some(expires_at)) if !user_id.is_empty() => Ok(Identity {
                user_id,
                expires_at: expires_at as u64,
            }),
            _ => Err(Refusal::Claim),
        }
    }
}

impl Refusal {
    /// The word for this refusal in metrics: one of a fixed, small set.
    pub fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Signature => "invalid_signature",
            Self::Algorithm => "invalid_algorithm",
            Self::Claim => "missing_claim",
            Self::Audience => "invalid_audience",
            Self::Issuer => "invalid_issuer",
        }
    }

    fn from_kind(kind: &ErrorKind) -> Self {
        match kind {
            ErrorKind::ExpiredSignature => Self::Expired,
            ErrorKind::ImmatureSignature => Self::NotYetValid,
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => Self::Algorithm,
            ErrorKind::MissingRequiredClaim(_) => Self::Claim,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::InvalidIssuer => Self::Issuer,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};
    use rstest::rstest;
    use serde_json::{Value, json};

    const FAR: u64 = 4_102_444_800; // 2100-01-01

    fn verifier() -> Verifier {
        Verifier::new(
            DecodingKey::from_secret(b"secret"),
            Algorithm::HS256,
            "platform",
            "identity",
        )
    }

    fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
        jsonwebtoken::encode(
            &Header::new(algorithm),
            claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap()
    }

    fn claims() -> Value {
        json!({"sub": "teacher", "exp": FAR, "aud": "platform", "iss": "identity"})
    }

    #[test]
    fn a_complete_token_proves_its_subject() {
        let token = signed(&claims(), Algorithm::HS256, "secret");
        let expected = Identity {
            user_id: "teacher".into(),
            expires_at: FAR,
        };
        assert_eq!(verifier().verify(&token), Ok(expected));
    }

    #[rstest]
    #[case::expired("exp", json!(1), Refusal::Expired)]
    #[case::no_exp("exp", Value::Null, Refusal::Claim)]
    #[case::no_sub("sub", Value::Null, Refusal::Claim)]
    #[case::empty_sub("sub", json!(""), Refusal::Claim)]
    #[case::numeric_sub("sub", json!(7), Refusal::Malformed)]
    #[case::no_audience("aud", Value::Null, Refusal::Claim)]
    #[case::other_audience("aud", json!("elsewhere"), Refusal::Audience)]
    #[case::no_issuer("iss", Value::Null, Refusal::Claim)]
    #[case::other_issuer("iss", json!("elsewhere"), Refusal::Issuer)]
    #[case::not_before_the_future("nbf", json!(FAR), Refusal::NotYetValid)]
    fn a_token_with_a_wrong_claim_is_refused(
        #[case] claim: &str,
        #[case] value: Value,
        #[case] refusal: Refusal,
    ) {
        let mut claims = claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(claim),
            value => claims.as_object_mut().unwrap().insert(claim.into(), value),
        };
        let token = signed(&claims, Algorithm::HS256, "secret");
        assert_eq!(verifier().verify(&token), Err(refusal));
    }

    #[test]
    fn a_token_signed_otherwise_is_refused() {
        let other_key = signed(&claims(), Algorithm::HS256, "another");
        assert_eq!(verifier().verify(&other_key), Err(Refusal::Signature));
        let other_algorithm = signed(&claims(), Algorithm::HS512, "secret");
        assert_eq!(verifier().verify(&other_algorithm), Err(Refusal::Algorithm));
    }

    #[rstest]
    #[case::defaults("", &[], Algorithm::HS256, "huleedu-platform", "huleedu-identity-service")]
    #[case::others(
        "API_GATEWAY_",
        &[("JWT_ALGORITHM", "HS512"), ("JWT_AUDIENCE", "platform"), ("JWT_ISSUER", "identity")],
        Algorithm::HS512,
        "platform",
        "identity"
    )]
    fn the_environment_says_which_tokens_are_good(
        #[case] prefix: &str,
        #[case] variables: &[(&str, &str)],
        #[case] algorithm: Algorithm,
        #[case] audience: &str,
        #[case] issuer: &str,
    ) {
        let mut environment: Environment = [("JWT_SECRET_KEY", "secret")]
            .iter()
            .chain(variables)
            .map(|(name, value)| (format!("{prefix}{name}"), (*value).to_owned()))
            .collect();
        let verifier = Verifier::from_environment(&mut environment, prefix);
        let verifier = environment.finish(verifier).ok().unwrap();
        let claims = json!({"sub": "teacher", "exp": FAR, "aud": audience, "iss": issuer});
        let token = signed(&claims, algorithm, "secret");
        assert_eq!(verifier.verify(&token).unwrap().user_id, "teacher");
    }

    #[rstest]
    #[case::unknown("HS1")]
    #[case::none("none")]
    fn an_algorithm_that_proves_nothing_is_no_setting(#[case] algorithm: &str) {
        let variables = [("JWT_SECRET_KEY", "secret"), ("JWT_ALGORITHM", algorithm)];
        let mut environment: Environment = variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let verifier = Verifier::from_environment(&mut environment, "");
        let error = environment.finish(verifier).err().unwrap().to_string();
        assert!(error.contains("JWT_ALGORITHM"), "{error}");
    }

    #[rstest]
    #[case::nothing("", Refusal::Missing)]
    #[case::garbage("garbage", Refusal::Malformed)]
    // {"alg":"none","typ":"JWT"} . the claims above, unsigned
    #[case::unsigned(
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ0ZWFjaGVyIiwiZXhwIjo0MTAyNDQ0ODAwLCJhdWQiOiJwbGF0Zm9ybSIsImlzcyI6ImlkZW50aXR5In0.",
        Refusal::Malformed
    )]
    fn what_is_no_signed_token_is_refused(#[case] token: &str, #[case] refusal: Refusal) {
        assert_eq!(verifier().verify(token), Err(refusal));
    }
}
