//! Guarantee 6: a token made for one purpose, user, address and epoch is refused for any other.

use auth_core::store::{GuardedWrite, OneTimeInsert, TokenStore, UserInsert, UserStore};
use auth_core::{
    ConfirmEmailError, Email, LiveCheck, LoggedOut, Password, Purpose, RefreshError, ResetPasswordError,
    SessionTokens, UserId, VerifyEmailError,
};
use auth_tests::{OTHER_PASSWORD, World, client, text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const CAROL: &str = "carol@example.com";

fn world() -> World {
    World::with(|policy| {
        policy.limits = auth_core::RateLimits::none();
    })
}

/// The ways into the library with a token.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flow {
    Access,
    Refresh,
    Verify,
    Reset,
    Confirm,
}

/// Tries a token in one flow and returns whether it was accepted. Only "invalid" counts as a refusal.
async fn opens(world: &World, flow: Flow, token: &str) -> bool {
    match flow {
        Flow::Access => {
            let signed = world.auth.authenticate(token).is_ok();
            for check in [LiveCheck::UserAndSession, LiveCheck::User, LiveCheck::CachedUser] {
                let live = world.auth.authenticate_live(token, check).await.is_ok();
                assert_eq!(live, signed, "{check:?}");
            }
            signed
        }
        Flow::Refresh => {
            let restored = world.auth.restore(token, &client()).await.is_ok();
            match world.auth.refresh(token, &client()).await {
                Ok(_) => assert!(restored),
                Err(RefreshError::InvalidToken) => assert!(!restored),
                Err(error) => panic!("{error}"),
            }
            restored
        }
        Flow::Verify => match world.auth.verify_email(token, None, &client()).await {
            Ok(()) => true,
            Err(VerifyEmailError::InvalidToken) => false,
            Err(error) => panic!("{error}"),
        },
        Flow::Reset => match reset(world, token).await {
            Ok(()) => true,
            Err(ResetPasswordError::InvalidToken) => false,
            Err(error) => panic!("{error}"),
        },
        Flow::Confirm => match world.auth.confirm_email(token, &client()).await {
            Ok(()) => true,
            Err(ConfirmEmailError::InvalidToken) => false,
            Err(error) => panic!("{error}"),
        },
    }
}

async fn reset(world: &World, token: &str) -> Result<(), ResetPasswordError> {
    world.auth.reset_password(token, Password::new(OTHER_PASSWORD), &client()).await
}

/// One token of every kind: Ada is logged in, Bob has still to verify his address, Carol wants another.
struct Tokens {
    ada: SessionTokens,
    refresh: String,
    access: String,
    verify: String,
    reset: String,
    carol: UserId,
    confirm: String,
}

async fn tokens(world: &World) -> Tokens {
    world.user(ADA).await;
    world.register(BOB, OTHER_PASSWORD).await;
    let ada = world.log_in(ADA).await;
    let (refresh, access) = (text(&ada), ada.access_token.expose().to_owned());
    let (verify, reset) = (world.verification_token(BOB).await, world.reset_token(ADA).await);
    let carol = world.user(CAROL).await.id;
    let confirm = world.confirmation_token(&world.log_in(CAROL).await, "countess@example.org").await;
    Tokens { ada, refresh, access, verify, reset, carol, confirm }
}

impl Tokens {
    /// Every token with the one flow it is for; the reset comes last because it ends the others.
    fn of_flows(&self) -> [(Flow, &str); 5] {
        [
            (Flow::Access, &self.access),
            (Flow::Verify, &self.verify),
            (Flow::Refresh, &self.refresh),
            (Flow::Confirm, &self.confirm),
            (Flow::Reset, &self.reset),
        ]
    }

    /// The mailed tokens and the refresh token, with their flows.
    fn opaque(&self) -> [(Flow, &str); 4] {
        [
            (Flow::Refresh, &self.refresh),
            (Flow::Verify, &self.verify),
            (Flow::Reset, &self.reset),
            (Flow::Confirm, &self.confirm),
        ]
    }

    /// The tokens still work for their own flows: the attempts in between spent and ended nothing.
    async fn assert_unharmed(&self, world: &World) {
        assert_eq!(world.auth.user(self.ada.user.id).await.unwrap().epoch, self.ada.user.epoch);
        for (flow, token) in self.of_flows() {
            assert!(opens(world, flow, token).await, "{flow:?}");
        }
    }
}

