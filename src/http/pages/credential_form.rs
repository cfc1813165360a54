//! The page on which a person enters the keys of a carrier, and the handling of its form.
//!
//! The page needs no script. Its address contains only the id of the page. Its form carries a secret value that only
//! the page has. A form is accepted only from the page's own origin.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::domain::{AccessField, ArgumentProblem};
use crate::http::connection::accept::{ConnectionServer, RequestHandler};
use crate::http::connection::keep_alive::HEAD;
use crate::http::connection::listener::{Listen, Listener};
use crate::http::pages::html::{escaped, page, rules};
use crate::http::request::body_limit::Bodies;
use crate::http::request::host_check::{AllowedHost, NotLetIn, check_host};
use crate::mcp::transport::http_response::{ResponseBody, keeping, refusal, with};
use crate::mcp::{FormContent, FormError, KEY_PAGES, Principal};
use crate::redact::Secret;

const PAGE: &str = include_str!("credential_form.html");
/// The maximum number of connections to the pages of a program for one person.
const CONNECTIONS: usize = 32;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The pages of a server.
pub(crate) struct CredentialForm {
    rules: String,
    bodies: Bodies,
}

impl Default for CredentialForm {
    fn default() -> Self {
        Self { rules: rules(PAGE, "'self'"), bodies: Bodies::default() }
    }
}

/// Returns the page id in a path, if the path is a page's.
pub(crate) fn page_of(path: &str) -> Option<&str> {
    path.strip_prefix(KEY_PAGES)
}

/// Returns the headers for the authenticator. A browser sends the token as the password of any user name.
pub(crate) fn with_password_as_token(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    let basic = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
        let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {password}")).ok()?;
        bearer.set_sensitive(true);
        Some(bearer)
    });
    if let (Some(bearer), 1) = (basic, headers.get_all(AUTHORIZATION).iter().count()) {
        headers.insert(AUTHORIZATION, bearer);
    }
    headers
}

impl CredentialForm {
    /// Asks a browser for the caller's token, or reports another error of the authenticator.
    pub(crate) fn stranger(&self, outside: &Response<ResponseBody>) -> Response<ResponseBody> {
        if outside.status() != StatusCode::UNAUTHORIZED {
            return self.say(outside.status(), "Not now", "The page cannot be shown now. Try again in a moment.");
        }
        let answer = self.say(
            StatusCode::UNAUTHORIZED,
            "Who are you?",
            "This page is for the one who asked for the import. Load it again; any name will do, and the password is the token that your MCP client uses.",
        );
        with(
            answer,
            WWW_AUTHENTICATE,
            "Basic realm=\"the access token of your MCP client, as the password\", charset=\"UTF-8\"",
        )
    }

