//! Users, tokens and mail requests in stores of different places.

use std::time::Duration;

use auth_core::{
    Auth, AuthenticateError, LiveCheck, Mailbox, MemoryStore, Password, Policy, RefreshError, SplitStore,
    TokenStore as _, UserStore as _,
};
use auth_testkit::{FakeClock, Faulty, cheap_hashing};
use auth_tests::{OTHER_PASSWORD, PASSWORD, SECRET, client, text};

const ADA: &str = "ada@example.com";

#[tokio::test]
async fn a_whole_life_over_a_store_for_each() {
    let [users, tokens, outbox] = [(); 3].map(|()| Faulty::new(MemoryStore::new()));
    let (mailbox, clock) = (Mailbox::new(), FakeClock::default());
    let mut policy = Policy::default();
    policy.hashing = cheap_hashing();
    let auth = Auth::builder(SplitStore::new(users.clone(), tokens.clone(), outbox.clone()), mailbox.clone())
        .clock(clock.clone())
        .secret(SECRET)
        .policy(policy)
        .build()
        .unwrap();
    auth.register(ADA, Password::new(PASSWORD), None, &client()).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    let called = |store: &Faulty<MemoryStore>, method| store.calls().contains(&method);
    assert!(called(&users, "insert_user") && !called(&users, "insert_intent"));
    assert!(called(&tokens, "insert_one_time") && !called(&tokens, "insert_user"));
    assert!(called(&outbox, "insert_intent") && !called(&outbox, "insert_one_time"));
    let link = mailbox.mails()[0].message.token().unwrap().expose().to_string();
    auth.verify_email(&link, None, &client()).await.unwrap();
    let first = auth.log_in(ADA, Password::new(PASSWORD), &client()).await.unwrap();
    clock.advance(Duration::from_mins(5));
    for store in [&users, &tokens] {
        store.reset();
    }
    let second = auth.refresh(&text(&first), &client()).await.unwrap();
    assert_eq!((users.calls(), tokens.calls()), (vec!["find_by_id"], vec!["find_session", "rotate"]));
    let enters = |grant: &auth_core::SessionTokens| {
        let (auth, token) = (auth.clone(), grant.access_token.expose().to_owned());
        async move { auth.authenticate_live(&token, LiveCheck::UserAndSession).await.map(|_| ()) }
    };
    enters(&second).await.unwrap();
    let claims = auth.authenticate(second.access_token.expose()).unwrap();
    let changed = auth
        .change_password(&claims, Password::new(PASSWORD), Password::new(OTHER_PASSWORD), &client())
        .await
        .unwrap();
    clock.advance(Duration::from_mins(5));
    let third = auth.refresh(&text(&changed), &client()).await.unwrap();
    clock.advance(Duration::from_mins(5));
    let reused = auth.refresh(&text(&changed), &client()).await;
    assert!(matches!(reused, Err(RefreshError::InvalidToken)), "{reused:?}");
    assert!(matches!(enters(&third).await, Err(AuthenticateError::InvalidToken)), "reuse ends all sessions");
    // The session of a deleted user stays in the token store, and is refused.
    let last = auth.log_in(ADA, Password::new(OTHER_PASSWORD), &client()).await.unwrap();
    let _ = users.delete(last.user.id, last.user.epoch).await.unwrap();
    assert!(tokens.find_session(last.session.id).await.unwrap().is_some());
    assert!(matches!(enters(&last).await, Err(AuthenticateError::InvalidToken)));
    assert!(matches!(auth.refresh(&text(&last), &client()).await, Err(RefreshError::InvalidToken)));
}
