//! Guarantee 6 where a rival registered the address first: nothing of the rival is left once the owner has
//! proved the mailbox by the link of the owner's own registration, a reset or a change of address.
//!
//! A click on the link of the rival's registration is the stated limit of `VerificationProof::Link`.

use auth_core::{LogInError, Name, Password, RateLimits};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client};

const OWNER: &str = "owner@example.com";
const RIVALS_PASSWORD: &str = "the rival's own passphrase";
const RIVALS_NAME: &str = "Claim your prize at prize.example";
const OWNERS_NAME: &str = "Ada Lovelace";

/// How the owner proves the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// Registers, too, and verifies the address with the link of that registration.
    Verification,
    /// Resets the password.
    Reset,
    /// Changes the address of another account to this one, and confirms it.
    Confirmation,
}

/// Proves the mailbox; returns the password that the owner has after it.
async fn prove(world: &World, path: Path) -> &'static str {
    let (auth, here) = (&world.auth, client());
    match path {
        Path::Verification => {
            auth.register(OWNER, Password::new(PASSWORD), Some(OWNERS_NAME), &here).await.unwrap();
            let link = world.verification_token(OWNER).await;
            auth.verify_email(&link, None, &here).await.unwrap();
            PASSWORD
        }
        Path::Reset => {
            let link = world.reset_token(OWNER).await;
            auth.reset_password(&link, Password::new(OTHER_PASSWORD), &here).await.unwrap();
            OTHER_PASSWORD
        }
        Path::Confirmation => {
            world.user("ada@example.com").await;
            let link = world.confirmation_token(&world.log_in("ada@example.com").await, OWNER).await;
            auth.confirm_email(&link, &here).await.unwrap();
            PASSWORD
        }
    }
}

#[tokio::test]
async fn nothing_of_a_rival_is_left_once_the_owner_proves_the_mailbox() {
    for path in [Path::Verification, Path::Reset, Path::Confirmation] {
        let world = World::with(|policy| policy.limits = RateLimits::none());
        let (auth, here) = (&world.auth, client());
        auth.register(OWNER, Password::new(RIVALS_PASSWORD), Some(RIVALS_NAME), &here).await.unwrap();
        let rivals_link = world.verification_token(OWNER).await;
        let password = prove(&world, path).await;

        let log_in = |password| auth.log_in(OWNER, Password::new(password), &here);
        let rival = log_in(RIVALS_PASSWORD).await;
        assert!(matches!(rival, Err(LogInError::InvalidCredentials)), "{path:?}: the rival's password");
        let owner = log_in(password).await.unwrap();
        let expected = (path == Path::Verification).then_some(OWNERS_NAME);
        assert_eq!(owner.user.name.as_ref().map(Name::as_str), expected, "{path:?}: the name");
        assert_eq!(auth.sessions(owner.user.id).await.unwrap().len(), 1, "{path:?}: sessions");
        let reused = auth.verify_email(&rivals_link, None, &here).await;
        assert!(reused.is_err(), "{path:?}: the link that the rival's registration had mailed");
        assert!(world.lives(&owner).await, "{path:?}");

        let mails = world.mails(OWNER).await;
        assert!(mails.iter().all(|mail| !format!("{mail:?}").contains("prize")), "{path:?}: {mails:?}");
        auth.forgot_password(OWNER, &here).await.unwrap();
        let last = world.mails(OWNER).await.pop().unwrap();
        assert_eq!(last.name.as_ref().map(Name::as_str), expected, "{path:?}: the greeting");
    }
}
