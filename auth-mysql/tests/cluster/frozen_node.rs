//! A node is stopped while the others continue, and then continues itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::{
    Auth, AuthenticateError, FailureKind, LiveCheck, LogInError, Password, RefreshError, ResetPasswordError,
};
use auth_tests::server::service::{client, fresh_email, link, service};
use auth_tests::{OTHER_PASSWORD, PASSWORD};
use zeroize::Zeroizing;

use crate::node::Nodes;
use crate::server;

/// Credentials that became invalid while the node was stopped.
#[derive(Clone)]
struct Ended {
    email: String,
    refresh_token: Zeroizing<String>,
    access_token: Zeroizing<String>,
    link: Zeroizing<String>,
}

/// The node's answers to them.
#[derive(Debug, Default, Clone)]
struct Answers {
    accepted: Vec<&'static str>,
    refused: u32,
    unavailable: u32,
}

enum Answer {
    /// A rate limit refused the request before the store was read.
    Limited,
    Accepted,
    Refused,
    Unavailable,
}

/// A failure must be "unavailable".
fn failed(failure: &auth_core::Failure) -> Answer {
    assert_eq!(failure.kind(), FailureKind::Unavailable, "{failure:?}");
    Answer::Unavailable
}

/// Tries each of the credentials once.
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
    };
    let logged_in = match auth.log_in(&ended.email, Password::new(PASSWORD), &client()).await {
        Ok(_) => Answer::Accepted,
        Err(LogInError::InvalidCredentials) => Answer::Refused,
        Err(LogInError::RateLimited(_)) => Answer::Limited,
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

/// Tries the credentials until it is stopped.
async fn try_until_stopped(auth: Auth, ended: Ended, answers: Arc<Mutex<Answers>>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        for (what, answer) in try_all(&auth, &ended).await {
            let mut answers = answers.lock().unwrap();
            match answer {
                Answer::Limited => {}
                Answer::Accepted => answers.accepted.push(what),
                Answer::Refused => answers.refused += 1,
                Answer::Unavailable => answers.unavailable += 1,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_woken_node_accepts_nothing_that_ended_meanwhile() {
    let nodes = Nodes::new().await;
    let scratch = server::Scratch::new("frozen").await;
    for round in 0..Nodes::rounds() {
        let frozen = nodes.urls.len() - 1 - round % (nodes.urls.len() - 1);
        let (here, mailbox, clock) = service(server::open(&scratch.on(&nodes.urls[0])).await);
        let (there, _, clock_there) = service(server::open(&scratch.on(&nodes.urls[frozen])).await);
        let email = fresh_email();
        here.register(&email, Password::new(PASSWORD), None, &client()).await.unwrap();
        here.verify_email(&link(&here, &mailbox, &email).await, None, &client()).await.unwrap();
        // The node has read the session, and its connections are open.
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

        nodes.run("freeze", frozen).await;
        // The others wait until they have removed it from the cluster.
        let reset = async || here.reset_password(&ended.link, Password::new(OTHER_PASSWORD), &client()).await;
        let frozen_at = Instant::now();
        while let Err(error) = reset().await {
            assert!(matches!(error, ResetPasswordError::Failed(_)), "{error:?}");
            assert!(
                frozen_at.elapsed() < Duration::from_mins(2),
                "the other nodes do not continue: {error:?}"
            );
        }
        let (answers, stop) = (Arc::new(Mutex::new(Answers::default())), Arc::new(AtomicBool::new(false)));
        let trying: Vec<_> = (0..4)
            .map(|_| {
                tokio::spawn(try_until_stopped(
                    there.clone(),
                    ended.clone(),
                    Arc::clone(&answers),
                    Arc::clone(&stop),
                ))
            })
            .collect();
        tokio::time::sleep(Duration::from_secs(1)).await;
        nodes.run("thaw", frozen).await;
        let thawed_at = Instant::now();
        nodes.until_complete().await;
        let complete = thawed_at.elapsed();
        // The node answers from now on, so it must refuse.
        while answers.lock().unwrap().refused == 0 {
            assert!(thawed_at.elapsed() < complete + Duration::from_mins(1), "the node does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.store(true, Ordering::SeqCst);
        for task in trying {
            task.await.unwrap();
        }
        let answers = answers.lock().unwrap().clone();
        println!(
            "proof mysql: node {} continued: {} refused, {} unavailable, {} accepted, cluster complete after {complete:?}",
            frozen + 1,
            answers.refused,
            answers.unavailable,
            answers.accepted.len()
        );
        assert!(answers.accepted.is_empty(), "accepted after the reset: {answers:?}");
        assert!(answers.unavailable > 0, "the node was never stopped: {answers:?}");
        // Through a new service, whose limits have counted no failures.
        let (new_service, ..) = service(server::open(&scratch.on(&nodes.urls[frozen])).await);
        let grant = new_service.log_in(&ended.email, Password::new(OTHER_PASSWORD), &client()).await;
        let grant = grant.expect("the new password");
        // Negative control: valid credentials are accepted, and the check notices.
        let valid = Ended {
            refresh_token: grant.refresh_token.expose(),
            access_token: Zeroizing::new(grant.access_token.expose().to_owned()),
            ..ended
        };
        let accepted = try_all(&new_service, &valid).await;
        let accepted = accepted.map(|(what, answer)| matches!(answer, Answer::Accepted).then_some(what));
        assert_eq!(accepted, [Some("session"), Some("access token"), None, None]);
    }
}