#[tokio::test]
async fn each_kind_of_token_works_for_its_own_flow_alone() {
    let world = world();
    let tokens = tokens(&world).await;
    for (of, token) in tokens.of_flows() {
        for (flow, _) in tokens.of_flows() {
            if of != flow {
                assert!(!opens(&world, flow, token).await, "{of:?} at {flow:?}");
            }
        }
        if of != Flow::Refresh {
            let ended = world.auth.log_out(token, &client()).await.unwrap();
            assert_eq!(ended, LoggedOut::NothingToEnd, "{of:?}");
        }
    }
    tokens.assert_unharmed(&world).await;
}

/// The token's head with one byte replaced.
fn relabelled(token: &str, index: usize, byte: u8) -> String {
    let (head, secret) = token.split_once('.').unwrap();
    let mut head = BASE64.decode(head).unwrap();
    *head.get_mut(index).unwrap() = byte;
    format!("{}.{secret}", BASE64.encode(head))
}

#[tokio::test]
async fn a_relabelled_token_is_refused_everywhere() {
    let world = world();
    let tokens = tokens(&world).await;
    for (_, token) in tokens.of_flows().into_iter().filter(|(of, _)| *of != Flow::Access) {
        for label in (0..=u8::MAX).filter(|label| relabelled(token, 0, *label) != token) {
            for flow in [Flow::Refresh, Flow::Verify, Flow::Reset, Flow::Confirm] {
                assert!(!opens(&world, flow, &relabelled(token, 0, label)).await, "{label:#x} at {flow:?}");
            }
        }
    }
    // A verification link stretched to the shape of a refresh token and the other way round.
    let (head, secret) = tokens.verify.split_once('.').unwrap();
    let mut long = BASE64.decode(head).unwrap();
    *long.first_mut().unwrap() = 1;
    long.extend([0; 4]);
    assert!(!opens(&world, Flow::Refresh, &format!("{}.{secret}", BASE64.encode(&long))).await);
    let (head, secret) = tokens.refresh.split_once('.').unwrap();
    let mut short = BASE64.decode(head).unwrap();
    short.truncate(17);
    for (flow, label) in [(Flow::Verify, 0x41), (Flow::Reset, 0x42), (Flow::Confirm, 0x43)] {
        *short.first_mut().unwrap() = label;
        assert!(!opens(&world, flow, &format!("{}.{secret}", BASE64.encode(&short))).await);
    }
    assert_eq!(world.events.count("authn_token_reuse"), 0);
    tokens.assert_unharmed(&world).await;
}

#[tokio::test]
async fn the_secret_of_one_token_fails_with_the_id_of_another() {
    let world = world();
    let tokens = tokens(&world).await;
    world.user("eve@example.com").await;
    let eves = world.log_in("eve@example.com").await;
    let eves_reset = world.reset_token("eve@example.com").await;
    let eves_confirm = world.confirmation_token(&eves, "mallory@example.com").await;
    let second_session = text(&world.log_in(ADA).await);
    let second_reset = world.reset_token(ADA).await;
    for (flow, victim, own) in [
        (Flow::Refresh, &tokens.refresh, &text(&eves)),
        (Flow::Refresh, &tokens.refresh, &second_session),
        (Flow::Reset, &tokens.reset, &eves_reset),
        (Flow::Reset, &tokens.reset, &second_reset),
        (Flow::Verify, &tokens.verify, &eves_reset),
        (Flow::Confirm, &tokens.confirm, &eves_reset),
        (Flow::Confirm, &tokens.confirm, &eves_confirm),
    ] {
        let ((name, _), (_, secret)) = (victim.split_once('.').unwrap(), own.split_once('.').unwrap());
        assert!(!opens(&world, flow, &format!("{name}.{secret}")).await, "{flow:?}");
    }
    // Claims of one token under the signature of another.
    let (claims, _) = tokens.access.rsplit_once('.').unwrap();
    let (_, signature) = eves.access_token.expose().rsplit_once('.').unwrap();
    assert!(!opens(&world, Flow::Access, &format!("{claims}.{signature}")).await);
    tokens.assert_unharmed(&world).await;
}

