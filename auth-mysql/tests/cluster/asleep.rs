//! A node stops in mid-air while the others go on, and wakes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::{
    Auth, AuthenticateError, FailureKind, LiveCheck, LogInError, Password, RefreshError, ResetPasswordError,
};
use zeroize::Zeroizing;

use crate::node::Nodes;
use crate::server;
use crate::service::{OTHER_PASSWORD, PASSWORD, client, fresh_email, link, service};

/// What ended while the node was asleep.
#[derive(Clone)]
struct Ended {
    email: String,
    refresh_token: Zeroizing<String>,
    access_token: Zeroizing<String>,
    link: Zeroizing<String>,
}

/// What the node said of it.
#[derive(Debug, Default, Clone)]
struct Answers {
    accepted: Vec<&'static str>,
    refused: u32,
    unavailable: u32,
}

enum Answer {
    /// The limits refused before the store was asked.
    Unasked,
    Accepted,
    Refused,
    Unavailable,
}

/// A failure that is no refusal must be "unavailable".
fn failed(failure: &auth_core::Failure) -> Answer {
    assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure:?}");
    Answer::Unavailable
}

/// Tries everything that ended, once.
async fn try_all(auth: &Auth, ended: &Ended) -> [(&'static str, Answer); 4] {
    let restored = match auth.restore(&ended.refresh_token, &client()).await {
        Ok(_) => Answer::Accepted,
        Err(RefreshError::InvalidToken) => Answer::Refused,
        Err(RefreshError::Failed(failure)) => failed(&failure),
        Err(error) => panic!("{error:?}"),
    };
    let live = match auth.authenticate_live(&ended.access_token, LiveCheck::UserAndSession).await {
        Ok(_) => Answer::Accepted,
        Err(AuthenticateError::InvalidToken) => Answer::Refused,
        Err(AuthenticateError::Failed(failure)) => failed(&failure),
        Err(error) => panic!("{error:?}"),
    };
    let logged_in = match auth.log_in(&ended.email, Password::new(PASSWORD), &client()).await {
        Ok(_) => Answer::Accepted,
        Err(LogInError::InvalidCredentials) => Answer::Refused,
        Err(LogInError::RateLimited(_)) => Answer::Unasked,
        Err(LogInError::Failed(failure)) => failed(&failure),
        Err(error) => panic!("{error:?}"),
    };
    let reset = match auth.reset_password(&ended.link, Password::new(PASSWORD), &client()).await {
        Ok(()) => Answer::Accepted,
        Err(ResetPasswordError::InvalidToken) => Answer::Refused,
        Err(ResetPasswordError::Failed(failure)) => failed(&failure),
        Err(error) => panic!("{error:?}"),
    };
    [("session", restored), ("access token", live), ("old password", logged_in), ("spent link", reset)]
}

/// Asks without rest until told to stop.
async fn ask(auth: Auth, ended: Ended, answers: Arc<Mutex<Answers>>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        for (what, answer) in try_all(&auth, &ended).await {
            let mut answers = answers.lock().unwrap();
            match answer {
                Answer::Unasked => {}
                Answer::Accepted => answers.accepted.push(what),
                Answer::Refused => answers.refused += 1,
                Answer::Unavailable => answers.unavailable += 1,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_wakes_accepts_nothing_that_ended_while_it_slept() {
    let nodes = Nodes::new().await;
    let scratch = server::Scratch::new("asleep").await;
    for round in 0..Nodes::rounds() {
        let sleeper = nodes.urls.len() - 1 - round % (nodes.urls.len() - 1);
        let (here, mailbox, clock) = service(server::open(&scratch.on(&nodes.urls[0])).await);
        let (there, _, clock_there) = service(server::open(&scratch.on(&nodes.urls[sleeper])).await);
        let email = fresh_email();
        here.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
        here.verify_email(&link(&here, &mailbox, &email).await, None, &client()).await.unwrap();
        // The sleeper has met the session, and its connections are open.
        let grant = there.log_in(&email, Password::new(PASSWORD), &client()).await.unwrap();
        here.forgot_password(&email, &client()).await.unwrap();
        let ended = Ended {
            link: link(&here, &mailbox, &email).await,
            email,
            refresh_token: grant.refresh_token.expose(),
            access_token: Zeroizing::new(grant.access_token.expose().to_owned()),
        };
        there.restore(&ended.refresh_token, &client()).await.expect("the session lives");
        clock.advance(Duration::from_mins(1));
        clock_there.advance(Duration::from_mins(1));

        nodes.run("freeze", sleeper).await;
        // The others wait until they have given it up.
        let reset = async || here.reset_password(&ended.link, Password::new(OTHER_PASSWORD), &client()).await;
        let asleep = Instant::now();
        while let Err(error) = reset().await {
            assert!(matches!(error, ResetPasswordError::Failed(_)), "{error:?}");
            assert!(asleep.elapsed() < Duration::from_mins(2), "the others do not go on: {error:?}");
        }
        let (answers, stop) = (Arc::new(Mutex::new(Answers::default())), Arc::new(AtomicBool::new(false)));
        let asking: Vec<_> = (0..4)
            .map(|_| tokio::spawn(ask(there.clone(), ended.clone(), Arc::clone(&answers), Arc::clone(&stop))))
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        nodes.run("thaw", sleeper).await;
        let woke = Instant::now();
        nodes.until_whole().await;
        let whole = woke.elapsed();
        // From now on it answers, so it must refuse.
        while answers.lock().unwrap().refused == 0 {
            assert!(woke.elapsed() < whole + Duration::from_mins(1), "it is back and answers nobody");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.store(true, Ordering::SeqCst);
        for asking in asking {
            asking.await.unwrap();
        }
        let answers = answers.lock().unwrap().clone();
        println!(
            "proof mysql: node {} woke: {} refused, {} unavailable, {} accepted, whole again after {whole:?}",
            sleeper + 1,
            answers.refused,
            answers.unavailable,
            answers.accepted.len()
        );
        assert!(answers.accepted.is_empty(), "accepted after the reset: {answers:?}");
        assert!(answers.unavailable > 0, "it was never away: {answers:?}");
        // Through a service of its own, whose limits count no failures.
        let (anew, ..) = service(server::open(&scratch.on(&nodes.urls[sleeper])).await);
        let grant = anew.log_in(&ended.email, Password::new(OTHER_PASSWORD), &client()).await;
        let grant = grant.expect("the new password");
        // The control: what lives is accepted, and that is seen.
        let living = Ended {
            refresh_token: grant.refresh_token.expose(),
            access_token: Zeroizing::new(grant.access_token.expose().to_owned()),
            ..ended
        };
        let seen = try_all(&anew, &living).await;
        let seen = seen.map(|(what, answer)| matches!(answer, Answer::Accepted).then_some(what));
        assert_eq!(seen, [Some("session"), Some("access token"), None, None]);
    }
}
