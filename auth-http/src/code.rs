//! The error codes of the API: the one list of names, statuses and texts.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:ident, $detail:literal;)*) => {
        /// What went wrong, for machines. Stable: clients branch on it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the code as it is written in a response.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Returns the status of a response with this code.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            pub(crate) const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail,)* }
            }
        }
    };
}

codes! {
    /// The request is no JSON object of exactly the documented fields, or has two refresh cookies.
    MalformedRequest = "malformed_request", BAD_REQUEST, "the request is not of the documented shape";
    /// A mailed token is malformed, unknown, spent, expired or no longer fits its user.
    InvalidToken = "invalid_token", BAD_REQUEST, "the link is invalid or has expired";
    /// The address is unknown, the password wrong or the user disabled.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "the e-mail address or the password is wrong";
    /// The refresh token is missing, malformed, unknown, expired, revoked or already used.
    InvalidRefreshToken = "invalid_refresh_token", UNAUTHORIZED, "the refresh token is missing or not valid";
    /// The access token is missing, malformed or expired, or its session has ended.
    InvalidAccessToken = "invalid_access_token", UNAUTHORIZED, "the access token is missing or not valid";
    /// The last log-in is too long ago for this: log in again. `WWW-Authenticate` says how long ago it may be.
    ReauthenticationRequired = "reauthentication_required", UNAUTHORIZED, "log in again to do this";
    /// The password is right, but the address is not verified.
    EmailNotVerified = "email_not_verified", FORBIDDEN, "the e-mail address has not been verified";
    /// The user is known, but may not do this; only from a service's own handlers.
    Forbidden = "forbidden", FORBIDDEN, "you may not do this";
    /// A page of another site sent the request.
    CrossSiteRequest = "cross_site_request", FORBIDDEN, "requests from this origin are not accepted";
    /// The path or the record does not exist.
    NotFound = "not_found", NOT_FOUND, "there is nothing here";
    /// The path exists, but not with this method; `Allow` lists its methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "this method is not allowed here";
    /// The new address was confirmed, but another user has verified it in the meantime.
    EmailTaken = "email_taken", CONFLICT, "another account has this e-mail address";
    /// The body is larger than the configured limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "the body is too large";
    /// The body is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "the body must be application/json";
    /// A value is not acceptable; `errors` lists the fields.
    ValidationFailed = "validation_failed", UNPROCESSABLE_ENTITY, "some values are not acceptable";
    /// Too many requests; `Retry-After` says when to try again.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "too many requests";
    /// Half of a rate limit is used up: send the request again with the solution of a challenge in
    /// `X-Challenge-Response`, or wait as `Retry-After` says. Only where the service asks for challenges.
    ChallengeRequired = "challenge_required", TOO_MANY_REQUESTS, "a challenge must be solved first";
    /// The request failed, and would fail again; the log says why.
    InternalError = "internal_error", INTERNAL_SERVER_ERROR, "something went wrong";
    /// Overloaded; `Retry-After` says when to try again.
    Busy = "busy", SERVICE_UNAVAILABLE, "too busy at the moment";
    /// A store, the limiter or the mail server cannot be reached; `Retry-After` says when to try again.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "not available at the moment";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_serialized_as_its_name() {
        for code in Code::ALL.iter().copied() {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