#[tokio::test]
async fn stored_digests_are_refused_as_tokens() {
    let world = world();
    let tokens = tokens(&world).await;
    let store = world.store.inner();
    let session = store.find_session(tokens.ada.session.id).await.unwrap().unwrap();
    let (head, _) = tokens.refresh.split_once('.').unwrap();
    let digest = BASE64.encode(session.digest.as_bytes());
    assert!(!opens(&world, Flow::Refresh, &format!("{head}.{digest}")).await);
    for (flow, token) in tokens.opaque().into_iter().filter(|(flow, _)| *flow != Flow::Refresh) {
        let kept = store.find_one_time(intent_of(token)).await.unwrap().unwrap();
        let (head, _) = token.split_once('.').unwrap();
        let digest = BASE64.encode(kept.digest.as_bytes());
        assert!(!opens(&world, flow, &format!("{head}.{digest}")).await, "{flow:?}");
    }
    tokens.assert_unharmed(&world).await;
}

fn intent_of(token: &str) -> auth_core::IntentId {
    let (head, _) = token.split_once('.').unwrap();
    let head = BASE64.decode(head).unwrap();
    auth_core::IntentId::from_bytes(head.get(1..).unwrap().try_into().unwrap())
}

#[tokio::test]
async fn tokens_of_a_deleted_user_fail_after_a_new_registration() {
    let world = world();
    let tokens = tokens(&world).await;
    let bob = world.store.inner().find_by_email(&Email::parse(BOB).unwrap()).await.unwrap().unwrap();
    for user_id in [tokens.ada.user.id, bob.id, tokens.carol] {
        world.auth.delete_user(user_id).await.unwrap();
    }
    for round in ["deleted", "registered again"] {
        for (flow, token) in tokens.opaque() {
            assert!(!opens(&world, flow, token).await, "{round}: {flow:?}");
        }
        let live = world.auth.authenticate_live(&tokens.access, LiveCheck::User).await;
        assert!(live.is_err(), "{round}");
        if round == "deleted" {
            world.register(BOB, OTHER_PASSWORD).await;
            world.user(ADA).await;
            world.user(CAROL).await;
        }
    }
    let again = world.log_in(ADA).await;
    assert_ne!(again.user.id, tokens.ada.user.id);
    assert!(world.lives(&again).await);
}

#[tokio::test]
async fn every_token_dies_with_the_epoch_it_was_made_under() {
    for act in 0..4 {
        let world = world();
        let tokens = tokens(&world).await;
        let bob = world.store.inner().find_by_email(&Email::parse(BOB).unwrap()).await.unwrap().unwrap();
        for user_id in [tokens.ada.user.id, bob.id, tokens.carol] {
            match act {
                0 => world.auth.log_out_everywhere(user_id, &client()).await.unwrap(),
                1 => {
                    world.auth.disable_user(user_id).await.unwrap();
                    world.auth.enable_user(user_id).await.unwrap();
                }
                2 => world.auth.disable_user(user_id).await.unwrap(),
                _ => {
                    let user = world.auth.user(user_id).await.unwrap();
                    let token = world.reset_token(user.email.address()).await;
                    reset(&world, &token).await.unwrap();
                }
            }
        }
        for (flow, token) in tokens.opaque() {
            assert!(!opens(&world, flow, token).await, "act {act}: {flow:?}");
        }
        assert!(!world.lives(&tokens.ada).await, "act {act}");
        assert_eq!(world.events.count("authn_token_reuse"), 0);
    }
}

/// The service gave its user another address behind the library's back, keeping id and epoch.
#[tokio::test]
async fn a_link_proves_nothing_about_another_address_of_its_user() {
    let world = world();
    let tokens = tokens(&world).await;
    let store = world.store.inner();
    for (address, flow, token) in [(BOB, Flow::Verify, &tokens.verify), (ADA, Flow::Reset, &tokens.reset)] {
        let mut user = store.find_by_email(&Email::parse(address).unwrap()).await.unwrap().unwrap();
        assert_eq!(UserStore::delete(store, user.id, user.epoch).await.unwrap(), GuardedWrite::Applied);
        user.email = Email::parse(&format!("new-{address}")).unwrap();
        assert_eq!(UserStore::insert_user(store, &user).await.unwrap(), UserInsert::Inserted);
        assert!(!opens(&world, flow, token).await, "{flow:?}");
        assert!(!store.find_by_id(user.id).await.unwrap().unwrap().email_verified() || address == ADA);
    }
}