    /// Responds to a request for a page. `origin` is the server's own origin that the request came in on.
    pub(crate) async fn answer<B>(
        &self,
        head: &Parts,
        body: B,
        (id, origin): (&str, &str),
        principal: &Principal,
    ) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        match head.method {
            Method::GET | Method::HEAD => match principal.look_at_page(id) {
                Ok(shown) => self.form(StatusCode::OK, &shown, &[]),
                Err(_) => self.gone(),
            },
            Method::POST => self.take(head, body, (id, origin), principal).await,
            _ => {
                with(refusal(StatusCode::METHOD_NOT_ALLOWED, "Only GET and POST work here."), ALLOW, "GET, HEAD, POST")
            }
        }
    }

    async fn take<B>(
        &self,
        head: &Parts,
        body: B,
        (id, origin): (&str, &str),
        principal: &Principal,
    ) -> Response<ResponseBody>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        if !is_own(&head.headers, origin) {
            return self.foreign();
        }
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Only the form of the page is taken here.");
        }
        let body = match self.bodies.read(&principal.caller, &head.headers, body).await {
            Ok(body) => body,
            Err(unread) => return refusal(unread.status, unread.why),
        };
        let (mut csrf, mut refused, mut given, mut wrong) = (String::new(), false, Vec::new(), Vec::new());
        for (name, value) in url::form_urlencoded::parse(&body) {
            match (AccessField::named(&name), name.as_ref()) {
                (None, "csrf") => csrf = value.into_owned(),
                (None, "do") => refused = value == "refuse",
                (Some(field), _) if !value.trim().is_empty() => match Secret::new(value.trim().to_owned()) {
                    Ok(value) => given.push((field, value)),
                    Err(reason) => wrong.push(ArgumentProblem::of::<Secret>(field.name(), reason, None)),
                },
                _ => {}
            }
        }
        let taken = match (refused, wrong.is_empty()) {
            (true, _) => principal.refuse_page(id, &csrf),
            (false, true) => principal.fill_page(id, &csrf, given),
            (false, false) => Err(FormError::Wrong(wrong)),
        };
        match (taken, principal.look_at_page(id)) {
            (Ok(()), _) if refused => self.say(
                StatusCode::OK,
                "Nothing is imported",
                "You can close this page and go back to your conversation.",
            ),
            (Ok(()), _) => self.say(
                StatusCode::OK,
                "The keys were taken",
                "You can close this page and go back to your conversation: it says what becomes of the import.",
            ),
            (Err(FormError::Wrong(problems)), Ok(shown)) => {
                self.form(StatusCode::UNPROCESSABLE_ENTITY, &shown, &problems)
            }
            (Err(FormError::Foreign), _) => self.foreign(),
            (Err(_), _) => self.gone(),
        }
    }

    /// Returns the form, with the problems of the last attempt.
    fn form(&self, status: StatusCode, shown: &FormContent, problems: &[ArgumentProblem]) -> Response<ResponseBody> {
        let (number, provider) = (shown.wanted.number.for_people(), shown.wanted.provider);
        let title_of = |name: &str| AccessField::named(name).map_or("A value", |field| field.title(provider));
        let mut content = String::new();
        if !problems.is_empty() {
            let items: String = problems
                .iter()
                .map(|problem| {
                    let reason = problem.for_people.unwrap_or(&problem.reason);
                    format!("<li>{}: {}.</li>", title_of(&problem.field), escaped(reason))
                })
                .collect();
            content.push_str(&format!(
                "<div class=\"bad\" role=\"alert\"><strong>Nothing was imported yet.</strong> The fields are empty again.<ul>{items}</ul></div>\n"
            ));
        }
        let minutes = shown.minutes;
        content.push_str(&format!(
            "<p>Your assistant asks Truedy to import {number} from your own carrier. Importing may move live calls of {number} to Truedy.</p>\n\
             <p>What you enter goes from this page to this server and on to Truedy. Neither your assistant nor its program sees it. The page is good once, and for {minutes} more minute{}.</p>\n\
             <form method=\"post\" autocomplete=\"off\">\n<input type=\"hidden\" name=\"csrf\" value=\"{}\">\n",
            if minutes == 1 { "" } else { "s" },
            escaped(&shown.csrf)
        ));
        for (at, (field, needed)) in AccessField::of(provider).iter().enumerate() {
            let (name, title) = (field.name(), field.title(provider));
            let (hint, required) = if *needed || field.is_advised() {
                ("", " required")
            } else {
                (" <span class=\"hint\">(optional; Truedy may need it)</span>", "")
            };
            let known = shown.wanted.known.iter().find(|(name, _)| name == field).map(|(_, value)| escaped(value));
            let value = known.map(|known| format!(" value=\"{known}\"")).unwrap_or_default();
            let kind = if field.is_secret() { "password" } else { "text" };
            let invalid =
                if problems.iter().any(|problem| problem.field == name) { " aria-invalid=\"true\"" } else { "" };
            let focus = if at == 0 { " autofocus" } else { "" };
            content.push_str(&format!(
                "<label for=\"{name}\">{title}{hint}</label>\n<input id=\"{name}\" name=\"{name}\" type=\"{kind}\" autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"512\"{value}{required}{invalid}{focus}>\n"
            ));
        }
        content.push_str(&format!(
            "<div class=\"do\"><button class=\"go\" name=\"do\" value=\"import\">Import {number}</button>\
             <button name=\"do\" value=\"refuse\" formnovalidate>Do not import</button></div>\n</form>"
        ));
        self.show(status, &format!("Keys for {number}"), &content)
    }

    fn foreign(&self) -> Response<ResponseBody> {
        self.say(
            StatusCode::FORBIDDEN,
            "Not taken",
            "The form did not come from this page. Nothing was imported. Load the page again and enter the keys there.",
        )
    }

    fn gone(&self) -> Response<ResponseBody> {
        let why = "This page was used already, is older than five minutes, or is not yours. Ask in your conversation for the import again; it gives you a new one.";
        self.say(StatusCode::NOT_FOUND, "Nothing here any more", why)
    }

    fn say(&self, status: StatusCode, title: &str, sentence: &str) -> Response<ResponseBody> {
        self.show(status, title, &format!("<p role=\"status\">{sentence}</p>"))
    }

    fn show(&self, status: StatusCode, title: &str, content: &str) -> Response<ResponseBody> {
        let html = PAGE.replace("{{title}}", title).replace("{{content}}", content);
        // Browsers send the origin of a form only under this referrer policy.
        page(status, &self.rules, "same-origin", html)
    }
}

/// Checks whether a form comes from a page of this server, as far as the browser says.
fn is_own(headers: &HeaderMap, origin: &str) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    match (text(&ORIGIN), text(&FETCH_SITE)) {
        (Some(from), _) => from == origin,
        (None, Some(site)) => site == "same-origin",
        (None, None) => true,
    }
}

/// The pages of a program that has no HTTP server of its own, on loopback.
struct LoopbackForms {
    key_page: CredentialForm,
    principal: Principal,
    hosts: Vec<AllowedHost>,
}

impl RequestHandler for LoopbackForms {
    const HAS_CLIENTS: bool = false;

    async fn answer(&self, request: Request<Incoming>) -> Response<ResponseBody> {
        let (head, body) = request.into_parts();
        if let Err(NotLetIn(why)) = check_host(&head.headers, &head.uri, &self.hosts) {
            return refusal(StatusCode::FORBIDDEN, why);
        }
        let Some(id) = page_of(head.uri.path()).map(str::to_owned) else {
            return self.key_page.gone();
        };
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let origin = format!("http://{host}");
        // A form counts as work in progress, so the program ends only after its response.
        let heard = self.principal.work();
        keeping(self.key_page.answer(&head, body, (&id, &origin), &self.principal).await, heard)
    }
}

/// Serves the pages of a program for one person, on loopback, until the program ends. Returns their origin.
pub async fn serve_pages(principal: Principal) -> Result<String, String> {
    let listen = Listen::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let listener = Listener::bind(&listen).await.map_err(|error| format!("no port on loopback: {error}"))?;
    let at = listener.at(&listen);
    let answers = LoopbackForms { key_page: CredentialForm::default(), principal, hosts: AllowedHost::loopback() };
    let edge = ConnectionServer {
        listener,
        tls: None,
        answers: Arc::new(answers),
        life: Arc::default(),
        max_connections: CONNECTIONS,
        keep_alive: HEAD,
    };
    tokio::spawn(edge.serve());
    Ok(format!("http://{at}"))
}
