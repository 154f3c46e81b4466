//! The builder of templates.

use std::fmt;
use std::sync::Arc;

use auth_core::{ConfigProblem, Email, Mail, MailKind};
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};

use super::colors::Color;
use super::{Choice, Part, Settings, Templates, check, language, one_line};
use crate::links::Links;
use crate::problems::{self, Problems};

const SHIPPED_TEXT: &str = include_str!("../../templates/mail.txt");
const SHIPPED_HTML: &str = include_str!("../../templates/mail.html");

/// Longest product name, in characters. Subjects contain it.
const MAX_PRODUCT_CHARS: usize = 60;

/// Builds [`Templates`].
#[derive(Clone)]
#[must_use = "nothing is checked before `build`"]
pub struct TemplatesBuilder {
    links: Links,
    product_name: Option<String>,
    support_address: Option<String>,
    accent: Option<String>,
    dark_accent: Option<String>,
    default_language: Option<String>,
    languages: Vec<(String, String)>,
    sources: Vec<(Option<MailKind>, Part, String)>,
    choose: Option<Choice>,
}

impl TemplatesBuilder {
    pub(super) const fn new(links: Links) -> Self {
        Self {
            links,
            product_name: None,
            support_address: None,
            accent: None,
            dark_accent: None,
            default_language: None,
            languages: Vec::new(),
            sources: Vec::new(),
            choose: None,
        }
    }

    /// Sets the name of the product in mails. Default: the host of the links.
    pub fn product_name(mut self, name: impl Into<String>) -> Self {
        self.product_name = Some(name.into());
        self
    }

    /// Sets the address for questions, shown at the end of every mail. Default: none.
    pub fn support_address(mut self, address: impl Into<String>) -> Self {
        self.support_address = Some(address.into());
        self
    }

    /// Sets the colour of buttons and links, such as `#1a56db`. Text on it is white or near-black: the
    /// colour with the better contrast.
    pub fn accent_color(mut self, color: impl Into<String>) -> Self {
        self.accent = Some(color.into());
        self
    }

    /// Sets the accent colour for programs that show mails on a dark background. Default: the
    /// [`accent_color`](Self::accent_color) if it is set, or the shipped dark one.
    pub fn dark_accent_color(mut self, color: impl Into<String>) -> Self {
        self.dark_accent = Some(color.into());
        self
    }

    /// Sets the language of mails for which no other is chosen: `en` (default), `de`, `fr` or an added
    /// one.
    pub fn default_language(mut self, tag: impl Into<String>) -> Self {
        self.default_language = Some(tag.into());
        self
    }