/// Somebody who can write to the token table gives a token of theirs to another user, address or
/// epoch. The digest binds all of them; of what else is kept, nothing is passed over.
#[tokio::test]
async fn a_link_whose_record_was_rewritten_is_dead() {
    for change in ["nothing", "user", "user of the same address", "epoch", "purpose", "spent"] {
        let world = world();
        let victim = world.user(ADA).await;
        let eve = world.user("eve@example.com").await;
        let token = world.reset_token("eve@example.com").await;
        let store = world.store.inner();
        let mut kept = store.find_one_time(intent_of(&token)).await.unwrap().unwrap();
        if change == "user" {
            (kept.user_id, kept.email, kept.epoch) = (victim.id, victim.email, victim.epoch);
        } else if change == "user of the same address" {
            world.auth.delete_user(eve.id).await.unwrap();
            let newcomer = world.user("eve@example.com").await;
            assert_eq!(newcomer.epoch, kept.epoch);
            kept.user_id = newcomer.id;
        } else if change == "epoch" {
            world.auth.log_out_everywhere(eve.id, &client()).await.unwrap();
            kept.epoch = kept.epoch.next();
        } else if change == "purpose" {
            kept.purpose = Purpose::ChangeEmail;
        } else if change == "spent" {
            kept.spent_at = Some(kept.created_at);
        }
        TokenStore::purge_one_time(store, kept.expires_at, 100).await.unwrap();
        assert_eq!(store.insert_one_time(&kept).await.unwrap(), OneTimeInsert::Inserted);
        assert_eq!(opens(&world, Flow::Reset, &token).await, change == "nothing", "{change}");
    }
}

#[tokio::test]
async fn a_token_of_another_service_is_refused() {
    let world = world();
    let tokens = tokens(&world).await;
    let stranger = World::built(|_| {}, |builder| builder.secret("p7Rk3Vw9Yc5Nd1Hq8Lz4Xt6Mb2Gs0JfQ")).auth;
    assert!(stranger.authenticate(&tokens.access).is_err(), "another ring");
    assert!(world.auth.authenticate(&tokens.access).is_ok());
    for change in [
        |policy: &mut auth_core::Policy| policy.access.issuer = "https://other.example".to_owned(),
        |policy: &mut auth_core::Policy| policy.access.audience = "other".to_owned(),
    ] {
        let other = world.process_with(world.mailbox.clone(), change);
        assert!(other.auth.authenticate(&tokens.access).is_err());
        let foreign = other.log_in(ADA).await;
        assert!(world.auth.authenticate(foreign.access_token.expose()).is_err());
    }
    // The same claims and ring, but another type of token, or no signature at all.
    let [_, claims, signature] = tokens.access.split('.').collect::<Vec<_>>()[..] else { panic!() };
    for header in [r#"{"typ":"JWT","alg":"HS256"}"#, r#"{"typ":"at+jwt","alg":"none"}"#, "{}"] {
        for signature in [signature, ""] {
            let forged = format!("{}.{claims}.{signature}", BASE64.encode(header));
            assert!(!opens(&world, Flow::Access, &forged).await, "{header}");
        }
    }
    tokens.assert_unharmed(&world).await;
}

#[tokio::test]
async fn a_verification_fails_if_the_epoch_moves_meanwhile() {
    let world = world();
    let tokens = tokens(&world).await;
    let bob = world.store.inner().find_by_email(&Email::parse(BOB).unwrap()).await.unwrap().unwrap();
    let (auth, link) = (world.auth.clone(), tokens.verify);
    let verify = async move { auth.verify_email(&link, None, &client()).await };
    let verify = world.hold_before("verify_email", verify).await;
    world.auth.log_out_everywhere(bob.id, &client()).await.unwrap();
    world.store.release();
    assert!(matches!(verify.await.unwrap(), Err(VerifyEmailError::InvalidToken)));
    assert!(!world.auth.user(bob.id).await.unwrap().email_verified());
}

/// Verifying what a rival's attempt brought changes the hash, so it moves the epoch like every change.
#[tokio::test]
async fn a_link_from_before_an_activation_is_dead_after_it() {
    let world = world();
    world.register(BOB, "eleven muddy lanterns").await;
    world.verification_token(BOB).await;
    world.register(BOB, OTHER_PASSWORD).await;
    let (rival, link) = (world.verification_token(BOB).await, world.reset_token(BOB).await);
    assert!(opens(&world, Flow::Verify, &rival).await);
    assert!(!opens(&world, Flow::Reset, &link).await);
}
