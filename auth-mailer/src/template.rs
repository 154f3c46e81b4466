//! Rendering mails: one layout, texts by language, all of it replaceable.

mod builder;
mod check;
mod colors;
mod facts;
mod language;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use auth_core::Mail;
use chrono::{DateTime, Datelike, Utc};
use minijinja::{Environment, Value, context};

use self::colors::Color;
use self::facts::Facts;
use self::language::Language;
use crate::links::Links;

pub use builder::{TemplateError, TemplatesBuilder};

/// Longest name shown, in characters: what `auth-core` accepts. A stored name is not checked again.
const MAX_NAME_CHARS: usize = auth_core::MAX_NAME_CHARS;

/// Renders mails as subject, plain text and HTML. Cheap to clone; made by [`Templates::builder`].
///
/// # Security
///
/// Every value is escaped for the part that shows it. The name is the only value under the control of
/// users that is shown, without control characters and bidirectional overrides.
#[derive(Clone)]
pub struct Templates(Arc<Settings>);

struct Settings {
    links: Links,
    product: String,
    support: Option<String>,
    accent: Color,
    dark_accent: Color,
    languages: Vec<Language>,
    default_language: usize,
    choose: Option<Choice>,
    environment: Environment<'static>,
}

/// How the language of a mail is chosen.
#[derive(Clone)]
enum Choice {
    /// By the languages of the client that asked for it.
    Accepted,
    /// By the service.
    By(Chooser),
}

type Chooser = Arc<dyn Fn(&Mail) -> Option<String> + Send + Sync>;

/// A rendered mail.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The plain text, for programs that show no HTML.
    pub text: String,
    /// A whole HTML document without images or other parts to load.
    pub html: String,
}

/// Prints the subject alone: the bodies of some mails hold a usable link.
impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// A mail that could not be rendered: a template fails on this mail, although it did not when the
/// builder checked it. The cause is in [`source`](Error::source).
#[derive(Debug)]
pub struct RenderError {
    place: String,
    source: Option<minijinja::Error>,
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the mail cannot be rendered: {}", self.place)
    }
}

impl Error for RenderError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|error| -> &(dyn Error + 'static) { error })
    }
}

/// The part of a mail that is rendered.
#[derive(Clone, Copy)]
enum Part {
    Text,
    Html,
}

impl Part {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

impl Templates {
    /// Starts a builder with the base of the links; everything else has a default.
    pub fn builder(links: Links) -> TemplatesBuilder {
        TemplatesBuilder::new(links)
    }

    /// The name of the product.
    pub fn product_name(&self) -> &str {
        &self.0.product
    }

    /// Renders a mail in the language chosen for it.
    ///
    /// # Errors
    ///
    /// - [`RenderError`]: trying again will not help.
    pub fn render(&self, mail: &Mail) -> Result<Rendered, RenderError> {
        let chosen = match &self.0.choose {
            Some(Choice::By(choose)) => choose(mail),
            Some(Choice::Accepted) => self.0.accepted(mail).map(|language| language.tag.clone()),
            None => None,
        };
        self.render_in(mail, chosen.as_deref().unwrap_or_default())
    }

    /// Renders a mail in the language of a tag such as `de-AT`: in that language, else in that of
    /// the part before the hyphen, else in the default language.
    ///
    /// # Errors
    ///
    /// - [`RenderError`]: trying again will not help.
    pub fn render_in(&self, mail: &Mail, language: &str) -> Result<Rendered, RenderError> {
        let language = self
            .0
            .language(language)
            .ok_or_else(|| RenderError { place: "no language".to_owned(), source: None })?;
        self.0.render(language, &Facts::of(mail, &self.0.links))
    }
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<&str> = self.0.languages.iter().map(|language| &*language.tag).collect();
        f.debug_struct("Templates")
            .field("product_name", &self.0.product)
            .field("links", &self.0.links)
            .field("languages", &tags)
            .finish_non_exhaustive()
    }
}

impl Settings {
    fn language(&self, tag: &str) -> Option<&Language> {
        self.known(tag).or_else(|| self.languages.get(self.default_language))
    }

    /// The language of a tag, or of the part before its hyphen.
    fn known(&self, tag: &str) -> Option<&Language> {
        let named = |tag: &str| self.languages.iter().find(|known| known.tag.eq_ignore_ascii_case(tag));
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        named(tag).or_else(|| named(primary))
    }

    /// The first known language of the client that asked for a mail.
    fn accepted(&self, mail: &Mail) -> Option<&Language> {
        mail.languages.as_ref()?.iter().find_map(|tag| self.known(tag))
    }

    fn render(&self, language: &Language, facts: &Facts) -> Result<Rendered, RenderError> {
        let texts = Texts::new(self, language, facts)?;
        let subject = texts.render("subject", Part::Text, &texts.own.subject)?;
        let subject = one_line(&subject);
        Ok(Rendered {
            text: texts.document(&subject, Part::Text)?,
            html: texts.document(&subject, Part::Html)?,
            subject,
        })
    }
}

