//! Coming in and going out: the first set-up, log-in, log-out.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::response::{AppendHeaders, IntoResponse, Response};

use super::extract::{Body, Credential, LoggedIn, Peer, session_token};
use super::people::taken_back;
use super::{ApiError, App};
use crate::accounts::{
    By, Deed, FirstRunStep, Guided, Kept, Role, SESSION_LONGEST, SetupError, StepOutcome, check_password,
};
use crate::wire::{
    ApiErrorBody, GatewayChange, LogOutEverywhere, LoggedOutEverywhere, LoginRequest, PasswordChange,
    Session, SessionUser, SetupCheckRequest, SetupRequest,
};
use crate::{LogIn, User};

/// Tells whether the gateway is set up, and who is logged in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = Session)))]
pub(super) async fn session(
    State(app): State<Arc<App>>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<Json<Session>, ApiError> {
    let user = match session_token(&headers, peer) {
        Some(token) => app.accounts.find_session(&token).await?,
        None => None,
    };
    Ok(Json(describe(&app, user.as_ref()).await?))
}

/// Makes the first administrator and logs in.
#[utoipa::path(
    post, path = "/api/v1/setup", tag = "session", request_body = SetupRequest,
    responses(
        (status = 201, body = Session),
        (status = 403, description = "`wrong_code`", body = ApiErrorBody),
        (status = 409, description = "`already_set_up`", body = ApiErrorBody),
        (status = 422, description = "`invalid_name`, `weak_password`", body = ApiErrorBody),
        (status = 429, description = "`too_many_tries`", body = ApiErrorBody),
    )
)]
pub(super) async fn set_up(
    State(app): State<Arc<App>>,
    peer: Peer,
    Body(SetupRequest { code, name, password, gateway_name, guided }): Body<SetupRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let from = peer.address.ip();
    let guided = if guided { Guided::Yes } else { Guided::No };
    let user = app.accounts.complete_setup_with(&code, &name, &password, from, guided).await;
    let stranger = By::stranger(from);
    if let Err(SetupError::WrongCode | SetupError::TooManyTries) = &user {
        app.accounts.note(Deed::SetUpFailed, &stranger, None, None).await;
    }
    let user = user.map_err(|error| explain_setup(&app, error))?;
    app.accounts.note(Deed::SetUp, &stranger, Some(&user.name), None).await;
    tracing::info!(user = %user.name, "the gateway is set up");
    if let Some(gateway_name) = gateway_name {
        let by = By { name: Some(user.name.to_string()), address: Some(from) };
        name_gateway(&app, &by, gateway_name).await?;
    }
    welcome(&app, &user, peer, StatusCode::CREATED).await
}

/// The gateway gets its name. There is an administrator by now, so what stands in the way does not undo the set-up: the step
/// stays open, and says there what is wrong.
async fn name_gateway(app: &App, by: &By, name: String) -> Result<(), ApiError> {
    let change = GatewayChange { name: Some(name), ..GatewayChange::default() };
    match app.configuration.change_gateway(change).await {
        Ok(_) => {
            app.accounts.note(Deed::ConfigurationChanged, by, None, Some("name of the gateway")).await;
            Ok(app.accounts.note_step(FirstRunStep::Name, StepOutcome::Done).await?)
        }
        Err(problem) => {
            tracing::info!(%problem, "the name of the gateway was not written");
            Ok(())
        }
    }
}

