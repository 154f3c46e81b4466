//! Extractors and responses of axum. The state of the router must hold an [`Api`].

use axum_core::body::Body;
use axum_core::extract::{FromRef, FromRequestParts};
use axum_core::response::IntoResponse;
use http::request::Parts;

use crate::api::Api;
use crate::bearer::{BearerClaims, CurrentUser, access_claims, current_user};
use crate::cookie::{RefreshCookie, refresh_cookie};
use crate::problem::Problem;

impl IntoResponse for Problem {
    fn into_response(self) -> http::Response<Body> {
        self.log();
        self.into_http().map(Body::from)
    }
}

impl<S> FromRequestParts<S> for BearerClaims
where
    S: Send + Sync,
    Api: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        access_claims(Api::from_ref(state).auth(), &parts.headers).map(Self)
    }
}

impl<S> FromRequestParts<S> for CurrentUser
where
    S: Send + Sync,
    Api: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        current_user(Api::from_ref(state).auth(), &parts.headers).await
    }
}

impl<S> FromRequestParts<S> for RefreshCookie
where
    S: Send + Sync,
    Api: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        refresh_cookie(Api::from_ref(state).config(), &parts.headers)
    }
}
