//! No statement reveals the class of an account: each class gets the same SQL, statement by
//! statement.

use auth_tests::server::statements;

use crate::server::{Scratch, open};

/// On one thread, so that the log has all statements of this test and none of others.
#[tokio::test]
async fn every_class_of_account_is_answered_with_the_same_sql() {
    let scratch = Scratch::new("statements").await;
    statements::every_class_of_account_is_answered_with_the_same_sql(open(scratch.url()).await).await;
}
