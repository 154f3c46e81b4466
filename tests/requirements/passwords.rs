//! What a password may be, in every flow that sets one.

use auth_core::{
    ChangePasswordError, CreateUserError, Password, PasswordError, RateLimits, RegisterError,
    ResetPasswordError,
};
use auth_tests::{PASSWORD, World, client};

/// The first 3,000 of at least eight printable ASCII characters out of the list of common passwords that
/// Django 5.2 ships (made by Royce Williams), the most frequent first: not the list that our own check
/// is made of.
const COMMON: &str = include_str!("common-passwords.txt");

#[tokio::test]
async fn common_passwords_are_refused_by_every_flow_that_sets_one() {
    let world = World::with(|policy| policy.limits = RateLimits::none());
    world.user("ada@example.com").await;
    let link = world.reset_token("ada@example.com").await;
    let tokens = world.log_in("ada@example.com").await;
    let (claims, here) = (world.claims(&tokens), client());
    assert_eq!(COMMON.lines().count(), 3000);
    for common in COMMON.lines() {
        let new = || Password::new(common);
        let registered = world.auth.register("new@example.com", new(), None, &here).await;
        let of_registration = |error: &RegisterError| matches!(error, RegisterError::Invalid(invalid) if invalid.password == Some(PasswordError::TooCommon));
        assert!(registered.is_err_and(|error| of_registration(&error)), "{common:?} was accepted");
        let reset = world.auth.reset_password(&link, new(), &here).await;
        assert!(matches!(reset, Err(ResetPasswordError::Password(PasswordError::TooCommon))), "{common:?}");
        let changed = world.auth.change_password(&claims, Password::new(PASSWORD), new(), &here).await;
        assert!(
            matches!(changed, Err(ChangePasswordError::Password(PasswordError::TooCommon))),
            "{common:?}"
        );
        let created = world.auth.create_user("other@example.com", new(), None).await;
        assert!(matches!(created, Err(CreateUserError::Invalid(_))), "{common:?}");
    }
    // No link was spent and no session ended by all this.
    assert!(world.lives(&tokens).await);
    world.auth.reset_password(&link, Password::new("nineteen purple finches"), &here).await.unwrap();
}
