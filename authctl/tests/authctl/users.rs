//! Creating, showing, disabling, enabling and deleting users; starting resets.

use auth_core::{Client, Mailbox, Password};

use crate::place::{ADA, OTHER_PASSWORD, PASSWORD, Place, link, logs_in};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_created_shown_disabled_enabled_and_deleted() {
    for place in Place::each("user").await {
        let create = ["user", "create", "Ada@Example.com", "--name", "Ada", "--password-stdin"];
        let created =
            place.run_with(&[&create[..], &["--create-database"]].concat(), "correct horse battery\n");
        let created = created.expect(0);
        assert!(created.out.starts_with("Ada@example.com (") && created.out.ends_with("): created\n"));

        let shown = place.run(&["user", "show", ADA]).expect(0).out;
        for line in ["name              Ada", "status            active", "password          argon2"] {
            assert!(shown.lines().any(|found| found == line), "{shown}");
        }
        let json = place.run(&["user", "show", ADA, "--json"]).expect(0).json();
        let id = json["id"].as_str().unwrap();
        assert_eq!((&json["status"], &json["sessions"]), (&"active".into(), &0.into()));
        assert_eq!(place.run(&["user", "show", id, "--json"]).expect(0).json(), json);

        let auth = place.service(Mailbox::new()).await;
        let grant = auth.log_in(ADA, Password::new(PASSWORD), &Client::unknown()).await.unwrap();
        let disabled = place.run(&["user", "disable", ADA, "--json"]).expect(0).json();
        assert_eq!((&disabled["done"], &disabled["id"]), (&"disabled".into(), &json["id"]));
        auth.refresh(&grant.refresh_token.expose(), &Client::unknown()).await.unwrap_err();
        assert!(!logs_in(&auth, ADA, PASSWORD).await);
        assert_eq!(place.run(&["reset", ADA]).expect(65).err.lines().count(), 1);

        place.run(&["user", "enable", ADA]).expect(0);
        auth.refresh(&grant.refresh_token.expose(), &Client::unknown()).await.unwrap_err();
        assert!(logs_in(&auth, ADA, PASSWORD).await, "but the password works again");

        let unanswered = place.run(&["user", "delete", ADA]).expect(64);
        assert_eq!(unanswered.err, "authctl: no terminal to confirm on: give --yes\n");
        place.run(&["user", "delete", ADA, "--yes"]).expect(0);
        assert_eq!(place.run(&["user", "show", ADA]).expect(67).err, "authctl: there is no such user\n");
        assert_eq!(place.users().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_mails_invitations_and_resets_to_set_a_password() {
    for place in Place::each("reset").await {
        let invited = place.run(&["user", "create", ADA, "--invite", "--create-database", "--json"]);
        assert_eq!(invited.expect(0).json()["done"], "invited");
        let mailbox = Mailbox::new();
        let auth = place.service(mailbox.clone()).await;
        for password in [PASSWORD, OTHER_PASSWORD] {
            assert_eq!(auth.deliver_due_mails().await.unwrap().sent, 1);
            auth.reset_password(&link(&mailbox), Password::new(password), &Client::unknown()).await.unwrap();
            assert!(logs_in(&auth, ADA, password).await);
            auth.deliver_due_mails().await.unwrap();
            assert_eq!(place.run(&["reset", ADA, "--json"]).expect(0).json()["done"], "reset_enqueued");
            assert!(logs_in(&auth, ADA, password).await, "an enqueued mail changes nothing");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_listed_page_by_page() {
    for place in Place::each("list").await {
        place.create(ADA);
        let emails = [ADA, "bob@example.com", "cleo@example.com"];
        for email in &emails[1..] {
            place.create(email);
        }
        place.run(&["user", "disable", emails[1]]).expect(0);
        let all = place.run(&["user", "list", "--json"]).expect(0).json();
        let listed: Vec<&str> =
            all["users"].as_array().unwrap().iter().map(|user| user["email"].as_str().unwrap()).collect();
        // Ids are in the order of creation.
        assert_eq!((listed, &all["next"]), (emails.to_vec(), &serde_json::Value::Null));
        assert_eq!(all["users"][1]["status"], "disabled");
        for secret in ["hash", "epoch", "argon2"] {
            assert!(!all.to_string().contains(secret), "{all}");
        }

        let first = place.run(&["user", "list", "--limit", "2", "--json"]).expect(0).json();
        assert_eq!(first["users"], serde_json::json!([all["users"][0], all["users"][1]]));
        let next = first["next"].as_str().unwrap();
        let text = place.run(&["user", "list", "--limit", "2"]).expect(0).out;
        assert_eq!(text.lines().count(), 4);
        assert!(
            text.ends_with(&format!("next page: authctl user list --limit 2 --after {next}\n")),
            "{text}"
        );
        let second = place.run(&["user", "list", "--limit", "2", "--after", next]).expect(0).out;
        assert!(second.lines().count() == 2 && second.contains(emails[2]), "{second}");
        let last = all["users"][2]["id"].as_str().unwrap();
        let behind = ["user", "list", "--after", last];
        assert_eq!(place.run(&behind).expect(0).out, "no more users\n");
        let largest = ["user", "list", "--after", "ffffffff-ffff-ffff-ffff-ffffffffffff"];
        assert_eq!(place.run(&largest).expect(0).out, "no more users\n");
    }
    let empty = Place::sqlite();
    assert_eq!(empty.run(&["user", "list", "--create-database"]).expect(0).out, "no users\n");
}

#[test]
fn user_create_refuses_what_registration_refuses() {
    let place = Place::sqlite();
    place.create(ADA);
    let create = |email: &str, password: &str| {
        let mut command = ["user", "create", email, "--password-stdin"].map(str::to_owned).to_vec();
        command.push("--json".to_owned());
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let ran = place.run_with(&command, password).expect(65);
        assert!(!ran.err.contains(password), "{ran:?}");
        ran.err
    };
    assert!(create(ADA, OTHER_PASSWORD).contains("the e-mail address is taken"));
    assert!(create("grace@example.com", "hunter2").contains("a password has at least 8 characters"));
    assert!(create("nobody", OTHER_PASSWORD).contains("this is not an e-mail address"));
    assert!(create("grace@example.com", "grace@example.com").contains("password"));

    let traced = place.command(&["user", "create", "grace@example.com", "--password-stdin"]);
    let mut traced = traced;
    traced.env("RUST_LOG", "trace").stdin(std::process::Stdio::piped());
    let mut child = traced.spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), OTHER_PASSWORD.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.contains("user_created"), "{log}");
    assert!(!log.contains(OTHER_PASSWORD) && !log.contains("$argon2"), "{log}");
}
