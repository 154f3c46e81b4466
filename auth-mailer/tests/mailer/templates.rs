//! The rendered mails, and the changes that a service can make.

use auth_core::{Email, Mail, MailKind, Message};
use auth_mailer::{Links, Templates, TemplatesBuilder};

use proptest::prelude::*;
use regex::Regex;

use crate::service::{Recorder, SECRET, auth, client, notice, password};

fn builder() -> TemplatesBuilder {
    Templates::builder(Links::new("https://app.example.com/in").unwrap()).product_name("Lighthouse & Söhne")
}

/// A mail of each kind, those with links from real flows.
async fn mails() -> Vec<Mail> {
    let (store, mailbox) = (auth_core::MemoryStore::new(), auth_core::Mailbox::new());
    let auth = auth(store, mailbox.clone(), SECRET, Recorder::default());
    auth.register("ada@example.com", password(), None, &client()).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    let verify = mailbox.mails().pop().unwrap();
    auth.verify_email(&verify.message.token().unwrap().expose(), None, &client()).await.unwrap();
    auth.forgot_password("ada@example.com", &client()).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    let tokens = auth.log_in("ada@example.com", password(), &client()).await.unwrap();
    let claims = auth.authenticate(tokens.access_token.expose()).unwrap();
    auth.change_email(&claims, "new.one@example.org", password(), &client()).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    let at = "2026-03-01T09:05:00Z".parse().unwrap();
    let mut mails = mailbox.mails();
    let confirm = mails.pop().unwrap();
    for message in [
        Message::AlreadyRegistered { at },
        Message::PasswordChanged { at },
        Message::SessionsEnded { at },
        Message::EmailChanged { new_email: Email::parse("new.one@example.org").unwrap(), at },
        Message::UnknownDevice { ip: "192.0.2.7".parse().ok(), at },
        Message::AccountDeleted { at },
    ] {
        mails.push(Mail { message, ..notice("ada@example.com", Some("Ada <3")) });
    }
    mails.push(confirm);
    auth.invite_user("grace@example.com", None).await.unwrap();
    auth.deliver_due_mails().await.unwrap();
    mails.push(mailbox.mails().pop().unwrap());
    assert_eq!(mails.len(), MailKind::ALL.len());
    mails
}