/// The texts of one mail in one language.
struct Texts<'a> {
    settings: &'a Settings,
    language: &'a Language,
    /// The texts of this kind of mail.
    own: &'a language::Texts,
    facts: &'a Facts,
    /// The values that every text may name.
    values: Value,
}

impl<'a> Texts<'a> {
    fn new(settings: &'a Settings, language: &'a Language, facts: &'a Facts) -> Result<Self, RenderError> {
        let own = language.texts(facts.kind).ok_or_else(|| RenderError {
            place: format!("languages.{}.{}", language.tag, facts.kind.name()),
            source: None,
        })?;
        let values = context! { product => &settings.product, support => &settings.support };
        let mut texts = Self { settings, language, own, facts, values };
        let at = texts.date(facts.at)?;
        let expires_at = facts.expires_at.map(|at| texts.date(at)).transpose()?;
        let name = facts.name.as_deref().map(shown).filter(|name| !name.is_empty());
        let mut values = context! { name, at, ..texts.values };
        // A fact that the mail does not have stays undefined: a text that names it is refused.
        if let Some(expires_at) = expires_at {
            values = context! { expires_at, ..values };
        }
        if let Some(new_email) = &facts.new_email {
            values = context! { new_email, ..values };
        }
        if facts.kind == auth_core::MailKind::UnknownDevice {
            values = context! { ip => &facts.ip, ..values };
        }
        texts.values = values;
        Ok(texts)
    }

    fn date(&self, at: DateTime<Utc>) -> Result<String, RenderError> {
        let month = usize::try_from(at.month0()).ok().and_then(|month| self.language.months.get(month));
        let values = context! {
            day => at.day(),
            month,
            year => at.year(),
            time => at.format("%H:%M").to_string(),
            hour => at.format("%H").to_string(),
            minute => at.format("%M").to_string(),
        };
        self.render_with("date", Part::Text, &self.language.date, values)
    }

    fn render(&self, place: &str, part: Part, source: &str) -> Result<String, RenderError> {
        self.render_with(place, part, source, self.values.clone())
    }

    fn render_with(
        &self,
        place: &str,
        part: Part,
        source: &str,
        values: Value,
    ) -> Result<String, RenderError> {
        let name = format!("text.{}", part.suffix());
        self.settings.environment.render_named_str(&name, source, values).map_err(|error| RenderError {
            place: format!("languages.{}.{place}", self.language.tag),
            source: Some(error),
        })
    }

    /// The whole text or HTML. The rendered texts are escaped already, and the link needs no escape.
    fn document(&self, subject: &str, part: Part) -> Result<String, RenderError> {
        let Self { settings, language, own: texts, facts, values } = self;
        let kind = facts.kind.name();
        let said = |key: &str, source: &str| {
            let place = format!("{kind}.{key}");
            self.render(&place, part, source).map(Value::from_safe_string)
        };
        let all_said = |key: &str, sources: &[String]| {
            sources.iter().map(|source| said(key, source)).collect::<Result<Vec<_>, _>>()
        };
        let shared = |key: &str, source: &str| self.render(key, part, source).map(Value::from_safe_string);
        let named = values.get_attr("name").is_ok_and(|name| name.is_true());
        let greeting = if named {
            shared("greeting", &language.greeting)?
        } else {
            shared("greeting_without_name", &language.greeting_without_name)?
        };
        let context = context! {
            kind,
            language => &language.tag,
            direction => language.direction.as_str(),
            subject,
            preview => said("preview", &texts.preview)?,
            heading => said("heading", &texts.heading)?,
            greeting,
            paragraphs => all_said("paragraphs", &texts.paragraphs)?,
            button => said("button", &texts.button)?,
            link => Value::from_safe_string(facts.link.clone()),
            notes => all_said("notes", &texts.notes)?,
            link_hint => shared("link_hint", &language.link_hint)?,
            support_line => shared("support_line", &language.support_line)?,
            footer => shared("footer", &language.footer)?,
            accent => settings.accent.to_string(),
            on_accent => settings.accent.ink(),
            dark_accent => settings.dark_accent.to_string(),
            on_dark_accent => settings.dark_accent.ink(),
            ..values.clone()
        };
        let place = format!("{kind}.{}", part.suffix());
        settings
            .environment
            .get_template(&place)
            .and_then(|template| template.render(context))
            .map_err(|error| RenderError { place, source: Some(error) })
    }
}

/// Shortens a name to one line that may be shown.
fn shown(name: &str) -> String {
    one_line(&name.chars().take(MAX_NAME_CHARS).collect::<String>())
}

/// Removes line breaks, other control characters and bidirectional overrides from a text.
fn one_line(text: &str) -> String {
    let disturbs = |c: char| {
        c.is_control()
            || matches!(c, '\u{061c}' | '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text: String = text.chars().map(|c| if disturbs(c) { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