    /// Adds a language, or changes the texts of one, by a TOML text like the files in the crate's
    /// `templates/`. For `en`, `de` and `fr` it may contain only the changes.
    ///
    /// # Examples
    ///
    /// ```
    /// use auth_mailer::{Links, Templates};
    ///
    /// let templates = Templates::builder(Links::new("https://app.example.com")?)
    ///     .product_name("Lighthouse")
    ///     .language("en", "[reset_password]\nsubject = \"Forgot your password?\"")
    ///     .default_language("de")
    ///     .build()?;
    /// # drop(templates);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn language(mut self, tag: impl Into<String>, toml: impl Into<String>) -> Self {
        self.languages.push((tag.into(), toml.into()));
        self
    }

    /// Sets the function that chooses the language of each mail by a tag such as `de-AT`; `None` means
    /// the default language. It is called while a mail is rendered: answer from memory.
    pub fn choose_language(
        mut self,
        choose: impl Fn(&Mail) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.choose = Some(Choice::By(Arc::new(choose)));
        self
    }

    /// Writes each mail in the first language of the client that asked for it
    /// ([`Mail::languages`](auth_core::Mail::languages)) that there is, and every other mail in the default
    /// language. Replaces [`choose_language`](Self::choose_language).
    pub fn accept_languages(mut self) -> Self {
        self.choose = Some(Choice::Accepted);
        self
    }

    /// Replaces the HTML of all mails. The README lists the names that a template may use.
    pub fn html(self, source: impl Into<String>) -> Self {
        self.source(None, Part::Html, source.into())
    }

    /// Replaces the HTML of one kind of mail.
    pub fn html_for(self, kind: MailKind, source: impl Into<String>) -> Self {
        self.source(Some(kind), Part::Html, source.into())
    }

    /// Replaces the plain text of all mails.
    pub fn text(self, source: impl Into<String>) -> Self {
        self.source(None, Part::Text, source.into())
    }

    /// Replaces the plain text of one kind of mail.
    pub fn text_for(self, kind: MailKind, source: impl Into<String>) -> Self {
        self.source(Some(kind), Part::Text, source.into())
    }

    fn source(mut self, kind: Option<MailKind>, part: Part, source: String) -> Self {
        self.sources.push((kind, part, source));
        self
    }

    /// Checks the templates: renders every mail in every language once.
    ///
    /// # Errors
    ///
    /// - [`TemplateError`] with every problem at once: a text that does not parse, an unknown name, a
    ///   template without the link of its mail, or one that shows the user's name unescaped.
    pub fn build(self) -> Result<Templates, TemplateError> {
        let mut problems = Problems::default();
        let environment = self.environment(&mut problems);
        let product = self.product_name.unwrap_or_else(|| self.links.host().to_owned());
        if product != one_line(&product) || !(1..=MAX_PRODUCT_CHARS).contains(&product.chars().count()) {
            problems.add("product_name", "must be 1 to 60 characters on one line");
        }
        let support = self.support_address.and_then(|address| {
            problems.take("support_address", Email::parse(&address)).map(|_| address.trim().to_owned())
        });
        let mut color = |setting: &str, text: &Option<String>, default: Color| match text {
            Some(text) => problems.take(setting, Color::parse(text)).unwrap_or(default),
            None => default,
        };
        let accent = color("accent_color", &self.accent, Color::new(0x1a_56_db));
        let dark_default = if self.accent.is_some() { accent } else { Color::new(0x7a_b0_ff) };
        let dark_accent = color("dark_accent_color", &self.dark_accent, dark_default);
        let mut languages = Vec::new();
        for (tag, _) in self.languages.iter().filter(|(tag, _)| !plain_tag(tag)) {
            problems.add("language", format!("`{}` must be a tag such as `pt-BR`", one_line(tag)));
        }
        for language in language::read_all(&self.languages) {
            match language {
                Ok(language) => languages.push(language),
                Err((tag, problem)) => problems.add(format!("languages.{}", one_line(&tag)), problem),
            }
        }
        let default = self.default_language.as_deref().unwrap_or("en");
        let found = languages.iter().position(|language| language.tag.eq_ignore_ascii_case(default));
        if found.is_none() && problems.is_empty() {
            problems.add("default_language", "must be `en`, `de`, `fr` or an added language");
        }
        let settings = Settings {
            links: self.links,
            product,
            support,
            accent,
            dark_accent,
            languages,
            default_language: found.unwrap_or_default(),
            choose: self.choose,
            environment,
        };
        check::every_mail(&settings, &mut problems);
        if problems.is_empty() {
            Ok(Templates(Arc::new(settings)))
        } else {
            Err(TemplateError(problems.into_vec()))
        }
    }

    /// One template for each kind and part: the caller's for this kind, else the caller's for all kinds,
    /// else the shipped one.
    fn environment(&self, problems: &mut Problems) -> Environment<'static> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // A line that contains only a block leaves no empty line.
        match SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            Ok(syntax) => environment.set_syntax(syntax),
            Err(error) => problems.add("templates", check::described(&error)),
        }
        for &kind in MailKind::ALL {
            for (part, shipped) in [(Part::Text, SHIPPED_TEXT), (Part::Html, SHIPPED_HTML)] {
                let own = |wanted: Option<MailKind>| {
                    let matches = |source: &&(Option<MailKind>, Part, String)| {
                        source.0 == wanted && source.1.suffix() == part.suffix()
                    };
                    self.sources.iter().rfind(matches).map(|(.., source)| source.as_str())
                };
                let source = own(Some(kind)).or_else(|| own(None)).unwrap_or(shipped);
                let name = format!("{}.{}", kind.name(), part.suffix());
                if let Err(error) = environment.add_template_owned(name.clone(), source.to_owned()) {
                    problems.add(name, check::described(&error));
                }
            }
        }
        environment
    }
}

fn plain_tag(tag: &str) -> bool {
    (1..=35).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Debug for TemplatesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplatesBuilder").field("links", &self.links).finish_non_exhaustive()
    }
}

/// The problems of [`Templates`] that could not be built.
#[derive(Clone, PartialEq, Eq)]
pub struct TemplateError(Vec<ConfigProblem>);

auth_core::__debug_as_chain! { TemplateError }

impl TemplateError {
    /// The problems; each names a method of [`TemplatesBuilder`], a template such as
    /// `verify_email.html`, or a text such as `languages.de.verify_email.subject`.
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.0
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        problems::write(f, "the mail templates are not usable", &self.0)
    }
}

impl std::error::Error for TemplateError {}
