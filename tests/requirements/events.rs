//! Every step of an account's life is reported, once, by its stable name.

use auth_core::{Password, Severity};
use auth_tests::{OTHER_PASSWORD, PASSWORD, World, client, text};

const ADA: &str = "ada@example.com";

/// What was reported since the last look, with how loud it was.
fn reported(world: &World, seen: &mut usize) -> Vec<(&'static str, Severity)> {
    let kinds = world.events.kinds();
    let new = kinds[*seen..].iter().map(|kind| (kind.name(), kind.severity())).collect();
    *seen = kinds.len();
    new
}

#[tokio::test]
async fn every_step_is_reported_once_by_its_name() {
    use Severity::{Error, Info, Warn};
    let (world, mut seen) = (World::new(), 0);
    let auth = &world.auth;
    let new = Password::new;
    reported(&world, &mut seen);
    let mut expect = |step: &str, events: &[(&'static str, Severity)]| {
        assert_eq!(reported(&world, &mut seen), events, "{step}");
    };

    world.register(ADA, PASSWORD).await;
    expect("register", &[("registration_requested", Info), ("user_created", Info)]);
    assert!(auth.verify_email("x", None, &client()).await.is_err());
    expect("a bad link", &[("mailed_token_refused", Warn)]);
    let link = world.verification_token(ADA).await;
    expect("the mail", &[("mail_sent", Info)]);
    auth.verify_email(&link, None, &client()).await.unwrap();
    expect("verify", &[("email_verified", Info)]);
    assert!(auth.log_in(ADA, new(OTHER_PASSWORD), &client()).await.is_err());
    expect("a wrong password", &[("authn_login_fail", Warn)]);
    let first = world.log_in(ADA).await;
    expect("log in", &[("authn_login_success", Info), ("log_in_from_unknown_device", Info)]);
    auth.restore(&text(&first), &client()).await.unwrap();
    expect("restore", &[("session_restored", Info)]);
    assert!(auth.restore("wrong", &client()).await.is_err());
    expect("a bad restore", &[("restore_refused", Info)]);
    let second = auth.refresh(&text(&first), &client()).await.unwrap();
    expect("refresh", &[("session_renewed", Info)]);
    assert!(auth.refresh(&text(&first), &client()).await.is_err());
    expect("a replay", &[("authn_token_reuse", Error), ("refresh_refused", Info)]);
    assert!(auth.refresh(&text(&second), &client()).await.is_err());
    expect("a dead token", &[("refresh_refused", Info)]);
    let tokens = world.log_in(ADA).await;
    let claims = world.claims(&tokens);
    expect("log in again", &[("authn_login_success", Info), ("log_in_from_unknown_device", Info)]);
    assert!(auth.change_password(&claims, new("wrong"), new(OTHER_PASSWORD), &client()).await.is_err());
    expect("a wrong current password", &[("authn_password_change_fail", Warn)]);
    let changed = auth.change_password(&claims, new(PASSWORD), new(OTHER_PASSWORD), &client()).await.unwrap();
    expect("change", &[("authn_password_change", Info)]);
    auth.log_out(&text(&changed), &client()).await.unwrap();
    expect("log out", &[("session_revoked", Info)]);
    auth.log_out_everywhere(changed.user.id, &client()).await.unwrap();
    expect("log out everywhere", &[("sessions_revoked", Info)]);
    auth.forgot_password(ADA, &client()).await.unwrap();
    expect("forgot", &[("reset_requested", Info)]);
    auth.deliver_due_mails().await.unwrap();
    let link = world.reset_token(ADA).await;
    reported(&world, &mut 0);
    let mut seen = world.events.kinds().len();
    auth.reset_password(&link, new(PASSWORD), &client()).await.unwrap();
    assert_eq!(reported(&world, &mut seen), [("password_reset", Info)]);
    auth.disable_user(changed.user.id).await.unwrap();
    auth.enable_user(changed.user.id).await.unwrap();
    auth.delete_user(changed.user.id).await.unwrap();
    let acts = [("user_disabled", Info), ("user_enabled", Info), ("user_deleted", Info)];
    assert_eq!(reported(&world, &mut seen), acts);
    let here = client();
    for _ in 0..6 {
        _ = auth.log_in(ADA, new("wrong password"), &here).await;
    }
    let failed = ("authn_login_fail", Warn);
    let limited = [failed, failed, failed, failed, failed, ("excess_rate_limit_exceeded", Warn)];
    assert_eq!(reported(&world, &mut seen), limited);
}