/// Except for times and tokens, the text in docs/mails.md is the mail that is sent.
#[tokio::test]
async fn the_page_shows_the_text_that_is_mailed() {
    let page = include_str!("../../../docs/mails.md");
    let (_, shown) = page.split_once("```text\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let links = Links::new("https://app.lighthouse.example").unwrap();
    let templates = Templates::builder(links).product_name("Lighthouse");
    let templates = templates.support_address("help@lighthouse.example").build().unwrap();
    let mail = templates.render_in(&mails().await[0], "en").unwrap();
    let mail = format!("Subject: {}\n\n{}", mail.subject, mail.text);
    let variable = Regex::new(r"\d+ [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC|token=\S+").unwrap();
    assert_eq!(variable.replace_all(&mail, "?").trim_end(), variable.replace_all(shown, "?").trim_end());
}

#[tokio::test]
async fn every_mail_is_complete_in_every_language() {
    let templates = builder().support_address("help@example.com").build().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for mail in mails().await {
        for language in ["en", "de", "fr"] {
            let rendered = templates.render_in(&mail, language).unwrap();
            assert!(seen.insert(rendered.subject.clone()), "{}", rendered.subject);
            assert!(rendered.subject.contains("Lighthouse & Söhne") && rendered.subject.chars().count() < 78);
            assert!(rendered.html.contains(&format!("<html lang=\"{language}\" dir=\"ltr\">")));
            for part in [&rendered.text, &rendered.html] {
                assert!(part.contains("help@example.com"));
                assert!(!part.contains("{{") && !part.contains("{%"), "{part}");
            }
            assert!(rendered.html.contains("Lighthouse &amp; Söhne"), "escaped in HTML alone");
            assert!(!rendered.html.contains("Lighthouse & Söhne"), "everywhere");
            assert!(!rendered.html.contains("<img") && !rendered.html.contains("src="), "nothing to load");
            assert!(!rendered.text.contains("\n\n\n"), "{}", rendered.text);
            let link = match mail.message.token() {
                Some(token) => {
                    let page = match mail.message.kind() {
                        MailKind::VerifyEmail => "verify-email",
                        MailKind::ConfirmEmail => "confirm-email",
                        _ => "reset-password",
                    };
                    format!("https://app.example.com/in/#/{page}?token={}", *token.expose())
                }
                None => "https://app.example.com/in/".to_owned(),
            };
            assert!(rendered.text.lines().any(|line| line == link), "{}", rendered.text);
            assert_eq!(rendered.html.matches(&format!("href=\"{link}\"")).count(), 2, "a button and a link");
            assert!(rendered.html.contains(&format!(">{link}</a>")), "that can be read");
            assert!(!format!("{rendered:?}").contains("token="), "Debug shows no link");
        }
    }
    assert_eq!(seen.len(), 3 * MailKind::ALL.len());
}

#[tokio::test]
async fn a_log_in_notice_shows_the_client_address_if_known() {
    let templates = builder().build().unwrap();
    let notice = mails().await.remove(6);
    let Message::UnknownDevice { at, .. } = notice.message else { panic!("{notice:?}") };
    for language in ["en", "de", "fr"] {
        let rendered = templates.render_in(&notice, language).unwrap();
        assert!(
            rendered.text.contains("192.0.2.7)") && rendered.html.contains("192.0.2.7)"),
            "{}",
            rendered.text
        );
        let unknown = Mail { message: Message::UnknownDevice { ip: None, at }, ..notice.clone() };
        let rendered = templates.render_in(&unknown, language).unwrap();
        assert!(!rendered.text.contains('('), "{}", rendered.text);
    }
}

#[tokio::test]
async fn a_notice_of_a_new_address_shows_it_masked_and_has_no_token() {
    let templates = builder().build().unwrap();
    let notice = &mails().await[5];
    assert_eq!(notice.message.kind(), MailKind::EmailChanged);
    for language in ["en", "de", "fr"] {
        let rendered = templates.render_in(notice, language).unwrap();
        for part in [&rendered.text, &rendered.html] {
            assert!(part.contains("n***@example.org"), "{part}");
            assert!(!part.contains("new.one") && !part.contains("token="), "{part}");
        }
    }
    let own = builder().language("en", "[password_changed]\npreview = \"{{ new_email }}\"");
    assert_eq!(problems(own), ["languages.en.password_changed.preview: line 1: undefined value"]);
}

#[tokio::test]
async fn a_name_is_text_and_dates_are_those_of_the_language() {
    let templates = builder().build().unwrap();
    let mail = &mails().await[3];
    let date = |language| templates.render_in(mail, language).unwrap();
    assert!(date("en").text.contains("Hello Ada <3,\n"));
    assert!(date("en").html.contains("Hello Ada &lt;3,"));
    assert!(date("en").text.contains("on 1 March 2026, 09:05 UTC"));
    assert!(date("de").text.contains("am 1. März 2026, 09:05 Uhr UTC"));
    assert!(date("fr").text.contains("le 1 mars 2026 à 09:05 UTC"));
}

#[tokio::test]
async fn the_language_is_chosen_per_mail_with_fallback() {
    let templates = builder()
        .default_language("fr")
        .choose_language(|mail| mail.to.address().split_once('.').map(|(tag, _)| tag.to_owned()))
        .build()
        .unwrap();
    for (to, subject) in [
        ("de.ada@example.com", "Ihr Passwort bei"),
        ("de-AT.ada@example.com", "Ihr Passwort bei"),
        ("EN.ada@example.com", "Your"),
        ("pt.ada@example.com", "Votre mot de passe"),
        ("x", "Votre mot de passe"),
    ] {
        assert!(templates.render(&notice(to, None)).unwrap().subject.starts_with(subject), "{to}");
    }
}

#[tokio::test]
async fn a_service_can_change_texts_languages_colours_and_templates() {
    let mut pirate = String::from(include_str!("../../templates/en.toml"));
    pirate = pirate.replace("Hello,", "Ahoy,").replace("direction = \"ltr\"", "direction = \"rtl\"");
    let templates = builder()
        .accent_color("#ffd400")
        .language("en", "[password_changed]\nsubject = \"New password, {{ product }}\"")
        .language("pi", pirate)
        .text_for(MailKind::SessionsEnded, "{{ greeting }} {{ kind }} {{ at }} {{ link }} {{ accent }}\n")
        .build()
        .unwrap();
    let mails = mails().await;
    assert_eq!(templates.render(&mails[3]).unwrap().subject, "New password, Lighthouse & Söhne");
    let ahoy = templates.render_in(&mails[0], "pi").unwrap();
    assert!(ahoy.text.contains("Ahoy,") && ahoy.html.contains("dir=\"rtl\""));
    assert!(ahoy.html.contains("background: #ffd400;") && ahoy.html.contains("color: #101820;"));
    let own = templates.render(&mails[4]).unwrap().text;
    assert_eq!(
        own,
        "Hello Ada <3, sessions_ended 1 March 2026, 09:05 UTC https://app.example.com/in/ #ffd400"
    );
}

fn problems(builder: TemplatesBuilder) -> Vec<String> {
    let error = builder.build().unwrap_err();
    error.problems().iter().map(|problem| format!("{}: {}", problem.setting, problem.problem)).collect()
}

#[test]
fn an_unusable_template_is_refused_at_the_start() {
    for (html, problem) in [
        ("<p>{{ greeting }}</p>", "verify_email.html: must have a link with `href=\"{{ link }}\"`"),
        ("<a href='{{ link }}'>{{ links }}</a>", "verify_email.html: line 1: undefined value"),
        ("<a href=\"{{ link }}\">{% if %}</a>", "verify_email.html: line 1: unexpected end of block"),
        ("<a href=\"{{ link }}\">{{ name | safe }}</a>", "verify_email.html: must not mark the name as safe"),
    ] {
        let found = problems(builder().html_for(MailKind::VerifyEmail, html));
        assert!(found.iter().any(|found| found.starts_with(problem)), "{found:?}");
        assert!(found.iter().all(|found| found.starts_with("verify_email.html")), "{found:?}");
    }
    for text in ["{{ heading }}", "({{ link }})", "{{ link }}."] {
        let problem = "reset_password.txt: must show `{{ link }}` with white space around it";
        assert_eq!(problems(builder().text_for(MailKind::ResetPassword, text)), [problem], "{text}");
    }
    for (language, problem) in [
        ("nonsense", "languages.en: "),
        ("[verify_email]\nsubjct = \"x\"", "languages.en: unknown field `subjct`"),
        ("[verify_email]\nsubject = \"\"", "languages.en.verify_email.subject: must not be empty"),
        (
            "[verify_email]\nheading = \"{{ nme }}\"",
            "languages.en.verify_email.heading: line 1: undefined value",
        ),
        ("footer = \"{{ name | safe }}\"", "already_registered.html: must not mark the name as safe"),
    ] {
        let found = problems(builder().language("en", language));
        assert!(found.iter().any(|found| found.starts_with(problem)), "{found:?}");
    }
    assert!(
        problems(builder().language("it", "greeting = \"Ciao\""))[0]
            .starts_with("languages.it: missing field")
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let builder = builder()
        .product_name("two\nlines")
        .support_address("nobody")
        .accent_color("blue")
        .dark_accent_color("#12")
        .language("no tag", "x")
        .html("no link")
        .text("{{");
    let found = problems(builder);
    for setting in [
        "product_name",
        "support_address",
        "accent_color",
        "dark_accent_color",
        "language",
        "languages.no tag",
        "verify_email.txt",
        "reset_password.txt",
    ] {
        assert!(found.iter().any(|found| found.starts_with(&format!("{setting}: "))), "{setting}: {found:?}");
    }
    assert!(problems(self::builder().default_language("tlh"))[0].starts_with("default_language: "));
}

proptest! {
    #[test]
    fn any_name_renders_and_changes_nothing_around_it(name in any::<String>()) {
        static TEMPLATES: std::sync::LazyLock<Templates> = std::sync::LazyLock::new(|| builder().build().unwrap());
        let around = |name: Option<&str>| {
            let rendered = TEMPLATES.render(&notice("ada@example.com", name)).unwrap();
            let tags = rendered.html.matches('<').count() + rendered.html.matches('"').count();
            (rendered.subject, rendered.text.lines().count(), tags)
        };
        prop_assert_eq!(around(Some(&name)), around(None));
    }
}

/// In the first language of the client that asked for it which there is.
#[tokio::test]
async fn a_mail_is_in_a_language_of_its_client_where_that_is_wanted() {
    use auth_core::Languages;
    let links = || Links::new("https://app.example.com").unwrap();
    let accepting = Templates::builder(links()).default_language("fr").accept_languages().build().unwrap();
    let fixed = Templates::builder(links()).default_language("fr").build().unwrap();
    let notice = notice("ada@example.com", None);
    for (languages, expected) in [
        (Some("es, de-AT;q=0.9, en;q=0.5"), "de"),
        (Some("EN-gb"), "en"),
        (Some("es, pt"), "fr"),
        (None, "fr"),
    ] {
        let languages = languages.and_then(Languages::from_accept_language);
        let mail = Mail { languages, ..notice.clone() };
        let html = accepting.render(&mail).unwrap().html;
        assert!(html.contains(&format!("<html lang=\"{expected}\"")), "{:?}", mail.languages);
        assert!(fixed.render(&mail).unwrap().html.contains("<html lang=\"fr\""));
    }
}

#[tokio::test]
async fn links_open_the_pages_that_are_set() {
    let links = Links::new("https://app.example.com/in").unwrap();
    let links = links.page(MailKind::VerifyEmail, "/welcome#").unwrap();
    let links = links.page(MailKind::Invitation, "/#/first-password").unwrap();
    let templates = Templates::builder(links).build().unwrap();
    for mail in mails().await {
        let Some(token) = mail.message.token() else { continue };
        let page = match mail.message.kind() {
            MailKind::VerifyEmail => "/welcome#",
            MailKind::Invitation => "/#/first-password?",
            MailKind::ConfirmEmail => "/#/confirm-email?",
            _ => "/#/reset-password?",
        };
        let link = format!("https://app.example.com/in{page}token={}", *token.expose());
        assert!(templates.render(&mail).unwrap().text.lines().any(|line| line == link), "{link}");
    }
    // The page of a reset is that of an invitation, too.
    let links = Links::new("https://app.example.com").unwrap();
    let templates =
        Templates::builder(links.page(MailKind::ResetPassword, "/new-password#").unwrap()).build().unwrap();
    let all = mails().await;
    let invitation = all.iter().find(|mail| mail.message.kind() == MailKind::Invitation).unwrap();
    assert!(
        templates.render(invitation).unwrap().text.contains("https://app.example.com/new-password#token=")
    );
}
