//! What a flood of requests for mails leaves in the database.

use std::env;
use std::net::Ipv4Addr;

use auth_core::{Client, RateLimits};
use auth_tests::World;

/// How many requests; `scripts/soak/exhaustion` asks for a hundred thousand.
fn requests() -> u32 {
    env::var("AUTH_TEST_FLOOD").map_or(5_000, |requests| requests.parse().unwrap())
}

/// Requests for reset links, of as many clients for a hundred mailboxes, then of one client for as many
/// mailboxes: as many rows as the limits allow mails, and no more.
#[tokio::test]
async fn a_flood_of_forgots_makes_no_more_rows_than_mails_are_allowed() {
    let (world, requests) = (World::in_memory(|policy| policy.limits = RateLimits::default()), requests());
    let auth = &world.auth;
    for number in 0..requests {
        let client = Client::new(Some(Ipv4Addr::from_bits(0x0b00_0000 + number).into()), None);
        auth.forgot_password(&format!("user{}@example.com", number % 100), &client).await.unwrap();
    }
    assert_eq!(auth.outbox_stats().await.unwrap().queued, 300, "three an hour for each mailbox");
    let client = Client::new(Some(Ipv4Addr::LOCALHOST.into()), None);
    let mut refused = 0;
    for number in 0..requests {
        let forgot = auth.forgot_password(&format!("other{number}@example.com"), &client).await;
        refused += u32::from(forgot.is_err());
    }
    assert_eq!(refused, requests - 10);
    let rows = auth.outbox_stats().await.unwrap().queued;
    assert_eq!(rows, 310, "ten an hour for each client");
    println!(
        "proof exhaustion: {requests} requests for links of as many clients to 100 mailboxes, and as many of one client: {rows} rows"
    );
}
