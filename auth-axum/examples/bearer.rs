//! Two routes of a service: one open, one with `BearerClaims`, which reads no store. Prints their address and
//! an access token for the second; `scripts/bench/routes` measures what the bearer check costs.

use std::error::Error;

use auth_axum::{Api, BearerClaims, HttpConfig};
use auth_core::{Auth, Client, KeyRing, Mailbox, MemoryStore, Password, RootSecret, SystemRandom};
use axum::Router;
use axum::routing::get;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    let auth = Auth::builder(store, mailbox.clone())
        .key_ring(KeyRing::generate(&SystemRandom)?)
        .root_secret(RootSecret::generate(&SystemRandom)?)
        .build()?;
    let token = access_token(&auth, &mailbox).await?;

    let config = HttpConfig::builder("http://localhost").build()?;
    let app = Router::new()
        .route("/open", get(|| async { "hello" }))
        .route("/guarded", get(|_: BearerClaims| async { "hello" }))
        .with_state(Api::new(auth, config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{} {token}", listener.local_addr()?);
    auth_axum::serve(listener, app, std::future::pending()).await?;
    Ok(())
}

async fn access_token(auth: &Auth, mailbox: &Mailbox) -> Result<String, Box<dyn Error>> {
    let (client, password) = (Client::unknown(), || Password::new("correct horse battery"));
    auth.register("ada@example.com", password(), None, &client).await?;
    auth.deliver_due_mails().await?;
    let mail = mailbox.mails().pop().ok_or("no mail")?;
    let link = mail.message.token().ok_or("no link")?.expose();
    auth.verify_email(&link, None, &client).await?;
    Ok(auth.log_in("ada@example.com", password(), &client).await?.access_token.expose().to_owned())
}
