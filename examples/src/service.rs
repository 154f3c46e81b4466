//! Builds and runs a service from its settings: everything except the HTTP stack.

use std::future::Future;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::{Auth, Mail as Message, MailError, Mailer, error_chain};
use auth_http::Api;
use auth_mailer::SmtpMailer;
use auth_metrics::Timed;
use auth_redis::{ConnectError, RedisLimiter};
use tokio::net::TcpSocket;
use tokio::sync::watch;

use crate::access_log::AccessLog;
use crate::arguments;
use crate::logging::{self, Logging};
use crate::mailbox::DevMailbox;
use crate::metrics::Exporter;
use crate::pages::Pages;
use crate::settings::{self, Database, Mail, Misspelt, Settings, Variables};
use crate::signals::Signals;
use crate::store;

/// Settings that cannot be used (`EX_CONFIG` of sysexits.h).
const BAD_SETTINGS: u8 = 78;
/// A database, a port or Redis cannot be reached (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;

/// Maximum time of a stop: open requests and the mail being sent may finish within it.
const STOP_PATIENCE: Duration = Duration::from_secs(9);
/// Connections that may wait to be accepted: Linux's default maximum (`somaxconn`).
const BACKLOG: u32 = 4096;

/// The parts that an HTTP stack serves.
#[derive(Debug)]
pub struct Service {
    /// All flows and their HTTP side.
    pub api: Api,
    /// The pages beside the API.
    pub pages: Pages,
    /// The socket, which listens already.
    pub listener: TcpListener,
    /// Logs each request.
    pub access_log: AccessLog,
    drain_delay: Duration,
    metrics: Option<Exporter>,
    logging: Option<Logging>,
    stopped: watch::Receiver<bool>,
}

impl Service {
    /// Completes when the server is asked to stop: finish open requests, take no more.
    pub fn stop(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.clone();
        async move {
            // An error means that the sender is gone.
            _ = stopped.wait_for(|stopped| *stopped).await;
        }
    }
}

/// Runs a server: settings from the environment, the service around it, `serve` for the HTTP stack, until
/// SIGTERM, SIGINT or SIGHUP.
///
/// If it cannot start, it prints the reason to standard error and sets the exit status: 78 for settings, 69
/// for a database or a port, 64 for arguments.
pub async fn run<F>(serve: impl FnOnce(Service) -> F) -> ExitCode
where
    F: Future<Output = std::io::Result<()>>,
{
    if let Some(answered) = arguments::answer(std::env::args_os()) {
        return answered;
    }
    match start().await {
        Ok((service, stop)) => finish(service, stop, serve).await,
        Err((status, problem)) => {
            _ = writeln!(std::io::stderr(), "{problem}");
            ExitCode::from(status)
        }
    }
}

type NotStarted = (u8, String);

/// Listens like `TcpListener::bind`, but with a backlog of more than 128 connections: in a burst the others
/// would have to retry a second later.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

async fn start() -> Result<(Service, watch::Sender<bool>), NotStarted> {
    let variables = Variables::of_process();
    let address = settings::address(&variables);
    let listener = listen(address.into());
    let port = listener.as_ref().ok().and_then(|listener| listener.local_addr().ok());
    let settings = Settings::read(&variables, port.map_or(address.1, |port| port.port()));
    let misspelt = settings::misspelt(&variables);
    let settings = settings.map_err(|problems| {
        let problems = problems.iter().map(ToString::to_string);
        let lines = problems.chain(misspelt.iter().map(ToString::to_string));
        let text = lines.fold(String::new(), |text, line| format!("{text}\n  {line}"));
        (BAD_SETTINGS, format!("the environment is not usable:{text}"))
    })?;
    let listener = listener
        .map_err(|error| (UNAVAILABLE, format!("PORT {} cannot be listened on: {error}", address.1)))?;
    let logging = logging::start(settings.log_format);
    for Misspelt { name, meant } in misspelt {
        tracing::warn!(
            variable = name,
            meant,
            "a variable that is no setting was ignored: perhaps it is misspelt"
        );
    }
    let metrics = settings.metrics_address.map(Exporter::start).transpose();
    let metrics =
        metrics.map_err(|error| (UNAVAILABLE, format!("METRICS_ADDRESS cannot be listened on: {error}")))?;
    let (stop, stopped) = watch::channel(false);
    let (auth, mailbox) = open(&settings).await?;
    let service = Service {
        pages: Pages::new(&settings, auth.policy(), mailbox),
        api: Api::new(auth, settings.http),
        listener,
        access_log: AccessLog::new(settings.client_addresses),
        drain_delay: settings.drain_delay,
        metrics,
        logging: Some(logging),
        stopped,
    };
    Ok((service, stop))
}

