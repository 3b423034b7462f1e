//! How often a user may ask (contract, "API gateway": 100 a minute, pipelines 10, files 5; each a budget of its own).

mod redis;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::{HeaderValue, header};
use tracing::warn;

use super::caller::Caller;
use super::error::{ApiError, Code};
use super::routes::Gateway;

pub use redis::RedisLimiter;

pub use crate::redis_scripts::Away;

/// Where requests are counted.
pub trait Limiter: Send + Sync {
    /// Counts one more request of `user` on `budget`, of which a `window` has room for `limit`. Answers soon, or fails.
    fn take<'a>(
        &'a self,
        user: &'a str,
        budget: Budget,
        limit: u32,
        window: Duration,
    ) -> BoxFuture<'a, Result<Verdict, Away>>;
}

/// Routes that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Budget {
    /// Every route without a budget of its own.
    Default,
    /// Pipeline requests, which cost credits.
    Pipelines,
    /// File uploads, which cost bandwidth.
    Files,
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is within the limit.
    Pass,
    /// It is not, until this much time has gone by.
    Wait(Duration),
}

impl Budget {
    /// The word for this budget in keys and in errors.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Pipelines => "pipelines",
            Self::Files => "files",
        }
    }
}

/// Lets a caller's request pass, or answers 429. While the limiter is away every request passes: teachers who are
/// served too often do less harm than teachers who are not served.
pub async fn take(
    State((gateway, budget)): State<(Arc<Gateway>, Budget)>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let rates = gateway.rates;
    let limit = match budget {
        Budget::Default => rates.default,
        Budget::Pipelines => rates.pipelines,
        Budget::Files => rates.files,
    };
    match gateway
        .limiter
        .take(&caller.user_id, budget, limit, rates.window)
        .await
    {
        Ok(Verdict::Pass) => {}
        Ok(Verdict::Wait(time)) => return Err(exceeded(budget, limit, time)),
        Err(error) => {
            gateway.metrics.unlimited();
            warn!(%error, "the rate limit is away: the request passes");
        }
    }
    Ok(next.run(request).await)
}

fn exceeded(budget: Budget, limit: u32, time: Duration) -> ApiError {
    // Whole seconds (RFC 9110, section 10.2.3), rounded up: whoever waits that long is let through.
    let seconds = time.as_millis().div_ceil(1000).max(1) as u64;
    ApiError::new(
        Code::RateLimitExceeded,
        "too many requests: ask again after `Retry-After` seconds",
    )
    .with("budget", budget.as_str())
    .with("limit", limit)
    .with("retry_after_seconds", seconds)
    .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