/// Checks the set-up code, and the name that the gateway is to have, before anything is made: the page asks with each step.
#[utoipa::path(
    post, path = "/api/v1/setup/check", tag = "session", request_body = SetupCheckRequest,
    responses(
        (status = 204),
        (status = 403, description = "`wrong_code`", body = ApiErrorBody),
        (status = 409, description = "`already_set_up`", body = ApiErrorBody),
        (status = 422, description = "`wrong_configuration`", body = ApiErrorBody),
        (status = 429, description = "`too_many_tries`", body = ApiErrorBody),
    )
)]
pub(super) async fn check_set_up(
    State(app): State<Arc<App>>,
    peer: Peer,
    Body(SetupCheckRequest { code, gateway_name }): Body<SetupCheckRequest>,
) -> Result<StatusCode, ApiError> {
    let from = peer.address.ip();
    let tried = app.accounts.try_code(&code, from).await;
    if let Err(SetupError::WrongCode | SetupError::TooManyTries) = &tried {
        app.accounts.note(Deed::SetUpFailed, &By::stranger(from), None, None).await;
    }
    tried.map_err(|error| explain_setup(&app, error))?;
    if gateway_name.is_some() {
        let change = GatewayChange { name: gateway_name, ..GatewayChange::default() };
        app.configuration.check_gateway(change).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What went wrong, and the command on the gateway that helps.
pub(super) fn explain_setup(app: &App, error: SetupError) -> ApiError {
    let (text, command) = (error.to_string(), &app.setup_hint);
    match error {
        SetupError::WrongCode => {
            let message = format!("{text} `{command}` on the gateway shows the one that works.");
            ApiError::new(StatusCode::FORBIDDEN, "wrong_code", message)
        }
        SetupError::TooManyTries => {
            let message = format!("{text} `{command}` on the gateway makes a new one.");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", message)
        }
        SetupError::Slowed { retry_after } => ApiError::too_many_tries(retry_after),
        SetupError::AlreadySetUp => ApiError::new(StatusCode::CONFLICT, "already_set_up", text),
        SetupError::Accounts(error) => error.into(),
    }
}

/// Logs in.
#[utoipa::path(
    post, path = "/api/v1/login", tag = "session", request_body = LoginRequest,
    responses(
        (status = 200, body = Session),
        (status = 401, description = "`wrong_login`", body = ApiErrorBody),
        (status = 429, description = "`too_many_tries`", body = ApiErrorBody),
    )
)]
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    peer: Peer,
    Body(LoginRequest { name, password }): Body<LoginRequest>,
) -> Result<impl IntoResponse, ApiError> {
    match app.accounts.log_in(&name, password.as_bytes(), peer.address.ip()).await? {
        LogIn::Welcome(user) => {
            let welcome = welcome(&app, &user, peer, StatusCode::OK).await?;
            let by = By { name: Some(user.name.to_string()), address: Some(peer.address.ip()) };
            app.accounts.note(Deed::LogIn, &by, None, None).await;
            Ok(welcome)
        }
        LogIn::Wrong => {
            tracing::debug!(peer = %peer.address, "a wrong log-in");
            Err(ApiError::new(StatusCode::UNAUTHORIZED, "wrong_login", "Name or password is wrong."))
        }
        LogIn::TooManyTries { retry_after } => Err(ApiError::too_many_tries(retry_after)),
    }
}

/// Logs out. It is no error when nobody was logged in.
#[utoipa::path(post, path = "/api/v1/logout", tag = "session", responses((status = 204)))]
pub(super) async fn log_out(
    State(app): State<Arc<App>>,
    peer: Peer,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    if let Some(token) = session_token(&headers, peer) {
        let user = app.accounts.find_session(&token).await?;
        app.accounts.end_session(&token).await?;
        if let Some(user) = user {
            let by = By { name: Some(user.name.to_string()), address: Some(peer.address.ip()) };
            app.accounts.note(Deed::LogOut, &by, None, None).await;
        }
    }
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie(peer, "", 0))])))
}