async fn finish<F>(
    mut service: Service,
    stop: watch::Sender<bool>,
    serve: impl FnOnce(Service) -> F,
) -> ExitCode
where
    F: Future<Output = std::io::Result<()>>,
{
    // Before the line that others wait for: after it a signal stops the server cleanly.
    let mut signals = Signals::handle();
    match service.listener.local_addr() {
        // The server works without a reader of it, too.
        Ok(address) => _ = writeln!(std::io::stdout(), "listening on http://{address}"),
        Err(error) => tracing::warn!(%error, "the address is not known"),
    }
    let background = tokio::spawn({
        let (auth, stopped) = (service.api.auth().clone(), service.stop());
        async move { auth.run_background(stopped).await }
    });
    // Until the end: it writes the last lines.
    let logging = service.logging.take();
    if let Some(logging) = &logging {
        tokio::spawn(logging.lost.clone().report(service.stop()));
    }
    // It ends with the process: a scrape that comes too late is no loss.
    if let Some(metrics) = service.metrics.take() {
        tokio::spawn(metrics.serve(service.api.auth().clone(), service.stop()));
    }
    let (api, drain_delay) = (service.api.clone(), service.drain_delay);
    let mut served = std::pin::pin!(serve(service));
    tokio::select! {
        outcome = &mut served => return stopped_early(&outcome),
        signal = signals.next() => tracing::info!(signal, drain_delay = drain_delay.as_secs(), "stopping"),
    }
    api.drain();
    if !drain_delay.is_zero() {
        tokio::select! {
            outcome = &mut served => return stopped_early(&outcome),
            () = tokio::time::sleep(drain_delay) => {}
            signal = signals.next() => tracing::info!(signal, "asked again: the drain delay is cut short"),
        }
    }
    stop.send_replace(true);
    // Unfinished work is cancelled after that: a mail that was not sent stays in the outbox.
    let both = async { tokio::join!(served, background) };
    let all_done = tokio::time::timeout(STOP_PATIENCE, both).await.is_ok();
    tracing::info!(all_done, "stopped");
    ExitCode::SUCCESS
}

fn stopped_early(outcome: &std::io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => tracing::error!("the server stopped by itself"),
        Err(error) => tracing::error!(%error, "the server failed"),
    }
    ExitCode::FAILURE
}

/// Opens the store and builds the flows over it.
async fn open(settings: &Settings) -> Result<(Auth, Option<DevMailbox>), NotStarted> {
    let unreachable = |problem: String| (UNAVAILABLE, format!("DATABASE_URL: {problem}"));
    let limiter = match &settings.shared_limits {
        Some(url) => Some(RedisLimiter::connect(url).await.map_err(|error| no_limiter(&error))?),
        None => None,
    };
    let mailing = Mailing::of(settings)
        .map_err(|error| (UNAVAILABLE, format!("the development mailbox cannot be opened: {error}")))?;
    let mailbox = mailing.mailbox();
    let mut builder = store::open(&settings.database, mailing, settings.client_addresses)
        .await
        .map_err(unreachable)?
        .builder
        .key_ring(settings.secrets.key_ring.clone())
        .root_secret(settings.secrets.root.clone())
        .previous_root_secrets(settings.secrets.previous_root.clone())
        .policy(settings.policy.clone());
    if let Some(limiter) = limiter {
        builder = builder.rate_limiter(Timed::new(limiter));
    }
    if let Some(key) = &settings.signer_key {
        builder = builder.firebase_signer_key(key.clone());
    }
    if let Some(check) = &settings.breach_check {
        builder = builder.breach_check(Arc::clone(check));
    }
    let auth = builder.build().map_err(|error| (BAD_SETTINGS, error.to_string()))?;
    Ok((auth, mailbox))
}

fn no_limiter(error: &ConnectError) -> NotStarted {
    let status = match error {
        ConnectError::MalformedUrl | ConnectError::Authority(_) => BAD_SETTINGS,
        _ => UNAVAILABLE,
    };
    (status, format!("RATE_LIMIT_STORE: {}", error_chain(error)))
}

/// The destination of mails.
#[derive(Debug)]
enum Mailing {
    Mailbox(DevMailbox),
    Smtp(Arc<SmtpMailer>),
}

impl Mailing {
    fn of(settings: &Settings) -> std::io::Result<Self> {
        Ok(match (&settings.mail, &settings.database) {
            (Mail::Smtp(mailer), _) => Self::Smtp(mailer.clone()),
            (Mail::Mailbox(templates), Database::Memory) => {
                Self::Mailbox(DevMailbox::in_memory(templates.clone()))
            }
            (Mail::Mailbox(templates), _) => {
                Self::Mailbox(DevMailbox::in_working_directory(templates.clone())?)
            }
        })
    }

    fn mailbox(&self) -> Option<DevMailbox> {
        match self {
            Self::Mailbox(mailbox) => Some(mailbox.clone()),
            Self::Smtp(_) => None,
        }
    }
}

#[async_trait]
impl Mailer for Mailing {
    async fn send(&self, mail: &Message) -> Result<(), MailError> {
        match self {
            Self::Mailbox(mailbox) => mailbox.send(mail).await,
            Self::Smtp(mailer) => mailer.send(mail).await,
        }
    }
}
