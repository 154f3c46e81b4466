//! An answer, as its bytes say.

use serde_json::Value;

/// What an answer does to the refresh cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CookieChange {
    Untouched,
    Cleared,
    Set { value: String, max_age: u64 },
}

/// One answer of a server.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in order, duplicates kept.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Nothing where no whole answer came: a body must be as long as it says.
    pub(crate) fn parse(bytes: &[u8], bodiless: bool) -> Option<Self> {
        let mut slots = [httparse::EMPTY_HEADER; 128];
        let mut response = httparse::Response::new(&mut slots);
        let Ok(httparse::Status::Complete(start)) = response.parse(bytes) else { return None };
        let headers: Vec<(String, String)> = response
            .headers
            .iter()
            .map(|header| {
                (header.name.to_ascii_lowercase(), String::from_utf8(header.value.to_vec()).unwrap())
            })
            .collect();
        let mut answer = Self { status: response.code.unwrap(), headers, body: bytes[start..].to_vec() };
        if answer.all("transfer-encoding").iter().any(|coding| coding.eq_ignore_ascii_case("chunked")) {
            answer.body = joined(&answer.body)?;
        } else if let Some(length) = answer.header("content-length").filter(|_| !bodiless)
            && length != answer.body.len().to_string()
        {
            return None;
        }
        Some(answer)
    }

    /// The header's value, which may stand there once only.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} stands there {} times", all.len());
        all.first().copied()
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a header that lists names holds this one.
    pub(crate) fn lists(&self, header: &str, name: &str) -> bool {
        self.all(header)
            .iter()
            .flat_map(|line| line.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(name))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The status must be this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The whole body must be this one.
    #[track_caller]
    pub(crate) fn expect_json(self, status: u16, body: &Value) -> Self {
        let answer = self.expect(status);
        assert_eq!(&answer.json(), body);
        answer
    }

    /// A problem with this code. That problems have their form is a law of all answers.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.json()["code"], code, "{}", answer.text());
        answer
    }

    /// A refused value in this field.
    #[track_caller]
    pub(crate) fn refused_field(self, field: &str) -> Self {
        let answer = self.problem(422, "validation_failed");
        let errors = answer.json()["errors"].as_array().unwrap().clone();
        assert!(errors.iter().any(|error| error["field"] == field), "{field}: {errors:?}");
        answer
    }

    /// The answer leaves the refresh cookie alone.
    #[track_caller]
    pub(crate) fn touches_no_cookie(self) -> Self {
        assert_eq!(self.cookie(), CookieChange::Untouched, "{}", self.text());
        self
    }

    #[track_caller]
    pub(crate) fn clears_cookie(self) -> Self {
        assert_eq!(self.cookie(), CookieChange::Cleared, "{}", self.text());
        self
    }

    /// The refresh token that the answer sets.
    #[track_caller]
    pub(crate) fn new_cookie(&self) -> String {
        match self.cookie() {
            CookieChange::Set { value, .. } => value,
            other => panic!("{other:?} by {self:?}"),
        }
    }

    /// What it does to the refresh cookie. `every_answer` checks the attributes.
    #[track_caller]
    pub(crate) fn cookie(&self) -> CookieChange {
        let Some(line) = self.cookie_line(false) else { return CookieChange::Untouched };
        let (pair, attributes) = line.split_once(';').unwrap();
        let (_, value) = pair.split_once('=').unwrap();
        let max_age = attributes
            .split(';')
            .find_map(|attribute| attribute.trim().strip_prefix("Max-Age="))
            .expect("a Max-Age")
            .parse()
            .unwrap();
        if max_age == 0 && value.is_empty() {
            return CookieChange::Cleared;
        }
        assert!(max_age > 0 && !value.is_empty(), "neither set nor cleared: {line}");
        CookieChange::Set { value: value.to_owned(), max_age }
    }

    /// The device token that the answer sets.
    pub(crate) fn device(&self) -> Option<&str> {
        let (pair, _) = self.cookie_line(true)?.split_once(';').unwrap();
        Some(pair.split_once('=').unwrap().1)
    }

    /// The line of the cookie of the device token, or of the refresh token.
    #[track_caller]
    pub(crate) fn cookie_line(&self, of_device: bool) -> Option<&str> {
        let lines = self.all("set-cookie");
        let mut lines =
            lines.into_iter().filter(|line| line.split('=').next().unwrap().ends_with("device") == of_device);
        let line = lines.next();
        assert!(lines.next().is_none(), "a cookie is set twice");
        line
    }

    /// All that must be the same in two answers that must look alike: no date, no id, no clock.
    pub(crate) fn likeness(&self) -> String {
        let mut headers: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()))
            .map(|(name, value)| match name.as_str() {
                "ratelimit" => format!("{name}: {}", without_time(value)),
                _ => format!("{name}: {value}"),
            })
            .collect();
        headers.sort();
        format!("{}\n{}\n\n{}", self.status, headers.join("\n"), self.text())
    }
}

fn without_time(limits: &str) -> String {
    let kept: Vec<&str> = limits.split(';').filter(|part| !part.trim().starts_with("t=")).collect();
    kept.join(";")
}

/// The pieces of a chunked body, put together.
fn joined(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, length))) = httparse::parse_chunk_size(rest) else {
            return None;
        };
        let length = usize::try_from(length).unwrap();
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(start..start + length)?);
        rest = rest.get(start + length + 2..)?;
    }
}