/// Gives oneself another password. The other sessions of the user end, and the tokens for scripts are taken back unless
/// `keep_tokens`; phones keep their own passwords. A wrong `current` counts as a wrong log-in.
#[utoipa::path(
    post, path = "/api/v1/session/password", tag = "session", request_body = PasswordChange,
    responses(
        (status = 204),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`wrong_password`, `forbidden` with a token, `cross_site`", body = ApiErrorBody),
        (status = 422, description = "`weak_password`", body = ApiErrorBody),
        (status = 429, description = "`too_many_tries`", body = ApiErrorBody),
    )
)]
pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    peer: Peer,
    person: LoggedIn,
    Body(PasswordChange { current, new, keep_tokens }): Body<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    let (accounts, by, name) = (&app.accounts, person.by(), &*person.user.name);
    let Credential::Session(session) = &person.credential else {
        accounts.note(Deed::Forbidden, &by, None, Some("POST /api/v1/session/password")).await;
        let message = "A token changes no password. Log in to the page and change it there.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message));
    };
    // What is wrong with the new one costs no try.
    check_password(&new)?;
    match accounts.log_in(name, current.as_bytes(), peer.address.ip()).await? {
        LogIn::Welcome(_) => {}
        LogIn::Wrong => {
            let message = "This is not your password as it is now.";
            return Err(ApiError::new(StatusCode::FORBIDDEN, "wrong_password", message));
        }
        LogIn::TooManyTries { retry_after } => return Err(ApiError::too_many_tries(retry_after)),
    }
    let kept = Kept { session: Some(session), tokens: keep_tokens == Some(true) };
    let ended = accounts.renew_password(name, &new, kept).await?;
    accounts.note(Deed::PasswordChanged, &by, Some(name), taken_back(ended.tokens).as_deref()).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Logs oneself out everywhere: all other sessions end, and open pages with them. This one goes on unless `here_too`, and
/// tokens for scripts unless `tokens_too`; phones keep their own passwords.
#[utoipa::path(
    post, path = "/api/v1/logout/everywhere", tag = "session", request_body = LogOutEverywhere,
    responses(
        (status = 200, body = LoggedOutEverywhere),
        (status = 401, description = "`not_logged_in`", body = ApiErrorBody),
        (status = 403, description = "`forbidden` with a token, `cross_site`", body = ApiErrorBody),
    )
)]
pub(super) async fn log_out_everywhere(
    State(app): State<Arc<App>>,
    peer: Peer,
    person: LoggedIn,
    Body(LogOutEverywhere { here_too, tokens_too }): Body<LogOutEverywhere>,
) -> Result<Response, ApiError> {
    let (accounts, by, name) = (&app.accounts, person.by(), &*person.user.name);
    let Credential::Session(session) = &person.credential else {
        accounts.note(Deed::Forbidden, &by, None, Some("POST /api/v1/logout/everywhere")).await;
        let message = "A token ends no sessions. Log in to the page and end them there.";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message));
    };
    let here = here_too != Some(true);
    let kept = Kept { session: here.then_some(session), tokens: tokens_too != Some(true) };
    let ended = accounts.log_out_everywhere(name, kept).await?;
    accounts.note(Deed::LoggedOutEverywhere, &by, Some(name), taken_back(ended.tokens).as_deref()).await;
    let answer =
        Json(LoggedOutEverywhere { sessions: ended.sessions, tokens: ended.tokens, here_too: !here });
    if here {
        return Ok(answer.into_response());
    }
    Ok((AppendHeaders([(SET_COOKIE, cookie(peer, "", 0))]), answer).into_response())
}

async fn welcome(
    app: &App,
    user: &User,
    peer: Peer,
    status: StatusCode,
) -> Result<impl IntoResponse + use<>, ApiError> {
    let token = app.accounts.start_session(user).await?;
    let session = describe(app, Some(user)).await?;
    Ok((
        status,
        AppendHeaders([(SET_COOKIE, cookie(peer, token.as_str(), SESSION_LONGEST.as_secs()))]),
        Json(session),
    ))
}

/// Scripts cannot read it, other sites cannot make the browser send it, it ends with the session at the latest, and one
/// that was given with TLS is never sent without.
fn cookie(peer: Peer, token: &str, seconds: u64) -> String {
    let name = peer.session_cookie();
    let secure = if peer.is_secure { "; Secure" } else { "" };
    format!("{name}={token}; HttpOnly; SameSite=Strict; Path=/; Max-Age={seconds}{secure}")
}

async fn describe(app: &App, user: Option<&User>) -> Result<Session, ApiError> {
    Ok(Session {
        setup_needed: !app.accounts.has_administrator().await?,
        gateway_name: app.live.gateway_name(),
        first_run: user.is_some_and(|user| user.role == Role::Admin)
            && app.accounts.first_run_is_open().await?,
        https_port: app.https_port,
        authority_sha256: app.authority_sha256.clone(),
        user: user.map(SessionUser::from),
    })
}
