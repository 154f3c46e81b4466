//! Writes every mail in every language to a directory:
//! `cargo run -p auth-mailer --example mails -- DIR`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use auth_core::{Auth, Client, Email, Mail, Mailbox, MemoryStore, Message, Name, Password};
use auth_mailer::{Links, Templates};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(env::args().nth(1).ok_or("usage: mails DIR")?);
    fs::create_dir_all(&directory)?;
    let templates = Templates::builder(Links::new("https://app.lighthouse.example")?)
        .product_name("Lighthouse")
        .support_address("help@lighthouse.example")
        .build()?;
    for mail in mails().await? {
        let kind = mail.message.kind().name();
        for language in ["en", "de", "fr"] {
            let rendered = templates.render_in(&mail, language)?;
            fs::write(directory.join(format!("{kind}.{language}.html")), &rendered.html)?;
            let text = format!("Subject: {}\n\n{}", rendered.subject, rendered.text);
            fs::write(directory.join(format!("{kind}.{language}.txt")), text)?;
        }
    }
    Ok(())
}

/// One mail of each kind; the links are from a real registration, reset and change of address.
async fn mails() -> Result<Vec<Mail>, Box<dyn Error>> {
    let (store, mailbox) = (MemoryStore::new(), Mailbox::new());
    let auth =
        Auth::builder(store, mailbox.clone()).secret("a secret for pictures, not for a service").build()?;
    let client = Client::new(None, None);
    let password = || Password::new("seventeen blue herons");
    auth.register("ada@example.com", password(), Some("Ada Lovelace"), &client).await?;
    auth.deliver_due_mails().await?;
    let verify = mailbox.mails().pop().ok_or("no mail")?;
    let token = verify.message.token().ok_or("no token")?.expose();
    auth.verify_email(&token, None, &client).await?;
    let tokens = auth.log_in("ada@example.com", password(), &client).await?;
    let claims = auth.authenticate(tokens.access_token.expose())?;
    auth.change_email(&claims, "countess@example.org", password(), &client).await?;
    auth.forgot_password("ada@example.com", &client).await?;
    auth.register("ada@example.com", password(), None, &client).await?;
    auth.invite_user("grace@example.com", Some("Grace Hopper")).await?;
    auth.deliver_due_mails().await?;
    let mut mails = mailbox.mails();
    let (last, at) = (mails.last().cloned().ok_or("no mail")?, "2026-11-24T14:05:00Z".parse()?);
    let new_email = Email::parse("countess@example.org")?;
    for message in [
        Message::PasswordChanged { at },
        Message::EmailChanged { new_email, at },
        Message::SessionsEnded { at },
        Message::UnknownDevice { ip: "192.0.2.7".parse().ok(), at },
        Message::AccountDeleted { at },
    ] {
        mails.push(Mail { name: Name::parse("Ada Lovelace").ok(), message, ..last.clone() });
    }
    Ok(mails)
}
